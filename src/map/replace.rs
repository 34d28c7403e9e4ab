//! Replacing the map whole or not at all: a temporary file beside it, fsync, rename, fsync of the
//! folder (W1, W2).

mod left;

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::Instant;

use self::left::{Fingerprint, Prints, Stage};
use super::map_file::{MapPlace, Snapshot};
use crate::model::{Exit, Failure, Timestamp, Warning, WarningCode, describe};
use crate::os::attributes::carry_over;
use crate::os::temporary::TemporaryFile;

/// How many second names are tried.
const MOST_NAMES: u32 = 100;

/// A new map, written and synced beside the old one. Dropped without a commit, it goes.
#[derive(Debug)]
pub struct Prepared<'a> {
    place: &'a MapPlace,
    temporary: TemporaryFile<'a>,
    written: Written,
    /// Of the new map.
    fingerprint: Fingerprint,
    /// True if the file system can let two files change places.
    can_exchange: bool,
}

/// How a commit ended.
#[derive(Debug)]
pub enum Committed<'a> {
    /// The new map is in place.
    Replaced,
    /// Another process changed the map after it was read, and it is as that process left it.
    Changed,
    /// It was too late; nothing was done.
    Late(Prepared<'a>),
}

impl MapPlace {
    /// Writes `bytes` beside the map, with the mode, owner and attributes of `like`.
    pub fn prepare(&self, like: &Snapshot, bytes: &[u8]) -> Result<Prepared<'_>, Failure> {
        let failed = |error: &io::Error| {
            let folder = self.folder_path().display();
            let message =
                format!("cannot write a new session map in {folder}: {}", describe(error));
            Failure::new(message).hint(format!("the map is as it was; make {folder} writable for this user and see that its disk has room"))
        };
        let made = TemporaryFile::create(self.folder.as_fd(), &self.name, 0o600);
        let mut temporary = made.map_err(|error| failed(&error))?;
        let file = &mut temporary.file;
        file.write_all(bytes).map_err(|error| failed(&error))?;
        carry_over(&like.file, file).map_err(|error| {
            let path = self.path().display();
            let message = format!("cannot keep owner and mode of {path}: {}", describe(&error));
            Failure::new(message).hint("the map is as it was; run as the map's owner or as root")
        })?;
        file.sync_all().map_err(|error| failed(&error))?;
        let stat = rustix::fs::fstat(file).map_err(|error| failed(&error.into()))?;
        Ok(Prepared {
            place: self,
            temporary,
            written: Written::of(&stat),
            fingerprint: Fingerprint::of(bytes),
            can_exchange: true,
        })
    }

    /// Makes a rename in the map's folder durable.
    pub fn sync_folder(&self) -> Result<(), Warning> {
        rustix::fs::fsync(&self.folder).map_err(|error| {
            let why = describe(&error.into());
            let message = format!("the new map is in place, but a power cut may undo it: {why}");
            Warning::at(WarningCode::NotDurable, self.folder_path(), message)
        })
    }
}

