//! The list for programs: one JSON object, or one that has those of several profiles. Its form is in
//! `docs/list.schema.json` and `docs/list-profiles.schema.json`.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::io::{self, Write};
use std::path::Path;

use super::{List, Listed, Totals};
use crate::model::Warning;
use crate::model::plain_json::write_plain;
use crate::report::json::{SCHEMA, Source, time};

/// Writes the list as one line of JSON.
pub fn write_list_json(list: &List, to: &mut dyn Write) -> io::Result<()> {
    write_plain(&All::of(list), to)
}

/// The list of one profile.
pub struct ListOfProfile<'l> {
    pub profile: &'l str,
    /// The exit code that a list of this profile alone has.
    pub exit: u8,
    /// The list, unless it failed.
    pub list: Option<&'l List>,
}

/// Writes the lists of several profiles as one line of JSON.
pub fn write_list_profiles(lists: &[ListOfProfile<'_>], to: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct One<'l> {
        profile: &'l str,
        exit: u8,
        report: Option<All<'l>>,
    }
    #[derive(Serialize)]
    struct Lists<'l> {
        schema: u32,
        version: &'static str,
        profiles: Vec<One<'l>>,
    }
    let profiles = lists
        .iter()
        .map(|of| One { profile: of.profile, exit: of.exit, report: of.list.map(All::of) })
        .collect();
    write_plain(&Lists { schema: SCHEMA, version: env!("CARGO_PKG_VERSION"), profiles }, to)
}

#[derive(Serialize)]
struct All<'l> {
    schema: u32,
    version: &'static str,
    listed_at: Option<String>,
    threshold_seconds: u64,
    source: Source,
    unmapped: bool,
    summary: Summary<'l>,
    sessions: Vec<Entry<'l>>,
    warnings: &'l [Warning],
}

/// The totals, with a field for each state.
struct Summary<'l> {
    totals: &'l Totals,
    shown: usize,
}

impl Serialize for Summary<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_map(None)?;
        object.serialize_entry("total", &self.totals.count)?;
        object.serialize_entry("shown", &self.shown)?;
        object.serialize_entry("size_bytes", &self.totals.bytes)?;
        for (state, count) in &self.totals.states {
            object.serialize_entry(state, count)?;
        }
        object.end()
    }
}

/// One row of the list.
struct Entry<'l>(&'l Listed);

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Listed { looked, .. } = self.0;
        let mut object = to.serialize_map(None)?;
        object.serialize_entry("model", &self.0.model)?;
        object.serialize_entry("chat_id", &self.0.chat)?;
        object.serialize_entry("session_id", &self.0.session)?;
        object.serialize_entry("state", &self.0.state)?;
        object.serialize_entry("last_used", &time(self.0.last_used))?;
        object.serialize_entry("idle_seconds", &self.0.idle_seconds)?;
        object.serialize_entry("project", &looked.project)?;
        object.serialize_entry("message", &looked.message)?;
        object.serialize_entry("process", &self.0.process)?;
        object.serialize_entry("file", &self.0.file.as_deref().map(Path::to_string_lossy))?;
        object.serialize_entry("size_bytes", &looked.written.map(|_| looked.size))?;
        object.serialize_entry("mtime", &time(looked.written))?;
        object.serialize_entry("record", &time(looked.record))?;
        object.serialize_entry("resume", &self.0.resume)?;
        let deleted_after = time(self.0.deletion.map(|deletion| deletion.after));
        object.serialize_entry("deleted_after", &deleted_after)?;
        object.end()
    }
}

impl<'l> All<'l> {
    fn of(list: &'l List) -> Self {
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            listed_at: list.listed.rfc3339(),
            threshold_seconds: list.threshold.seconds(),
            source: Source::of(&list.source),
            unmapped: list.unmapped,
            summary: Summary { totals: &list.totals, shown: list.sessions.len() },
            sessions: list.sessions.iter().map(Entry).collect(),
            warnings: &list.warnings,
        }
    }
}
