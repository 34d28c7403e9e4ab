//! `keepalive status`: the last and the next run of each job. Nothing is run.

use serde_json::{Value, json};
use std::io::{self, Write};

use super::{Keeper, action};
use crate::keepalive::job::{Action, Due, Job, JobState, When, due};
use crate::keepalive::store::Jobs;
use crate::model::escape::escape;
use crate::model::plain_json::write_plain;
use crate::model::{Exit, Failure, Timestamp, Zone};

/// Writes how each job stands: as text with times in that zone, or without one as JSON. A broken state is
/// shown, and jobs may run again.
///
/// # Errors
/// Where what is remembered cannot be read, or the broken one not set aside.
pub fn status(
    keeper: &Keeper<'_>,
    output: Option<Zone>,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let (known, broken) = keeper.store.look()?;
    let rows = rows(keeper, &known);
    let written = match output {
        Some(zone) => text(&rows, zone, out),
        None => json(&rows, out),
    };
    match &written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let why = crate::model::describe(error);
            return Err(Failure::new(format!("cannot write the state of the jobs: {why}"))
                .hint("check the file or pipe that standard output leads to"));
        }
        _ => {}
    }
    if broken.is_none() {
        return Ok(Exit::Done);
    }
    // A program that reads this sees nothing of it, nor does anybody where nothing can be written.
    if output.is_none() || written.is_err() {
        let message = "the state of the jobs is damaged; no job runs";
        let hint = "run session-warden keepalive status without --json, so that jobs run again";
        return Err(Failure { exit: Exit::Partly, ..Failure::new(message) }.hint(hint));
    }
    let kept = keeper.store.seen(keeper.now())?;
    let kept = kept.map(|path| path.display().to_string()).unwrap_or_default();
    let message = "the state of the jobs was damaged; disabled jobs, limits and failures are lost";
    let hint = format!("disable jobs again if needed; the damaged file is kept as {kept}");
    Err(Failure { exit: Exit::Partly, ..Failure::new(message) }.hint(hint))
}

/// How each job stands, in the order of the configuration.
pub(super) fn rows<'k>(keeper: &Keeper<'k>, known: &Jobs) -> Vec<Row<'k>> {
    keeper.jobs.iter().map(|job| Row::new(keeper, job, known)).collect()
}

/// How a job stands.
pub(super) struct Row<'a> {
    pub(super) job: &'a Job,
    pub(super) state: JobState,
    /// When it is due next, as far as that is known.
    pub(super) next: Option<Timestamp>,
    /// Why it is disabled.
    pub(super) disabled: Option<String>,
    /// The end of its silence, where it is silent now.
    #[cfg(feature = "serve")]
    pub(super) silent_until: Option<Timestamp>,
}

impl<'a> Row<'a> {
    fn new(keeper: &Keeper<'_>, job: &'a Job, known: &Jobs) -> Self {
        let now = keeper.now();
        let mut state = known.jobs.get(&job.id).cloned().unwrap_or_default();
        // One that runs now is none that was killed.
        let running = state.running_since.take();
        state.settle(now);
        state.running_since = running;
        // Of a command that tells an expiry nothing is known without running it.
        let expires = match job.action {
            Action::Command { .. } => state.expires,
            _ => action::expires(keeper, job).ok().flatten(),
        };
        let next = match due(job, &state, expires, now) {
            Due::Due => Some(now),
            Due::NotYet { at } => Some(at).filter(|at| *at < Timestamp::MAX),
            Due::Silent { until } => Some(until),
            Due::Disabled { .. } => None,
        };
        let disabled = state.disabled_why(job);
        Self {
            job,
            state,
            next,
            disabled,
            #[cfg(feature = "serve")]
            silent_until: job.silent_until(now),
        }
    }
}

/// A row as other programs read it.
pub(super) fn row_json(row: &Row<'_>) -> Value {
    let time = |time: Option<Timestamp>| time.and_then(Timestamp::rfc3339);
    json!({
        "id": row.job.id,
        "action": row.job.action.name(),
        "last": time(row.state.last_run),
        "next": time(row.next),
        "result": row.state.result,
        "failures": row.state.failures,
        "disabled": row.disabled,
    })
}

fn json(rows: &[Row<'_>], out: &mut dyn Write) -> io::Result<()> {
    let jobs: Vec<Value> = rows.iter().map(row_json).collect();
    let report = json!({ "schema": 1, "version": env!("CARGO_PKG_VERSION"), "jobs": jobs });
    write_plain(&report, out)
}

fn text(rows: &[Row<'_>], zone: Zone, out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "No keep-alive job is configured.");
    }
    let shown = |time: Option<Timestamp>, none: &str| {
        time.map_or_else(|| none.to_owned(), |time| time.shown(zone))
    };
    for row in rows {
        writeln!(out, "{} ({}, {})", row.job.id, row.job.action.name(), when(row.job))?;
        writeln!(out, "  last run  {}", shown(row.state.last_run, "never"))?;
        match &row.disabled {
            Some(why) => writeln!(out, "  disabled  {}", escape(why))?,
            None => {
                writeln!(out, "  next run  {}", shown(row.next, "unknown: its expiry is unknown"))?;
            }
        }
        if let Some(result) = &row.state.result {
            writeln!(out, "  result    {}", escape(result))?;
        }
        if row.state.failures > 0 {
            writeln!(out, "  failures  {} in a row", row.state.failures)?;
        }
    }
    Ok(())
}

fn when(job: &Job) -> String {
    match job.when {
        When::Every(span) => format!("every {}", humantime::format_duration(span)),
        When::Daily(minute) => format!("daily at {minute} {}", job.zone.name()),
        When::BeforeExpiry(span) => {
            format!("{} before expiry", humantime::format_duration(span))
        }
    }
}
