//! The listings of a first look, so that a second one for some of the same sessions need not list folders
//! again that have not changed: a file that comes or goes changes its folder.
//!
//! Only names are kept. Each file is looked at again (D6).

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::model::Timestamp;
use crate::os::folder::{Entry, Folder, Kind, Stamp};

/// How long before the run a folder must have been unchanged, in seconds. File systems count in ticks of up
/// to 2 seconds: a change within the same tick does not show.
const QUIET: u64 = 3;

/// How many folders of a provider are remembered, at some 300 bytes each.
const MOST: usize = 16_384;

/// The folders of one provider that were listed completely, with the entries that matter.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    now: Timestamp,
    folders: HashMap<PathBuf, Remembered>,
    /// True after the first look: later ones are for fewer sessions, so other entries may matter.
    is_sealed: bool,
}

#[derive(Debug, Clone)]
struct Remembered {
    stamp: Stamp,
    entries: Entries,
}

/// Entries of one folder, using little memory: there may be as many as mappings.
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

    pub(super) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        let names = self.names.split(|byte| *byte == 0);
        names.zip(&self.kinds).map(|(name, kind)| Entry::new(OsStr::from_bytes(name), *kind))
    }
}

impl Memory {
    /// No listings yet, in a run that began at `now`.
    pub(super) fn new(now: Timestamp) -> Self {
        Self { now, folders: HashMap::new(), is_sealed: false }
    }

    /// Takes out the entries of `folder` with its stamp, unless it has changed.
    pub(super) fn take(&mut self, folder: &Folder) -> Option<(Stamp, Entries)> {
        let Remembered { stamp, entries } = self.folders.remove(folder.path())?;
        (folder.stamp().ok()? == stamp).then_some((stamp, entries))
    }

    /// Returns the stamp of `folder` if the folder can be remembered: changes from now on will show.
    pub(super) fn stamp(&self, folder: &Folder) -> Option<Stamp> {
        if self.is_sealed || self.folders.len() >= MOST {
            return None;
        }
        let stamp = folder.stamp().ok()?;
        let is_quiet = stamp.changed().seconds_until(self.now) > QUIET;
        (is_quiet && folder.stamps_changes()).then_some(stamp)
    }

    pub(super) fn keep(&mut self, path: &Path, stamp: Stamp, entries: Entries) {
        self.folders.insert(path.to_owned(), Remembered { stamp, entries });
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.is_sealed
    }

    pub(super) fn seal(&mut self) {
        self.is_sealed = true;
    }
}

#[cfg(target_os = "linux")]
#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "folders are stamped by the real clock and real writes"
)]
mod tests {
    use super::*;
    use std::fs;
    use std::thread::sleep;
    use std::time::{Duration, SystemTime};

    /// The time in so many seconds.
    fn time_in(seconds: u64) -> Timestamp {
        Timestamp::from(SystemTime::now() + Duration::from_secs(seconds))
    }

    fn names(entries: &Entries) -> Vec<(String, Kind)> {
        entries.iter().map(|it| (it.name().to_str().unwrap().to_owned(), it.kind())).collect()
    }

    #[test]
    fn an_unchanged_folder_is_recalled_and_no_other() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path();
        fs::write(path.join("a"), "").unwrap();
        let mut memory = Memory::new(time_in(60));
        let remember = |memory: &mut Memory| {
            let folder = Folder::open(path).unwrap();
            let stamp = memory.stamp(&folder).expect("a file system that stamps folders");
            let mut entries = Entries::default();
            entries.push(&Entry::new(OsStr::new("a"), Kind::File));
            entries.push(&Entry::new(OsStr::new("b"), Kind::Folder));
            memory.keep(path, stamp, entries);
        };
        remember(&mut memory);
        let (_, recalled) = memory.take(&Folder::open(path).unwrap()).unwrap();
        assert_eq!(
            names(&recalled),
            [("a".to_owned(), Kind::File), ("b".to_owned(), Kind::Folder)]
        );
        assert!(memory.take(&Folder::open(path).unwrap()).is_none(), "it was taken out");
        let changes: [&dyn Fn(); 3] = [
            &|| fs::write(path.join("c"), "").unwrap(),
            &|| fs::remove_file(path.join("c")).unwrap(),
            &|| fs::rename(path.join("a"), path.join("d")).unwrap(),
        ];
        for change in changes {
            remember(&mut memory);
            // File systems count time in ticks of some milliseconds.
            sleep(Duration::from_millis(30));
            change();
            assert!(memory.take(&Folder::open(path).unwrap()).is_none());
        }
    }

    #[test]
    fn what_may_change_unseen_is_not_remembered() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        for seconds in [0, 1, 2] {
            assert!(Memory::new(time_in(seconds)).stamp(&folder).is_none(), "{seconds}");
        }
        let mut memory = Memory::new(time_in(60));
        assert!(memory.stamp(&folder).is_some());
        // The kernel's own file system does not stamp anything.
        let kernels = Folder::open(Path::new("/proc/self/fd")).unwrap();
        assert!(memory.stamp(&kernels).is_none());
        let stamp = folder.stamp().unwrap();
        for number in 0..MOST {
            assert!(memory.stamp(&folder).is_some(), "{number}");
            memory.keep(&temporary.path().join(number.to_string()), stamp, Entries::default());
        }
        assert!(memory.stamp(&folder).is_none(), "memory has a bound");
        let mut memory = Memory::new(time_in(60));
        memory.seal();
        assert!(memory.stamp(&folder).is_none(), "a later look is for fewer sessions");
    }
}
