//! Stores, settings and locks as tables, and what a touch leaves alone, whatever a store holds.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::Timestamp;

const NOW: u64 = 1_795_290_000_000;

fn raised(store: &str, settings: &str) -> (String, Touched) {
    let store = Store::parse(store.as_bytes().to_vec()).unwrap();
    let settings = Settings::parse(settings).unwrap();
    let touched = touch(&store, &settings, |_| true, NOW);
    let bytes = touched.bytes.clone().unwrap_or_else(|| store.into_bytes());
    (String::from_utf8(bytes).unwrap(), touched)
}

#[test]
fn only_the_numbers_are_written_anew() {
    let odd = "{ \"a\":\t{\"x\" : [1e5, {\"updatedAt\": 1}], \"updatedAt\" : 1795215859200 ,\"z\":\"\\ud83d\"}\n,\
               \"n\": 7, \"b\\u0041é\": {\"big\": 123456789012345678901234567890, \"updatedAt\": 1e3}, \"c\": null}";
    let (after, touched) = raised(odd, "{}");
    let now = NOW.to_string();
    assert_eq!(after, odd.replace("1795215859200", &now).replace("1e3", &now));
    assert_eq!(touched.raised, ["a", "bAé"]);
}

#[test]
fn what_is_no_store_is_refused() {
    for (bytes, says) in [
        (&b""[..], "EOF"),
        (b"{\"a\": {\"updatedAt\": 1}", "EOF"),
        (b"[]", "not a JSON object"),
        (b"{} x", "trailing"),
        (b"{\"a\": \"\xff\"}", "UTF-8"),
        (b"{\"a\": {}, \"\\u0061\": {}}", "\"a\" appears twice"),
        (b"{\"a\": {\"updatedAt\": 1, \"updatedAt\": 2}}", "updatedAt appears twice in \"a\""),
        (b"{a: {}}", "key must be a string"),
        (b"{\"a\": NaN}", "expected"),
    ] {
        let why = Store::parse(bytes.to_vec()).unwrap_err();
        assert!(why.contains(says), "{why}");
    }
    assert_eq!(raised(" {}\n", "{}").0, " {}\n");
}

#[test]
fn nothing_is_lowered_and_nothing_put_where_it_was_not() {
    let later = NOW + 1;
    for entry in [
        json!({"updatedAt": NOW}),
        json!({"updatedAt": later}),
        json!({"updatedAt": "1"}),
        json!({"updatedAt": null}),
        json!({"other": 1}),
        json!({}),
        json!([{"updatedAt": 1}]),
    ] {
        let store = json!({ "k": entry }).to_string();
        assert_eq!(raised(&store, "{}").0, store);
    }
    let (_, touched) = raised(&json!({"k": {"updatedAt": later}, "l": {}}).to_string(), "{}");
    assert_eq!(touched.future, [("k".to_owned(), Field::UpdatedAt)]);
    assert_eq!(touched.timeless, ["l"]);
    assert_eq!(touched.raised, <[String; 0]>::default());
}

#[test]
fn what_tells_the_eras_apart_is_in_any_entry() {
    for (store, era) in [
        (json!({"a": {"updatedAt": 1}}), Era::Early),
        (json!({}), Era::Early),
        (json!({"a": {"x": {"sessionStartedAt": 1}}}), Era::Early),
        (json!({"a": {"updatedAt": 1}, "b": {"lastInteractionAt": 1}}), Era::Late),
        (json!({"b": {"sessionStartedAt": null}}), Era::Late),
    ] {
        assert_eq!(Store::parse(store.to_string().into_bytes()).unwrap().era(), era, "{store}");
    }
}

