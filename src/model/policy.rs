//! The judge: decides by the evidence of a session whether its mapping is removed. A pure function.

use super::{
    Activity, KeepReason, ProviderIdx, Reading, RemoveReason, State, Thresholds, Timestamp, Verdict,
};

/// The rule for a mapping whose session has no file any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Remove it, unless every mapping of its provider is missing (the wrong-home guard).
    RemoveGuarded,
    /// Remove it: the user has asked for that explicitly.
    Remove,
    Keep,
}

#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// A session last used before this is idle; exactly at it, it is active.
    pub cutoff: Timestamp,
    pub missing: Missing,
}

/// The rules of a run: each provider may have a cutoff of its own.
#[derive(Debug, Clone)]
pub struct Policies {
    /// One cutoff for each provider, in the order of the table.
    cutoffs: Vec<Timestamp>,
    usual: Timestamp,
    missing: Missing,
}

impl Policies {
    /// Turns thresholds into cutoffs at `now`, for that many providers.
    pub fn new(
        now: Timestamp,
        thresholds: &Thresholds,
        providers: usize,
        missing: Missing,
    ) -> Self {
        let all = (0..).map(ProviderIdx).take(providers);
        let cutoffs = all.map(|provider| now.before(thresholds.of(provider))).collect();
        Self { cutoffs, usual: now.before(&thresholds.usual), missing }
    }

    /// The cutoff of providers without one of their own.
    pub fn usual(&self) -> Timestamp {
        self.usual
    }

    pub fn missing(&self) -> Missing {
        self.missing
    }

    pub fn of(&self, provider: ProviderIdx) -> Policy {
        let cutoff = self.cutoffs.get(provider.get()).copied().unwrap_or(self.usual);
        Policy { cutoff, missing: self.missing }
    }
}

/// Judges one session. The states are tried in the order that the design names. The first that fits
/// is the one, and every doubt keeps the mapping.
pub fn judge(reading: Reading, activity: &Activity, policy: Policy) -> Verdict {
    use KeepReason as K;
    use RemoveReason as R;

    match reading {
        Reading::Absent => return Verdict::Keep(K::RootAbsent),
        Reading::Foreign => return Verdict::Keep(K::RootForeign),
        Reading::Whole | Reading::Partly | Reading::Unreadable | Reading::Doubtful => {}
    }

    if activity.is_used_since(policy.cutoff) {
        return Verdict::Keep(K::Active);
    }
    match reading {
        Reading::Unreadable => return Verdict::Keep(K::RootUnreadable),
        Reading::Partly => return Verdict::Keep(K::NotReadWhole),
        _ => {}
    }

    // An unread file matters if it could show that the session exists, or that it is active.
    let exists = activity.own.is_some();
    if let Some(unread) = &activity.unread
        && (unread.newest >= policy.cutoff || (unread.may_be_own && !exists))
    {
        return Verdict::Keep(K::FileUnread);
    }

    if reading == Reading::Doubtful && (exists || activity.archived.is_none()) {
        return Verdict::Keep(K::ProviderInDoubt);
    }

    if exists {
        let is_written = activity.last_written() >= Some(policy.cutoff);
        return Verdict::Remove(if is_written { R::IdleByRecord } else { R::Idle });
    }

    match (&activity.archived, policy.missing) {
        (Some(_), Missing::Keep) => Verdict::Keep(K::ArchivedKept),
        (Some(_), _) => Verdict::Remove(R::Archived),
        (None, Missing::Keep) => Verdict::Keep(K::MissingKept),
        (None, _) => Verdict::Remove(R::Missing),
    }
}

