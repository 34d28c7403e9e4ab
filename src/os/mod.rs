//! The operating system: listing folders, creating and replacing files, locks, signals. Nothing here knows of
//! sessions.

pub(crate) mod attributes;
pub mod create;
pub mod folder;
pub mod interrupt;
pub mod links;
pub mod lock;
pub mod progress;
pub mod publish;
pub mod reading;
pub mod retry;
pub mod sibling;
pub(crate) mod temporary;

use rustix::fs::Access;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Checks that this user may read and write the file at `path`, or create files in the folder.
pub fn may_write(path: &Path) -> io::Result<()> {
    let is_folder = fs::metadata(path)?.is_dir();
    let other = if is_folder { Access::EXEC_OK } else { Access::READ_OK };
    Ok(rustix::fs::access(path, Access::WRITE_OK | other)?)
}

/// Returns true if a file of the state folder could not be read because nothing was ever written there: the
/// folder does not exist, or cannot. A file in its place is an error.
pub fn never_was(error: &io::Error, state: Option<&Path>) -> bool {
    match error.kind() {
        ErrorKind::NotFound => true,
        ErrorKind::NotADirectory => state.is_none_or(|state| state.metadata().is_err()),
        _ => false,
    }
}
