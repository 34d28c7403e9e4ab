//! Who holds the map: its file, or a running bridge. A bridge that was not named is taken only if its
//! map agrees with the file (B4, B5).

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::api::{Address, Api, TO_ANSWER, Trouble};
use super::file::{Access, FileMap};
use super::running::RunningBridge;
use super::store::MapStore;
use crate::model::{Failure, Mapping, SessionMap, Warning, WarningCode};
use crate::os::interrupt::Interrupt;
use crate::os::progress::Phase;
use crate::process::{self, Processes, Whose};

/// How often the file and the bridge are read before their maps count as different ones, how long
/// apart, and for how long at most.
const READINGS: usize = 3;
const BETWEEN_READINGS: Duration = Duration::from_millis(100);
const FOR_READINGS: Duration = Duration::from_secs(2);

/// How the map is to be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// By its file.
    Off,
    /// By the bridge there if it has this map, otherwise by its file.
    Auto(Address),
    /// By that bridge.
    Named(Address),
}

/// Opens the map at `path` where it is held. A bridge that is named needs no file; if the path is
/// explicit as well and the two maps agree, the file is locked as the bridge's own.
pub fn open(
    choice: &Choice,
    path: &Path,
    is_explicit: bool,
    access: Access,
    interrupt: &Interrupt,
) -> Result<Box<dyn MapStore>, Failure> {
    let path = path.to_owned();
    let address = match choice {
        Choice::Off => {
            let file = FileMap::open(path, access, interrupt.clone())?;
            return Ok(Box::new(file.because("no bridge was asked", None)));
        }
        Choice::Auto(address) => {
            let file = FileMap::open(path, access, interrupt.clone())?;
            return if file.map().is_none() {
                Ok(Box::new(file.because("there is no map", None)))
            } else {
                file_or_bridge(file, address, interrupt)
            };
        }
        Choice::Named(address) => address,
    };

    let owner = path.metadata().ok().map(|map| map.uid());
    if let Some(user) = foreign_user(address, owner) {
        let user = user_name(user);
        let message = format!("the bridge at {} belongs to {user}", address.as_str());
        return Err(Failure::new(message)
            .hint("nothing was changed; name a bridge of the map's owner, or run as that user"));
    }

    let api = Api::new(address.clone());
    interrupt.progress().begin(Phase::Bridge, 0);
    let map = api.hello().and_then(|()| api.sessions(TO_ANSWER));
    let map = map.map_err(|trouble| silent(address, &trouble))?;

    let mut file = None;
    if is_explicit {
        let opened = FileMap::open(path, access, interrupt.clone())?;
        file = Some(opened).filter(|file| file.map().is_some_and(|ours| agree(ours, &map)));
    }
    Ok(Box::new(RunningBridge::new(api, map, file, false, interrupt.clone())))
}

/// Returns the bridge at that address if it has the map of `file`, otherwise the file.
fn file_or_bridge(
    file: FileMap,
    address: &Address,
    interrupt: &Interrupt,
) -> Result<Box<dyn MapStore>, Failure> {
    let (api, url) = (Api::new(address.clone()), address.as_str());
    if let Some(user) = foreign_user(address, file.owner()) {
        let why = format!("the server at {url} belongs to {}", user_name(user));
        let message = format!("{why}, so it is not this map's bridge; the file is edited instead");
        let warning = Warning::new(WarningCode::ForeignBridge, message);
        return Ok(Box::new(file.because(&why, Some(warning))));
    }

    interrupt.progress().begin(Phase::Bridge, 0);
    let no_bridge = match api.hello() {
        Ok(()) => None,
        Err(Trouble::Refused) => Some(format!("no bridge listens at {url}")),
        Err(Trouble::NotThat(_)) => Some(format!("the server at {url} is not a bridge")),
        Err(trouble) => return Err(silent(address, &trouble)),
    };
    if let Some(why) = no_bridge {
        return Ok(Box::new(file.because(&why, None)));
    }

    // Once a bridge has answered, it may be this map's, whatever fails then.
    if let Some(map) = map_of_file(&api, &file)? {
        return Ok(Box::new(RunningBridge::new(api, map, Some(file), true, interrupt.clone())));
    }

    let why = format!("the bridge at {url} holds another map");
    let message = format!("{why}; the file was edited, which its own bridge may undo");
    let warning = Warning::new(WarningCode::OtherBridge, message);
    Ok(Box::new(file.because(&why, Some(warning))))
}

