//! What an undo restored: a table for people, or JSON.

use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

use super::history::{mapping, resume};
use super::table::Table;
use super::text::Look;
use crate::journal::Removed;
use crate::map::Fate;
use crate::model::escape::escape;
use crate::model::{Timestamp, Warning};

/// What an undo did, or in a dry run would do.
#[derive(Debug)]
pub struct Undo {
    /// The id of this run; a dry run has none.
    pub undo: Option<String>,
    /// When it started.
    pub started: Timestamp,
    /// True if nothing was changed.
    pub dry_run: bool,
    /// The run that removed the mappings; none if nothing is left to restore.
    pub run: Option<String>,
    /// Where the map is.
    pub map: Option<PathBuf>,
    /// The state folder.
    pub state: PathBuf,
    /// What the run removed, and what became of it.
    pub rows: Vec<(Removed<'static>, Fate)>,
    /// What went wrong.
    pub warnings: Vec<Warning>,
}

impl Undo {
    /// Returns the number of mappings of which that became.
    pub fn count(&self, fate: Fate) -> usize {
        self.rows.iter().filter(|(_, its_fate)| *its_fate == fate).count()
    }
}

/// Writes what was restored, for people.
pub fn write_undo(undo: &Undo, look: Look, to: &mut dyn Write) -> io::Result<()> {
    if undo.dry_run {
        writeln!(to, "Dry run: nothing will be changed.")?;
    }
    let Some(run) = &undo.run else {
        let state = escape(&undo.state.to_string_lossy());
        return writeln!(to, "Nothing to restore.\nChecked the runs in {state}.");
    };
    let map = undo.map.as_ref().map(|map| escape(&map.to_string_lossy())).unwrap_or_default();
    writeln!(to, "Run {}, map {map}\n", escape(run))?;
    let mut table = Table::new(["MAPPING", "SESSION", "RESULT"]);
    for (entry, fate) in &undo.rows {
        let result = match fate {
            Fate::PutBack if undo.dry_run => "would restore",
            Fate::PutBack => "restored",
            Fate::Already => "already in the map",
            Fate::Taken => "unchanged: the chat has a newer mapping",
            Fate::NoPlace => "unchanged: the map has no place for this model",
        };
        table.push([mapping(&entry.model, &entry.chat), escape(&entry.session), result.into()]);
    }
    table.write(look, to, &|_, _| Ok(()))?;

    let count = undo.count(Fate::PutBack);
    let mappings = if count == 1 { "mapping" } else { "mappings" };
    let restored = if undo.dry_run { "Would restore" } else { "Restored" };
    writeln!(to, "\n{restored}: {count} {mappings}")?;
    if count > 0 && !undo.dry_run {
        writeln!(
            to,
            "A restored mapping is kept for one threshold, then judged as before.\n\
             `session-warden pin ID` keeps it for good."
        )?;
    }
    Ok(())
}

/// Writes the same as one line of JSON. Its form is in `docs/undo.schema.json`.
pub fn write_undo_json(undo: &Undo, to: &mut dyn Write) -> io::Result<()> {
    let restored = undo.count(Fate::PutBack);
    let (done, would) = if undo.dry_run { (0, restored) } else { (restored, 0) };
    let all = All {
        schema: 1,
        version: env!("CARGO_PKG_VERSION"),
        undo: undo.undo.as_deref(),
        started_at: undo.started.rfc3339(),
        dry_run: undo.dry_run,
        run: undo.run.as_deref(),
        map: undo.map.as_ref().map(|map| map.to_string_lossy().into_owned()),
        summary: Summary {
            restored: done,
            would_restore: would,
            unchanged: undo.rows.len() - restored,
        },
        mappings: undo.rows.iter().map(|(entry, fate)| One::of(entry, *fate, undo)).collect(),
        warnings: &undo.warnings,
    };
    crate::model::plain_json::write_plain(&all, to)
}

#[derive(Serialize)]
struct All<'u> {
    schema: u32,
    version: &'static str,
    undo: Option<&'u str>,
    started_at: Option<String>,
    dry_run: bool,
    run: Option<&'u str>,
    map: Option<String>,
    summary: Summary,
    mappings: Vec<One<'u>>,
    warnings: &'u [Warning],
}

#[derive(Serialize)]
struct Summary {
    restored: usize,
    would_restore: usize,
    unchanged: usize,
}

#[derive(Serialize)]
struct One<'u> {
    model: &'u str,
    chat_id: &'u str,
    session_id: &'u str,
    action: &'static str,
    resume: Option<String>,
}

impl<'u> One<'u> {
    fn of(entry: &'u Removed<'_>, fate: Fate, undo: &Undo) -> Self {
        let action = match fate {
            Fate::PutBack if undo.dry_run => "would_restore",
            Fate::PutBack => "restored",
            Fate::Already => "already_mapped",
            Fate::Taken => "newer_mapping",
            Fate::NoPlace => "no_place",
        };
        Self {
            model: &entry.model,
            chat_id: &entry.chat,
            session_id: &entry.session,
            action,
            resume: resume(&entry.model, &entry.session),
        }
    }
}
