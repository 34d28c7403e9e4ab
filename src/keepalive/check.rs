//! `keepalive check`: whether each job can run, by its login or its expiry. No provider is called.

use serde_json::{Value, json};
use std::io::{self, Write};

use super::action;
use super::job::{Job, JobWarning};
use super::keeper::Keeper;
use super::written::check_written;
use crate::model::escape::escape;
use crate::model::plain_json::write_plain;
use crate::model::{Exit, Failure};

/// A job, and its login or its problem.
type Row<'a> = (&'a Job, Result<String, String>);

/// Checks each job. The caller prints the warnings.
pub fn check(
    keeper: &Keeper<'_>,
    warnings: &[JobWarning],
    is_json: bool,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let mut known = keeper.store.look()?.0;
    let mut rows: Vec<Row<'_>> = Vec::new();

    for job in keeper.jobs {
        let state = known.state(job);
        // As a pass would.
        state.notices_change(action::credential(keeper, job).as_deref());
        let found = match state.disabled_why(job) {
            Some(why) => Err(format!("disabled: {why}")),
            None => action::check(keeper, job),
        };
        rows.push((job, found));
    }

    let written = if is_json { json(&rows, warnings, out) } else { text(&rows, out) };
    check_written(written, "cannot write the report")?;
    let is_fine = warnings.is_empty() && rows.iter().all(|(_, found)| found.is_ok());
    Ok(if is_fine { Exit::Done } else { Exit::Partly })
}

fn json(rows: &[Row<'_>], warnings: &[JobWarning], out: &mut dyn Write) -> io::Result<()> {
    let jobs = rows.iter().map(|(job, found)| {
        let (Ok(message) | Err(message)) = found;
        json!({
            "id": job.id,
            "action": job.action.name(),
            "ok": found.is_ok(),
            "message": message,
        })
    });
    let warnings =
        warnings.iter().map(|warning| json!({ "message": warning.message, "hint": warning.hint }));
    let report = json!({
        "schema": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "jobs": jobs.collect::<Vec<Value>>(),
        "warnings": warnings.collect::<Vec<Value>>(),
    });
    write_plain(&report, out)
}

fn text(rows: &[Row<'_>], out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "No keep-alive job is configured.");
    }
    rows.iter().try_for_each(|(job, found)| match found {
        Ok(message) => writeln!(out, "ok       {}: {}", job.id, escape(message)),
        Err(message) => writeln!(out, "problem  {}: {}", job.id, escape(message)),
    })
}
