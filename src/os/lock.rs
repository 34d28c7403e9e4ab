//! Locks that runs take against each other: flock(2) on a lock file, which stays when the lock is released,
//! or on a folder.

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Uid};
use rustix::io::Errno;
use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::folder::Folder;

/// How often a lock file that another process removed is created again.
const TRIES: usize = 5;

/// How often a lock that another process holds is tried.
const POLL: Duration = Duration::from_millis(5);

/// A lock, held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Locks the file at `path`, which is created where it is missing. Returns nothing if another process
    /// still holds the lock after `patience`, which begins again if the lock file was removed meanwhile, at most 5
    /// times.
    pub fn take(path: &Path, patience: Duration) -> io::Result<Option<Self>> {
        Self::take_in(CWD, path, None, patience)
    }

    /// Locks the file called `name` in an open folder. A new one that root creates belongs to `owner`.
    pub fn take_in(
        folder: BorrowedFd<'_>,
        name: &Path,
        owner: Option<u32>,
        patience: Duration,
    ) -> io::Result<Option<Self>> {
        for _ in 0..TRIES {
            let lock = Self { file: open(folder, name, owner)? };
            if !lock.wait(patience)? {
                return Ok(None);
            }
            // Another process may have removed the file between opening and locking it.
            if lock.is_at(folder, name) {
                return Ok(Some(lock));
            }
        }
        Err(io::Error::other("another process keeps removing it"))
    }

    /// Locks a folder, which needs no lock file.
    pub fn of_folder(folder: &Folder, patience: Duration) -> io::Result<Option<Self>> {
        let file = File::from(folder.as_fd().try_clone_to_owned()?);
        let lock = Self { file };
        Ok(lock.wait(patience)?.then_some(lock))
    }

    /// Returns true if the lock file is still the one at `path`.
    pub fn is_still_at(&self, path: &Path) -> bool {
        self.is_at(CWD, path)
    }

    /// The lock file, to write into it for those who find it locked.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Returns false if another process still holds the lock after `patience`.
    fn wait(&self, patience: Duration) -> io::Result<bool> {
        let start = Instant::now();
        loop {
            match self.file.try_lock() {
                Ok(()) => return Ok(true),
                Err(TryLockError::WouldBlock) if start.elapsed() >= patience => return Ok(false),
                Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(error);
                }
                Err(_) => thread::sleep(POLL),
            }
        }
    }

    fn is_at(&self, folder: BorrowedFd<'_>, name: &Path) -> bool {
        let at_name = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
        let ours = rustix::fs::fstat(&self.file);
        matches!((at_name, ours), (Ok(at_name), Ok(ours))
            if (at_name.st_dev, at_name.st_ino) == (ours.st_dev, ours.st_ino))
    }
}

#[expect(clippy::disallowed_methods, reason = "the lock of a map belongs to the map's owner")]
fn open(folder: BorrowedFd<'_>, name: &Path, owner: Option<u32>) -> io::Result<File> {
    // NONBLOCK: a FIFO of that name must not make the run wait.
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o600);
    let created = rustix::io::retry_on_intr(|| {
        rustix::fs::openat(folder, name, flags | OFlags::CREATE | OFlags::EXCL, mode)
    });

    let file: File = match created {
        Err(Errno::EXIST) => {
            rustix::io::retry_on_intr(|| rustix::fs::openat(folder, name, flags, mode))?.into()
        }
        created => {
            let file = File::from(created?);
            if let Some(owner) = owner
                && file.metadata()?.uid() != owner
                && rustix::process::geteuid().is_root()
            {
                rustix::fs::fchown(&file, Some(Uid::from_raw(owner)), None)?;
            }
            file
        }
    };

    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_lock_excludes_until_it_is_dropped_and_is_of_the_file_at_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let lock = Lock::take(&path, Duration::ZERO).unwrap().unwrap();
        assert!(lock.is_still_at(&path));
        assert!(Lock::take(&path, Duration::from_millis(20)).unwrap().is_none());

        // A process that creates it anew has another lock.
        #[expect(clippy::disallowed_methods, reason = "the test is the other process")]
        fs::remove_file(&path).unwrap();
        assert!(!lock.is_still_at(&path));
        let second = Lock::take(&path, Duration::ZERO).unwrap().unwrap();
        assert!(second.is_still_at(&path) && !lock.is_still_at(&path));

        drop(second);
        assert!(Lock::take(&path, Duration::ZERO).unwrap().is_some());
    }

    #[test]
    fn links_and_folders_are_no_lock_files() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("nothing", &link).unwrap();
        assert!(Lock::take(&link, Duration::ZERO).is_err());
        assert!(Lock::take(folder.path(), Duration::ZERO).is_err());
    }

    #[test]
    fn a_folder_is_locked_as_long_as_the_lock_lives() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] =
            [folder.path(), folder.path()].map(|path| Folder::open(path).unwrap());
        let lock = Lock::of_folder(&first, Duration::ZERO).unwrap();
        assert!(lock.is_some() && Lock::of_folder(&second, Duration::ZERO).unwrap().is_none());
        drop((lock, first));
        assert!(Lock::of_folder(&second, Duration::ZERO).unwrap().is_some());
    }
}
