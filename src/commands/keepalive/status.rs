//! `keepalive status` and `keepalive check`: how jobs stand, and whether they could run. Nothing is run.

use serde_json::{Value, json};
use std::io::{self, Write};

use super::{Keeper, action};
use crate::domain::keepalive::{Action, Due, Job, JobState, When, due};
use crate::domain::{Exit, Failure, Timestamp};
use crate::keepalive::Jobs;
use crate::report::escape::escape;

/// How each job stands. A broken state is shown, and jobs may run again.
///
/// # Errors
/// Where what is remembered cannot be read, or the broken one not set aside.
pub fn status(keeper: &Keeper<'_>, is_json: bool, out: &mut dyn Write) -> Result<Exit, Failure> {
    let (known, broken) = keeper.store.look()?;
    let rows = rows(keeper, &known);
    let written = if is_json { json(&rows, out) } else { text(&rows, out) };
    match &written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let why = crate::disk::words(error);
            return Err(Failure::new(format!("cannot write how jobs stand: {why}")));
        }
        _ => {}
    }
    if broken.is_none() {
        return Ok(Exit::Done);
    }
    // A program that reads this sees nothing of it, nor does anybody where nothing can be written.
    if is_json || written.is_err() {
        let message = "what jobs remember was broken: no job runs";
        let hint = "session-warden keepalive status without --format json lets them run again";
        return Err(Failure { exit: Exit::Partly, ..Failure::new(message) }.hint(hint));
    }
    let kept = keeper.store.seen(keeper.now())?;
    let kept = kept.map(|path| path.display().to_string()).unwrap_or_default();
    let message =
        "what jobs remember was broken: what was disabled, limits and failures are forgotten";
    let hint = format!("jobs run again from now on; the broken file is kept as {kept}");
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
    serde_json::to_writer(&mut *out, &json!({ "jobs": jobs }))?;
    writeln!(out)
}

fn text(rows: &[Row<'_>], out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "No job is configured: one begins with [[keepalive]]");
    }
    let shown = |time: Option<Timestamp>, none: &str| {
        time.map_or_else(|| none.to_owned(), Timestamp::for_people)
    };
    for row in rows {
        writeln!(out, "{} ({}, {})", row.job.id, row.job.action.name(), when(row.job))?;
        writeln!(out, "  last      {}", shown(row.state.last_run, "never"))?;
        match &row.disabled {
            Some(why) => writeln!(out, "  disabled  {}", escape(why))?,
            None => writeln!(out, "  next      {}", shown(row.next, "when it is known to expire"))?,
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
        When::Daily(minute) => format!("daily at {minute} of {}", job.zone.name()),
        When::BeforeExpiry(span) => {
            format!("{} before expiry", humantime::format_duration(span))
        }
    }
}

/// Whether each job could run: its login, or what tells its expiry. No provider is called.
///
/// # Errors
/// Where nothing can be written.
pub fn check(
    keeper: &Keeper<'_>,
    warnings: &[String],
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let mut exit = if warnings.is_empty() { Exit::Done } else { Exit::Partly };
    let mut lines: Vec<String> = warnings.iter().map(|why| format!("warning: {why}")).collect();
    let known = keeper.store.look()?.0;
    for job in keeper.jobs {
        let state = known.jobs.get(&job.id).cloned().map(|mut state| {
            // As a pass would.
            state.notices_change(action::credential(keeper, job).as_deref());
            state
        });
        let why = state.and_then(|state| state.disabled_why(job));
        let disabled = why.map_or(Ok(()), |why| Err(format!("disabled: {why}")));
        let told = match disabled.and_then(|()| action::login(keeper, job)) {
            Ok(told) => format!("ok    {}: {told}", job.id),
            Err(why) => {
                exit = Exit::Partly;
                format!("wrong {}: {why}", job.id)
            }
        };
        lines.push(told);
    }
    if lines.is_empty() {
        lines.push("No job is configured: one begins with [[keepalive]]".to_owned());
    }
    for line in lines {
        match writeln!(out, "{}", escape(&line)) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let why = crate::disk::words(&error);
                return Err(Failure::new(format!("cannot write what was checked: {why}")));
            }
            _ => {}
        }
    }
    Ok(exit)
}
