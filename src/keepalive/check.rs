//! `keepalive check`: whether each job can run, by its login or its expiry. No provider is
//! called.

use serde_json::{Value, json};
use std::io::{self, Write};

use super::{Keeper, action};
use crate::keepalive::job::JobWarning;
use crate::model::escape::escape;
use crate::model::plain_json::write_plain;
use crate::model::{Exit, Failure};

/// Checks each job. The caller prints the warnings.
///
/// # Errors
/// Where nothing can be written.
pub fn check(
    keeper: &Keeper<'_>,
    warnings: &[JobWarning],
    is_json: bool,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let known = keeper.store.look()?.0;
    let mut rows = Vec::new();
    for job in keeper.jobs {
        let state = known.jobs.get(&job.id).cloned().map(|mut state| {
            // As a pass would.
            state.notices_change(action::credential(keeper, job).as_deref());
            state
        });
        let why = state.and_then(|state| state.disabled_why(job));
        let disabled = why.map_or(Ok(()), |why| Err(format!("disabled: {why}")));
        rows.push((job, disabled.and_then(|()| action::login(keeper, job))));
    }

    let is_fine = warnings.is_empty() && rows.iter().all(|(_, found)| found.is_ok());
    let written = if is_json {
        let jobs = rows.iter().map(|(job, found)| {
            let (Ok(message) | Err(message)) = found;
            json!({
                "id": job.id,
                "action": job.action.name(),
                "ok": found.is_ok(),
                "message": message,
            })
        });
        let warnings = warnings
            .iter()
            .map(|warning| json!({ "message": warning.message, "hint": warning.hint }));
        let report = json!({
            "schema": 1,
            "version": env!("CARGO_PKG_VERSION"),
            "jobs": jobs.collect::<Vec<Value>>(),
            "warnings": warnings.collect::<Vec<Value>>(),
        });
        write_plain(&report, out)
    } else if rows.is_empty() {
        writeln!(out, "No keep-alive job is configured.")
    } else {
        rows.iter().try_for_each(|(job, found)| match found {
            Ok(message) => writeln!(out, "ok       {}: {}", job.id, escape(message)),
            Err(message) => writeln!(out, "problem  {}: {}", job.id, escape(message)),
        })
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let message = format!("cannot write the report: {}", crate::model::describe(&error));
            Err(Failure::new(message).hint("check the file or pipe that standard output leads to"))
        }
        _ if is_fine => Ok(Exit::Done),
        _ => Ok(Exit::Partly),
    }
}