/// Returns why the map of `file` may be held by a bridge at that address: a bridge answers that is not
/// known to have another map, or a server answers incompletely. None if no bridge is there.
pub fn may_be_held(address: &Address, file: &FileMap) -> Option<String> {
    let (api, url) = (Api::new(address.clone()), address.as_str());
    if foreign_user(address, file.owner()).is_some() {
        return None;
    }
    match api.hello() {
        Ok(()) if owner_of_listener(address, file) == Whose::Others => None,
        Ok(()) => Some(format!("a bridge runs at {url}, and cannot be given mappings")),
        Err(Trouble::Refused | Trouble::NotThat(_)) => None,
        Err(trouble) => Some(format!("the server at {url} may be a bridge: {trouble}")),
    }
}

/// Returns the folder in which the bridge that listens there keeps its map, if that is known.
pub fn folder_at(address: &Address) -> Option<PathBuf> {
    let (addresses, port) = address.loopback();
    process::folder_of_listener(&addresses, port)
}

/// Returns a process, of our user or the map's owner, that looks like a bridge which works on that map.
pub fn bridge_process(map: &dyn MapStore) -> Option<u32> {
    let users: Vec<u32> = map.owner().into_iter().chain([process::user()]).collect();
    process::bridge_on(map.real_path()?.parent()?, &Processes::of_users(&users))
}

/// Returns the map that the bridge holds, if it agrees with the file; none if it has another map (B5). A
/// chat between the two readings makes them differ, so each is read a few times.
fn map_of_file(api: &Api, file: &FileMap) -> Result<Option<SessionMap>, Failure> {
    let owner = owner_of_listener(api.address(), file);
    if owner == Whose::Others {
        return Ok(None);
    }

    let start = Instant::now();
    let mut newer = None;
    for reading in 0..READINGS {
        if reading > 0 {
            std::thread::sleep(BETWEEN_READINGS);
            newer = file.read_again()?;
        }

        let held = api.sessions(TO_ANSWER).map_err(|trouble| silent(api.address(), &trouble))?;
        if newer.as_ref().or(file.map()).is_some_and(|ours| agree(ours, &held)) {
            return Ok(Some(held));
        }
        if start.elapsed() > FOR_READINGS {
            break;
        }
    }

    if owner == Whose::Ours {
        let url = api.address().as_str();
        let message = format!("the bridge at {url} uses this map, but has another one in memory");
        return Err(Failure::new(message).hint(
            "nothing was changed; restart the bridge so that it reads its file, or use --bridge URL to ask it anyway",
        ));
    }
    Ok(None)
}

/// Returns true if one map has every mapping of the other and they share at least one, or both are empty.
fn agree(ours: &SessionMap, theirs: &SessionMap) -> bool {
    let ours: HashSet<Mapping<'_>> = ours.mappings().collect();
    let theirs: HashSet<Mapping<'_>> = theirs.mappings().collect();
    let (small, large) =
        if ours.len() < theirs.len() { (&ours, &theirs) } else { (&theirs, &ours) };
    small.is_subset(large) && (!small.is_empty() || large.is_empty())
}

/// Returns whether the bridge that listens there keeps its map in the folder of `file`.
fn owner_of_listener(address: &Address, file: &FileMap) -> Whose {
    let (addresses, port) = address.loopback();
    let folder = file.real_path().and_then(|path| Some(path.parent()?.to_owned()));
    folder.map_or(Whose::Unknown, |folder| process::whose_listener(&addresses, port, &folder))
}

/// Returns the user of the listener at that address, if that is neither us, nor root, nor the map's owner: then it
/// is not this map's bridge, whatever it answers (S4).
fn foreign_user(address: &Address, owner: Option<u32>) -> Option<u32> {
    let (addresses, port) = address.loopback();
    let trusted: Vec<u32> = owner.into_iter().chain([0, process::user()]).collect();
    process::foreign_listener(&addresses, port, &trusted)
}

/// Returns `user alice`, or `user 1000` for one without a name.
fn user_name(user: u32) -> String {
    format!("user {}", process::name_of(user).unwrap_or_else(|| user.to_string()))
}

/// The hint if a bridge gives no complete answer.
const SILENT: &str =
    "nothing was changed; --bridge off edits the file instead, while the bridge is stopped";

fn silent(address: &Address, trouble: &Trouble) -> Failure {
    let message = format!("cannot ask the bridge at {}: {trouble}", address.as_str());
    Failure::new(message).hint(SILENT)
}

/// Returns true if [`open`] failed because no complete answer came.
pub fn is_silence(failure: &Failure) -> bool {
    failure.hint.as_deref() == Some(SILENT)
}
