//! The files that killed runs left beside the map: ours are removed, another program's map is kept (W7,
//! W8).
//!
//! While a new map is written it has its first name, and only we write to it. Before it changes places
//! with the map it gets a second name, which has the fingerprints of both: from then on, any map that
//! was written meanwhile may have that name, and only those two may be removed.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::map::map_file::{LARGEST, MapPlace};
use crate::model::{Warning, WarningCode, describe};
use crate::os::folder::{Folder, Kind};
use crate::os::interrupt::Interrupt;
use crate::os::reading::{Pace, check_size};
use crate::os::temporary;

/// How much of such files is read and compared in one run: a killed run leaves one.
const MOST: u64 = 2 * LARGEST;

/// The most files that are warned of by name.
const MOST_NAMED: usize = 20;

/// The purpose of a file beside the map. Its name has the process and a number as well.
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
    /// Returns the end of the second name.
    pub(super) fn suffix(self) -> String {
        format!("{:016x}-{:016x}", self.old.0, self.new.0)
    }

    /// Parses the rest of a second name, behind its prefix: `PID-N.` and the suffix, exactly as written.
    fn of(rest: &[u8]) -> Option<Self> {
        let (count, suffix) = std::str::from_utf8(rest).ok()?.split_once('.')?;
        let (process, number) = count.split_once('-')?;
        let (old, new) = suffix.split_once('-')?;

        let prints = Self { old: Fingerprint::parse(old)?, new: Fingerprint::parse(new)? };
        let is_ours = is_number(process) && is_number(number) && prints.suffix() == suffix;
        is_ours.then_some(prints)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// FNV-1a of 64 bits: the next run, which may be of another build, must get the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    const NONE: Self = Self(0xcbf2_9ce4_8422_2325);

    pub(super) fn of(bytes: &[u8]) -> Self {
        Self::NONE.and(bytes)
    }

    fn parse(digits: &str) -> Option<Self> {
        u64::from_str_radix(digits, 16).ok().map(Self)
    }

    fn and(self, bytes: &[u8]) -> Self {
        Self(
            bytes.iter().fold(self.0, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            }),
        )
    }

    fn of_file(file: &File, most: u64, interrupt: &Interrupt) -> io::Result<Self> {
        let (mut print, mut buffer) = (Self::NONE, vec![0; 64 << 10]);
        let (mut file, mut pace) = (file.take(most), Pace::new(interrupt));
        loop {
            pace.step()?;
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
    /// Returns how the names of files begin that are beside the map at that stage.
    pub(super) fn prefix(&self, stage: Stage) -> OsString {
        let stage: &[u8] = match stage {
            Stage::Writing => b".session-warden.tmp.",
            Stage::Changing => b".session-warden.was.",
        };
        OsString::from_vec([b".", self.name.as_bytes(), stage].concat())
    }

    /// Removes the files that killed runs have left (W7), and warns of those that may be another
    /// process's map (W8). Only under the lock.
    pub fn sweep(&self, interrupt: &Interrupt) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if let Err(error) = self.sweep_into(&mut warnings, interrupt) {
            warnings.push(self.not_removed(OsStr::new(""), &error));
        }
        warnings
    }

    fn sweep_into(&self, warnings: &mut Vec<Warning>, interrupt: &Interrupt) -> io::Result<()> {
        let (mut left, mut unnamed) = (MOST, 0_u64);
        let writing = self.prefix(Stage::Writing);
        let changing = self.prefix(Stage::Changing);
        let folder = Folder::reopen(self.folder.as_fd(), self.folder_path())?;
        folder.list(|entry| {
            // The run ends soon, and the next one sweeps.
            if interrupt.asked() {
                return Ok(ControlFlow::Break(()));
            }
            let name = entry.name();
            let mut warning = None;
            if name.as_bytes().starts_with(writing.as_bytes()) {
                if folder.status(name).is_ok_and(|found| found.kind == Kind::File) {
                    warning = self.remove_stale(name);
                }
            } else if let Some(rest) = name.as_bytes().strip_prefix(changing.as_bytes()) {
                let is_of_run = is_of_the_run(&folder, name, rest, &mut left, interrupt);
                warning = self.sweep_changing(name, is_of_run);
            }
            if warnings.len() < MOST_NAMED {
                warnings.extend(warning);
            } else {
                unnamed += u64::from(warning.is_some());
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if unnamed > 0 {
            let message = format!("{unnamed} more files of killed runs are left in this folder");
            warnings.push(Warning::at(WarningCode::StaleFile, self.folder_path(), message));
        }
        Ok(())
    }

    fn sweep_changing(&self, name: &OsStr, is_of_run: io::Result<bool>) -> Option<Warning> {
        match is_of_run {
            Ok(true) => self.remove_stale(name),
            Ok(false) => Some(self.stays(name, "this is")),
            // It was removed since it was listed.
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

/// Returns true if the file is the map that its run had read, or the one that it had written. Its size is taken from
/// what is left to be read.
fn is_of_the_run(
    folder: &Folder,
    name: &OsStr,
    rest: &[u8],
    left: &mut u64,
    interrupt: &Interrupt,
) -> io::Result<bool> {
    let prints = Prints::of(rest).ok_or_else(|| io::Error::other("its name is none of ours"))?;
    let (file, status) = folder.open_with_status(name)?;
    check_size(status.size, LARGEST)?;
    *left = left
        .checked_sub(status.size)
        .ok_or_else(|| io::Error::other("there are too many such files to compare"))?;
    let print = Fingerprint::of_file(&file, status.size + 1, interrupt)?;
    Ok(print == prints.old || print == prints.new)
}
