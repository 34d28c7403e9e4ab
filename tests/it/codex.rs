//! Codex's sessions as 0.169.0 and 0.77.0 lay them out, odd cases included.

use crate::env::{DAY, HOUR, MINUTE, Ran, TestEnv, row, state};
use std::path::Path;

const MODEL: &str = "codex-cli";

/// Made on 5 January 2026 at 10:00:00 UTC, as their first 48 bits say.
const A: &str = "019b8d99-6900-7000-8000-00000000000a";
const B: &str = "019b8d99-6900-7000-8000-00000000000b";
const C: &str = "019b8d99-6900-7000-8000-00000000000c";
const D: &str = "019b8d99-6900-7000-8000-00000000000d";
const E: &str = "019b8d99-6900-7000-8000-00000000000e";
const USED: &str = "019b8d99-6900-7000-8000-00000000000f";

/// No version 7: the id tells no date.
const V4: &str = "7d1c2b3a-0a1b-4c2d-8e3f-000000000004";

const DAY_OF_IDS: &str = "sessions/2026/01/05";

/// A home with one session in use, so that the wrong-home guard stays out of the way.
fn home() -> TestEnv {
    let env = TestEnv::new();
    rollout(&env, DAY_OF_IDS, USED, ".jsonl", MINUTE);
    env
}

fn name(id: &str) -> String {
    format!("rollout-2026-01-05T11-00-00-{id}")
}

fn meta(id: &str, session: &str) -> String {
    format!(
        r#"{{"timestamp":"2026-01-05T10:00:00.000Z","type":"session_meta","payload":{{"id":"{id}","session_id":"{session}","cwd":"/home/u/site","originator":"codex_exec"}}}}
{{"timestamp":"2026-01-05T10:00:01.000Z","type":"event_msg","payload":{{"type":"task_complete"}}}}
"#
    )
}

/// A session's file in that folder below Codex's own, with that ending.
fn rollout(env: &TestEnv, folder: &str, id: &str, ending: &str, age: u64) {
    let path = format!(".codex/{folder}/{}{ending}", name(id));
    if ending == ".jsonl.zst" {
        // Nothing unpacks these; the magic number is all that makes it look like one.
        env.file(&path, b"\x28\xb5\x2f\xfd\x04\x00", age);
    } else {
        env.file(&path, meta(id, id), age);
    }
}

#[track_caller]
fn names_file(report: &serde_json::Value, chat: &str, end: &str) {
    let file = row(report, chat)["file"].as_str().unwrap();
    assert!(Path::new(file).ends_with(end), "{end}: {report:#}");
}

#[test]
fn a_home_of_0_169_0() {
    let env = home();
    rollout(&env, DAY_OF_IDS, A, ".jsonl", 10 * MINUTE);
    rollout(&env, DAY_OF_IDS, B, ".jsonl", 3 * HOUR);
    rollout(&env, DAY_OF_IDS, C, ".jsonl.zst", 8 * DAY);
    rollout(&env, "archived_sessions", D, ".jsonl", MINUTE);
    // The old lock of a turn that was killed, and the index, which lags, keep nothing.
    env.file(&format!(".codex/thread-writer-locks/{B}.lock"), "", 3 * HOUR);
    env.file(".codex/state_5.sqlite", "SQLite format 3\0", MINUTE);
    env.file(".codex/state_5.sqlite-wal", B, MINUTE);
    env.file(".codex/session_index.jsonl", format!("{{\"id\":\"{B}\"}}\n"), MINUTE);
    env.file(".codex/sessions/.DS_Store", "x", MINUTE);
    env.file(&format!(".codex/{DAY_OF_IDS}/notes.txt"), "x", MINUTE);
    let rows = [
        (USED, "active"),
        (A, "active"),
        (B, "idle"),
        (C, "idle"),
        (D, "archived"),
        (E, "missing"),
    ];
    let report = env.check(MODEL, "", 0, &rows);
    names_file(&report, "2", &format!("{DAY_OF_IDS}/{}.jsonl", name(B)));
    names_file(&report, "3", &format!("{DAY_OF_IDS}/{}.jsonl.zst", name(C)));
    names_file(&report, "4", &format!("archived_sessions/{}.jsonl", name(D)));
    assert_eq!(row(&report, "4")["action"], "removed");
}

