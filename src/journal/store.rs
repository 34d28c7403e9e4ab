//! Files of JSON lines in the state folder: appended durably, read with patience for torn lines,
//! trimmed by replacement, all under one lock of the folder's.

use rustix::fs::OFlags;
use rustix::io::Errno;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use super::removals::{KEPT_ENTRIES, is_old};
use crate::model::{Exit, Failure, Timestamp, describe};
use crate::os::create::create_private_folders;
use crate::os::folder::{Folder, Links};
use crate::os::lock::Lock;
use crate::os::{never_was, publish, reading, temporary};

/// The part of a line that trimming needs.
#[derive(Deserialize)]
struct Stamped<'a> {
    #[serde(borrow, alias = "started")]
    time: Cow<'a, str>,
    #[serde(borrow)]
    run: Cow<'a, str>,
}

/// A smaller file is trimmed only for the age of its first entry: it cannot hold too many, unless
/// they are so short that it is small anyway.
const SMALL: u64 = 16 << 20;

/// A larger file is no journal of ours, which trims it long before, and a longer line no entry.
const LARGEST: u64 = 1 << 30;
const LONGEST: u64 = 64 << 20;

/// How much of a file's end is read by completion, which must not wait.
const END: u64 = 256 << 10;

/// The folder's lock.
pub(super) const LOCK: &str = "lock";

/// How long to wait for another run that is writing to the same folder; each does for moments.
const PATIENCE: Duration = Duration::from_secs(10);

/// Appends a line for each entry to the file called `name`, and makes that durable.
pub(super) fn append<T: Serialize>(
    folder: &Path,
    name: &str,
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
        if let Err(error) = write_lines(&file, length, entries) {
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
    let read = || {
        let (file, mut entries) = (open(folder, name)?, Vec::new());
        each_line(&file, |_, line| {
            entries.extend(line.and_then(|line| serde_json::from_slice(line).ok()));
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

/// Forgets the first entries of the file called `name`, those that are too old or too many, but, where
/// `keeps_newest`, none of the run that wrote the last one.
pub(super) fn trim(
    folder: &Path,
    name: &str,
    now: Timestamp,
    keeps_newest: bool,
) -> Result<(), Failure> {
    let trim = || {
        let _lock = lock(folder)?;
        let mut file = open(folder, name)?;

        // Under the lock, a temporary file is one that a killed run has left.
        let opened = Folder::open(folder)?;
        let _ = temporary::sweep(&opened, name.as_ref(), |_, _| true);

        let is_small = file.metadata()?.len() < SMALL;
        let hasher = RandomState::new();
        // A run can have as many entries as a map holds, so only counts are kept.
        let (mut count, mut old, mut are_all_old) = (0_usize, 0, true);
        let (mut firsts, mut newest) = (HashMap::new(), None);
        each_entry(&file, |_, entry| {
            are_all_old &= is_old(Timestamp::parse(&entry.time), now);
            if count == 0 && is_small && !are_all_old {
                return ControlFlow::Break(());
            }
            old += usize::from(are_all_old);
            let run = hasher.hash_one(&entry.run);
            newest = Some(*firsts.entry(run).or_insert(count));
            count += 1;
            ControlFlow::Continue(())
        })?;
        let gone = old.max(count.saturating_sub(KEPT_ENTRIES));
        let gone = newest.filter(|_| keeps_newest).map_or(gone, |newest| gone.min(newest));
        if gone == 0 {
            return Ok(());
        }
        // Where none is kept, the copy starts at the end.
        let (mut start, mut place) = (None, 0);
        let end = each_entry(&file, |at, _| {
            place += 1;
            start = (place > gone).then_some(at);
            if start.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        file.seek(SeekFrom::Start(start.unwrap_or(end)))?;
        publish::replace(&opened, name.as_ref(), 0o600, |new| io::copy(&mut file, new).map(drop))
    };
    match trim() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        trimmed => trimmed.map_err(|error| failed("trim", folder, name, &error)),
    }
}

/// Calls `each` with every entry of a file and the place of its line, until that has seen enough.
/// Where the last line read ends.
fn each_entry(
    file: &File,
    mut each: impl FnMut(u64, Stamped<'_>) -> ControlFlow<()>,
) -> io::Result<u64> {
    each_line(file, |at, line| match line.and_then(|line| serde_json::from_slice(line).ok()) {
        Some(entry) => each(at, entry),
        None => ControlFlow::Continue(()),
    })
}

/// The same with every line; nothing in place of one that is too long.
fn each_line(
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
fn open(folder: &Path, name: &str) -> io::Result<File> {
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

fn lock(folder: &Path) -> io::Result<Lock> {
    Lock::take(&folder.join(LOCK), PATIENCE)?.ok_or_else(|| {
        let message = "another run holds the lock of the state folder";
        io::Error::new(ErrorKind::WouldBlock, message)
    })
}

fn failed(what: &str, folder: &Path, name: &str, error: &io::Error) -> Failure {
    let path = folder.join(name);
    let failure = Failure::new(format!("cannot {what} {}: {}", path.display(), describe(error)));
    if error.kind() == ErrorKind::WouldBlock {
        return Failure { exit: Exit::Locked, ..failure }
            .hint("run again when the other run has ended");
    }
    failure.hint("use another state folder with --state-dir DIR")
}
