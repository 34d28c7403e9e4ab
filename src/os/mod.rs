//! The operating system: listing folders, creating and replacing files, locks, signals. Nothing in here knows
//! what a session is.

pub(crate) mod attributes;
pub mod create;
pub mod folder;
pub mod interrupt;
pub mod lock;
pub mod progress;
pub mod publish;
pub mod retry;
pub mod sibling;
pub(crate) mod temporary;

/// Whether this user may write to what is at `path`; to a folder: make files in it.
///
/// # Errors
/// Why not.
pub fn may_write(path: &std::path::Path) -> std::io::Result<()> {
    use rustix::fs::Access;
    let is_folder = std::fs::metadata(path)?.is_dir();
    let way = if is_folder { Access::EXEC_OK } else { Access::READ_OK };
    Ok(rustix::fs::access(path, Access::WRITE_OK | way)?)
}

/// Returns true if a file of the state folder could not be read because nothing was ever written to that
/// folder: it does not exist, or cannot. A file in its place is an error.
pub fn never_was(error: &std::io::Error, state: Option<&std::path::Path>) -> bool {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => true,
        ErrorKind::NotADirectory => state.is_none_or(|state| state.metadata().is_err()),
        _ => false,
    }
}
