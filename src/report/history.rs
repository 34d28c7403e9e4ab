//! The past runs, or one of them in detail: tables for people, or JSON.

use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

use super::shorten::{padded, shortened_at_start};
use super::table::Table;
use super::text::Look;
use crate::journal::{Restored, RunKind};
use crate::model::escape::escape;
use crate::model::{Timestamp, Zone};
use crate::provider::PROVIDERS;

/// A past run. What is absent is not known.
#[derive(Debug, Clone)]
pub struct PastRun {
    /// Its id.
    pub run: String,
    /// The command it was of.
    pub command: RunKind,
    /// The profile it was of.
    pub profile: Option<String>,
    /// The map's path.
    pub map: Option<PathBuf>,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it ended; absent if it was killed or still runs.
    pub ended: Option<Timestamp>,
    /// Its exit code.
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
#[derive(Debug)]
pub struct PastMapping {
    /// The bridge's model key.
    pub model: String,
    /// The chat.
    pub chat: String,
    /// The session.
    pub session: String,
    /// Why it was removed, if that is still known.
    pub reason: Option<String>,
    /// When the session was last used before.
    pub last_used: Option<Timestamp>,
    /// Whether it was restored.
    pub restored: Restored,
}

/// How the text is written.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// Its colours.
    pub look: Look,
    /// The width of the terminal, if it is one.
    pub width: Option<usize>,
}

impl Screen {
    /// Returns a time as it is shown: local on a terminal, UTC elsewhere.
    fn time(self, time: Option<Timestamp>) -> String {
        let zone = if self.width.is_some() { Zone::Local } else { Zone::Utc };
        time.map_or_else(unknown, |time| time.shown(zone))
    }
}

/// What is shown for what is not known.
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
    let place = |run: &PastRun| match (&run.profile, &run.map) {
        (Some(profile), _) => escape(profile),
        (None, Some(map)) => escape(&map.to_string_lossy()),
        (None, None) => unknown(),
    };
    let width = screen.width.unwrap_or(usize::MAX);
    let mut table = table(runs, screen, PLACE, |run| escape(&run.run), place);
    let mut is_below = false;
    if table.width() > width {
        // Any prefix that only one run has names it.
        let prefix = distinct_prefix(all);
        let id = |run: &PastRun| escape(&run.run.chars().take(prefix).collect::<String>());
        table = self::table(runs, screen, "", id, |_| String::new());
        if table.width() > width {
            table = table.tight();
        }
        let rest = width.saturating_sub(table.width());
        is_below = rest < NARROWEST_MAP;
        if !is_below {
            let place = |run: &PastRun| shortened_at_start(&place(run), rest);
            table = self::table(runs, screen, PLACE, id, place);
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

fn table(
    runs: &[PastRun],
    screen: Screen,
    last_title: &'static str,
    id: impl Fn(&PastRun) -> String,
    place: impl Fn(&PastRun) -> String,
) -> Table<8> {
    let count = |count: Option<u64>| count.map_or_else(unknown, |count| count.to_string());
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
            id(run),
            screen.time(run.started),
            run.command.name().to_owned(),
            count(run.removed),
            count(run.released),
            count(run.restored),
            count(run.exit.map(u64::from)),
            place(run),
        ]);
    }
    table
}

/// Returns how many characters of an id tell each run from all others.
fn distinct_prefix(runs: &[PastRun]) -> usize {
    let mut ids: Vec<&str> = runs.iter().map(|run| run.run.as_str()).collect();
    ids.sort_unstable();
    let common = |a: &str, b: &str| a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let longest = ids.windows(2).map(|two| match two {
        [a, b] => common(a, b) + 1,
        _ => 0,
    });
    longest.max().unwrap_or_default().max(SHORTEST_RUN)
}

/// Returns what the counts of a run do not show.
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

