//! The report for programs: one JSON object, stable from the first release, written as it is made.

use serde::ser::{SerializeMap, Serializer};
use serde::{Serialize, ser};
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use super::look::time;
use super::process::{DetailsJson, ProcessJson, release};
use super::run::{Report, Row};
use crate::model::Zone;
use crate::model::plain_json::write_plain;

/// The version of the report's form.
pub(super) const SCHEMA: u32 = 1;

/// Writes the report as one line of JSON.
pub fn write_json(report: &Report<'_>, to: &mut dyn Write) -> io::Result<()> {
    write_plain(report, to)
}

/// The report of one profile, or its list.
#[derive(Serialize)]
pub struct OfProfile<'a, T = Report<'a>> {
    pub profile: &'a str,
    /// The exit code that this profile alone would have had.
    pub exit: u8,
    /// Nothing if it failed.
    pub report: Option<T>,
}

/// Writes the reports of several profiles as one line of JSON.
pub fn write_profiles<T: Serialize>(
    profiles: &[OfProfile<'_, T>],
    to: &mut dyn Write,
) -> io::Result<()> {
    #[derive(Serialize)]
    struct All<'a, T> {
        schema: u32,
        version: &'static str,
        profiles: &'a [OfProfile<'a, T>],
    }
    write_plain(&All { schema: SCHEMA, version: env!("CARGO_PKG_VERSION"), profiles }, to)
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
        let leftovers: Vec<_> = self.plan.leftovers.iter().map(DetailsJson::of).collect();
        object.serialize_entry("leftovers", &leftovers)?;
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
    pub(super) fn of(source: &crate::map::Source) -> Self {
        Self {
            kind: if source.url.is_some() { "bridge" } else { "file" },
            map: source.map.as_ref().map(|path| path.to_string_lossy().into_owned()),
            url: source.url.clone(),
        }
    }
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_map(Some(10))?;
        object.serialize_entry("model", self.mapping.model)?;
        object.serialize_entry("chat_id", self.mapping.chat.0)?;
        object.serialize_entry("session_id", &self.mapping.session.map(|id| id.0))?;
        object.serialize_entry("state", &self.state)?;
        object.serialize_entry("last_used", &time(self.last_used))?;
        object.serialize_entry("idle_seconds", &self.idle_seconds)?;
        object.serialize_entry("file", &self.file.map(shown_path))?;
        object.serialize_entry("process", &self.cli_process.map(ProcessJson::of))?;
        object.serialize_entry("action", &self.action)?;
        match self.cli_process.and_then(release).map(str::to_owned).or(self.held_for(Zone::Utc)) {
            Some(reason) => object.serialize_entry("reason", &reason)?,
            None if self.process.is_some()
                || self.cli_process.is_some_and(|it| it.release.is_some()) =>
            {
                object.serialize_entry("reason", &self.why())?;
            }
            None => object.serialize_entry("reason", &Shown(self.reason))?,
        }
        object.end()
    }
}

/// A path as text, for which `to_string_lossy` alone takes twice as long.
fn shown_path(path: &Path) -> Cow<'_, str> {
    path.to_str().map_or_else(|| path.to_string_lossy(), Cow::Borrowed)
}

/// A value that is written as it is shown.
struct Shown<T>(T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
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