#[test]
fn the_policy_picks_the_field() {
    #[track_caller]
    fn check(key: &str, entry: &Value, settings: &str, expected: &[&str]) {
        let mut full = json!({"updatedAt": 1, "sessionStartedAt": 2, "lastInteractionAt": 3});
        full.as_object_mut().unwrap().extend(entry.as_object().unwrap().clone());
        let (after, touched) = raised(&json!({ key: full }).to_string(), settings);
        let after: Value = serde_json::from_str(&after).unwrap();
        let entry = after[key].as_object().unwrap();
        let mut changed: Vec<&str> = entry
            .iter()
            .filter(|(_, value)| **value == json!(NOW))
            .map(|(name, _)| &**name)
            .collect();
        changed.sort_unstable();
        assert_eq!(changed, expected, "{key} by {settings}");
        assert_eq!(touched.safe.is_empty(), !expected.is_empty());
    }
    const BOTH: &[&str] = &["lastInteractionAt", "sessionStartedAt"];
    const DAILY: &[&str] = &["sessionStartedAt"];
    const IDLE: &[&str] = &["lastInteractionAt"];
    let main = "agent:main:main";
    let plain = &json!({});
    check(main, plain, "{}", DAILY);
    check(main, plain, "{session: {}}", DAILY);
    check(main, plain, "{session: {reset: {mode: 'daily', atHour: 5}}} // JSON5", DAILY);
    check(main, plain, "{session: {reset: {mode: 'idle', idleMinutes: 60}}}", IDLE);
    check(main, plain, "{session: {reset: {mode: 'daily', idleMinutes: 60,}}}", BOTH);
    check(main, plain, "{session: {reset: {idleMinutes: 60}}}", BOTH);
    // No minutes, or none that count: nothing resets it.
    check(main, plain, "{session: {reset: {mode: 'idle'}}}", &[]);
    check(main, plain, "{session: {reset: {mode: 'idle', idleMinutes: 0.5}}}", &[]);
    // The old setting means idle where there is no newer one.
    check(main, plain, "{session: {idleMinutes: 30}}", IDLE);
    check(main, plain, "{session: {idleMinutes: 30, reset: {mode: 'daily'}}}", BOTH);
    check(main, plain, "{session: {idleMinutes: 30, resetByType: {}}}", BOTH);
    // By type, which the key tells.
    let types = "{session: {reset: {mode: 'daily'}, resetByType: {\
                 direct: {mode: 'idle', idleMinutes: 9}, group: {mode: 'idle'}, thread: {idleMinutes: 5}}}}";
    check(main, plain, types, IDLE);
    check("agent:main:telegram:group:1", plain, types, &[]);
    check("agent:main:slack:Channel:1", plain, types, &[]);
    check("agent:main:slack:channel:1:thread:2", plain, types, BOTH);
    check("agent:main:telegram:group:1:topic:2", plain, types, BOTH);
    check(main, plain, "{session: {resetByType: {dm: {mode: 'idle', idleMinutes: 1}}}}", IDLE);
    // By channel, which beats everything else.
    let channels = "{session: {idleMinutes: 5, reset: {idleMinutes: 5}, \
                    resetByChannel: {discord: {mode: 'idle', idleMinutes: 9}, slack: {mode: 'idle'}}}}";
    check(main, &json!({"lastChannel": "Discord", "channel": "slack"}), channels, IDLE);
    check(main, &json!({"channel": "slack"}), channels, &[]);
    check(main, &json!({"origin": {"provider": "discord"}}), channels, IDLE);
    check(main, &json!({"lastChannel": "telegram"}), channels, BOTH);
    check(main, plain, channels, BOTH);
}

#[test]
fn where_a_field_is_missing_the_one_that_stands_for_it_is_raised() {
    let idle = "{session: {reset: {mode: 'idle', idleMinutes: 9}}}";
    let both = "{session: {reset: {idleMinutes: 9}}}";
    for (settings, entry, expected) in [
        ("{}", "\"updatedAt\":5", "\"updatedAt\":N"),
        (idle, "\"updatedAt\":5", "\"updatedAt\":N"),
        (idle, "\"updatedAt\":5,\"sessionStartedAt\":6", "\"updatedAt\":5,\"sessionStartedAt\":N"),
        (both, "\"updatedAt\":5,\"sessionStartedAt\":6", "\"updatedAt\":5,\"sessionStartedAt\":N"),
        (
            both,
            "\"updatedAt\":5,\"lastInteractionAt\":6",
            "\"updatedAt\":N,\"lastInteractionAt\":N",
        ),
        ("{}", "\"sessionStartedAt\":-1", "\"sessionStartedAt\":N"),
        // One in the future is left, and the other with it: the session ends all the same.
        (
            both,
            "\"sessionStartedAt\":9e99,\"lastInteractionAt\":6",
            "\"sessionStartedAt\":9e99,\"lastInteractionAt\":6",
        ),
    ] {
        let store =
            |entry: &str| format!("{{\"k\":{{{entry}}},\"late\":{{\"sessionStartedAt\":{NOW}}}}}");
        let (after, _) = raised(&store(entry), settings);
        assert_eq!(after, store(&expected.replace('N', &NOW.to_string())), "{settings}");
    }
}

#[test]
fn settings_that_only_openclaw_can_read_are_refused() {
    for (text, says) in [
        ("{$include: './more.json5'}", "$include"),
        ("{session: {resetByType: {$include: 'x'}}}", "$include"),
        ("{session: {store: '${HOME}/x'}}", "variable"),
        ("{session: ", "EOF"),
        ("[]", "not an object"),
    ] {
        let why = Settings::parse(text).unwrap_err();
        assert!(why.to_lowercase().contains(&says.to_lowercase()), "{why}");
    }
    let settings = Settings::parse(
        "// said\n{channels: {$include: 'x'}, agents: {list: [{id: 'Ops'}, {}]}, session: {store: ' ~/s ',},}",
    );
    let settings = settings.unwrap();
    assert_eq!(
        (settings.store.as_deref(), &settings.agents[..]),
        (Some("~/s"), &["ops".to_owned()][..])
    );
}

