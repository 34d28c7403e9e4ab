//! The answers of a systemd that is asked for its state, within bounded time.

use super::Systemd;
use crate::model::Failure;
use crate::schedule::quote::shell_words;
use crate::schedule::timer::{Account, Installed};
use crate::schedule::tool::Tool;

impl Systemd {
    /// Checks that it runs and answers.
    pub fn check_running(&self) -> Result<(), Failure> {
        let shown = self.ask(&["show", "--property=Version"])?;
        if shown.starts_with("Version=") { Ok(()) } else { Err(self.no_answer("")) }
    }

    /// Adds the state of an installed timer, if systemd answers.
    pub(super) fn add_state(&self, installed: &mut Installed) {
        let timer = self.timer(&installed.name, installed.user.as_deref());
        let keys = ["ActiveState", "NextElapseUSecRealtime", "LastTriggerUSec"];
        if let Ok([active, next, last]) = self.properties(&timer, keys) {
            installed.active = active.as_deref() == Some("active");
            installed.next = next;
            installed.last = last;
        }
    }

    /// The properties of a unit; nothing for those that are not set.
    pub(in crate::schedule) fn properties<const N: usize>(
        &self,
        unit: &str,
        keys: [&str; N],
    ) -> Result<[Option<String>; N], Failure> {
        let shown = self.ask(&["show", &format!("--property={}", keys.join(",")), unit])?;
        Ok(keys.map(|key| {
            let line = shown.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.filter(|value| !value.is_empty() && *value != "n/a").map(str::to_owned)
        }))
    }

    /// The variables that its units see besides their own; none if it does not answer.
    pub fn variables(&self) -> Vec<(String, String)> {
        let shown = self.ask(&["show-environment"]).unwrap_or_default();
        shown.lines().filter_map(variable).collect()
    }

    fn ask(&self, arguments: &[&str]) -> Result<String, Failure> {
        let output = self.systemctl().ask(arguments)?;
        if output.success {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(self.no_answer(&output.stderr))
        }
    }

    fn no_answer(&self, why: &str) -> Failure {
        let line = self.systemctl().0.join(" ");
        Failure::new(format!("{line} does not answer: {why}"))
            .hint("check that systemd runs, or use --method cron")
    }
}

/// A variable in a line of `systemctl show-environment`. A value with special characters is quoted for bash.
fn variable(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let value = value.strip_prefix('$').unwrap_or(value);
    Some((name.to_owned(), shell_words(value).pop().unwrap_or_default()))
}

/// Returns true if that user's systemd runs without a login; nothing if loginctl does not show it.
pub fn lingers(user: &Account) -> Option<bool> {
    let output = Tool(&["loginctl", "show-user", "--property=Linger"]).ask(&[&user.name]).ok()?;
    match output.stdout.trim_ascii() {
        b"Linger=yes" => Some(true),
        b"Linger=no" => Some(false),
        // loginctl does not know a user who is not logged in and does not linger.
        _ => (!output.success && output.stderr.contains("not logged in")).then_some(false),
    }
}
