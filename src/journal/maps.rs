//! The maps that runs have found: a named map that is gone may be between two starts of its bridge,
//! one that was never there is more likely a typo.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use super::{Journal, JournalPath, store};
use crate::model::Failure;

const MAPS: &str = "maps.jsonl";

/// The line of one map.
#[derive(Debug, Serialize, Deserialize)]
struct Known<'a> {
    map: JournalPath<'a>,
}

impl Journal {
    /// Returns the paths of the maps that runs have found, as they were named.
    ///
    /// # Errors
    /// If the list cannot be read.
    pub fn known_maps(&self) -> Result<Vec<PathBuf>, Failure> {
        let known: Vec<Known<'_>> = store::read(&self.folder, MAPS)?;
        Ok(known.into_iter().map(|known| known.map.as_path().to_owned()).collect())
    }

    /// Records that a run has found a map there, unless that is known.
    ///
    /// # Errors
    /// If the list cannot be written.
    pub fn record_map(&self, map: &Path) -> Result<(), Failure> {
        if self.known_maps()?.iter().any(|known| known == map) {
            return Ok(());
        }
        store::append(&self.folder, MAPS, std::iter::once(Known { map: map.into() }))
    }
}
