//! The past runs, or one of them in detail: tables for people, or JSON.

use serde::{Serialize, Serializer};
use std::io::{self, Write};
use std::path::PathBuf;

use super::look::Screen;
use super::past_releases::{PastRelease, write_releases};
use super::shorten::{padded, shortened_at_start};
use super::table::Table;
use crate::journal::{MappingKey, RemovalRecord, Restored, RunKind};
use crate::model::escape::escape;
use crate::model::plain_json::write_plain;
use crate::model::{Timestamp, Zone};
use crate::provider::PROVIDERS;

/// A past run. Absent values are not known. Its JSON is described in `docs/history.schema.json`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PastRun {
    pub run: String,
    pub command: RunKind,
    pub profile: Option<String>,
    #[serde(serialize_with = "lossy")]
    pub map: Option<PathBuf>,
    #[serde(rename = "started_at", serialize_with = "rfc3339")]
    pub started: Option<Timestamp>,
    /// Absent if it was killed or still runs.
    #[serde(rename = "ended_at", serialize_with = "rfc3339")]
    pub ended: Option<Timestamp>,
    pub exit: Option<u8>,
    /// The mappings it judged.
    pub checked: Option<u64>,
    /// The mappings it removed.
    pub removed: Option<u64>,
    /// The processes it ended.
    pub released: Option<u64>,
    /// The mappings it restored.
    pub restored: Option<u64>,
    /// The run that an undo restored from.
    pub undoes: Option<String>,
    /// The first of its warnings, or why it failed.
    pub warning: Option<String>,
}

/// A mapping that a run removed or restored.
#[derive(Debug, Serialize)]
pub struct PastMapping {
    model: String,
    #[serde(rename = "chat_id")]
    chat: String,
    #[serde(rename = "session_id")]
    session: String,
    /// Why it was removed.
    reason: Option<String>,
    #[serde(serialize_with = "rfc3339")]
    last_used: Option<Timestamp>,
    /// Whether it was restored, if that is known.
    restored: Option<bool>,
    #[serde(serialize_with = "rfc3339")]
    restored_at: Option<Timestamp>,
    /// The command that resumes the session by hand.
    resume: Option<String>,
}

impl PastMapping {
    /// `removal` is the record of its removal, if the journal still has it.
    pub fn new(
        key: MappingKey,
        session: String,
        removal: Option<&RemovalRecord<'_>>,
        restored: Restored,
    ) -> Self {
        let (restored, restored_at) = match restored {
            Restored::No => (Some(false), None),
            Restored::Unknown => (None, None),
            Restored::At(time) => (Some(true), time),
        };
        let last_used = removal.and_then(|removal| removal.last_used.as_deref());
        Self {
            reason: removal.map(|removal| removal.reason.to_string()),
            last_used: last_used.and_then(Timestamp::parse),
            restored,
            restored_at,
            resume: resume(&key.model, &session),
            model: key.model,
            chat: key.chat,
            session,
        }
    }

    fn restored_cell(&self) -> String {
        match self.restored {
            Some(true) => "yes".into(),
            Some(false) => "no".into(),
            None => "unknown".into(),
        }
    }
}

impl Screen {
    /// Returns a time as it is shown: local on a terminal, UTC elsewhere.
    fn time(self, time: Option<Timestamp>) -> String {
        let zone = if self.width.is_some() { Zone::Local } else { Zone::Utc };
        time.map_or_else(unknown, |time| time.shown(zone))
    }
}

/// Returns the cell of an unknown value.
fn unknown() -> String {
    "-".to_owned()
}

/// Returns `model/chat`, escaped.
pub(super) fn mapping(model: &str, chat: &str) -> String {
    format!("{}/{}", escape(model), escape(chat))
}

/// Returns the command that resumes a session by hand; none for a model that is not known.
pub(super) fn resume(model: &str, session: &str) -> Option<String> {
    let provider = PROVIDERS.iter().find(|provider| provider.model == model);
    provider.map(|provider| provider.resume_command(session))
}

