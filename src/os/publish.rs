//! Publishing a file that others read, such as metrics: whole or not at all, and with a mode that
//! lets them.
//!
//! Unlike the map's replacement, nothing of the old file is compared: only runs of ours write it, and they
//! wait for each other by a lock on its folder.

use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::folder::{Folder, Kind, written};
use super::lock::Lock;
use super::temporary::{self, TemporaryFile};

/// After how many seconds a temporary file cannot be that of a run at work.
const STALE: u64 = 3600;

/// How long to wait for another run that writes to the same folder.
const PATIENCE: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_millis(500);

/// How many bytes of an old file are read.
const LARGEST: u64 = 16 << 20;

/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;

/// Puts a file with these bytes and this mode, whatever the umask, at `path`. A link there stays, and the
/// file it leads to is replaced. Anything but a file is an error.
///
/// After any error but one from the last sync of the folder, everything is as it was.
pub fn publish(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let (folder, name) = open_target(path)?;
    let _lock = wait_for_others(&folder, PATIENCE)?;
    replace(&folder, &name, mode, |file| file.write_all(bytes))
}

/// Like [`publish`], but waits for a locked folder only half a second, and then publishes all the same.
pub fn publish_soon(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let (folder, name) = open_target(path)?;
    // Renaming over it is whole without a lock as well.
    let _lock = wait_for_others(&folder, SOON);
    replace(&folder, &name, mode, |file| file.write_all(bytes))
}

/// Like [`publish`], with bytes that `change` makes of the text before, which is empty if there is no file.
/// Other runs that do this wait.
pub fn update(
    path: &Path,
    mode: u32,
    change: impl FnOnce(&str) -> io::Result<Vec<u8>>,
) -> io::Result<()> {
    let (folder, name) = open_target(path)?;
    let _lock = wait_for_others(&folder, PATIENCE)?;

    let before = match folder.read_start(&name, LARGEST) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        before => before?,
    };
    let bytes = change(&String::from_utf8_lossy(&before))?;
    replace(&folder, &name, mode, |file| file.write_all(&bytes))
}

/// Replaces the file called `name`, or creates it: with that mode, and with the content that `write` gives it.
pub fn replace(
    folder: &Folder,
    name: &OsStr,
    mode: u32,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    match folder.status(name) {
        Ok(status) if status.kind != Kind::File => return Err(not_a_file()),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }

    let mut new = TemporaryFile::create(folder.as_fd(), name, 0o600)?;
    write(&mut new.file)?;
    // This is fchmod, which the umask does not change.
    new.file.set_permissions(Permissions::from_mode(mode))?;
    new.file.sync_all()?;

    // By the clock of the file system, which may be that of another machine.
    let now = written(&rustix::fs::fstat(&new.file)?);
    new.rename_to(name)?;
    // The next run sweeps what cannot be swept now.
    let _ = temporary::sweep(folder, name, |_, status| status.written.seconds_until(now) > STALE);
    Ok(rustix::fs::fsync(folder)?)
}

/// Removes the file at `path` if there is one, and `may_go` returns true for its content; meanwhile no other
/// run publishes there. Returns true if the file was removed.
pub fn remove_if(path: &Path, may_go: impl FnOnce(&[u8]) -> bool) -> io::Result<bool> {
    let name = name_of(path)?;
    let remove = || -> io::Result<bool> {
        let folder = Folder::open(folder_of(path))?;
        let _lock = wait_for_others(&folder, PATIENCE)?;
        let goes = may_go(&folder.read_start(name, LARGEST)?);
        if goes {
            temporary::remove(folder.as_fd(), name)?;
        }
        Ok(goes)
    };
    match remove() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        removed => removed,
    }
}

/// Opens the folder of the file that `path` leads to. Returns it with the file's name.
fn open_target(path: &Path) -> io::Result<(Folder, OsString)> {
    let real = resolve(path)?;
    let name = name_of(&real)?.to_owned();
    Ok((Folder::open(folder_of(&real))?, name))
}

/// Locks the folder. A file system without locks has no other runs to wait for.
fn wait_for_others(folder: &Folder, patience: Duration) -> io::Result<Option<Lock>> {
    match Lock::of_folder(folder, patience) {
        Ok(None) => Err(io::Error::other("another run is writing there")),
        Ok(lock) => Ok(lock),
        Err(_) => Ok(None),
    }
}

/// Returns where the links at `path` lead in the end, whether or not that exists yet.
pub(super) fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        path.ancestors().skip(1).try_for_each(check_link)?;
        let link = match path.symlink_metadata() {
            Ok(link) if link.is_symlink() => link,
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(error),
        };

        check_owner_of_link(&link)?;
        path = folder_of(&path).join(fs::read_link(&path)?);
    }
    Err(Errno::LOOP.into())
}

/// Refuses a link of another user than us and root, which that user can have made for us to follow. The kernel has the
/// same rule (`fs.protected_symlinks`) for sticky folders alone.
fn check_owner_of_link(link: &fs::Metadata) -> io::Result<()> {
    if is_foreign(link.uid(), rustix::process::geteuid().as_raw()) {
        return Err(io::Error::new(ErrorKind::PermissionDenied, "a link of another user"));
    }
    Ok(())
}

/// The same of a folder on the way, if it is a link.
fn check_link(folder: &Path) -> io::Result<()> {
    match folder.symlink_metadata() {
        Ok(about) if about.is_symlink() => check_owner_of_link(&about),
        _ => Ok(()),
    }
}

/// Returns true if that owner is neither us nor root.
pub(super) fn is_foreign(owner: u32, us: u32) -> bool {
    owner != us && owner != 0
}

/// Returns true if every user may write to a folder of that mode.
pub(super) fn is_open_to_all(mode: u32) -> bool {
    mode & 0o002 != 0
}

pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn name_of(path: &Path) -> io::Result<&OsStr> {
    path.file_name().ok_or_else(not_a_file)
}

fn not_a_file() -> io::Error {
    io::Error::other("not a regular file")
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make what a file is published over")]
mod tests;