/// The wrong-home guard. Returns true if all judged mappings of a provider, and at least one, are missing:
/// then a wrong home is more likely than that every session is gone.
pub fn looks_like_wrong_home(verdicts: impl Iterator<Item = Verdict>, missing: Missing) -> bool {
    if missing == Missing::Remove {
        return false;
    }
    let mut judged = verdicts.map(Verdict::state).filter(|state| *state != State::Unknown);
    judged.next() == Some(State::Missing) && judged.all(|state| state == State::Missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::{Observations, Subject};
    use crate::model::{MappingIdx, SessionFile};

    const CUTOFF: i64 = 1_000;

    fn policy(missing: Missing) -> Policy {
        Policy { cutoff: Timestamp::new(CUTOFF, 0), missing }
    }

    fn at(seconds: i64) -> SessionFile {
        SessionFile::by_mtime("/s".into(), Timestamp::new(seconds, 0))
    }

    fn own(seconds: i64) -> Activity {
        let mut activity = Activity::default();
        activity.add_file(at(seconds));
        activity
    }

    fn seen(activity: &Activity, reading: Reading) -> Verdict {
        judge(reading, activity, policy(Missing::RemoveGuarded))
    }

    #[track_caller]
    fn check(activity: &Activity, verdict: Verdict) {
        assert_eq!(seen(activity, Reading::Whole), verdict, "{activity:?}");
    }

    const IDLE: Verdict = Verdict::Remove(RemoveReason::Idle);
    const ACTIVE: Verdict = Verdict::Keep(KeepReason::Active);
    const GONE: Verdict = Verdict::Remove(RemoveReason::Missing);
    const UNREAD: Verdict = Verdict::Keep(KeepReason::FileUnread);

    #[test]
    fn the_threshold_counts_as_within_d3() {
        check(&own(CUTOFF), ACTIVE);
        check(&own(CUTOFF + 1), ACTIVE);
        check(&own(CUTOFF - 1), IDLE);
        check(&own(i64::MAX), ACTIVE);
        check(&own(i64::MIN), IDLE);
        let mut a_nanosecond = own(0);
        let just_before = Timestamp::new(CUTOFF - 1, 999_999_999);
        a_nanosecond.add_file(SessionFile::by_mtime("/s".into(), just_before));
        check(&a_nanosecond, IDLE);
    }

    #[test]
    fn the_newest_of_all_files_counts() {
        let mut activity = own(CUTOFF - 500);
        activity.add_file(at(CUTOFF - 900));
        assert_eq!(activity.last_used(), Some(Timestamp::new(CUTOFF - 500, 0)));
        check(&activity, IDLE);
        activity.add_use(Timestamp::new(CUTOFF + 5, 0));
        check(&activity, ACTIVE);
    }

    #[test]
    fn files_beside_a_session_never_make_it_exist_e2() {
        let mut activity = Activity::default();
        activity.add_use(Timestamp::new(CUTOFF - 5, 0));
        check(&activity, GONE);
        // Until it is seen to be used, nothing is removed.
        activity.add_use(Timestamp::new(CUTOFF, 0));
        check(&activity, ACTIVE);
        let mut unread = Activity::default();
        unread.add_unread(Timestamp::new(CUTOFF - 1, 0), false);
        check(&unread, GONE);
        unread.add_unread(Timestamp::new(CUTOFF, 0), false);
        check(&unread, UNREAD);
    }

    #[test]
    fn an_archived_copy_is_not_use_whatever_its_age() {
        let archived =
            Activity { archived: Some(Box::new(at(CUTOFF + 50))), ..Activity::default() };
        check(&archived, Verdict::Remove(RemoveReason::Archived));
        let mut both = archived;
        both.add_file(at(CUTOFF - 50));
        check(&both, IDLE);
    }

    #[test]
    fn what_could_not_be_read_keeps_what_it_could_change() {
        let with = |mut activity: Activity, newest, may_be_own| {
            activity.add_unread(Timestamp::new(newest, 0), may_be_own);
            activity
        };
        check(&with(own(CUTOFF - 5), CUTOFF, false), UNREAD);
        check(&with(own(CUTOFF - 5), CUTOFF, true), UNREAD);
        check(&with(own(CUTOFF - 5), CUTOFF - 1, true), IDLE);
        check(&with(own(CUTOFF), CUTOFF, true), ACTIVE);
        check(&with(Activity::default(), CUTOFF - 9, true), UNREAD);
        let archived = Activity { archived: Some(Box::new(at(0))), ..Activity::default() };
        check(&with(archived, CUTOFF - 9, true), UNREAD);
    }

    #[test]
    fn only_a_root_read_whole_lets_anything_go_d1_d2() {
        let readings = [
            (Reading::Partly, KeepReason::NotReadWhole),
            (Reading::Unreadable, KeepReason::RootUnreadable),
            (Reading::Absent, KeepReason::RootAbsent),
            (Reading::Unreadable, KeepReason::RootUnreadable),
            (Reading::Foreign, KeepReason::RootForeign),
        ];
        let archived = Activity { archived: Some(Box::new(at(0))), ..Activity::default() };
        for (reading, reason) in readings {
            for activity in [&own(CUTOFF - 1), &Activity::default(), &archived] {
                assert_eq!(seen(activity, reading), Verdict::Keep(reason));
            }
        }
        assert_eq!(seen(&own(CUTOFF), Reading::Partly), ACTIVE);
    }

    #[test]
    fn what_cannot_be_judged_stays() {
        let subjects = [
            (Subject::UnknownModel, KeepReason::UnknownModel),
            (Subject::NotAString, KeepReason::NotAString),
            (Subject::ImpossibleId, KeepReason::ImpossibleId),
        ];
        let thresholds = Thresholds::default();
        let policies = Policies::new(Timestamp::new(CUTOFF, 0), &thresholds, 1, Missing::Remove);
        for (subject, reason) in subjects {
            let subjects = vec![(MappingIdx(0), subject)];
            let observations = Observations { subjects, ..Observations::default() };
            let verdicts: Vec<Verdict> =
                observations.judged(&policies).map(|decision| decision.verdict).collect();
            assert_eq!(verdicts, [Verdict::Keep(reason)]);
            assert_eq!(verdicts[0].state(), State::Unknown);
        }
    }

    #[test]
    fn missing_keep_keeps_the_missing_and_the_archived_but_not_the_idle() {
        let judge = |activity: &Activity| judge(Reading::Whole, activity, policy(Missing::Keep));
        assert_eq!(judge(&Activity::default()), Verdict::Keep(KeepReason::MissingKept));
        assert_eq!(judge(&Activity::default()).state(), State::Missing);
        let archived = Activity { archived: Some(Box::new(at(0))), ..Activity::default() };
        assert_eq!(judge(&archived), Verdict::Keep(KeepReason::ArchivedKept));
        assert_eq!(judge(&archived).state(), State::Archived);
        assert_eq!(judge(&own(0)), IDLE);
    }

    #[test]
    fn the_wrong_home_guard_needs_all_judged_to_be_missing() {
        #[track_caller]
        fn check(verdicts: &[Verdict], expected: bool) {
            for missing in [Missing::RemoveGuarded, Missing::Keep] {
                let guarded = looks_like_wrong_home(verdicts.iter().copied(), missing);
                assert_eq!(guarded, expected, "{verdicts:?}");
            }
            assert!(!looks_like_wrong_home(verdicts.iter().copied(), Missing::Remove));
        }
        let impossible = Verdict::Keep(KeepReason::ImpossibleId);
        check(&[], false);
        check(&[GONE], true);
        check(&[GONE, GONE, impossible], true);
        check(&[impossible], false);
        check(&[GONE, IDLE], false);
        check(&[ACTIVE, GONE], false);
        check(&[GONE, Verdict::Remove(RemoveReason::Archived)], false);
        check(&[Verdict::Keep(KeepReason::MissingKept)], true);
    }
}
