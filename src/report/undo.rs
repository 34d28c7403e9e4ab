//! The mappings that an undo restored: a table for people, or JSON.

use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

use super::history::{mapping, resume};
use super::look::Look;
use super::table::Table;
use crate::journal::RemovalRecord;
use crate::map::RestoreOutcome;
use crate::model::escape::escape;
use crate::model::plain_json::write_plain;
use crate::model::{Timestamp, Warning};

/// The result of an undo, or in a dry run the expected one.
#[derive(Debug)]
pub struct Undo {
    /// The id of this run; a dry run has none.
    pub undo: Option<String>,
    pub started: Timestamp,
    pub dry_run: bool,
    /// The run that removed the mappings; none if nothing is left to restore.
    pub run: Option<String>,
    pub map: Option<PathBuf>,
    /// The state folder.
    pub state: PathBuf,
    /// The mappings that the run removed, with their outcomes.
    pub rows: Vec<(RemovalRecord<'static>, RestoreOutcome)>,
    pub warnings: Vec<Warning>,
}

impl Undo {
    /// Returns the number of mappings that were restored, or would be.
    pub fn restored(&self) -> usize {
        self.rows.iter().filter(|(_, outcome)| *outcome == RestoreOutcome::Restored).count()
    }

    /// Returns the outcome in JSON and in the table.
    fn action(&self, outcome: RestoreOutcome) -> (&'static str, &'static str) {
        match outcome {
            RestoreOutcome::Restored if self.dry_run => ("would_restore", "would restore"),
            RestoreOutcome::Restored => ("restored", "restored"),
            RestoreOutcome::AlreadyMapped => ("already_mapped", "already in the map"),
            RestoreOutcome::NewerMapping => {
                ("newer_mapping", "unchanged: the chat has a newer mapping")
            }
            RestoreOutcome::NoPlace => {
                ("no_place", "unchanged: the map has no place for this model")
            }
        }
    }
}

/// Writes the outcomes as a table, for people.
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
    for (record, outcome) in &undo.rows {
        let (_, result) = undo.action(*outcome);
        table.push([mapping(&record.model, &record.chat), escape(&record.session), result.into()]);
    }
    table.write(look, to, &|_, _| Ok(()))?;

    let count = undo.restored();
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
    let count = undo.restored();
    let (restored, would_restore) = if undo.dry_run { (0, count) } else { (count, 0) };
    let mappings = undo.rows.iter().map(|(record, outcome)| Mapping {
        model: &record.model,
        chat_id: &record.chat,
        session_id: &record.session,
        action: undo.action(*outcome).0,
        resume: resume(&record.model, &record.session),
    });

    let all = All {
        schema: 1,
        version: env!("CARGO_PKG_VERSION"),
        undo: undo.undo.as_deref(),
        started_at: undo.started.rfc3339(),
        dry_run: undo.dry_run,
        run: undo.run.as_deref(),
        map: undo.map.as_ref().map(|map| map.to_string_lossy().into_owned()),
        summary: Summary { restored, would_restore, unchanged: undo.rows.len() - count },
        mappings: mappings.collect(),
        warnings: &undo.warnings,
    };
    write_plain(&all, to)
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
    mappings: Vec<Mapping<'u>>,
    warnings: &'u [Warning],
}

#[derive(Serialize)]
struct Summary {
    restored: usize,
    would_restore: usize,
    unchanged: usize,
}

#[derive(Serialize)]
struct Mapping<'u> {
    model: &'u str,
    chat_id: &'u str,
    session_id: &'u str,
    action: &'static str,
    resume: Option<String>,
}