#[test]
fn a_home_of_0_77_0() {
    // No index, no locks, no archive.
    let env = home();
    rollout(&env, DAY_OF_IDS, A, ".jsonl", 10 * MINUTE);
    rollout(&env, DAY_OF_IDS, B, ".jsonl", 3 * HOUR);
    env.file(".codex/history.jsonl", format!("{{\"session_id\":\"{B}\"}}\n"), MINUTE);
    env.file(".codex/log/codex-tui.log", B, MINUTE);
    env.check(MODEL, "", 0, &[(USED, "active"), (A, "active"), (B, "idle"), (C, "missing")]);
}

#[test]
fn a_subagent_names_its_parent_inside_and_counts_for_itself_alone() {
    let env = home();
    // A's subagent is newer than A, and B's subagent is there without B.
    rollout(&env, DAY_OF_IDS, A, ".jsonl", DAY);
    for (id, parent) in [(D, A), (E, B)] {
        let path = format!(".codex/{DAY_OF_IDS}/{}.jsonl", name(id));
        env.file(&path, meta(id, parent), 5 * MINUTE);
    }
    let rows = [(USED, "active"), (A, "idle"), (B, "missing"), (D, "active"), (E, "active")];
    env.check(MODEL, "", 0, &rows);
}

#[test]
fn a_file_is_found_under_whatever_date() {
    let folders = [
        // West and east of Greenwich the local date is another.
        "sessions/2026/01/04",
        "sessions/2026/01/06",
        // Somebody moved it.
        "sessions/2024/07/30",
        "sessions/2026",
        "sessions",
        "sessions/old/by-hand",
        "sessions/1/2/3/4/5/6/7/8",
    ];
    for folder in folders {
        for (age, state) in [(MINUTE, "active"), (DAY, "idle")] {
            let env = home();
            rollout(&env, folder, A, ".jsonl", age);
            rollout(&env, folder, V4, ".jsonl.zst", age);
            let rows = [(USED, "active"), (A, state), (V4, state), (B, "missing")];
            env.check(MODEL, "", 0, &rows);
        }
    }
}

#[test]
fn the_year_and_the_month_turn_with_the_day() {
    // Made on 31 December at 23:30 UTC: locally that may be January.
    let late = "019b76bf-30c0-7000-8000-00000000000a";
    // Made on 28 February at 23:50 UTC.
    let leap = "019ca6a8-b440-7000-8000-00000000000a";
    let env = home();
    rollout(&env, "sessions/2026/01/01", late, ".jsonl", MINUTE);
    rollout(&env, "sessions/2026/03/01", leap, ".jsonl", DAY);
    env.check(MODEL, "", 0, &[(USED, "active"), (late, "active"), (leap, "idle")]);
}

#[test]
fn of_several_files_the_newest_counts() {
    let cases = [
        // Compressed and turned back: both may be there.
        (DAY_OF_IDS, ".jsonl", DAY_OF_IDS, ".jsonl.zst"),
        (DAY_OF_IDS, ".jsonl", "sessions/2026/01/06", ".jsonl"),
        (DAY_OF_IDS, ".jsonl", "sessions/2026/01/04", ".jsonl.zst"),
    ];
    for (one, ending, other, other_ending) in cases {
        for (age, other_age, state) in
            [(5 * MINUTE, DAY, "active"), (DAY, 5 * MINUTE, "active"), (DAY, 2 * DAY, "idle")]
        {
            let env = home();
            rollout(&env, one, A, ending, age);
            rollout(&env, other, A, other_ending, other_age);
            let report = env.check(MODEL, "", 0, &[(USED, "active"), (A, state)]);
            let (folder, ending) =
                if age < other_age { (one, ending) } else { (other, other_ending) };
            names_file(&report, "1", &format!("{folder}/{}{ending}", name(A)));
        }
    }
}

#[test]
fn a_copy_under_a_quite_wrong_date_counts_beside_one_under_the_right_one() {
    // Nothing that was used within the threshold goes, wherever its newest file was moved to.
    for folder in ["sessions/2024/07/30", "sessions"] {
        let env = home();
        rollout(&env, DAY_OF_IDS, A, ".jsonl", DAY);
        rollout(&env, folder, A, ".jsonl", 5 * MINUTE);
        env.check(MODEL, "", 0, &[(USED, "active"), (A, "active")]);
    }
}

