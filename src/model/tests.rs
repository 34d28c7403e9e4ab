//! What the small values promise, by themselves: what a mutant of them would break in every run.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use super::activity::Unread;
use super::plan::{Observation, Observations, Subject};
use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::new(seconds, 0)
}

fn file(name: &str, written: i64, used: i64) -> SessionFile {
    SessionFile { path: PathBuf::from(name), written: at(written), used: at(used), is_own: true }
}

#[test]
fn of_several_files_the_one_that_was_used_last_counts() {
    let mut seen = Activity::default();
    assert_eq!((seen.last_used(), seen.last_written(), seen.file()), (None, None, None));
    seen.add_file(file("a", 9, 5));
    seen.add_file(file("b", 8, 7));
    seen.add_file(file("c", 7, 7));
    seen.add_file(file("d", 99, 6));
    assert_eq!(seen.own.as_deref(), Some(&file("b", 99, 7)), "of equals the first");
    assert_eq!((seen.last_used(), seen.last_written()), (Some(at(7)), Some(at(99))));
    seen.add_archived(file("x", 50, 50));
    assert_eq!(seen.file(), Some(&file("b", 99, 7)), "an archived copy is second to it");
    assert_eq!(seen.last_used(), Some(at(7)));
    seen.add_use(at(20));
    seen.add_use(at(10));
    assert_eq!((seen.last_used(), seen.last_written()), (Some(at(20)), Some(at(99))));
    let other = SessionFile { is_own: false, ..file("newer", 30, 30) };
    seen.add_file(other.clone());
    assert_eq!(seen.file(), Some(&file("b", 99, 7)), "any other path is second to its own file");
    assert_eq!(seen.last_used(), Some(at(30)));
    let mut unknown = Activity::default();
    unknown.add_file(other.clone());
    assert_eq!((unknown.file(), unknown.last_used()), (Some(&other), Some(at(30))));
    let mut archived = Activity::default();
    archived.add_archived(file("x", 3, 2));
    archived.add_use(at(9));
    assert_eq!(archived.last_used(), Some(at(2)), "files beside it count for nothing");
    assert!(!archived.is_used_since(at(0)));
    assert_eq!(archived.file(), Some(&file("x", 3, 2)));
}

#[test]
fn what_two_searches_found_adds_up() {
    let mut one = Activity::default();
    one.add_file(file("a", 5, 5));
    let mut other = Activity::default();
    other.add_file(file("b", 9, 3));
    other.add_archived(file("x", 2, 2));
    other.add_use(at(7));
    other.add_unread(at(4), true);
    other.add_recordless_file(file("c", 8, 8));
    other.add_recordless_use(at(20));
    one.merge(other.clone());
    assert_eq!(one.own.as_deref(), Some(&file("a", 9, 5)));
    assert_eq!((one.last_used(), one.archived.as_deref()), (Some(at(7)), Some(&file("x", 2, 2))));
    assert_eq!(one.unread, other.unread);
    assert_eq!(one.recordless, other.recordless);
    let mut empty = Activity::default();
    empty.merge(other.clone());
    assert_eq!(empty, other);
}

#[test]
fn old_uses_beside_a_session_that_does_not_exist_are_forgotten_e2() {
    for (used, expected) in [(9, None), (10, Some(at(10)))] {
        let mut beside = Activity::default();
        beside.add_use(at(used));
        beside.forget_old_uses(at(10));
        assert_eq!(beside.last_used(), expected);
        assert_eq!(beside.is_used_since(at(10)), expected.is_some());
    }
    let mut session = Activity::default();
    session.add_file(file("a", 5, 5));
    session.forget_old_uses(at(10));
    assert_eq!(session.last_used(), Some(at(5)));
}

#[test]
fn what_was_missed_is_bounded_by_the_newest_and_may_be_own_if_any_may() {
    let mut seen = Activity::default();
    seen.add_unread(at(5), false);
    assert_eq!(seen.unread.as_deref(), Some(&Unread { newest: at(5), may_be_own: false }));
    seen.add_unread(at(3), true);
    seen.add_unread(at(9), false);
    assert_eq!(seen.unread.as_deref(), Some(&Unread { newest: at(9), may_be_own: true }));
}

#[test]
fn files_without_a_record_count_only_where_no_other_does() {
    let mut seen = Activity::default();
    assert_eq!(seen.settle_recordless(), None);
    seen.add_recordless_file(file("a", 5, 5));
    seen.add_recordless_file(file("b", 9, 9));
    seen.add_recordless_file(file("c", 9, 8));
    seen.add_recordless_file(file("d", 2, 2));
    seen.add_recordless_use(at(30));
    seen.add_recordless_use(at(20));
    assert_eq!(seen.settle_recordless(), Some(&file("b", 9, 9)), "the newest; of equals the first");
    assert_eq!(seen.last_used(), Some(at(30)));
    let mut seen = Activity::default();
    seen.add_recordless_file(file("a", 90, 90));
    seen.add_recordless_use(at(95));
    seen.add_file(file("b", 1, 1));
    assert_eq!(seen.settle_recordless(), None);
    assert_eq!(seen.last_used(), Some(at(1)));
}

