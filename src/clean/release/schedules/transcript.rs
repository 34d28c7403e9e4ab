//! The search of a transcript for calls of the tools that set schedules.
//!
//! A transcript may have gigabytes. It is read in blocks, a line at a time, and only lines with one of the names are
//! parsed. Where a scan ended the next one goes on, so that the last look before a signal reads only what was added.

use memchr::memmem::Finder;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::model::Timestamp;
use crate::os::interrupt::Interrupt;

/// The tools that set schedules and wakeups.
const CRON: &str = "CronCreate";
const WAKEUP: &str = "ScheduleWakeup";

/// How much of a transcript is read at once.
const BLOCK: usize = 256 << 10;

/// A line that is longer is not parsed, and counts by the names in it.
const LONGEST_LINE: usize = 32 << 20;

/// A transcript that is larger is not read.
const LARGEST: u64 = 8 << 30;

/// The most transcripts of one session, and how deep they may be.
const MOST_FILES: usize = 100_000;
const DEEPEST: usize = 16;

/// The latest calls of both tools; [`Timestamp::MAX`] for one whose time is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Calls {
    cron: Option<Timestamp>,
    wakeup: Option<Timestamp>,
}

impl Calls {
    fn add(&mut self, other: Self) {
        self.cron = self.cron.max(other.cron);
        self.wakeup = self.wakeup.max(other.wakeup);
    }
}

/// One transcript, as far as it was scanned.
#[derive(Debug, Clone)]
pub struct TranscriptScan {
    path: PathBuf,
    /// The device and inode of the file that was scanned.
    file: Option<(u64, u64)>,
    /// The start of the first line that was not whole.
    offset: u64,
    /// In the lines before it.
    calls: Calls,
    /// In the part of a line behind it, which may be about to be written.
    calls_in_rest: Calls,
}

