//! Processes and users: the processes that run and their programs, processes that this one starts or
//! watches, homes by the password file, and a steady clock. They know nothing of sessions.

mod become_user;
mod bounded;
mod detached;
pub mod facts;
pub mod holdings;
mod listening;
mod own;
mod proc;
mod program;
mod running;
pub mod stat;
pub mod tree;
mod trust;

pub use become_user::become_user;
pub use bounded::{Ended, run_bounded};
pub use detached::{Watched, detach, is_ready, own_command, start_detached};
pub use listening::{
    Whose, bridge_folders, bridge_on, folder_of_listener, foreign_listener, may_have_folder,
    whose_listener,
};
pub use own::{namespace, pid_domain};
pub use program::{is_claude, is_on_path, named_ancestor, running};
pub use running::{Process, Processes, is_alive, is_alive_since, lockers, started};
pub use stat::program_name;
pub use trust::distrusted;

use nix::errno::Errno;
use nix::unistd::{Uid, User};
use rustix::time::{ClockId, clock_gettime};
use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

/// The clock that cannot be set, and that goes on while the machine sleeps.
#[cfg(target_os = "linux")]
const STEADY: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const STEADY: ClockId = ClockId::Monotonic;

/// Returns the time since some fixed moment. It goes on evenly when the clock is set.
pub fn passed() -> Duration {
    Duration::try_from(clock_gettime(STEADY)).unwrap_or_default()
}

/// Asks a child of ours to end.
pub fn end(child: u32) {
    let pid = i32::try_from(child).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

/// Returns the user id that this process acts as.
pub fn user() -> u32 {
    Uid::effective().as_raw()
}

/// Returns the home of that user, by the password file or another database of users (X2).
///
/// # Errors
/// One line with the reason why there is none.
pub fn home_of(user: u32) -> Result<PathBuf, String> {
    match User::from_uid(Uid::from_raw(user)) {
        Ok(Some(found)) if found.dir.is_absolute() => Ok(found.dir),
        Ok(Some(_)) => Err(format!("the password file has no home for user {user}")),
        Ok(None) => Err(format!("user {user} is not in the password file")),
        Err(error) => Err(not_looked_up(&user, error)),
    }
}

/// Returns name, number and home of the user of that name.
///
/// # Errors
/// One line with the reason why the password file cannot be read.
pub fn user_called(name: &str) -> Result<Option<(String, u32, PathBuf)>, String> {
    let found = User::from_name(name).map_err(|error| not_looked_up(&name, error))?;
    Ok(found.map(|user| (user.name, user.uid.as_raw(), user.dir)))
}

fn not_looked_up(user: &dyn Display, error: Errno) -> String {
    format!("cannot look up user {user}: {}", error.desc().to_lowercase())
}

/// Returns the name of that user, if the password file has one.
pub fn name_of(user: u32) -> Option<String> {
    Some(User::from_uid(Uid::from_raw(user)).ok()??.name)
}

/// Returns the group of that user, by the password file.
pub fn group_of(user: u32) -> Option<u32> {
    Some(User::from_uid(Uid::from_raw(user)).ok()??.gid.as_raw())
}
