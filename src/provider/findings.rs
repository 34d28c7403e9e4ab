//! What a provider has found, and the rule for every error on the way: only a
//! file that is not there, in a folder that was read whole, counts as gone (D1).

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Wanted;
use super::memory::{Entries, Memory};
use super::records::{self, Newest, Records};
use crate::disk::folder::{Entry, Folder, Kind, Links, Stamp, Status};
use crate::disk::words;
use crate::domain::{Activity, Reading, SessionFile, Timestamp};
use crate::domain::{Warning, WarningCode};

/// How many entries of folders are read for one provider. A tree with more is no tree of
/// sessions; what was not read is then not known (D5).
const MOST_ENTRIES: u64 = 20_000_000;

/// What has been found so far.
#[derive(Debug)]
pub struct Findings {
    /// One for each wanted session, in the order of places.
    pub activities: Vec<Activity>,
    /// How far the provider's tree was read.
    pub reading: Reading,
    /// What went wrong.
    pub warnings: Vec<Warning>,
    entries_left: u64,
    /// What an earlier look has seen, or this one is to leave to a later one.
    pub(super) memory: Option<Memory>,
    /// How records are read, where they count.
    exact: Option<Records>,
    /// The files whose records were read.
    read: HashSet<PathBuf>,
    cutoff: Timestamp,
}

/// What a file shows of its last use.
enum Clocked {
    Used(Timestamp),
    /// Its records were read, and none counts.
    NoRecord,
}

impl Findings {
    /// Nothing found yet, in a tree that is whole until something says otherwise. `exact` tells how
    /// records are read, where they count.
    pub(super) fn new(wanted: &Wanted<'_>, exact: Option<Records>, memory: Option<Memory>) -> Self {
        Self {
            memory,
            exact,
            read: HashSet::new(),
            cutoff: wanted.cutoff(),
            activities: vec![Activity::default(); wanted.ids().len()],
            reading: Reading::Whole,
            warnings: Vec::new(),
            entries_left: MOST_ENTRIES,
        }
    }