/// The shortest part of a run's id that is shown: its time.
const SHORTEST_RUN: usize = 16;

/// The fewest columns in which a path is still worth showing beside the counts.
const NARROWEST_MAP: usize = 20;

/// The title of the last column.
const PLACE: &str = "MAP OR PROFILE";

/// Writes a line for each of the first `limit` runs, in the order they have.
pub fn write_history(
    all: &[PastRun],
    limit: usize,
    screen: Screen,
    to: &mut dyn Write,
) -> io::Result<()> {
    let runs = all.get(..limit).unwrap_or(all);
    if runs.is_empty() {
        return writeln!(to, "No run yet.");
    }

    let width = screen.width.unwrap_or(usize::MAX);
    let mut table = table(runs, screen, usize::MAX, PLACE, place);
    let mut is_below = false;
    if table.width() > width {
        // A prefix that only one run has is enough to name it.
        let prefix = distinct_prefix(all);
        table = self::table(runs, screen, prefix, "", |_| String::new());
        if table.width() > width {
            table = table.tight();
        }

        let rest = width.saturating_sub(table.width());
        is_below = rest < NARROWEST_MAP;
        if !is_below {
            table = self::table(runs, screen, prefix, PLACE, |run| {
                shortened_at_start(&place(run), rest)
            });
        }
    }

    table.write(screen.look, to, &|number, to| {
        let Some(run) = runs.get(number) else { return Ok(()) };
        if is_below {
            writeln!(to, "  {}", shortened_at_start(&place(run), width.saturating_sub(2)))?;
        }
        match remark(run) {
            Some(remark) => writeln!(to, "  {}", escape(&remark)),
            None => Ok(()),
        }
    })
}

/// Returns the table of runs, with that many characters of their ids, and `last` in the last column.
fn table(
    runs: &[PastRun],
    screen: Screen,
    id_length: usize,
    last_title: &'static str,
    last: impl Fn(&PastRun) -> String,
) -> Table<8> {
    let mut table = Table::new([
        "RUN",
        "DATE",
        "COMMAND",
        "REMOVED>",
        "RELEASED>",
        "RESTORED>",
        "EXIT>",
        last_title,
    ]);
    for run in runs {
        table.push([
            escape(&run.run.chars().take(id_length).collect::<String>()),
            screen.time(run.started),
            run.command.name().to_owned(),
            count(run.removed),
            count(run.released),
            count(run.restored),
            count(run.exit.map(u64::from)),
            last(run),
        ]);
    }
    table
}

fn count(count: Option<u64>) -> String {
    count.map_or_else(unknown, |count| count.to_string())
}

/// Returns the run's profile, or otherwise its map.
fn place(run: &PastRun) -> String {
    match (&run.profile, &run.map) {
        (Some(profile), _) => escape(profile),
        (None, Some(map)) => escape(&map.to_string_lossy()),
        (None, None) => unknown(),
    }
}

/// Returns how many characters of an id distinguish each run from all others.
fn distinct_prefix(runs: &[PastRun]) -> usize {
    let mut ids: Vec<&str> = runs.iter().map(|run| run.run.as_str()).collect();
    ids.sort_unstable();
    let longest = ids.windows(2).map(|two| match two {
        [a, b] => a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count() + 1,
        _ => 0,
    });
    longest.max().unwrap_or_default().max(SHORTEST_RUN)
}

/// Returns a line about a run that its counts do not show.
fn remark(run: &PastRun) -> Option<String> {
    if run.ended.is_none() && run.exit.is_none() {
        let hint = match run.command {
            RunKind::Undo => "session-warden undo continues it",
            _ => "session-warden undo restores what it removed",
        };
        return Some(format!("killed, or still running; {hint}"));
    }
    run.warning.clone()
}