#[test]
fn times_are_added_up_and_written_as_people_and_programs_expect() {
    let time = Timestamp::new(1_700_000_000, 700_000_000);
    let later = time.after(Duration::new(2, 600_000_000));
    assert_eq!(later, Timestamp::new(1_700_000_003, 300_000_000));
    assert_eq!(later.nanoseconds(), 300_000_000);
    assert_eq!(time.after(Duration::new(0, 299_999_999)).nanoseconds(), 999_999_999);
    assert_eq!(time.after(Duration::new(0, 300_000_000)), at(1_700_000_001));
    let hour = IdleThreshold::from_hours("1").unwrap();
    assert_eq!(time.before(&hour), Timestamp::new(1_699_996_400, 700_000_000));
    assert_eq!(Timestamp::parse("2023-11-14T22:13:20.700Z"), Some(time));
    assert_eq!(Timestamp::parse("2023-11-15T00:13:20.7+02:00"), Some(time));
    assert_eq!(Timestamp::parse("yesterday"), None);
    assert_eq!(time.for_people(), "2023-11-14 22:13:20 UTC");
    assert_eq!(time.compact(), "20231114T221320Z");
    assert_eq!(Timestamp::MAX.compact(), i64::MAX.to_string());
    let span = Duration::new(3, 250_000_000);
    assert_eq!(Timestamp::from(UNIX_EPOCH + span), Timestamp::new(3, 250_000_000));
    assert_eq!(Timestamp::from(UNIX_EPOCH - span), Timestamp::new(-4, 750_000_000));
    assert_eq!(Timestamp::from(UNIX_EPOCH - Duration::from_secs(3)), at(-3));
}

#[test]
fn each_verdict_has_its_state_and_its_words() {
    use KeepReason as K;
    for (verdict, state, words) in [
        (Verdict::Keep(K::PutBack), State::Pinned, "restored recently"),
        (Verdict::Keep(K::Pinned), State::Pinned, "matches --pin"),
        (Verdict::Keep(K::PinnedChat), State::Pinned, "pinned"),
        (Verdict::Keep(K::InUse(7)), State::InUse, "process 7"),
        (Verdict::Keep(K::InUse(0)), State::InUse, "another process"),
        (Verdict::Keep(K::Held), State::InUse, "held"),
        (Verdict::Keep(K::InUseUnknown), State::Unknown, "may be in use"),
        (Verdict::Keep(K::Resident(4121)), State::Resident, "process 4121"),
        (Verdict::Keep(K::ProviderInDoubt), State::Unknown, "CLI in doubt"),
        (Verdict::Keep(K::Active), State::Active, "used recently"),
        (Verdict::Keep(K::MissingKept), State::Missing, "--missing keep"),
        (Verdict::Keep(K::ArchivedKept), State::Archived, "--missing keep"),
        (Verdict::Keep(K::WrongHome), State::Unknown, "wrong home?"),
        (Verdict::Keep(K::Failed(RemoveReason::Idle)), State::Idle, "not removed"),
        (Verdict::Remove(RemoveReason::Archived), State::Archived, "cannot be resumed"),
        (Verdict::Remove(RemoveReason::ByHand(State::Active)), State::Active, "removed by hand"),
    ] {
        assert_eq!((verdict.state(), verdict.to_string().as_str()), (state, words));
        assert_eq!(verdict.removes(), matches!(verdict, Verdict::Remove(_)));
    }
    let names = State::ALL.map(State::name);
    let expected =
        ["active", "idle", "missing", "in_use", "pinned", "resident", "archived", "unknown"];
    assert_eq!(names, expected);
    assert_eq!(State::ALL.map(|state| state.to_string())[3], "in use");
    assert_eq!(
        (Clock::Mtime.to_string(), Clock::Record.to_string()),
        ("mtime".into(), "record".into())
    );
}

#[test]
fn exit_codes_are_those_that_others_rely_on() {
    let all = [Exit::Done, Exit::Failed, Exit::Usage, Exit::Partly, Exit::Locked, Exit::As(42)];
    assert_eq!(all.map(Exit::code), [0, 1, 2, 3, 75, 42]);
    assert_eq!(Failure::new("so it is").to_string(), "so it is");
    for code in [WarningCode::NotReadWhole, WarningCode::UseUnread, WarningCode::NotDurable] {
        assert!(code.is_trouble(), "{code:?}");
    }
    for code in [WarningCode::KeepUnmatched, WarningCode::StaleFile, WarningCode::ModelNotObject] {
        assert!(!code.is_trouble(), "{code:?}");
    }
}

