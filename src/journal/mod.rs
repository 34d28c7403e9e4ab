//! What was removed, what was restored, and the past runs: JSON lines in the state folder, written
//! before the map changes (W10).
//!
//! Files only grow at their end, but for trimming, which replaces them whole. A line that a killed
//! run has left half written is passed over.

mod by_run;
mod chat_pins;
mod maps;
mod path;
mod pins;
mod removals;
mod runs;
mod store;

use std::path::{Path, PathBuf};

use crate::model::{Failure, Timestamp, Warning, WarningCode};

pub use by_run::{Removal, Restored, RunRemovals};
pub use chat_pins::{ChatPin, PinStore, PinnedChats};
pub use path::JournalPath;
pub use pins::Pins;
pub use removals::{Layout, PutBack, Removed, is_old};
pub use runs::{LATEST, RunKind, RunRecord, profile_of, run_id, run_named};

/// The folder of everything that runs remember.
#[derive(Debug, Clone)]
pub struct Journal {
    folder: PathBuf,
}

impl Journal {
    /// The journal in that state folder, which need not exist yet.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The state folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files that are written to in there, whether or not they are there yet.
    pub fn files(&self) -> [PathBuf; 5] {
        [store::LOCK, removals::REMOVALS, removals::RESTORED, runs::RUNS, chat_pins::PINS]
            .map(|name| self.folder.join(name))
    }

    /// Writes down what is about to go, durably.
    ///
    /// # Errors
    /// Where that cannot be done; nothing may go then.
    pub fn record_removals<'a>(
        &self,
        entries: impl Iterator<Item = Removed<'a>>,
    ) -> Result<(), Failure> {
        store::append(&self.folder, removals::REMOVALS, entries)
    }

    /// Writes down what is about to be put back, or has been, durably.
    ///
    /// # Errors
    /// Where that cannot be done.
    pub fn put_back(&self, entries: impl Iterator<Item = PutBack>) -> Result<(), Failure> {
        store::rename_once(&self.folder, removals::RESTORED_BEFORE, removals::RESTORED)?;
        store::append(&self.folder, removals::RESTORED, entries)
    }

    /// Writes down a run that has ended.
    ///
    /// # Errors
    /// Where that cannot be done.
    pub fn record_run(&self, run: &RunRecord) -> Result<(), Failure> {
        store::append(&self.folder, runs::RUNS, std::iter::once(run))
    }

    /// Everything that has gone, oldest first.
    ///
    /// # Errors
    /// Where it cannot be read; that there is none yet is no error.
    pub fn removals(&self) -> Result<Vec<Removed<'static>>, Failure> {
        store::read(&self.folder, removals::REMOVALS)
    }

    /// Everything that was put back, oldest first.
    ///
    /// # Errors
    /// As for removals.
    pub fn undone(&self) -> Result<Vec<PutBack>, Failure> {
        let mut all = store::read(&self.folder, removals::RESTORED_BEFORE)?;
        all.extend(store::read(&self.folder, removals::RESTORED)?);
        Ok(all)
    }

    /// Every run that has ended, oldest first.
    ///
    /// # Errors
    /// As for removals.
    pub fn runs(&self) -> Result<Vec<RunRecord>, Failure> {
        store::read(&self.folder, runs::RUNS)
    }

    /// Returns the newest runs, oldest first, out of a bounded part of the file. None if it cannot be read.
    pub fn newest_runs(&self) -> Option<Vec<RunRecord>> {
        store::read_end(&self.folder, runs::RUNS)
    }

    /// Returns the newest removals, as [`Self::newest_runs`].
    pub fn newest_removals(&self) -> Option<Vec<Removed<'static>>> {
        store::read_end(&self.folder, removals::REMOVALS)
    }

    /// Returns a warning for each file of the journal that has a damaged line.
    pub fn damage(&self) -> Vec<Warning> {
        let lines = [
            (
                removals::REMOVALS,
                store::damaged_line::<Removed<'_>>(&self.folder, removals::REMOVALS),
            ),
            (removals::RESTORED, store::damaged_line::<PutBack>(&self.folder, removals::RESTORED)),
            (runs::RUNS, store::damaged_line::<RunRecord>(&self.folder, runs::RUNS)),
        ];
        let warning = |(name, line): (&str, Option<usize>)| {
            let message = format!("line {} of the journal cannot be read and is skipped", line?);
            Some(Warning::at(WarningCode::JournalDamaged, self.folder.join(name), message))
        };
        lines.into_iter().filter_map(warning).collect()
    }

    /// Forgets what is too old or too much to keep.
    ///
    /// # Errors
    /// Where the files cannot be replaced; they are then as they were.
    pub fn trim(&self, now: Timestamp) -> Result<(), Failure> {
        store::trim(&self.folder, removals::REMOVALS, now, true)?;
        store::trim(&self.folder, removals::RESTORED, now, false)?;
        store::trim(&self.folder, runs::RUNS, now, false)
    }
}
