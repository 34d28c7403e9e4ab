//! One run at a time for each map (X1): a lock file beside the map, where every scheduler and
//! person meets the same one. It stays when the run ends; only the lock on it goes.

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use super::map_file::MapPlace;
use crate::model::{Exit, Failure, describe};

/// The lock on a map, held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// How often a lock file that was removed under us is made anew.
const TRIES: usize = 5;

impl MapPlace {
    /// Takes the lock on the map, which belongs to the user `owner`. Exit code 75 where another
    /// run holds it.
    pub fn lock(&self, owner: u32) -> Result<Lock, Failure> {
        let mut name = OsString::from(".");
        name.push(&self.name);
        name.push(".session-warden.lock");
        let path = self.folder_path().join(&name);
        let failed = |error: &io::Error| {
            let message = format!("cannot lock {}: {}", path.display(), describe(error));
            Failure::new(message).hint(
                "the map's folder and the lock, if there is one, must be writable for this user",
            )
        };
        let us = rustix::process::geteuid();
        if !us.is_root() && us.as_raw() != owner {
            // A lock of ours would shut the owner out, whose map we could not keep theirs anyway.
            let path = self.path().display();
            let message = format!("cannot change session map {path}: it belongs to user {owner}");
            return Err(Failure::new(message).hint("run as the map's owner or as root"));
        }
        for _ in 0..TRIES {
            let file = self.open_lock(&name, owner).map_err(|error| failed(&error))?;
            let taken = rustix::io::retry_on_intr(|| {
                rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
            });
            match taken {
                Err(Errno::WOULDBLOCK) => {
                    let message = format!("another run holds the lock {}", path.display());
                    let failure =
                        Failure::new(message).hint("wait until it has ended; nothing was done");
                    return Err(Failure { exit: Exit::Locked, ..failure });
                }
                Err(error) => return Err(failed(&error.into())),
                Ok(()) if self.is_at(&name, &file) => return Ok(Lock { _file: file }),
                // Somebody removed the file between opening and locking it.
                Ok(()) => {}
            }
        }
        Err(failed(&io::Error::other("somebody keeps removing it")))
    }

    #[expect(clippy::disallowed_methods, reason = "the lock of a map belongs to the map's owner")]
    fn open_lock(&self, name: &OsString, owner: u32) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let open = |extra: OFlags| {
            rustix::io::retry_on_intr(|| {
                rustix::fs::openat(
                    self.folder.as_fd(),
                    name,
                    flags | extra,
                    Mode::from_raw_mode(0o600),
                )
            })
        };
        match open(OFlags::CREATE | OFlags::EXCL) {
            Ok(made) => {
                let file = File::from(made);
                // Made by root, it must still serve the map's owner.
                if file.metadata()?.uid() != owner && rustix::process::geteuid().is_root() {
                    rustix::fs::fchown(&file, Some(rustix::fs::Uid::from_raw(owner)), None)?;
                }
                Ok(file)
            }
            Err(Errno::EXIST) => {
                let file = File::from(open(OFlags::empty())?);
                if file.metadata()?.is_file() {
                    Ok(file)
                } else {
                    Err(io::Error::other("not a regular file"))
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    fn is_at(&self, name: &OsString, file: &File) -> bool {
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        let there = rustix::fs::statat(self.folder.as_fd(), name, flags);
        let ours = rustix::fs::fstat(file);
        matches!((there, ours), (Ok(there), Ok(ours))
            if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino))
    }
}
