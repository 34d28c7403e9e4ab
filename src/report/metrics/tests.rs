//! The metrics, read back by a strict parser.

mod exposition;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::collections::BTreeSet;

use super::*;
use exposition::parse;

fn run(profile: &str, at: i64, exit: u8) -> Measured {
    let summary =
        Summary { checked: 8, active: 3, idle: 4, unknown: 1, removed: 4, ..Summary::default() };
    Measured {
        profile: profile.to_owned(),
        at: Timestamp::new(at, 250_000_000),
        took: Duration::from_micros(61_234_567),
        exit,
        dry_run: false,
        threshold_seconds: 7200,
        summary: (exit == 0 || exit == 3).then_some(summary),
        oldest_idle_seconds: 0,
    }
}

fn written(before: &str, runs: &[Measured], only_these: bool) -> String {
    let mut out = Vec::new();
    write_metrics(before, runs, only_these, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    if let Err(why) = parse(&text) {
        panic!("{why}\nin {text}");
    }
    text
}

/// The value of a metric for a profile.
fn value(text: &str, name: &str, profile: &str) -> Option<f64> {
    let families = parse(text).unwrap();
    let family = families.iter().find(|family| family.name == format!("session_warden_{name}"))?;
    Some(family.samples.iter().find(|(known, _)| known == profile)?.1)
}

#[test]
fn one_run_tells_this_to_the_letter_x7() {
    let text = written("", &[run("", 1_795_241_706, 0)], false);
    let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let expected = [
        r#"session_warden_checked{profile=""} 8"#,
        r#"session_warden_active{profile=""} 3"#,
        r#"session_warden_in_use{profile=""} 0"#,
        r#"session_warden_resident_sessions{profile=""} 0"#,
        r#"session_warden_resident_bytes{profile=""} 0"#,
        r#"session_warden_resident_connections{profile=""} 0"#,
        r#"session_warden_resident_oldest_idle_seconds{profile=""} 0"#,
        r#"session_warden_idle{profile=""} 4"#,
        r#"session_warden_missing{profile=""} 0"#,
        r#"session_warden_archived{profile=""} 0"#,
        r#"session_warden_pinned{profile=""} 0"#,
        r#"session_warden_unknown{profile=""} 1"#,
        r#"session_warden_removed{profile=""} 4"#,
        r#"session_warden_would_remove{profile=""} 0"#,
        r#"session_warden_failed{profile=""} 0"#,
        r#"session_warden_released{profile=""} 0"#,
        r#"session_warden_would_release{profile=""} 0"#,
        r#"session_warden_released_bytes{profile=""} 0"#,
        r#"session_warden_last_run_timestamp_seconds{profile=""} 1795241706.250"#,
        r#"session_warden_last_success_timestamp_seconds{profile=""} 1795241706.250"#,
        r#"session_warden_last_run_duration_seconds{profile=""} 61.234"#,
        r#"session_warden_threshold_seconds{profile=""} 7200"#,
        r#"session_warden_last_exit_code{profile=""} 0"#,
    ];
    assert_eq!(samples, expected);
    let start = "# HELP session_warden_checked Mappings that the last run judged.\n# TYPE session_warden_checked gauge\n";
    assert!(text.starts_with(start), "{text}");
    assert_eq!(written(&text, &[], false), text);
}

#[test]
fn every_count_of_the_summary_is_told() {
    let text = written("", &[run("p", 1, 0)], false);
    let summary = serde_json::to_value(run("p", 1, 0).summary).unwrap();
    for (field, count) in summary.as_object().unwrap() {
        let name = if field == "resident" { "resident_sessions" } else { field };
        assert_eq!(value(&text, name, "p"), count.as_f64(), "{field}");
    }
    // The rest are of the run itself, but for the age of the longest idle process.
    assert_eq!(summary.as_object().unwrap().len() + 6, METRICS.len());
}

#[test]
fn a_failed_run_keeps_the_last_success_and_has_no_counts() {
    let check = |text: &str, run: f64, success: f64, exit: f64, checked: Option<f64>| {
        assert_eq!(value(text, "last_run_timestamp_seconds", "p"), Some(run));
        assert_eq!(value(text, "last_success_timestamp_seconds", "p"), Some(success));
        assert_eq!(value(text, "last_exit_code", "p"), Some(exit));
        assert_eq!(value(text, "checked", "p"), checked);
        assert_eq!(value(text, "threshold_seconds", "p"), Some(7200.0));
    };
    let never = written("", &[run("p", 10, 1)], false);
    check(&never, 10.25, 0.0, 1.0, None);
    let first = written(&never, &[run("p", 20, 0)], false);
    check(&first, 20.25, 20.25, 0.0, Some(8.0));
    let locked = written(&first, &[run("p", 30, 75)], false);
    check(&locked, 30.25, 20.25, 75.0, None);
    // Done, but not wholly: it has counts, and is no success.
    let partly = written(&locked, &[run("p", 40, 3)], true);
    check(&partly, 40.25, 20.25, 3.0, Some(8.0));
    // Two runs of one profile at once: the later one counts, after the earlier one.
    let both = written(&partly, &[run("p", 50, 0), run("p", 60, 2)], false);
    check(&both, 60.25, 50.25, 2.0, None);
}

#[test]
fn other_profiles_stay_as_they_are_in_alphabetical_order() {
    let others = written("", &[run("zeta", 10, 0), run("alpha", 20, 1)], false);
    let all = written(&others, &[run("mid", 30, 0)], false);
    for line in others.lines() {
        assert!(all.lines().any(|other| other == line), "{line} is gone from {all}");
    }
    for family in parse(&all).unwrap() {
        let profiles: Vec<&str> = family.samples.iter().map(|(name, _)| name.as_str()).collect();
        let failed_one_too = family.name.ends_with("seconds") || family.name.ends_with("code");
        let failed_one_too = failed_one_too && !family.name.contains("oldest_idle");
        let expected =
            if failed_one_too { &["alpha", "mid", "zeta"][..] } else { &["mid", "zeta"] };
        assert_eq!(profiles, expected, "{}", family.name);
    }
    let only = written(&all, &[run("mid", 40, 1)], true);
    assert!(!only.contains("alpha") && !only.contains("zeta"), "{only}");
    assert_eq!(value(&only, "last_success_timestamp_seconds", "mid"), Some(30.25));
}

#[test]
fn what_is_not_ours_or_not_whole_is_dropped() {
    #[track_caller]
    fn check(line: &str, stays: bool) {
        let text = written(line, &[], false);
        assert_eq!(text.ends_with(line) && !text.is_empty(), stays, "{line:?} became {text:?}");
        assert!(stays || text.is_empty(), "{line:?} became {text:?}");
    }
    check("session_warden_idle{profile=\"a\"} 4\n", true);
    check("session_warden_idle{profile=\"a\r\\\\\\\"\\n{},= #\"} -4.5e7\n", true);
    for line in [
        "session_warden_idle{profile=\"a\"} 4",
        "session_warden_idle{profile=\"a\"} 4\r\n",
        "session_warden_idle{profile=\"a\"} 4 1795241706000\n",
        "session_warden_idle{profile=\"a\"}  4\n",
        "session_warden_idle{profile=\"a\"} \n",
        "session_warden_idle{profile=\"a\"} many\n",
        "session_warden_idle{profile=\"a\"} NaN\n",
        "session_warden_idle{profile=\"a\"} inf\n",
        "session_warden_idle{profile=\"a\"} 1e999\n",
        "session_warden_idle{profile=\"\\x\"} 4\n",
        "session_warden_idle{profile=\"a} 4\n",
        "session_warden_idle{profile=\"a\",chat=\"b\"} 4\n",
        "session_warden_idle{chat=\"b\"} 4\n",
        "session_warden_idle 4\n",
        " session_warden_idle{profile=\"a\"} 4\n",
        "session_warden_sleepy{profile=\"a\"} 4\n",
        "node_load1 0.5\n",
        "# HELP session_warden_idle Another help.\n",
        "{\"not\": \"metrics\"}\n",
        "\n\n\0\n",
    ] {
        check(line, false);
    }
    let twice = "session_warden_idle{profile=\"a\"} 4\nsession_warden_idle{profile=\"a\"} 5\n";
    assert_eq!(value(&written(twice, &[], false), "idle", "a"), Some(5.0));
}

#[test]
fn absurd_times_are_still_numbers() {
    let mut odd = run("p", i64::MIN, 0);
    assert_eq!(
        value(&written("", &[odd.clone()], false), "last_run_timestamp_seconds", "p"),
        Some(0.0)
    );
    (odd.at, odd.took) = (Timestamp::MAX, Duration::MAX);
    assert!(value(&written("", &[odd], false), "last_run_duration_seconds", "p").is_some());
}

/// Any text, with what the format escapes or ends at more often than by chance.
fn any_profile() -> impl Strategy<Value = String> {
    let special = select(vec!['\\', '"', '\n', '\r', 'n', '{', '}', ' ', '#', '\0', '\u{2028}']);
    vec(prop_oneof![special, any::<char>()], 0..8).prop_map(String::from_iter)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn any_profile_name_comes_back(names in btree_set(any_profile(), 1..5), last in any_profile()) {
        let runs: Vec<Measured> = names.iter().map(|name| run(name, 10, 0)).collect();
        let text = written("", &runs, false);
        for family in parse(&text).unwrap() {
            let read: Vec<&String> = family.samples.iter().map(|(name, _)| name).collect();
            prop_assert_eq!(read, names.iter().collect::<Vec<_>>());
        }
        prop_assert_eq!(&written(&text, &[], false), &text);
        // Every one is found again as its own, and none as another's.
        let failed = written(&text, &[run(&last, 20, 1)], false);
        for name in &names {
            let (run, success) = if *name == last { (20.25, 10.25) } else { (10.25, 10.25) };
            prop_assert_eq!(value(&failed, "last_run_timestamp_seconds", name), Some(run));
            prop_assert_eq!(value(&failed, "last_success_timestamp_seconds", name), Some(success));
        }
        let all: BTreeSet<&String> = names.iter().chain([&last]).collect();
        prop_assert_eq!(parse(&failed).unwrap().last().unwrap().samples.len(), all.len());
    }

    #[test]
    fn whatever_was_there_what_is_written_is_whole(
        garbage in vec(any::<char>(), 0..40).prop_map(String::from_iter),
        names in btree_set(any_profile(), 0..3),
        (from, to) in any::<(Index, Index)>(),
    ) {
        let runs: Vec<Measured> = names.iter().map(|name| run(name, 10, 3)).collect();
        let mut letters: Vec<char> = written("", &runs, false).chars().collect();
        let (from, to) = (from.index(letters.len() + 1), to.index(letters.len() + 1));
        letters.splice(from.min(to)..from.max(to), garbage.chars());
        let before = String::from_iter(letters);
        let kept = written(&before, &[], false);
        prop_assert_eq!(&written(&kept, &[], false), &kept);
        let text = written(&before, &[run("p", 20, 0)], true);
        prop_assert_eq!(text, written("", &[run("p", 20, 0)], false));
    }
}
