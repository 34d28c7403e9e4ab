//! Publishing a file that others read, such as metrics: whole or not at all, and with a mode that
//! lets them.
//!
//! Unlike `replace`, nothing of the old file is compared: it holds the work of other runs of ours at
//! most, and those wait for each other.

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::folder::{Folder, Kind, written};
use crate::model::Timestamp;

/// After how many seconds a temporary file cannot be that of a run at work.
const STALE: u64 = 3600;

/// How long to wait for another run that writes to the same folder.
const PATIENCE: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_millis(500);

/// How much of an old file is looked at.
const LARGEST: u64 = 16 << 20;

/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;

/// Puts a file with these bytes and this mode, whatever the umask, at `path`. A link there stays,
/// and the file it leads to is replaced.
///
/// # Errors
/// Where there is something else than a file. After any error but one from the last sync of the
/// folder, everything is as it was.
pub fn publish(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    update(path, mode, |_| Ok(bytes.to_vec()))
}

/// The same, and soon: whoever else keeps the folder locked is waited for half a second at most.
///
/// # Errors
/// As [`publish`].
pub fn publish_soon(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let real = resolve(path)?;
    let folder = opened(folder_of(&real))?;
    // Renaming over it is whole without a lock as well.
    let _ = wait_for_others(&folder, SOON);
    replace(&real, &folder, mode, |_| Ok(bytes.to_vec()))
}

/// The same with bytes that `new` makes out of the text that is there, empty where there is none.
/// Other runs that do this wait, as long as they are patient.
///
/// # Errors
/// As [`publish`], and those of `new`.
pub fn update(
    path: &Path,
    mode: u32,
    new: impl FnOnce(&str) -> io::Result<Vec<u8>>,
) -> io::Result<()> {
    let real = resolve(path)?;
    let folder = locked(folder_of(&real))?;
    replace(&real, &folder, mode, new)
}

fn replace(
    real: &Path,
    folder: &OwnedFd,
    mode: u32,
    new: impl FnOnce(&str) -> io::Result<Vec<u8>>,
) -> io::Result<()> {
    let name = real.file_name().ok_or_else(not_a_file)?;
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(there) if FileType::from_raw_mode(there.st_mode) != FileType::RegularFile => {
            return Err(not_a_file());
        }
        Ok(_) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let before = match Folder::open(folder_of(real))?.read_start(name, LARGEST) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        before => before?,
    };
    let bytes = new(&String::from_utf8_lossy(&before))?;
    let (temporary, mut file) = Temporary::create(folder, name)?;
    file.write_all(&bytes)?;
    // This is fchmod; the umask has no say in it.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()?;
    // By the file system's own clock, which may be another machine's.
    let now = written(&rustix::fs::fstat(&file)?);
    temporary.rename_to(name)?;
    // The file stands; what cannot be swept now is swept by the next run.
    let _ = sweep(folder, folder_of(real), name, now);
    Ok(rustix::fs::fsync(folder)?)
}

/// Removes the file at `path`, if it is one and `goes` says so of what is in it; meanwhile nobody
/// publishes there. Whether there was one that went.
///
/// # Errors
/// Where it cannot be read or removed.
pub fn remove_if(path: &Path, goes: impl FnOnce(&[u8]) -> bool) -> io::Result<bool> {
    let name = path.file_name().ok_or_else(not_a_file)?;
    let folder = match locked(folder_of(path)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        locked => locked?,
    };
    match Folder::open(folder_of(path))?.read_start(name, LARGEST) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Ok(bytes) if !goes(&bytes) => Ok(false),
        read => {
            read?;
            remove(&folder, name)?;
            Ok(true)
        }
    }
}

/// That folder, in which nobody else publishes as long as it is open.
fn locked(path: &Path) -> io::Result<OwnedFd> {
    let folder = opened(path)?;
    wait_for_others(&folder, PATIENCE)?;
    Ok(folder)
}

fn opened(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?)
}

