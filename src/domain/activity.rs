//! What was observed of one session on disk, and how far its folder of sessions was read.

use std::path::PathBuf;

use super::Timestamp;

/// How far a provider's folder of sessions was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// All of it, without an error: what was not seen is not there.
    Whole,
    /// Not all of it: what was not seen may still be there.
    Partly,
    /// There is no such folder.
    Absent,
    /// It cannot be opened, or is no folder.
    Unreadable,
    /// It belongs to neither this user, root, nor the map's owner.
    Foreign,
}

/// A file, its last write, and its last use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its mtime.
    pub written: Timestamp,
    /// The last use that it shows: the same, or its newest record where those count.
    pub used: Timestamp,
}

impl SessionFile {
    /// A file whose last write is its last use.
    pub fn by_mtime(path: PathBuf, written: Timestamp) -> Self {
        Self { path, written, used: written }
    }
}

/// What of a session has no record in it, where those count: it shows no use, unless nothing else
/// shows any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recordless {
    /// Its own file; the newest, where there are several.
    pub own: Option<SessionFile>,
    /// The newest write of files beside it.
    pub side: Option<Timestamp>,
}

/// A file that may belong to the session and could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    /// No later write than this can be in it.
    pub newest: Timestamp,
    /// Whether it may be the session's own file, rather than one beside it.
    pub may_be_own: bool,
}

/// What was observed of one session. There may be as many as mappings, and most have little of
/// this, so what is rare or large is boxed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Activity {
    /// Its own file; the newest, where there are several.
    pub own: Option<Box<SessionFile>>,
    /// A copy in the archive, which cannot be resumed.
    pub archived: Option<Box<SessionFile>>,
    /// The newest write of subagents and other files beside it.
    pub side: Option<Timestamp>,
    /// What could not be read of it.
    pub unread: Option<Box<Unread>>,
    /// What has no record in it; only until all was seen.
    pub recordless: Option<Box<Recordless>>,
}

impl Activity {
    /// Takes in one of the session's own files.
    pub fn saw_own(&mut self, file: SessionFile) {
        keep_newest(&mut self.own, file);
    }

    /// Takes in an archived copy.
    pub fn saw_archived(&mut self, file: SessionFile) {
        keep_newest(&mut self.archived, file);
    }

    /// Takes in a write beside the session's own file.
    pub fn saw_side(&mut self, written: Timestamp) {
        self.side = self.side.max(Some(written));
    }

    /// Takes in a file that may be the session's and could not be read.
    pub fn missed(&mut self, newest: Timestamp, may_be_own: bool) {
        let unread = self.unread.get_or_insert_with(|| Box::new(Unread { newest, may_be_own }));
        unread.newest = unread.newest.max(newest);
        unread.may_be_own |= may_be_own;
    }

    /// Takes in one of the session's own files that has no record in it.
    pub fn saw_own_recordless(&mut self, file: SessionFile) {
        let seen = self.recordless.get_or_insert_default();
        if seen.own.as_ref().is_none_or(|before| before.written < file.written) {
            seen.own = Some(file);
        }
    }

    /// Takes in a write beside the session's own file that left no record there.
    pub fn saw_side_recordless(&mut self, written: Timestamp) {
        let seen = self.recordless.get_or_insert_default();
        seen.side = seen.side.max(Some(written));
    }

    /// Once all was seen: where none of the session's own files has a record, their mtime counts after
    /// all. The file that this made the session's own, if it did.
    pub fn settle_recordless(&mut self) -> Option<&SessionFile> {
        let Recordless { own, side } = *self.recordless.take()?;
        if self.own.is_some() {
            return None;
        }
        self.own = Some(Box::new(own?));
        self.side = self.side.max(side);
        self.own.as_deref()
    }

    /// The last use over all of the session's files. A session exists by its own file alone:
    /// without one, files beside it count for nothing, and an archived copy tells its own age.
    pub fn last_used(&self) -> Option<Timestamp> {
        match (&self.own, &self.archived) {
            (Some(own), _) => Some(own.used).max(self.side),
            (None, Some(archived)) => Some(archived.used),
            (None, None) => None,
        }
    }

    /// The last write over all of the session's files that were seen to be its own.
    pub fn last_written(&self) -> Option<Timestamp> {
        self.own.as_ref().map(|own| own.written).max(self.side)
    }

    /// The file that shows the session exists.
    pub fn file(&self) -> Option<&SessionFile> {
        self.own.as_deref().or(self.archived.as_deref())
    }
}

fn keep_newest(place: &mut Option<Box<SessionFile>>, file: SessionFile) {
    if place.as_ref().is_none_or(|before| before.used < file.used) {
        *place = Some(Box::new(file));
    }
}
