//! Timers of systemd: units of the user, or templates of the system with drop-ins for each user.

mod show;
mod uninstall;
mod units;

use std::fs;
use std::path::{Path, PathBuf};

use super::quote::{escaped, unescaped};
use super::timer::{Installed, Job, Method, Step};
use super::tool::Tool;
use super::unit_file::{RESTORED_HINT, Replacement, UnitFile, text_of};
use crate::model::Failure;

pub use show::lingers;

/// The first line of every installed file.
const MARK: &str =
    "# Installed by session-warden schedule; session-warden schedule uninstall removes it.";

/// How that line begins in every version.
const MARK_START: &str = "# Installed by session-warden schedule";

/// The folder of the administrator's units.
const SYSTEM_FOLDER: &str = "/etc/systemd/system";

/// A systemd: the user's, or the system's.
#[derive(Debug, Clone)]
pub struct Systemd {
    method: Method,
    folder: PathBuf,
}

impl Systemd {
    /// The user's, whose configuration is in the folder `config` (`~/.config`).
    pub fn of_user(config: &Path) -> Self {
        Self { method: Method::SystemdUser, folder: config.join("systemd/user") }
    }

    pub fn of_system() -> Self {
        Self { method: Method::SystemdSystem, folder: SYSTEM_FOLDER.into() }
    }

    fn systemctl(&self) -> Tool<'static> {
        match self.method {
            Method::SystemdUser => Tool(&["systemctl", "--user"]),
            _ => Tool(&["systemctl"]),
        }
    }

    /// The files for that job. Exit code 2 if systemd has no way to express it.
    pub fn files(&self, job: &Job) -> Result<Vec<UnitFile>, Failure> {
        let files = units::files(job)?.into_iter();
        let placed = files.map(|(name, text)| UnitFile {
            path: self.folder.join(name),
            text: format!("{MARK}\n\n{text}"),
        });
        Ok(placed.collect())
    }

    /// Checks the calendar expression by systemd itself, if it can be asked. Exit code 2 if it is wrong.
    pub fn check(job: &Job) -> Result<(), Failure> {
        let Some(calendar) = job.when.calendar() else { return Ok(()) };
        match Tool(&["systemd-analyze", "calendar", "--"]).run(&[&calendar], b"") {
            Ok(output) if !output.success => {
                let why = output.stderr;
                let message = format!("{calendar:?} is not a systemd calendar expression: {why}");
                Err(Failure::usage(message)
                    .hint("for example --on-calendar hourly or --on-calendar '*:0/15'"))
            }
            _ => Ok(()),
        }
    }

    fn timer(&self, name: &str, user: Option<&str>) -> String {
        match (self.method, user) {
            (Method::SystemdSystem, Some(user)) => format!("{name}@{}.timer", escaped(user)),
            _ => format!("{name}.timer"),
        }
    }

    /// Writes the files and starts the timer. After a failure, the files are as they were before.
    pub fn install(&self, job: &Job) -> Result<Vec<Step>, Failure> {
        let files = self.files(job)?;
        let files = files.iter().map(|file| Replacement::of(file, is_ours));
        let files = files.collect::<Result<Vec<_>, _>>()?;
        let (name, user) = (job.name(), job.user.as_ref().map(|user| user.name.as_str()));
        let is_update = self
            .installed(false)
            .iter()
            .any(|timer| timer.name == name && timer.user.as_deref() == user);

        let timer = self.timer(&name, user);
        let written = files.iter().map(Replacement::write).collect::<Result<Vec<Step>, _>>();
        let started = written.and_then(|steps| self.start(&timer, &steps).map(|()| steps));

        let mut steps = match started {
            Ok(steps) => steps,
            Err(failure) => {
                self.restore(&files, &timer, is_update);
                return Err(failure.hint(RESTORED_HINT));
            }
        };
        steps.push(Step::Did(format!("enabled and started {timer}")));
        Ok(steps)
    }

    /// Enables and starts the timer whose files were written in these steps.
    fn start(&self, timer: &str, steps: &[Step]) -> Result<(), Failure> {
        self.systemctl().must(&["daemon-reload"])?;
        self.systemctl().must(&["enable", timer])?;
        self.check_folder(timer)?;

        // Only a restart makes a new time count from now on.
        let is_new = steps.iter().any(|step| !matches!(step, Step::Unchanged(_)));
        self.systemctl().must(&[if is_new { "restart" } else { "start" }, timer])?;
        Ok(())
    }

    fn restore(&self, files: &[Replacement<'_>], timer: &str, is_update: bool) {
        let systemctl = self.systemctl();
        if !is_update {
            let _ = systemctl.run(&["disable", "--now", timer], b"");
        }

        files.iter().for_each(Replacement::restore);
        let _ = systemctl.run(&["daemon-reload"], b"");
        if is_update {
            let _ = systemctl.run(&["start", timer], b"");
        }
    }

    /// Checks that systemd reads the timer from our folder, and not one of its name from another: the
    /// systemd that runs need not have the variables of this shell.
    fn check_folder(&self, timer: &str) -> Result<(), Failure> {
        let show = ["show", "--property=FragmentPath", "--value", timer];
        let shown = self.systemctl().must(&show).unwrap_or_default();
        let path = Path::new(shown.trim());

        let is_ours = path.parent().is_none_or(|folder| {
            folder == self.folder || folder.canonicalize().ok() == self.folder.canonicalize().ok()
        });
        if !path.is_absolute() || is_ours {
            return Ok(());
        }
        let message =
            format!("systemd reads {} instead of {}", path.display(), self.folder.display());
        Err(Failure::new(message).hint("set XDG_CONFIG_HOME as systemd has it, or unset it"))
    }

    /// The timers that are installed here. With `asks`, systemd is asked for their state.
    pub fn installed(&self, asks: bool) -> Vec<Installed> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut found: Vec<Installed> =
            entries.filter_map(|entry| self.installed_by(&entry)).collect();
        if asks {
            for timer in &mut found {
                self.add_state(timer);
            }
        }

        found.sort_by(|a, b| (&a.name, &a.user).cmp(&(&b.name, &b.user)));
        found
    }

    /// The timer that this entry of the folder installs, if it is one of ours.
    fn installed_by(&self, entry: &fs::DirEntry) -> Option<Installed> {
        let file = entry.file_name().into_string().ok()?;
        let (stem, path) = match self.method {
            Method::SystemdUser => (file.strip_suffix(".timer")?, entry.path()),
            _ => (file.strip_suffix(".timer.d")?, entry.path().join("schedule.conf")),
        };
        if !text_of(&path)?.starts_with(MARK_START) {
            return None;
        }

        let (name, user) = match stem.split_once('@') {
            Some((name, user)) => (name, Some(unescaped(user))),
            None => (stem, None),
        };
        Some(Installed {
            method: self.method,
            name: name.to_owned(),
            user,
            what: path.display().to_string(),
            active: false,
            next: None,
            last: None,
        })
    }
}

fn is_ours(text: &[u8]) -> bool {
    text.starts_with(MARK_START.as_bytes())
}

/// The name of the job's service, for hints.
pub fn service(job: &Job) -> String {
    let name = job.name();
    match &job.user {
        Some(user) => format!("{name}@{}.service", escaped(&user.name)),
        None => format!("{name}.service"),
    }
}
