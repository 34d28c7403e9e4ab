//! The sessions of candidates: when each was last used, and what protects it. Everything is read as it is for a
//! removal, by the same code.

use std::path::Path;

use super::conditions::{Hold, LastUse, OtherUse};
use crate::clean::observer::Observer;
use crate::clean::pinned;
use crate::model::plan::{Observations, Subject};
use crate::model::{
    Decision, Failure, IdleThreshold, KeepReason, MappingIdx, Plan, Policies, Reading,
    RemoveReason, Thresholds, Timestamp, Verdict,
};
use crate::provider::PROVIDERS;

/// The session of one candidate, over all mappings that have it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Protection {
    pub(super) last_use: LastUse,
    pub(super) hold: Hold,
    pub(super) is_pinned: bool,
    pub(super) other_use: OtherUse,
}

/// Reads the protection of each group of mappings, in their order.
pub(super) fn read(
    observer: &Observer<'_>,
    after: &IdleThreshold,
    map_path: Option<&Path>,
    groups: &[&[MappingIdx]],
) -> Result<Vec<Protection>, Failure> {
    let mut mappings: Vec<MappingIdx> = groups.iter().copied().flatten().copied().collect();
    mappings.sort_unstable();
    mappings.dedup();

    let is_asked = |mapping, _: &str| mappings.binary_search(&mapping).is_ok();
    // Evidence may be as old as a process must be idle, which is another time than the idle threshold.
    let thresholds = Thresholds { usual: after.clone(), special: Vec::new() };
    let policies =
        Policies::new(observer.now, &thresholds, PROVIDERS.len(), observer.config.missing);
    let looking = Observer { policies: &policies, ..*observer };
    let observations = looking.look(is_asked, None, observer.interrupt.clone())?;

    // Every one of them as if it were to be removed, so that whatever would keep it does.
    let decisions = observations.subjects.iter().map(|&(mapping, subject)| Decision {
        mapping,
        subject,
        verdict: Verdict::Remove(RemoveReason::Idle),
    });
    let mut plan = Plan { decisions: decisions.collect(), ..Plan::default() };
    pinned::keep_matching(&observer.config.pin, observer.map, &mut plan);
    pinned::keep_pinned(observer, map_path, &mut plan)?;
    pinned::keep_restored(observer, map_path, &mut plan)?;

    let processes = observer.processes();
    let (work, _) = observer.work(mappings.iter().copied(), &processes)?;
    let of_mapping = |mapping: &MappingIdx| {
        let is_pinned = plan.verdict(*mapping).is_some_and(|verdict| !verdict.removes());
        let subject = plan.decision(*mapping).map(|decision| decision.subject);
        let last_use = match subject {
            // Another model's chat of the same session: its pins and holds count, and its files are known already.
            Some(Subject::UnknownModel) => LastUse::At(Timestamp::new(i64::MIN, 0)),
            Some(subject) => last_use(&observations, subject),
            None => LastUse::Unknown,
        };
        protection(last_use, is_pinned, work.kept.get(mapping).copied())
    };

    let of_group = |group: &&[MappingIdx]| group.iter().map(of_mapping).reduce(worst);
    Ok(groups.iter().map(|group| of_group(group).unwrap_or(UNKNOWN)).collect())
}

/// The protection of a session without mappings: nothing was read about it.
const UNKNOWN: Protection = Protection {
    last_use: LastUse::Unknown,
    hold: Hold::None,
    is_pinned: false,
    other_use: OtherUse::None,
};

fn protection(last_use: LastUse, is_pinned: bool, work: Option<KeepReason>) -> Protection {
    let (hold, other_use) = match work {
        None | Some(KeepReason::Resident(_)) => (Hold::None, OtherUse::None),
        Some(KeepReason::Held) => (Hold::Held, OtherUse::None),
        Some(KeepReason::InUse(process)) => (Hold::None, OtherUse::By(process)),
        Some(_) => (Hold::None, OtherUse::Unknown),
    };
    Protection { last_use, hold, is_pinned, other_use }
}

/// Returns the protection of a session that two mappings have.
fn worst(one: Protection, other: Protection) -> Protection {
    Protection {
        last_use: match (one.last_use, other.last_use) {
            (LastUse::At(one), LastUse::At(other)) => LastUse::At(one.max(other)),
            (LastUse::Unknown, _) | (_, LastUse::Unknown) => LastUse::Unknown,
            _ => LastUse::NoTranscript,
        },
        hold: if one.hold == Hold::None { other.hold } else { one.hold },
        is_pinned: one.is_pinned || other.is_pinned,
        other_use: if one.other_use == OtherUse::None { other.other_use } else { one.other_use },
    }
}

/// Returns when a session was last used, by whatever evidence is newest. Anything unread makes it unknown.
fn last_use(observations: &Observations, subject: Subject) -> LastUse {
    let Subject::Session { provider, .. } = subject else { return LastUse::Unknown };
    let reading = observations.provider(provider).map(|seen| seen.reading);
    let Some(activity) = observations.activity(subject) else { return LastUse::Unknown };
    if reading != Some(Reading::Whole) || activity.unread.is_some() {
        return LastUse::Unknown;
    }

    if activity.own.is_none() {
        return LastUse::NoTranscript;
    }
    let newest = activity.last_used().max(activity.last_written());
    newest.map_or(LastUse::Unknown, LastUse::At)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_of_two_mappings_counts_p1() {
        let at = |seconds| LastUse::At(Timestamp::new(seconds, 0));
        let free = protection(at(5), false, Some(KeepReason::Resident(7)));
        assert_eq!((free.hold, free.other_use), (Hold::None, OtherUse::None));

        let held = worst(free, protection(at(9), true, Some(KeepReason::Held)));
        assert_eq!((held.last_use, held.hold, held.is_pinned), (at(9), Hold::Held, true));
        let used = worst(protection(LastUse::Unknown, false, Some(KeepReason::InUse(4))), free);
        assert_eq!((used.last_use, used.other_use), (LastUse::Unknown, OtherUse::By(4)));
        let unknown = worst(free, protection(at(1), false, Some(KeepReason::InUseUnknown)));
        assert_eq!(unknown.other_use, OtherUse::Unknown);
    }
}
