//! The evidence of one session on disk.

use std::path::PathBuf;

use super::Timestamp;

/// How far a provider's folder of sessions was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Completely, without an error: a session that was not seen is missing.
    Whole,
    /// With errors: a session that was not seen may exist.
    Partly,
    Absent,
    /// It cannot be opened, or is not a folder.
    Unreadable,
    /// It belongs to neither this user, root, nor the map's owner.
    Foreign,
    /// It was read completely, but the CLI seems to keep its sessions somewhere else.
    Doubtful,
}

/// A file of a session, its last write, and its last use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFile {
    pub path: PathBuf,
    pub written: Timestamp,
    /// The last use that it shows: its mtime, or its newest record if records count.
    pub used: Timestamp,
    /// True for the session's own file, as its CLI names it; false for any other path that shows
    /// that the session exists.
    pub is_own: bool,
}

impl SessionFile {
    /// A session's own file whose last write is its last use.
    pub fn by_mtime(path: PathBuf, written: Timestamp) -> Self {
        Self { path, written, used: written, is_own: true }
    }
}

/// The files of a session that have no record, while records count. They show no use unless nothing else
/// shows one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recordless {
    /// The newest file that shows that the session exists, its own file first.
    pub own: Option<SessionFile>,
    pub other: Option<Timestamp>,
}

/// A file that may belong to the session and could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    /// It was written at this time at the latest.
    pub newest: Timestamp,
    /// True if it may show that the session exists.
    pub may_be_own: bool,
}

/// The evidence of one session. There may be as many of them as mappings, so rare and large fields are
/// boxed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Activity {
    /// The path that shows that the session exists: its own file if there is one, else the newest.
    pub own: Option<Box<SessionFile>>,
    /// A copy in the archive, which cannot be resumed.
    pub archived: Option<Box<SessionFile>>,
    /// The newest use that any evidence shows.
    pub used: Option<Timestamp>,
    pub unread: Option<Box<Unread>>,
    /// Files without a record, until the search is finished.
    pub recordless: Option<Box<Recordless>>,
}

impl Activity {
    /// Adds a path that shows that the session exists, and when it was used.
    pub fn add_file(&mut self, file: SessionFile) {
        self.add_use(file.used);
        let written = self.own.as_ref().map_or(file.written, |own| own.written.max(file.written));
        keep_best(&mut self.own, file);
        if let Some(own) = &mut self.own {
            own.written = written;
        }
    }

    /// Returns true if a file that was used then would not replace the one that is shown.
    pub fn has_better(&self, is_own: bool, used: Timestamp) -> bool {
        self.own.as_ref().is_some_and(|own| (own.is_own, own.used) >= (is_own, used))
    }

    /// Adds a write of another path that shows that the session exists.
    pub fn add_write(&mut self, written: Timestamp) {
        if let Some(own) = &mut self.own {
            own.written = own.written.max(written);
        }
    }

    pub fn add_archived(&mut self, file: SessionFile) {
        keep_best(&mut self.archived, file);
    }

    /// Adds a use that does not show that the session exists.
    pub fn add_use(&mut self, used: Timestamp) {
        self.used = self.used.max(Some(used));
    }

    pub fn add_unread(&mut self, newest: Timestamp, may_be_own: bool) {
        let unread = self.unread.get_or_insert_with(|| Box::new(Unread { newest, may_be_own }));
        unread.newest = unread.newest.max(newest);
        unread.may_be_own |= may_be_own;
    }

    /// Adds a file without a record that shows that the session exists.
    pub fn add_recordless_file(&mut self, file: SessionFile) {
        let seen = self.recordless.get_or_insert_default();
        let before = seen.own.as_ref().map(|before| (before.is_own, before.written));
        if before < Some((file.is_own, file.written)) {
            seen.own = Some(file);
        }
    }

    /// Adds a write of any other path without a record.
    pub fn add_recordless_use(&mut self, written: Timestamp) {
        let seen = self.recordless.get_or_insert_default();
        seen.other = seen.other.max(Some(written));
    }

    /// Adds all that another search of the same session has found.
    pub fn merge(&mut self, other: Self) {
        let Self { own, archived, used, unread, recordless } = other;
        if let Some(own) = own {
            self.add_file(*own);
        }

        if let Some(archived) = archived {
            self.add_archived(*archived);
        }
        self.used = self.used.max(used);
        if let Some(unread) = unread {
            self.add_unread(unread.newest, unread.may_be_own);
        }

        let Some(recordless) = recordless else { return };
        if let Some(own) = recordless.own {
            self.add_recordless_file(own);
        }

        if let Some(other) = recordless.other {
            self.add_recordless_use(other);
        }
    }

    /// Ends a search in which records count: if no file that shows that the session exists has a record,
    /// mtimes count after all. Returns the file that then represents the session.
    pub fn settle_recordless(&mut self) -> Option<&SessionFile> {
        let Recordless { own, other } = *self.recordless.take()?;
        if let Some(known) = &mut self.own {
            let newest = own.map(|file| file.written).max(other);
            known.written = newest.map_or(known.written, |newest| known.written.max(newest));
            return None;
        }
        self.used = self.used.max(other);
        self.add_file(own?);
        self.own.as_deref()
    }

    /// Forgets uses before `cutoff` of a session that does not exist: old files beside it are no evidence.
    pub fn forget_old_uses(&mut self, cutoff: Timestamp) {
        if self.own.is_none() {
            self.used = self.used.filter(|used| *used >= cutoff);
        }
    }

    /// The last use of the session. An archived copy shows its own age.
    pub fn last_used(&self) -> Option<Timestamp> {
        match (&self.own, &self.archived) {
            (None, Some(archived)) => Some(archived.used),
            _ => self.used,
        }
    }

    /// Returns true if the session was used at `cutoff` or later; an archived one is not.
    pub fn is_used_since(&self, cutoff: Timestamp) -> bool {
        (self.own.is_some() || self.archived.is_none()) && self.used >= Some(cutoff)
    }

    /// The last write of any path that shows that the session exists.
    pub fn last_written(&self) -> Option<Timestamp> {
        self.own.as_ref().map(|own| own.written).max(self.used)
    }

    /// The file that shows that the session exists.
    pub fn file(&self) -> Option<&SessionFile> {
        self.own.as_deref().or(self.archived.as_deref())
    }
}

/// Keeps the better file: the session's own before any other, then the one used last.
fn keep_best(kept: &mut Option<Box<SessionFile>>, file: SessionFile) {
    let before = kept.as_ref().map(|before| (before.is_own, before.used));
    if before < Some((file.is_own, file.used)) {
        *kept = Some(Box::new(file));
    }
}
