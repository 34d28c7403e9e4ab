//! One run at a time for each map (X1): a lock file beside the map, where every scheduler and
//! person meets the same one. It stays when the run ends; only the lock on it goes.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use super::map_file::MapPlace;
use crate::model::{Exit, Failure, describe};
use crate::os::lock::Lock;

impl MapPlace {
    /// Takes the lock on the map, which belongs to the user `owner`. Exit code 75 if another run holds it.
    pub fn lock(&self, owner: u32) -> Result<Lock, Failure> {
        let us = rustix::process::geteuid();
        if !us.is_root() && us.as_raw() != owner {
            // A lock of ours would shut the owner out, and a new map of ours would not be theirs.
            let path = self.path().display();
            let message = format!("cannot change session map {path}: it belongs to user {owner}");
            return Err(Failure::new(message).hint("run as the map's owner or as root"));
        }

        let mut name = OsString::from(".");
        name.push(&self.name);
        name.push(".session-warden.lock");
        let path = self.folder_path().join(&name);
        let lock =
            Lock::take_in(self.folder.as_fd(), Path::new(&name), Some(owner), Duration::ZERO);
        match lock {
            Ok(Some(lock)) => Ok(lock),
            Ok(None) => {
                let message = format!("another run holds the lock {}", path.display());
                let failure = Failure::new(message).with(Exit::Locked);
                Err(failure.hint("wait until it has ended; nothing was done"))
            }
            Err(error) => Err(not_locked(&path, &error)),
        }
    }
}

fn not_locked(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot lock {}: {}", path.display(), describe(error)))
        .hint("the map's folder and the lock, if there is one, must be writable for this user")
}
