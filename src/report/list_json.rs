//! The list for programs: one JSON object. Its form is in `docs/list.schema.json`, and that of the lists of
//! several profiles in `docs/list-profiles.schema.json`.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::io::{self, Write};
use std::path::Path;

use super::json::{SCHEMA, Source};
use super::list::{Holder, List, Listed};
use super::look::time;
use super::process::{DetailsJson, ProcessJson};
use crate::model::plain_json::write_plain;

/// Writes the list as one line of JSON.
pub fn write_list_json(list: &List, to: &mut dyn Write) -> io::Result<()> {
    write_plain(list, to)
}

impl Serialize for List {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_map(None)?;
        object.serialize_entry("schema", &SCHEMA)?;
        object.serialize_entry("version", env!("CARGO_PKG_VERSION"))?;
        object.serialize_entry("listed_at", &time(Some(self.listed)))?;
        object.serialize_entry("threshold_seconds", &self.threshold.seconds())?;
        object.serialize_entry("source", &Source::of(&self.source))?;
        object.serialize_entry("unmapped", &self.unmapped)?;
        object.serialize_entry("summary", &Summary(self))?;
        object.serialize_entry("sessions", &self.sessions)?;
        let processes: Vec<_> = self.processes.iter().map(DetailsJson::of).collect();
        object.serialize_entry("processes", &processes)?;
        object.serialize_entry("warnings", &self.warnings)?;
        object.end()
    }
}

/// The totals, with a field for each state.
struct Summary<'l>(&'l List);

impl Serialize for Summary<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let totals = &self.0.totals;
        let mut object = to.serialize_map(None)?;
        object.serialize_entry("total", &totals.count)?;
        object.serialize_entry("shown", &self.0.sessions.len())?;
        object.serialize_entry("size_bytes", &totals.bytes)?;
        for (state, count) in &totals.states {
            object.serialize_entry(state, count)?;
        }
        object.end()
    }
}

impl Serialize for Listed {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let looked = &self.looked;
        let mut object = to.serialize_map(None)?;
        object.serialize_entry("model", &self.model)?;
        object.serialize_entry("chat_id", &self.chat)?;
        object.serialize_entry("session_id", &self.session)?;
        object.serialize_entry("state", &self.state)?;
        object.serialize_entry("last_used", &time(self.last_used))?;
        object.serialize_entry("idle_seconds", &self.idle_seconds)?;
        object.serialize_entry("project", &looked.project)?;
        object.serialize_entry("message", &looked.message)?;
        object.serialize_entry("process", &self.process.as_ref().map(HolderJson::of))?;
        object.serialize_entry("file", &self.file.as_deref().map(Path::to_string_lossy))?;
        object.serialize_entry("size_bytes", &looked.written.map(|_| looked.size))?;
        object.serialize_entry("mtime", &time(looked.written))?;
        object.serialize_entry("record", &time(looked.record))?;
        object.serialize_entry("resume", &self.resume)?;
        let deleted_after = time(self.deletion.map(|deletion| deletion.after));
        object.serialize_entry("deleted_after", &deleted_after)?;
        object.end()
    }
}

/// The process that uses a session; only a CLI with a record has more than a name.
#[derive(Serialize)]
struct HolderJson<'a> {
    name: Option<&'a str>,
    #[serde(flatten)]
    process: ProcessJson<'a>,
}

impl<'a> HolderJson<'a> {
    fn of(holder: &'a Holder) -> Self {
        let process = match &holder.cli {
            Some(cli) => ProcessJson::of(cli),
            None => ProcessJson::unknown(holder.pid),
        };
        Self { name: holder.name.as_deref(), process }
    }
}
