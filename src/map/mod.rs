//! The map: its file and how that is replaced safely, or the running bridge that holds it. A clean does not
//! know which.

pub mod api;
mod change;
mod choose;
mod file;
mod lock;
pub mod map_file;
mod put_back;
pub mod replace;
mod running;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::model::{Failure, MappingIdx, SessionMap, Warning, WarningCode};

pub use api::Address;
pub use choose::{Choice, bridge_process, folder_at, is_silence, may_be_held, open};
pub use file::{Access, FileMap};
pub use put_back::{Fate, fates, no_map};

/// Who holds the map, for the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where the map lies, as it was named.
    pub map: Option<PathBuf>,
    /// The bridge's address, where a running one was asked.
    pub url: Option<String>,
    /// Why it was this store, in a few words.
    pub why: String,
}

/// What a store did.
#[derive(Debug, Default)]
pub struct Removal {
    /// The places of the mappings that went.
    pub removed: Vec<MappingIdx>,
    /// The places of those that no longer held what was judged, and stayed.
    pub changed: Vec<MappingIdx>,
    /// The places of those that should have gone and could not be let go.
    pub failed: Vec<MappingIdx>,
    /// The one of those that a bridge was asked to remove without an answer: it may be gone.
    pub unanswered: Option<MappingIdx>,
    /// What went wrong on the way.
    pub warnings: Vec<Warning>,
}

/// How long after the last look at the files a change may come, and how often that look is repeated
/// because it did not.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
const LAST_LOOKS: usize = 5;

/// Up to how many removals the change comes within 10 ms of the last look, if nothing disturbs it.
pub const MANY: usize = 1_000;

/// What the last look has left of the mappings that are to be removed.
#[derive(Debug)]
pub struct Rechecked {
    /// Those that are still to be removed, in order.
    pub still: Vec<MappingIdx>,
    /// When the look at the files ended; of more than [`MANY`] mappings, when they were judged.
    pub ended: Instant,
}

impl Rechecked {
    /// When the change must have come. Very many removals take longer by themselves: each beyond
    /// [`MANY`] is given a microsecond.
    fn until(&self) -> Instant {
        let more = self.still.len().saturating_sub(MANY);
        self.ended + LONGEST_PAUSE + Duration::from_micros(more as u64)
    }
}

/// Guards a removal: it is recorded first, then everything is looked at once more, then the map
/// changes.
pub trait RemovalGuard {
    /// Records, durably, that the mappings at these positions of `map` are about to be removed (W10).
    /// This may be a newer map than the one that was read.
    ///
    /// # Errors
    /// If that cannot be done; nothing may be removed then.
    fn record(&mut self, map: &SessionMap, places: &[MappingIdx]) -> Result<(), Failure>;

    /// Looks once more at the mappings at these positions of the map that was read, the files last
    /// (D6, E5).
    ///
    /// # Errors
    /// If nothing may be removed.
    fn recheck(&mut self, going: &[MappingIdx]) -> Result<Rechecked, Failure>;
}

/// The warning that every last look was too long before the change.
fn too_slow(path: Option<PathBuf>) -> Warning {
    let message = format!(
        "the last check of the sessions was too early {LAST_LOOKS} times in a row; the mappings are kept, and the next run tries again"
    );
    match path {
        Some(path) => Warning::at(WarningCode::TooSlow, path, message),
        None => Warning::new(WarningCode::TooSlow, message),
    }
}

/// Whoever holds the map: it is read from there, and mappings are let go there.
pub trait MapStore {
    /// Who this is.
    fn source(&self) -> Source;

    /// The map as it was read; nothing where there is none.
    fn map(&self) -> Option<&SessionMap>;

    /// The user id of the map's owner, where it has one.
    fn owner(&self) -> Option<u32>;

    /// Where the map really lies, links resolved, where that is known.
    fn real_path(&self) -> Option<PathBuf>;

    /// Which of these this store could not let go at all, and why.
    fn out_of_reach(&self, going: &[MappingIdx]) -> (Vec<MappingIdx>, Vec<Warning>) {
        let _ = going;
        Default::default()
    }

    /// What went wrong while reading.
    fn warnings(&self) -> Vec<Warning>;

    /// Removes the mappings at these positions, each only if it still holds the session that was
    /// read, and `guard`, asked right before, leaves it.
    fn remove(
        &self,
        going: &[MappingIdx],
        guard: &mut dyn RemovalGuard,
    ) -> Result<Removal, Failure>;
}
