//! Detects a running gateway, by the lock that it holds as long as it lives.

use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::model::{Timestamp, describe};
use crate::os::folder::Folder;
use crate::process;

/// An incomplete lock is being written if it is at most this old, in seconds.
const HALF: u64 = 30;

const LARGEST: u64 = 64 << 10;

/// Returns the process of a running gateway; 0 for one that is just starting. When in doubt, it is the
/// gateway of this store.
pub(super) fn running(folders: &[PathBuf], now: Timestamp) -> Result<Option<u32>, String> {
    for folder in folders {
        for name in locks(folder).map_err(|error| failed(folder, &error))? {
            match process_of(folder, &name, now) {
                Ok(None) => {}
                Ok(found) => return Ok(found),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(failed(&folder.join(&name), &error)),
            }
        }
    }
    Ok(None)
}

fn failed(path: &Path, error: &io::Error) -> String {
    format!("cannot see if the gateway is running: {}: {}", path.display(), describe(error))
}

/// Returns the names of the locks of gateways in a folder, which need not exist.
fn locks(folder: &Path) -> io::Result<Vec<OsString>> {
    let listed = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        listed => listed?,
    };
    let names: Vec<OsString> =
        listed.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    Ok(names.into_iter().filter(|name| is_lock(name.to_str())).collect())
}

fn is_lock(name: Option<&str>) -> bool {
    let behind = name.and_then(|name| name.strip_prefix("gateway."));
    behind.is_some_and(|behind| behind.strip_suffix(".lock").is_some())
}

/// Returns the process that holds a lock, if it lives.
fn process_of(folder: &Path, name: &OsString, now: Timestamp) -> io::Result<Option<u32>> {
    let folder = Folder::open(folder)?;
    let written = folder.status(name)?.written;
    let content = folder.read_start(name, LARGEST)?;
    Ok(match holder(&content) {
        Some((process, began)) => lives(process, began).then_some(process),
        None => (written.seconds_until(now) <= HALF).then_some(0),
    })
}

fn holder(content: &[u8]) -> Option<(u32, Option<u64>)> {
    let lock: Value = serde_json::from_slice(content).ok()?;
    let process = u32::try_from(lock.get("pid")?.as_u64()?).ok().filter(|process| *process > 0)?;
    Some((process, lock.get("startTime").and_then(Value::as_u64)))
}

/// Returns true if the process lives that began then: ids are used again after a while.
fn lives(process: u32, began: Option<u64>) -> bool {
    process::is_alive(process)
        && began.is_none_or(|began| process::started(process).is_none_or(|now| now == began))
}
