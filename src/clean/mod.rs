//! `clean` and `remove`: load the map, observe its sessions, judge them, plan, apply, report.

pub(crate) mod absent_map;
mod bounds;
mod cli_processes;
mod held;
mod non_objects;
mod observer;
mod pinned;
mod record;
pub mod release;
mod removal_records;
mod run;
mod second_look;
pub mod selection;

use crate::config::Clean;
use crate::journal::{Journal, run_id};
use crate::map::map_file::stopped;
use crate::map::{self, Access, MapStore, Removal};
use crate::model::plan::Observations;
use crate::model::{
    Failure, KeepReason, MappingIdx, Plan, Policies, Timestamp, Verdict, Warning, WarningCode,
};
use crate::os::interrupt::Interrupt;
use crate::os::progress::Phase;
use crate::process::Processes;
use crate::provider::{Memories, PROVIDERS};

use cli_processes::LiveProcesses;
pub use cli_processes::all_processes;
use observer::Observer;
pub use record::record_failure;
use release::CleanRelease;
use release::run::ReleasePlan;
use run::Outcome;
pub use run::Run;
use second_look::{Findings, SecondLook};
use selection::Selection;

/// Removes idle mappings; a dry run shows which. If the run fails, the map is unchanged, unless the exit code
/// is [`Exit::Partly`](crate::model::Exit::Partly): then it may have been replaced.
pub fn run(config: &Clean, now: Timestamp, interrupt: &Interrupt) -> Result<Run, Failure> {
    run_of(config, None, now, interrupt)
}

/// Like [`run()`]; with a selection, only the selected mappings are considered.
pub fn run_of(
    config: &Clean,
    selection: Option<&Selection>,
    now: Timestamp,
    interrupt: &Interrupt,
) -> Result<Run, Failure> {
    let access = if config.dry_run { Access::Read } else { Access::Change };
    let is_explicit = config.map_is_explicit;
    let interrupt = &interrupt.of_a_run();
    let store = map::open(&config.bridge, &config.map, is_explicit, access, interrupt)?;
    run_on(store, config, selection, now, interrupt)
}

/// Like [`run_of`], on a map that is already open.
pub fn run_on(
    store: Box<dyn MapStore>,
    config: &Clean,
    selection: Option<&Selection>,
    now: Timestamp,
    interrupt: &Interrupt,
) -> Result<Run, Failure> {
    let policies = Policies::new(now, &config.idle, PROVIDERS.len(), config.missing);
    let id = run_id(now, config.profile.as_deref());
    let mut outcome = match (store.map(), selection) {
        (Some(map), _) => {
            let map_owner = store.owner();
            let observer = Observer { config, map, map_owner, now, policies: &policies, interrupt };
            let mut clean = CleanRun::new(observer, store.as_ref(), selection, &id);
            clean.observe()?;
            clean.judge();
            clean.protect()?;
            clean.apply()?;
            clean.finish()
        }
        (None, Some(_)) => return Err(selection::absent_map(&config.map)),
        (None, None) => {
            let journal = config.state_dir().map(|folder| Journal::at(&folder));
            let hint = absent_map::hint(config, journal.ok().as_ref())?;
            Outcome { hint: Some(hint), warnings: store.warnings(), ..Outcome::default() }
        }
    };

    if !config.dry_run {
        held::sweep(config, now);
    }
    let is_reported = outcome.warnings.iter().any(|it| it.code == WarningCode::Interrupted);
    if interrupt.asked() && outcome.is_changed && !is_reported {
        let message = "stopped by a signal after the map was changed";
        outcome.warnings.push(Warning::new(WarningCode::Interrupted, message));
    }

    Ok(Run {
        id,
        profile: config.profile.clone(),
        started: now,
        cutoff: policies.usual(),
        is_dry: config.dry_run,
        is_by_hand: selection.is_some(),
        thresholds: config.idle.clone(),
        clock: config.clock,
        store,
        outcome,
    })
}

/// A run on a map. The steps are called in order, and the plan is complete before `apply`.
struct CleanRun<'a> {
    observer: Observer<'a>,
    store: &'a dyn MapStore,
    selection: Option<&'a Selection>,
    id: &'a str,
    observations: Observations,
    /// The listings of the first look, for the second one.
    memories: Memories,
    plan: Plan,
    /// The CLI processes to end, if that is asked for.
    release: Option<(CleanRelease<'a>, ReleasePlan)>,
    warnings: Vec<Warning>,
    is_changed: bool,
}

