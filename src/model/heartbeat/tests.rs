//! Each rule of the counter that this follows, by its number, and what was mended.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::HashMap;

use super::*;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn begin(key: &str, reason: &str) -> Event {
    Event::Begin { key: key.to_owned(), reason: reason.to_owned() }
}

fn end(key: &str) -> Event {
    Event::End { key: key.to_owned() }
}

fn load(reasons: &[(&str, usize)], oldest: Option<u64>, busy: Option<u64>) -> Load {
    Load {
        count: reasons.iter().map(|(_, count)| count).sum(),
        reasons: reasons.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect(),
        oldest: oldest.map(at),
        busy: busy.map(at),
    }
}

/// A second, what happens in it, and what is to be done.
type Step = (u64, Event, Vec<Effect>);

#[track_caller]
fn check(rule: &str, steps: Vec<Step>) {
    let mut heart = Heartbeat::new(BEAT_EVERY);
    for (second, event, effects) in steps {
        let told = format!("rule {rule}: {event:?} at {second}");
        assert_eq!(heart.on(event, at(second)), effects, "{told}");
    }
}

fn none() -> Vec<Effect> {
    Vec::new()
}

#[test]
fn rule_1_it_beats_every_30_s_and_is_idle_after_30_s() {
    assert_eq!((BEAT_EVERY, IDLE_AFTER), (at(30), at(30)));
    let mut heart = Heartbeat::new(BEAT_EVERY);
    assert_eq!((heart.due(), heart.load(at(9))), (None, Load::default()));
    heart.on(begin("a", "tool_exec"), at(10));
    assert_eq!(heart.due(), Some(at(40)));
    heart.on(Event::Tick, at(40));
    assert_eq!(heart.due(), Some(at(70)));
    heart.on(end("a"), at(50));
    assert_eq!(heart.due(), Some(at(80)));
    heart.on(Event::Tick, at(80));
    assert_eq!(heart.due(), None);
}

#[test]
fn rule_2_what_begins_counts_by_its_reason_and_the_first_starts_the_beat() {
    let mut heart = Heartbeat::new(BEAT_EVERY);
    heart.on(Event::Register, at(0));
    assert_eq!(heart.due(), None);
    heart.on(begin("a", "tool_exec"), at(10));
    heart.on(begin("b", "api_call"), at(20));
    heart.on(begin("c", "tool_exec"), at(25));
    let expected = load(&[("tool_exec", 2), ("api_call", 1)], Some(20), Some(20));
    assert_eq!(heart.load(at(30)), expected);
    assert_eq!(heart.due(), Some(at(40)), "only the first starts it");
}

#[test]
fn rule_3_what_ends_is_taken_off_and_the_last_one_stops_the_beat() {
    let mut heart = Heartbeat::new(BEAT_EVERY);
    heart.on(begin("a", "tool_exec"), at(0));
    heart.on(begin("b", "api_call"), at(5));
    heart.on(end("a"), at(10));
    assert_eq!(heart.load(at(10)), load(&[("api_call", 1)], Some(5), Some(10)));
    assert_eq!(heart.due(), Some(at(30)), "it goes on");
    heart.on(end("b"), at(20));
    assert_eq!((heart.load(at(20)), heart.due()), (Load::default(), Some(at(50))));
    // Never below nothing.
    heart.on(end("b"), at(21));
    assert_eq!((heart.load(at(21)), heart.due()), (Load::default(), Some(at(50))));
}

#[test]
fn rule_4_the_first_beat_comes_after_30_s_and_calls_what_is_registered() {
    let told = |seconds| Effect::Beat(load(&[("api_call", 1)], Some(seconds), Some(seconds)));
    check(
        "4",
        vec![
            (0, Event::Register, none()),
            (0, begin("a", "api_call"), none()),
            (29, Event::Tick, none()),
            (30, Event::Tick, vec![told(30), Effect::Call]),
            (59, Event::Tick, none()),
            (60, Event::Tick, vec![told(60), Effect::Call]),
            // After a sleep of the machine there is one beat, not all that were missed.
            (300, Event::Tick, vec![told(300), Effect::Call]),
            (301, Event::Tick, none()),
            (330, Event::Tick, vec![told(330), Effect::Call]),
        ],
    );
}

