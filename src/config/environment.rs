//! The environment, which is read once and nowhere else. `layers.rs` makes settings of it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

#[cfg(feature = "openclaw")]
use crate::keepalive::openclaw;
use crate::provider::{PROVIDERS, Provider};

/// The key to Claude's web page. It is a secret, and no file or output gets it.
pub(super) const SESSION_KEY: &str = "SESSION_KEY";

/// The same as `--config`, `--profile` and `--state-dir`.
pub(crate) const CONFIG: &str = "SESSION_WARDEN_CONFIG";
pub(crate) const PROFILE: &str = "SESSION_WARDEN_PROFILE";
pub(crate) const STATE_DIR: &str = "SESSION_WARDEN_STATE_DIR";

/// The environment variables that a run reads, besides the providers' own: those that the timer of a clean needs,
/// and those that concern one run or keep-alive.
const FOR_TIMERS: [&str; 9] = [
    "HOME",
    CONFIG,
    PROFILE,
    STATE_DIR,
    "CLAUDE_SESSION_DIR",
    "CLAUDE_BRIDGE_PORT",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "NO_COLOR",
];
const OF_ONE_RUN: [&str; 15] = [
    "CLICOLOR_FORCE",
    "COLUMNS",
    "PATH",
    "PORT",
    "PROMPT_INTERVAL_MS",
    "TIMEZONE",
    "SILENCE_START",
    "SILENCE_END",
    "SUDO_USER",
    "TERM",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "SESSION_WARDEN_SEND_KEEPALIVES",
    "CREDENTIALS_DIRECTORY",
    SESSION_KEY,
];

/// The environment, as far as a run reads it. A variable that is set to nothing counts as unset.
#[derive(Clone, Default)]
pub struct Environment(HashMap<&'static str, OsString>);

/// The names alone: a value may be a secret.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl Environment {
    /// Reads this process's environment.
    #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
    pub fn read() -> Self {
        Self::from(|name| std::env::var_os(name))
    }

    /// Returns a variable of this process that a child gets as it is.
    #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
    pub fn passed_on(name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    /// Returns an environment in which a variable has the value that `value` returns.
    pub fn from(value: impl Fn(&str) -> Option<OsString>) -> Self {
        let own = PROVIDERS.iter().flat_map(Provider::variables);
        let names = FOR_TIMERS.into_iter().chain(OF_ONE_RUN).chain(own);
        #[cfg(feature = "openclaw")]
        let names = names.chain(openclaw::VARIABLES);

        let set = names.filter_map(|name| Some((name, value(name)?)));
        Self(set.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// Returns the variables that decide where a run looks and how it reports, without those of the terminal: a
    /// timer needs them to do the same as a person's run.
    pub fn settings(&self) -> Vec<(&'static str, OsString)> {
        let own = PROVIDERS.iter().flat_map(Provider::variables);
        FOR_TIMERS.into_iter().chain(own).filter_map(|name| Some((name, self.get(name)?))).collect()
    }

    /// Returns the environment of the user with that home, whose `XDG_*` are unknown.
    #[must_use]
    pub fn of_home(&self, home: &Path) -> Self {
        let mut all = self.0.clone();
        all.retain(|name, _| !name.starts_with("XDG_"));
        all.insert("HOME", home.into());
        Self(all)
    }

    /// Returns this environment with another one's home, `PATH` and folders of the CLIs.
    #[must_use]
    pub fn with_clis_of(&self, other: &Self) -> Self {
        let of_clis = PROVIDERS.iter().flat_map(Provider::variables);
        let taken: Vec<&str> = ["HOME", "PATH"].into_iter().chain(of_clis).collect();
        Self::from(|name| if taken.contains(&name) { other.get(name) } else { self.get(name) })
    }

    /// Returns true if output has colours when no option decides: never with `NO_COLOR` or on a dumb
    /// terminal, always with `CLICOLOR_FORCE`, else on a terminal.
    pub fn wants_color(&self, is_terminal: bool) -> bool {
        if self.get("NO_COLOR").is_some() {
            return false;
        }
        if self.get("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
            return true;
        }
        is_terminal && self.get("TERM").is_none_or(|term| term != "dumb")
    }

    /// Returns the current user's home folder: `HOME`, else the one of the password file.
    pub fn home(&self) -> Option<PathBuf> {
        self.get("HOME").map(PathBuf::from).or_else(dirs::home_dir)
    }

    /// Returns the value of a variable that is set to something.
    pub fn get(&self, name: &str) -> Option<OsString> {
        self.0.get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_set_to_nothing_is_unset() {
        let environment = Environment::from(|name| match name {
            "HOME" => Some("/home/u".into()),
            "CODEX_HOME" => Some("".into()),
            "OTHER" => Some("x".into()),
            _ => None,
        });
        assert_eq!(environment.get("HOME"), Some("/home/u".into()));
        assert_eq!(environment.get("CODEX_HOME"), None);
        assert_eq!(environment.get("OTHER"), None);
    }
}
