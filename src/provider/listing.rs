//! Lists and opens folders, with the rule of D1 for every error: a folder that could not be listed may have
//! anything in it, and an absent one has nothing.

use std::ffi::OsStr;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use super::evidence::EvidenceCollector;
use super::io_error::{is_gone, is_not_folder};
use super::memory::Entries;
use crate::model::SessionIdx;
use crate::model::{Timestamp, describe};
use crate::os::folder::{Entry, Folder, Kind, Links, Stamp};

impl EvidenceCollector {
    /// Calls `each` with every entry of `folder`, which returns true if the entry matters to a session. A
    /// folder that has not changed since it was listed is not listed again: `each` is called with the
    /// entries that mattered. If the listing fails or is ended, the root was not read completely.
    pub(super) fn list(
        &mut self,
        folder: &Folder,
        each: &mut dyn FnMut(&mut Self, &Entry<'_>) -> bool,
    ) {
        if self.is_stopped() {
            return;
        }

        if let Some((stamp, entries)) = self.memory.as_mut().and_then(|it| it.take(folder)) {
            for entry in entries.iter() {
                each(self, &entry);
            }
            return self.keep(folder, stamp, entries);
        }

        // Taken before the listing: an entry that comes during it changes the stamp.
        let stamp = self.memory.as_ref().and_then(|memory| memory.stamp(folder));
        let mut matter = Entries::default();
        let listed = folder.list(|entry| {
            if !self.spend_one() {
                return Err(io::Error::other("too many files"));
            }
            // The target of a link may change while the folder does not.
            let may_change = matches!(entry.kind(), Kind::Link | Kind::Unknown);
            if (each(self, entry) || may_change) && stamp.is_some() {
                matter.push(entry);
            }
            Ok(ControlFlow::Continue(()))
        });

        match (listed, stamp) {
            (Err(error), _) => self.not_whole(folder.path(), &describe(&error)),
            (Ok(()), Some(stamp)) => self.keep(folder, stamp, matter),
            (Ok(()), None) => {}
        }
    }

    fn keep(&mut self, folder: &Folder, stamp: Stamp, entries: Entries) {
        if let Some(memory) = &mut self.memory {
            memory.keep(folder.path(), stamp, entries);
        }
    }

    /// Opens the folder that `entry`, right in the root, is or links to, if it is one.
    pub(super) fn open_right_in_root(&mut self, root: &Folder, entry: &Entry) -> Option<Folder> {
        let name = entry.name();
        let links = match self.kind(root, entry)? {
            Kind::Folder => Links::Refuse,
            Kind::Link => Links::Follow,
            Kind::File | Kind::Other | Kind::Unknown => return None,
        };

        match root.open_in(name, links) {
            Ok(folder) => Some(folder),
            // A link to a file hides no sessions. A folder that has just gone has none; a link
            // that leads nowhere may lead to a disk that is not there now.
            Err(error) if links == Links::Follow && is_not_folder(&error) => None,
            Err(error) if links == Links::Refuse && is_gone(&error) => None,
            Err(error) => {
                self.not_whole(&root.path().join(name), &describe(&error));
                None
            }
        }
    }

    /// Opens the folder called `name`, deeper than right in the root, if there is one. A link is not
    /// followed, and may hide sessions.
    pub(super) fn open_deeper(&mut self, folder: &Folder, name: &OsStr) -> Option<Folder> {
        let opened = folder.open_in(name, Links::Refuse);
        if opened.is_err() && is_plain(folder, name) {
            return None;
        }
        self.whole(&folder.path().join(name), opened)
    }

    /// Opens the folder called `name` that carries the ids of those sessions, if there is one. If it cannot
    /// be read, each of them may have been used at any time.
    pub(super) fn open_of(
        &mut self,
        folder: &Folder,
        name: &OsStr,
        sessions: &[SessionIdx],
    ) -> Option<Folder> {
        match folder.open_in(name, Links::Refuse) {
            Ok(folder) => Some(folder),
            Err(error) if is_gone(&error) || is_plain(folder, name) => None,
            Err(error) => {
                let path = folder.path().join(name);
                self.add_unread(sessions, &path, Timestamp::MAX, true, &describe(&error));
                None
            }
        }
    }

    /// Returns the kind of `entry`, looked up if the listing does not have it; nothing if it is gone.
    pub(super) fn kind(&mut self, folder: &Folder, entry: &Entry) -> Option<Kind> {
        if entry.kind() != Kind::Unknown {
            return Some(entry.kind());
        }

        let status = folder.status(entry.name());
        self.whole(&folder.path().join(entry.name()), status).map(|status| status.kind)
    }

    /// Returns the result for that path; nothing if the path is gone. After any other error, the root was
    /// not read completely.
    pub(super) fn whole<T>(&mut self, path: &Path, result: io::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                if !is_gone(&error) {
                    self.not_whole(path, &describe(&error));
                }
                None
            }
        }
    }
}

/// Returns true for a plain file: unlike a link, it hides no sessions.
fn is_plain(folder: &Folder, name: &OsStr) -> bool {
    folder.status(name).is_ok_and(|status| matches!(status.kind, Kind::File | Kind::Other))
}
