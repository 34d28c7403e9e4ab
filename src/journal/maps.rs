//! The maps that runs have found: a named map that is gone may be between two starts of its bridge,
//! one that was never there is more likely a typo.

use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::{Journal, store};
use crate::domain::Failure;

const MAPS: &str = "maps.jsonl";

/// The line of one map.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    map: Bytes,
}

/// A path as a string, or as its bytes if it is not UTF-8.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Bytes {
    Text(String),
    Raw(Vec<u8>),
}

impl From<&Path> for Bytes {
    fn from(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Raw(path.as_os_str().as_bytes().to_owned()),
        }
    }
}

impl From<Bytes> for PathBuf {
    fn from(bytes: Bytes) -> Self {
        match bytes {
            Bytes::Text(text) => text.into(),
            Bytes::Raw(bytes) => OsString::from_vec(bytes).into(),
        }
    }
}

impl Journal {
    /// Returns the paths of the maps that runs have found, as they were named.
    ///
    /// # Errors
    /// If the list cannot be read.
    pub fn known_maps(&self) -> Result<Vec<PathBuf>, Failure> {
        let known: Vec<Known> = store::read(&self.folder, MAPS)?;
        Ok(known.into_iter().map(|known| known.map.into()).collect())
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
