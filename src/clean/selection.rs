//! The mappings that the user has named for `remove`. They are removed whatever their state, unless a
//! session is in use or pinned: then none of them is.

use std::collections::BTreeSet;
use std::path::Path;

use crate::model::plan::Observations;
use crate::model::{
    Decision, Failure, KeepReason, Mapping, MappingIdx, Plan, Policies, RemoveReason, SessionMap,
    State, Verdict, Warning, WarningCode, naming,
};
use crate::provider::Work;
use crate::report::Report;

const NAMED: usize = 5;

/// A model, a chat and its session.
type OwnedMapping = (String, String, Option<String>);

#[derive(Debug, Clone)]
pub struct Selection {
    /// Chats, sessions, or prefixes of them.
    ids: Vec<String>,
    /// The mappings that the user has confirmed, if the user was asked.
    confirmed: Option<BTreeSet<OwnedMapping>>,
}

impl Selection {
    pub fn new(ids: Vec<String>) -> Self {
        Self { ids, confirmed: None }
    }

    /// From now on, the IDs must resolve to the very mappings of that report.
    pub fn confirm(&mut self, report: &Report<'_>) {
        self.confirmed = Some(report.rows().map(|row| owned(row.mapping)).collect());
    }

    /// Returns the selected mappings in the map's order. Fails if an ID matches nothing or more than one
    /// name, or if the map has changed since the user confirmed.
    pub(super) fn resolve(&self, map: &SessionMap) -> Result<Vec<MappingIdx>, Failure> {
        let mut selected = BTreeSet::new();
        for id in &self.ids {
            let named = naming::named(map.mappings(), id).map_err(|why| {
                let failure = why.failure(id);
                let message = format!("{}; nothing was removed", failure.message);
                Failure { message, ..failure }
            });
            selected.extend(named?);
        }

        if let Some(confirmed) = &self.confirmed {
            let mappings = selected.iter().filter_map(|index| map.get(*index));
            if *confirmed != mappings.map(owned).collect() {
                return Err(Failure::new(
                    "the map has changed since you were asked; nothing was removed",
                )
                .hint("run the same command again to see what it would remove now"));
            }
        }

        Ok(selected.into_iter().collect())
    }
}

fn owned(mapping: Mapping<'_>) -> OwnedMapping {
    let session = mapping.session.map(|session| session.0.to_owned());
    (mapping.model.to_owned(), mapping.chat.0.to_owned(), session)
}

/// The failure of a `remove` that found no map.
pub(super) fn absent_map(path: &Path) -> Failure {
    Failure::new(format!("there is no session map at {}; nothing was removed", path.display()))
        .hint("--session-dir DIR names the map's folder, --map FILE the map itself")
}

/// Plans to remove everything that was observed. The states are only shown, so unreadable evidence does not
/// matter.
pub(super) fn plan(observations: &mut Observations, policies: &Policies, map: &SessionMap) -> Plan {
    observations.warnings.clear();
    let decisions = observations.judged(policies).map(|decision| {
        let has_session = map.get(decision.mapping).is_some_and(|it| it.session.is_some());
        let verdict = if has_session {
            Verdict::Remove(RemoveReason::ByHand(decision.verdict.state()))
        } else {
            // The journal restores sessions, and there is none.
            Verdict::Keep(KeepReason::NotAString)
        };
        Decision { verdict, ..decision }
    });
    Plan { decisions: decisions.collect(), ..Plan::default() }
}

/// Takes resident sessions out of `work`: they are removed, with a warning that the process keeps running.
pub(super) fn allow_resident(work: &mut Work, map: &SessionMap, plan: &mut Plan) -> Vec<Warning> {
    let resident = work.kept.extract_if(|_, why| matches!(why, KeepReason::Resident(_)));
    let mut resident: Vec<(MappingIdx, KeepReason)> = resident.collect();
    resident.sort_by_key(|(mapping, _)| *mapping);

    let mut warnings = Vec::new();
    for (mapping, why) in resident {
        plan.settle(mapping, Verdict::Remove(RemoveReason::ByHand(State::Resident)));
        let process = why.process().unwrap_or_default();
        let name = plan.processes.get(&process).map(|name| format!(" ({name})"));
        let chat = map.get(mapping).map_or("", |mapping| mapping.chat.0);
        let message = format!(
            "process {process}{} of chat {chat:?} is idle and keeps running",
            name.unwrap_or_default()
        );
        warnings.push(Warning::new(WarningCode::StillRunning, message));
    }
    warnings
}

