//! Timers of systemd: units of the user, or a template of the system with what is this user's beside
//! it.

mod uninstall;

use std::path::{Path, PathBuf};

use super::quote::{escaped, unescaped, unit_word};
use super::unit::{command, environment, set, settings, time};
use super::{Installed, Job, Method, Step, Tool, UnitFile, Work, bytes_of, text_of};
use crate::model::{Failure, describe};
use crate::os::create::{create_folders, remove};
use crate::os::publish::publish;

/// The service, its timer, and the unit that tells of failures.
const USER: [&str; 3] = [
    include_str!("../../packaging/systemd/user/session-warden.service"),
    include_str!("../../packaging/systemd/user/session-warden.timer"),
    include_str!("../../packaging/systemd/user/session-warden-failed@.service"),
];
const SYSTEM: [&str; 3] = [
    include_str!("../../packaging/systemd/system/session-warden@.service"),
    include_str!("../../packaging/systemd/system/session-warden@.timer"),
    include_str!("../../packaging/systemd/system/session-warden-failed@.service"),
];

/// The same for keep-alive, but for the last one, which serves both.
const USER_KEEP: [&str; 2] = [
    include_str!("../../packaging/systemd/user/session-warden-keepalive.service"),
    include_str!("../../packaging/systemd/user/session-warden-keepalive.timer"),
];
const SYSTEM_KEEP: [&str; 2] = [
    include_str!("../../packaging/systemd/system/session-warden-keepalive@.service"),
    include_str!("../../packaging/systemd/system/session-warden-keepalive@.timer"),
];

/// The first line of every file that was installed.
const MARK: &str =
    "# Installed by session-warden schedule; session-warden schedule uninstall removes it.";

/// How such a line begins, in whatever version.
const MARK_START: &str = "# Installed by session-warden schedule";

/// Where the system looks for units of its administrator.
const SYSTEM_FOLDER: &str = "/etc/systemd/system";

const MODE: u32 = 0o644;

/// A systemd: the user's, or the system's.
#[derive(Debug, Clone)]
pub struct Systemd {
    method: Method,
    folder: PathBuf,
}

impl Systemd {
    /// The user's, whose configuration lies in that folder (`~/.config`).
    pub fn of_user(config: &Path) -> Self {
        Self { method: Method::SystemdUser, folder: config.join("systemd/user") }
    }

    /// The system's.
    pub fn of_system() -> Self {
        Self { method: Method::SystemdSystem, folder: SYSTEM_FOLDER.into() }
    }

