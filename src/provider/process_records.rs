//! The record that Claude Code keeps of each of its processes, `sessions/<pid>.json`: which session it
//! has open, and whether it is idle. Seen in 2.1.332; `status` is there since 2.1.139 (read).

use serde::Deserialize;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use super::descriptor::{Base, Provider};
use super::io_error::is_gone;
use crate::model::{Timestamp, describe};
use crate::os::folder::Folder;
use crate::os::retry::{Patience, until_whole};
use crate::process::{is_alive, pid_domain, started};

/// A record is read up to here; Claude Code writes a few hundred bytes.
const LARGEST: u64 = 1 << 20;

/// The most records, and the most bytes of all of them, that are read.
const MOST: usize = 100_000;
const MOST_BYTES: u64 = 64 << 20;

/// How long a record that does not parse is read again: it is rewritten in place.
const PATIENCE: Patience =
    Patience { limit: Duration::from_millis(45), longest_wait: Duration::from_millis(25) };

/// For how long after its last change a record of another PID namespace keeps its session, in seconds.
const KEPT_ELSEWHERE: u64 = 24 * 3600;

/// All records of one home.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) whole: Vec<Record>,
    /// The processes whose record does not parse, each with its bytes.
    pub(super) torn: HashMap<u32, Vec<u8>>,
}

/// One record.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) pid: u32,
    pub(super) session_id: String,
    pub(super) status: Option<String>,
    pub(super) status_updated: Option<Timestamp>,
    proc_start: Option<serde_json::Value>,
    pid_domain: Option<String>,
    /// When the record was last written.
    written: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    pid: u32,
    session_id: String,
    status: Option<serde_json::Value>,
    status_updated_at: Option<serde_json::Value>,
    proc_start: Option<serde_json::Value>,
    pid_domain: Option<serde_json::Value>,
}

/// A live process in our PID namespace, and the session that it has open, by its own record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedProcess {
    pub pid: u32,
    pub session: String,
    pub status: Option<String>,
    /// When that status began.
    pub status_updated: Option<Timestamp>,
}

/// Returns the live processes of a provider, by their records. Those that cannot be read are left out: the
/// look at work reports them.
pub fn recorded_processes(
    provider: &Provider,
    base: &Base,
    now: Timestamp,
) -> Vec<RecordedProcess> {
    let Some(name) = provider.signs.records else { return Vec::new() };
    let records = Folder::open(&base.folder.join(name)).and_then(|folder| Records::read(&folder));
    let all = records.into_iter().flat_map(|records| records.whole);
    let live = all.filter(|record| record.liveness(now) == Liveness::Here);
    live.map(|record| RecordedProcess {
        pid: record.pid,
        session: record.session_id,
        status: record.status,
        status_updated: record.status_updated,
    })
    .collect()
}

/// Whether the process of a record is alive, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Liveness {
    /// In our PID namespace, and it is that very process.
    Here,
    /// In another PID namespace, where it may still live.
    Elsewhere,
    /// It has ended.
    Ended,
}

impl Records {
    /// Reads every record in `folder`.
    pub(super) fn read(folder: &Folder) -> io::Result<Self> {
        let mut names = Vec::new();
        folder.list(|entry| {
            if pid_of(entry.name()).is_some() {
                if names.len() == MOST {
                    return Err(io::Error::other("too many records"));
                }
                names.push(entry.name().to_owned());
            }
            Ok(ControlFlow::Continue(()))
        })?;

        let mut records = Self::default();
        let mut torn = names;
        let read = until_whole(PATIENCE, None, || {
            records.torn.clear();
            match records.read_files(folder, std::mem::take(&mut torn)) {
                Err(error) => Ok(Err(error)),
                Ok(left) if left.is_empty() => Ok(Ok(())),
                Ok(left) => {
                    torn = left;
                    Err(())
                }
            }
        });
        // What is still torn is part of the result.
        read.unwrap_or(Ok(())).map(|()| records)
    }

    /// Adds the records in those files. Returns the files of live processes that do not parse.
    fn read_files(&mut self, folder: &Folder, names: Vec<OsString>) -> io::Result<Vec<OsString>> {
        let (mut torn, mut left) = (Vec::new(), MOST_BYTES);
        for name in names {
            let read = folder
                .status(&name)
                .and_then(|status| Ok((status, folder.read_start(&name, LARGEST)?)));
            let (status, bytes) = match read {
                Ok(read) => read,
                Err(error) if is_gone(&error) => continue,
                // The record of a process that has ended shows nothing of now.
                Err(_) if !pid_of(&name).is_some_and(is_alive) => continue,
                Err(error) => {
                    let why = format!("{}: {}", name.to_string_lossy(), describe(&error));
                    return Err(io::Error::other(why));
                }
            };
            left = left
                .checked_sub(bytes.len() as u64)
                .ok_or_else(|| io::Error::other("its records are larger than 64 MiB"))?;
            match serde_json::from_slice(&bytes) {
                Ok(content) => self.whole.push(Record::new(content, status.written)),
                Err(_) => {
                    if let Some(pid) = pid_of(&name).filter(|pid| is_alive(*pid)) {
                        self.torn.insert(pid, bytes);
                        torn.push(name);
                    }
                }
            }
        }
        Ok(torn)
    }
}

