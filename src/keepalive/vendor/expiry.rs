//! When a CLI's login expires, by its credential file. Nothing else is taken from that file, and nothing
//! is ever written to it: its CLI renews a login.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use super::credentials::{self, Login};
use crate::keepalive::job::Cli;
use crate::model::{Timestamp, describe};
use crate::os::folder::Folder;
use crate::os::retry::{Patience, until_whole};

const MOST: u64 = 1 << 20;

/// How long a half-written file is read again.
const PATIENCE: Patience =
    Patience { limit: Duration::from_secs(2), longest_wait: Duration::from_millis(800) };

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expiry {
    /// Its CLI renews it when it is used before or after that time, if it can.
    At(Timestamp),
    /// It cannot be renewed any more.
    LogInAgain,
    /// The reason, in one line.
    Unknown(String),
}

/// Returns when the login of that CLI expires, whose folder is `base`, such as `~/.claude`. A half-written
/// file is read again for about two seconds.
pub fn expiry(cli: Cli, base: &Path, now: Timestamp) -> Expiry {
    let login = match read(cli, base) {
        Ok(login) => login,
        Err(why) => return Expiry::Unknown(why),
    };
    if login.is_key {
        return Expiry::Unknown("an API key does not expire".to_owned());
    }
    // If it loses a race for a new token, Claude Code stores empty ones.
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

/// Returns 16 hex digits that differ for another login: a hash of its access token or API key, and its
/// expiry. Returns nothing if there is no login that can be read.
pub fn credential_hash(cli: Cli, base: &Path) -> Option<String> {
    Some(format!("{:016x}", read(cli, base).ok()?.fingerprint))
}

pub fn file_of(cli: Cli) -> &'static str {
    match cli {
        Cli::Claude => ".credentials.json",
        Cli::Codex => "auth.json",
        Cli::Gemini => "oauth_creds.json",
    }
}

/// Returns the login, or the reason why it is unknown, in one line.
fn read(cli: Cli, base: &Path) -> Result<Login, String> {
    let name = file_of(cli);
    // It may be a link, for example to a folder of dotfiles.
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
