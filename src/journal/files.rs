//! The journal: its files of JSON lines, and which records are in each.
//!
//! Files only grow at their end, but for trimming, which replaces them whole. A line that a killed run
//! has left half written is skipped.

use serde::{Deserialize, Serialize};
use std::iter;
use std::path::{Path, PathBuf};

use super::chat_pins::PINS;
use super::map_of_run::MapOfRun;
use super::path::JournalPath;
use super::releases::{PastReleases, RELEASES, ReleaseRecord};
use super::removals::{REMOVALS, RESTORED, RESTORED_BEFORE, RemovalRecord, RestoreRecord};
use super::runs::{RUNS, RunRecord};
use super::store;
use super::trim::trim;
use crate::model::{Failure, Timestamp, Warning, WarningCode};

const MAPS: &str = "maps.jsonl";

/// A map that runs have found: if it is gone, it may be between two starts of its bridge. One that was
/// never found is more likely a typo.
#[derive(Debug, Serialize, Deserialize)]
struct KnownMap {
    map: JournalPath,
}

/// The journal in one state folder.
#[derive(Debug, Clone)]
pub struct Journal {
    folder: PathBuf,
}

impl Journal {
    /// The journal in that state folder, which need not exist yet.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Returns the state folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the files that are written to, which need not exist yet.
    pub fn files(&self) -> [PathBuf; 6] {
        [store::LOCK, REMOVALS, RESTORED, RELEASES, RUNS, PINS].map(|name| self.folder.join(name))
    }

    /// Records, durably, that these mappings are about to be removed. After an error, none may be. The first time,
    /// a run passes its map.
    pub fn record_removals<'a>(
        &self,
        map: Option<&MapOfRun<'_>>,
        records: impl Iterator<Item = RemovalRecord<'a>>,
    ) -> Result<(), Failure> {
        store::append(&self.folder, REMOVALS, map, records)
    }

    /// Records, durably, that mappings are about to be restored, were, or were not removed after all. The first
    /// time, a run passes its map.
    pub fn record_restored(
        &self,
        map: Option<&MapOfRun<'_>>,
        records: impl Iterator<Item = RestoreRecord>,
    ) -> Result<(), Failure> {
        store::rename_once(&self.folder, RESTORED_BEFORE, RESTORED)?;
        store::append(&self.folder, RESTORED, map, records)
    }

    /// Records, durably, that processes are about to be released, or what became of it. After an error, none may
    /// be.
    pub fn record_releases(
        &self,
        records: impl Iterator<Item = ReleaseRecord>,
    ) -> Result<(), Failure> {
        store::append(&self.folder, RELEASES, None, records)
    }

    /// Records a run that has ended.
    pub fn record_run(&self, run: &RunRecord) -> Result<(), Failure> {
        store::append(&self.folder, RUNS, None, iter::once(run))
    }

    /// Records that a run has found the map at this path, as it was named.
    pub fn record_map(&self, map: &Path) -> Result<(), Failure> {
        if self.known_maps()?.iter().any(|known| known == map) {
            return Ok(());
        }
        store::append(&self.folder, MAPS, None, iter::once(KnownMap { map: map.into() }))
    }

    /// Returns every removal, oldest first.
    pub fn removals(&self) -> Result<Vec<RemovalRecord<'static>>, Failure> {
        store::read_of_runs(&self.folder, REMOVALS)
    }

    /// Returns every record of [`Self::record_restored`], oldest first.
    pub fn restored(&self) -> Result<Vec<RestoreRecord>, Failure> {
        let mut all = store::read_of_runs(&self.folder, RESTORED_BEFORE)?;
        all.extend(store::read_of_runs(&self.folder, RESTORED)?);
        Ok(all)
    }

    /// Returns every record of [`Self::record_releases`].
    pub fn releases(&self) -> Result<PastReleases, Failure> {
        store::read(&self.folder, RELEASES).map(PastReleases::new)
    }

    /// Returns every run that has ended, oldest first.
    pub fn runs(&self) -> Result<Vec<RunRecord>, Failure> {
        store::read(&self.folder, RUNS)
    }

    /// Returns the paths of the maps that runs have found.
    pub fn known_maps(&self) -> Result<Vec<PathBuf>, Failure> {
        let known: Vec<KnownMap> = store::read(&self.folder, MAPS)?;
        Ok(known.into_iter().map(|known| known.map.as_path().to_owned()).collect())
    }

    /// Returns the newest runs, oldest first, out of a bounded part of the file. None if it cannot be read.
    pub fn newest_runs(&self) -> Option<Vec<RunRecord>> {
        store::read_end(&self.folder, RUNS)
    }

    /// Returns the newest removals, as [`Self::newest_runs`].
    pub fn newest_removals(&self) -> Option<Vec<RemovalRecord<'static>>> {
        store::read_end(&self.folder, REMOVALS)
    }

    /// Returns why a file of the journal cannot be read, for each such file.
    pub fn unread(&self) -> Vec<Failure> {
        let names = [REMOVALS, RESTORED_BEFORE, RESTORED, RELEASES, RUNS, MAPS];
        names.iter().filter_map(|name| store::check(&self.folder, name).err()).collect()
    }

    /// Returns a warning for each file of the journal that has a damaged line.
    pub fn damage(&self) -> Vec<Warning> {
        let folder = &self.folder;
        let damaged = [
            (REMOVALS, store::damaged_line::<RemovalRecord<'_>>(folder, REMOVALS)),
            (RESTORED, store::damaged_line::<RestoreRecord>(folder, RESTORED)),
            (RELEASES, store::damaged_line::<ReleaseRecord>(folder, RELEASES)),
            (RUNS, store::damaged_line::<RunRecord>(folder, RUNS)),
        ];
        let warnings = damaged.into_iter().filter_map(|(name, line)| {
            let message = format!("line {} of the journal cannot be read and is skipped", line?);
            Some(Warning::at(WarningCode::JournalDamaged, folder.join(name), message))
        });
        warnings.collect()
    }

    /// Removes the records that are too old or too many to keep.
    pub fn trim(&self, now: Timestamp) -> Result<(), Failure> {
        trim(&self.folder, REMOVALS, now, true)?;
        trim(&self.folder, RESTORED, now, false)?;
        trim(&self.folder, RELEASES, now, false)?;
        trim(&self.folder, RUNS, now, false)
    }
}