impl<'a> Prepared<'a> {
    /// Gives the temporary file its second name, so that little is left to do after the last look. Returns nothing if
    /// the file is gone.
    ///
    /// If this run is killed after the exchange, the file may hold another process's map. The second name keeps later
    /// runs from sweeping that (W8).
    pub fn ready(mut self, there: &Snapshot) -> Result<Option<Self>, Failure> {
        let prints = Prints { old: Fingerprint::of(there.map.bytes()), new: self.fingerprint };
        match self.rename_aside(prints) {
            Ok(name) => self.temporary.name = name,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) if cannot_exchange(error) => self.can_exchange = false,
            Err(error) => return Err(self.failed(&error.into())),
        }
        Ok(Some(self))
    }

    /// Puts the new map in the place of `there`, if that is not later than `until`.
    ///
    /// The two files change places in one step, so that the replaced map can be compared with the one
    /// that was read: if another process wrote in between, it is restored, and no write is lost (W8).
    pub fn commit(
        mut self,
        there: &Snapshot,
        until: Option<Instant>,
    ) -> Result<Committed<'a>, Failure> {
        let place = self.place;
        let holds = place.still_holds(&place.name, there);
        if !holds.map_err(|error| self.failed(&error))? {
            return Ok(Committed::Changed);
        }
        if until.is_some_and(|until| Instant::now() > until) {
            return Ok(Committed::Late(self));
        }

        let exchanged =
            if self.can_exchange { self.rename(RenameFlags::EXCHANGE) } else { Err(Errno::NOSYS) };
        match exchanged {
            Ok(()) => {}
            // It was removed in between; that is a change as well.
            Err(Errno::NOENT) => return Ok(Committed::Changed),
            // The file system cannot exchange files. A write since the check above is lost.
            Err(error) if cannot_exchange(error) => {
                self.rename_plainly().map_err(|error| self.failed(&error.into()))?;
                self.temporary.is_kept = true;
                return Ok(Committed::Replaced);
            }
            Err(error) => return Err(self.failed(&error.into())),
        }
        // From here on the old map has the temporary name, and is removed when this is dropped.
        if place.still_holds(&self.temporary.name, there).is_ok_and(|same| same) {
            return Ok(Committed::Replaced);
        }
        self.put_back()?;
        Ok(Committed::Changed)
    }

    #[expect(clippy::disallowed_methods, reason = "our own temporary file gets its second name")]
    fn rename_aside(&self, prints: Prints) -> Result<OsString, Errno> {
        let folder = self.place.folder.as_fd();
        for number in 0..MOST_NAMES {
            let mut name = self.place.prefix(Stage::Changing);
            name.push(format!("{}-{number}.{}", std::process::id(), prints.suffix()));
            // NOREPLACE: a file that another run has left under such a name is kept.
            let flags = RenameFlags::NOREPLACE;
            match rustix::fs::renameat_with(folder, &self.temporary.name, folder, &name, flags) {
                Ok(()) => return Ok(name),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Errno::EXIST)
    }

    /// Restores the map that was replaced, or returns an error that says where it is.
    fn put_back(&mut self) -> Result<(), Failure> {
        self.change_back().map_err(|error| {
            // The other's map must not go with this; better two files than a lost one.
            self.temporary.is_kept = true;
            let path = self.place.folder_path().join(&self.temporary.name);
            let message = format!("a newer session map is left at {}", path.display());
            let hint = format!(
                "it could not be restored ({}); move it to the path of the map",
                describe(&error)
            );
            Failure { exit: Exit::Partly, ..Failure::new(message).hint(hint) }
        })
    }

    /// Exchanges the two files again, unless another process has already written to the new map as
    /// well: then that is newer still, and is kept.
    fn change_back(&mut self) -> io::Result<()> {
        self.rename(RenameFlags::EXCHANGE)?;
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let folder = self.place.folder.as_fd();
        let Ok(ours) = rustix::fs::statat(folder, &self.temporary.name, flags) else {
            // The map is back. Our file stays, since another process may have written to it.
            self.temporary.is_kept = true;
            return Ok(());
        };
        if Written::of(&ours) != self.written {
            self.rename(RenameFlags::EXCHANGE)?;
        }
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the rename that replaces the map")]
    fn rename(&self, flags: RenameFlags) -> Result<(), Errno> {
        let folder = self.place.folder.as_fd();
        rustix::fs::renameat_with(folder, &self.temporary.name, folder, &self.place.name, flags)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the rename that replaces the map")]
    fn rename_plainly(&self) -> Result<(), Errno> {
        let folder = self.place.folder.as_fd();
        rustix::fs::renameat(folder, &self.temporary.name, folder, &self.place.name)
    }

    fn failed(&self, error: &io::Error) -> Failure {
        let folder = self.place.folder_path().display();
        let message = format!("cannot replace the session map in {folder}: {}", describe(error));
        let is_busy = error.raw_os_error() == Some(Errno::BUSY.raw_os_error());
        Failure::new(message).hint(if is_busy {
            "the map is as it was; it is mounted as a single file: mount its folder instead"
        } else {
            "the map is as it was; its folder must let this user replace files"
        })
    }
}

/// Returns true if that is how a file system refuses to let two files change places.
fn cannot_exchange(error: Errno) -> bool {
    matches!(error, Errno::INVAL | Errno::NOSYS | Errno::NOTSUP | Errno::PERM)
}

/// Differs once another process has written to a file.
#[derive(Debug, PartialEq, Eq)]
struct Written(u64, i64, Timestamp);

impl Written {
    fn of(stat: &rustix::fs::Stat) -> Self {
        Self(stat.st_ino, stat.st_size, crate::os::folder::written(stat))
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests are the others who write beside the run")]
mod tests;
