//! A pass over the jobs: their state, which is stored around each run, and what came of it so far.

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

    /// Brings the state of a job up to date. A pass that was killed counts as a failure, which may be
    /// the last one before the job is disabled.
    pub(super) fn settle(&mut self, job: &Job) -> Result<(), Failure> {
        let (now, is_dry) = (self.keeper.now(), self.is_dry);
        let state = self.jobs.state(job);
        if is_dry {
            // The run may be that of another pass.
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
