//! Claude Code's sessions as 2.1.329 and 2.0.76 lay them out, odd cases included.

use crate::env::{DAY, HOUR, MINUTE, TestEnv, row, state};
use std::path::Path;

const MODEL: &str = "claude-cli";
const A: &str = "aaaaaaaa-0a1b-4c2d-8e3f-000000000001";
const B: &str = "bbbbbbbb-0a1b-4c2d-8e3f-000000000002";
const C: &str = "cccccccc-0a1b-4c2d-8e3f-000000000003";
const D: &str = "dddddddd-0a1b-4c2d-8e3f-000000000004";
const E: &str = "eeeeeeee-0a1b-4c2d-8e3f-000000000005";

/// A session that is in use, so that the wrong-home guard stays out of the way.
const USED: &str = "12345678-0a1b-4c2d-8e3f-00000000000f";

const PROJECTS: &str = ".claude/projects";

/// A home with one session in use.
fn home() -> TestEnv {
    let env = TestEnv::new();
    session(&env, "-home-u-used", USED, MINUTE);
    env
}

/// A session of 2.1.329: its last lines bear no time.
fn session(env: &TestEnv, project: &str, id: &str, age: u64) {
    let content = format!(
        r#"{{"type":"mode","mode":"normal","sessionId":"{id}"}}
{{"parentUuid":null,"type":"user","sessionId":"{id}","timestamp":"2026-01-05T10:00:00.000Z","message":{{"role":"user","content":"hello"}}}}
{{"type":"last-prompt","lastPrompt":"hello","sessionId":"{id}"}}
"#
    );
    env.file(&format!("{PROJECTS}/{project}/{id}.jsonl"), content, age);
}

/// What a subagent writes; the owner stands in each line.
fn subagent_line(owner: &str) -> String {
    format!(
        r#"{{"parentUuid":null,"isSidechain":true,"userType":"external","cwd":"/home/u/site","sessionId":"{owner}","version":"2.0.76","agentId":"a1b2c3d","type":"user","timestamp":"2026-01-05T10:00:01.000Z"}}
"#
    )
}

/// A subagent's file of 2.0.76, beside the sessions.
fn old_side(env: &TestEnv, project: &str, hex: &str, owner: &str, age: u64) {
    env.file(&format!("{PROJECTS}/{project}/agent-{hex}.jsonl"), subagent_line(owner), age);
}

/// A subagent's file of 2.1.329, below a folder called like its session.
fn new_side(env: &TestEnv, project: &str, owner: &str, age: u64) {
    let path = format!("{PROJECTS}/{project}/{owner}/subagents/agent-a1b2c3d4e5.jsonl");
    env.file(&path, subagent_line(owner), age);
}

#[track_caller]
fn names_file(row: &serde_json::Value, end: &str) {
    let file = row["file"].as_str().unwrap();
    assert!(Path::new(file).ends_with(end), "{row:#}");
}

