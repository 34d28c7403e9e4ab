//! `clean`: load, observe, judge, plan, apply, report.

mod bounds;
pub mod by_hand;
mod held;
pub(crate) mod no_map;
mod odd_models;
pub(crate) mod pinned;
mod record;
mod second_look;

use std::collections::HashMap;

use crate::clean::bounds::{bridge_beside, check_limit, keep_unreachable};
use crate::clean::by_hand::ByHand;
use crate::clean::held::sweep;
use crate::clean::no_map::no_map;
use crate::clean::odd_models::odd_models;
use crate::clean::pinned::{keep_matching, keep_pinned, keep_restored};
use crate::clean::second_look::{Observer, SecondLook};
use crate::config::Clean;
use crate::journal::{Journal, run_id};
use crate::map::map_file::stopped;
use crate::map::{self, Access, MapStore, Removal};
use crate::model::plan::Observations;
use crate::model::{
    Clock, Exit, Failure, KeepReason, Plan, Policies, State, Thresholds, Timestamp, Verdict,
    Warning, WarningCode,
};
use crate::os::interrupt::Interrupt;
use crate::os::progress::Phase;
use crate::process::Processes;
use crate::provider::{Memories, PROVIDERS};
use crate::report::Report;

pub use record::write_down_failure;

/// A run that has done its work, with all that its report shows.
pub struct Run {
    id: String,
    profile: Option<String>,
    started: Timestamp,
    cutoff: Timestamp,
    is_dry: bool,
    is_by_hand: bool,
    changed: bool,
    thresholds: Thresholds,
    clock: Clock,
    store: Box<dyn MapStore>,
    plan: Plan,
    observations: Observations,
    warnings: Vec<Warning>,
    hint: Option<String>,
}

/// Removes idle mappings, or in a dry run shows which.
///
/// # Errors
/// Whatever keeps the run from its work; the map is then as it was.
pub fn run(config: &Clean, now: Timestamp, interrupt: &Interrupt) -> Result<Run, Failure> {
    run_of(config, None, now, interrupt)
}

/// The same on the mappings that were named, if any were.
///
/// # Errors
/// As [`run`].
pub fn run_of(
    config: &Clean,
    by_hand: Option<&ByHand>,
    now: Timestamp,
    interrupt: &Interrupt,
) -> Result<Run, Failure> {
    let access = if config.dry_run { Access::Read } else { Access::Change };
    let said = config.map_is_explicit;
    let store = map::open(&config.bridge, &config.map, said, access, interrupt)?;
    run_on(store, config, by_hand, now, interrupt)
}

/// The same on a map that somebody else has opened.
///
/// # Errors
/// As [`run`].
pub fn run_on(
    store: Box<dyn MapStore>,
    config: &Clean,
    by_hand: Option<&ByHand>,
    now: Timestamp,
    interrupt: &Interrupt,
) -> Result<Run, Failure> {
    let policies = Policies::new(now, &config.idle, PROVIDERS.len(), config.missing);
    let id = run_id(now, config.profile.as_deref());
    let mut warnings = store.warnings();
    let mut changed = false;
    let mut hint = None;
    let (plan, observations) = match (store.map(), by_hand) {
        (None, Some(_)) => return Err(by_hand::no_map(&config.map)),
        (None, None) => {
            let journal = config.state_dir().map(|folder| Journal::at(&folder));
            hint = Some(no_map(config, journal.ok().as_ref())?);
            (Plan::default(), Observations::default())
        }
        (Some(map), _) => {
            let observer = Observer {
                config,
                map,
                map_owner: store.owner(),
                now,
                policies: &policies,
                interrupt,
            };
            let mut memories = Memories::new(now);
            let mut planned = planned(&observer, store.as_ref(), by_hand, &mut memories)?;
            let (plan, observations) = (&mut planned.plan, &mut planned.observations);
            warnings.append(&mut planned.warnings);
            if interrupt.asked() {
                return Err(stopped());
            }
            warnings.extend(bridge_beside(store.as_ref(), plan, &planned.running));
            if !config.dry_run {
                let journal = Journal::at(&config.state_dir()?);
                let look = (&observer, memories, by_hand.is_some());
                changed = apply(store.as_ref(), &journal, &id, look, plan, observations)?;
                // Only the next run that finds no map asks for it.
                let _ = journal.record_map(&config.map);
            }
            if by_hand.is_none() {
                warnings.extend(odd_models(map, config));
            }
            warnings.append(&mut observations.warnings);
            (planned.plan, planned.observations)
        }
    };
    if !config.dry_run {
        sweep(config, now);
    }
    let is_reported = warnings.iter().any(|one| one.code == WarningCode::Interrupted);
    if interrupt.asked() && changed && !is_reported {
        let message = "stopped by a signal after the map was changed";
        warnings.push(Warning::new(WarningCode::Interrupted, message));
    }
    let run = Run {
        id,
        profile: config.profile.clone(),
        started: now,
        cutoff: policies.usual(),
        is_dry: config.dry_run,
        is_by_hand: by_hand.is_some(),
        changed,
        thresholds: config.idle.clone(),
        clock: config.clock,
        store,
        plan,
        observations,
        warnings,
        hint,
    };
    Ok(run)
}

/// What is to be done, before anything is.
struct Planned {
    plan: Plan,
    observations: Observations,
    running: Processes,
    warnings: Vec<Warning>,
}