#[test]
fn an_archived_copy_is_no_use_whatever_its_age() {
    let env = home();
    rollout(&env, "archived_sessions", A, ".jsonl", 10);
    rollout(&env, "archived_sessions", B, ".jsonl.zst", 8 * DAY);
    // Where the session itself is there, that alone tells.
    rollout(&env, "archived_sessions", C, ".jsonl", 10);
    rollout(&env, DAY_OF_IDS, C, ".jsonl", DAY);
    rollout(&env, "archived_sessions", D, ".jsonl", DAY);
    rollout(&env, DAY_OF_IDS, D, ".jsonl.zst", 10);
    // Today's archive is flat: nobody knows what another layout of it means while it is written.
    rollout(&env, "archived_sessions/2026", E, ".jsonl", 10);
    rollout(&env, "archived_sessions/2026", V4, ".jsonl", DAY);
    let rows = [
        (USED, "active"),
        (A, "archived"),
        (B, "archived"),
        (C, "idle"),
        (D, "active"),
        (E, "active"),
        (V4, "archived"),
    ];
    env.check(MODEL, "", 0, &rows);
}

#[test]
fn archived_sessions_go_as_missing_ones_do() {
    let env = home();
    rollout(&env, "archived_sessions", A, ".jsonl", 10);
    let bytes = format!(r#"{{"{MODEL}":{{"a":"{A}","gone":"{B}","used":"{USED}"}}}}"#);
    env.map(&bytes);
    let report = env.json("clean --missing keep");
    assert_eq!([state(&report, "a"), state(&report, "gone")], ["archived", "missing"]);
    assert_eq!(env.map_bytes(), bytes.as_bytes());
    env.run("clean --missing remove").exits(0);
    assert_eq!(env.map_now(), serde_json::json!({MODEL: {"used": USED}}));
}

#[test]
fn a_name_that_carries_the_id_is_judged_by_its_age_e1_e2() {
    let names = [
        ("rollout-2026-01-05T11-00-00-{}.jsonl.tmp", "idle"),
        ("rollout-2026-01-05T11-00-00-{}.json", "idle"),
        ("rollout-2026-01-05T11-00-00-{}.zst", "idle"),
        ("rollout-2026-01-05T11-00-00-{}.jsonl.zst.part", "idle"),
        ("{}.jsonl", "idle"),
        ("{}/turns/1", "idle"),
        ("x-rollout-2026-01-05T11-00-00-{}.jsonl", "idle"),
        // Named inside alone, which is read only while it is fresh.
        ("rollout-2026-01-05T11-00-00-{}0.jsonl", "missing"),
        ("turns.jsonl", "missing"),
    ];
    for (name, old) in names {
        for (age, expected) in [(MINUTE, "active"), (DAY, old)] {
            let env = home();
            let path = format!(".codex/{DAY_OF_IDS}/{}", name.replace("{}", A));
            env.file(&path, meta(A, A), age);
            rollout(&env, DAY_OF_IDS, B, ".jsonl", DAY);
            env.check(MODEL, "", 0, &[(USED, "active"), (A, expected), (B, "idle")]);
        }
    }
}

#[test]
fn the_paths_that_the_replaced_script_knew_are_sessions_e7() {
    for path in [".codex/sessions/{}.jsonl", ".codex/{}.jsonl"] {
        for (age, expected) in [(10, "active"), (DAY, "idle")] {
            let env = home();
            let path = path.replace("{}", A);
            env.file(&path, meta(A, A), age);
            let report =
                env.check(MODEL, "", 0, &[(USED, "active"), (A, expected), (B, "missing")]);
            names_file(&report, "1", &path);
            // As the only file of all: then its folder is the only root.
            let alone = TestEnv::new();
            alone.file(&path, meta(A, A), age);
            if path.starts_with(".codex/sessions") || expected == "active" {
                alone.check(MODEL, "", 0, &[(A, expected)]);
            }
        }
    }
}

#[test]
fn a_subagent_counts_for_its_parent_and_a_fork_does_not_e3() {
    let line = |payload: &str| format!("{{\"type\":\"session_meta\",\"payload\":{{{payload}}}}}\n");
    for (payload, expected) in [
        (format!(r#""id":"{D}","session_id":"{A}""#), "active"),
        (format!(r#""id":"{D}","parent_thread_id":"{A}","thread_source":"subagent""#), "active"),
        (format!(r#""id":"{D}","session_id":"{D}","forked_from_id":"{A}""#), "idle"),
        (format!(r#""id":"{D}","session_id":"{A}","forked_from_id":"{A}""#), "idle"),
        (format!(r#""id":"{D}","history_base":{{"thread_id":"{A}"}}"#), "idle"),
    ] {
        for (age, expected) in [(5 * MINUTE, expected), (3 * HOUR, "idle")] {
            let env = home();
            rollout(&env, DAY_OF_IDS, A, ".jsonl", DAY);
            env.file(&format!(".codex/{DAY_OF_IDS}/{}.jsonl", name(D)), line(&payload), age);
            rollout(&env, DAY_OF_IDS, B, ".jsonl", DAY);
            env.check(MODEL, "", 0, &[(USED, "active"), (A, expected), (B, "idle")]);
        }
    }
}

#[test]
fn of_very_many_threads_the_newest_are_looked_into_e3() {
    // With the three others, 500 mapped threads and 501.
    for (mapped, expected) in [(497, "active"), (498, "idle")] {
        let env = home();
        rollout(&env, DAY_OF_IDS, A, ".jsonl", DAY);
        let older = "019b8d90-0000-7000-8000-000000000001";
        let newer = "019b8da0-0000-7000-8000-000000000001";
        for number in 0..300_u32 {
            let id = format!("019b8d99-6900-7000-9000-{number:012x}");
            rollout(&env, DAY_OF_IDS, &id, ".jsonl", DAY);
        }
        let mut chats = serde_json::Map::new();
        for number in 0..mapped {
            let id = format!("019b8d99-6900-7000-a000-{number:012x}");
            chats.insert(format!("gone-{number}"), id.into());
        }
        for (chat, id) in [("used", USED), ("a", A), ("b", B)] {
            chats.insert(chat.to_owned(), id.into());
        }
        env.map(serde_json::json!({ MODEL: chats }).to_string());
        let subagent = |id: &str| {
            let path = format!(".codex/{DAY_OF_IDS}/{}.jsonl", name(id));
            env.file(&path, meta(id, A), MINUTE)
        };
        let path = subagent(older);
        assert_eq!(state(&env.json("-n"), "a"), expected, "{mapped}");
        std::fs::remove_file(path).unwrap();
        subagent(newer);
        assert_eq!(state(&env.json("-n"), "a"), "active", "{mapped}");
    }
}

#[test]
fn ids_are_compared_without_regard_to_case() {
    let env = home();
    let (upper_a, upper_b) = (A.to_uppercase(), B.to_uppercase());
    rollout(&env, DAY_OF_IDS, A, ".jsonl", MINUTE);
    rollout(&env, DAY_OF_IDS, &upper_b, ".jsonl", MINUTE);
    rollout(&env, "archived_sessions", &C.to_uppercase(), ".jsonl", MINUTE);
    let rows = [
        (USED, "active"),
        (upper_a.as_str(), "active"),
        (A, "active"),
        (upper_b.as_str(), "active"),
        (B, "active"),
        (C, "archived"),
    ];
    env.check(MODEL, "", 0, &rows);
}

/// Runs with `CODEX_HOME` set so, on a home where A is idle, and beside it a folder where A is in
/// use.
#[track_caller]
fn moved(value: Option<&str>, line: &str, state_of_a: &str) {
    let env = home();
    rollout(&env, DAY_OF_IDS, A, ".jsonl", DAY);
    env.file(&format!("moved/{DAY_OF_IDS}/{}.jsonl", name(A)), meta(A, A), MINUTE);
    env.map(format!(r#"{{"{MODEL}":{{"a":"{A}"}}}}"#));
    let mut command = env.command(format!("{line} --format json").split_whitespace());
    if let Some(value) = value {
        command.env("CODEX_HOME", value.replace('@', env.home("moved").to_str().unwrap()));
    }
    let ran = Ran::of(&mut command);
    let report = ran.exits(0).report();
    assert_eq!(state(&report, "a"), state_of_a, "{value:?} {line}: {ran:?}");
    let left = usize::from(state_of_a == "active");
    assert_eq!(env.map_now()[MODEL].as_object().unwrap().len(), left, "{ran:?}");
}

#[test]
fn codex_home_moves_the_folder() {
    moved(None, "", "idle");
    moved(Some("@"), "", "active");
    moved(Some("home/moved"), "", "active");
    moved(Some(""), "", "idle");
    moved(Some("@"), "--home home", "idle");
}
