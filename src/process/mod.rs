//! Who we are, where users have their homes, and how time passes.

mod bounded;
mod child;
mod listening;
mod own;
mod program;
mod running;
mod signals;

pub use bounded::{Ended, run_bounded};
pub use child::{Child, NotStarted, become_command, own_program};
pub use listening::{
    Whose, bridge_folders, bridge_on, folder_of_listener, may_have_folder, whose_listener,
};
pub use own::{namespace, pid_domain};
pub use program::{is_claude, named_ancestor, running};
pub use running::{Process, Processes, is_alive, life, lockers, started};

use nix::unistd::{Uid, User};
use rustix::time::{ClockId, clock_gettime};
use std::path::PathBuf;
use std::time::Duration;

/// The clock that nobody sets, and that goes on while the machine sleeps.
#[cfg(target_os = "linux")]
const STEADY: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const STEADY: ClockId = ClockId::Monotonic;

/// The time that has passed since some fixed moment, whoever sets the clock meanwhile.
pub fn passed() -> Duration {
    Duration::try_from(clock_gettime(STEADY)).unwrap_or_default()
}

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

/// The user of that name: the name, the number and the home; nothing where there is none.
///
/// # Errors
/// One line that says why the password file could not be asked.
pub fn user_called(name: &str) -> Result<Option<(String, u32, PathBuf)>, String> {
    let found = User::from_name(name)
        .map_err(|error| format!("cannot look up user {name}: {}", error.desc().to_lowercase()))?;
    Ok(found.map(|user| (user.name, user.uid.as_raw(), user.dir)))
}

/// The name of that user; nothing where the password file has none.
pub fn name_of(user: u32) -> Option<String> {
    Some(User::from_uid(Uid::from_raw(user)).ok()??.name)
}

/// The group of that user, by the password file.
pub fn group_of(user: u32) -> Option<u32> {
    Some(User::from_uid(Uid::from_raw(user)).ok()??.gid.as_raw())
}