impl TranscriptScan {
    /// A transcript of which nothing was scanned yet.
    pub fn new(path: PathBuf) -> Self {
        let none = Calls::default();
        Self { path, file: None, offset: 0, calls: none, calls_in_rest: none }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// When a schedule was last set, as far as it was scanned; [`Timestamp::MAX`] if the time is not known.
    pub fn last_cron(&self) -> Option<Timestamp> {
        self.calls.cron.max(self.calls_in_rest.cron)
    }

    /// The same of a wakeup.
    pub fn last_wakeup(&self) -> Option<Timestamp> {
        self.calls.wakeup.max(self.calls_in_rest.wakeup)
    }

    /// Reads what was added since the last scan. A file that was replaced or cut is read from its start; one that is
    /// gone has nothing more.
    ///
    /// # Errors
    /// Also if a signal asks to stop, or the transcript is too large.
    pub fn scan(&mut self, interrupt: &Interrupt) -> io::Result<()> {
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
        let mut file = match File::options().read(true).custom_flags(flags).open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let status = file.metadata()?;
        if !status.is_file() || status.len() > LARGEST {
            return Err(io::Error::other("not a transcript"));
        }

        let identity = Some((status.dev(), status.ino()));
        if self.file != identity || status.len() < self.offset {
            // What was found in the other file stays found.
            self.offset = 0;
        }
        self.file = identity;
        self.calls_in_rest = Calls::default();
        file.seek(SeekFrom::Start(self.offset))?;
        let added = file.take(status.len() - self.offset);
        self.scan_lines(BufReader::with_capacity(BLOCK, added), interrupt)
    }

    fn scan_lines(&mut self, mut file: impl BufRead, interrupt: &Interrupt) -> io::Result<()> {
        let mut line = Line::new();
        loop {
            if interrupt.asked() {
                return Err(ErrorKind::Interrupted.into());
            }
            let block = file.fill_buf()?;
            if block.is_empty() {
                self.calls_in_rest = line.calls();
                return Ok(());
            }

            let end = memchr::memchr(b'\n', block);
            let length = end.map_or(block.len(), |end| end + 1);
            line.extend(&block[..length]);
            file.consume(length);
            if end.is_some() {
                self.calls.add(line.calls());
                self.offset += line.length;
                line.clear();
            }
        }
    }
}

/// A line as it is read. Of one that is too long only the names in it are kept.
struct Line {
    bytes: Vec<u8>,
    /// With what is not kept.
    length: u64,
    is_too_long: bool,
    has_cron: bool,
    has_wakeup: bool,
    cron: Finder<'static>,
    wakeup: Finder<'static>,
}

impl Line {
    fn new() -> Self {
        Self {
            bytes: Vec::new(),
            length: 0,
            is_too_long: false,
            has_cron: false,
            has_wakeup: false,
            cron: Finder::new(CRON),
            wakeup: Finder::new(WAKEUP),
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.length = 0;
        (self.is_too_long, self.has_cron, self.has_wakeup) = (false, false, false);
    }

    fn extend(&mut self, part: &[u8]) {
        self.length += part.len() as u64;
        self.bytes.extend_from_slice(part);
        if self.bytes.len() > LONGEST_LINE {
            self.is_too_long = true;
            self.find();
            // A name may continue in the next part.
            let kept = self.bytes.len() - WAKEUP.len();
            self.bytes.drain(..kept);
        }
    }

    fn find(&mut self) {
        self.has_cron |= self.cron.find(&self.bytes).is_some();
        self.has_wakeup |= self.wakeup.find(&self.bytes).is_some();
    }

    /// The calls in the line. If it cannot be parsed, its names count as calls at an unknown time.
    fn calls(&mut self) -> Calls {
        self.find();
        if !self.has_cron && !self.has_wakeup {
            return Calls::default();
        }

        let parsed: Option<Value> =
            if self.is_too_long { None } else { serde_json::from_slice(&self.bytes).ok() };
        let Some(record) = parsed else {
            return Calls {
                cron: self.has_cron.then_some(Timestamp::MAX),
                wakeup: self.has_wakeup.then_some(Timestamp::MAX),
            };
        };
        let time = record.get("timestamp").and_then(Value::as_str).and_then(Timestamp::parse);
        let time = time.unwrap_or(Timestamp::MAX);
        Calls {
            cron: calls_tool(&record, CRON).then_some(time),
            wakeup: calls_tool(&record, WAKEUP).then_some(time),
        }
    }
}

/// Returns true if a record has an object at any depth whose `name` is that of the tool, as a call has it. A text that
/// mentions the tool is no call, and neither is a list of tools.
fn calls_tool(record: &Value, tool: &str) -> bool {
    /// The keys that name a tool; Claude Code uses the first one.
    const KEYS: [&str; 3] = ["name", "tool_name", "toolName"];
    match record {
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            KEYS.contains(&key.as_str()) && value.as_str() == Some(tool) || calls_tool(value, tool)
        }),
        Value::Array(values) => values.iter().any(|value| calls_tool(value, tool)),
        _ => false,
    }
}

/// Lists the transcripts of a session below Claude Code's `projects`: `<folder>/<session>.jsonl`, and those of its
/// subagents in `<folder>/<session>/`. Names are compared, and no path is built from the id.
///
/// # Errors
/// If a folder cannot be listed, or there are too many files.
pub fn transcripts(projects: &Path, session: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in subfolders_and_links(projects)? {
        for entry in entries(&folder)? {
            let name = entry.file_name();
            let Some((stem, rest)) = name.as_bytes().split_at_checked(session.len()) else {
                continue;
            };
            if !stem.eq_ignore_ascii_case(session.as_bytes()) {
                continue;
            }
            match rest {
                b".jsonl" => found.push(entry.path()),
                b"" => add_below(&entry.path(), DEEPEST, &mut found)?,
                _ => {}
            }
        }
    }
    Ok(found)
}

/// Adds the transcripts below a session's own folder. Links are not followed.
fn add_below(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in entries(folder)? {
        if entry.file_type()?.is_dir() {
            let depth = depth.checked_sub(1).ok_or_else(|| io::Error::other("too deep"))?;
            add_below(&entry.path(), depth, found)?;
        } else if entry.path().extension().is_some_and(|extension| extension == "jsonl") {
            found.push(entry.path());
        }
        if found.len() > MOST_FILES {
            return Err(io::Error::other("too many transcripts"));
        }
    }
    Ok(())
}

fn subfolders_and_links(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in entries(folder)? {
        // A folder right in the root may be a link.
        if !entry.file_type()?.is_file() && entry.path().is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// The entries of a folder; none if it is gone, or is not a folder.
fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.collect(),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
