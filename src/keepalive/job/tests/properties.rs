//! What holds for every silence, every wait and every state.

use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// 2026, in seconds.
const YEAR: std::ops::Range<i64> = 1_767_225_600..1_798_761_600;

const ZONES: [&str; 6] = [
    "UTC",
    "Europe/Amsterdam",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/St_Johns",
];

/// When clocks change in some of them.
const CHANGES: [&str; 6] = [
    "2026-03-29T01:00:00Z",
    "2026-10-25T01:00:00Z",
    "2026-03-08T07:00:00Z",
    "2026-11-01T06:00:00Z",
    "2026-04-04T15:00:00Z",
    "2026-10-03T15:30:00Z",
];

/// Half of them within the hours at which clocks change.
fn any_minute() -> impl Strategy<Value = Minute> {
    (prop_oneof![0..24_u32, 1..4_u32], 0..60_u32)
        .prop_map(|(hour, minute)| Minute::parse(&format!("{hour:02}:{minute:02}")).unwrap())
}

fn any_silence() -> impl Strategy<Value = Silence> {
    (any_minute(), any_minute())
        .prop_filter_map("no silence", |(start, end)| Silence::new(start, end).ok())
}

fn any_zone() -> impl Strategy<Value = Zone> {
    select(&ZONES[..]).prop_map(zone)
}

fn any_when() -> impl Strategy<Value = When> {
    let span = (0..50_000_u64).prop_map(Duration::from_secs);
    prop_oneof![
        span.clone().prop_map(When::Every),
        any_minute().prop_map(When::Daily),
        span.prop_map(When::BeforeExpiry),
    ]
}

/// Half of them within a day of a change of clocks.
fn any_time() -> impl Strategy<Value = Timestamp> {
    let change = select(&CHANGES[..]).prop_map(at);
    let near = (change, 0..172_800_u64)
        .prop_map(|(change, seconds)| change.earlier(DAY).after(Duration::from_secs(seconds)));
    prop_oneof![YEAR.prop_map(|seconds| Timestamp::new(seconds, 0)), near]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_silence_and_its_other_half_share_the_day(
        silence in any_silence(), zone in any_zone(), now in any_time(),
    ) {
        let other = Silence::new(silence.end(), silence.start()).unwrap();
        let both = [silence, other].map(|silence| zone.silent_until(silence, now));
        prop_assert_eq!(both.iter().flatten().count(), 1, "{:?}", both);
        // One ends where the other begins, also where a clock is changed meanwhile.
        let end = both.into_iter().flatten().next().unwrap();
        let (within, after) = if both[0].is_some() { (silence, other) } else { (other, silence) };
        prop_assert!(end > now && end <= now.after(2 * DAY));
        prop_assert!(zone.silent_until(after, end).is_some());
        let last = end.earlier(Duration::from_secs(1)).max(now);
        prop_assert_eq!(zone.silent_until(within, last), Some(end));
    }

    #[test]
    fn waits_grow_and_have_an_end(failures in any::<u32>(), random in 0.0..=1.0) {
        let next = failures.saturating_add(1);
        prop_assert!(backoff(failures) <= backoff(next));
        prop_assert!((5 * MINUTE..=6 * HOUR).contains(&backoff(failures)));
        prop_assert!(retry_pause(failures, random) <= retry_pause(next, random));
        prop_assert!((Duration::from_secs(1)..=MINUTE).contains(&retry_pause(failures, random)));
    }

    /// What is told as the next time is the next time: due then, and at no time before.
    #[test]
    fn the_next_time_is_the_next_time(
        when in any_when(), zone in any_zone(), silence in of(any_silence()),
        times in [of(any_time()), of(any_time()), of(any_time()), of(any_time())],
        expires in any_time(), now in any_time(), part in 0.0..1.0,
    ) {
        let job = Job { zone, silence, ..job(when) };
        let [seen, last_run, last_done, not_before] = times;
        let mut state = JobState { seen, last_run, last_done, not_before, ..JobState::default() };
        state.settle(now);
        let next = match due(&job, &state, Some(expires), now) {
            Due::NotYet { at } | Due::Silent { until: at } => at,
            other => {
                prop_assert_eq!(other, Due::Due);
                return Ok(());
            }
        };
        prop_assert!(next > now);
        prop_assert_eq!(due(&job, &state, Some(expires), next), Due::Due);
        let between = Duration::from_secs(now.seconds_until(next) - 1).mul_f64(part);
        for early in [next.earlier(Duration::from_secs(1)), now.after(between)] {
            let told = due(&job, &state, Some(expires), early);
            let same = matches!(told, Due::NotYet { at } | Due::Silent { until: at } if at == next);
            prop_assert!(same, "{:?} at {:?}, but {:?} at {:?}", next, now, told, early);
        }
    }

    #[test]
    fn a_settled_state_is_settled(
        times in [of(any_time()), of(any_time()), of(any_time()), of(any_time())],
        now in any_time(),
    ) {
        let [last_run, last_done, running_since, slot] = times;
        let mut state =
            JobState { last_run, last_done, slot, running_since, ..JobState::default() };
        state.settle(now);
        let once = state.clone();
        state.settle(now);
        prop_assert_eq!(&state, &once);
        prop_assert!(state.last_run.max(state.last_done).max(state.seen) <= Some(now));
    }
}
