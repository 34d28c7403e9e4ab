//! Files of JSON lines in the state folder: appended durably, read with patience for torn lines,
//! trimmed by replacement, all under one lock of the folder's.

use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use super::removals::is_old;
use crate::disk::words;
use crate::domain::{Failure, Timestamp};

/// What trimming goes by: when an entry was written, and a number for its run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub(super) time: Option<Timestamp>,
    pub(super) run: u64,
}

/// The same as it stands in a line.
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
        make(folder)?;
        let _lock = lock(folder)?;
        let path = folder.join(name);
        let is_new = !path.exists();
        let file = open(&path, true)?;
        let length = file.metadata()?.len();
        if let Err(error) = write_lines(&file, length, entries) {
            // Half an append is none: the entries are for a change that will not be made.
            let _ = file.set_len(length);
            return Err(error);
        }
        file.sync_all()?;
        if is_new { File::open(folder)?.sync_all() } else { Ok(()) }
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
    for entry in entries {
        serde_json::to_writer(&mut out, &entry)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Every entry of the file called `name`, but for torn lines; none where there is no file.
pub(super) fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Vec<T>, Failure> {
    match fs::read(folder.join(name)) {
        Ok(bytes) => Ok(entries(&bytes)),
        // Where no folder can be, nothing was ever written.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(failed("read", folder, name, &error)),
    }
}

fn entries<T: DeserializeOwned>(bytes: &[u8]) -> Vec<T> {
    let lines = bytes.split(|byte| *byte == b'\n');
    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// Replaces the file called `name` by the entries from the place that `keep_from` tells, if that is
/// not the first.
#[expect(clippy::disallowed_methods, reason = "the journal is trimmed by replacement")]
pub(super) fn trim(
    folder: &Path,
    name: &str,
    now: Timestamp,
    keep_from: impl Fn(&[Stamp], Timestamp) -> usize,
) -> Result<(), Failure> {
    let trim = || {
        let path = folder.join(name);
        let _lock = lock(folder)?;
        let mut file = BufReader::new(File::open(&path)?);
        let size = file.get_ref().metadata()?.len();
        let hasher = RandomState::new();
        let (mut stamps, mut starts) = (Vec::new(), Vec::new());
        let (mut at, mut line) = (0, Vec::new());
        while file.read_until(b'\n', &mut line)? > 0 {
            if let Ok(Stamped { time, run }) = serde_json::from_slice(&line) {
                let stamp = Stamp { time: Timestamp::parse(&time), run: hasher.hash_one(run) };
                if stamps.is_empty() && size < SMALL && !is_old(stamp.time, now) {
                    return Ok(());
                }
                stamps.push(stamp);
                starts.push(at);
            }
            at += line.len() as u64;
            line.clear();
        }
        let Some(start) = starts.get(keep_from(&stamps, now)).copied().filter(|at| *at > 0) else {
            return Ok(());
        };
        let new = folder.join(format!(".{name}.new"));
        let mut to = open(&new, false)?;
        to.set_len(0)?;
        file.seek(SeekFrom::Start(start))?;
        io::copy(&mut file, &mut to)?;
        to.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(folder)?.sync_all()
    };
    match trim() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        trimmed => trimmed.map_err(|error| failed("trim", folder, name, &error)),
    }
}

#[expect(clippy::disallowed_methods, reason = "the state folder is the journal's own")]
fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn open(path: &Path, append: bool) -> io::Result<File> {
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .append(append)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}

fn lock(folder: &Path) -> io::Result<File> {
    let file = open(&folder.join("lock"), false)?;
    let start = Instant::now();
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK | Errno::INTR) if start.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(Errno::WOULDBLOCK) => return Err(io::Error::other("another run is writing to it")),
            Err(error) => return Err(error.into()),
        }
    }
}

fn failed(what: &str, folder: &Path, name: &str, error: &io::Error) -> Failure {
    let path = folder.join(name);
    Failure::new(format!("cannot {what} {}: {}", path.display(), words(error)))
        .hint("--state-dir DIR names another folder for what runs remember")
}
