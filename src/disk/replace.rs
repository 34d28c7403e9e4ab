//! Replacing the map whole or not at all: a temporary file beside it, fsync, rename, fsync of the
//! folder (W1, W2). This is the only module that writes.

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::attributes::carry_over;
use super::folder::{Folder, Kind};
use super::map_file::{MapPlace, Snapshot};
use super::words;
use crate::domain::{Failure, Warning, WarningCode};

/// A new map, written and synced beside the old one. Dropped without a commit, it goes.
#[derive(Debug)]
pub struct Prepared<'a> {
    place: &'a MapPlace,
    name: OsString,
    committed: bool,
}

impl MapPlace {
    /// Writes `bytes` beside the map, with the mode, owner and attributes of `like`.
    pub fn prepare(&self, like: &Snapshot, bytes: &[u8]) -> Result<Prepared<'_>, Failure> {
        let failed = |error: &io::Error| {
            let folder = self.folder_path().display();
            let message = format!("cannot write a new session map in {folder}: {}", words(error));
            Failure::new(message).hint(format!("the map is as it was; make {folder} writable for this user and see that its disk has room"))
        };
        let (prepared, mut file) = self.create_beside().map_err(|error| failed(&error))?;
        file.write_all(bytes).map_err(|error| failed(&error))?;
        carry_over(&like.file, &file).map_err(|error| {
            let path = self.path().display();
            let message = format!("cannot keep owner and mode of {path}: {}", words(&error));
            Failure::new(message).hint("the map is as it was; run as the map's owner or as root")
        })?;
        file.sync_all().map_err(|error| failed(&error))?;
        Ok(prepared)
    }

    fn create_beside(&self) -> io::Result<(Prepared<'_>, File)> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Runs are one at a time, so a taken name is a stale one that could not be removed.
        for number in 0..100 {
            let mut name = self.temporary_prefix();
            name.push(format!("{}-{number}", std::process::id()));
            let made = rustix::io::retry_on_intr(|| {
                let mode = Mode::from_raw_mode(0o600);
                rustix::fs::openat(self.folder.as_fd(), &name, flags, mode)
            });
            match made {
                Ok(made) => {
                    let prepared = Prepared { place: self, name, committed: false };
                    return Ok((prepared, made.into()));
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists))
    }

    fn temporary_prefix(&self) -> OsString {
        let mut prefix = b".".to_vec();
        prefix.extend_from_slice(self.name.as_bytes());
        prefix.extend_from_slice(b".session-warden.tmp.");
        OsString::from_vec(prefix)
    }

    /// Makes a rename in the map's folder durable.
    pub fn sync_folder(&self) -> Result<(), Warning> {
        rustix::fs::fsync(&self.folder).map_err(|error| {
            let why = words(&error.into());
            let message = format!("the new map stands, but a power cut may undo it: {why}");
            Warning::at(WarningCode::NotDurable, self.folder_path(), message)
        })
    }

    /// Removes the temporary files that killed runs have left (W7). Only under the lock.
    pub fn sweep(&self) -> Vec<Warning> {
        let prefix = self.temporary_prefix();
        let trouble = |name: &OsStr, error: &io::Error| {
            let message = format!("cannot remove the file of a killed run: {}", words(error));
            Warning::at(WarningCode::StaleFile, self.folder_path().join(name), message)
        };
        let mut folder = match Folder::open(self.folder_path()) {
            Ok(folder) => folder,
            Err(error) => return vec![trouble(OsStr::new(""), &error)],
        };
        let mut warnings = Vec::new();
        while let Some(entry) = folder.next_entry() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    warnings.push(trouble(OsStr::new(""), &error));
                    break;
                }
            };
            let name = entry.name();
            let ours = name.as_bytes().starts_with(prefix.as_bytes())
                && folder.status(name).is_ok_and(|status| status.kind == Kind::File);
            if ours && let Err(error) = self.remove_temporary(name) {
                warnings.push(trouble(name, &error));
            }
        }
        warnings
    }

    #[expect(clippy::disallowed_methods, reason = "called for our own temporary files only")]
    fn remove_temporary(&self, name: &OsStr) -> io::Result<()> {
        match rustix::fs::unlinkat(self.folder.as_fd(), name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Prepared<'_> {
    /// Puts the new map in the place of the old one.
    #[expect(clippy::disallowed_methods, reason = "this is the rename that replaces the map")]
    pub fn commit(mut self) -> Result<(), Failure> {
        let folder = self.place.folder.as_fd();
        let renamed = rustix::fs::renameat(folder, &self.name, folder, &self.place.name);
        self.committed = renamed.is_ok();
        renamed.map_err(|error| {
            let folder = self.place.folder_path().display();
            let message =
                format!("cannot replace the session map in {folder}: {}", words(&error.into()));
            Failure::new(message).hint(if error == Errno::BUSY {
                "the map is as it was; it is mounted as a single file: mount its folder instead"
            } else {
                "the map is as it was; its folder must let this user replace files"
            })
        })
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        if !self.committed {
            // The next run sweeps what cannot be removed now.
            let _ = self.place.remove_temporary(&self.name);
        }
    }
}