/// Writes one run, and a line for each mapping that it removed or restored, and each process that it released.
pub fn write_past_run(
    run: &PastRun,
    mappings: &[PastMapping],
    releases: &[PastRelease],
    screen: Screen,
    to: &mut dyn Write,
) -> io::Result<()> {
    let is_undo = run.command == RunKind::Undo;
    let removes = !is_undo && run.command != RunKind::Release;
    let lines = [
        ("run", Some(run.run.clone())),
        ("command", Some(run.command.name().to_owned())),
        ("date", Some(screen.time(run.started))),
        ("profile", run.profile.clone()),
        ("map", run.map.as_ref().map(|map| map.to_string_lossy().into_owned())),
        ("undid run", run.undoes.clone()),
        ("checked", run.checked.filter(|count| *count > 0).map(|count| count.to_string())),
        ("removed", run.removed.filter(|_| removes).map(|count| count.to_string())),
        ("released", run.released.filter(|count| *count > 0).map(|count| count.to_string())),
        ("restored", run.restored.filter(|_| is_undo).map(|count| count.to_string())),
        ("exit", run.exit.map(|exit| exit.to_string())),
        ("remark", remark(run)),
    ];
    for (name, value) in lines {
        if let Some(value) = value {
            writeln!(to, "{} {}", padded(name, 10), escape(&value))?;
        }
    }
    if !releases.is_empty() {
        writeln!(to)?;
        write_releases(releases, screen, to)?;
    }
    if mappings.is_empty() {
        return Ok(());
    }

    writeln!(to)?;
    write_mappings(mappings, screen, to)
}

fn write_mappings(mappings: &[PastMapping], screen: Screen, to: &mut dyn Write) -> io::Result<()> {
    let mut narrow = Table::new(["MAPPING", "REASON", "RESTORED"]);
    let mut wide = Table::new(["MAPPING", "REASON", "RESTORED", "SESSION", "RESUME WITH"]);
    for one in mappings {
        let name = mapping(&one.model, &one.chat);
        let reason = one.reason.as_deref().map_or_else(unknown, escape);
        let cells = [name, reason, one.restored_cell()];
        narrow.push(cells.clone());
        let [name, reason, restored] = cells;
        let resume = one.resume.as_deref().map_or_else(unknown, escape);
        wide.push([name, reason, restored, escape(&one.session), resume]);
    }

    if wide.width() <= screen.width.unwrap_or(usize::MAX) {
        return wide.write(screen.look, to, &|_, _| Ok(()));
    }

    // The session is in the command, which has a line of its own so that it is never cut.
    narrow.write(screen.look, to, &|number, to| {
        let Some(one) = mappings.get(number) else { return Ok(()) };
        match &one.resume {
            Some(command) => writeln!(to, "  {}", escape(command)),
            None => writeln!(to, "  session {}", escape(&one.session)),
        }
    })
}

/// Writes the first `limit` runs as one line of JSON.
pub fn write_history_json(all: &[PastRun], limit: usize, to: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct All<'h> {
        schema: u32,
        version: &'static str,
        runs: &'h [PastRun],
    }
    let runs = all.get(..limit).unwrap_or(all);
    write_plain(&All { schema: 1, version: env!("CARGO_PKG_VERSION"), runs }, to)
}

/// Writes one run as one line of JSON.
pub fn write_past_run_json(
    run: &PastRun,
    mappings: &[PastMapping],
    releases: &[PastRelease],
    to: &mut dyn Write,
) -> io::Result<()> {
    #[derive(Serialize)]
    struct Detail<'h> {
        schema: u32,
        version: &'static str,
        run: &'h PastRun,
        mappings: &'h [PastMapping],
        releases: &'h [PastRelease],
    }
    let version = env!("CARGO_PKG_VERSION");
    write_plain(&Detail { schema: 1, version, run, mappings, releases }, to)
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field as it is")]
fn rfc3339<S: Serializer>(time: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    time.and_then(Timestamp::rfc3339).serialize(to)
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field as it is")]
fn lossy<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.to_string_lossy()).serialize(to)
}
