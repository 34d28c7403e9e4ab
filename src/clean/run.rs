//! A run that has ended, with everything that its report, its exit code and the journal need.

use super::cli_processes::{no_map, unmapped_in};
use crate::config::Clean;
use crate::map::MapStore;
use crate::model::plan::Observations;
use crate::model::{
    Clock, Exit, Failure, KeepReason, Plan, ProcessDetails, State, Thresholds, Timestamp, Verdict,
    Warning,
};
use crate::os::interrupt::Interrupt;
use crate::report::Report;

/// The result of a run on a map, or of one that found no map.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) plan: Plan,
    pub(super) observations: Observations,
    pub(super) warnings: Vec<Warning>,
    pub(super) is_changed: bool,
    pub(super) hint: Option<String>,
}

pub struct Run {
    pub(super) id: String,
    pub(super) profile: Option<String>,
    pub(super) started: Timestamp,
    pub(super) cutoff: Timestamp,
    pub(super) is_dry: bool,
    pub(super) is_by_hand: bool,
    pub(super) thresholds: Thresholds,
    pub(super) clock: Clock,
    pub(super) store: Box<dyn MapStore>,
    pub(super) outcome: Outcome,
}

impl Run {
    pub fn report(&self) -> Report<'_> {
        Report {
            run: &self.id,
            profile: self.profile.as_deref(),
            started: self.started,
            dry_run: self.is_dry,
            by_hand: self.is_by_hand,
            thresholds: &self.thresholds,
            clock: self.clock,
            cutoff: self.cutoff,
            source: self.store.source(),
            map: self.store.map(),
            plan: &self.outcome.plan,
            observations: &self.outcome.observations,
            warnings: &self.outcome.warnings,
        }
    }

    /// Returns the CLI processes whose session no mapping has.
    pub fn unmapped_processes(
        &self,
        config: &Clean,
        interrupt: &Interrupt,
    ) -> Result<Vec<ProcessDetails>, Failure> {
        let nothing = no_map()?;
        let map = self.store.map().unwrap_or(&nothing);
        let (plan, owner) = (&self.outcome.plan, self.store.owner());
        unmapped_in(map, plan, config, owner, self.started, interrupt)
    }

    /// The user id of the map's owner, if there is a file.
    pub fn map_owner(&self) -> Option<u32> {
        self.store.owner()
    }

    pub fn hint(&self) -> Option<&str> {
        self.outcome.hint.as_deref()
    }

    pub fn warnings(&self) -> &[Warning] {
        &self.outcome.warnings
    }

    pub fn has_changed_the_map(&self) -> bool {
        self.outcome.is_changed
    }

    /// [`Exit::Partly`] if a mapping could not be judged or removed, or a warning is a problem.
    pub fn exit(&self) -> Exit {
        let mut verdicts = self.outcome.plan.decisions.iter().map(|decision| decision.verdict);
        let is_partial = verdicts.any(|verdict| self.is_left(verdict))
            || self.outcome.warnings.iter().any(|warning| warning.code.is_trouble());
        if is_partial { Exit::Partly } else { Exit::Done }
    }

    /// Returns true if the run should have done more about a mapping with that verdict. Unknown models
    /// and impossible ids are no problem of the run.
    fn is_left(&self, verdict: Verdict) -> bool {
        use KeepReason as K;
        match verdict {
            // A mapping that was selected should be removed.
            Verdict::Keep(_) if self.is_by_hand => true,
            Verdict::Keep(K::Failed(_)) => true,
            Verdict::Remove(_)
            | Verdict::Keep(K::UnknownModel | K::NotAString | K::ImpossibleId) => false,
            Verdict::Keep(_) => verdict.state() == State::Unknown,
        }
    }
}
