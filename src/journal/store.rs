//! Files of JSON lines in the state folder: appended durably, read with patience for torn lines,
//! trimmed by replacement, all under one lock of the folder's.

use rustix::fs::OFlags;
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use super::map_of_run::{MapOfRun, MapsOfRuns, OfRun};
use crate::model::{Exit, Failure, describe};
use crate::os::create::create_private_folders;
use crate::os::folder::{Folder, Links};
use crate::os::lock::Lock;
use crate::os::{never_was, reading};

/// A larger file is no journal of ours, which trims it long before, and a longer line no entry.
const LARGEST: u64 = 1 << 30;
const LONGEST: u64 = 64 << 20;

/// How much of a file's end is read by completion, which must not wait.
const END: u64 = 256 << 10;

/// The folder's lock.
pub(super) const LOCK: &str = "lock";

/// How long to wait for another run that is writing to the same folder; each does for moments.
const PATIENCE: Duration = Duration::from_secs(10);

/// Appends a line for each entry to the file called `name`, behind one for `map` if there is any, and makes that
/// durable.
pub(super) fn append<T: Serialize>(
    folder: &Path,
    name: &str,
    map: Option<&MapOfRun<'_>>,
    entries: impl Iterator<Item = T>,
) -> Result<(), Failure> {
    let mut entries = entries.peekable();
    if entries.peek().is_none() {
        return Ok(());
    }
    let append = || {
        create_private_folders(folder)?;
        let _lock = lock(folder)?;
        let file = open_to_append(&folder.join(name))?;
        let length = file.metadata()?.len();
        reading::check_size(length, LARGEST)?;
        if let Err(error) = write_lines(&file, length, map, entries) {
            // Half an append is none: the entries are for a change that will not be made.
            let _ = file.set_len(length);
            return Err(error);
        }
        file.sync_all()?;
        // Always, for a run that made the file may have been killed before it did this.
        Ok(rustix::fs::fsync(Folder::open(folder)?)?)
    };
    append().map_err(|error| failed("write", folder, name, &error))
}

fn write_lines<T: Serialize>(
    file: &File,
    length: u64,
    map: Option<&MapOfRun<'_>>,
    entries: impl Iterator<Item = T>,
) -> io::Result<()> {
    // A run can remove as much as a map holds, so its lines are not kept.
    let mut out = BufWriter::with_capacity(64 << 10, file);
    // A killed run may have left half a line, which must not spoil the next.
    if let Some(last) = length.checked_sub(1) {
        let mut byte = [0];
        file.read_exact_at(&mut byte, last)?;
        if byte != *b"\n" {
            out.write_all(b"\n")?;
        }
    }
    // JSON is written in very small pieces.
    let mut line = Vec::new();
    if let Some(map) = map {
        serde_json::to_writer(&mut line, map)?;
        line.push(b'\n');
        out.write_all(&line)?;
    }
    for entry in entries {
        line.clear();
        serde_json::to_writer(&mut line, &entry)?;
        line.push(b'\n');
        out.write_all(&line)?;
    }
    out.flush()
}

/// Returns every entry of the file called `name` except torn lines; none if it does not exist.
pub(super) fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Vec<T>, Failure> {
    read_with(folder, name, |line| serde_json::from_slice(line).ok())
}

/// Like [`read`], and each entry has the map of its run.
pub(super) fn read_of_runs<T: DeserializeOwned + OfRun>(
    folder: &Path,
    name: &str,
) -> Result<Vec<T>, Failure> {
    let mut maps = MapsOfRuns::default();
    read_with(folder, name, |line| maps.record(line))
}

fn read_with<T>(
    folder: &Path,
    name: &str,
    mut entry: impl FnMut(&[u8]) -> Option<T>,
) -> Result<Vec<T>, Failure> {
    let mut read = || {
        let (file, mut entries) = (open(folder, name)?, Vec::new());
        each_line(&file, |_, line| {
            entries.extend(line.and_then(&mut entry));
            ControlFlow::Continue(())
        })?;
        Ok(entries)
    };
    match read() {
        Ok(entries) => Ok(entries),
        Err(error) if never_was(&error, Some(folder)) => Ok(Vec::new()),
        Err(error) => Err(failed("read", folder, name, &error)),
    }
}

/// Checks that the file called `name` can be read, or does not exist.
pub(super) fn check(folder: &Path, name: &str) -> Result<(), Failure> {
    match open(folder, name) {
        Err(error) if !never_was(&error, Some(folder)) => Err(failed("read", folder, name, &error)),
        _ => Ok(()),
    }
}

