//! Who holds the map: its file, or a running bridge. A bridge found by itself is taken only if its
//! map agrees with the file (B4, B5).

use std::collections::HashSet;
use std::path::Path;

use super::api::{Address, Api, Trouble};
use super::running::RunningBridge;
use super::{Access, FileMap, MapHolder};
use crate::disk::interrupt::Interrupt;
use crate::domain::{Failure, Mapping, SessionMap, Warning, WarningCode};
use crate::process;

/// How the map is to be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// By its file.
    Off,
    /// By the bridge there, if it is the map's; else by its file.
    Auto(Address),
    /// By that bridge.
    Named(Address),
}

/// Whoever holds the map at `path`.
///
/// # Errors
/// Where the map cannot be read, or is locked, or it cannot be told whether a bridge holds it.
pub fn open(
    choice: &Choice,
    path: &Path,
    access: Access,
    interrupt: &Interrupt,
) -> Result<Box<dyn MapHolder>, Failure> {
    let file = || FileMap::open(path.to_owned(), access, interrupt.clone());
    match choice {
        Choice::Off => Ok(Box::new(file()?.because("no bridge was asked", None))),
        Choice::Named(address) => {
            let api = Api::new(address.clone());
            let asked = api.hello().and_then(|()| api.sessions());
            let map = asked.map_err(|trouble| silent(address, &trouble))?;
            Ok(Box::new(RunningBridge::new(api, map, None, interrupt.clone())))
        }
        Choice::Auto(address) => {
            let file = file()?;
            let url = address.as_str();
            let Some(map) = file.map() else {
                return Ok(Box::new(file.because("there is no map", None)));
            };
            let api = Api::new(address.clone());
            // Once a bridge has answered, it may be this map's, whatever goes wrong then.
            let held = match api.hello() {
                Ok(()) => api.sessions().map_err(|trouble| silent(address, &trouble))?,
                Err(Trouble::Refused) => {
                    let why = format!("no bridge listens at {url}");
                    return Ok(Box::new(file.because(&why, None)));
                }
                Err(Trouble::NotThat(_)) => {
                    let why = format!("what answers at {url} is no bridge");
                    return Ok(Box::new(file.because(&why, None)));
                }
                Err(trouble) => return Err(silent(address, &trouble)),
            };
            if is_elsewhere(address, &file) || !agree(map, &held) {
                let why = format!("the bridge at {url} holds another map");
                let message = format!("{why}; the file was edited, which its own bridge may undo");
                let warning = Warning::new(WarningCode::OtherBridge, message);
                return Ok(Box::new(file.because(&why, Some(warning))));
            }
            Ok(Box::new(RunningBridge::new(api, held, Some(file), interrupt.clone())))
        }
    }
}

/// Whether a bridge answers there that may hold the map of `file`: one that cannot be told not to.
pub fn may_be_held(address: &Address, file: &FileMap) -> bool {
    let api = Api::new(address.clone());
    match api.hello() {
        Ok(()) => !is_elsewhere(address, file),
        Err(Trouble::Refused | Trouble::NotThat(_)) => false,
        Err(Trouble::Broken(_)) => true,
    }
}

/// One holds every mapping of the other, and they share at least one; or both are empty.
fn agree(ours: &SessionMap, theirs: &SessionMap) -> bool {
    let (a, b): (HashSet<Mapping<'_>>, HashSet<_>) =
        (ours.mappings().collect(), theirs.mappings().collect());
    let (small, large) = if a.len() < b.len() { (&a, &b) } else { (&b, &a) };
    small.is_subset(large) && (!small.is_empty() || large.is_empty())
}

/// Whether `/proc` shows that whoever listens there keeps its map in another folder.
fn is_elsewhere(address: &Address, file: &FileMap) -> bool {
    let ours = file.real_path();
    let theirs = address.port().and_then(process::session_dir_of_listener);
    let (Some(ours), Some(theirs)) = (ours.as_deref().and_then(Path::parent), theirs) else {
        return false;
    };
    theirs.canonicalize().map_or(theirs != ours, |theirs| theirs != ours)
}

fn silent(address: &Address, trouble: &Trouble) -> Failure {
    Failure::new(format!("cannot ask the bridge at {}: {trouble}", address.as_str())).hint(
        "nothing was changed; --bridge off edits the file instead, while the bridge is stopped",
    )
}
