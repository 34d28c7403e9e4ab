//! `keepalive status`: the last and the next run of each job. Nothing is run.

use serde_json::{Value, json};
use std::io::{self, Write};

use super::action;
use super::job::{Action, Due, Job, JobState, When, due};
use super::keeper::Keeper;
use super::store::Jobs;
use super::written::check_written;
use crate::model::escape::escape;
use crate::model::plain_json::write_plain;
use crate::model::{Exit, Failure, Timestamp, Zone};

/// Writes the status of each job: as text with times in that zone, or as JSON if there is none. If the
/// state is damaged, a user sees that here, and jobs may run again.
pub fn status(
    keeper: &Keeper<'_>,
    output: Option<Zone>,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let (known, broken) = keeper.store.look()?;
    let rows = statuses(keeper, &known);
    let written = match output {
        Some(zone) => text(&rows, zone, out),
        None => json(&rows, out),
    };
    let is_seen = output.is_some() && written.is_ok();
    check_written(written, "cannot write the state of the jobs")?;
    if broken.is_none() {
        return Ok(Exit::Done);
    }
    if !is_seen {
        let message = "the state of the jobs is damaged; no job runs";
        let hint = "run session-warden keepalive status without --json, so that jobs run again";
        return Err(Failure::new(message).with(Exit::Partly).hint(hint));
    }

    let kept = keeper.store.acknowledge(keeper.now())?;
    let kept = kept.map(|path| path.display().to_string()).unwrap_or_default();
    let message = "the state of the jobs was damaged; disabled jobs, limits and failures are lost";
    let hint = format!("disable jobs again if needed; the damaged file is kept as {kept}");
    Err(Failure::new(message).with(Exit::Partly).hint(hint))
}

/// Returns the status of each job, in the order of the configuration.
pub(super) fn statuses<'k>(keeper: &Keeper<'k>, known: &Jobs) -> Vec<Row<'k>> {
    keeper.jobs.iter().map(|job| (job, JobStatus::new(keeper, job, known))).collect()
}

pub(super) type Row<'a> = (&'a Job, JobStatus);

#[derive(Debug, Clone)]
pub(super) struct JobStatus {
    pub(super) state: JobState,
    /// When it is due next, if that is known.
    pub(super) next: Option<Timestamp>,
    /// Why it is disabled.
    pub(super) disabled: Option<String>,
    /// The end of its silence, if it is silent now.
    #[cfg(feature = "serve")]
    pub(super) silent_until: Option<Timestamp>,
}

impl JobStatus {
    fn new(keeper: &Keeper<'_>, job: &Job, known: &Jobs) -> Self {
        let now = keeper.now();
        let mut state = known.jobs.get(&job.id).cloned().unwrap_or_default();
        // A run may be under way now, and was not killed.
        let running = state.running_since.take();
        state.settle(now);
        state.running_since = running;

        // The expiry of a command is not known without running one.
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
        Self {
            next,
            disabled: state.disabled_why(job),
            #[cfg(feature = "serve")]
            silent_until: job.silent_until(now),
            state,
        }
    }

    pub(super) fn to_json(&self, job: &Job) -> Value {
        json!({
            "id": job.id,
            "action": job.action.name(),
            "last": self.state.last_run.and_then(Timestamp::rfc3339),
            "next": self.next.and_then(Timestamp::rfc3339),
            "result": self.state.result,
            "failures": self.state.failures,
            "disabled": self.disabled,
        })
    }
}

fn json(rows: &[Row<'_>], out: &mut dyn Write) -> io::Result<()> {
    let jobs: Vec<Value> = rows.iter().map(|(job, status)| status.to_json(job)).collect();
    let report = json!({ "schema": 1, "version": env!("CARGO_PKG_VERSION"), "jobs": jobs });
    write_plain(&report, out)
}

fn text(rows: &[Row<'_>], zone: Zone, out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "No keep-alive job is configured.");
    }

    for (job, JobStatus { state, next, disabled, .. }) in rows {
        writeln!(out, "{} ({}, {})", job.id, job.action.name(), when(job))?;
        writeln!(out, "  last run  {}", shown(state.last_run, zone, "never"))?;
        if let Some(why) = disabled {
            writeln!(out, "  disabled  {}", escape(why))?;
        } else {
            let next = shown(*next, zone, "unknown: its expiry is unknown");
            writeln!(out, "  next run  {next}")?;
        }
        if let Some(result) = &state.result {
            writeln!(out, "  result    {}", escape(result.line()))?;
        }
        if state.failures > 0 {
            writeln!(out, "  failures  {} in a row", state.failures)?;
        }
    }

    Ok(())
}

fn shown(time: Option<Timestamp>, zone: Zone, none: &str) -> String {
    time.map_or_else(|| none.to_owned(), |time| time.shown(zone))
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
