//! Holds: files that mark a session as at work though nothing writes to its own file, as during a tool
//! that runs for hours. Each is a small file in the state folder, so that it outlives the process that
//! wrote it, and counts only while the processes it names are alive.

mod hold;

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::io::{self, ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::model::{Failure, Timestamp, describe};
use crate::os::folder::{Folder, Status};
use crate::os::{create, never_was, publish, reading};

pub use hold::{Hold, KEY_LENGTH, NoHold, Subject, TTL, Work, check_key};

/// The name of the folder of holds, within the state folder.
const FOLDER: &str = "holds";

/// The extension of every hold's file.
const END: &str = ".json";

/// The size of the largest hold, in bytes.
const LARGEST: u64 = 64 << 10;

/// The most holds that are read.
const MOST: usize = 100_000;

/// The holds in one state folder.
#[derive(Debug, Clone)]
pub struct Holds {
    folder: PathBuf,
}

/// The content of a folder of holds.
#[derive(Debug, Default)]
pub struct Found {
    /// Every hold, alive or not: to find out takes longer than to read it.
    all: Vec<(OsString, Hold)>,
    /// The names of files that are torn and have been so for long.
    torn: Vec<OsString>,
    /// The files that cannot be read, and why: they may hold any session.
    pub unread: Vec<(PathBuf, String)>,
}

impl Found {
    /// Returns every hold, alive or not.
    pub fn all(&self) -> impl Iterator<Item = &Hold> {
        self.all.iter().map(|(_, hold)| hold)
    }

    /// Returns the holds that are alive, the oldest first.
    pub fn live(self, now: Timestamp) -> Vec<Hold> {
        let all = self.all.into_iter().map(|(_, hold)| hold);
        let mut live: Vec<Hold> = all.filter(|hold| hold.is_alive(now)).collect();
        live.sort_by_key(Hold::since);
        live
    }
}

impl Holds {
    /// Returns the holds in that state folder, which need not exist yet.
    pub fn at(state: &Path) -> Self {
        Self { folder: state.join(FOLDER) }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a hold, in place of one with the same key.
    pub fn write(&self, hold: &Hold) -> Result<(), Failure> {
        let path = self.path_of(&hold.key);
        create::create_private_folders(&self.folder)
            .and_then(|()| publish::publish_soon(&path, &hold.bytes(), 0o600))
            .map_err(|error| failed("write", &path, &error))
    }

    /// Lets `change` change the hold of that key. Returns false if there is none.
    pub fn change(&self, key: &str, change: impl FnOnce(&mut Hold)) -> Result<bool, Failure> {
        let path = self.path_of(key);
        if !path.try_exists().map_err(|error| failed("read", &path, &error))? {
            return Ok(false);
        }

        let changed = publish::update(&path, 0o600, |text| {
            // A hold that ended meanwhile does not come back.
            if text.is_empty() {
                return Err(ErrorKind::NotFound.into());
            }
            let mut hold = Hold::parse(text.as_bytes()).map_err(|no| io::Error::other(no.why()))?;
            change(&mut hold);
            Ok(hold.bytes())
        });
        is_found(changed).map_err(|error| failed("change", &path, &error))
    }

    /// Ends the hold of that key. Returns false if there is none.
    pub fn release(&self, key: &str) -> Result<bool, Failure> {
        let path = self.path_of(key);
        match create::remove(&path) {
            Err(error) if error.kind() == ErrorKind::NotADirectory => Ok(false),
            removed => is_found(removed).map_err(|error| failed("remove", &path, &error)),
        }
    }

    /// Reads all of them; none if there is no folder.
    pub fn read(&self, now: Timestamp) -> Result<Found, Failure> {
        let mut found = Found::default();
        let folder = match Folder::open(&self.folder) {
            Err(error) if never_was(&error, self.folder.parent()) => return Ok(found),
            opened => opened.map_err(|error| failed("read", &self.folder, &error))?,
        };

        let listed = folder.list(|entry| {
            if entry.name().as_encoded_bytes().ends_with(END.as_bytes()) {
                if found.all.len() + found.torn.len() + found.unread.len() == MOST {
                    return Err(io::Error::other("too many holds"));
                }
                found.add(&folder, entry.name(), now);
            }
            Ok(ControlFlow::Continue(()))
        });
        listed.map_err(|error| failed("read", &self.folder, &error))?;
        Ok(found)
    }

    /// Removes the holds that were found dead, unless they have come to life again. A dead hold that
    /// cannot be removed does no harm.
    pub fn sweep(&self, found: &Found, now: Timestamp) {
        let dead = found.all.iter().filter(|(_, hold)| !hold.is_alive(now)).map(|(name, _)| name);
        for name in dead.chain(&found.torn) {
            let _ = publish::remove_if(&self.folder.join(name), |bytes| {
                !Hold::parse(bytes).is_ok_and(|hold| hold.is_alive(now))
            });
        }
    }

    fn path_of(&self, key: &str) -> PathBuf {
        self.folder.join(file_name(key))
    }
}

impl Found {
    /// Adds the file of that name.
    fn add(&mut self, folder: &Folder, name: &OsStr, now: Timestamp) {
        let (status, bytes) = match read_file(folder, name) {
            Ok(read) => read,
            // It has ended while the folder was listed.
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            // Its content is not known, however old it is.
            Err(error) => {
                self.unread.push((folder.path().join(name), describe(&error)));
                return;
            }
        };

        match Hold::parse(&bytes) {
            Ok(hold) => self.all.push((name.to_owned(), hold)),
            // No process has written to this torn file for as long as a hold lives without a beat.
            Err(NoHold::Torn(_)) if status.written.after(TTL) < now => {
                self.torn.push(name.to_owned());
            }
            Err(no_hold) => self.unread.push((folder.path().join(name), no_hold.why())),
        }
    }
}

fn read_file(folder: &Folder, name: &OsStr) -> io::Result<(Status, Vec<u8>)> {
    let (file, status) = folder.open_with_status(name)?;

    reading::check_size(status.size, LARGEST)?;

    let mut bytes = Vec::with_capacity(usize::try_from(status.size).unwrap_or(0) + 1);
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok((status, bytes))
}

/// Returns false for the error of a file that does not exist.
fn is_found(done: io::Result<()>) -> io::Result<bool> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        done => done.map(|()| true),
    }
}

/// Returns the name of the file of that key: letters, digits, `-` and `_` as they are, everything else
/// as `%` and two hexadecimal digits for each byte.
fn file_name(key: &str) -> String {
    let mut name = String::with_capacity(key.len() + END.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
            name.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(name, "%{byte:02x}");
        }
    }
    name + END
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot {verb} {}: {}", path.display(), describe(error)))
        .hint("check its permissions, or use another state folder with --state-dir DIR")
}

#[cfg(test)]
mod tests;
