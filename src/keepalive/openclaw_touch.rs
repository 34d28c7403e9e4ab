//! `openclaw-touch`: the result for each agent's sessions, as lines and as one outcome.

use super::job::{Outcome, OutcomeKind, Touch, Which};
use super::keeper::Keeper;
use super::openclaw::{Agent, TouchRun, touch};

/// Touches the sessions of a job. Returns the lines about each agent as well.
pub(super) fn run(keeper: &Keeper<'_>, wanted: &Touch) -> (Outcome, Vec<String>) {
    match touch_all(keeper, wanted, false) {
        Err(why) => (Outcome::Failed { why }, Vec::new()),
        Ok(agents) => (outcome(&agents, wanted), lines(&agents, false)),
    }
}

/// Returns lines about the sessions that would be touched.
pub(super) fn preview(keeper: &Keeper<'_>, wanted: &Touch) -> Vec<String> {
    touch_all(keeper, wanted, true).map_or_else(|why| vec![why], |agents| lines(&agents, true))
}

/// Returns how many sessions could be touched now, or the problem.
pub(super) fn check(keeper: &Keeper<'_>, wanted: &Touch) -> Result<String, String> {
    let agents = touch_all(keeper, wanted, true)?;
    match outcome(&agents, wanted) {
        Outcome::Done => Ok(format!("would touch {} now", sessions(count(&agents)))),
        outcome @ (Outcome::Skipped { .. } | Outcome::Later { .. }) => Ok(outcome.to_string()),
        outcome => Err(outcome.to_string()),
    }
}

fn touch_all(keeper: &Keeper<'_>, wanted: &Touch, is_dry: bool) -> Result<Vec<Agent>, String> {
    touch(&TouchRun {
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

fn lines(agents: &[Agent], is_dry: bool) -> Vec<String> {
    let verb = if is_dry { "would touch" } else { "touched" };
    let mut lines = Vec::new();
    for agent in agents {
        let name = &agent.name;
        let raised = agent.raised();
        let touched = format!("{name}: {verb} {}", sessions(raised.len()));
        lines.push(match &agent.result {
            Ok(_) if is_dry => touched,
            Ok(done) => match &done.not_synced {
                None => format!("✓ {touched}"),
                Some(why) => format!("✗ {touched}, {}", may_be_undone(why)),
            },
            Err(outcome) => {
                let why = outcome.reason().unwrap_or_default();
                match outcome.kind() {
                    kind @ (OutcomeKind::Later | OutcomeKind::Skipped) => {
                        format!("- {name}: {}: {why}", kind.name())
                    }
                    _ => format!("✗ {name}: {why}"),
                }
            }
        });
        if is_dry {
            lines.extend(raised.iter().map(|key| format!("  {key}")));
        }
        lines.extend(agent.notes().iter().map(|note| format!("  {note}")));
    }

    lines.push(format!("{verb} {} in total", sessions(count(agents))));
    lines
}

fn sessions(count: usize) -> String {
    if count == 1 { "1 session".to_owned() } else { format!("{count} sessions") }
}

fn may_be_undone(why: &str) -> String {
    format!("but a power failure may undo it: {why}")
}

/// Returns the worst of the agents' results.
fn outcome(agents: &[Agent], wanted: &Touch) -> Outcome {
    let mut problems = Vec::new();
    for Agent { name, result } in agents {
        match result {
            Ok(done) => problems.extend(
                done.not_synced
                    .as_ref()
                    .map(|why| (OutcomeKind::Failed, format!("{name}: {}", may_be_undone(why)))),
            ),
            Err(outcome) => {
                let why = outcome.reason().unwrap_or_default();
                problems.push((outcome.kind(), format!("{name}: {why}")));
            }
        }
    }

    for worst in
        [OutcomeKind::Refused, OutcomeKind::Failed, OutcomeKind::Later, OutcomeKind::Skipped]
    {
        let of_kind = problems.iter().filter(|(kind, _)| *kind == worst);
        let why: Vec<&str> = of_kind.map(|(_, why)| why.as_str()).collect();
        if !why.is_empty() {
            let why = why.join("; ");
            return match worst {
                OutcomeKind::Refused => Outcome::Refused { why },
                OutcomeKind::Failed => Outcome::Failed { why },
                OutcomeKind::Later => Outcome::later(why),
                _ => Outcome::Skipped { why },
            };
        }
    }

    missing(agents, wanted).map_or(Outcome::Done, Outcome::skipped)
}

/// Returns a message about sessions that were named and do not exist.
fn missing(agents: &[Agent], wanted: &Touch) -> Option<String> {
    let Which::Named(keys) = &wanted.which else { return None };
    let missing: Vec<String> = keys
        .iter()
        .filter(|key| !agents.iter().flat_map(Agent::found).any(|found| found == *key))
        .map(|key| format!("{key:?}"))
        .collect();
    (!missing.is_empty())
        .then(|| format!("there is no session with the key {}", missing.join(", ")))
}
