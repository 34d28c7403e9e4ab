//! `keepalive run`: one pass over the jobs. What is due is done, one job after the other, and written down
//! before and after, so that a pass that was killed is seen by the next.

use serde_json::json;
use std::io::{self, Write};

use super::end::End;
use super::{Keeper, action, touch};
use crate::keepalive::job::{Action, Due, Job, JobState, Outcome, SMALLEST_GAP, due};
use crate::keepalive::store::Jobs;
use crate::model::escape::escape;
use crate::model::plain_json::write_plain;
use crate::model::{Exit, Failure, Timestamp};

/// What a pass writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Output {
    /// A line for each job, and what it printed.
    #[default]
    All,
    /// The same, without the jobs that are not due.
    News,
    /// One JSON object at the end, and no lines.
    Json,
}

/// What a pass is to do.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only these jobs; all where none is named.
    pub ids: Vec<String>,
    /// Say what would be run, and run nothing.
    pub dry_run: bool,
    /// Run what is not due yet as well, though not in silence and not what is disabled.
    pub force: bool,
    /// What to write.
    pub output: Output,
}

/// One pass.
///
/// # Errors
/// Exit code 2 where a job is named that is not there, 75 where a pass is under way, and 1 where what is
/// remembered cannot be read or written.
pub fn run(keeper: &Keeper<'_>, options: &Options, out: &mut dyn Write) -> Result<Exit, Failure> {
    let asked = keeper.asked(&options.ids)?;
    let _pass = if options.dry_run { None } else { Some(keeper.store.begin()?) };
    let mut known = if options.dry_run { keeper.store.peek()? } else { keeper.store.read()? };
    let before = known.clone();
    let mut exit = Exit::Done;
    let (mut rows, mut unsaid) = (Vec::new(), None);
    for job in asked {
        if keeper.interrupt.asked() {
            break;
        }
        let state = known.jobs.entry(job.id.clone()).or_default();
        if options.dry_run {
            // It may be that of a pass that is under way now.
            state.running_since = None;
        }
        let mut said = Vec::new();
        let was_disabled = state.disabled_why(job).is_some();
        state.settle(keeper.now());
        // A pass that was killed counts as a failure, which may have been the last one.
        if let Some(why) = state.disabled_why(job).filter(|_| !was_disabled && !options.dry_run) {
            keeper.store.write(&known)?;
            said.extend(action::notify(keeper, job, "disabled", &why));
        }
        let others = others(keeper, job, &known);
        let state = known.jobs.entry(job.id.clone()).or_default();
        let step = look(keeper, job, state, options, others);
        let is_news = !matches!(step, Step::Nothing(_)) || !said.is_empty();
        let end = match step {
            Step::Run(_) if options.dry_run => would_run(keeper, job, &mut said),
            Step::Run(expires) => run_one(keeper, job, expires, &mut known, &mut exit, &mut said)?,
            Step::Nothing(end) => end,
            Step::Skip(outcome) => {
                let credential = action::credential(keeper, job);
                end(keeper, job, (&outcome, credential), &mut known, &mut exit, options.dry_run)?
            }
        };
        if options.output == Output::News && !is_news {
            continue;
        }
        if options.output == Output::Json {
            rows.push(end.to_json(job, &said));
            continue;
        }
        for line in said.into_iter().chain([format!("{}: {}", job.id, end.line())]) {
            // Jobs go on where nobody can read of them.
            unsaid = say(out, &escape(&line)).err().or(unsaid);
        }
    }
    if options.output == Output::Json {
        let report = json!({
            "schema": 1,
            "version": env!("CARGO_PKG_VERSION"),
            "dry_run": options.dry_run,
            "jobs": rows,
        });
        unsaid = said(write_plain(&report, out)).err();
    }
    if keeper.interrupt.asked() {
        exit = Exit::Partly;
    }
    // What runs has written down itself how it went.
    if !options.dry_run && known != before {
        keeper.store.write(&known)?;
    }
    unsaid.map_or(Ok(exit), Err)
}

/// What a pass does with a job.
enum Step {
    /// It is run, where it goes by an expiry by this one.
    Run(Option<Timestamp>),
    /// Nothing, and why not.
    Nothing(End),
    /// Nothing, since it is not known when the job is due.
    Skip(Outcome),
}

