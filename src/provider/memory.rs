//! What a first look has seen of folders, so that a second one, for some of the same sessions, need
//! not list again those that have not changed: a file that comes or goes changes its folder.
//!
//! Names are kept, and never what the files are: each is looked at again (D6).

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::disk::folder::{Entry, Folder, Kind, Stamp};
use crate::domain::Timestamp;

/// How long before the run a folder must have been left alone, in seconds. File systems count in
/// ticks, of up to 2 seconds: a change within the same tick does not show.
const QUIET: u64 = 3;

/// The folders of one provider that were listed whole, with those of their entries that matter.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    /// When the run began.
    now: Timestamp,
    folders: HashMap<PathBuf, Remembered>,
    /// Whether the first look is over: later ones are for fewer sessions, so what matters to them is
    /// not all that will matter.
    is_sealed: bool,
}

#[derive(Debug, Clone)]
struct Remembered {
    stamp: Stamp,
    entries: Entries,
}

/// Entries of one folder, in little room: there may be as many as mappings.
#[derive(Debug, Clone, Default)]
pub(super) struct Entries {
    /// Each name, ended by a NUL.
    names: Vec<u8>,
    kinds: Vec<Kind>,
}

impl Entries {
    pub(super) fn push(&mut self, entry: &Entry<'_>) {
        self.names.extend(entry.name().as_bytes());
        self.names.push(0);
        self.kinds.push(entry.kind());
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        let names = self.names.split(|byte| *byte == 0);
        names.zip(&self.kinds).map(|(name, kind)| Entry::new(OsStr::from_bytes(name), *kind))
    }
}

impl Memory {
    /// Nothing yet, of a run that began at `now`.
    pub(super) fn new(now: Timestamp) -> Self {
        Self { now, folders: HashMap::new(), is_sealed: false }
    }

    /// The entries of `folder` that matter and its stamp, unless it has changed since. They are taken
    /// out.
    pub(super) fn take(&mut self, folder: &Folder) -> Option<(Stamp, Entries)> {
        let Remembered { stamp, entries } = self.folders.remove(folder.path())?;
        (folder.stamp().ok()? == stamp).then_some((stamp, entries))
    }

    /// What `folder` is stamped with, if it is to be remembered: a change of it from now on will show.
    pub(super) fn stamp(&self, folder: &Folder) -> Option<Stamp> {
        if self.is_sealed {
            return None;
        }
        let stamp = folder.stamp().ok()?;
        let is_quiet = stamp.changed().seconds_until(self.now) > QUIET;
        (is_quiet && folder.stamps_changes()).then_some(stamp)
    }

    /// Keeps the entries of `path` that matter, as it was when it had that stamp.
    pub(super) fn keep(&mut self, path: &Path, stamp: Stamp, entries: Entries) {
        self.folders.insert(path.to_owned(), Remembered { stamp, entries });
    }

    /// Ends the first look.
    pub(super) fn seal(&mut self) {
        self.is_sealed = true;
    }
}
