//! When a CLI's login expires, as its credential file says. Nothing else is taken from that file, and
//! nothing is ever written to it: renewing a login is its CLI's own work.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use super::credentials::{self, Login};
use crate::keepalive::job::Cli;
use crate::model::{Timestamp, describe};
use crate::os::folder::Folder;
use crate::os::retry::{Patience, until_whole};

/// The most that is read of a credential file.
const MOST: u64 = 1 << 20;

/// How long a half-written file is read again.
const PATIENCE: Patience =
    Patience { limit: Duration::from_secs(2), longest_wait: Duration::from_millis(800) };

/// When a login expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expiry {
    /// Then. Its CLI renews it, before or after, whenever it is used, if it can.
    At(Timestamp),
    /// It cannot be renewed any more: its user has to log in again.
    LogInAgain,
    /// That is not known; why, in one line.
    Unknown(String),
}

/// When the login of that CLI expires, whose folder is at `base`, such as `~/.claude`.
///
/// A half-written file is read again for about two seconds, and never judged.
pub fn expiry(cli: Cli, base: &Path, now: Timestamp) -> Expiry {
    let login = match read(cli, base) {
        Ok(login) => login,
        Err(why) => return Expiry::Unknown(why),
    };
    if login.is_key {
        return Expiry::Unknown("an API key does not expire".to_owned());
    }
    // A lost race for a new token leaves Claude Code with empty ones.
    if !login.has_access && !login.can_renew {
        return Expiry::LogInAgain;
    }
    // A year of more than four digits is a mistake.
    match login.expires.filter(|at| at.rfc3339().is_some()) {
        Some(at) if at <= now && !login.can_renew => Expiry::LogInAgain,
        Some(at) => Expiry::At(at),
        None => Expiry::Unknown(format!("{} has no expiry time", file_of(cli))),
    }
}

/// What tells the login of that CLI from another one: 16 hex digits over its access token, or API
/// key, and its expiry. Nothing where there is none that can be read.
pub fn credential_hash(cli: Cli, base: &Path) -> Option<String> {
    Some(format!("{:016x}", read(cli, base).ok()?.fingerprint))
}

/// Where the CLI keeps its login, in its folder.
pub fn file_of(cli: Cli) -> &'static str {
    match cli {
        Cli::Claude => ".credentials.json",
        Cli::Codex => "auth.json",
        Cli::Gemini => "oauth_creds.json",
    }
}

/// The login, or in one line why it is not known.
fn read(cli: Cli, base: &Path) -> Result<Login, String> {
    let name = file_of(cli);
    // It may be a link, as where files of a home lie in a folder of their own.
    let path = base.join(name);
    let path = path.canonicalize().unwrap_or(path);
    let (base, file) =
        (path.parent().unwrap_or(base), path.file_name().unwrap_or(OsStr::new(name)));
    let read = until_whole(PATIENCE, None, || {
        let text = match Folder::open(base).and_then(|base| base.read_start(file, MOST + 1)) {
            Ok(text) if text.len() as u64 > MOST => {
                return Ok(Err(format!("{name} is larger than 1 MiB, so it is not a login")));
            }
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Err(format!("there is no {name}")));
            }
            Err(error) => return Ok(Err(format!("cannot read {name}: {}", describe(&error)))),
        };
        match credentials::parse(cli, &text) {
            Ok(login) => Ok(login.ok_or_else(|| format!("{name} has no login"))),
            Err(error) if error.is_data() => Ok(Err(format!("{name} has an unknown format"))),
            Err(error) => Err(error),
        }
    });
    read.unwrap_or_else(|_| Err(format!("{name} is incomplete or damaged")))
}

#[cfg(test)]
mod tests;
