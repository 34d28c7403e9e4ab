//! The whole process record of Claude Code, `sessions/<pid>.json`, as far as a release depends on it.
//!
//! To be joined with `provider/process_records.rs`, which looks for signs of work. This one is stricter: a field of
//! another type than Claude Code writes is as good as absent, and each condition keeps a process whose record
//! lacks a field that it needs.

use serde::Deserialize;
use serde_json::Value;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::Timestamp;
use crate::os::folder::Links;
use crate::os::reading;

/// A record is read up to here; Claude Code writes a few hundred bytes.
const LARGEST: u64 = 1 << 20;

/// How long to wait, in turn, before a record that does not parse is read again: it is rewritten in place. That
/// is 45 ms in all.
const WAITS: [Duration; 3] =
    [Duration::from_millis(5), Duration::from_millis(15), Duration::from_millis(25)];

/// A record that parses. A field is nothing if it is absent or of another type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The process.
    pub pid: Option<u32>,
    /// When it started, as field 22 of `stat`.
    pub start: Option<u64>,
    /// Its machine and PID namespace.
    pub pid_domain: Option<String>,
    /// The session that it has open.
    pub session: Option<String>,
    /// The folder that it works in.
    pub folder: Option<PathBuf>,
    /// The version of Claude Code.
    pub version: Option<String>,
    /// When it started, by the clock.
    pub started: Option<Timestamp>,
    /// `idle`, `busy`, `waiting` or `shell`.
    pub status: Option<String>,
    /// When that began.
    pub status_updated: Option<Timestamp>,
    /// `interactive` or `bg`.
    pub kind: Option<String>,
    /// The program that started it, such as `sdk-ts`.
    pub entrypoint: Option<String>,
    /// True if it belongs to a job, by `jobId` of any type but null.
    pub has_job: bool,
    /// True if it serves a remote session, by `bridgeSessionId` of any type but null.
    pub has_bridge_session: bool,
    /// The socket at which it listens.
    pub socket: Option<PathBuf>,
}

/// The result of reading a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordReading {
    /// The record.
    Whole(Box<Record>),
    /// There is none: the process is starting, ending, or no Claude Code.
    Absent,
    /// It does not parse, however often it is read.
    Torn,
    /// It cannot be read.
    Unreadable,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    pid: Option<Value>,
    proc_start: Option<Value>,
    pid_domain: Option<Value>,
    session_id: Option<Value>,
    cwd: Option<Value>,
    version: Option<Value>,
    started_at: Option<Value>,
    status: Option<Value>,
    status_updated_at: Option<Value>,
    kind: Option<Value>,
    entrypoint: Option<Value>,
    job_id: Option<Value>,
    bridge_session_id: Option<Value>,
    messaging_socket_path: Option<Value>,
}

impl RecordReading {
    /// Reads the record of process `pid` in `folder`, the CLI's `sessions`, and waits up to 45 ms for it to be whole.
    pub fn read(folder: &Path, pid: u32) -> Self {
        let mut reading = Self::read_once(folder, pid);
        for wait in WAITS {
            if reading != Self::Torn {
                break;
            }
            std::thread::sleep(wait);
            reading = Self::read_once(folder, pid);
        }
        reading
    }

    /// Reads it without waiting: for the last look, which has no time to.
    pub fn read_once(folder: &Path, pid: u32) -> Self {
        match reading::whole(&folder.join(format!("{pid}.json")), Links::Refuse, LARGEST) {
            Ok(bytes) => {
                Record::parse(&bytes).map_or(Self::Torn, |record| Self::Whole(record.into()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Self::Absent,
            Err(_) => Self::Unreadable,
        }
    }

    /// The record, if it was whole.
    pub fn record(&self) -> Option<&Record> {
        match self {
            Self::Whole(record) => Some(record),
            Self::Absent | Self::Torn | Self::Unreadable => None,
        }
    }
}

impl Record {
    /// Reads a record; nothing if it is not one JSON object, or names a field twice.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        // A list would be taken for the fields in their order.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return None;
        }

        let content: Content = serde_json::from_slice(bytes).ok()?;
        Some(Self {
            pid: content.pid.and_then(|pid| u32::try_from(pid.as_u64()?).ok()),
            start: content.proc_start.as_ref().and_then(start),
            pid_domain: text(content.pid_domain),
            session: text(content.session_id),
            folder: text(content.cwd).and_then(absolute),
            version: text(content.version),
            started: content.started_at.as_ref().and_then(time),
            status: text(content.status),
            status_updated: content.status_updated_at.as_ref().and_then(time),
            kind: text(content.kind),
            entrypoint: text(content.entrypoint),
            has_job: content.job_id.is_some(),
            has_bridge_session: content.bridge_session_id.is_some(),
            socket: text(content.messaging_socket_path).and_then(absolute),
        })
    }

    /// Returns true if its status is `idle`.
    pub fn is_idle(&self) -> bool {
        self.status.as_deref() == Some("idle")
    }
}

/// `procStart` is a string of digits, or the number itself.
fn start(value: &Value) -> Option<u64> {
    match value {
        Value::String(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok()
        }
        value => value.as_u64(),
    }
}

fn text(value: Option<Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

fn absolute(path: String) -> Option<PathBuf> {
    Some(PathBuf::from(path)).filter(|path| path.is_absolute())
}

/// Whole milliseconds since 1970.
fn time(value: &Value) -> Option<Timestamp> {
    Some(Timestamp::new(0, 0).after(Duration::from_millis(value.as_u64()?)))
}

#[cfg(test)]
mod tests;
