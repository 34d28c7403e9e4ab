//! Timers that session-warden did not install: lines that a user added to the crontab by hand, and the timer
//! of the script that session-warden replaces.

use super::cron;
use super::installed_command::split;
use super::quote::shell_words;
use super::systemd::Systemd;
use super::timer::{Installed, NAME};
use crate::model::Failure;

/// The timer of the script that session-warden replaces.
pub const OLD_TIMER: &str = "claude-session-cleanup.timer";

pub const OLD_SCRIPT: &str = "cleanup_idle_sessions.py";

/// The lines of a crontab that were not installed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// Lines that run a clean.
    pub cleans: Vec<String>,
    /// Lines that run the old script.
    pub old: Vec<String>,
    /// The variables that are set for all lines.
    pub variables: Vec<(String, String)>,
}

impl Lines {
    /// Looks through a crontab.
    pub fn of(crontab: &[u8]) -> Self {
        let mut this = Self::default();

        for line in crontab.split(|byte| *byte == b'\n') {
            let is_ours = cron::name_of(line).is_some();
            let line = String::from_utf8_lossy(line).trim().to_owned();
            if is_ours || line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some((name, value)) = setting(&line) {
                this.variables.push((name, value));
            } else if line.contains(OLD_SCRIPT) {
                this.old.push(line);
            } else if split(&line).is_some_and(|(_, command)| is_clean(&command)) {
                this.cleans.push(line);
            }
        }
        this
    }

    /// The timers that clean.
    pub fn by_hand(&self) -> Vec<Installed> {
        cron::timers(self.cleans.iter().map(|line| (NAME.to_owned(), line.clone())))
    }
}

/// A line `NAME = value` of a crontab (crontab(5)).
fn setting(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim_end().trim_matches(['"', '\'']);
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');

    let value = value.trim();
    let value = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(value);
    (is_name && !name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
}

/// Returns true if the command runs a clean, and no other command of this program.
fn is_clean(command: &str) -> bool {
    let words = shell_words(command);
    let mut words = words.iter();
    words.any(|word| word.rsplit('/').next() == Some(NAME))
        && words
            .next()
            .is_none_or(|first| first == "clean" || !first.starts_with(char::is_alphabetic))
}

/// The state of the old script's timer in a systemd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldTimer {
    Absent,
    Off,
    /// It runs, or will after the next start.
    On,
}

pub fn old_timer(systemd: &Systemd) -> Result<OldTimer, Failure> {
    let keys = ["LoadState", "ActiveState", "UnitFileState"];
    let [loaded, active, enabled] = systemd.properties(OLD_TIMER, keys)?;
    Ok(if loaded.is_none_or(|state| state == "not-found") {
        OldTimer::Absent
    } else if active.as_deref() == Some("active")
        || enabled.is_some_and(|state| state.starts_with("enabled"))
    {
        OldTimer::On
    } else {
        OldTimer::Off
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_others_are_told_apart() {
        let lines = Lines::of(
            b"# 5 * * * * session-warden\nMAILTO=me\nCODEX_HOME = \"/a b\"\n\
              5 * * * * /usr/local/bin/session-warden -q\n\
              6 * * * * X=1 session-warden clean >/dev/null 2>&1\n\
              7 * * * * session-warden list\n8 * * * * other session-warden.log\n\
              9 * * * * python3 /opt/cleanup_idle_sessions.py --hours 2\n\
              #9 * * * * python3 /opt/cleanup_idle_sessions.py\n\
              0 * * * * session-warden # installed by session-warden schedule: session-warden\n\
              @daily session-warden\n\xff\n",
        );
        assert_eq!(lines.cleans.len(), 3, "{lines:?}");
        assert!(lines.old.len() == 1 && lines.old[0].starts_with('9'), "{lines:?}");
        let variables = [("MAILTO", "me"), ("CODEX_HOME", "/a b")];
        assert_eq!(lines.variables, variables.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }
}