#[test]
fn a_provider_has_its_own_threshold_or_the_usual_one() {
    let [one, two] = ["1", "2"].map(|hours| IdleThreshold::from_hours(hours).unwrap());
    assert_eq!(Thresholds::from(one.clone()), Thresholds { usual: one.clone(), special: vec![] });
    let thresholds =
        Thresholds { usual: one.clone(), special: vec![(ProviderIdx(3), two.clone())] };
    assert_eq!(
        [2, 3, 4].map(|provider| thresholds.of(ProviderIdx(provider)).clone()),
        [one.clone(), two, one]
    );
    let mut patterns = Patterns::default();
    assert!(patterns.is_empty());
    patterns.add("a*").unwrap();
    assert!(!patterns.is_empty());
}

#[test]
fn a_uuid_has_digits_of_sixteen_kinds_and_nothing_else() {
    let id = |text: &str| ids::uuid(text.as_bytes());
    assert_eq!(
        id("01234567-89ab-cdef-FEDC-ba9876543210"),
        Some(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210)
    );
    // One that is none, at every place.
    let right = "ffffffff-ffff-ffff-ffff-ffffffffffff";
    for place in 0..right.len() {
        let mut text = right.as_bytes().to_vec();
        text[place] = if text[place] == b'-' { b'f' } else { b'g' };
        assert_eq!(ids::uuid(&text), None, "{place}");
    }
}

/// A plan over one provider with these sessions, idle or active, and an unknown model at place 0.
fn planned(used: &[Option<i64>]) -> (Plan, Observations) {
    let activities = used.iter().map(|used| {
        let mut activity = Activity::default();
        if let Some(used) = used {
            activity.add_file(file("f", *used, *used));
        }
        activity
    });
    let observation = Observation {
        root: "/root".into(),
        reading: Reading::Whole,
        activities: activities.collect(),
    };
    let count = u32::try_from(used.len()).unwrap();
    let sessions = (0..count).map(|session| {
        let (provider, of) = (ProviderIdx(0), SessionIdx(session));
        (MappingIdx(session + 1), Subject::Session { provider, session: of })
    });
    let mut observations = Observations {
        subjects: [(MappingIdx(0), Subject::UnknownModel)].into_iter().chain(sessions).collect(),
        providers: vec![Some(observation)],
        warnings: Vec::new(),
    };
    let hour = Thresholds {
        usual: IdleThreshold::from_hours("1000").unwrap(),
        special: vec![(ProviderIdx(0), IdleThreshold::from_hours("1").unwrap())],
    };
    let policies = Policies::new(at(10_000), &hour, 1, Missing::RemoveGuarded);
    (Plan::new(&mut observations, &policies), observations)
}

#[test]
fn a_plan_tells_what_goes_and_takes_in_what_became_of_it() {
    let (mut plan, mut observations) = planned(&[Some(9_000), Some(100), None, Some(200)]);
    assert_eq!(plan.removals().collect::<Vec<_>>(), [2, 3, 4].map(MappingIdx));
    assert_eq!(plan.verdict(MappingIdx(0)), Some(Verdict::Keep(KeepReason::UnknownModel)));
    assert_eq!(plan.verdict(MappingIdx(1)), Some(Verdict::Keep(KeepReason::Active)));
    assert_eq!(plan.verdict(MappingIdx(3)), Some(Verdict::Remove(RemoveReason::Missing)));
    assert_eq!(plan.verdict(MappingIdx(5)), None);
    let settled = plan.settle(MappingIdx(2), Verdict::Keep(KeepReason::InUse(1))).unwrap();
    assert_eq!(
        (settled.mapping, settled.verdict),
        (MappingIdx(2), Verdict::Keep(KeepReason::InUse(1)))
    );
    assert_eq!(plan.removals().collect::<Vec<_>>(), [3, 4].map(MappingIdx));
    assert_eq!(plan.decision(MappingIdx(2)).unwrap().verdict, Verdict::Keep(KeepReason::InUse(1)));
    let subject = settled.subject;
    assert_eq!(observations.activity(subject).unwrap().last_used(), Some(at(100)));
    assert_eq!(observations.activity(Subject::NotAString), None);
    assert_eq!(observations.provider(ProviderIdx(0)).unwrap().root, PathBuf::from("/root"));
    let mut again = Activity::default();
    again.add_file(file("f", 9_999, 9_999));
    observations.see_again(subject, again);
    assert_eq!(observations.activity(subject).unwrap().last_used(), Some(at(9_999)));
    assert!(observations.warnings.is_empty());
}

#[test]
fn where_all_are_missing_that_is_said_with_their_number() {
    for (used, said) in [(vec![None], "the one mapping"), (vec![None; 3], "all 3 mappings")] {
        let (plan, observations) = planned(&used);
        assert_eq!(plan.removals().count(), 0);
        assert_eq!(plan.verdict(MappingIdx(1)), Some(Verdict::Keep(KeepReason::WrongHome)));
        let [warning] = &observations.warnings[..] else { panic!("{observations:?}") };
        assert!(warning.message.contains(said), "{warning:?}");
    }
}
