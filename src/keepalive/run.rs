//! `keepalive run`: one pass over the jobs. What is due is done, one job after the other, and the state
//! is stored before and after each run, so that the next pass sees a pass that was killed.

use serde_json::{Value, json};
use std::io::{self, Write};
use std::mem;

use super::end::End;
use super::job::{Action, Due, Job, Outcome, SMALLEST_GAP, due};
use super::keeper::Keeper;
use super::pass::Pass;
use super::written::check_written;
use super::{action, openclaw_touch};
use crate::model::escape::escape;
use crate::model::plain_json::write_plain;
use crate::model::{Exit, Failure, Timestamp};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Output {
    /// A line for each job, after the lines that it printed.
    #[default]
    All,
    /// The same, without the jobs that were not run.
    News,
    /// One JSON object at the end.
    Json,
}

#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only these jobs; all if none is named.
    pub ids: Vec<String>,
    /// Show what would run, and run nothing.
    pub dry_run: bool,
    /// Also run jobs that are not due, unless they are disabled or silent.
    pub force: bool,
    pub output: Output,
}

/// Runs one pass. The exit code of a failure is 2 if a job does not exist, and 75 if a pass is under way.
pub fn run(keeper: &Keeper<'_>, options: &Options, out: &mut dyn Write) -> Result<Exit, Failure> {
    let selected = keeper.selected(&options.ids)?;
    let _lock = if options.dry_run { None } else { Some(keeper.store.begin()?) };
    let before = if options.dry_run { keeper.store.peek()? } else { keeper.store.read()? };
    let mut pass = Pass {
        keeper,
        is_dry: options.dry_run,
        jobs: before.clone(),
        exit: Exit::Done,
        lines: Vec::new(),
    };

    let mut report = Report { options, out, rows: Vec::new(), failure: None };
    for job in selected {
        if keeper.interrupt.asked() {
            break;
        }
        let end = pass.visit(job, options.force)?;
        report.add(job, &end, &mem::take(&mut pass.lines));
    }

    report.end();

    if keeper.interrupt.asked() {
        pass.exit = Exit::Partly;
    }
    // Each run has stored its own result already.
    if pass.jobs != before {
        pass.save()?;
    }

    report.failure.map_or(Ok(pass.exit), Err)
}

/// The next step with a job.
enum Next {
    /// To run it. The expiry is the one that it goes by, if any.
    Run(Option<Timestamp>),
    Leave(End),
    /// To store this outcome: it is unknown when the job is due.
    Skip(Outcome),
}

impl Pass<'_> {
    fn visit(&mut self, job: &Job, force: bool) -> Result<End, Failure> {
        self.settle(job)?;
        match self.next(job, force) {
            Next::Leave(end) => Ok(end),
            Next::Run(_) if self.is_dry => {
                if let Action::OpenclawTouch(touch) = &job.action {
                    self.lines.extend(openclaw_touch::preview(self.keeper, touch));
                }
                Ok(End::WouldRun)
            }
            Next::Run(expires) => self.run(job, expires),
            Next::Skip(outcome) => {
                let credential = action::credential(self.keeper, job);
                self.finish(job, outcome, credential)
            }
        }
    }

    fn run(&mut self, job: &Job, expires: Option<Timestamp>) -> Result<End, Failure> {
        let now = self.keeper.now();
        self.state(job).begin(now);
        // If the pass is killed from here on, the next one sees it.
        self.save()?;
        // The credential is read before the run: a login that comes meanwhile is another one.
        let credential = action::credential(self.keeper, job);
        let outcome = action::run(self, job, expires);
        self.finish(job, outcome, credential)
    }

    /// Decides what to do with a job. A disabled or silent job is not asked for its expiry, and neither
    /// is one that has to wait anyway.
    fn next(&mut self, job: &Job, force: bool) -> Next {
        let (keeper, now) = (self.keeper, self.keeper.now());
        let wait_for_others = self.wait_for_others(job);
        let is_dry = self.is_dry;
        let state = self.state(job);
        state.notices_change(action::credential(keeper, job).as_deref());
        if let Some(why) = state.disabled_why(job) {
            return Next::Leave(End::Disabled { why });
        }
        if let Some(until) = job.silent_until(now) {
            return Next::Leave(End::Silent { until });
        }

        let after_gap = state.last_run.map(|last| last.after(job.gap()));
        let wait = state.not_before.max(after_gap).max(wait_for_others);
        if let Some(until) = wait.filter(|until| *until > now && !force) {
            return Next::Leave(End::NotDue { until });
        }
        if is_dry && action::asks_a_command(job) {
            return Next::Leave(End::WouldCheck);
        }

        let expires = match action::expires(keeper, job) {
            Ok(expires) => expires,
            Err(outcome) => return Next::Skip(outcome),
        };
        state.expires = expires;
        match due(job, state, expires, now) {
            Due::Due => Next::Run(expires),
            Due::NotYet { .. } if force => Next::Run(expires),
            Due::NotYet { at } => Next::Leave(End::NotDue { until: at }),
            Due::Silent { until } => Next::Leave(End::Silent { until }),
            Due::Disabled { why } => Next::Leave(End::Disabled { why }),
        }
    }

    /// Returns until when a job has to wait for other jobs of the same CLI: the gap between two calls of
    /// a provider and its rate limits hold for all of them.
    fn wait_for_others(&self, job: &Job) -> Option<Timestamp> {
        let cli = job.action.cli()?;
        let others = self.keeper.jobs.iter().filter(|other| other.id != job.id);
        let others = others.filter(|other| other.action.cli() == Some(cli));
        let states = others.filter_map(|other| self.jobs.jobs.get(&other.id));
        let waits = states.flat_map(|state| {
            let limit = state.not_before.filter(|_| state.rate_limits > 0);
            [state.last_run.map(|last| last.after(SMALLEST_GAP)), limit]
        });
        waits.flatten().max()
    }
}

/// The report of a pass. A failure to write it does not stop the jobs.
struct Report<'a> {
    options: &'a Options,
    out: &'a mut dyn Write,
    /// For JSON, which is written at the end.
    rows: Vec<Value>,
    failure: Option<Failure>,
}

impl Report<'_> {
    fn add(&mut self, job: &Job, end: &End, lines: &[String]) {
        match self.options.output {
            Output::Json => self.rows.push(end.to_json(job, lines)),
            Output::News if !matches!(end, End::Ran { .. }) && lines.is_empty() => {}
            Output::News | Output::All => {
                for line in lines {
                    self.write_line(line);
                }
                self.write_line(&format!("{}: {}", job.id, end.line()));
            }
        }
    }

    fn end(&mut self) {
        if self.options.output == Output::Json {
            let report = json!({
                "schema": 1,
                "version": env!("CARGO_PKG_VERSION"),
                "dry_run": self.options.dry_run,
                "jobs": self.rows,
            });
            let written = write_plain(&report, self.out);
            self.check(written);
        }
    }

    fn write_line(&mut self, line: &str) {
        let written = writeln!(self.out, "{}", escape(line));
        self.check(written);
    }

    fn check(&mut self, written: io::Result<()>) {
        if let Err(failure) = check_written(written, "cannot write the report") {
            let hint = "the jobs ran; session-warden keepalive status shows their results";
            self.failure = Some(failure.with(Exit::Partly).hint(hint));
        }
    }
}
