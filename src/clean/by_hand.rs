//! `remove`: the run of a clean on the mappings that were named, instead of those that a policy chooses.
//! Whatever their state, they are removed, unless a session is in use or pinned: then nothing is.

use std::collections::BTreeSet;
use std::path::Path;

use crate::model::plan::Observations;
use crate::model::{
    Decision, Failure, KeepReason, Mapping, Plan, Policies, RemoveReason, SessionMap, State,
    Verdict, Warning, WarningCode, naming,
};
use crate::provider::Work;
use crate::report::Report;

/// How many mappings a refusal names.
const NAMED: usize = 5;

/// The mappings that were named to be removed.
#[derive(Debug, Clone)]
pub struct ByHand {
    ids: Vec<String>,
    /// Those that the user has confirmed: model, chat and session.
    confirmed: Option<BTreeSet<(String, String, Option<String>)>>,
}

impl ByHand {
    /// What these IDs name: chats, sessions, or prefixes of them.
    pub fn new(ids: Vec<String>) -> Self {
        Self { ids, confirmed: None }
    }

    /// From now on these IDs must name the very mappings in that report.
    pub fn confirm(&mut self, report: &Report<'_>) {
        self.confirmed = Some(report.rows().map(|row| owned(row.mapping)).collect());
    }

    /// Returns the positions of the named mappings, ascending.
    ///
    /// # Errors
    /// If an ID names nothing, or more than one thing, or the map has changed since it was confirmed.
    pub(super) fn places(&self, map: &SessionMap) -> Result<Vec<u32>, Failure> {
        let mut places = BTreeSet::new();
        for id in &self.ids {
            let named = naming::named(map.mappings(), id);
            places.extend(named.map_err(|why| {
                let failure = why.failure(id);
                Failure::new(format!("{}; nothing was removed", failure.message))
                    .hint(failure.hint.unwrap_or_default())
            })?);
        }

        let found: BTreeSet<_> =
            places.iter().filter_map(|place| map.get(*place)).map(owned).collect();
        if self.confirmed.as_ref().is_some_and(|confirmed| *confirmed != found) {
            return Err(Failure::new(
                "the map has changed since you were asked; nothing was removed",
            )
            .hint("run the same command again to see what it would remove now"));
        }
        Ok(places.into_iter().collect())
    }
}

/// The failure of a run that found no map.
pub(super) fn no_map(path: &Path) -> Failure {
    Failure::new(format!("there is no session map at {}; nothing was removed", path.display()))
        .hint("--session-dir DIR names the map's folder, --map FILE the map itself")
}

fn owned(mapping: Mapping<'_>) -> (String, String, Option<String>) {
    let session = mapping.session.map(|session| session.0.to_owned());
    (mapping.model.to_owned(), mapping.chat.0.to_owned(), session)
}

/// Plans to remove everything that was observed. Nothing is judged by it, so what could not be read does
/// not matter.
pub(super) fn plan(observations: &mut Observations, policies: &Policies, map: &SessionMap) -> Plan {
    observations.warnings.clear();
    let by_hand = |decision: Decision| {
        let has_session = map.get(decision.mapping).is_some_and(|one| one.session.is_some());
        let verdict = if has_session {
            Verdict::Remove(RemoveReason::ByHand(decision.verdict.state()))
        } else {
            // The journal restores sessions, and there is none.
            Verdict::Keep(KeepReason::NotAString)
        };
        Decision { verdict, ..decision }
    };
    Plan { decisions: observations.judged(policies).map(by_hand).collect(), ..Plan::default() }
}

/// Takes the sessions out of `work` whose process is idle by its own record: they are removed, with a
/// warning, since the process keeps running.
pub(super) fn allow_resident(work: &mut Work, map: &SessionMap, plan: &mut Plan) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let resident = work.kept.extract_if(|_, why| matches!(why, KeepReason::Resident(_)));
    let mut resident: Vec<(u32, KeepReason)> = resident.collect();
    resident.sort_by_key(|(place, _)| *place);
    for (place, why) in resident {
        plan.settle(place, Verdict::Remove(RemoveReason::ByHand(State::Resident)));
        let process = why.process().unwrap_or_default();
        let name = plan.processes.get(&process).map(|name| format!(" ({name})"));
        let chat = map.get(place).map_or("", |mapping| mapping.chat.0);
        let message = format!(
            "process {process}{} of chat {chat:?} is idle and keeps running",
            name.unwrap_or_default()
        );
        warnings.push(Warning::new(WarningCode::StillRunning, message));
    }
    warnings
}

