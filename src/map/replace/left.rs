//! What killed runs left beside the map: our files are removed, another program's map is kept (W7, W8).
//!
//! While a new map is written it has the first name, and nobody else's bytes are in it. Before it
//! changes places with the map it gets a second name, which tells the fingerprints of both: from then
//! on that may be the name of anything that came in between, and only those two may go.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::map::map_file::{LARGEST, MapPlace};
use crate::model::{Warning, WarningCode, describe};
use crate::os::folder::{Folder, Kind};
use crate::os::temporary;

/// What a file beside the map is called before the process and the number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    /// Being written.
    Writing,
    /// About to change places with the map, or having done so.
    Changing,
}

/// The fingerprints of the map that was read and of the one that is to take its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prints {
    pub(super) old: Fingerprint,
    pub(super) new: Fingerprint,
}

impl Prints {
    /// How the second name ends.
    pub(super) fn suffix(self) -> String {
        format!("{:016x}-{:016x}", self.old.0, self.new.0)
    }

    /// Out of what follows the prefix of a second name: `PID-N.` and the suffix, written just so.
    fn of(rest: &[u8]) -> Option<Self> {
        let (count, suffix) = std::str::from_utf8(rest).ok()?.split_once('.')?;
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        let (process, number) = count.split_once('-')?;
        let (old, new) = suffix.split_once('-')?;
        let print = |digits| u64::from_str_radix(digits, 16).ok().map(Fingerprint);
        let prints = Self { old: print(old)?, new: print(new)? };
        let is_ours = is_number(process) && is_number(number) && prints.suffix() == suffix;
        is_ours.then_some(prints)
    }
}

/// FNV-1a of 64 bits: the next run, which may be of another build, must come to the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    const NONE: Self = Self(0xcbf2_9ce4_8422_2325);

    pub(super) fn of(bytes: &[u8]) -> Self {
        Self::NONE.and(bytes)
    }

    fn and(self, bytes: &[u8]) -> Self {
        let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Self(bytes.iter().fold(self.0, add))
    }

    fn of_file(mut file: &File) -> io::Result<Self> {
        let (mut print, mut buffer) = (Self::NONE, vec![0; 64 << 10]);
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(print),
                Ok(count) => print = print.and(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl MapPlace {
    /// How the names of files begin that are beside the map at that stage.
    pub(super) fn prefix(&self, stage: Stage) -> OsString {
        let stage: &[u8] = match stage {
            Stage::Writing => b".session-warden.tmp.",
            Stage::Changing => b".session-warden.was.",
        };
        OsString::from_vec([b".", self.name.as_bytes(), stage].concat())
    }

    /// Removes the files that killed runs have left (W7), and warns of what may be somebody else's
    /// map that such a run had in its hands (W8). Only under the lock.
    pub fn sweep(&self) -> Vec<Warning> {
        let writing = self.prefix(Stage::Writing);
        let changing = self.prefix(Stage::Changing);
        let mut warnings = Vec::new();
        let sweep = |folder: Folder| {
            folder.list(|entry| {
                let name = entry.name();
                let begins = |prefix: &OsStr| name.as_bytes().strip_prefix(prefix.as_bytes());
                let warning = if begins(&writing).is_some() {
                    let is_file = folder.status(name).is_ok_and(|found| found.kind == Kind::File);
                    is_file.then(|| self.remove_stale(name)).flatten()
                } else if let Some(rest) = begins(&changing) {
                    self.sweep_changing(&folder, name, rest)
                } else {
                    None
                };
                warnings.extend(warning);
                Ok(ControlFlow::Continue(()))
            })
        };
        let swept = Folder::reopen(self.folder.as_fd(), self.folder_path()).and_then(sweep);
        warnings.extend(swept.err().map(|error| self.not_removed(OsStr::new(""), &error)));
        warnings
    }

    fn sweep_changing(&self, folder: &Folder, name: &OsStr, rest: &[u8]) -> Option<Warning> {
        match is_of_the_run(folder, name, rest) {
            Ok(true) => self.remove_stale(name),
            Ok(false) => Some(self.stays(name, "this is")),
            // It went since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => Some(self.stays(name, &format!("{}; this may be", describe(&error)))),
        }
    }

    fn remove_stale(&self, name: &OsStr) -> Option<Warning> {
        temporary::remove(self.folder.as_fd(), name)
            .err()
            .map(|error| self.not_removed(name, &error))
    }

    fn not_removed(&self, name: &OsStr, error: &io::Error) -> Warning {
        let message = format!("cannot remove the file of a killed run: {}", describe(error));
        Warning::at(WarningCode::StaleFile, self.folder_path().join(name), message)
    }

    fn stays(&self, name: &OsStr, this_is: &str) -> Warning {
        let map = self.path().display();
        let message = format!(
            "{this_is} a newer session map that a run has left; compare it with {map}, and move it there or remove it"
        );
        Warning::at(WarningCode::StaleFile, self.folder_path().join(name), message)
    }
}

/// Whether what has that second name is the map that its run had read, or the one it had written.
fn is_of_the_run(folder: &Folder, name: &OsStr, rest: &[u8]) -> io::Result<bool> {
    let prints = Prints::of(rest).ok_or_else(|| io::Error::other("its name is none of ours"))?;
    let (file, status) = folder.open_with_status(name)?;
    if status.size > LARGEST {
        return Err(io::Error::other("larger than 256 MiB"));
    }
    let print = Fingerprint::of_file(&file)?;
    Ok(print == prints.old || print == prints.new)
}