/// Refuses the whole run if a selected mapping is to be kept.
pub(super) fn refuse<'w>(
    plan: &Plan,
    map: &SessionMap,
    warnings: impl Iterator<Item = &'w Warning> + Clone,
) -> Result<(), Failure> {
    let mut first = None;
    let mut names = Vec::new();
    for decision in &plan.decisions {
        if let Verdict::Keep(why) = decision.verdict
            && let Some(mapping) = map.get(decision.mapping)
        {
            first = first.or(Some(why));
            let reason = reason(plan, decision.mapping, why);
            names.push(format!("{}/{} ({reason})", mapping.model, mapping.chat.0));
        }
    }

    let Some(first) = first else { return Ok(()) };

    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let mut names = names.join(", ");
    if more > 0 {
        names = format!("{names} and {more} more");
    }

    let failure = Failure::new(format!("nothing was removed: cannot remove {names}"));
    Err(failure.hint(advice(first, warnings)))
}

/// Settles the plan after the removal. If nothing was removed because a session is in use now or has
/// changed, the whole run is refused; otherwise the mappings that are left have failed.
pub(super) fn settle_rest(
    plan: &mut Plan,
    map: &SessionMap,
    removed: &[MappingIdx],
    warnings: &[Warning],
) -> Result<(), Failure> {
    let has_failed = plan
        .decisions
        .iter()
        .any(|decision| matches!(decision.verdict, Verdict::Keep(KeepReason::Failed(_))));
    if removed.is_empty() && !has_failed {
        refuse(plan, map, warnings.iter())?;
    }

    let left: Vec<MappingIdx> =
        plan.removals().filter(|mapping| removed.binary_search(mapping).is_err()).collect();
    for mapping in left {
        plan.keep(mapping, KeepReason::Failed);
    }
    Ok(())
}

/// Returns in a few words why that mapping is kept.
fn reason(plan: &Plan, mapping: MappingIdx, why: KeepReason) -> String {
    match why {
        KeepReason::PinnedChat => "it is pinned".to_owned(),
        KeepReason::Pinned => "it matches a pin pattern".to_owned(),
        KeepReason::Held => match plan.held.get(&mapping) {
            Some(held) => format!("held for {}", held.reason),
            None => "it is held".to_owned(),
        },
        KeepReason::InUseUnknown => "it may be in use".to_owned(),
        KeepReason::NotAString => "the map has no session there".to_owned(),
        KeepReason::ChangedMeanwhile(_) => "its mapping has changed meanwhile".to_owned(),
        KeepReason::NextRun(_) => "too much for one run".to_owned(),
        KeepReason::Failed(_) => "its bridge cannot be asked for it".to_owned(),
        _ => match why.process().and_then(|id| Some((id, plan.processes.get(&id)?))) {
            Some((id, name)) => format!("in use by process {id} ({name})"),
            None => format!("in use by {}", Verdict::Keep(why)),
        },
    }
}

fn advice<'w>(why: KeepReason, mut warnings: impl Iterator<Item = &'w Warning>) -> String {
    let text = match why {
        KeepReason::PinnedChat => "session-warden pin --remove ID unpins a chat",
        KeepReason::Pinned => "remove the pattern from pin in the configuration file",
        KeepReason::Held => "session-warden hold list shows the holds; hold stop ends one",
        KeepReason::InUseUnknown => match warnings.find(|it| it.code == WarningCode::UseUnread) {
            Some(Warning { message, path: Some(path), .. }) => {
                return format!("{message}: {}", path.display());
            }
            Some(unread) => return unread.message.clone(),
            None => WarningCode::UseUnread.hint(),
        },
        KeepReason::NotAString => "edit the map by hand while its bridge is stopped",
        KeepReason::ChangedMeanwhile(_) => "run the same command again",
        KeepReason::NextRun(_) => "name fewer mappings at once",
        KeepReason::Failed(_) => match warnings.next() {
            Some(warning) => return format!("{}; {}", warning.message, warning.code.hint()),
            None => WarningCode::BridgeTrouble.hint(),
        },
        _ => "wait until its work has ended, or end the process",
    };

    text.to_owned()
}
