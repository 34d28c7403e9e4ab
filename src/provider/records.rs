//! The exact clock: the newest record in a session's file is its last use.
//!
//! A file's mtime also moves when a session is only opened. Only a time at the top level of a record counts:
//! quoted text may be of any age. In doubt there is no time, since one that is too old would make a session
//! idle.

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
use crate::os::interrupt::Interrupt;
use crate::os::reading::{Pace, check_size};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// Lines, some kinds of which are written without the session being used.
    Claude,
    /// Lines that all have a time; also compressed.
    Codex,
    /// Lines, of which messages count; or the messages of one object, as older versions write.
    Gemini,
    /// The format of its records is unknown.
    Unknown,
}

/// The last use by a file's records.
#[derive(Debug, PartialEq, Eq)]
pub enum Newest {
    At(Timestamp),
    /// All of the file was understood, and no record counts.
    NoRecord,
    /// It could not be read, or not understood: why.
    Unread(String),
}

/// Returns the time of the newest record in `file`, which is called `name`. A file of lines is read from its
/// end, and only up to a record of `enough` or later: then there may be a newer one. A signal, and the end of the
/// run's time to read, end it early.
pub fn newest(
    file: File,
    name: &OsStr,
    records: Records,
    enough: Timestamp,
    interrupt: &Interrupt,
) -> Newest {
    let name = name.as_bytes();
    let is_backward = !name.ends_with(b".zst") && !name.ends_with(b".json");
    let mut seen = Seen { is_backward, ..Seen::default() };
    let read = if records == Records::Unknown {
        Err(io::Error::other("how its records look is not known"))
    } else if name.ends_with(b".zst") {
        lines::forward(BufReader::with_capacity(64 << 10, Frames::new(file, interrupt)), |line| {
            seen.line(line, records);
            ControlFlow::Continue(())
        })
    } else if name.ends_with(b".json") {
        one_object(file, &mut seen, interrupt)
    } else {
        lines::backward(&file, interrupt, |block| {
            lines::split(block).for_each(|line| seen.line(line, records));
            if seen.newest >= Some(enough) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
    };

    match (read, seen) {
        // The records until then may be older than the others.
        (Err(error), _) => Newest::Unread(describe(&error)),
        (Ok(()), Seen { newest: Some(newest), .. }) if newest >= enough => Newest::At(newest),
        // The part that was not understood may be the newest: a line that is being written.
        (Ok(()), Seen { missed: Some(why), .. }) => Newest::Unread(why),
        (Ok(()), Seen { newest: Some(newest), .. }) => Newest::At(newest),
        (Ok(()), Seen { newest: None, .. }) => Newest::NoRecord,
    }
}

/// The messages of one object. It is written whole and in place, so a torn one lacks its newest.
fn one_object(file: File, seen: &mut Seen, interrupt: &Interrupt) -> io::Result<()> {
    let mut pace = Pace::new(interrupt);
    pace.step()?;
    let (most, mut text) = (LONGEST as u64, Vec::new());
    check_size(file.metadata()?.len(), most)?;
    check_size(file.take(most + 1).read_to_end(&mut text)? as u64, most)?;
    pace.step()?;

    let read = lines::messages(&text, |message| {
        match Record::parse(message.get().as_bytes()) {
            Ok(message) => seen.time(message.timestamp),
            Err(why) => seen.miss(why),
        }
        ControlFlow::Continue(())
    });
    pace.step()?;
    read.map_err(|error| io::Error::other(format!("it is no whole JSON object: {error}")))
}

#[derive(Debug, Default)]
struct Seen {
    is_backward: bool,
    newest: Option<Timestamp>,
    /// Why a part of the file after the last known record was not understood.
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

/// The kinds of Claude's records that are no use, such as those written when a session is only opened. Today
/// they have no timestamp.
const NO_USE: [&str; 7] = [
    "summary",
    "mode",
    "permission-mode",
    "cost-state",
    "last-prompt",
    "tools-used",
    "file-history-snapshot",
];

/// The members of a record that count. The rest, which may be megabytes, is skipped.
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

    /// Returns true if its timestamp, if it has one, is a use.
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
            Records::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests;
