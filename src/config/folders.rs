//! The folders that a run uses: homes, our folders in them, and the meaning of paths in the configuration.

use std::path::{Path, PathBuf};

#[cfg(feature = "keepalive")]
use super::environment::{Environment, SESSION_KEY};
#[cfg(feature = "keepalive")]
use crate::keepalive::web::{KeySources, Variable};
use crate::model::{Failure, describe};
use crate::process;

/// The file that the bridge keeps its map in, within the session folder.
pub const MAP_NAME: &str = "session_map.json";

/// The session folder by default.
pub const SESSION_DIR: &str = "/tmp/claude_sessions";

/// The folder of state in a home by default, and ours in it.
pub(super) const STATE_IN_HOME: &str = ".local/state";
pub(super) const PROGRAM: &str = "session-warden";

/// The home whose CLI sessions are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// This one, whatever the CLIs' own variables say.
    Given(PathBuf),
    /// This one, unless the CLIs' own variables say otherwise.
    Usual(PathBuf),
    /// That of the user; this is `$HOME`, where it is set.
    User(Option<PathBuf>),
}

impl Home {
    /// Returns the home itself. Root that cleans another user's map looks at that user's home, and a user
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

/// Returns the state folder of that user by default, to read the pins of an undo there.
pub fn state_dir_of(user: u32) -> Option<PathBuf> {
    Some(state_dir_in(&process::home_of(user).ok()?))
}

/// Returns the state folder by default of the user with that home.
pub fn state_dir_in(home: &Path) -> PathBuf {
    home.join(STATE_IN_HOME).join(PROGRAM)
}

/// Returns the folder in which keep-alive runs each CLI in a folder of its own. A session that was at work there
/// is one of keep-alive.
pub fn pings_in(state_dir: &Path) -> PathBuf {
    state_dir.join("keepalive")
}

/// Returns the file with the key to Claude's web page, unless a job names another one.
pub fn session_key_in(state_dir: &Path) -> PathBuf {
    state_dir.join("session-key")
}

/// Returns the places that key may come from.
#[cfg(feature = "keepalive")]
pub fn key_sources(environment: &Environment, state_dir: &Path) -> KeySources {
    KeySources {
        credentials: environment.get("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        variable: environment.get(SESSION_KEY).map(Variable),
        usual: session_key_in(state_dir),
    }
}

/// Returns `path` from the root of the file system; links are not resolved.
pub fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        let why = describe(&error);
        Failure::new(format!("cannot make {} absolute: {why}", path.display()))
            .hint("use a path that begins with /")
    })
}

/// The meaning of paths in the file: `~/` is the user's home, and a relative path starts at the file's folder,
/// since a timer has no working folder of its own.
pub(super) struct ConfigPaths<'p> {
    pub(super) folder: &'p Path,
    pub(super) home: Option<&'p Path>,
}

impl ConfigPaths<'_> {
    /// Returns the whole path; the error is for the middle of a sentence.
    pub(super) fn expand(&self, path: &Path) -> Result<PathBuf, String> {
        let text = path.to_string_lossy();
        if text.is_empty() {
            return Err("empty".to_owned());
        }
        if text.contains('\0') {
            return Err("not a path: it contains a NUL character".to_owned());
        }

        match (path.strip_prefix("~"), self.home) {
            (Ok(below), Some(home)) => Ok(home.join(below)),
            (Ok(_), None) => Err("in a home folder that is unknown: HOME is not set".to_owned()),
            (Err(_), _) if text.starts_with(['~', '$']) => {
                Err("not a plain path: only ~/ is expanded".to_owned())
            }
            (Err(_), _) => Ok(self.folder.join(path)),
        }
    }
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