#[test]
fn rule_5_idleness_is_told_once_and_not_when_work_begins_again() {
    check(
        "5",
        vec![
            (0, begin("a", "api_call"), none()),
            (10, end("a"), none()),
            (39, Event::Tick, none()),
            (40, Event::Tick, vec![Effect::Idle]),
            (80, Event::Tick, none()),
            (100, begin("b", "api_call"), none()),
            (110, end("b"), none()),
            (120, begin("c", "api_call"), none()),
            (140, Event::Tick, none()),
            (150, Event::Tick, vec![Effect::Beat(load(&[("api_call", 1)], Some(30), Some(30)))]),
        ],
    );
}

#[test]
fn rule_6_registering_starts_the_beat_and_the_opposite_stops_both_timers_and_keeps_the_count() {
    let mut heart = Heartbeat::new(BEAT_EVERY);
    heart.on(begin("a", "api_call"), at(0));
    heart.on(Event::Unregister, at(10));
    assert_eq!((heart.due(), heart.load(at(10)).count), (None, 1));
    heart.on(Event::Register, at(12));
    assert_eq!(heart.due(), Some(at(42)));
    // One that comes instead of another does not put the next beat off.
    heart.on(Event::Register, at(20));
    assert_eq!(heart.due(), Some(at(42)));
    heart.on(end("a"), at(30));
    heart.on(Event::Unregister, at(31));
    assert_eq!(heart.due(), None, "idleness is not told either");
}

#[test]
fn rule_7_a_signal_calls_at_once_where_there_is_something_to_call() {
    check(
        "7",
        vec![
            (0, Event::Signal, none()),
            (1, Event::Register, none()),
            (2, Event::Signal, vec![Effect::Call]),
            (3, Event::Unregister, none()),
            (4, Event::Signal, none()),
        ],
    );
}

#[test]
fn rule_8_the_end_tells_what_is_in_flight_and_for_how_long() {
    check("8", vec![(5, Event::Shutdown, vec![Effect::Last(Load::default())])]);
    let last = load(&[("api_call", 1), ("tool_exec", 1)], Some(4), Some(14));
    check(
        "8",
        vec![
            (0, begin("a", "tool_exec"), none()),
            (10, begin("b", "tool_exec"), none()),
            (11, begin("c", "api_call"), none()),
            (12, end("a"), none()),
            (14, Event::Shutdown, vec![Effect::Last(last)]),
            (60, Event::Tick, none()),
        ],
    );
}

#[test]
fn rule_8_after_the_end_work_is_counted_and_nothing_is_told_or_called() {
    let mut heart = Heartbeat::new(BEAT_EVERY);
    heart.on(begin("a", "tool_exec"), at(0));
    heart.on(Event::Register, at(0));
    heart.on(Event::Shutdown, at(1));
    let after = [Event::Register, Event::Signal, begin("b", "api_call"), end("a"), end("b")];
    for (event, count) in after.into_iter().zip([1, 1, 2, 1, 0]) {
        let told = format!("{event:?}");
        assert_eq!((heart.on(event, at(2)), heart.due()), (none(), None), "{told}");
        assert_eq!(heart.load(at(2)).count, count, "{told}");
    }
    for event in [begin("c", "api_call"), Event::Tick, Event::Shutdown] {
        assert_eq!((heart.on(event, at(90)), heart.due()), (none(), None));
    }
}

#[test]
fn the_keys_are_those_of_live_work() {
    let mut heart = Heartbeat::new(BEAT_EVERY);
    for event in [begin("b", "api_call"), begin("a", "api_call"), begin("c", "api_call"), end("c")]
    {
        heart.on(event, at(1));
    }
    let mut keys: Vec<&str> = heart.keys().collect();
    keys.sort_unstable();
    assert_eq!(keys, ["a", "b"]);
}

