//! What a run goes by: flags, a profile, the environment, the configuration file and defaults, turned
//! into one typed value.

#[cfg(feature = "keepalive")]
mod drop_in;
mod environment;
mod file;
#[cfg(feature = "keepalive")]
mod keepalive;
mod layer;
mod reader;
mod resolve;
mod said;
#[cfg(feature = "keepalive")]
mod touch;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

#[cfg(feature = "keepalive")]
use crate::keepalive::web::{KeySources, Variable};
use crate::map::Choice;
use crate::model::{Clock, Failure, Missing, Patterns, Thresholds};
use crate::process;
use crate::provider::{Base, Ignored, PROVIDERS, Provider};

#[cfg(feature = "keepalive")]
pub use drop_in::DropIn;
pub use environment::Environment;
pub(crate) use environment::{CONFIG, PROFILE, STATE_DIR};
pub use file::ConfigFile;
#[cfg(feature = "keepalive")]
pub use keepalive::Keeping;
pub use layer::{Bridge, Color, Idle, Layer, Origin, Place};
pub use resolve::{Settings, Shown};

/// The file that the bridge keeps its map in, within the session folder.
pub const MAP_NAME: &str = "session_map.json";

/// Where the bridge keeps its map unless it is told otherwise.
pub const SESSION_DIR: &str = "/tmp/claude_sessions";

/// Where state lies in a home, unless `XDG_STATE_HOME` says otherwise, and our part of it.
const STATE_IN_HOME: &str = ".local/state";
const PROGRAM: &str = "session-warden";

/// Whose CLI sessions are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// Those below this home, whatever the CLIs' own variables say.
    Given(PathBuf),
    /// Those below this home, unless the CLIs' own variables say otherwise.
    Usual(PathBuf),
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
    pub idle: Thresholds,
    /// Where the map is, absolute.
    pub map: PathBuf,
    /// Whether somebody said where it is, on the command line, in a profile or in the file.
    pub map_is_said: bool,
    /// The folder or the map that was named: by a flag, a profile or a variable.
    pub named_place: Option<PathBuf>,
    /// Whose sessions are looked at.
    pub home: Home,
    /// The environment, for the CLIs' own variables.
    pub environment: Environment,
    /// How the map is to be reached.
    pub bridge: Choice,
    /// The state folder, where anybody said.
    pub state_dir: Option<PathBuf>,
    /// What to do where a session's file is gone.
    pub missing: Missing,
    /// What counts as last use.
    pub clock: Clock,
    /// What is never let go.
    pub pin: Patterns,
    /// The only providers to judge; empty for all, and for models that none has.
    pub providers: Vec<String>,
    /// The most mappings that may go in one run.
    pub max_remove: Option<u64>,
    /// The programs whose open files and arguments never show that a session is in use.
    pub ignore_processes: Ignored,
    /// How the report is written.
    pub format: Format,
    /// Whether the report has colours.
    pub color: bool,
    /// How much of the report is written.
    pub verbosity: Verbosity,
    /// Where metrics are written to.
    pub metrics: Option<PathBuf>,
    /// Where reports are appended to.
    pub log: Option<PathBuf>,
    /// The profile that this is, where one was asked for.
    pub profile: Option<String>,
}

impl Clean {
    /// Whether mappings of that model are judged at all.
    pub fn asks_for(&self, model: &str) -> bool {
        self.providers.is_empty()
            || PROVIDERS.iter().any(|provider| {
                provider.model == model && self.providers.iter().any(|name| name == provider.name)
            })
    }