/// Writes one run, and a line for each mapping that it removed or restored.
pub fn write_past_run(
    run: &PastRun,
    mappings: &[PastMapping],
    screen: Screen,
    to: &mut dyn Write,
) -> io::Result<()> {
    let count = |count: Option<u64>| count.filter(|count| *count > 0).map(|n| n.to_string());
    let lines = [
        ("run", Some(run.run.clone())),
        ("command", Some(run.command.name().to_owned())),
        ("date", Some(screen.time(run.started))),
        ("profile", run.profile.clone()),
        ("map", run.map.as_ref().map(|map| map.to_string_lossy().into_owned())),
        ("undid run", run.undoes.clone()),
        ("checked", count(run.checked)),
        ("removed", run.removed.filter(|_| run.command != RunKind::Undo).map(|n| n.to_string())),
        ("released", count(run.released)),
        ("restored", run.restored.filter(|_| run.command == RunKind::Undo).map(|n| n.to_string())),
        ("exit", run.exit.map(|exit| exit.to_string())),
        ("remark", remark(run)),
    ];
    for (name, value) in lines {
        if let Some(value) = value {
            writeln!(to, "{} {}", padded(name, 10), escape(&value))?;
        }
    }
    if mappings.is_empty() {
        return Ok(());
    }

    writeln!(to)?;
    let restored = |one: &PastMapping| match one.restored {
        Restored::No => "no",
        Restored::Unknown => "unknown",
        Restored::At(_) => "yes",
    };
    let reason = |one: &PastMapping| one.reason.as_deref().map_or_else(unknown, escape);
    let command = |one: &PastMapping| {
        resume(&one.model, &one.session).map_or_else(unknown, |command| escape(&command))
    };
    let mut table = Table::new(["MAPPING", "REASON", "RESTORED", "SESSION", "RESUME WITH"]);
    for one in mappings {
        let name = mapping(&one.model, &one.chat);
        let session = escape(&one.session);
        table.push([name, reason(one), restored(one).into(), session, command(one)]);
    }
    if table.width() <= screen.width.unwrap_or(usize::MAX) {
        return table.write(screen.look, to, &|_, _| Ok(()));
    }
    // The session is in the command, which has a line of its own so that it is never cut.
    let mut table = Table::new(["MAPPING", "REASON", "RESTORED"]);
    for one in mappings {
        table.push([mapping(&one.model, &one.chat), reason(one), restored(one).into()]);
    }
    table.write(screen.look, to, &|number, to| {
        let Some(one) = mappings.get(number) else { return Ok(()) };
        match resume(&one.model, &one.session) {
            Some(command) => writeln!(to, "  {}", escape(&command)),
            None => writeln!(to, "  session {}", escape(&one.session)),
        }
    })
}

/// Writes the first `limit` runs as one line of JSON. Its form is in `docs/history.schema.json`.
pub fn write_history_json(all: &[PastRun], limit: usize, to: &mut dyn Write) -> io::Result<()> {
    let runs = all.iter().take(limit).map(One::of).collect();
    crate::model::plain_json::write_plain(
        &All { schema: 1, version: env!("CARGO_PKG_VERSION"), runs },
        to,
    )
}

/// Writes one run as one line of JSON. Its form is in `docs/history.schema.json`.
pub fn write_past_run_json(
    run: &PastRun,
    mappings: &[PastMapping],
    to: &mut dyn Write,
) -> io::Result<()> {
    let detail = Detail {
        schema: 1,
        version: env!("CARGO_PKG_VERSION"),
        run: One::of(run),
        mappings: mappings.iter().map(Mapping::of).collect(),
    };
    crate::model::plain_json::write_plain(&detail, to)
}

#[derive(Serialize)]
struct All<'h> {
    schema: u32,
    version: &'static str,
    runs: Vec<One<'h>>,
}

#[derive(Serialize)]
struct Detail<'h> {
    schema: u32,
    version: &'static str,
    run: One<'h>,
    mappings: Vec<Mapping<'h>>,
}

#[derive(Serialize)]
struct One<'h> {
    run: &'h str,
    command: RunKind,
    profile: Option<&'h str>,
    map: Option<String>,
    started_at: Option<String>,
    ended_at: Option<String>,
    exit: Option<u8>,
    checked: Option<u64>,
    removed: Option<u64>,
    released: Option<u64>,
    restored: Option<u64>,
    undoes: Option<&'h str>,
    warning: Option<&'h str>,
}

impl<'h> One<'h> {
    fn of(run: &'h PastRun) -> Self {
        Self {
            run: &run.run,
            command: run.command,
            profile: run.profile.as_deref(),
            map: run.map.as_ref().map(|map| map.to_string_lossy().into_owned()),
            started_at: run.started.and_then(Timestamp::rfc3339),
            ended_at: run.ended.and_then(Timestamp::rfc3339),
            exit: run.exit,
            checked: run.checked,
            removed: run.removed,
            released: run.released,
            restored: run.restored,
            undoes: run.undoes.as_deref(),
            warning: run.warning.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct Mapping<'h> {
    model: &'h str,
    chat_id: &'h str,
    session_id: &'h str,
    reason: Option<&'h str>,
    last_used: Option<String>,
    restored: Option<bool>,
    restored_at: Option<String>,
    resume: Option<String>,
}

impl<'h> Mapping<'h> {
    fn of(one: &'h PastMapping) -> Self {
        let (restored, restored_at) = match one.restored {
            Restored::No => (Some(false), None),
            Restored::Unknown => (None, None),
            Restored::At(time) => (Some(true), time.and_then(Timestamp::rfc3339)),
        };
        Self {
            model: &one.model,
            chat_id: &one.chat,
            session_id: &one.session,
            reason: one.reason.as_deref(),
            last_used: one.last_used.and_then(Timestamp::rfc3339),
            restored,
            restored_at,
            resume: resume(&one.model, &one.session),
        }
    }
}
