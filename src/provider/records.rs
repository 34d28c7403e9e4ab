//! The exact clock: when a session was last used, by the newest record in its file.
//!
//! A file's mtime moves when a session is only looked at; what its records tell does not. Only a
//! time at the top level of a record counts: what is quoted in one may be of any age. In doubt
//! nothing is told, since a time that is too old would make a session idle.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;

use super::compressed::Frames;
use super::json_text::text;
use super::lines::{self, LONGEST};
use crate::model::{Timestamp, describe};

/// How a CLI's files hold records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// Lines, some kinds of which are written without the session being used.
    Claude,
    /// Lines that all have a time; also compressed.
    Codex,
    /// Lines, of which messages count; or the messages of one object, as older versions write.
    Gemini,
    /// Nobody has seen any.
    Untold,
}

/// What a file's records say of its last use.
#[derive(Debug, PartialEq, Eq)]
pub enum Newest {
    /// The newest of them is of that time.
    At(Timestamp),
    /// All of the file was understood, and nothing in it counts.
    NoRecord,
    /// It could not be read, or not understood: why.
    Unread(String),
}

/// The time of the newest record in `file`, which is called `name`.
///
/// A file of lines is read from its end. The reading stops at a record of `enough` or later, so
/// that what is told is the newest of all unless it is at least `enough`.
pub fn newest(file: File, name: &OsStr, records: Records, enough: Timestamp) -> Newest {
    let name = name.as_bytes();
    let is_backward = !name.ends_with(b".zst") && !name.ends_with(b".json");
    let mut seen = Seen { is_backward, ..Seen::default() };
    let read = if records == Records::Untold {
        Err(io::Error::other("how its records look is not known"))
    } else if name.ends_with(b".zst") {
        lines::forward(BufReader::with_capacity(64 << 10, Frames::new(file)), |line| {
            seen.line(line, records);
            ControlFlow::Continue(())
        })
    } else if name.ends_with(b".json") {
        one_object(file, &mut seen)
    } else {
        lines::backward(&file, |block| {
            lines::split(block).for_each(|line| seen.line(line, records));
            if seen.newest >= Some(enough) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
    };
    match (read, seen) {
        // What was read until then may be older than what was not.
        (Err(error), _) => Newest::Unread(describe(&error)),
        (Ok(()), Seen { newest: Some(newest), .. }) if newest >= enough => Newest::At(newest),
        // What is not understood may be newer than all that is: a line that is being written.
        (Ok(()), Seen { missed: Some(why), .. }) => Newest::Unread(why),
        (Ok(()), Seen { newest: Some(newest), .. }) => Newest::At(newest),
        (Ok(()), Seen { newest: None, .. }) => Newest::NoRecord,
    }
}

/// The messages of one object. It is written whole and in place, so a torn one lacks its newest.
fn one_object(file: File, seen: &mut Seen) -> io::Result<()> {
    let mut text = Vec::new();
    if file.take(LONGEST as u64 + 1).read_to_end(&mut text)? > LONGEST {
        return Err(io::Error::other(format!("it is larger than {} MiB", LONGEST >> 20)));
    }
    let read = lines::messages(&text, |message| {
        match Record::parse(message.get().as_bytes()) {
            Ok(message) => seen.time(message.timestamp),
            Err(why) => seen.miss(why),
        }
        ControlFlow::Continue(())
    });
    read.map_err(|error| io::Error::other(format!("it is no whole JSON object: {error}")))
}

/// What has been seen of a file.
#[derive(Debug, Default)]
struct Seen {
    /// Whether the last comes first.
    is_backward: bool,
    newest: Option<Timestamp>,
    /// Why something was not understood that stands behind the last record that was.
    missed: Option<String>,
}

impl Seen {
    fn line(&mut self, line: &[u8], records: Records) {
        if line.trim_ascii().is_empty() {
            return;
        }
        match Record::parse(line) {
            Ok(record) if record.counts(records) => self.time(record.timestamp),
            Ok(_) => {}
            // A line that is being written, or the torn one of a CLI that was killed.
            Err(why) => self.miss(why),
        }
    }

    fn time(&mut self, timestamp: Option<&RawValue>) {
        let Some(timestamp) = timestamp else { return };
        match text(timestamp).as_deref().and_then(Timestamp::parse) {
            Some(time) => {
                self.newest = self.newest.max(Some(time));
                if !self.is_backward {
                    self.missed = None;
                }
            }
            None => self.miss("a record's timestamp is not one of RFC 3339".to_owned()),
        }
    }

    fn miss(&mut self, why: String) {
        if !self.is_backward || self.newest.is_none() {
            self.missed.get_or_insert(why);
        }
    }
}

/// The kinds of Claude's records that tell of no use, or that a mere look at a session writes.
/// Today's have no timestamp of their own; should they get one, it would still be no use.
const NO_USE: [&str; 7] = [
    "summary",
    "mode",
    "permission-mode",
    "cost-state",
    "last-prompt",
    "tools-used",
    "file-history-snapshot",
];

/// What is looked at in a record. The rest, which may be megabytes, is passed over unparsed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'l> {
    #[serde(borrow)]
    timestamp: Option<&'l RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'l RawValue>,
    id: Option<IgnoredAny>,
    start_time: Option<IgnoredAny>,
    last_updated: Option<IgnoredAny>,
    #[serde(rename = "$set")]
    set: Option<IgnoredAny>,
    #[serde(rename = "$rewindTo")]
    rewind_to: Option<IgnoredAny>,
}

impl<'l> Record<'l> {
    fn parse(line: &'l [u8]) -> Result<Self, String> {
        // serde takes a list for a struct as well, by the order of fields.
        if line.trim_ascii_start().first() != Some(&b'{') {
            return Err("a line is no JSON object".to_owned());
        }
        serde_json::from_slice(line).map_err(|error| format!("a line is no whole JSON: {error}"))
    }

    /// Whether its timestamp, if it has one, is that of a use.
    fn counts(&self, records: Records) -> bool {
        match records {
            Records::Claude => {
                !self.kind.and_then(text).is_some_and(|kind| NO_USE.contains(&kind.as_str()))
            }
            Records::Codex => true,
            Records::Gemini => {
                let is_header = self.start_time.is_some() || self.last_updated.is_some();
                let is_change = self.set.is_some() || self.rewind_to.is_some();
                self.id.is_some() && !is_header && !is_change
            }
            Records::Untold => false,
        }
    }
}

#[cfg(test)]
mod tests;
