//! Who holds the map: its file, or a running bridge. A clean does not know which.

pub mod api;
mod change;
mod choose;
mod file;
mod put_back;
mod running;

use std::path::PathBuf;

use crate::domain::{Failure, SessionMap, Warning};

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
    /// Why it was this holder, in a few words.
    pub why: String,
}

/// What a holder did.
#[derive(Debug, Default)]
pub struct Removal {
    /// The places of the mappings that went.
    pub removed: Vec<u32>,
    /// The places of those that no longer held what was judged, and stayed.
    pub changed: Vec<u32>,
    /// The places of those that should have gone and could not be let go.
    pub failed: Vec<u32>,
    /// What went wrong on the way.
    pub warnings: Vec<Warning>,
}

/// Who is asked right before mappings go.
pub trait Witness {
    /// A second look at the mappings at these places of the map that was read: those that still go.
    ///
    /// # Errors
    /// Where nothing may go.
    fn look_again(&mut self, going: &[u32]) -> Result<Vec<u32>, Failure>;

    /// Writes down, durably, that the mappings at these places of `map` are about to go (W10). This
    /// may be a newer map than the one that was read.
    ///
    /// # Errors
    /// Where that cannot be done; nothing may go then.
    fn write_down(&mut self, map: &SessionMap, places: &[u32]) -> Result<(), Failure>;
}

/// Whoever holds the map: it is read from there, and mappings are let go there.
pub trait MapHolder {
    /// Who this is.
    fn source(&self) -> Source;

    /// The map as it was read; nothing where there is none.
    fn map(&self) -> Option<&SessionMap>;

    /// The user id of the map's owner, where it has one.
    fn owner(&self) -> Option<u32>;

    /// Where the map really lies, links resolved, where that is known.
    fn real_path(&self) -> Option<PathBuf>;

    /// Which of these this holder could not let go at all, and why.
    fn out_of_reach(&self, going: &[u32]) -> (Vec<u32>, Vec<Warning>) {
        let _ = going;
        Default::default()
    }

    /// What went wrong while reading.
    fn warnings(&self) -> Vec<Warning>;

    /// Lets the mappings at these places go, each only if it still holds the session that was
    /// read, and `witness`, asked right before, still says so.
    fn remove(&self, going: &[u32], witness: &mut dyn Witness) -> Result<Removal, Failure>;
}
