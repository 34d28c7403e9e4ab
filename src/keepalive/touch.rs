//! The action `openclaw-touch`: what became of each agent's sessions, as lines and as an outcome.

use super::Keeper;
use crate::keepalive::job::{Outcome, Touch, Which};
use crate::keepalive::openclaw::{Agent, No, Touching, touch};

/// Touches what is wanted, and says for each agent what became of it.
pub(super) fn run(keeper: &Keeper<'_>, wanted: &Touch, said: &mut Vec<String>) -> Outcome {
    // Of several attempts, the last one tells.
    said.clear();
    match touched(keeper, wanted, false) {
        Err(why) => Outcome::Failed { why },
        Ok(agents) => {
            tell(&agents, false, said);
            outcome(&agents, wanted)
        }
    }
}

/// Says what would be touched, and touches nothing.
pub(super) fn preview(keeper: &Keeper<'_>, wanted: &Touch, said: &mut Vec<String>) {
    match touched(keeper, wanted, true) {
        Err(why) => said.push(why),
        Ok(agents) => tell(&agents, true, said),
    }
}

/// Whether it could be done now; nothing is touched.
///
/// # Errors
/// Why not.
pub(super) fn check(keeper: &Keeper<'_>, wanted: &Touch) -> Result<String, String> {
    let agents = touched(keeper, wanted, true)?;
    match outcome(&agents, wanted) {
        Outcome::Done => Ok(format!("would touch {} now", sessions(count(&agents)))),
        outcome @ (Outcome::Skipped { .. } | Outcome::Later { .. }) => Ok(outcome.to_string()),
        outcome => Err(outcome.to_string()),
    }
}

fn touched(keeper: &Keeper<'_>, wanted: &Touch, is_dry: bool) -> Result<Vec<Agent>, String> {
    touch(&Touching {
        folders: &keeper.openclaw.folders()?,
        touch: wanted,
        clock: keeper.clock,
        interrupt: keeper.interrupt,
        is_dry,
    })
}

fn count(agents: &[Agent]) -> usize {
    agents.iter().map(|agent| agent.raised().len()).sum()
}

fn tell(agents: &[Agent], is_dry: bool, said: &mut Vec<String>) {
    for agent in agents {
        let name = &agent.name;
        let raised = agent.raised();
        said.push(match &agent.end {
            Ok(_) if is_dry => format!("{name}: would touch {}", sessions(raised.len())),
            Ok(done) => match &done.unsure {
                None => format!("✓ {name}: touched {}", sessions(raised.len())),
                Some(why) => {
                    format!("✗ {name}: touched {}, {}", sessions(raised.len()), unsure(why))
                }
            },
            Err(No::Busy(why)) => format!("- {name}: later: {why}"),
            Err(No::Skipped(why)) => format!("- {name}: skipped: {why}"),
            Err(No::Failed(why) | No::Never(why)) => format!("✗ {name}: {why}"),
        });
        if is_dry {
            said.extend(raised.iter().map(|key| format!("  {key}")));
        }
        said.extend(agent.notes().iter().map(|note| format!("  {note}")));
    }
    let count = count(agents);
    let total = if is_dry { "would touch" } else { "touched" };
    said.push(format!("{total} {} in total", sessions(count)));
}

fn sessions(count: usize) -> String {
    if count == 1 { "1 session".to_owned() } else { format!("{count} sessions") }
}

fn unsure(why: &str) -> String {
    format!("but a power failure may undo it: {why}")
}

/// The worst of what became of them.
fn outcome(agents: &[Agent], wanted: &Touch) -> Outcome {
    let (mut never, mut failed) = (Vec::new(), Vec::new());
    let (mut busy, mut skipped) = (Vec::new(), Vec::new());
    for Agent { name, end } in agents {
        match end {
            Ok(done) => failed.extend(done.unsure.as_deref().map(|why| (name, unsure(why)))),
            Err(No::Never(why)) => never.push((name, why.clone())),
            Err(No::Failed(why)) => failed.push((name, why.clone())),
            Err(No::Busy(why)) => busy.push((name, why.clone())),
            Err(No::Skipped(why)) => skipped.push((name, why.clone())),
        }
    }
    let why = |told: Vec<(&String, String)>| {
        let told: Vec<String> = told.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        told.join("; ")
    };
    if !never.is_empty() {
        return Outcome::Refused { why: why(never) };
    }
    if !failed.is_empty() {
        return Outcome::Failed { why: why(failed) };
    }
    if !busy.is_empty() {
        return Outcome::Later { why: why(busy), until: None };
    }
    if !skipped.is_empty() {
        return Outcome::Skipped { why: why(skipped) };
    }
    missing(agents, wanted).map_or(Outcome::Done, |why| Outcome::Skipped { why })
}

/// The sessions that were named and are nowhere.
fn missing(agents: &[Agent], wanted: &Touch) -> Option<String> {
    let Which::Named(keys) = &wanted.which else { return None };
    let found = |key: &&String| agents.iter().flat_map(Agent::found).any(|known| known == *key);
    let missing: Vec<String> =
        keys.iter().filter(|key| !found(key)).map(|key| format!("{key:?}")).collect();
    (!missing.is_empty())
        .then(|| format!("there is no session with the key {}", missing.join(", ")))
}