/// The process that a record's file is named by.
fn pid_of(name: &OsStr) -> Option<u32> {
    std::str::from_utf8(name.as_bytes().strip_suffix(b".json")?).ok()?.parse().ok()
}

impl Record {
    fn new(content: Content, written: Timestamp) -> Self {
        let text = |value: Option<serde_json::Value>| match value? {
            serde_json::Value::String(text) => Some(text),
            other => Some(other.to_string()),
        };
        let milliseconds = content.status_updated_at.and_then(|at| at.as_f64());
        Self {
            pid: content.pid,
            session_id: content.session_id,
            status: text(content.status),
            status_updated: milliseconds.and_then(of_milliseconds),
            proc_start: content.proc_start,
            pid_domain: text(content.pid_domain),
            written,
        }
    }

    pub(super) fn liveness(&self, now: Timestamp) -> Liveness {
        if let (Some(theirs), Some(ours)) = (&self.pid_domain, pid_domain())
            && theirs != ours
        {
            let age = self.written.seconds_until(now);
            return if age <= KEPT_ELSEWHERE { Liveness::Elsewhere } else { Liveness::Ended };
        }
        if is_alive(self.pid) && !self.is_of_another_process() {
            Liveness::Here
        } else {
            Liveness::Ended
        }
    }

    /// Returns true if the process of that id started at another time than the record names.
    fn is_of_another_process(&self) -> bool {
        let named = self.proc_start.as_ref().and_then(|start| match start {
            serde_json::Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        });
        named.zip(started(self.pid)).is_some_and(|(named, ticks)| {
            // It is field 22 of `stat`. A time of day, as another version may write, is not compared.
            named != ticks && named < LEAST_TIME
        })
    }
}

/// The first of September 2001 in seconds, and as many clock ticks as 115 days have.
const LEAST_TIME: u64 = 1_000_000_000;

/// The time that many milliseconds after 1970.
#[expect(clippy::cast_possible_truncation, reason = "times beyond what i64 holds are cut to it")]
fn of_milliseconds(milliseconds: f64) -> Option<Timestamp> {
    if !milliseconds.is_finite() {
        return None;
    }
    let milliseconds = milliseconds as i64;
    let nanoseconds = u32::try_from(milliseconds.rem_euclid(1000)).ok()? * 1_000_000;
    Some(Timestamp::new(milliseconds.div_euclid(1000), nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(json: &str, written: i64) -> Record {
        Record::new(serde_json::from_str(json).unwrap(), Timestamp::new(written, 0))
    }

    #[test]
    fn a_record_of_another_namespace_keeps_for_a_day_e4() {
        let json = r#"{"pid":1,"sessionId":"s","pidDomain":"linux:other:pid:[1]","status":"idle"}"#;
        let now = Timestamp::new(1_000_000, 0);
        assert_eq!(record(json, 1_000_000 - 86_400).liveness(now), Liveness::Elsewhere);
        assert_eq!(record(json, 1_000_000 - 86_401).liveness(now), Liveness::Ended);
    }

    #[test]
    fn a_record_holds_for_the_process_that_started_then_e4() {
        let us = std::process::id();
        let now = Timestamp::new(0, 0);
        let check = |start: &str, expected| {
            let json = format!(r#"{{"pid":{us},"sessionId":"s"{start}}}"#);
            assert_eq!(record(&json, 0).liveness(now), expected, "{start}");
        };
        check("", Liveness::Here);
        check(r#","procStart":null"#, Liveness::Here);
        check(r#","procStart":"Fri Nov 27""#, Liveness::Here);
        check(r#","procStart":1795812417764"#, Liveness::Here);
        if let Some(ticks) = started(us) {
            check(&format!(r#","procStart":"{ticks}""#), Liveness::Here);
            check(&format!(r#","procStart":"{}""#, ticks + 1), Liveness::Ended);
        }
    }

    #[test]
    fn times_of_records_are_milliseconds() {
        let updated = |value: &str| {
            let json = format!(r#"{{"pid":1,"sessionId":"s","statusUpdatedAt":{value}}}"#);
            record(&json, 0).status_updated
        };
        assert_eq!(updated("1795812417764"), Some(Timestamp::new(1_795_812_417, 764_000_000)));
        assert_eq!(updated("-1"), Some(Timestamp::new(-1, 999_000_000)));
        assert_eq!(updated("null"), None);
        assert_eq!(updated("\"x\""), None);
    }

    #[test]
    fn only_numbers_name_a_process() {
        assert_eq!(pid_of(OsStr::new("4121.json")), Some(4121));
        for name in ["4121.0f.key", "x.json", "4121", ".json"] {
            assert_eq!(pid_of(OsStr::new(name)), None, "{name}");
        }
    }
}
