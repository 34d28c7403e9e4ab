//! What a run goes by: flags, environment and defaults, turned into one typed value.
//!
//! The environment is read here, once, and nowhere else.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::bridge::Choice;
use crate::domain::{Failure, IdleThreshold, Missing};
use crate::process;
use crate::provider::{PROVIDERS, Provider};

/// The file that the bridge keeps its map in, within the session folder.
pub const MAP_NAME: &str = "session_map.json";

/// Where the bridge keeps its map unless it is told otherwise.
pub const SESSION_DIR: &str = "/tmp/claude_sessions";

/// Where state lies in a home, unless `XDG_STATE_HOME` says otherwise, and our part of it.
const STATE_IN_HOME: &str = ".local/state";
const PROGRAM: &str = "session-warden";

/// The environment variables that a run reads, besides the providers' own.
const VARIABLES: [&str; 6] =
    ["HOME", "CLAUDE_SESSION_DIR", "CLAUDE_BRIDGE_PORT", "XDG_STATE_HOME", "NO_COLOR", "TERM"];

/// The environment, as far as a run reads it. A variable that is set to nothing counts as unset.
#[derive(Debug, Clone, Default)]
pub struct Environment(HashMap<&'static str, OsString>);

impl Environment {
    /// Reads this process's environment.
    #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
    pub fn read() -> Self {
        Self::from(|name| std::env::var_os(name))
    }

    /// An environment whose variables `value` tells.
    pub fn from(value: impl Fn(&str) -> Option<OsString>) -> Self {
        let own = PROVIDERS.iter().filter_map(|provider| Some(provider.variable?.0));
        let set = VARIABLES.into_iter().chain(own).filter_map(|name| Some((name, value(name)?)));
        Self(set.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// The value of a variable that is set to something.
    pub fn get(&self, name: &str) -> Option<OsString> {
        self.0.get(name).cloned()
    }
}

/// Whose CLI sessions are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// Those below this home, whatever the CLIs' own variables say.
    Given(PathBuf),
    /// Those of the user; this is `$HOME`, where it is set.
    User(Option<PathBuf>),
}

/// How the report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// How much of a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    /// Nothing, unless something went wrong.
    Quiet,
    /// What goes or needs attention; in a dry run, everything.
    Normal,
    /// Everything.
    Verbose,
}

/// Everything that a `clean` goes by.
#[derive(Debug, Clone)]
pub struct Clean {
    /// Decide and report, and change nothing.
    pub dry_run: bool,
    /// How long a session may rest.
    pub threshold: IdleThreshold,
    /// Where the map is, absolute.
    pub map: PathBuf,
    /// Whose sessions are looked at.
    pub home: Home,
    /// The environment, for the CLIs' own variables.
    pub environment: Environment,
    /// How the map is to be reached.
    pub bridge: Choice,
    /// The state folder, where it was named.
    pub state_dir: Option<PathBuf>,
    /// What to do where a session's file is gone.
    pub missing: Missing,
    /// The only providers to judge; empty for all, and for models that none has.
    pub providers: Vec<String>,
    /// The most mappings that may go in one run.
    pub max_remove: Option<u64>,
    /// How the report is written.
    pub format: Format,
    /// Whether the report has colours.
    pub color: bool,
    /// How much of the report is written.
    pub verbosity: Verbosity,
}

impl Clean {
    /// Whether mappings of that model are judged at all.
    pub fn asks_for(&self, model: &str) -> bool {
        self.providers.is_empty()
            || PROVIDERS.iter().any(|provider| {
                provider.model == model && self.providers.iter().any(|name| name == provider.name)
            })
    }

    /// The folder of what runs remember.
    ///
    /// # Errors
    /// As [`state_dir`].
    pub fn state_dir(&self) -> Result<PathBuf, Failure> {
        state_dir(self.state_dir.as_deref(), &self.environment)
    }

    /// The folder of that provider, such as `~/.claude`.
    ///
    /// # Errors
    /// Where it lies in the home of a user who has none.
    pub fn base(&self, provider: &Provider, map_owner: Option<u32>) -> Result<PathBuf, Failure> {
        // As root on another user's map, root's own variables say nothing of that user's CLIs (X2).
        let is_theirs = process::user() == 0 && map_owner.is_some_and(|owner| owner != 0);
        if let Home::User(_) = self.home
            && !is_theirs
            && let Some(moved) = provider.moved_to(|name| self.environment.get(name))
        {
            return absolute(&moved);
        }
        Ok(provider.in_home(&self.home.resolve(process::user(), map_owner)?))
    }
}

/// The folder of what runs remember: as named, else as the environment says, else in the home of
/// the user that this process acts as. Nobody else's home is meant here, whatever `--home` says.
///
/// # Errors
/// Where it lies in the home of a user who has none.
pub fn state_dir(named: Option<&Path>, environment: &Environment) -> Result<PathBuf, Failure> {
    if let Some(named) = named {
        return absolute(named);
    }
    // XDG: a relative path there is to be ignored.
    let state = environment.get("XDG_STATE_HOME").map(PathBuf::from);
    let state = if let Some(state) = state.filter(|path| path.is_absolute()) {
        state
    } else {
        let home = Home::User(environment.get("HOME").map(PathBuf::from));
        home.resolve(process::user(), None)?.join(STATE_IN_HOME)
    };
    Ok(state.join(PROGRAM))
}

/// The state folder of that user by default, to read what undo has pinned there.
pub fn state_dir_of(user: u32) -> Option<PathBuf> {
    Some(process::home_of(user).ok()?.join(STATE_IN_HOME).join(PROGRAM))
}

impl Home {
    /// The home itself. Root that cleans another user's map looks at that user's home, and a user
    /// without `$HOME` is looked up: it is never guessed (X2).
    pub fn resolve(&self, us: u32, map_owner: Option<u32>) -> Result<PathBuf, Failure> {
        let user = match (self, map_owner) {
            (Self::Given(home), _) => return Ok(home.clone()),
            (Self::User(_), Some(owner)) if us == 0 && owner != 0 => owner,
            (Self::User(Some(home)), _) => return absolute(home),
            (Self::User(None), _) => us,
        };
        process::home_of(user).map_err(|why| {
            Failure::new(format!("cannot tell whose sessions to look at: {why}"))
                .hint("--home DIR names the home")
        })
    }
}

/// `path` from the root of the file system, links not resolved.
pub fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        let why = crate::disk::words(&error);
        Failure::new(format!("cannot tell where {} lies: {why}", path.display()))
    })
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

    #[test]
    fn root_looks_at_the_home_of_the_maps_owner_x2() {
        let home = Home::User(Some("/root-of-sudo".into()));
        assert_eq!(home.resolve(1000, Some(1000)), Ok("/root-of-sudo".into()));
        assert_eq!(home.resolve(1000, Some(7)), Ok("/root-of-sudo".into()));
        assert_eq!(home.resolve(0, Some(0)), Ok("/root-of-sudo".into()));
        assert_eq!(home.resolve(0, None), Ok("/root-of-sudo".into()));
        // No such user: an error that names the option, and no guess.
        let failure = home.resolve(0, Some(4_000_000_000)).unwrap_err();
        assert!(failure.message.contains("4000000000"), "{failure}");
        assert!(failure.hint.is_some_and(|hint| hint.contains("--home")));
        assert!(Home::User(None).resolve(4_000_000_000, None).is_err());
        let given = Home::Given("/h".into());
        assert_eq!(given.resolve(0, Some(4_000_000_000)), Ok("/h".into()));
    }
}
