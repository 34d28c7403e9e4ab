//! Who we are, and where users have their homes.

mod listening;
mod running;

pub use listening::{bridge_on, session_dir_of_listener};
pub use running::{Process, Processes, is_alive, lockers, started};

use nix::unistd::{Uid, User};
use std::path::PathBuf;

/// The user id that this process acts as.
pub fn user() -> u32 {
    Uid::effective().as_raw()
}

/// The home of that user, by the password file or what stands in for it (X2).
///
/// # Errors
/// One line that says why there is none.
pub fn home_of(user: u32) -> Result<PathBuf, String> {
    match User::from_uid(Uid::from_raw(user)) {
        Ok(Some(found)) if found.dir.is_absolute() => Ok(found.dir),
        Ok(Some(_)) => Err(format!("the password file has no home for user {user}")),
        Ok(None) => Err(format!("user {user} is not in the password file")),
        Err(error) => Err(format!("cannot look up user {user}: {}", error.desc().to_lowercase())),
    }
}
