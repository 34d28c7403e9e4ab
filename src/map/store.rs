//! A map as a clean uses it, in its file or in a bridge: it is read, and mappings are removed from it
//! under a guard. How that is done is up to the file or the bridge.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::model::{Failure, MappingIdx, SessionMap, Warning, WarningCode};

/// How long after the last look at the files a change may come, and how often that look is repeated
/// because the change came later.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
pub(super) const LAST_LOOKS: usize = 5;

/// Up to how many removals the change comes within 10 ms of the last look, if nothing disturbs it.
pub const MANY: usize = 1_000;

/// Who holds the map, for the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The map's path, as it was named.
    pub map: Option<PathBuf>,
    /// The bridge's address, if a running one was asked.
    pub url: Option<String>,
    /// Why this store was chosen, in a few words.
    pub why: String,
}

/// The result of a removal, by positions in the map that was read.
#[derive(Debug, Default)]
pub struct Removal {
    pub removed: Vec<MappingIdx>,
    /// The mappings that had another session meanwhile, and are kept.
    pub changed: Vec<MappingIdx>,
    /// The mappings that could not be removed.
    pub failed: Vec<MappingIdx>,
    /// The failed mapping that a bridge was asked to remove without an answer: it may be gone.
    pub unanswered: Option<MappingIdx>,
    pub warnings: Vec<Warning>,
}

/// The result of the last look at the mappings that are to be removed.
#[derive(Debug)]
pub struct Rechecked {
    /// The mappings that are still to be removed, in order.
    pub still: Vec<MappingIdx>,
    /// When the look at the files ended; of more than [`MANY`] mappings, when they were judged.
    pub ended: Instant,
}

impl Rechecked {
    /// Returns when the change must have come. Each removal beyond [`MANY`] adds a microsecond, since
    /// very many take longer by themselves.
    pub(super) fn until(&self) -> Instant {
        let more = self.still.len().saturating_sub(MANY);
        self.ended + LONGEST_PAUSE + Duration::from_micros(more as u64)
    }
}

/// Guards a removal: it is recorded first, then everything is looked at once more, then the map
/// changes.
pub trait RemovalGuard {
    /// Records, durably, that the mappings at these positions of `map` are about to be removed (W10).
    /// This may be a newer map than the one that was read. After an error, nothing may be removed.
    fn record(&mut self, map: &SessionMap, places: &[MappingIdx]) -> Result<(), Failure>;

    /// Looks once more at the mappings at these positions of the map that was read, the files last
    /// (D6, E5). After an error, nothing may be removed.
    fn recheck(&mut self, going: &[MappingIdx]) -> Result<Rechecked, Failure>;
}

/// A map, in its file or in a bridge.
pub trait MapStore {
    fn source(&self) -> Source;

    /// Returns the map as it was read; none if it does not exist.
    fn map(&self) -> Option<&SessionMap>;

    /// Reads the map as it is now; none if it is gone.
    fn map_now(&self) -> Result<Option<SessionMap>, Failure>;

    /// Returns the user id of the map's owner, if it has one.
    fn owner(&self) -> Option<u32>;

    /// Returns the map's path with links resolved, if it is known.
    fn real_path(&self) -> Option<PathBuf>;

    /// Returns which of these mappings this store could not remove at all, and why.
    fn out_of_reach(&self, _going: &[MappingIdx]) -> (Vec<MappingIdx>, Vec<Warning>) {
        Default::default()
    }

    /// Returns the problems while reading.
    fn warnings(&self) -> Vec<Warning>;

    /// Removes the mappings at these positions, each only if it still has the session that was read,
    /// and `guard`, asked right before, leaves it.
    fn remove(
        &self,
        going: &[MappingIdx],
        guard: &mut dyn RemovalGuard,
    ) -> Result<Removal, Failure>;
}

/// Returns the warning that the change came too long after each last look.
pub(super) fn too_slow(path: Option<PathBuf>) -> Warning {
    let message = format!(
        "the last check of the sessions was too early {LAST_LOOKS} times in a row; the mappings are kept, and the next run tries again"
    );
    match path {
        Some(path) => Warning::at(WarningCode::TooSlow, path, message),
        None => Warning::new(WarningCode::TooSlow, message),
    }
}