/// Locks the folder as long as it is open. A file system without locks has none to wait for.
fn wait_for_others(folder: &OwnedFd, patience: Duration) -> io::Result<()> {
    let start = Instant::now();
    loop {
        match rustix::fs::flock(folder, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if start.elapsed() > patience => {
                return Err(io::Error::other("another run is writing there"));
            }
            Err(Errno::WOULDBLOCK | Errno::INTR) => std::thread::sleep(Duration::from_millis(5)),
            _ => return Ok(()),
        }
    }
}

/// Where the links at `path` lead in the end, whether or not there is anything yet.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let link = match path.symlink_metadata() {
            Ok(there) if there.is_symlink() => there,
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(error),
        };
        let folder = folder_of(&path);
        let about = folder.metadata()?;
        let us = rustix::process::geteuid().as_raw();
        if may_be_a_trap(link.uid(), about.uid(), about.mode(), us) {
            let why = "a link of another user, in a folder that everybody may write to";
            return Err(io::Error::new(ErrorKind::PermissionDenied, why));
        }
        path = folder.join(fs::read_link(&path)?);
    }
    Err(Errno::LOOP.into())
}

/// Whether a link of one user, in a folder of another with that mode, should not lead us: in `/tmp`,
/// anybody can lay one for root. The kernel goes by the same (`fs.protected_symlinks`).
fn may_be_a_trap(link: u32, folder: u32, mode: u32, us: u32) -> bool {
    mode & 0o1002 == 0o1002 && link != us && link != folder
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn not_a_file() -> io::Error {
    io::Error::other("not a regular file")
}

/// A temporary file in the target's folder. Dropped without a rename, it goes.
#[derive(Debug)]
struct Temporary<'a> {
    folder: &'a OwnedFd,
    name: OsString,
    is_gone: bool,
}

impl<'a> Temporary<'a> {
    fn create(folder: &'a OwnedFd, target: &OsStr) -> io::Result<(Self, File)> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // The process of a name that is taken was killed, or is one of another container.
        for number in 0..100 {
            let mut name = prefix(target);
            name.push(format!("{}-{number}", std::process::id()));
            let made = rustix::io::retry_on_intr(|| {
                rustix::fs::openat(folder, &name, flags, Mode::from_raw_mode(0o600))
            });
            match made {
                Ok(made) => return Ok((Self { folder, name, is_gone: false }, made.into())),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the rename that publishes the file")]
    fn rename_to(mut self, target: &OsStr) -> io::Result<()> {
        rustix::fs::renameat(self.folder, &self.name, self.folder, target)?;
        self.is_gone = true;
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.is_gone {
            // What cannot be removed now is swept by a later run.
            let _ = remove(self.folder, &self.name);
        }
    }
}

/// With a dot, so that no listing shows it; what follows are digits, so that no collector that
/// goes by the end of a name takes it for a whole file.
fn prefix(target: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(target);
    prefix.push(".session-warden.tmp.");
    prefix
}

/// Removes what killed runs have left of files that were to become `target`.
fn sweep(folder: &OwnedFd, path: &Path, target: &OsStr, now: Timestamp) -> io::Result<()> {
    let prefix = prefix(target);
    let listed = Folder::reopen(folder.as_fd(), path)?;
    listed.list(|entry| {
        let name = entry.name();
        let rest = name.as_bytes().strip_prefix(prefix.as_bytes());
        let is_stale = |status: super::folder::Status| {
            status.kind == Kind::File && status.written.seconds_until(now) > STALE
        };
        // A target may be called as the temporary file of another.
        if rest.is_some_and(is_process_and_number) && listed.status(name).is_ok_and(is_stale) {
            remove(folder, name)?;
        }
        Ok(ControlFlow::Continue(()))
    })
}

fn is_process_and_number(text: &[u8]) -> bool {
    let mut numbers = text.split(|byte| *byte == b'-');
    let mut next =
        || numbers.next().is_some_and(|n| !n.is_empty() && n.iter().all(u8::is_ascii_digit));
    next() && next() && numbers.next().is_none()
}

#[expect(clippy::disallowed_methods, reason = "called for our own temporary files only")]
fn remove(folder: &OwnedFd, name: &OsStr) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(folder, name, AtFlags::empty())?)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make what a file is published over")]
mod tests;
