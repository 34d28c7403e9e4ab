//! `clean`: load, observe, judge, plan, apply, report.

use crate::bridge::{self, Access, MapHolder};
use crate::config::Clean;
use crate::disk::interrupt::Interrupt;
use crate::disk::map_file::stopped;
use crate::domain::plan::Observations;
use crate::domain::policy::KeepReason;
use crate::domain::{
    Exit, Failure, Plan, Policy, SessionMap, State, Timestamp, Verdict, Warning, WarningCode,
};
use crate::process;
use crate::provider::{Owners, observe};
use crate::report::Report;

/// A run that has done its work, with all that its report shows.
pub struct Run {
    id: String,
    started: Timestamp,
    policy: Policy,
    is_dry: bool,
    changed: bool,
    threshold: crate::domain::IdleThreshold,
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
    run_on(bridge::open(&config.map, access, interrupt)?, config, now, interrupt)
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
    let policy = Policy { cutoff: now.before(config.threshold), missing: config.missing };
    let mut warnings = holder.warnings();
    let mut changed = false;
    let (plan, observations) = match holder.map() {
        None => (Plan::default(), Observations::default()),
        Some(map) => {
            let eyes = Eyes { config, map, map_owner: holder.owner(), cutoff: policy.cutoff };
            let mut observations = eyes.look(|_, model| config.asks_for(model))?;
            let mut plan = Plan::new(&mut observations, policy);
            check_limit(config.max_remove, &plan)?;
            if interrupt.asked() {
                return Err(stopped());
            }
            if !config.dry_run {
                changed = apply(holder.as_ref(), &eyes, policy, &mut plan, &mut observations)?;
            }
            warnings.extend(odd_models(map, config));
            warnings.append(&mut observations.warnings);
            (plan, observations)
        }
    };
    if interrupt.asked() && changed {
        let message = "stopped by a signal after the map was changed";
        warnings.push(Warning::new(WarningCode::Interrupted, message));
    }
    let run = Run {
        id: run_id(now),
        started: now,
        policy,
        is_dry: config.dry_run,
        changed,
        threshold: config.threshold,
        holder,
        plan,
        observations,
        warnings,
    };
    Ok(run)
}

/// Lets go what is planned to go, each looked at once more right before (D6). Whether anything went.
fn apply(
    holder: &dyn MapHolder,
    eyes: &Eyes<'_>,
    policy: Policy,
    plan: &mut Plan,
    observations: &mut Observations,
) -> Result<bool, Failure> {
    let going: Vec<u32> = plan.going().collect();
    if going.is_empty() {
        return Ok(false);
    }
    let mut stayed = Vec::new();
    let removal = holder.remove(&going, &mut |places| {
        let again = eyes.look(|place, _| places.binary_search(&place).is_ok())?;
        let mut still = Vec::new();
        for decision in again.judged(policy) {
            if decision.verdict.goes() {
                still.push(decision.mapping);
            } else {
                let seen = again.activity(decision.subject).cloned().unwrap_or_default();
                stayed.push((decision.mapping, decision.verdict, seen));
            }
        }
        if still.len() < places.len() {
            observations.warnings.extend(again.warnings);
        }
        Ok(still)
    })?;
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
    observations.warnings.extend(removal.warnings);
    Ok(!removal.removed.is_empty())
}

/// What a run looks at the disk with.
struct Eyes<'a> {
    config: &'a Clean,
    map: &'a SessionMap,
    map_owner: Option<u32>,
    cutoff: Timestamp,
}

impl Eyes<'_> {
    fn look(&self, places: impl Fn(u32, &str) -> bool) -> Result<Observations, Failure> {
        let owners = Owners { us: process::user(), map: self.map_owner };
        observe(self.map, places, owners, self.cutoff, |provider| {
            self.config.base(provider, self.map_owner)
        })
    }
}

fn check_limit(limit: Option<u64>, plan: &Plan) -> Result<(), Failure> {
    let Some(limit) = limit else { return Ok(()) };
    let count = plan.going().count();
    if count as u64 <= limit {
        return Ok(());
    }
    let message = format!("{count} mappings would go, more than --max-remove {limit}");
    Err(Failure::new(message)
        .hint("nothing was changed; --dry-run without --max-remove shows them"))
}

fn odd_models(map: &SessionMap, config: &Clean) -> Vec<Warning> {
    let odd = map.other_models().filter(|model| config.asks_for(model));
    odd.map(|model| {
        let message = format!("the value of {model:?} in the map is no object; it is kept");
        Warning::new(WarningCode::ModelNotObject, message)
    })
    .collect()
}

/// An id that no other run has: when it started, and as which process.
fn run_id(now: Timestamp) -> String {
    format!("{}-{:03}-{}", now.compact(), now.nanoseconds() / 1_000_000, std::process::id())
}

impl Run {
    /// What the run has to say.
    pub fn report(&self) -> Report<'_> {
        Report {
            run: &self.id,
            started: self.started,
            dry_run: self.is_dry,
            threshold: self.threshold,
            cutoff: self.policy.cutoff,
            source: self.holder.source(),
            map: self.holder.map(),
            plan: &self.plan,
            observations: &self.observations,
            warnings: &self.warnings,
        }
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
            verdict.state() == State::Unknown
                && !matches!(
                    verdict,
                    Verdict::Keep(K::UnknownModel | K::NoString | K::ImpossibleId)
                )
        };
        let in_doubt = self.plan.decisions.iter().any(|decision| doubtful(decision.verdict));
        if in_doubt || self.warnings.iter().any(|warning| warning.code.is_trouble()) {
            Exit::Partly
        } else {
            Exit::Done
        }
    }
}
