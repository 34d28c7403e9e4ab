//! Stopping timers of systemd, and removing their units.

use super::{Systemd, is_ours};
use crate::model::Failure;
use crate::os::create;
use crate::schedule::quote::escaped;
use crate::schedule::timer::{Installed, Step};
use crate::schedule::unit_file::{remove, text_of};

impl Systemd {
    /// Stops and removes the timers of that name, or all of them; for that user, or all users. A dry run
    /// changes nothing, and returns the steps that it leaves out.
    pub fn uninstall(
        &self,
        name: Option<&str>,
        user: Option<&str>,
        is_dry: bool,
    ) -> Result<Vec<Step>, Failure> {
        let (asked, kept): (Vec<_>, Vec<_>) =
            self.installed(false).into_iter().partition(|timer| {
                name.is_none_or(|name| name == timer.name)
                    && user.is_none_or(|user| timer.user.as_deref() == Some(user))
            });

        let mut steps = Vec::new();
        for (index, timer) in asked.iter().enumerate() {
            let unit = self.timer(&timer.name, timer.user.as_deref());
            if is_dry {
                steps.push(Step::Would(format!("stop and disable {unit}")));
            } else {
                steps.push(self.stop(&unit));
            }

            let mut others = kept.iter().chain(asked.iter().skip(index + 1));
            let is_last = !others.any(|other| other.name == timer.name && other.user != timer.user);
            for file in files_of(timer, is_last) {
                steps.extend(self.remove(&file, is_dry)?);
            }
        }

        if !steps.is_empty() && !is_dry {
            let _ = self.systemctl().run(&["daemon-reload"], b"");
            let _ = self.systemctl().run(&["reset-failed", "session-warden*"], b"");
        }
        Ok(steps)
    }

    /// Stops and disables a timer, and stops its service.
    fn stop(&self, timer: &str) -> Step {
        let stopped = self.systemctl().run(&["disable", "--now", timer], b"");
        let _ = self.systemctl().run(&["stop", &timer.replace(".timer", ".service")], b"");

        // The link that enables it, if systemd did not remove that.
        let wants = self.folder.join("timers.target.wants").join(timer);
        if wants.is_symlink() {
            let _ = create::remove(&wants);
        }

        let why = match stopped {
            Ok(output) if output.success => {
                return Step::Did(format!("stopped and disabled {timer}"));
            }
            Ok(output) => output.stderr,
            Err(failure) => failure.message,
        };
        Step::Problem(format!(
            "{timer} could not be stopped and may run until systemd restarts: {why}"
        ))
    }

    /// Removes a file of ours; nothing if there is none.
    fn remove(&self, file: &str, is_dry: bool) -> Result<Option<Step>, Failure> {
        let path = self.folder.join(file);
        if !text_of(&path).is_some_and(|text| is_ours(text.as_bytes())) {
            return Ok(None);
        }
        if is_dry {
            return Ok(Some(Step::Removed(path.display().to_string()).planned()));
        }
        remove(&path).map(Some)
    }
}

/// The files of a timer. Templates are removed with the last user who has them.
fn files_of(timer: &Installed, is_last: bool) -> Vec<String> {
    let name = &timer.name;
    let mut files = Vec::new();
    let mut at = "";
    if let Some(user) = timer.user.as_deref().map(escaped) {
        at = "@";
        files.push(format!("{name}@{user}.service.d/schedule.conf"));
        files.push(format!("{name}@{user}.timer.d/schedule.conf"));
    }

    if is_last {
        files.push(format!("{name}{at}.timer"));
        files.push(format!("{name}{at}.service"));
        files.push(format!("{name}-failed@.service"));
    }
    files
}