#[test]
fn a_home_of_2_1_329() {
    let env = home();
    session(&env, "-home-u-site", A, 30 * MINUTE);
    session(&env, "-home-u-site", B, 3 * HOUR);
    session(&env, "-home-u-notes", C, 2 * DAY);
    new_side(&env, "-home-u-notes", C, 5 * MINUTE);
    session(&env, "-home-u-notes", D, 2 * DAY);
    new_side(&env, "-home-u-notes", D, 5 * HOUR);
    // What carries the id of no session keeps none of them, however fresh.
    env.file(&format!("{PROJECTS}/-home-u-site/{B}.desktop-released.json"), "{}", 4 * HOUR);
    env.file(&format!("{PROJECTS}/-home-u-site/{B}/tool-results/x.txt"), "x", 4 * HOUR);
    env.file(&format!("{PROJECTS}/-home-u-site/memory/MEMORY.md"), "x", MINUTE);
    env.file(&format!("{PROJECTS}/stray.txt"), "x", MINUTE);
    env.file(".claude/history.jsonl", format!("{{\"sessionId\":\"{B}\"}}\n"), MINUTE);
    env.file(&format!(".claude/todos/{B}.json"), "[]", 3 * HOUR);
    // A killed Claude leaves this behind. No process has that number: it is past the largest.
    let killed = format!(r#"{{"pid":4194999,"sessionId":"{B}","status":"busy","updatedAt":1}}"#);
    env.file(".claude/sessions/4194999.json", killed, MINUTE);
    let rows =
        [(USED, "active"), (A, "active"), (B, "idle"), (C, "active"), (D, "idle"), (E, "missing")];
    let report = env.check(MODEL, "", 0, &rows);
    names_file(row(&report, "2"), &format!("-home-u-site/{B}.jsonl"));
    let idle_for = |chat| row(&report, chat)["idle_seconds"].as_u64().unwrap();
    assert!((3 * HOUR..3 * HOUR + MINUTE).contains(&idle_for("2")), "{report:#}");
    // The subagent's time counts, and the file that is named stays the session's own.
    assert!((5 * HOUR..5 * HOUR + MINUTE).contains(&idle_for("4")), "{report:#}");
    names_file(row(&report, "4"), &format!("-home-u-notes/{D}.jsonl"));
}

#[test]
fn a_home_of_2_0_76() {
    let env = home();
    let project = "-home-u-site";
    for id in [A, B, C] {
        session(&env, project, id, DAY);
    }
    // A newer subagent keeps its own session, from whichever folder, and no other.
    old_side(&env, "-home-u-notes", "0a1b2c3", A, 5 * MINUTE);
    old_side(&env, project, "1a1b2c3", B, 5 * HOUR);
    old_side(&env, project, "2a1b2c3", "99999999-0a1b-4c2d-8e3f-000000000009", MINUTE);
    // A start that failed leaves an empty file, which is no session however fresh.
    env.file(&format!("{PROJECTS}/{project}/{D}.jsonl"), "", MINUTE);
    // A lone snapshot counts as a session unless its records are read.
    let snapshot = r#"{"type":"file-history-snapshot","messageId":"m","snapshot":{"timestamp":"2026-01-05T10:00:00.000Z"}}"#;
    env.file(&format!("{PROJECTS}/{project}/{E}.jsonl"), snapshot, 10 * MINUTE);
    let rows =
        [(USED, "active"), (A, "active"), (B, "idle"), (C, "idle"), (D, "missing"), (E, "active")];
    let report = env.check(MODEL, "", 0, &rows);
    // The old side file of B is past the threshold, so it is not read.
    let idle_for = row(&report, "2")["idle_seconds"].as_u64().unwrap();
    assert!((DAY..DAY + MINUTE).contains(&idle_for), "{report:#}");
}

#[test]
fn an_empty_file_does_not_hide_the_session_elsewhere() {
    let env = home();
    session(&env, "-home-u-site", A, 3 * HOUR);
    env.file(&format!("{PROJECTS}/-home-u-notes/{A}.jsonl"), "", MINUTE);
    session(&env, "-home-u-site", B, 5 * MINUTE);
    env.file(&format!("{PROJECTS}/-home-u-notes/{B}.jsonl"), "", DAY);
    env.check(MODEL, "", 0, &[(USED, "active"), (A, "idle"), (B, "active")]);
}

#[test]
fn of_two_files_in_different_folders_the_newest_counts() {
    let env = home();
    session(&env, "-home-u-a", A, 3 * HOUR);
    session(&env, "-home-u-z", A, 5 * MINUTE);
    session(&env, "-home-u-a", B, 5 * MINUTE);
    session(&env, "-home-u-z", B, 3 * HOUR);
    session(&env, "-home-u-a", C, 3 * HOUR);
    session(&env, "-home-u-z", C, 4 * HOUR);
    let rows = [(USED, "active"), (A, "active"), (B, "active"), (C, "idle")];
    let report = env.check(MODEL, "", 0, &rows);
    names_file(row(&report, "1"), &format!("-home-u-z/{A}.jsonl"));
    names_file(row(&report, "2"), &format!("-home-u-a/{B}.jsonl"));
    names_file(row(&report, "3"), &format!("-home-u-a/{C}.jsonl"));
}

#[test]
fn a_name_that_carries_the_id_is_judged_by_its_age_e1_e2() {
    let names = [
        ("{}.jsonl.superseded-1767607200000", "active", "idle"),
        ("{}.jsonl.compact.tmp.4711", "active", "idle"),
        ("{}.json", "active", "idle"),
        ("{}.db", "active", "idle"),
        ("deeper/{}/x", "active", "idle"),
        ("{}.jsonl~", "active", "idle"),
        (".{}.jsonl", "active", "idle"),
        ("{}.JSONL", "active", "idle"),
        // It names its owner inside as well.
        ("agent-{}.jsonl", "active", "idle"),
        // A known side file shows a use, and no session.
        ("{}.desktop-released.json", "active", "missing"),
        ("{}/tool-results/x.txt", "active", "missing"),
        ("{}/subagents/workflows/wf_1/agent-1.jsonl", "active", "missing"),
        ("{}/custom-title.json", "active", "missing"),
        ("{}/next-version/x", "active", "idle"),
        // These carry another id, or none.
        ("x{}.jsonl", "missing", "missing"),
        ("{}0", "missing", "missing"),
    ];
    for (name, fresh, old) in names {
        for (age, expected) in [(MINUTE, fresh), (DAY, old)] {
            let env = home();
            let name = name.replace("{}", A);
            env.file(&format!("{PROJECTS}/-w/{name}"), subagent_line(A), age);
            session(&env, "-w", B, DAY);
            env.check(MODEL, "", 0, &[(USED, "active"), (A, expected), (B, "idle")]);
        }
    }
}

#[test]
fn a_plain_file_in_the_place_of_a_sessions_folder_is_judged_by_its_age_e2() {
    let env = home();
    env.file(&format!("{PROJECTS}/-w/{A}"), "x", DAY);
    session(&env, "-w", B, DAY);
    env.file(&format!("{PROJECTS}/-w/{B}"), "x", MINUTE);
    env.check(MODEL, "", 0, &[(USED, "active"), (A, "idle"), (B, "active")]);
}

#[test]
fn files_of_subagents_alone_make_no_session_but_show_its_use_e2() {
    for (age, expected) in [(10, "active"), (DAY, "missing")] {
        let env = home();
        old_side(&env, "-home-u-used", "0a1b2c3", A, age);
        new_side(&env, "-home-u-used", B, age);
        env.check(MODEL, "", 0, &[(USED, "active"), (A, expected), (B, expected)]);
    }
}

#[test]
fn a_subagents_long_first_line_still_names_its_owner() {
    let long = "x".repeat(150_000);
    let lines = [
        (A, format!(r#"{{"sessionId":"{A}","message":{{"content":"{long}"}}}}"#)),
        (B, format!(r#"{{"message":{{"content":"{long}"}},"sessionId":"{B}"}}"#)),
        // A line that is still being written tells as much as it holds.
        (C, format!(r#"{{"isSidechain":true,"sessionId":"{C}","message":{{"content":"{long}"#)),
    ];
    let env = home();
    for (id, line) in &lines {
        session(&env, "-w", id, DAY);
        env.file(&format!("{PROJECTS}/-w/agent-{}.jsonl", &id[..7]), line, MINUTE);
    }
    session(&env, "-w", D, DAY);
    let rows = [(USED, "active"), (A, "active"), (B, "active"), (C, "active"), (D, "idle")];
    env.check(MODEL, "", 0, &rows);
}

#[test]
fn a_subagents_file_that_names_nobody_keeps_whom_it_could_keep_d1() {
    // Without an owner it may be anybody's: what it could make active is kept, with a warning.
    for content in ["", "{\"type\":\"user\"}\n", "garbage", "{\"sessionId\":\"aaaa"] {
        let env = home();
        session(&env, "-w", A, DAY);
        env.file(&format!("{PROJECTS}/-w/agent-0a1b2c3.jsonl"), content, MINUTE);
        let rows = [(USED, "active"), (A, "unknown"), (B, "unknown")];
        let report = env.check(MODEL, "", 3, &rows);
        assert_eq!(report["warnings"][0]["code"], "file_unread", "{content:?}: {report:#}");
    }
    // One that is older than the sessions can change nothing.
    let env = home();
    session(&env, "-w", A, DAY);
    env.file(&format!("{PROJECTS}/-w/agent-0a1b2c3.jsonl"), "", 2 * DAY);
    env.check(MODEL, "", 0, &[(USED, "active"), (A, "idle")]);
}

#[test]
fn ids_are_compared_without_regard_to_case() {
    let env = home();
    let (upper_a, upper_b) = (A.to_uppercase(), B.to_uppercase());
    session(&env, "-w", A, 5 * MINUTE);
    session(&env, "-w", &upper_b, 5 * MINUTE);
    session(&env, "-w", &C.to_uppercase(), DAY);
    old_side(&env, "-w", "0a1b2c3", C, 5 * MINUTE);
    session(&env, "-w", D, DAY);
    new_side(&env, "-w", &D.to_uppercase(), 5 * MINUTE);
    let rows = [
        (USED, "active"),
        (upper_a.as_str(), "active"),
        (A, "active"),
        (upper_b.as_str(), "active"),
        (B, "active"),
        (C, "active"),
        (D, "active"),
    ];
    env.check(MODEL, "", 0, &rows);
}

/// Runs with `CLAUDE_CONFIG_DIR` set so, on a home where A is idle, and beside it a folder of
/// that name where A is in use.
#[track_caller]
fn moved(value: Option<&str>, line: &str, state_of_a: &str) {
    let env = home();
    session(&env, "-w", A, DAY);
    let line_of_a = subagent_line(A);
    let moved = env.file("moved/projects/-w/x", "", 0);
    std::fs::write(moved.with_file_name(format!("{A}.jsonl")), line_of_a).unwrap();
    let there = env.home("moved");
    env.map(format!(r#"{{"{MODEL}":{{"a":"{A}"}}}}"#));
    let mut command = env.command(format!("{line} --format json").split_whitespace());
    if let Some(value) = value {
        command.env("CLAUDE_CONFIG_DIR", value.replace('@', there.to_str().unwrap()));
    }
    let ran = crate::env::Ran::of(&mut command);
    let report = ran.exits(0).report();
    assert_eq!(state(&report, "a"), state_of_a, "{value:?} {line}: {ran:?}");
    let left = usize::from(state_of_a == "active");
    assert_eq!(env.map_now()[MODEL].as_object().unwrap().len(), left, "{ran:?}");
}

#[test]
fn claude_config_dir_moves_the_folder() {
    moved(None, "", "idle");
    moved(Some("@"), "", "active");
    moved(Some("home/moved"), "", "active");
    moved(Some(""), "", "idle");
    moved(Some("@"), "--home home", "idle");
}