#[test]
fn mended_without_anything_to_call_work_is_seen_all_the_same() {
    check(
        "4",
        vec![
            (0, begin("a", "api_call"), none()),
            (30, Event::Tick, vec![Effect::Beat(load(&[("api_call", 1)], Some(30), Some(30)))]),
        ],
    );
}

#[test]
fn mended_an_end_that_fits_nothing_ends_nothing_and_a_key_counts_once() {
    let mut heart = Heartbeat::new(BEAT_EVERY);
    heart.on(begin("a", "tool_exec"), at(0));
    heart.on(end("b"), at(1));
    assert_eq!(heart.load(at(1)), load(&[("tool_exec", 1)], Some(1), Some(1)));
    // The same key again is the same work, begun anew.
    heart.on(begin("a", "api_call"), at(2));
    assert_eq!(heart.load(at(3)), load(&[("api_call", 1)], Some(1), Some(3)));
    heart.on(end("a"), at(4));
    assert_eq!(heart.load(at(4)), Load::default());
}

#[test]
fn mended_the_oldest_is_the_oldest_that_is_alive() {
    let mut heart = Heartbeat::new(BEAT_EVERY);
    heart.on(begin("a", "x"), at(0));
    heart.on(begin("b", "x"), at(50));
    heart.on(end("a"), at(60));
    let load = heart.load(at(70));
    assert_eq!((load.oldest, load.busy), (Some(at(20)), Some(at(70))));
}

fn events() -> impl Strategy<Value = Vec<(u8, u64, &'static str, &'static str)>> {
    let (keys, reasons) = (select(vec!["a", "b", "c", "d"]), select(vec!["x", "y"]));
    // A shutdown is rare, or little else would ever be seen.
    let what = prop_oneof![60 => 0..10_u8, 1 => Just(10_u8)];
    vec((what, 0..40_u64, keys, reasons), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_count_is_that_of_live_work_after_any_order_of_events(events in events()) {
        let mut heart = Heartbeat::new(BEAT_EVERY);
        let (mut live, mut now, mut is_over) = (HashMap::new(), 0, false);
        for (what, pause, key, reason) in events {
            now += pause;
            let event = match what {
                0..=2 => begin(key, reason),
                3..=5 => end(key),
                6 => Event::Register,
                7 => Event::Unregister,
                8 => Event::Signal,
                9 => Event::Tick,
                _ => Event::Shutdown,
            };
            let is_shutdown = event == Event::Shutdown;
            match event {
                Event::Begin { .. } => _ = live.insert(key, (reason, now)),
                Event::End { .. } => _ = live.remove(key),
                _ => {}
            }
            let effects = heart.on(event, at(now));
            let load = heart.load(at(now));
            match (is_over, is_shutdown) {
                (true, _) => prop_assert_eq!(effects, Vec::new()),
                (false, true) => prop_assert_eq!(effects, vec![Effect::Last(load.clone())]),
                (false, false) => {
                    let has_last = effects.iter().any(|effect| matches!(effect, Effect::Last(_)));
                    prop_assert!(!has_last);
                }
            }
            is_over |= is_shutdown;
            prop_assert!(!is_over || heart.due().is_none());
            prop_assert_eq!(load.count, live.len());
            for name in ["x", "y"] {
                let count = live.values().filter(|(reason, _)| *reason == name).count();
                prop_assert_eq!(load.reasons.get(name).copied().unwrap_or(0), count);
            }
            prop_assert!(!load.reasons.values().any(|count| *count == 0));
            let oldest = live.values().map(|(_, since)| at(now - since)).max();
            prop_assert_eq!(load.oldest, oldest);
            prop_assert_eq!(load.busy.is_some(), !live.is_empty());
            // A time that is due lies ahead, or a tick takes it away.
            while heart.due().is_some_and(|due| due <= at(now)) {
                let before = heart.due();
                heart.on(Event::Tick, at(now));
                prop_assert_ne!(heart.due(), before);
            }
        }
    }
}