/// Returns the entries in the last part of the file called `name`, for completion, which must not wait.
pub(super) fn read_end<T: DeserializeOwned>(folder: &Path, name: &str) -> Option<Vec<T>> {
    let mut file = reading::open(&folder.join(name), Links::Refuse).ok()?;
    let length = file.metadata().ok()?.len();

    // The first line of the part is torn, and skipped.
    file.seek(SeekFrom::Start(length.saturating_sub(END))).ok()?;
    let mut bytes = Vec::new();
    file.take(END).read_to_end(&mut bytes).ok()?;
    let lines = bytes.split(|byte| *byte == b'\n');
    Some(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// Renames a file to its name of today, if it exists and no file has that name yet.
#[expect(clippy::disallowed_methods, reason = "a file of the journal is renamed once")]
pub(super) fn rename_once(folder: &Path, before: &str, today: &str) -> Result<(), Failure> {
    let (before, today) = (folder.join(before), folder.join(today));
    if before.symlink_metadata().is_err() || today.symlink_metadata().is_ok() {
        return Ok(());
    }
    let rename = || {
        let _lock = lock(folder)?;
        match fs::rename(&before, &today) {
            // Another run has just done it.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            renamed => renamed,
        }
    };
    rename().map_err(|error| failed("rename", folder, &before.to_string_lossy(), &error))
}

/// Returns the number, from 1, of the first line of the file called `name` that is no entry; none if each is, or
/// the file cannot be read. A line that ends too early is one that a killed run left, and is no damage.
pub(super) fn damaged_line<T: DeserializeOwned>(folder: &Path, name: &str) -> Option<usize> {
    let file = open(folder, name).ok()?;
    let is_damaged = |line: &[u8]| {
        serde_json::from_slice::<T>(line).is_err_and(|error: serde_json::Error| !error.is_eof())
            && serde_json::from_slice::<MapOfRun<'_>>(line).is_err()
    };
    let (mut number, mut damaged) = (0, None);
    each_line(&file, |_, line| {
        number += 1;
        if line.is_none_or(is_damaged) {
            damaged = Some(number);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })
    .ok()?;
    damaged
}

/// Calls `each` with every line of a file and its place, or nothing for a line that is too long, until `each` has
/// seen enough. Returns where the last line read ends.
pub(super) fn each_line(
    file: &File,
    mut each: impl FnMut(u64, Option<&[u8]>) -> ControlFlow<()>,
) -> io::Result<u64> {
    let mut file = BufReader::with_capacity(64 << 10, file);
    file.seek(SeekFrom::Start(0))?;
    let (mut at, mut line) = (0, Vec::new());
    loop {
        line.clear();
        let mut length = (&mut file).take(LONGEST).read_until(b'\n', &mut line)? as u64;
        let is_too_long = length == LONGEST && line.last() != Some(&b'\n');
        if is_too_long {
            length += file.skip_until(b'\n')? as u64;
        }
        // It may grow while it is read.
        reading::check_size(at + length, LARGEST)?;
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if length == 0 || each(at, (!is_too_long).then_some(text)).is_break() {
            return Ok(at);
        }
        at += length;
    }
}

/// Opens the file called `name`, to read it.
pub(super) fn open(folder: &Path, name: &str) -> io::Result<File> {
    let file = reading::open(&folder.join(name), Links::Refuse)?;
    reading::check_size(file.metadata()?.len(), LARGEST)?;
    Ok(file)
}

fn open_to_append(path: &Path) -> io::Result<File> {
    let file = fs::OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path);
    let file = file.map_err(|error| match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::LOOP) => io::Error::other("it is a link"),
        Some(Errno::NXIO | Errno::ISDIR) => io::Error::other("not a regular file"),
        _ => error,
    })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}

pub(super) fn lock(folder: &Path) -> io::Result<Lock> {
    let path = folder.join(LOCK);
    let taken = Lock::take(&path, PATIENCE).map_err(|error| {
        // It is not the file of the journal that is at fault.
        let message = format!("cannot lock {}: {}", path.display(), describe(&error));
        io::Error::new(error.kind(), message)
    });

    taken?.ok_or_else(|| {
        let message = "another run holds the lock of the state folder";
        io::Error::new(ErrorKind::WouldBlock, message)
    })
}

pub(super) fn failed(what: &str, folder: &Path, name: &str, error: &io::Error) -> Failure {
    let path = folder.join(name);
    let failure = Failure::new(format!("cannot {what} {}: {}", path.display(), describe(error)));
    if error.kind() == ErrorKind::WouldBlock {
        return Failure { exit: Exit::Locked, ..failure }
            .hint("run again when the other run has ended");
    }
    failure.hint("use another state folder with --state-dir DIR")
}
