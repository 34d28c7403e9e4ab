//! Stopping timers of systemd, and removing their units.

use super::{MARK_START, Systemd};
use crate::model::{Failure, describe};
use crate::os::create::remove;
use crate::schedule::quote::escaped;
use crate::schedule::{Installed, Said, Step, text_of};

impl Systemd {
    /// Stops and removes what was installed under that name, or everything; for that user, or all. A dry run
    /// changes nothing, and returns the steps that it leaves out.
    ///
    /// # Errors
    /// Where something cannot be removed.
    pub fn uninstall(
        &self,
        only: Option<&str>,
        user: Option<&str>,
        is_dry: bool,
    ) -> Result<Vec<Step>, Failure> {
        let mut steps = Vec::new();
        let is_asked = |one: &Installed| {
            only.is_none_or(|only| only == one.name)
                && user.is_none_or(|user| one.user.as_deref() == Some(user))
        };
        let (asked, kept): (Vec<Installed>, Vec<Installed>) =
            self.installed(false).into_iter().partition(is_asked);
        for (place, one) in asked.iter().enumerate() {
            let timer = self.timer(&one.name, one.user.as_deref());
            if is_dry {
                steps.push(Step::Would(format!("stop and disable {timer}")));
            } else {
                steps.push(self.stop(&timer));
            }

            let unit = one.user.as_deref().map(escaped);
            let mut files = Vec::new();
            if let Some(unit) = &unit {
                for kind in ["service", "timer"] {
                    files.push(format!("{}@{unit}.{kind}.d/schedule.conf", one.name));
                }
            }

            // The units themselves go with the last user who has them.
            let mut others = kept.iter().chain(asked.iter().skip(place + 1));
            if !others.any(|other| other.name == one.name && other.user != one.user) {
                let at = if unit.is_some() { "@" } else { "" };
                files.push(format!("{}{at}.timer", one.name));
                files.push(format!("{}{at}.service", one.name));
                files.push(format!("{}-failed@.service", one.name));
            }
            for file in files {
                steps.extend(self.take_away(&file, is_dry)?);
            }
        }
        if !steps.is_empty() && !is_dry {
            let _ = self.systemctl().run(&["daemon-reload"], None);
            let _ = self.systemctl().run(&["reset-failed", "session-warden*"], None);
        }
        Ok(steps)
    }

    /// Stops and disables a timer, and stops its service.
    fn stop(&self, timer: &str) -> Step {
        let stopped = self.systemctl().run(&["disable", "--now", timer], None);
        let _ = self.systemctl().run(&["stop", &timer.replace(".timer", ".service")], None);

        // The link that enabled it, where systemd did not remove that.
        let wants = self.folder.join("timers.target.wants").join(timer);
        if wants.is_symlink() {
            let _ = remove(&wants);
        }
        match stopped {
            Ok(said) if said.ok => Step::Did(format!("stopped and disabled {timer}")),
            Ok(Said { err: why, .. }) | Err(Failure { message: why, .. }) => Step::Trouble(
                format!("{timer} could not be stopped and may run until systemd restarts: {why}"),
            ),
        }
    }

    /// Removes a file of ours; nothing if there is none.
    fn take_away(&self, file: &str, is_dry: bool) -> Result<Option<Step>, Failure> {
        let path = self.folder.join(file);
        let text = text_of(&path).unwrap_or_default();
        if !text.starts_with(MARK_START) {
            return Ok(None);
        }
        if is_dry {
            return Ok(Some(Step::Would(format!("remove {}", path.display()))));
        }
        remove(&path).map_err(|error| {
            Failure::new(format!("cannot remove {}: {}", path.display(), describe(&error)))
                .hint("check the permissions of its folder")
        })?;
        Ok(Some(Step::Removed(path.display().to_string())))
    }
}
