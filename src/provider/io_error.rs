//! The errors of the file system that mean that a name does not exist, or is not a folder.

use std::io;

/// Returns true if nothing has that name.
pub(super) fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NOENT.raw_os_error())
}

/// Returns true if something other than a folder has that name.
pub(super) fn is_not_folder(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NOTDIR.raw_os_error())
}