impl<'a> CleanRun<'a> {
    fn new(
        observer: Observer<'a>,
        store: &'a dyn MapStore,
        selection: Option<&'a Selection>,
        id: &'a str,
    ) -> Self {
        Self {
            observer,
            store,
            selection,
            id,
            observations: Observations::default(),
            memories: Memories::new(observer.now),
            plan: Plan::default(),
            release: None,
            warnings: store.warnings(),
            is_changed: false,
        }
    }

    /// Looks for the sessions of the mappings that the run is about.
    fn observe(&mut self) -> Result<(), Failure> {
        let Observer { config, map, interrupt, .. } = self.observer;
        let selected = self.selection.map(|selection| selection.resolve(map)).transpose()?;
        let is_asked = |mapping: MappingIdx, model: &str| match &selected {
            Some(selected) => selected.binary_search(&mapping).is_ok(),
            None => config.asks_for(model),
        };

        let has_second_look = !config.dry_run && selected.is_none();
        let memories = has_second_look.then_some(&mut self.memories);

        interrupt.progress().begin(Phase::Listing, 0);
        self.observations = self.observer.look(is_asked, memories, interrupt.clone())?;
        Ok(())
    }

    fn judge(&mut self) {
        let Observer { map, policies, .. } = self.observer;
        self.plan = match self.selection {
            Some(_) => selection::plan(&mut self.observations, policies, map),
            None => Plan::new(&mut self.observations, policies),
        };
    }

    /// Keeps mappings that are pinned, in use or out of reach, and refuses a plan that removes too much.
    fn protect(&mut self) -> Result<(), Failure> {
        let Observer { config, map, interrupt, .. } = self.observer;
        let unmatched = pinned::keep_matching(&config.pin, map, &mut self.plan);
        let map_path = self.store.real_path();
        pinned::keep_pinned(&self.observer, map_path.as_deref(), &mut self.plan)?;
        // A pattern need not match a mapping that was selected, and an undo does not protect one.
        if self.selection.is_none() {
            self.warnings.extend(unmatched);
            pinned::keep_restored(&self.observer, map_path.as_deref(), &mut self.plan)?;
        }

        let processes = self.keep_in_use()?;
        let unreachable = bounds::keep_unreachable(self.store, &mut self.plan);
        if self.selection.is_some() {
            let causes = unreachable.iter().chain(&self.observations.warnings);
            selection::refuse(&self.plan, map, causes)?;
        } else {
            bounds::check_limit(config.max_remove, &self.plan)?;
        }
        self.keep_for_next_run()?;

        self.warnings.extend(unreachable);
        let Observer { map_owner, now, .. } = self.observer;
        let live = LiveProcesses::read(config, map_owner, now)?;
        self.warnings.extend(cli_processes::add(&self.observer, &live, &mut self.plan));
        self.plan_release(&live)?;
        if interrupt.asked() {
            return Err(stopped());
        }

        self.warnings.extend(bounds::bridge_beside(self.store, &self.plan, &processes));
        Ok(())
    }

    /// Leaves the mappings to the next run whose records are too many for the journal of one; a selection is refused.
    fn keep_for_next_run(&mut self) -> Result<(), Failure> {
        let Observer { map, now, .. } = self.observer;
        let left = removal_records::keep_for_next_run(
            map,
            &self.observations,
            &mut self.plan,
            self.id,
            now,
        );
        if self.selection.is_some() {
            selection::refuse(&self.plan, map, left.iter())?;
        }
        self.warnings.extend(left);
        Ok(())
    }

    /// Keeps mappings whose session a process uses or a hold protects. Returns the processes.
    fn keep_in_use(&mut self) -> Result<Processes, Failure> {
        let Observer { map, interrupt, .. } = self.observer;
        let has_removals = self.plan.removals().next().is_some();
        interrupt.progress().begin(Phase::Processes, 0);
        let processes = if has_removals { self.observer.processes() } else { Processes::default() };

        let (mut work, held) = self.observer.work(self.plan.removals(), &processes)?;
        self.plan.held = held;
        self.plan.processes = std::mem::take(&mut work.names);
        if self.selection.is_some() {
            self.warnings.extend(selection::allow_resident(&mut work, map, &mut self.plan));
        }

        for (mapping, reason) in work.kept {
            self.plan.settle(mapping, Verdict::Keep(reason));
        }
        self.observations.warnings.extend(work.warnings);
        Ok(processes)
    }

    /// Decides which CLI processes to end, if that is asked for.
    fn plan_release(&mut self, live: &LiveProcesses) -> Result<(), Failure> {
        let Observer { config, .. } = self.observer;
        if !config.release.is_on || self.selection.is_some() {
            return Ok(());
        }

        let journal = config.state_dir().ok().map(|folder| Journal::at(&folder));
        let mut release = CleanRelease::new(
            self.observer,
            self.store,
            self.id,
            live,
            &self.plan,
            journal.as_ref(),
        )?;
        let plan = release.run.plan()?;
        release.show_in(&mut self.plan);
        self.release = Some((release, plan));
        Ok(())
    }

