//! Holds: what says that a session is at work though nothing writes to its file, as a tool that runs
//! for hours does not. Each is a small file in the state folder, so that it outlives whoever wrote it,
//! and is worth nothing as soon as what it stands for has ended.

mod hold;

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::io::{self, ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::model::{Failure, Timestamp, describe};
use crate::os::folder::{Folder, Status};
use crate::os::{create, never_was, publish};

use hold::NoHold;
pub use hold::{Hold, KEY_LENGTH, Subject, TTL, Work};

/// What the folder is called, within the state folder.
const FOLDER: &str = "holds";

/// How every hold's file ends.
const END: &str = ".json";

/// A larger one is none of ours.
const LARGEST: u64 = 64 << 10;

/// The holds in one state folder.
#[derive(Debug, Clone)]
pub struct Holds {
    folder: PathBuf,
}

/// What is in the folder of holds.
#[derive(Debug, Default)]
pub struct Found {
    /// Every hold, alive or not: to tell takes longer than to read it.
    all: Vec<(OsString, Hold)>,
    /// What is torn and was so for long, by file name.
    torn: Vec<OsString>,
    /// What is there and cannot be read, and why: it may hold anything.
    pub unread: Vec<(PathBuf, String)>,
}

impl Found {
    /// Every hold, alive or not.
    pub fn all(&self) -> impl Iterator<Item = &Hold> {
        self.all.iter().map(|(_, hold)| hold)
    }

    /// Those that stand for something that is alive, the oldest first.
    pub fn live(self, now: Timestamp) -> Vec<Hold> {
        let live = self.all.into_iter().map(|(_, hold)| hold).filter(|hold| hold.is_alive(now));
        let mut live: Vec<Hold> = live.collect();
        live.sort_by_key(Hold::since);
        live
    }
}

impl Holds {
    /// The holds in that state folder, which need not exist yet.
    pub fn at(state: &Path) -> Self {
        Self { folder: state.join(FOLDER) }
    }

    /// The folder that they are in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a hold down, in the place of one of the same key.
    ///
    /// # Errors
    /// Where that cannot be done: then nothing is held.
    pub fn write(&self, hold: &Hold) -> Result<(), Failure> {
        let path = self.folder.join(file_name(&hold.key));
        let write = || {
            create::create_private_folders(&self.folder)?;
            publish::publish_soon(&path, &hold.bytes(), 0o600)
        };
        write().map_err(|error| failed("write", &path, &error))
    }

    /// Takes in what `change` makes of the hold of that key. Whether there is one.
    ///
    /// # Errors
    /// Where it cannot be read or written.
    pub fn change(&self, key: &str, change: impl FnOnce(&mut Hold)) -> Result<bool, Failure> {
        let path = self.folder.join(file_name(key));
        if !path.try_exists().map_err(|error| failed("read", &path, &error))? {
            return Ok(false);
        }
        let changed = publish::update(&path, 0o600, |text| {
            // One that went while this waited does not come back.
            if text.is_empty() {
                return Err(ErrorKind::NotFound.into());
            }
            let mut hold = Hold::parse(text.as_bytes()).map_err(|no| io::Error::other(no.why()))?;
            change(&mut hold);
            Ok(hold.bytes())
        });
        match changed {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            changed => changed.map(|()| true).map_err(|error| failed("change", &path, &error)),
        }
    }

    /// Ends the hold of that key. Whether there was one.
    ///
    /// # Errors
    /// Where it cannot be removed.
    pub fn release(&self, key: &str) -> Result<bool, Failure> {
        let path = self.folder.join(file_name(key));
        match create::remove(&path) {
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(false)
            }
            removed => removed.map(|()| true).map_err(|error| failed("remove", &path, &error)),
        }
    }

    /// All of them, as they are at that moment.
    ///
    /// # Errors
    /// Where the folder cannot be listed; that there is none is no error.
    pub fn read(&self, now: Timestamp) -> Result<Found, Failure> {
        let mut found = Found::default();
        let mut list = || {
            let folder = match Folder::open(&self.folder) {
                Err(error) if never_was(&error, self.folder.parent()) => return Ok(()),
                opened => opened?,
            };
            folder.list(|entry| {
                if entry.name().as_encoded_bytes().ends_with(END.as_bytes()) {
                    take_in(&mut found, &folder, entry.name(), now);
                }
                Ok(ControlFlow::Continue(()))
            })
        };
        list().map_err(|error| failed("read", &self.folder, &error))?;
        Ok(found)
    }

    /// Removes those that were found dead, unless they have come to life again. What cannot be
    /// removed stays for the next run: it holds nothing.
    pub fn sweep(&self, found: &Found, now: Timestamp) {
        let dead = found.all.iter().filter(|(_, hold)| !hold.is_alive(now)).map(|(name, _)| name);
        for name in dead.chain(&found.torn) {
            let is_dead = |bytes: &[u8]| !Hold::parse(bytes).is_ok_and(|hold| hold.is_alive(now));
            let _ = publish::remove_if(&self.folder.join(name), is_dead);
        }
    }
}

/// Takes in what is in the file of that name.
fn take_in(found: &mut Found, folder: &Folder, name: &OsStr, now: Timestamp) {
    let path = || folder.path().join(name);
    let read = || -> io::Result<(Status, Vec<u8>)> {
        let (file, status) = folder.open_with_status(name)?;
        let size = usize::try_from(status.size.min(LARGEST)).unwrap_or(0);
        let mut bytes = Vec::with_capacity(size + 1);
        file.take(LARGEST).read_to_end(&mut bytes)?;
        Ok((status, bytes))
    };
    match read() {
        // It has ended while the folder was listed.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        // What is in there is not known, however old it is.
        Err(error) => found.unread.push((path(), describe(&error))),
        Ok((status, bytes)) => match Hold::parse(&bytes) {
            Ok(hold) => found.all.push((name.to_owned(), hold)),
            // A torn file, to which nobody has written for as long as a hold lives that nobody beats.
            Err(NoHold::Torn(_)) if status.written.after(TTL) < now => {
                found.torn.push(name.to_owned());
            }
            Err(NoHold::Torn(why) | NoHold::Newer(why)) => found.unread.push((path(), why)),
        },
    }
}

/// The file of that key: letters, digits, `-` and `_` as they are, everything else as `%` and two
/// hexadecimal digits for each byte.
fn file_name(key: &str) -> String {
    let mut name = String::with_capacity(key.len() + END.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
            name.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(name, "%{byte:02x}");
        }
    }
    name + END
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot {what} {}: {}", path.display(), describe(error)))
        .hint("check its permissions, or use another state folder with --state-dir DIR")
}

#[cfg(test)]
mod tests;
