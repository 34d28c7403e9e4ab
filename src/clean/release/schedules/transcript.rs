//! The search of a transcript for calls of the tools that set schedules.
//!
//! A transcript may have gigabytes. It is read in blocks, a line at a time, and only lines with one of the names are
//! parsed. Where a scan ended the next one goes on, so that the last look before a signal reads only new lines.

use memchr::memmem::Finder;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::model::Timestamp;
use crate::os::folder::Links;
use crate::os::interrupt::Interrupt;
use crate::os::reading::{self, Pace};

/// The tools that set schedules and wakeups.
const CRON: &str = "CronCreate";
const WAKEUP: &str = "ScheduleWakeup";

/// The type of an attachment at the start of a session that follows another one in the same process, as after
/// `/clear`: schedules of the earlier one still count. Seen in 2.1.332, with the fields `tasks`, `otherArmed` and
/// `wakeup`.
const CARRY: &str = "session_cron_carry";

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

    /// Reads the lines added since the last scan. A file that was replaced or cut is read from its start; one that is
    /// gone has nothing more.
    ///
    /// # Errors
    /// Also if a signal asks to stop, if this run has read for long enough, or if the transcript is too large.
    pub fn scan(&mut self, interrupt: &Interrupt) -> io::Result<()> {
        let mut file = match reading::open(&self.path, Links::Refuse) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let status = file.metadata()?;
        if status.len() > LARGEST {
            return Err(io::Error::other("not a transcript"));
        }

        let identity = Some((status.dev(), status.ino()));
        if self.file != identity || status.len() < self.offset {
            // Calls found in the other file still count.
            self.offset = 0;
        }
        self.file = identity;
        self.calls_in_rest = Calls::default();
        file.seek(SeekFrom::Start(self.offset))?;
        let added = file.take(status.len() - self.offset);
        self.scan_lines(BufReader::with_capacity(BLOCK, added), interrupt)
    }

    fn scan_lines(&mut self, mut file: impl BufRead, interrupt: &Interrupt) -> io::Result<()> {
        let (mut line, mut pace) = (Line::new(), Pace::new(interrupt));
        loop {
            pace.step()?;
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
    /// Including the bytes that were dropped.
    length: u64,
    is_too_long: bool,
    cron: Needle,
    wakeup: Needle,
    carry: Needle,
}

/// A text that is looked for in a line.
struct Needle {
    finder: Finder<'static>,
    is_found: bool,
}

impl Needle {
    fn new(text: &'static str) -> Self {
        Self { finder: Finder::new(text), is_found: false }
    }

    fn find(&mut self, bytes: &[u8]) {
        self.is_found = self.is_found || self.finder.find(bytes).is_some();
    }
}

impl Line {
    fn new() -> Self {
        Self {
            bytes: Vec::new(),
            length: 0,
            is_too_long: false,
            cron: Needle::new(CRON),
            wakeup: Needle::new(WAKEUP),
            carry: Needle::new(CARRY),
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.length = 0;
        self.is_too_long = false;
        for needle in [&mut self.cron, &mut self.wakeup, &mut self.carry] {
            needle.is_found = false;
        }
    }

    fn extend(&mut self, part: &[u8]) {
        self.length += part.len() as u64;
        self.bytes.extend_from_slice(part);
        if self.bytes.len() > LONGEST_LINE {
            self.is_too_long = true;
            self.find();
            // A name may continue in the next part.
            let kept = self.bytes.len() - CARRY.len();
            self.bytes.drain(..kept);
        }
    }

    fn find(&mut self) {
        for needle in [&mut self.cron, &mut self.wakeup, &mut self.carry] {
            needle.find(&self.bytes);
        }
    }

    /// The calls in the line. If it cannot be parsed, its names count as calls at an unknown time.
    fn calls(&mut self) -> Calls {
        self.find();
        if !self.cron.is_found && !self.wakeup.is_found && !self.carry.is_found {
            return Calls::default();
        }

        let parsed: Option<Value> =
            if self.is_too_long { None } else { serde_json::from_slice(&self.bytes).ok() };
        let Some(record) = parsed else {
            return Calls {
                cron: (self.cron.is_found || self.carry.is_found).then_some(Timestamp::MAX),
                wakeup: self.wakeup.is_found.then_some(Timestamp::MAX),
            };
        };

        let time = record.get("timestamp").and_then(Value::as_str).and_then(Timestamp::parse);
        let time = time.unwrap_or(Timestamp::MAX);
        Calls {
            cron: (calls_tool(&record, CRON) || carries_schedule(&record)).then_some(time),
            wakeup: (calls_tool(&record, WAKEUP) || carries_wakeup(&record)).then_some(time),
        }
    }
}

/// Returns true if a session begins with a schedule of an earlier one. A field that is not known may be one.
fn carries_schedule(record: &Value) -> bool {
    let mut fields =
        carried(record).filter(|(name, _)| !matches!(name.as_str(), "type" | "wakeup"));
    fields.any(|(_, value)| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(values) => !values.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    })
}

fn carries_wakeup(record: &Value) -> bool {
    carried(record).any(|(name, value)| name == "wakeup" && !value.is_null())
}

/// The fields that a session takes over from an earlier one.
fn carried(record: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let attachment = record.get("attachment").and_then(Value::as_object);
    let carry =
        attachment.filter(|fields| fields.get("type").and_then(Value::as_str) == Some(CARRY));
    carry.into_iter().flatten()
}

/// Returns true if a record has a call of the tool at any depth: an object with its `name` and an `input`, or with a
/// type such as `tool_use`. A text that mentions the tool is no call, and neither are the lists and definitions of
/// tools that Claude Code writes into every transcript.
fn calls_tool(record: &Value, tool: &str) -> bool {
    match record {
        Value::Object(fields) => {
            let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
            let is_call = fields.get("name").and_then(Value::as_str) == Some(tool)
                && (fields.contains_key("input") || kind.ends_with("tool_use"));
            is_call || fields.values().any(|value| calls_tool(value, tool))
        }
        Value::Array(values) => values.iter().any(|value| calls_tool(value, tool)),
        _ => false,
    }
}

/// The transcripts of sessions, by the session's id in lower case.
pub type Transcripts = HashMap<String, Vec<PathBuf>>;

/// Lists the transcripts of these sessions below Claude Code's `projects`, in one pass: `<folder>/<session>.jsonl`, and
/// those of its subagents in `<folder>/<session>/`. Names are compared, and no path is built from an id.
///
/// # Errors
/// If a folder cannot be listed, or there are too many files.
pub fn transcripts<'s>(
    projects: &Path,
    sessions: impl IntoIterator<Item = &'s str>,
) -> io::Result<Transcripts> {
    let mut found: Transcripts =
        sessions.into_iter().map(|session| (session.to_ascii_lowercase(), Vec::new())).collect();
    if found.is_empty() {
        return Ok(found);
    }

    for folder in subfolders_and_links(projects)? {
        for entry in entries(&folder)? {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let stem = name.strip_suffix(".jsonl");
            let session = stem.unwrap_or(name).to_ascii_lowercase();
            match found.get_mut(&session) {
                Some(paths) if stem.is_some() => paths.push(entry.path()),
                Some(paths) => add_below(&entry.path(), DEEPEST, paths)?,
                None => {}
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
