//! Who holds the map. Today that is a file; a running bridge comes to stand beside it.

mod change;
mod file;
mod put_back;

use std::path::{Path, PathBuf};

use crate::disk::interrupt::Interrupt;
use crate::domain::{Failure, SessionMap, Warning};

pub use file::{Access, FileMap};
pub use put_back::{Fate, fates};

/// Whoever holds the map at `path`.
///
/// # Errors
/// Where the map cannot be read, or, to change it, is locked.
pub fn open(
    path: &Path,
    access: Access,
    interrupt: &Interrupt,
) -> Result<Box<dyn MapHolder>, Failure> {
    Ok(Box::new(FileMap::open(path.to_owned(), access, interrupt.clone())?))
}

/// Who holds the map, for the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where the map lies, as it was named.
    pub map: Option<PathBuf>,
    /// The bridge's address, where a running one was asked.
    pub url: Option<String>,
}

/// What a holder did.
#[derive(Debug, Default)]
pub struct Removal {
    /// The places of the mappings that went.
    pub removed: Vec<u32>,
    /// The places of those that no longer held what was judged, and stayed.
    pub changed: Vec<u32>,
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

    /// What went wrong while reading.
    fn warnings(&self) -> Vec<Warning>;

    /// Lets the mappings at these places go, each only if it still holds the session that was
    /// read, and `witness`, asked right before, still says so.
    fn remove(&self, going: &[u32], witness: &mut dyn Witness) -> Result<Removal, Failure>;
}
