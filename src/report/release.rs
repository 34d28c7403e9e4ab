//! The report of `release`: a row for each process that was considered, and the totals.

use owo_colors::Style;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::io::{self, Write};
use std::path::PathBuf;

use super::json::{SCHEMA, Source};
use super::look::{Look, age, counted_processes, time};
use super::process::{DetailsJson, amount, memory, release};
use super::shorten::shortened;
use super::table::Table;
use crate::map;
use crate::model::escape::escape;
use crate::model::plain_json::write_plain;
use crate::model::{Action, IdleThreshold, ProcessDetails, Release, Timestamp, Warning};

/// The result of `release`.
#[derive(Debug)]
pub struct ReleaseReport {
    pub run: String,
    pub profile: Option<String>,
    pub started: Timestamp,
    /// True if nothing was ended.
    pub dry_run: bool,
    /// How long a process must be idle.
    pub after: IdleThreshold,
    pub source: map::Source,
    /// The map's path with links resolved, if it is known.
    pub map: Option<PathBuf>,
    pub rows: Vec<ReleaseRow>,
    /// Where maps are instead, if there is no map.
    pub hint: Option<String>,
    pub warnings: Vec<Warning>,
}

/// One process, and the chats that have its session.
#[derive(Debug)]
pub struct ReleaseRow {
    /// As `model/chat`; empty for a process without a mapping.
    pub chats: Vec<String>,
    pub details: ProcessDetails,
}

impl ReleaseRow {
    fn action(&self) -> Action {
        match self.details.process.release {
            Some(Release::Released) => Action::Released,
            Some(Release::WouldRelease) => Action::WouldRelease,
            Some(Release::Kept(_) | Release::Ending) | None => Action::Kept,
        }
    }

    fn is_ending(&self) -> bool {
        self.details.process.release == Some(Release::Ending)
    }

    pub fn would_release(&self) -> bool {
        self.action() == Action::WouldRelease
    }

    fn memory_bytes(&self) -> u64 {
        self.details.process.holdings.map_or(0, |held| held.memory.bytes)
    }
}

impl ReleaseReport {
    /// Returns how many processes were ended.
    pub fn released(&self) -> usize {
        self.count(Action::Released)
    }

    /// Returns how many processes a run that is no dry run would end.
    pub fn would_release(&self) -> usize {
        self.count(Action::WouldRelease)
    }

    /// Returns how many processes were asked to end and still run.
    pub fn ending(&self) -> usize {
        self.rows.iter().filter(|row| row.is_ending()).count()
    }

    fn count(&self, action: Action) -> usize {
        self.rows.iter().filter(|row| row.action() == action).count()
    }