    /// Ends the CLI processes of the plan. A dry run ends none. Returns true if any was asked to end.
    fn carry_out_release(&mut self) -> Result<bool, Failure> {
        let Some((mut release, plan)) = self.release.take() else { return Ok(false) };
        let Observer { config, .. } = self.observer;
        if !config.dry_run {
            let journal = Journal::at(&config.state_dir()?);
            release.record_restart(&journal)?;
            release.run.carry_out(plan, &journal)?;
            release.show_in(&mut self.plan);
        }
        self.warnings.append(&mut release.run.warnings);
        Ok(release.run.has_signalled())
    }

    /// Ends the CLI processes of the plan, then removes its mappings, each of them looked at again right before
    /// (D6). A dry run does neither.
    fn apply(&mut self) -> Result<(), Failure> {
        let Observer { config, .. } = self.observer;
        let has_released = self.carry_out_release()?;
        if config.dry_run {
            return Ok(());
        }

        match self.apply_removals() {
            // Processes have ended, so the run has done something, and its report shows that.
            Err(failure) if has_released => {
                for removal in self.plan.removals().collect::<Vec<MappingIdx>>() {
                    self.plan.keep(removal, KeepReason::Failed);
                }
                let message = format!("no mapping was removed: {}", failure.message);
                self.warnings.push(Warning::new(WarningCode::NotRemoved, message));
                Ok(())
            }
            applied => applied,
        }
    }

    fn apply_removals(&mut self) -> Result<(), Failure> {
        let Observer { config, map, .. } = self.observer;
        let journal = Journal::at(&config.state_dir()?);
        let removals: Vec<MappingIdx> = self.plan.removals().collect();
        if !removals.is_empty() {
            let (removal, findings) = self.remove(&journal, &removals)?;
            self.settle(&removal, findings);
            self.is_changed = !removal.removed.is_empty();
            self.observations.warnings.extend(removal.warnings);
            if self.selection.is_some() {
                let warnings = &self.observations.warnings;
                selection::settle_rest(&mut self.plan, map, &removal.removed, warnings)?;
            }
        }

        // A run that finds no map reads this record, and nothing else does.
        if let Err(failure) = journal.record_map(&config.map) {
            let warning = Warning::new(WarningCode::NotWrittenDown, failure.message);
            self.observations.warnings.push(warning);
        }
        Ok(())
    }

    fn remove(
        &mut self,
        journal: &Journal,
        removals: &[MappingIdx],
    ) -> Result<(Removal, Findings), Failure> {
        let mut guard = SecondLook {
            observer: &self.observer,
            journal,
            run: self.id,
            map_path: self.store.real_path(),
            url: self.store.source().url,
            plan: &self.plan,
            observations: &self.observations,
            memories: &mut self.memories,
            recorded: vec![false; self.observer.map.len()],
            has_recorded_map: false,
            is_by_hand: self.selection.is_some(),
            is_rechecked: false,
            findings: Findings::default(),
        };

        let removal = self.store.remove(removals, &mut guard);
        guard.void_kept(&removal);
        Ok((removal?, guard.findings))
    }

    /// Changes the plan to the outcome of the removal.
    fn settle(&mut self, removal: &Removal, findings: Findings) {
        self.plan.held.extend(findings.held);
        self.plan.processes.extend(findings.processes);
        for (mapping, verdict, activity) in findings.kept {
            let verdict = match verdict {
                Verdict::Keep(KeepReason::Active) => Verdict::Keep(KeepReason::UsedMeanwhile),
                other => other,
            };
            if let Some(decision) = self.plan.settle(mapping, verdict) {
                self.observations.see_again(decision.subject, activity);
            }
        }

        for mapping in &removal.changed {
            self.plan.keep(*mapping, KeepReason::ChangedMeanwhile);
        }
        for mapping in &removal.failed {
            self.plan.keep(*mapping, KeepReason::Failed);
        }
        self.observations.warnings.extend(findings.warnings);
    }

    fn finish(mut self) -> Outcome {
        let Observer { config, map, .. } = self.observer;
        if self.selection.is_none() {
            self.warnings.extend(non_objects::warnings(map, config));
        }

        self.warnings.append(&mut self.observations.warnings);
        Outcome {
            plan: self.plan,
            observations: self.observations,
            warnings: self.warnings,
            is_changed: self.is_changed,
            hint: None,
        }
    }
}
