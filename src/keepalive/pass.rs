//! A pass over the jobs: their state and the outcome so far. `run.rs` walks the jobs: it settles each, decides if it is
//! due, marks it as running and saves, runs it, and finishes it.

use super::command::notify;
use super::end::End;
use super::job::{Job, JobState, Outcome};
use super::keeper::Keeper;
use super::store::Jobs;
use crate::model::{Exit, Failure};

pub(super) struct Pass<'a> {
    pub(super) keeper: &'a Keeper<'a>,
    /// A dry run runs and stores nothing.
    pub(super) is_dry: bool,
    pub(super) jobs: Jobs,
    pub(super) exit: Exit,
    /// The lines that the current job has printed.
    pub(super) lines: Vec<String>,
}

impl Pass<'_> {
    pub(super) fn state(&mut self, job: &Job) -> &mut JobState {
        self.jobs.state(job)
    }

    /// Stores the state of all jobs, unless this is a dry run.
    pub(super) fn save(&self) -> Result<(), Failure> {
        if self.is_dry { Ok(()) } else { self.keeper.store.write(&self.jobs) }
    }

    /// Brings the state of a job up to date. A run that was killed counts as a failure; if that disables the job, its
    /// user is notified and the state is saved.
    pub(super) fn settle(&mut self, job: &Job) -> Result<(), Failure> {
        let (now, is_dry) = (self.keeper.now(), self.is_dry);
        let state = self.jobs.state(job);
        if is_dry {
            // A dry run takes no lock, so another pass may be running this job now: that is not a killed run.
            state.running_since = None;
        }

        let was_disabled = state.disabled_why(job).is_some();
        state.settle(now);

        if let Some(why) = state.disabled_why(job).filter(|_| !was_disabled && !is_dry) {
            self.save()?;
            self.lines.extend(notify(self.keeper, job, "disabled", &why));
        }

        Ok(())
    }

    /// Stores the outcome of a job, and notifies its user if that disables it.
    pub(super) fn finish(
        &mut self,
        job: &Job,
        outcome: Outcome,
        credential: Option<String>,
    ) -> Result<End, Failure> {
        let now = self.keeper.now();
        let state = self.jobs.state(job);
        let was_disabled = state.disabled_why(job).is_some();
        state.end(job, &outcome, credential, now);
        let disabled = state.disabled_why(job).filter(|_| !was_disabled && !self.is_dry);
        self.save()?;
        if outcome.kind().is_problem() {
            self.exit = Exit::Partly;
        }

        let notify_problem = disabled.and_then(|why| notify(self.keeper, job, "disabled", &why));
        Ok(End::Ran { outcome, notify_problem })
    }
}