/// Observes and judges the mappings that the run is about, and plans what becomes of each.
fn planned(
    observer: &Observer<'_>,
    store: &dyn MapStore,
    by_hand: Option<&ByHand>,
    memories: &mut Memories,
) -> Result<Planned, Failure> {
    let Observer { config, map, policies, interrupt, .. } = *observer;
    let named = by_hand.map(|by_hand| by_hand.places(map)).transpose()?;
    let is_asked = |place: u32, model: &str| match &named {
        Some(named) => named.binary_search(&place).is_ok(),
        None => config.asks_for(model),
    };
    let again = Some(memories).filter(|_| !config.dry_run && named.is_none());
    interrupt.progress().begin(Phase::Listing, 0);
    let mut observations = observer.look(is_asked, again, interrupt.clone())?;

    let mut plan = match named {
        Some(_) => by_hand::plan(&mut observations, policies, map),
        None => Plan::new(&mut observations, policies),
    };
    let mut warnings = keep_matching(&config.pin, map, &mut plan);
    keep_pinned(config, store, map, &mut plan)?;
    if named.is_none() {
        keep_restored(config, store, map, policies, &mut plan)?;
    } else {
        // A pattern need not match what was named.
        warnings.clear();
    }

    let any_goes = plan.going().next().is_some();
    interrupt.progress().begin(Phase::Processes, 0);
    let running = if any_goes { observer.processes() } else { Processes::default() };
    let (mut work, held) = observer.work(plan.going(), &running)?;
    plan.held = held;
    plan.processes = std::mem::take(&mut work.names);
    if named.is_some() {
        warnings.extend(by_hand::allow_resident(&mut work, map, &mut plan));
    }
    for (place, why) in work.kept {
        plan.settle(place, Verdict::Keep(why));
    }
    observations.warnings.extend(work.warnings);
    let unreachable = keep_unreachable(store, &mut plan);
    if named.is_some() {
        by_hand::refuse(&plan, map, unreachable.iter().chain(&observations.warnings))?;
    } else {
        check_limit(config.max_remove, &plan)?;
    }
    warnings.extend(unreachable);
    Ok(Planned { plan, observations, running, warnings })
}

/// Removes what the plan removes, each mapping looked at once more right before (D6). Returns true if
/// anything was removed.
fn apply(
    store: &dyn MapStore,
    journal: &Journal,
    run: &str,
    (observer, memories, is_by_hand): (&Observer<'_>, Memories, bool),
    plan: &mut Plan,
    observations: &mut Observations,
) -> Result<bool, Failure> {
    let going: Vec<u32> = plan.going().collect();
    if going.is_empty() {
        return Ok(false);
    }
    let source = store.source();
    let mut guard = SecondLook {
        observer,
        journal,
        run,
        map_path: store.real_path(),
        url: source.url,
        plan,
        observations,
        memories,
        held: HashMap::new(),
        processes: HashMap::new(),
        stayed: Vec::new(),
        warnings: Vec::new(),
        recorded: vec![false; observer.map.mappings().count()],
        is_by_hand,
        is_rechecked: false,
        is_refused: false,
    };
    let removal = store.remove(&going, &mut guard);
    match &removal {
        Ok(removal) => guard.void(removal),
        // The map is unchanged, so nothing that was recorded was removed.
        Err(failure) if failure.exit != Exit::Partly => guard.void(&Removal::default()),
        Err(_) => {}
    }
    let removal = removal?;
    let SecondLook { stayed, held, processes, warnings, .. } = guard;
    plan.held.extend(held);
    plan.processes.extend(processes);
    for (place, verdict, seen) in stayed {
        let verdict = match verdict {
            Verdict::Keep(KeepReason::Active) => Verdict::Keep(KeepReason::UsedMeanwhile),
            other => other,
        };
        if let Some(decision) = plan.settle(place, verdict) {
            observations.see_again(decision.subject, seen);
        }
    }
    for place in removal.changed {
        if let Some(Verdict::Remove(reason)) = plan.verdict(place) {
            plan.settle(place, Verdict::Keep(KeepReason::ChangedMeanwhile(reason)));
        }
    }
    for place in removal.failed {
        if let Some(Verdict::Remove(reason)) = plan.verdict(place) {
            plan.settle(place, Verdict::Keep(KeepReason::Failed(reason)));
        }
    }
    observations.warnings.extend(warnings);
    observations.warnings.extend(removal.warnings);
    if is_by_hand {
        by_hand::settle_rest(plan, observer.map, &removal.removed, &observations.warnings)?;
    }
    Ok(!removal.removed.is_empty())
}

impl Run {
    /// What the run has to say.
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
            plan: &self.plan,
            observations: &self.observations,
            warnings: &self.warnings,
        }
    }

    /// The user id of the map's owner, where it has one.
    pub fn map_owner(&self) -> Option<u32> {
        self.store.owner()
    }

    /// What to do if there is no map.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// What went wrong.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Whether the map was changed.
    pub fn has_changed_the_map(&self) -> bool {
        self.changed
    }

    /// [`Exit::Done`], or [`Exit::Partly`] where something that should have been judged or let go
    /// was not. Unknown models and impossible ids are no such trouble.
    pub fn exit(&self) -> Exit {
        let doubtful = |verdict: Verdict| {
            use KeepReason as K;
            matches!(verdict, Verdict::Keep(K::Failed(_)))
                || verdict.state() == State::Unknown
                    && !matches!(
                        verdict,
                        Verdict::Keep(K::UnknownModel | K::NotAString | K::ImpossibleId)
                    )
        };
        // Whatever was named and is kept was not done.
        let is_left =
            |verdict| if self.is_by_hand { !Verdict::goes(verdict) } else { doubtful(verdict) };
        let in_doubt = self.plan.decisions.iter().any(|decision| is_left(decision.verdict));
        let trouble = || self.warnings.iter().any(|warning| warning.code.is_trouble());
        if in_doubt || trouble() { Exit::Partly } else { Exit::Done }
    }
}
