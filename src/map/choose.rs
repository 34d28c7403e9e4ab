//! Who holds the map: its file, or a running bridge. A bridge found by itself is taken only if its
//! map agrees with the file (B4, B5).

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::api::{Address, Api, TO_ANSWER, Trouble};
use super::running::RunningBridge;
use super::{Access, FileMap, MapStore};
use crate::model::{Failure, Mapping, SessionMap, Warning, WarningCode};
use crate::os::interrupt::Interrupt;
use crate::os::progress::Phase;
use crate::process::{self, Processes, Whose};

/// How often the file and the bridge are read before their maps are said to be different ones, how
/// long apart, and for how long at most.
const READINGS: usize = 3;
const BETWEEN_READINGS: Duration = Duration::from_millis(100);
const FOR_READINGS: Duration = Duration::from_secs(2);

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

/// Whoever holds the map at `path`. A bridge that is named needs no file; where the path is said as
/// well, the file is locked and known to be its own, if the two agree.
///
/// # Errors
/// Where the map cannot be read, or is locked, or it cannot be told whether a bridge holds it.
pub fn open(
    choice: &Choice,
    path: &Path,
    is_said: bool,
    access: Access,
    interrupt: &Interrupt,
) -> Result<Box<dyn MapStore>, Failure> {
    let file = || FileMap::open(path.to_owned(), access, interrupt.clone());
    match choice {
        Choice::Off => Ok(Box::new(file()?.because("no bridge was asked", None))),
        Choice::Named(address) => {
            let api = Api::new(address.clone());
            interrupt.progress().begin(Phase::Bridge, 0);
            let asked = api.hello().and_then(|()| api.sessions(TO_ANSWER));
            let map = asked.map_err(|trouble| silent(address, &trouble))?;
            let file = if is_said { Some(file()?) } else { None };
            let file = file.filter(|file| file.map().is_some_and(|ours| agree(ours, &map)));
            Ok(Box::new(RunningBridge::new(api, map, file, false, interrupt.clone())))
        }
        Choice::Auto(address) => {
            let file = file()?;
            let url = address.as_str();
            if file.map().is_none() {
                return Ok(Box::new(file.because("there is no map", None)));
            }
            let api = Api::new(address.clone());
            interrupt.progress().begin(Phase::Bridge, 0);
            match api.hello() {
                Ok(()) => {}
                Err(Trouble::Refused) => {
                    let why = format!("no bridge listens at {url}");
                    return Ok(Box::new(file.because(&why, None)));
                }
                Err(Trouble::NotThat(_)) => {
                    let why = format!("the server at {url} is not a bridge");
                    return Ok(Box::new(file.because(&why, None)));
                }
                Err(trouble) => return Err(silent(address, &trouble)),
            }
            // Once a bridge has answered, it may be this map's, whatever goes wrong then.
            if let Some(held) = map_of_file(&api, &file)? {
                return Ok(Box::new(RunningBridge::new(
                    api,
                    held,
                    Some(file),
                    true,
                    interrupt.clone(),
                )));
            }
            let why = format!("the bridge at {url} holds another map");
            let message = format!("{why}; the file was edited, which its own bridge may undo");
            let warning = Warning::new(WarningCode::OtherBridge, message);
            Ok(Box::new(file.because(&why, Some(warning))))
        }
    }
}

/// Why the map of `file` may be held by a bridge at that address: one that answers and cannot be told
/// not to, or something that does not answer wholly. Nothing where there is no bridge.
pub fn may_be_held(address: &Address, file: &FileMap) -> Option<String> {
    let (api, url) = (Api::new(address.clone()), address.as_str());
    match api.hello() {
        Ok(()) if whose(address, file) == Whose::Others => None,
        Ok(()) => Some(format!("a bridge runs at {url}, and cannot be given mappings")),
        Err(Trouble::Refused | Trouble::NotThat(_)) => None,
        Err(trouble) => Some(format!("the server at {url} may be a bridge: {trouble}")),
    }
}

/// The folder in which a bridge that listens there keeps its map, as far as that can be told.
pub fn folder_at(address: &Address) -> Option<PathBuf> {
    let (addresses, port) = address.loopback();
    process::folder_of_listener(&addresses, port)
}

/// A process of ours or of the map's owner that looks like a bridge which works on that map.
pub fn bridge_process(map: &dyn MapStore) -> Option<u32> {
    let users: Vec<u32> = map.owner().into_iter().chain([process::user()]).collect();
    process::bridge_on(map.real_path()?.parent()?, &Processes::of_users(&users))
}

/// The map that the bridge holds, if it agrees with the file; nothing where it is another's (B5). A
/// chat between the two readings makes them differ, so each is read a few times.
fn map_of_file(api: &Api, file: &FileMap) -> Result<Option<SessionMap>, Failure> {
    let whose = whose(api.address(), file);
    if whose == Whose::Others {
        return Ok(None);
    }
    let start = Instant::now();
    let mut newer = None;
    for reading in 0..READINGS {
        if reading > 0 {
            std::thread::sleep(BETWEEN_READINGS);
            newer = file.read_anew()?;
        }
        let held = api.sessions(TO_ANSWER).map_err(|trouble| silent(api.address(), &trouble))?;
        if newer.as_ref().or(file.map()).is_some_and(|ours| agree(ours, &held)) {
            return Ok(Some(held));
        }
        if start.elapsed() > FOR_READINGS {
            break;
        }
    }
    if whose == Whose::Ours {
        let url = api.address().as_str();
        let message = format!("the bridge at {url} uses this map, but has another one in memory");
        return Err(Failure::new(message).hint(
            "nothing was changed; restart the bridge so that it reads its file, or use --bridge URL to ask it anyway",
        ));
    }
    Ok(None)
}

/// One holds every mapping of the other, and they share at least one; or both are empty.
fn agree(ours: &SessionMap, theirs: &SessionMap) -> bool {
    let (a, b): (HashSet<Mapping<'_>>, HashSet<_>) =
        (ours.mappings().collect(), theirs.mappings().collect());
    let (small, large) = if a.len() < b.len() { (&a, &b) } else { (&b, &a) };
    small.is_subset(large) && (!small.is_empty() || large.is_empty())
}

/// Whether whoever listens there keeps its map where `file` is.
fn whose(address: &Address, file: &FileMap) -> Whose {
    let (addresses, port) = address.loopback();
    let folder = file.real_path().and_then(|path| Some(path.parent()?.to_owned()));
    folder.map_or(Whose::Untold, |folder| process::whose_listener(&addresses, port, &folder))
}

/// What to do where a bridge gives no whole answer.
const SILENT: &str =
    "nothing was changed; --bridge off edits the file instead, while the bridge is stopped";

fn silent(address: &Address, trouble: &Trouble) -> Failure {
    let message = format!("cannot ask the bridge at {}: {trouble}", address.as_str());
    Failure::new(message).hint(SILENT)
}

/// Whether [`open`] failed for want of an answer, and not for what was answered.
pub fn is_silence(failure: &Failure) -> bool {
    failure.hint.as_deref() == Some(SILENT)
}