    fn summary(&self) -> Summary {
        let ended = self.rows.iter().filter(|row| row.action() != Action::Kept);
        Summary {
            checked: self.rows.len(),
            kept: self.count(Action::Kept),
            released: self.released(),
            would_release: self.would_release(),
            released_bytes: ended.map(ReleaseRow::memory_bytes).sum(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Summary {
    checked: usize,
    kept: usize,
    released: usize,
    would_release: usize,
    released_bytes: u64,
}

/// The width from which whole sessions are shown, and that of chats, on a terminal.
const WIDE: usize = 120;
const CHAT: usize = 18;

/// Writes the report as text.
pub fn write_release(report: &ReleaseReport, look: Look, to: &mut dyn Write) -> io::Result<()> {
    if report.dry_run {
        writeln!(to, "{}", look.paint("Dry run: no process will be ended.", Style::new().bold()))?;
    }
    let map = report.source.map.as_ref().map(|path| path.to_string_lossy().into_owned());
    let place = map.or_else(|| report.source.url.clone()).unwrap_or_default();
    writeln!(to, "{} · processes idle for at least {}\n", escape(&place), report.after)?;

    if !report.rows.is_empty() {
        table(report, look).write(look, to, &|number, to| match report.rows.get(number) {
            Some(row) => reason(row, to),
            None => Ok(()),
        })?;
        writeln!(to)?;
    }

    let summary = report.summary();
    writeln!(to, "{}", look.paint("Release summary", Style::new().bold()))?;
    writeln!(to, "  Processes checked: {}", summary.checked)?;
    writeln!(to, "  Kept: {}", summary.kept)?;
    let (label, count) = if report.dry_run {
        ("Would release", summary.would_release)
    } else {
        ("Released", summary.released)
    };
    let processes = counted_processes(count as u64);
    let held =
        if count == 0 { String::new() } else { format!(" ({})", amount(summary.released_bytes)) };
    writeln!(to, "  {label}: {processes}{held}")?;

    if summary.would_release > 0 {
        let them = if summary.would_release == 1 { "it" } else { "them" };
        writeln!(to, "Nothing was ended. Run the same command without `--dry-run` to end {them}.")?;
    }
    if summary.released > 0 {
        writeln!(
            to,
            "Mappings and transcripts are kept; the next message in a chat resumes its session."
        )?;
    }
    Ok(())
}

fn table(report: &ReleaseReport, look: Look) -> Table<7> {
    let mut table = Table::new(["PID>", "STATUS", "IDLE", "MEMORY>", "CHAT", "SESSION", "ACTION"]);
    let is_narrow = look.width.is_some_and(|width| width < WIDE);
    for row in &report.rows {
        let process = &row.details.process;
        let session = row.details.session.as_deref().map_or_else(none, escape);
        let chats = if row.chats.is_empty() { none() } else { escape(&names(row)) };
        let action = match row.action() {
            Action::Released => "released",
            Action::WouldRelease => "would release",
            _ if row.is_ending() => "ending",
            _ => "kept",
        };
        let idle = process.idle_since.map(|since| age(since.seconds_until(report.started)));
        table.push([
            process.pid.to_string(),
            process.status.as_deref().map_or_else(none, |status| escape(&shortened(status, 10))),
            idle.unwrap_or_else(none),
            process.holdings.map_or_else(none, |held| memory(held.memory)),
            if look.width.is_some() { shortened(&chats, CHAT) } else { chats },
            if is_narrow { session.chars().take(8).collect() } else { session },
            action.to_owned(),
        ]);
    }
    table
}

/// Returns the chats of a process; those of Claude Code without the model.
fn names(row: &ReleaseRow) -> String {
    let names = row.chats.iter().map(|chat| chat.strip_prefix("claude-cli/").unwrap_or(chat));
    names.collect::<Vec<&str>>().join(", ")
}

fn none() -> String {
    "-".to_owned()
}

/// Writes why a process is kept, on a line of its own: it is never cut.
fn reason(row: &ReleaseRow, to: &mut dyn Write) -> io::Result<()> {
    match release(&row.details.process).filter(|_| !row.is_ending()) {
        Some(why) => writeln!(to, "    kept: {}", escape(why)),
        None => Ok(()),
    }
}

/// Writes the report as one line of JSON. Its form is in `docs/release.schema.json`.
pub fn write_release_json(report: &ReleaseReport, to: &mut dyn Write) -> io::Result<()> {
    write_plain(report, to)
}

impl Serialize for ReleaseReport {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_map(None)?;
        object.serialize_entry("schema", &SCHEMA)?;
        object.serialize_entry("version", env!("CARGO_PKG_VERSION"))?;
        object.serialize_entry("run", &self.run)?;
        object.serialize_entry("started_at", &time(Some(self.started)))?;
        object.serialize_entry("dry_run", &self.dry_run)?;
        object.serialize_entry("release_after_seconds", &self.after.seconds())?;
        object.serialize_entry("source", &Source::of(&self.source))?;
        object.serialize_entry("summary", &self.summary())?;
        object.serialize_entry("processes", &self.rows)?;
        object.serialize_entry("warnings", &self.warnings)?;
        object.end()
    }
}

impl Serialize for ReleaseRow {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct RowJson<'a> {
            #[serde(flatten)]
            details: DetailsJson<'a>,
            chats: &'a [String],
            action: Action,
            reason: Option<&'a str>,
        }
        let row = RowJson {
            details: DetailsJson::of(&self.details),
            chats: &self.chats,
            action: self.action(),
            reason: release(&self.details.process),
        };
        row.serialize(to)
    }
}