    /// The folder of what runs remember: as it was said, else in the home of the user that this
    /// process acts as. Nobody else's home is meant here, whatever `--home` says.
    ///
    /// # Errors
    /// Where it lies in the home of a user who has none.
    pub fn state_dir(&self) -> Result<PathBuf, Failure> {
        if let Some(said) = &self.state_dir {
            return Ok(said.clone());
        }
        let home = self.environment.get("HOME").map(PathBuf::from);
        // Root that works with a user's environment must leave nothing of its own in that user's home.
        let is_theirs = |home: &PathBuf| {
            let owner = std::fs::metadata(home).map_or(0, |home| home.uid());
            process::user() == 0 && owner != 0
        };
        let home = Home::User(home.filter(|home| !is_theirs(home)));
        let home = home.resolve(process::user(), None).map_err(|failure| {
            let message = format!("cannot determine the state folder: {}", failure.message);
            Failure::new(message).hint("name it with --state-dir DIR")
        })?;
        Ok(state_dir_in(&home))
    }

    /// Returns where that provider keeps its files, such as `~/.claude`.
    ///
    /// # Errors
    /// If it is in the home of a user who has none.
    pub fn base(&self, provider: &Provider, map_owner: Option<u32>) -> Result<Base, Failure> {
        // As root on another user's map, root's own variables say nothing of that user's CLIs (X2).
        let us = process::user();
        let theirs = map_owner.filter(|owner| us == 0 && *owner != 0);
        let user = theirs.unwrap_or(us);
        let temporary = provider
            .temporary_of(user, |name| self.environment.get(name).filter(|_| theirs.is_none()));
        let folder = self.folder_of(provider, map_owner)?;
        Ok(Base { folder, temporary })
    }

    fn folder_of(&self, provider: &Provider, map_owner: Option<u32>) -> Result<PathBuf, Failure> {
        // As root on another user's map, root's own variables say nothing of that user's CLIs (X2).
        let is_theirs = process::user() == 0 && map_owner.is_some_and(|owner| owner != 0);
        if !matches!(self.home, Home::Given(_))
            && !is_theirs
            && let Some(moved) = provider.moved_to(|name| self.environment.get(name))
        {
            return absolute(&moved);
        }
        Ok(provider.in_home(&self.home.resolve(process::user(), map_owner)?))
    }
}

/// The state folder of that user by default, to read what undo has pinned there.
pub fn state_dir_of(user: u32) -> Option<PathBuf> {
    Some(state_dir_in(&process::home_of(user).ok()?))
}

/// The state folder by default of the user with that home.
pub fn state_dir_in(home: &Path) -> PathBuf {
    home.join(STATE_IN_HOME).join(PROGRAM)
}

/// Where keep-alive runs the CLIs, each in a folder of its own that is called like it. Sessions that
/// were at work in there are nobody's but its own.
pub fn pings_in(state_dir: &Path) -> PathBuf {
    state_dir.join("keepalive")
}

/// Where the key to Claude's web page lies, unless a job names another file.
pub fn session_key_in(state_dir: &Path) -> PathBuf {
    state_dir.join("session-key")
}

/// Where that key may come from, in this environment.
#[cfg(feature = "keepalive")]
pub fn key_sources(environment: &Environment, state_dir: &Path) -> KeySources {
    KeySources {
        credentials: environment.get("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        variable: environment.get(environment::SESSION_KEY).map(Variable),
        usual: session_key_in(state_dir),
    }
}

impl Home {
    /// The home itself. Root that cleans another user's map looks at that user's home, and a user
    /// without `$HOME` is looked up: it is never guessed (X2).
    pub fn resolve(&self, us: u32, map_owner: Option<u32>) -> Result<PathBuf, Failure> {
        let user = match (self, map_owner) {
            (Self::Given(home) | Self::Usual(home), _) => return Ok(home.clone()),
            (Self::User(_), Some(owner)) if us == 0 && owner != 0 => owner,
            (Self::User(Some(home)), _) => return absolute(home),
            (Self::User(None), _) => us,
        };
        process::home_of(user).map_err(|why| {
            Failure::new(format!("cannot determine the home folder: {why}"))
                .hint("name it with --home DIR")
        })
    }
}

/// `path` from the root of the file system, links not resolved.
pub fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        let why = crate::model::describe(&error);
        Failure::new(format!("cannot make {} absolute: {why}", path.display()))
            .hint("use a path that begins with /")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