/// Refuses the whole run if one of the named mappings is not to be removed.
///
/// # Errors
/// Exit code 1, with the reasons.
pub(super) fn refuse<'w>(
    plan: &Plan,
    map: &SessionMap,
    warnings: impl Iterator<Item = &'w Warning> + Clone,
) -> Result<(), Failure> {
    let kept = plan.decisions.iter().filter_map(|decision| match decision.verdict {
        Verdict::Keep(why) => Some((map.get(decision.mapping)?, decision.mapping, why)),
        Verdict::Remove(_) => None,
    });
    let kept: Vec<(Mapping<'_>, u32, KeepReason)> = kept.collect();
    let Some((_, _, first)) = kept.first() else { return Ok(()) };

    let named = kept.iter().take(NAMED).map(|(mapping, place, why)| {
        format!("{}/{} ({})", mapping.model, mapping.chat.0, reason(plan, *place, *why))
    });
    let mut named = named.collect::<Vec<_>>().join(", ");
    let more = kept.len().saturating_sub(NAMED);
    if more > 0 {
        named = format!("{named} and {more} more");
    }
    let failure = Failure::new(format!("nothing was removed: cannot remove {named}"));
    Err(failure.hint(advice(*first, warnings)))
}

/// Settles what the last look has left: if nothing was removed because a session is in use now or has
/// changed, the whole run is refused; else what is left has failed.
///
/// # Errors
/// Exit code 1, with the reasons.
pub(super) fn settle_rest(
    plan: &mut Plan,
    map: &SessionMap,
    removed: &[u32],
    warnings: &[Warning],
) -> Result<(), Failure> {
    let is_failed =
        |decision: &Decision| matches!(decision.verdict, Verdict::Keep(KeepReason::Failed(_)));
    if removed.is_empty() && !plan.decisions.iter().any(is_failed) {
        refuse(plan, map, warnings.iter())?;
    }
    for decision in &mut plan.decisions {
        if let Verdict::Remove(reason) = decision.verdict
            && removed.binary_search(&decision.mapping).is_err()
        {
            decision.verdict = Verdict::Keep(KeepReason::Failed(reason));
        }
    }
    Ok(())
}

/// Why that mapping is not removed, in a few words.
fn reason(plan: &Plan, place: u32, why: KeepReason) -> String {
    let process = why.process();
    match why {
        KeepReason::PinnedChat => "it is pinned".to_owned(),
        KeepReason::Pinned => "it matches a pin pattern".to_owned(),
        KeepReason::Held => match plan.held.get(&place) {
            Some(held) => format!("held for {}", held.reason),
            None => "it is held".to_owned(),
        },
        KeepReason::InUseUnknown => "it may be in use".to_owned(),
        KeepReason::NotAString => "the map has no session there".to_owned(),
        KeepReason::ChangedMeanwhile(_) => "its mapping has changed meanwhile".to_owned(),
        KeepReason::Failed(_) => "its bridge cannot be asked for it".to_owned(),
        _ => match process.and_then(|id| Some((id, plan.processes.get(&id)?))) {
            Some((id, name)) => format!("in use by process {id} ({name})"),
            None => format!("in use by {}", Verdict::Keep(why)),
        },
    }
}

/// What to do about it.
fn advice<'w>(why: KeepReason, mut warnings: impl Iterator<Item = &'w Warning>) -> String {
    let text = match why {
        KeepReason::PinnedChat => "session-warden pin --remove ID unpins a chat",
        KeepReason::Pinned => "remove the pattern from pin in the configuration file",
        KeepReason::Held => "session-warden hold list shows the holds; hold stop ends one",
        KeepReason::InUseUnknown => {
            let unread = warnings.find(|warning| warning.code == WarningCode::UseUnread);
            return unread.map_or_else(
                || WarningCode::UseUnread.hint().to_owned(),
                |unread| {
                    let path = unread.path.as_ref().map(|path| format!(": {}", path.display()));
                    format!("{}{}", unread.message, path.unwrap_or_default())
                },
            );
        }
        KeepReason::NotAString => "edit the map by hand while its bridge is stopped",
        KeepReason::ChangedMeanwhile(_) => "run the same command again",
        KeepReason::Failed(_) => match warnings.next() {
            Some(warning) => return format!("{}; {}", warning.message, warning.code.hint()),
            None => WarningCode::BridgeTrouble.hint(),
        },
        _ => "wait until its work has ended, or end the process",
    };
    text.to_owned()
}
