//! The settings that root hands to a run which has become the owner of a map: such a run cannot read root's files.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::holds::Hold;
use crate::journal::{ChatPin, JournalPath};

static HANDED: OnceLock<Handed> = OnceLock::new();

/// What root has read for such a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Handed {
    /// The configuration file, and its text if it exists.
    pub config: Option<(JournalPath, Option<String>)>,
    /// Root's home, which `~/` means in the configuration.
    pub home: Option<JournalPath>,
    /// Root's own holds and pins, which protect the mappings of other users as well.
    pub holds: Vec<Hold>,
    pub pins: Vec<ChatPin>,
}

impl Handed {
    /// From now on, this process uses these settings.
    pub fn take(self) {
        // A process is handed its settings once.
        let _ = HANDED.set(self);
    }

    pub(super) fn home(&self) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.as_path().to_owned())
    }
}

/// Returns the settings that root has handed to this process; none if it is no such run.
pub fn handed() -> Option<&'static Handed> {
    HANDED.get()
}