#[test]
fn a_lock_is_stale_by_the_rules_of_whoever_wrote_it() {
    let now = Timestamp::new(1_795_290_000, 0);
    let ago = |seconds: i64| Timestamp::new(1_795_290_000 - seconds, 0);
    let created = |seconds: i64| ago(seconds).rfc3339().unwrap();
    let life = |pid| if pid == 9 { Life::Dead } else { Life::Since(Some(70)) };
    let later = |pid: u32, seconds| json!({"pid": pid, "createdAt": created(seconds)}).to_string();
    let with =
        |start: u64| json!({"pid": 1, "createdAt": created(1), "starttime": start}).to_string();
    for (content, written, expected) in [
        // 2026.2.12 goes by the file's time alone.
        (r#"{"pid":1,"startedAt":5}"#.to_owned(), 30, false),
        (r#"{"pid":1,"startedAt":5}"#.to_owned(), 31, true),
        (r#"{"pid":9,"startedAt":5}"#.to_owned(), 30, false),
        // Later ones by the process and by what they wrote.
        (later(1, 30), 99, false),
        (later(1, 31), 1, true),
        (later(9, 1), 1, true),
        (with(70), 1, false),
        (with(71), 1, true),
        // A clock that was set back.
        (later(1, -500), 1, false),
        // Half-written ones.
        (String::new(), 5, false),
        (String::new(), 6, true),
        (r#"{"pid":1,"#.to_owned(), 6, true),
        (r#"{"pid":1}"#.to_owned(), 5, false),
        (r#"{"pid":9}"#.to_owned(), 1, true),
        (r#"{"pid":0,"createdAt":"x"}"#.to_owned(), 5, false),
        (r#"{"pid":1,"createdAt":"x"}"#.to_owned(), 6, true),
    ] {
        let stale = is_stale(content.as_bytes(), ago(written), now, life);
        assert_eq!(stale, expected, "{content} written {written} s ago");
    }
    // Nobody may know when a process began.
    let unknown = |_| Life::Since(None);
    assert!(!is_stale(with(71).as_bytes(), ago(1), now, unknown));
}

/// Any JSON, with the names that matter among its keys.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (NOW - 3..NOW + 3).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("updatedAt".to_owned()),
        Just("sessionStartedAt".to_owned()),
        Just("lastInteractionAt".to_owned()),
        Just("origin".to_owned()),
        any::<String>(),
    ];
    leaf.prop_recursive(3, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn of_any_store_only_wanted_times_change_and_only_upwards(
        entries in prop::collection::vec((any::<String>(), any_json()), 0..6),
        pretty in any::<bool>(),
        settings in prop_oneof![
            Just("{}"), Just("{session:{idleMinutes:5}}"), Just("{session:{reset:{idleMinutes:5}}}")
        ],
    ) {
        let before = Value::Object(entries.into_iter().collect());
        let text = if pretty { format!("{before:#}") } else { before.to_string() };
        let store = Store::parse(text.clone().into_bytes()).unwrap();
        let settings = Settings::parse(settings).unwrap();
        let wanted = |key: &str| key.len().is_multiple_of(2);
        let touched = touch(&store, &settings, |entry| wanted(&entry.key), NOW);
        let bytes = touched.bytes.unwrap_or_else(|| text.clone().into_bytes());
        let after: Value = serde_json::from_slice(&bytes).unwrap();
        let (old, new) = (before.as_object().unwrap(), after.as_object().unwrap());
        prop_assert_eq!(old.keys().collect::<Vec<_>>(), new.keys().collect::<Vec<_>>());
        for (key, entry) in old {
            if !entry.is_object() || !wanted(key) {
                prop_assert_eq!(entry, &new[key]);
                continue;
            }
            for (name, value) in entry.as_object().unwrap() {
                let now = &new[key][name];
                if value != now {
                    let is_time = name.ends_with("At");
                    prop_assert!(is_time && *now == json!(NOW), "{name} of {key:?}: {now}");
                    #[expect(clippy::cast_precision_loss, reason = "exact")]
                    let before = value.as_f64().unwrap() < NOW as f64;
                    prop_assert!(before, "{value} was lowered");
                }
            }
        }
        // Whatever was not raised is there byte for byte: the parts between the numbers.
        let mut rest = text.as_str();
        let parts = String::from_utf8(bytes.clone()).unwrap();
        for part in parts.split(&NOW.to_string()) {
            let at = rest.find(part);
            prop_assert!(at.is_some(), "{part:?} is not in {rest:?}");
            rest = &rest[at.unwrap() + part.len()..];
        }
        prop_assert_eq!(rest, "");
        let again = Store::parse(bytes).unwrap();
        prop_assert_eq!(touch(&again, &settings, |entry| wanted(&entry.key), NOW).bytes, None);
    }
}
