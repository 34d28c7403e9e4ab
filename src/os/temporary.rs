//! Temporary files beside the files that they are to become, created, renamed and removed relative to
//! their open folder.

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use super::folder::{Folder, Kind, Status};

/// How many names are tried. One that is taken belongs to a killed process, or to one of another container.
const NAMES: u32 = 100;

/// A new file that is not yet in its place. When it is dropped before it was renamed, it is removed.
#[derive(Debug)]
pub(crate) struct TemporaryFile<'a> {
    folder: BorrowedFd<'a>,
    pub(crate) name: OsString,
    pub(crate) file: File,
    /// True if nothing of this name may be removed any more.
    pub(crate) is_kept: bool,
}

impl<'a> TemporaryFile<'a> {
    /// Creates the file that is to become `target`, with the permissions that the umask leaves of `mode`.
    pub(crate) fn create(folder: BorrowedFd<'a>, target: &OsStr, mode: u32) -> io::Result<Self> {
        // EXCL: whatever has that name, a link as well, is not opened.
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::from_bits_truncate(mode);

        for number in 0..NAMES {
            let mut name = prefix(target);
            name.push(format!("{}-{number}", std::process::id()));
            let created =
                rustix::io::retry_on_intr(|| rustix::fs::openat(folder, &name, flags, mode));
            match created {
                Ok(file) => return Ok(Self { folder, name, file: file.into(), is_kept: false }),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }

        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Puts the file in the place of `target`, in one step.
    #[expect(clippy::disallowed_methods, reason = "this rename puts a new file in its place")]
    pub(crate) fn rename_to(mut self, target: &OsStr) -> io::Result<()> {
        rustix::fs::renameat(self.folder, &self.name, self.folder, target)?;
        self.is_kept = true;
        Ok(())
    }
}

impl Drop for TemporaryFile<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            // A later run sweeps what cannot be removed now.
            let _ = remove(self.folder, &self.name);
        }
    }
}

/// Returns how the names of temporary files for `target` begin. A process and a number follow.
///
/// The dot hides them, and the digits at the end keep them from programs that collect files by extension.
pub(crate) fn prefix(target: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(target);
    prefix.push(".session-warden.tmp.");
    prefix
}

/// Removes the temporary files that killed runs have left of `target`: those for which `is_stale` returns
/// true, given the process that created the file.
pub(crate) fn sweep(
    folder: &Folder,
    target: &OsStr,
    is_stale: impl Fn(u32, &Status) -> bool,
) -> io::Result<()> {
    let prefix = prefix(target);
    let folder = folder.reopened()?;

    folder.list(|entry| {
        let name = entry.name();
        let rest = name.as_bytes().strip_prefix(prefix.as_bytes());
        if let Some(process) = rest.and_then(process_of)
            && let Ok(status) = folder.status(name)
            && status.kind == Kind::File
            && is_stale(process, &status)
        {
            remove(folder.as_fd(), name)?;
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// Returns the process of `PROCESS-NUMBER`; nothing if it is something else, since a target may be called as
/// the temporary file of another.
fn process_of(rest: &[u8]) -> Option<u32> {
    let (process, number) = std::str::from_utf8(rest).ok()?.split_once('-')?;
    // Only digits: a number may be parsed with a sign as well.
    let is_digit = |byte: u8| byte.is_ascii_digit();
    (process.bytes().all(is_digit) && number.bytes().all(is_digit) && !number.is_empty())
        .then(|| process.parse().ok())?
}

/// Removes the file of that name, if there is one.
#[expect(clippy::disallowed_methods, reason = "called for files of ours only")]
pub(crate) fn remove(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