    pub(super) fn systemctl(&self) -> Tool<'static> {
        match self.method {
            Method::SystemdUser => Tool(&["systemctl", "--user"]),
            _ => Tool(&["systemctl"]),
        }
    }

    /// The files for that job.
    ///
    /// # Errors
    /// Exit code 2 where systemd cannot say it.
    pub fn files(&self, job: &Job) -> Result<Vec<UnitFile>, Failure> {
        let usage = |message: String| Failure::usage(message);
        let calendar = job.when.calendar().ok_or_else(|| {
            usage(format!("systemd cannot run a timer {}", job.when)).hint(
                "use an interval that divides an hour or a day, or --on-calendar (systemd.time(7))",
            )
        })?;
        if calendar.trim().is_empty() || calendar.contains(['\n', '\r']) {
            return Err(usage("--on-calendar is not one line of text".to_owned())
                .hint("for example --on-calendar hourly"));
        }
        let name = job.name();
        let mut files = Vec::new();
        let mut add = |file: String, text: String| {
            files.push(UnitFile { path: self.folder.join(file), text: format!("{MARK}\n{text}") });
        };
        let own = |text: &str| text.replace("session-warden-failed@", &format!("{name}-failed@"));
        match &job.user {
            None => {
                let [mut service, mut timer, failed] = USER;
                if job.work == Work::Keep {
                    [service, timer] = USER_KEEP;
                }
                let command = settings(&[("ExecStart", &command(job))], &environment(job));
                add(format!("{name}.service"), set(&own(service), &command));
                add(format!("{name}.timer"), set(timer, &time(job, &calendar)));
                add(format!("{name}-failed@.service"), failed.to_owned());
            }
            Some(user) => {
                if name.ends_with("-failed") {
                    let message = format!("{name}@.service is the name of another unit");
                    return Err(
                        usage(message).hint("give the profile a name that does not end in -failed")
                    );
                }
                let [mut service, mut timer, failed] = SYSTEM;
                if job.work == Work::Keep {
                    [service, timer] = SYSTEM_KEEP;
                }
                add(format!("{name}@.service"), own(service));
                add(format!("{name}@.timer"), timer.to_owned());
                add(format!("{name}-failed@.service"), failed.to_owned());
                let unit = escaped(&user.name);
                let writes: Vec<String> = job
                    .writes
                    .iter()
                    .map(|folder| unit_word(&format!("-{}", folder.to_string_lossy())))
                    .collect();
                // %i would be the name as systemd escapes it.
                let user = format!("User={}", user.name.replace('%', "%%"));
                let mut lines = vec!["[Service]".to_owned(), user];
                lines.extend(environment(job));
                // Keep-alive may write wherever its user may.
                if !writes.is_empty() {
                    lines.push(format!("ReadWritePaths={}", writes.join(" ")));
                }
                // The unit has a /tmp of its own, into which what it needs is put back.
                let is_hidden = |path: &&PathBuf| {
                    ["/tmp", "/var/tmp"].iter().any(|hidden| path.starts_with(hidden))
                };
                for (key, paths) in [("BindReadOnlyPaths", &job.reads), ("BindPaths", &job.writes)]
                {
                    for path in paths.iter().filter(is_hidden) {
                        let bound = unit_word(&format!("-{}", path.to_string_lossy()));
                        lines.push(format!("{key}={bound}"));
                    }
                }
                lines.push("ExecStart=".to_owned());
                lines.push(format!("ExecStart={}", command(job)));
                let folder = format!("{name}@{unit}.service.d/schedule.conf");
                add(folder, lines.join("\n") + "\n");
                let mut lines = vec!["[Timer]".to_owned(), "OnCalendar=".to_owned()];
                lines.extend(time(job, &calendar).into_iter().filter_map(|(_, line)| line));
                add(format!("{name}@{unit}.timer.d/schedule.conf"), lines.join("\n") + "\n");
            }
        }
        Ok(files)
    }

    /// Checks the calendar with systemd's own eyes, where it is there to be asked.
    ///
    /// # Errors
    /// Exit code 2 where it makes no sense.
    pub fn check(job: &Job) -> Result<(), Failure> {
        let Some(calendar) = job.when.calendar() else { return Ok(()) };
        let Ok(said) = Tool(&["systemd-analyze", "calendar", "--"]).run(&[&calendar], None) else {
            return Ok(());
        };
        if said.ok {
            return Ok(());
        }
        let message = format!("{calendar:?} is not a systemd calendar expression: {}", said.err);
        Err(Failure::usage(message)
            .hint("for example --on-calendar hourly or --on-calendar '*:0/15'"))
    }

    pub(super) fn timer(&self, name: &str, user: Option<&str>) -> String {
        match (self.method, user) {
            (Method::SystemdSystem, Some(user)) => format!("{name}@{}.timer", escaped(user)),
            _ => format!("{name}.timer"),
        }
    }

    /// Writes the files and starts the timer.
    ///
    /// # Errors
    /// Where that cannot be done; files that were not there before are gone again then.
    pub fn install(&self, job: &Job) -> Result<Vec<Step>, Failure> {
        let files = self.files(job)?;
        for file in &files {
            refuse_foreign(&file.path)?;
        }
        let user = job.user.as_ref().map(|user| user.name.as_str());
        let was_there = self
            .installed(false)
            .iter()
            .any(|one| one.name == job.name() && one.user.as_deref() == user);
        let before: Vec<Option<Vec<u8>>> = files.iter().map(|file| bytes_of(&file.path)).collect();
        let mut steps = Vec::new();
        let written = files.iter().zip(&before).try_for_each(|(file, before)| {
            let shown = file.path.display().to_string();
            let is_same = before.as_deref() == Some(file.text.as_bytes());
            steps.push(match before {
                Some(_) if is_same => Step::Unchanged(shown),
                Some(_) => Step::Replaced(shown),
                None => Step::Added(shown),
            });
            if is_same { Ok(()) } else { put(file) }
        });
        let timer = self.timer(&job.name(), user);
        let started = written.and_then(|()| {
            self.systemctl().must(&["daemon-reload"])?;
            // Started anew, so that a new time counts from now on.
            self.systemctl().must(&["enable", &timer])?;
            self.check_it_is_read(&timer)?;
            let is_new = steps.iter().any(|step| !matches!(step, Step::Unchanged(_)));
            self.systemctl().must(&[if is_new { "restart" } else { "start" }, &timer])
        });
        if let Err(failure) = started {
            if !was_there {
                let _ = self.systemctl().run(&["disable", "--now", &timer], None);
            }
            for (file, before) in files.iter().zip(&before) {
                let _ = match before {
                    Some(before) => publish(&file.path, before, MODE),
                    None => remove(&file.path),
                };
            }
            let _ = self.systemctl().run(&["daemon-reload"], None);
            if was_there {
                let _ = self.systemctl().run(&["start", &timer], None);
            }
            return Err(failure.hint("correct this and install again; the files were restored"));
        }
        steps.push(Step::Did(format!("enabled and started {timer}")));
        Ok(steps)
    }

    /// That systemd reads that timer from our folder, and not one of its name from another: a variable
    /// in this shell need not be one of the systemd that runs.
    fn check_it_is_read(&self, timer: &str) -> Result<(), Failure> {
        let asked = ["show", "--property=FragmentPath", "--value", timer];
        let told = self.systemctl().must(&asked).unwrap_or_default();
        let read = Path::new(told.trim());
        let is_ours = read.parent().is_none_or(|folder| {
            folder == self.folder || folder.canonicalize().ok() == self.folder.canonicalize().ok()
        });
        if !read.is_absolute() || is_ours {
            return Ok(());
        }
        let message = format!("systemd reads {} instead of {}", told.trim(), self.folder.display());
        Err(Failure::new(message).hint("set XDG_CONFIG_HOME as systemd has it, or unset it"))
    }

    /// What is installed here; asked of systemd itself where `asks`.
    pub fn installed(&self, asks: bool) -> Vec<Installed> {
        let mut found = Vec::new();
        let names = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in names {
            let Ok(file) = entry.file_name().into_string() else { continue };
            let (stem, conf) = match self.method {
                Method::SystemdUser => (file.strip_suffix(".timer"), entry.path()),
                _ => (file.strip_suffix(".timer.d"), entry.path().join("schedule.conf")),
            };
            let Some(stem) = stem else { continue };
            let text = text_of(&conf).unwrap_or_default();
            if !text.starts_with(MARK_START) {
                continue;
            }
            let (name, user) = match stem.split_once('@') {
                Some((name, user)) => (name.to_owned(), Some(unescaped(user))),
                None => (stem.to_owned(), None),
            };
            let mut one = Installed {
                method: self.method,
                name,
                user,
                what: conf.display().to_string(),
                active: false,
                next: None,
                last: None,
            };
            if asks {
                self.ask(&mut one);
            }
            found.push(one);
        }
        found.sort_by(|a, b| (&a.name, &a.user).cmp(&(&b.name, &b.user)));
        found
    }
}

fn refuse_foreign(path: &Path) -> Result<(), Failure> {
    let is_ours = |text: Vec<u8>| text.starts_with(MARK_START.as_bytes());
    // Neither is a link that leads nowhere, nor what is no file.
    if path.symlink_metadata().is_err() || bytes_of(path).is_some_and(is_ours) {
        return Ok(());
    }
    let message = format!("{} was not installed by session-warden schedule", path.display());
    Err(Failure::new(message).hint("move it away first; nothing was changed"))
}

fn put(file: &UnitFile) -> Result<(), Failure> {
    let folder = file.path.parent().unwrap_or(Path::new("/"));
    let written =
        create_folders(folder).and_then(|()| publish(&file.path, file.text.as_bytes(), MODE));
    written.map_err(|error| {
        Failure::new(format!("cannot write {}: {}", file.path.display(), describe(&error)))
            .hint("check the permissions of its folder")
    })
}

/// What the service of that job is called, for hints.
pub fn service(job: &Job) -> String {
    let name = job.name();
    match &job.user {
        Some(user) => format!("{name}@{}.service", escaped(&user.name)),
        None => format!("{name}.service"),
    }
}
