//! Whether a gateway runs, by the lock that it holds as long as it lives.

use serde_json::Value;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::model::{Timestamp, describe};
use crate::os::folder::Folder;
use crate::process;

/// A lock that is not written to its end is being written, or was left so longer ago than this.
const HALF: u64 = 30;

const LARGEST: u64 = 64 << 10;

/// The process of a gateway that runs; 0 of one that is just about to. Whose it is does not matter: in doubt,
/// it is that of this store.
///
/// # Errors
/// Where it cannot be told.
pub(super) fn running(folders: &[PathBuf], now: Timestamp) -> Result<Option<u32>, String> {
    for folder in folders {
        let failed = |path: &Path, error| {
            format!(
                "cannot see if the gateway is running: {}: {}",
                path.display(),
                describe(&error)
            )
        };
        let names = match fs::read_dir(folder) {
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                continue;
            }
            listed => listed
                .and_then(|listed| listed.map(|entry| Ok(entry?.file_name())).collect())
                .map_err(|error| failed(folder, error))?,
        };
        let names: Vec<std::ffi::OsString> = names;
        let opened = Folder::open(folder).map_err(|error| failed(folder, error))?;
        for name in names {
            let is_lock = name.to_str().is_some_and(|name| {
                name.strip_prefix("gateway.")
                    .is_some_and(|rest| rest.strip_suffix(".lock").is_some())
            });
            if !is_lock {
                continue;
            }
            let read = opened
                .status(&name)
                .and_then(|status| Ok((opened.read_start(&name, LARGEST)?, status.written)));
            match read {
                Ok((content, written)) => match holder(&content) {
                    Some((process, began)) if lives(process, began) => return Ok(Some(process)),
                    None if written.seconds_until(now) <= HALF => return Ok(Some(0)),
                    _ => {}
                },
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(failed(&folder.join(&name), error)),
            }
        }
    }
    Ok(None)
}

/// The process that a lock names, and when it began.
fn holder(content: &[u8]) -> Option<(u32, Option<u64>)> {
    let lock: Value = serde_json::from_slice(content).ok()?;
    let process = u32::try_from(lock.get("pid")?.as_u64()?).ok().filter(|process| *process > 0)?;
    Some((process, lock.get("startTime").and_then(Value::as_u64)))
}

/// Whether the process lives that began then: an id is used again after a while.
fn lives(process: u32, began: Option<u64>) -> bool {
    process::is_alive(process)
        && began.is_none_or(|began| process::started(process).is_none_or(|now| now == began))
}
