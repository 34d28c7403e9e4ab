//! The removals of each run, and whether they were restored since.

use std::collections::{HashMap, HashSet};

use super::files::Journal;
use super::removals::{MappingKey, RemovalRecord, Restored};
use crate::model::{Failure, Timestamp};

/// The removals of one run.
#[derive(Debug)]
pub struct RunRemovals {
    pub run: String,
    pub time: Option<Timestamp>,
    /// Each mapping once, in the map's order.
    pub removals: Vec<RunRemoval>,
}

/// A mapping that a run removed.
#[derive(Debug)]
pub struct RunRemoval {
    pub record: RemovalRecord<'static>,
    pub restored: Restored,
}

impl RunRemoval {
    pub fn is_restored(&self) -> bool {
        matches!(self.restored, Restored::At(_))
    }
}

impl Journal {
    /// Returns the removals of each run, the oldest run first, without those that a run recorded and did
    /// not make after all.
    pub fn removals_by_run(&self) -> Result<Vec<RunRemovals>, Failure> {
        let mut restored: HashMap<MappingKey, Restored> = HashMap::new();
        let mut skipped: HashSet<MappingKey> = HashSet::new();
        for record in self.restored()? {
            if record.void {
                skipped.insert(record.key());
                continue;
            }

            let known = restored.entry(record.key()).or_insert(Restored::No);
            *known = record.restored().max(*known);
        }

        let mut positions: HashMap<String, usize> = HashMap::new();
        let mut runs: Vec<RunRemovals> = Vec::new();
        for record in self.removals()? {
            let key = record.key();
            let restored = restored.get(&key).copied().unwrap_or(Restored::No);
            // State folders may have been merged, so a record may be read twice.
            if !skipped.insert(key) {
                continue;
            }

            let position = *positions.entry(record.run.to_string()).or_insert_with(|| {
                let time = Timestamp::parse(&record.time);
                runs.push(RunRemovals { run: record.run.to_string(), time, removals: Vec::new() });
                runs.len() - 1
            });
            if let Some(run) = runs.get_mut(position) {
                run.removals.push(RunRemoval { record, restored });
            }
        }
        runs.sort_by_key(|run| run.time);
        Ok(runs)
    }
}
