//! The report for programs: one JSON object, stable from the first release, written as it is made.

use serde::ser::{SerializeMap, Serializer};
use serde::{Serialize, ser};
use serde_json::ser::{CharEscape, Formatter};
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Display;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::escape::is_unsafe;
use super::{Report, Row};
use crate::domain::{Timestamp, Zone};

/// The version of the report's form.
pub(super) const SCHEMA: u32 = 1;

/// How many bytes are written at once.
const AT_ONCE: usize = 64 << 10;

/// Writes the report as one line of JSON.
pub fn write_json(report: &Report<'_>, to: &mut dyn Write) -> io::Result<()> {
    write_plain(report, to)
}

/// Writes that value as one line, with nothing in it that a terminal would act on.
pub fn write_plain(value: &impl Serialize, to: &mut dyn Write) -> io::Result<()> {
    // JSON is written in very small pieces.
    let mut to = BufWriter::with_capacity(AT_ONCE, to);
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut to, Plain))?;
    writeln!(to)?;
    to.flush()
}

/// How the run of one profile ended.
#[derive(Serialize)]
pub struct OfProfile<'a> {
    /// Its name.
    pub profile: &'a str,
    /// The code it would have ended with alone.
    pub exit: u8,
    /// Its report; nothing where it failed.
    pub report: Option<Report<'a>>,
}

/// Writes the reports of several profiles as one line of JSON.
pub fn write_profiles(profiles: &[OfProfile<'_>], to: &mut dyn Write) -> io::Result<()> {
    write_plain(&AllProfiles { schema: SCHEMA, version: env!("CARGO_PKG_VERSION"), profiles }, to)
}

#[derive(Serialize)]
struct AllProfiles<'a> {
    schema: u32,
    version: &'static str,
    profiles: &'a [OfProfile<'a>],
}

impl Serialize for Report<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_map(None)?;
        object.serialize_entry("schema", &SCHEMA)?;
        object.serialize_entry("version", env!("CARGO_PKG_VERSION"))?;
        object.serialize_entry("run", self.run)?;
        object.serialize_entry("started_at", &time(Some(self.started)))?;
        object.serialize_entry("dry_run", &self.dry_run)?;
        object.serialize_entry("threshold_seconds", &self.thresholds.usual.seconds())?;
        object.serialize_entry("cutoff", &time(Some(self.cutoff)))?;
        object.serialize_entry("source", &Source::of(&self.source))?;
        object.serialize_entry("summary", &self.summary())?;
        object.serialize_entry("sessions", &Each(RefCell::new(Some(self.rows()))))?;
        object.serialize_entry("warnings", self.warnings)?;
        object.end()
    }
}

#[derive(Serialize)]
pub(super) struct Source {
    kind: &'static str,
    map: Option<String>,
    url: Option<String>,
}

impl Source {
    pub(super) fn of(source: &crate::bridge::Source) -> Self {
        Self {
            kind: if source.url.is_some() { "bridge" } else { "file" },
            map: source.map.as_ref().map(|path| path.to_string_lossy().into_owned()),
            url: source.url.clone(),
        }
    }
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_map(Some(9))?;
        object.serialize_entry("model", self.mapping.model)?;
        object.serialize_entry("chat_id", self.mapping.chat.0)?;
        object.serialize_entry("session_id", &self.mapping.session.map(|id| id.0))?;
        object.serialize_entry("state", &self.state)?;
        object.serialize_entry("last_used", &time(self.last_used))?;
        object.serialize_entry("idle_seconds", &self.idle_seconds)?;
        object.serialize_entry("file", &self.file.map(shown_path))?;
        object.serialize_entry("action", &self.action)?;
        match self.held_for(Zone::Utc) {
            Some(told) => object.serialize_entry("reason", &told)?,
            None if self.process.is_some() => object.serialize_entry("reason", &self.why())?,
            None => object.serialize_entry("reason", &Shown(self.reason))?,
        }
        object.end()
    }
}

/// A path as text, for which `to_string_lossy` alone takes twice as long.
fn shown_path(path: &Path) -> Cow<'_, str> {
    path.to_str().map_or_else(|| path.to_string_lossy(), Cow::Borrowed)
}

/// What is written as it is shown.
struct Shown<T>(T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

fn time(time: Option<Timestamp>) -> Option<String> {
    time.and_then(Timestamp::rfc3339)
}

/// An array written out of an iterator, so that a long one need not be kept.
struct Each<I>(RefCell<Option<I>>);

impl<I: Iterator<Item: Serialize>> Serialize for Each<I> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.borrow_mut().take() {
            Some(items) => to.collect_seq(items),
            None => Err(ser::Error::custom("an iterator is written once")),
        }
    }
}

/// Compact JSON in which nothing that a terminal would act on stands raw (X3).
struct Plain;

impl Formatter for Plain {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        to: &mut W,
        text: &str,
    ) -> io::Result<()> {
        // Nearly all that is written is plain, and checked many bytes at once.
        if text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~')) {
            return to.write_all(text.as_bytes());
        }
        let mut rest = text;
        while let Some((place, letter)) = rest.char_indices().find(|(_, c)| is_unsafe(*c)) {
            to.write_all(&rest.as_bytes()[..place])?;
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                write!(to, "\\u{unit:04x}")?;
            }
            rest = &rest[place + letter.len_utf8()..];
        }
        to.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(
        &mut self,
        to: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        serde_json::ser::CompactFormatter.write_char_escape(to, escape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_characters_never_stand_raw_and_read_back_the_same_x3() {
        let text = "a\x7fb\u{9b}c\u{202e}d\u{e0041}\u{1F600}é\"\\\n\x1b";
        let mut out = Vec::new();
        text.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Plain)).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(!out.chars().any(is_unsafe), "{out:?}");
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
    }
}