    /// Calls `each` with every entry of `folder`, and is told whether that matters to any wanted
    /// session: a folder that was listed before and has not changed is not listed again, and `each`
    /// called for what mattered alone. A listing that fails, or has no end, leaves the tree not read
    /// whole.
    pub fn list(&mut self, folder: &Folder, mut each: impl FnMut(&mut Self, &Entry<'_>) -> bool) {
        if let Some((stamp, entries)) = self.memory.as_mut().and_then(|it| it.take(folder)) {
            for entry in entries.iter() {
                each(self, &entry);
            }
            return self.keep(folder, stamp, entries);
        }
        // Before the listing: what comes while it goes on makes it another.
        let stamp = self.memory.as_ref().and_then(|memory| memory.stamp(folder));
        let mut matter = Entries::default();
        let listed = folder.list(|entry| {
            if !self.spend_one() {
                return Err(io::Error::other("too many files"));
            }
            // What a link leads to may change while the folder does not.
            let may_change = matches!(entry.kind(), Kind::Link | Kind::Untold);
            if (each(self, entry) || may_change) && stamp.is_some() {
                matter.push(entry);
            }
            Ok(ControlFlow::Continue(()))
        });
        match (listed, stamp) {
            (Err(error), _) => self.not_whole(folder.path(), &words(&error)),
            (Ok(()), Some(stamp)) => self.keep(folder, stamp, matter),
            (Ok(()), None) => {}
        }
    }

    fn keep(&mut self, folder: &Folder, stamp: Stamp, entries: Entries) {
        if let Some(memory) = &mut self.memory {
            memory.keep(folder.path(), stamp, entries);
        }
    }

    /// Opens the folder that `entry`, right in the root, is or links to. Nothing where it is none.
    pub fn open_right_in_root(&mut self, root: &Folder, entry: &Entry) -> Option<Folder> {
        let kind = self.kind(root, entry)?;
        self.open_first(root, entry.name(), kind)
    }

    /// Opens the folder called `name` right in the root. Nothing where there is none.
    pub fn open_named_right_in_root(&mut self, root: &Folder, name: &OsStr) -> Option<Folder> {
        let kind = self.kind_of(root, name)?;
        self.open_first(root, name, kind)
    }

    fn open_first(&mut self, root: &Folder, name: &OsStr, kind: Kind) -> Option<Folder> {
        let links = match kind {
            Kind::Folder => Links::Refuse,
            Kind::Link => Links::Follow,
            Kind::File | Kind::Other | Kind::Untold => return None,
        };
        match root.open_in(name, links) {
            Ok(folder) => Some(folder),
            // A link to a file hides no sessions. A folder that has just gone has none; a link
            // that leads nowhere may lead to a disk that is not there now.
            Err(error) if links == Links::Follow && is_not_folder(&error) => None,
            Err(error) if links == Links::Refuse && is_gone(&error) => None,
            Err(error) => {
                self.not_whole(&root.path().join(name), &words(&error));
                None
            }
        }
    }

    /// Opens the folder called `name`, deeper than right in the root: a link is not followed, and
    /// hides what it leads to. Nothing where there is none.
    pub fn open_deeper(&mut self, folder: &Folder, name: &OsStr) -> Option<Folder> {
        match folder.open_in(name, Links::Refuse) {
            Ok(folder) => Some(folder),
            Err(error) if is_gone(&error) || is_plain(folder, name) => None,
            Err(error) => {
                self.not_whole(&folder.path().join(name), &words(&error));
                None
            }
        }
    }

    /// Opens the folder called `name` that belongs to the wanted session at `place` alone. Nothing
    /// where there is none; where it cannot be read, that session may have been used at any time.
    pub fn open_of(&mut self, folder: &Folder, name: &OsStr, place: u32) -> Option<Folder> {
        match folder.open_in(name, Links::Refuse) {
            Ok(folder) => Some(folder),
            Err(error) if is_gone(&error) || is_plain(folder, name) => None,
            Err(error) => {
                self.missed(
                    &[place],
                    &folder.path().join(name),
                    Timestamp::MAX,
                    false,
                    &words(&error),
                );
                None
            }
        }
    }

    /// What `entry` is, looked up where the listing does not say. Nothing where it has gone.
    pub fn kind(&mut self, folder: &Folder, entry: &Entry) -> Option<Kind> {
        match entry.kind() {
            Kind::Untold => self.kind_of(folder, entry.name()),
            kind => Some(kind),
        }
    }

    fn kind_of(&mut self, folder: &Folder, name: &OsStr) -> Option<Kind> {
        match folder.status(name) {
            Ok(status) => Some(status.kind),
            Err(error) if is_gone(&error) => None,
            Err(error) => {
                self.not_whole(&folder.path().join(name), &words(&error));
                None
            }
        }
    }

    /// The status of the regular file called `name`, which may be the own file of the wanted
    /// session at `place`. Nothing where it has gone, or is not to be read: a link, a FIFO and the
    /// like may hide that session.
    pub fn own_status(&mut self, folder: &Folder, name: &OsStr, place: u32) -> Option<Status> {
        let why = match folder.status(name) {
            Ok(status) if status.kind == Kind::File => return Some(status),
            Ok(_) => "not a regular file".to_owned(),
            Err(error) if is_gone(&error) => return None,
            Err(error) => words(&error),
        };
        self.missed(&[place], &folder.path().join(name), Timestamp::MAX, true, &why);
        None
    }

    /// Takes in the own file called `name` of the wanted session at `place`.
    pub fn own(&mut self, folder: &Folder, name: &OsStr, place: u32) {
        if let Some(status) = self.own_status(folder, name, place) {
            self.saw_own(folder, name, place, status.written);
        }
    }

    /// Takes in the own file called `name`, written then.
    pub fn saw_own(&mut self, folder: &Folder, name: &OsStr, place: u32, written: Timestamp) {
        let path = folder.path().join(name);
        if self.is_read(&path) {
            return;
        }
        match self.clocked(folder, name, written) {
            Clocked::Used(used) => {
                if let Some(activity) = self.activities.get_mut(place as usize) {
                    activity.saw_own(SessionFile { path, written, used });
                }
            }
            Clocked::NoRecord => {
                if let Some(activity) = self.activities.get_mut(place as usize) {
                    activity.saw_own_recordless(SessionFile::by_mtime(path, written));
                }
            }
        }
    }

    /// Takes in a file called `name` beside the own one of the wanted session at `place`, written
    /// then.
    pub fn saw_side(&mut self, folder: &Folder, name: &OsStr, place: u32, written: Timestamp) {
        match self.clocked(folder, name, written) {
            Clocked::Used(used) => self.saw_side_at(place, used),
            Clocked::NoRecord => {
                if let Some(activity) = self.activities.get_mut(place as usize) {
                    activity.saw_side_recordless(written);
                }
            }
        }
    }

    /// Takes in a use beside the own file of the wanted session at `place`.
    pub fn saw_side_at(&mut self, place: u32, used: Timestamp) {
        if let Some(activity) = self.activities.get_mut(place as usize) {
            activity.saw_side(used);
        }
    }

    /// Whether the records of that file were read before: a folder may be listed twice.
    fn is_read(&mut self, path: &Path) -> bool {
        self.exact.is_some() && !self.read.insert(path.to_owned())
    }

    /// When the file called `name` was last used, by what counts. Its mtime is the bound: what was
    /// written before the cutoff was used before it, and is not opened.
    fn clocked(&mut self, folder: &Folder, name: &OsStr, written: Timestamp) -> Clocked {
        let Some(records) = self.exact.filter(|_| written >= self.cutoff) else {
            return Clocked::Used(written);
        };
        let newest = match folder.open_file(name) {
            Ok(file) => records::newest(file, name, records, self.cutoff),
            Err(error) => Newest::Unread(words(&error)),
        };
        match newest {
            Newest::At(newest) => Clocked::Used(newest.min(written)),
            Newest::NoRecord => Clocked::NoRecord,
            Newest::Unread(why) => {
                self.no_record_time(&folder.path().join(name), &why);
                Clocked::Used(written)
            }
        }
    }

    fn no_record_time(&mut self, path: &Path, why: &str) {
        let message = format!("its records tell no last use, so its mtime counts: {why}");
        self.warnings.push(Warning::at(WarningCode::NoRecordTime, path, message));
    }

    /// Ends the search: what has no record anywhere is judged by its mtime.
    pub fn settle(&mut self) {
        let mut unclear = Vec::new();
        for activity in &mut self.activities {
            unclear.extend(activity.settle_recordless().map(|file| file.path.clone()));
        }
        for path in unclear {
            self.no_record_time(&path, "there is none");
        }
    }

    /// Takes in every file of `folder` that `is_one` by its name, as writes beside the wanted
    /// session at `place`.
    pub fn sides(&mut self, folder: &Folder, place: u32, is_one: fn(&[u8]) -> bool) {
        let listed = folder.list(|entry| {
            if !self.spend_one() {
                self.not_whole(folder.path(), "too many files");
                return Ok(ControlFlow::Break(()));
            }
            if is_one(entry.name().as_bytes()) {
                match folder.status(entry.name()) {
                    Ok(status) if status.kind == Kind::File => {
                        self.saw_side(folder, entry.name(), place, status.written);
                    }
                    Ok(_) => self.missed_side(folder, place, "not a regular file"),
                    Err(error) if is_gone(&error) => {}
                    Err(error) => self.missed_side(folder, place, &words(&error)),
                }
            }
            Ok(ControlFlow::Continue(()))
        });
        if let Err(error) = listed {
            self.missed_side(folder, place, &words(&error));
        }
    }

    fn missed_side(&mut self, folder: &Folder, place: u32, why: &str) {
        self.missed(&[place], folder.path(), Timestamp::MAX, false, why);
    }

    /// Notes that a file which may belong to any of the wanted sessions at `places` could not be
    /// read, and was written at `newest` at the latest.
    pub fn missed(
        &mut self,
        places: &[u32],
        path: &Path,
        newest: Timestamp,
        may_be_own: bool,
        why: &str,
    ) {
        for place in places {
            if let Some(activity) = self.activities.get_mut(*place as usize) {
                activity.missed(newest, may_be_own);
            }
        }
        let message = format!("cannot read a file of a mapped session: {why}");
        self.warnings.push(Warning::at(WarningCode::FileUnread, path, message));
    }

    fn spend_one(&mut self) -> bool {
        let enough = self.entries_left > 0;
        self.entries_left = self.entries_left.saturating_sub(1);
        enough
    }

    /// Notes that the tree could not be read whole.
    pub fn not_whole(&mut self, path: &Path, why: &str) {
        self.reading = Reading::Partly;
        let message = format!("cannot list all sessions, so the idle ones are kept: {why}");
        self.warnings.push(Warning::at(WarningCode::NotReadWhole, path, message));
    }
}

/// Whether the error says that there is nothing of that name, and nothing else.
pub(super) fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NOENT.raw_os_error())
}

/// Whether there is a plain file in the place of a folder: it hides nothing, as a link might.
fn is_plain(folder: &Folder, name: &OsStr) -> bool {
    folder.status(name).is_ok_and(|status| matches!(status.kind, Kind::File | Kind::Other))
}

fn is_not_folder(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NOTDIR.raw_os_error())
}

#[cfg(test)]
mod tests;
