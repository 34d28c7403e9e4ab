//! What systemd tells when it is asked, within bounded time.

use super::quote::shell_words;
use super::systemd::Systemd;
use super::{Account, Installed, Tool};
use crate::model::Failure;

/// What to do where systemd does not answer.
const NO_SYSTEMD_HINT: &str = "check that systemd runs, or use --method cron";

impl Systemd {
    /// Whether it runs and can be asked.
    pub fn is_there(&self) -> bool {
        self.answers().is_ok()
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// Why it does not.
    pub fn answers(&self) -> Result<(), Failure> {
        let said = self.systemctl().ask(&["show", "--property=Version"])?;
        if said.ok && said.out.starts_with(b"Version=") {
            return Ok(());
        }
        let line = self.systemctl().0.join(" ");
        Err(Failure::new(format!("{line} does not answer: {}", said.err)).hint(NO_SYSTEMD_HINT))
    }

    /// Adds what it tells of a timer that is installed.
    pub(super) fn ask(&self, one: &mut Installed) {
        let timer = self.timer(&one.name, one.user.as_deref());
        let keys = ["ActiveState", "NextElapseUSecRealtime", "LastTriggerUSec"];
        let Ok([active, next, last]) = self.told(&timer, keys) else { return };
        one.active = active.as_deref() == Some("active");
        one.next = next;
        one.last = last;
    }

    /// What it tells of that unit, by these keys; nothing for what is not set.
    ///
    /// # Errors
    /// Where it cannot be asked.
    pub fn told<const N: usize>(
        &self,
        unit: &str,
        keys: [&str; N],
    ) -> Result<[Option<String>; N], Failure> {
        let said =
            self.systemctl().ask(&["show", &format!("--property={}", keys.join(",")), unit])?;
        if !said.ok {
            let line = self.systemctl().0.join(" ");
            return Err(
                Failure::new(format!("{line} does not answer: {}", said.err)).hint(NO_SYSTEMD_HINT)
            );
        }
        let told = String::from_utf8_lossy(&said.out);
        Ok(keys.map(|key| {
            let line = told.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.filter(|value| !value.is_empty() && *value != "n/a").map(str::to_owned)
        }))
    }

    /// The variables that its units see besides their own; nothing where it cannot be asked.
    pub fn variables(&self) -> Vec<(String, String)> {
        let Ok(said) = self.systemctl().ask(&["show-environment"]) else { return Vec::new() };
        let told = String::from_utf8_lossy(&said.out).into_owned();
        let variable = |line: &str| {
            let (name, value) = line.split_once('=')?;
            // What needs it is written as for bash.
            let value = value.strip_prefix('$').unwrap_or(value);
            Some((name.to_owned(), shell_words(value).pop().unwrap_or_default()))
        };
        told.lines().filter_map(variable).collect()
    }
}

/// Whether that user's systemd runs without the user being logged in; nothing where that cannot be
/// told.
pub fn lingers(user: &Account) -> Option<bool> {
    let told = Tool(&["loginctl", "show-user", "--property=Linger"]).ask(&[&user.name]).ok()?;
    match told.out.trim_ascii() {
        b"Linger=yes" => Some(true),
        b"Linger=no" => Some(false),
        // One who is not logged in and does not linger is not known there.
        _ => (!told.ok && told.err.contains("not logged in")).then_some(false),
    }
}
