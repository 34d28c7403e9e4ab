//! `clean`: load, observe, judge, plan, apply, report.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::held::sweep;
use super::second_look::{Observer, SecondLook};
use crate::bridge::{self, Access, MapHolder, Removal};
use crate::config::{self, Clean};
use crate::disk::interrupt::Interrupt;
use crate::disk::map_file::stopped;
use crate::domain::plan::Observations;
use crate::domain::{
    Clock, Exit, Failure, KeepReason, Patterns, Plan, Policies, SessionMap, State, Thresholds,
    Timestamp, Verdict, Warning, WarningCode,
};
use crate::journal::{Journal, Pins, Ran, run_id};
use crate::process::{self, Processes};
use crate::provider::{Memories, PROVIDERS};
use crate::report::Report;

/// A run that has done its work, with all that its report shows.
pub struct Run {
    id: String,
    profile: Option<String>,
    started: Timestamp,
    cutoff: Timestamp,
    is_dry: bool,
    changed: bool,
    thresholds: Thresholds,
    clock: Clock,
    holder: Box<dyn MapHolder>,
    plan: Plan,
    observations: Observations,
    warnings: Vec<Warning>,
}

/// Lets idle mappings go, or in a dry run says which would go.
///
/// # Errors
/// Whatever keeps the run from its work; the map is then as it was.
pub fn run(config: &Clean, now: Timestamp, interrupt: &Interrupt) -> Result<Run, Failure> {
    let access = if config.dry_run { Access::Read } else { Access::Change };
    let said = config.map_is_said;
    let holder = bridge::open(&config.bridge, &config.map, said, access, interrupt)?;
    run_on(holder, config, now, interrupt)
}

/// The same on a map that somebody else has opened.
///
/// # Errors
/// As [`run`].
pub fn run_on(
    holder: Box<dyn MapHolder>,
    config: &Clean,
    now: Timestamp,
    interrupt: &Interrupt,
) -> Result<Run, Failure> {
    let policies = Policies::new(now, &config.idle, PROVIDERS.len(), config.missing);
    let id = run_id(now, config.profile.as_deref());
    let mut warnings = holder.warnings();
    let mut changed = false;
    let (plan, observations) = match holder.map() {
        None => (Plan::default(), Observations::default()),
        Some(map) => {
            let observer =
                Observer { config, map, map_owner: holder.owner(), now, policies: &policies };
            let mut memories = Memories::new(now);
            let again = Some(&mut memories).filter(|_| !config.dry_run);
            let mut observations = observer.look(|_, model| config.asks_for(model), again)?;
            let mut plan = Plan::new(&mut observations, &policies);
            warnings.extend(keep_matching(&config.pin, map, &mut plan));
            pins(config, holder.as_ref(), &plan, &policies)?.apply(map, &mut plan);
            let any_goes = plan.going().next().is_some();
            let running = if any_goes { observer.processes() } else { Processes::default() };
            let (work, held) = observer.work(plan.going(), &running)?;
            plan.held = held;
            plan.processes = work.names;
            for (place, why) in work.kept {
                plan.settle(place, Verdict::Keep(why));
            }
            observations.warnings.extend(work.warnings);
            warnings.extend(keep_unreachable(holder.as_ref(), &mut plan));
            check_limit(config.max_remove, &plan)?;
            if interrupt.asked() {
                return Err(stopped());
            }
            warnings.extend(bridge_beside(holder.as_ref(), &plan, &running));
            if !config.dry_run {
                let journal = Journal::at(&config.state_dir()?);
                let holder = holder.as_ref();
                let look = (&observer, memories);
                changed = apply(holder, &journal, &id, look, &mut plan, &mut observations)?;
            }
            warnings.extend(odd_models(map, config));
            warnings.append(&mut observations.warnings);
            (plan, observations)
        }
    };
    if !config.dry_run {
        sweep(config, now);
    }
    if interrupt.asked() && changed {
        let message = "stopped by a signal after the map was changed";
        warnings.push(Warning::new(WarningCode::Interrupted, message));
    }
    let run = Run {
        id,
        profile: config.profile.clone(),
        started: now,
        cutoff: policies.usual(),
        is_dry: config.dry_run,
        changed,
        thresholds: config.idle.clone(),
        clock: config.clock,
        holder,
        plan,
        observations,
        warnings,
    };
    Ok(run)
}

