//! How large a map may be, and how much memory it may take (R3).

use crate::child::{ACTIVE, bounded, through_shell, two_sessions};
use crate::env::TestEnv;
use crate::map_reading::check_refusal;
use serde_json::json;
use std::fmt::Write;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

#[test]
fn a_map_larger_than_256_mib_is_refused_unread_r3() {
    const SIZE: u64 = (256 << 20) + 1;
    let env = two_sessions();
    let map = env.map_path();
    File::create(&map).unwrap().set_len(SIZE).unwrap();
    for line in ["clean", "-n"] {
        // Less memory than the file is large: it is not even read.
        let start = Instant::now();
        let ran = bounded(&mut through_shell(&env, "ulimit -v 200000 &&", line, ""));
        check_refusal(&ran, &map, "larger than 256 MiB");
        assert!(start.elapsed() < Duration::from_millis(1_900), "there is nothing to wait for");
    }
    assert_eq!(fs::metadata(&map).unwrap().len(), SIZE);
    assert_eq!(fs::metadata(&map).unwrap().blocks(), 0);
    assert!(env.litter().is_empty());
}

/// A map of 20 MiB as a bridge writes it: chats of 16 hex digits, sessions with a UUID each.
fn large() -> (TestEnv, String) {
    let env = two_sessions();
    env.session("codex", ACTIVE, 60);
    env.session("gemini", ACTIVE, 60);
    let mut json = format!(r#"{{"claude-cli": {{"first": "{ACTIVE}""#);
    let mut others = ["codex-cli", "gemini-cli", "other"].into_iter();
    for number in 0_u32.. {
        if json.len() > 20 << 20 {
            break;
        }
        if number % 100_000 == 99_999
            && let Some(model) = others.next()
        {
            write!(json, r#"}}, "{model}": {{"first": "{ACTIVE}""#).unwrap();
        }
        let spread = number.wrapping_mul(0x9E37_79B1);
        let (low, middle, high) = (number & 0xffff, spread & 0xfff, spread >> 20);
        let id = format!("{spread:08x}-{low:04x}-4{middle:03x}-8{high:03x}-{number:012x}");
        write!(json, r#", "{spread:08x}{number:08x}": "{id}""#).unwrap();
    }
    json.push_str("}}");
    env.map(&json);
    (env, json)
}

/// Runs on that map with six times its size as the limit of all memory.
#[track_caller]
fn check(line: &str) {
    let (env, json) = large();
    let limit = format!("ulimit -v {} &&", json.len() / 1024 * 6);
    let run = || bounded(&mut through_shell(&env, &limit, line, ">/dev/null"));
    // Its removals are more than one run may record.
    run().exits(3).says(&["mappings are left for the next run"]);
    if line.contains("-n") {
        assert!(env.map_bytes() == json.as_bytes(), "a dry run changed the map");
    } else {
        assert_eq!(run().exits(0).err, "");
        let left = env.map_now();
        for model in ["claude-cli", "codex-cli", "gemini-cli"] {
            assert_eq!(left[model], json!({"first": ACTIVE}));
        }
    }
}

#[test]
fn a_dry_run_takes_at_most_six_times_the_map_r3() {
    check("-n");
}

#[test]
fn a_dry_run_with_a_json_report_takes_at_most_six_times_the_map_r3() {
    check("-n --format json");
}

#[test]
fn a_real_run_takes_at_most_six_times_the_map_r3() {
    check("clean");
}

#[test]
fn a_real_run_with_a_json_report_takes_at_most_six_times_the_map_r3() {
    check("clean --format json");
}
