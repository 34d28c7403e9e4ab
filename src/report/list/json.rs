//! The list for programs: one JSON object, or one that has those of several profiles. Its form is in
//! `docs/list.schema.json` and `docs/list-profiles.schema.json`.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::io::{self, Write};

use super::{List, Listed, Totals};
use crate::model::plain_json::write_plain;
use crate::model::{State, Timestamp, Warning};
use crate::report::json::{SCHEMA, Source};

/// Writes the list as one line of JSON.
pub fn write_list_json(list: &List, to: &mut dyn Write) -> io::Result<()> {
    write_plain(&All::of(list), to)
}

/// The list of one profile.
pub struct ListOfProfile<'l> {
    /// Its name.
    pub profile: &'l str,
    /// The exit code that a list of this profile alone has.
    pub exit: u8,
    /// The list; nothing if it failed.
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
    sessions: Vec<One<'l>>,
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

#[derive(Serialize)]
struct One<'l> {
    model: &'l str,
    chat_id: Option<&'l str>,
    session_id: Option<&'l str>,
    state: Option<State>,
    last_used: Option<String>,
    idle_seconds: Option<u64>,
    project: Option<&'l str>,
    message: Option<&'l str>,
    process: Option<Process<'l>>,
    file: Option<String>,
    size_bytes: Option<u64>,
    mtime: Option<String>,
    record: Option<String>,
    resume: Option<&'l str>,
    deleted_after: Option<String>,
}

#[derive(Serialize)]
struct Process<'l> {
    pid: u32,
    name: Option<&'l str>,
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
            sessions: list.sessions.iter().map(One::of).collect(),
            warnings: &list.warnings,
        }
    }
}

impl<'l> One<'l> {
    fn of(one: &'l Listed) -> Self {
        let time = |time: Option<Timestamp>| time.and_then(Timestamp::rfc3339);
        let process = one.process.as_ref();
        Self {
            model: &one.model,
            chat_id: one.chat.as_deref(),
            session_id: one.session.as_deref(),
            state: one.state,
            last_used: time(one.last_used),
            idle_seconds: one.idle_seconds,
            project: one.looked.project.as_deref(),
            message: one.looked.message.as_deref(),
            process: process.map(|of| Process { pid: of.pid, name: of.name.as_deref() }),
            file: one.file.as_ref().map(|file| file.to_string_lossy().into_owned()),
            size_bytes: one.looked.written.map(|_| one.looked.size),
            mtime: time(one.looked.written),
            record: time(one.looked.record),
            resume: one.resume.as_deref(),
            deleted_after: time(one.deletion.map(|deletion| deletion.after)),
        }
    }
}