/// Removes what the plan removes, each mapping looked at once more right before (D6). Returns true if
/// anything was removed.
fn apply(
    holder: &dyn MapHolder,
    journal: &Journal,
    run: &str,
    (observer, memories): (&Observer<'_>, Memories),
    plan: &mut Plan,
    observations: &mut Observations,
) -> Result<bool, Failure> {
    let going: Vec<u32> = plan.going().collect();
    if going.is_empty() {
        return Ok(false);
    }
    let source = holder.source();
    let mut guard = SecondLook {
        observer,
        journal,
        run,
        map_path: holder.real_path(),
        url: source.url,
        plan,
        observations,
        memories,
        held: HashMap::new(),
        processes: HashMap::new(),
        stayed: Vec::new(),
        warnings: Vec::new(),
        recorded: vec![false; observer.map.mappings().count()],
    };
    let removal = holder.remove(&going, &mut guard);
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
    Ok(!removal.removed.is_empty())
}

/// Writes down a run that failed. A dry run is none.
///
/// # Errors
/// Where that cannot be done.
pub fn write_down_failure(
    config: &Clean,
    failure: &Failure,
    started: Timestamp,
    took: Duration,
) -> Result<(), Failure> {
    if config.dry_run {
        return Ok(());
    }
    let journal = Journal::at(&config.state_dir()?);
    journal.ran(&Ran {
        run: run_id(started, config.profile.as_deref()),
        started: started.rfc3339().unwrap_or_default(),
        ended: started.after(took).rfc3339().unwrap_or_default(),
        exit: failure.exit.code(),
        map: Some(config.map.clone().into()),
        warning: Some(failure.message.clone()),
        ..Ran::default()
    })?;
    journal.trim(started)
}

/// Keeps what would go and matches a pattern. A pattern that matches nothing in the whole map is
/// warned of, for it may be a typo.
fn keep_matching(patterns: &Patterns, map: &SessionMap, plan: &mut Plan) -> Vec<Warning> {
    if patterns.is_empty() {
        return Vec::new();
    }
    let mut matched = HashSet::new();
    for (place, mapping) in (0..).zip(map.mappings()) {
        let matching: Vec<usize> = patterns.matching(mapping).collect();
        let is_kept = !matching.is_empty();
        matched.extend(matching);
        if is_kept && plan.verdict(place).is_some_and(Verdict::goes) {
            plan.settle(place, Verdict::Keep(KeepReason::Pinned));
        }
    }
    let unmatched = patterns.texts().enumerate().filter(|(place, _)| !matched.contains(place));
    let warning = |(_, text)| {
        let message = format!("--pin {text:?} matches no chat and no session of this map");
        Warning::new(WarningCode::KeepUnmatched, message)
    };
    unmatched.map(warning).collect()
}

/// Keeps what would go, and its holder could not let go.
fn keep_unreachable(holder: &dyn MapHolder, plan: &mut Plan) -> Vec<Warning> {
    let going: Vec<u32> = plan.going().collect();
    let (kept, warnings) = holder.out_of_reach(&going);
    for place in kept {
        if let Some(Verdict::Remove(reason)) = plan.verdict(place) {
            plan.settle(place, Verdict::Keep(KeepReason::Failed(reason)));
        }
    }
    warnings
}

/// What an undo has put back lately, as far as anything would go. As root on another user's map,
/// that user's undos count too.
fn pins(
    config: &Clean,
    holder: &dyn MapHolder,
    plan: &Plan,
    policies: &Policies,
) -> Result<Pins, Failure> {
    let mut pins = Pins::default();
    if plan.going().next().is_none() {
        return Ok(pins);
    }
    let map = holder.real_path();
    let cutoff = &|model: &str| {
        let provider = PROVIDERS.iter().position(|provider| provider.model == model);
        policies.of(provider.unwrap_or(usize::MAX)).cutoff
    };
    // Without a state folder nothing was ever put back; a real run fails for want of it later.
    if let Ok(ours) = config.state_dir() {
        pins.read(&Journal::at(&ours), map.as_deref(), cutoff)?;
    }
    let owner = holder.owner().filter(|owner| process::user() == 0 && *owner != 0);
    if let Some(theirs) = owner.and_then(config::state_dir_of) {
        pins.read(&Journal::at(&theirs), map.as_deref(), cutoff)?;
    }
    Ok(pins)
}

/// A process that looks like a bridge on the map whose file is edited: it will undo that.
fn bridge_beside(holder: &dyn MapHolder, plan: &Plan, running: &Processes) -> Option<Warning> {
    let path = holder.real_path().filter(|_| holder.source().url.is_none())?;
    plan.going().next()?;
    let bridge = process::bridge_on(path.parent()?, running)?;
    let message = format!(
        "process {bridge} looks like a bridge on this map, and will undo the edit with its next \
         chat; name it with --bridge URL, or clean while it is stopped"
    );
    Some(Warning::at(WarningCode::BridgeRuns, path, message))
}

fn check_limit(limit: Option<u64>, plan: &Plan) -> Result<(), Failure> {
    let Some(limit) = limit else { return Ok(()) };
    let count = plan.going().count();
    if count as u64 <= limit {
        return Ok(());
    }
    let mappings = if count == 1 { "mapping" } else { "mappings" };
    let message = format!("{count} {mappings} would go, more than --max-remove {limit}");
    Err(Failure::new(message)
        .hint("nothing was changed; --dry-run without --max-remove shows them"))
}

fn odd_models(map: &SessionMap, config: &Clean) -> Vec<Warning> {
    let warning = |message| Warning::new(WarningCode::ModelNotObject, message);
    let mut odd = map.other_models().filter(|model| config.asks_for(model));
    let named = odd.by_ref().take(NAMED_MODELS);
    let mut warnings: Vec<Warning> = named
        .map(|model| warning(format!("the value of {model:?} in the map is no object; it is kept")))
        .collect();
    let more = odd.count();
    if more > 0 {
        warnings
            .push(warning(format!("{more} more values in the map are no objects; they are kept")));
    }
    warnings
}

/// How many models without mappings are named, of a map that may be full of them.
const NAMED_MODELS: usize = 1000;

impl Run {
    /// What the run has to say.
    pub fn report(&self) -> Report<'_> {
        Report {
            run: &self.id,
            profile: self.profile.as_deref(),
            started: self.started,
            dry_run: self.is_dry,
            thresholds: &self.thresholds,
            clock: self.clock,
            cutoff: self.cutoff,
            source: self.holder.source(),
            map: self.holder.map(),
            plan: &self.plan,
            observations: &self.observations,
            warnings: &self.warnings,
        }
    }

    /// Writes down that this run was, and how it ended; a dry run is none.
    ///
    /// # Errors
    /// Where that cannot be done. Nothing hangs on it but `history`.
    pub fn write_down(&self, config: &Clean, exit: Exit, took: Duration) -> Result<(), Failure> {
        if self.is_dry {
            return Ok(());
        }
        let summary = serde_json::to_value(self.report().summary());
        let ran = Ran {
            run: self.id.clone(),
            started: self.started.rfc3339().unwrap_or_default(),
            ended: self.started.after(took).rfc3339().unwrap_or_default(),
            exit: exit.code(),
            map: self.holder.real_path().or(self.holder.source().map).map(Into::into),
            summary: summary.ok().and_then(|all| all.as_object().cloned()).unwrap_or_default(),
            warning: self.warnings.first().map(|warning| warning.message.clone()),
            ..Ran::default()
        };
        let journal = Journal::at(&config.state_dir()?);
        journal.ran(&ran)?;
        journal.trim(self.started)
    }

    /// The user id of the map's owner, where it has one.
    pub fn map_owner(&self) -> Option<u32> {
        self.holder.owner()
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
                        Verdict::Keep(K::UnknownModel | K::NoString | K::ImpossibleId)
                    )
        };
        let in_doubt = self.plan.decisions.iter().any(|decision| doubtful(decision.verdict));
        let trouble = || self.warnings.iter().any(|warning| warning.code.is_trouble());
        if in_doubt || trouble() { Exit::Partly } else { Exit::Done }
    }
}