/// Until when a job has to wait for others of the same CLI: a provider is reached no sooner after another
/// job has reached it than it is by one, and what it has said to one holds for all.
fn others(keeper: &Keeper<'_>, job: &Job, known: &Jobs) -> Option<Timestamp> {
    let cli = action::cli_of(job)?;
    let is_other = |other: &&Job| other.id != job.id && action::cli_of(other) == Some(cli);
    let states = keeper.jobs.iter().filter(is_other).filter_map(|other| known.jobs.get(&other.id));
    let waits = states.flat_map(|state| {
        let limit = state.not_before.filter(|_| state.rate_limits > 0);
        [state.last_run.map(|last| last.after(SMALLEST_GAP)), limit]
    });
    waits.flatten().max()
}

fn look(
    keeper: &Keeper<'_>,
    job: &Job,
    state: &mut JobState,
    options: &Options,
    others: Option<Timestamp>,
) -> Step {
    let now = keeper.now();
    state.notices_change(action::credential(keeper, job).as_deref());
    // What is disabled or silent is asked nothing, not even when it expires.
    if let Some(why) = state.disabled_why(job) {
        return Step::Nothing(End::disabled(why));
    }
    if let Some(until) = job.silent_until(now) {
        return Step::Nothing(End::silent(until));
    }
    // Nor is what has to wait in any case.
    let after_gap = state.last_run.map(|last| last.after(job.gap()));
    let wait =
        state.not_before.max(after_gap).max(others).filter(|wait| *wait > now && !options.force);
    if let Some(wait) = wait {
        return Step::Nothing(End::not_due(wait));
    }
    if options.dry_run && action::asks_a_command(job) {
        return Step::Nothing(End::would_check());
    }
    let expires = match action::expires(keeper, job) {
        Ok(expires) => expires,
        Err(outcome) => return Step::Skip(outcome),
    };
    state.expires = expires;
    match due(job, state, expires, now) {
        Due::Due => Step::Run(expires),
        Due::NotYet { .. } if options.force => Step::Run(expires),
        Due::NotYet { at } => Step::Nothing(End::not_due(at)),
        Due::Silent { until } => Step::Nothing(End::silent(until)),
        Due::Disabled { why } => Step::Nothing(End::disabled(why)),
    }
}

/// What a dry run says of a job that is due; what it would touch is put into `said`.
fn would_run(keeper: &Keeper<'_>, job: &Job, said: &mut Vec<String>) -> End {
    if let Action::OpenclawTouch(wanted) = &job.action {
        touch::preview(keeper, wanted, said);
    }
    End::would_run()
}

/// Runs a job that is due.
fn run_one(
    keeper: &Keeper<'_>,
    job: &Job,
    expires: Option<Timestamp>,
    known: &mut Jobs,
    exit: &mut Exit,
    said: &mut Vec<String>,
) -> Result<End, Failure> {
    known.jobs.entry(job.id.clone()).or_default().begin(keeper.now());
    // A pass that is killed from here on is seen by the next one.
    keeper.store.write(known)?;
    // The one that it runs with: a login that comes meanwhile is another one.
    let credential = action::credential(keeper, job);
    let outcome = action::run(keeper, job, expires, known, said);
    end(keeper, job, (&outcome, credential), known, exit, false)
}

/// Writes down how it ended, and tells whom it concerns.
fn end(
    keeper: &Keeper<'_>,
    job: &Job,
    (outcome, credential): (&Outcome, Option<String>),
    known: &mut Jobs,
    exit: &mut Exit,
    is_dry: bool,
) -> Result<End, Failure> {
    let state = known.jobs.entry(job.id.clone()).or_default();
    let was_disabled = state.disabled_why(job).is_some();
    state.end(job, outcome, credential, keeper.now());
    let disabled = state.disabled_why(job);
    let mut end = End::of(outcome);
    if !is_dry {
        keeper.store.write(known)?;
        if let Some(why) = disabled.filter(|_| !was_disabled) {
            end.problem = action::notify(keeper, job, "disabled", &why);
        }
    }
    if matches!(
        outcome,
        Outcome::Failed { .. } | Outcome::RateLimited { .. } | Outcome::Refused { .. }
    ) {
        *exit = Exit::Partly;
    }
    Ok(end)
}

fn say(out: &mut dyn Write, line: &str) -> Result<(), Failure> {
    said(writeln!(out, "{line}"))
}

/// Returns why the report could not be written; nothing where its reader has closed the pipe.
fn said(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let message = format!("cannot write the report: {}", crate::model::describe(&error));
            Err(Failure { exit: Exit::Partly, ..Failure::new(message) }
                .hint("the jobs ran; session-warden keepalive status shows their results"))
        }
        _ => Ok(()),
    }
}
