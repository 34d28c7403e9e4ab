//! Gemini CLI's sessions as 0.61.0 and 0.22.4 lay them out, odd cases included.

use crate::env::{DAY, HOUR, MINUTE, Ran, TestEnv, row, set_age, state};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const MODEL: &str = "gemini-cli";
const A: &str = "aaaaaaaa-0a1b-4c2d-8e3f-000000000001";
const B: &str = "bbbbbbbb-0a1b-4c2d-8e3f-000000000002";
const C: &str = "cccccccc-0a1b-4c2d-8e3f-000000000003";
const D: &str = "dddddddd-0a1b-4c2d-8e3f-000000000004";

/// Its first 8 characters are those of A.
const LIKE_A: &str = "aaaaaaaa-ffff-4c2d-8e3f-000000000009";
const USED: &str = "12345678-0a1b-4c2d-8e3f-00000000000f";

/// The older version calls a project's folder after the working folder's hash.
const HASH: &str = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";

/// A home with one session in use, so that the wrong-home guard stays out of the way.
fn home() -> TestEnv {
    let env = TestEnv::new();
    lines(&env, "used", "2026-01-05T10-00", USED, MINUTE);
    env
}

/// A path below the home for a file of that session, and with that ending.
fn place(project: &str, time: &str, shown: &str, ending: &str) -> String {
    format!(".gemini/tmp/{project}/chats/session-{time}-{shown}{ending}")
}

/// What names a session's file: 8 characters, and nothing but letters, digits, `_` and `-`.
fn shown(id: &str) -> String {
    id.chars().take(8).map(|c| if c == '.' { '_' } else { c }).collect()
}

fn header(id: &str) -> String {
    format!(
        r#"{{"sessionId":"{id}","projectHash":"{HASH}","startTime":"2026-01-05T10:00:00.000Z","lastUpdated":"2026-01-05T10:00:00.000Z","kind":"main"}}"#
    )
}

/// What 0.61.0 writes: a header, and then a line for each message.
fn lines(env: &TestEnv, project: &str, time: &str, id: &str, age: u64) {
    let content = format!(
        "{}\n{}\n{}\n",
        header(id),
        r#"{"id":"m1","timestamp":"2026-01-05T10:00:01.000Z","type":"user","content":"hello"}"#,
        r#"{"$set":{"lastUpdated":"2026-01-05T10:00:02.000Z"}}"#,
    );
    env.file(&place(project, time, &shown(id), ".jsonl"), content, age);
}

/// What 0.22.4 writes: one JSON value, indented.
fn pretty(id: &str) -> String {
    format!(
        r#"{{
  "sessionId": "{id}",
  "projectHash": "{HASH}",
  "startTime": "2026-01-05T10:00:00.000Z",
  "lastUpdated": "2026-01-05T10:00:02.000Z",
  "messages": [
    {{
      "id": "m1",
      "timestamp": "2026-01-05T10:00:01.000Z",
      "type": "user",
      "content": "hello"
    }}
  ]
}}"#
    )
}

fn old(env: &TestEnv, time: &str, id: &str, age: u64) {
    env.file(&place(HASH, time, &shown(id), ".json"), pretty(id), age);
}

#[track_caller]
fn names_file(report: &serde_json::Value, chat: &str, below: &str) {
    let file = row(report, chat)["file"].as_str().unwrap();
    assert!(Path::new(file).ends_with(below), "{below}: {report:#}");
}

#[test]
fn a_home_of_0_61_0() {
    let env = home();
    lines(&env, "site", "2026-01-05T10-00", A, 30 * MINUTE);
    lines(&env, "site", "2026-01-05T10-01", B, 3 * HOUR);
    lines(&env, "notes", "2026-01-05T10-02", C, 2 * DAY);
    let subagent = ".gemini/tmp/notes/chats";
    let line = r#"{"sessionId":"5d0c1f6e-0a1b-4c2d-8e3f-00000000000a","kind":"subagent"}"#;
    let name = "5d0c1f6e-0a1b-4c2d-8e3f-00000000000a.jsonl";
    // A subagent keeps its parent, whose own file may be gone.
    env.file(&format!("{subagent}/{C}/{name}"), line, 5 * MINUTE);
    env.file(&format!("{subagent}/{D}/{name}"), line, 5 * MINUTE);
    // SiblingFile the sessions, and all of it fresh.
    env.file(&format!(".gemini/tmp/site/logs/session-{B}.jsonl"), header(B), 4 * HOUR);
    env.file(".gemini/tmp/site/logs.json", "[]", MINUTE);
    env.file(".gemini/tmp/site/.project_root", "/home/u/site", MINUTE);
    env.file(".gemini/tmp/bin/rg", "x", MINUTE);
    env.file(".gemini/projects.json", "{}", MINUTE);
    let rows = [(USED, "active"), (A, "active"), (B, "idle"), (C, "active"), (D, "active")];
    let report = env.check(MODEL, "", 0, &rows);
    names_file(&report, "2", &place("site", "2026-01-05T10-01", "bbbbbbbb", ".jsonl")[8..]);
}

#[test]
fn a_home_of_0_22_4() {
    let env = home();
    old(&env, "2026-01-05T10-00", A, 30 * MINUTE);
    old(&env, "2026-01-05T10-01", B, 3 * HOUR);
    env.file(&format!(".gemini/tmp/{HASH}/logs.json"), format!("[\"{B}\"]"), MINUTE);
    env.file(&format!(".gemini/tmp/{HASH}/chats/checkpoint-{B}.json"), pretty(B), 4 * HOUR);
    let rows = [(USED, "active"), (A, "active"), (B, "idle"), (C, "missing")];
    env.check(MODEL, "", 0, &rows);
}

#[test]
fn sessions_that_share_8_characters_are_told_apart_by_their_headers() {
    for in_use in [true, false] {
        let env = home();
        let (age, other) = if in_use { (MINUTE, DAY) } else { (DAY, MINUTE) };
        lines(&env, "site", "2026-01-05T10-00", A, age);
        lines(&env, "site", "2026-01-05T10-01", LIKE_A, other);
        let state_of = |is_active| if is_active { "active" } else { "idle" };
        let rows = [(USED, "active"), (A, state_of(in_use)), (LIKE_A, state_of(!in_use))];
        env.check(MODEL, "", 0, &rows);
        // Nor where only one of them is mapped.
        env.check(MODEL, "", 0, &rows[..2]);
    }
    // Another's file in use keeps nobody whose own is gone.
    let env = home();
    lines(&env, "site", "2026-01-05T10-01", LIKE_A, MINUTE);
    old(&env, "2026-01-05T10-01", LIKE_A, MINUTE);
    env.check(MODEL, "", 0, &[(USED, "active"), (A, "missing")]);
}

#[test]
fn an_id_may_be_any_word() {
    let words = [
        "foo_bar",
        "v1.2q9z",
        "a",
        "7q9zw",
        "a-b",
        "abc-def-ghi",
        "-x",
        "longer_than_eight",
        "...",
    ];
    let env = home();
    let mut rows = vec![(USED, "active")];
    for (word, minute) in words.into_iter().zip(0..) {
        let active = minute % 2 == 0;
        let age = if active { MINUTE } else { DAY };
        let time = format!("2026-01-05T10-{minute:02}");
        if minute % 3 == 0 {
            old(&env, &time, word, age);
        } else {
            lines(&env, "site", &time, word, age);
        }
        rows.push((word, if active { "active" } else { "idle" }));
    }
    rows.push(("foo_baz", "missing"));
    env.check(MODEL, "", 0, &rows);
}

#[test]
fn upper_case_ids_are_found_as_they_are_written() {
    let env = home();
    let (a, b) = (A.to_uppercase(), B.to_uppercase());
    lines(&env, "site", "2026-01-05T10-00", &a, MINUTE);
    lines(&env, "site", "2026-01-05T10-01", &b, DAY);
    env.check(MODEL, "", 0, &[(USED, "active"), (&a, "active"), (&b, "idle")]);
}

#[test]
fn one_id_in_up_to_four_files_is_as_old_as_the_newest() {
    let files = [
        place(HASH, "2026-01-05T10-00", "aaaaaaaa", ".json"),
        place("site", "2026-01-05T10-00", "aaaaaaaa", ".json"),
        place("site", "2026-01-05T10-00", "aaaaaaaa", ".jsonl"),
        // What a resume leaves behind.
        place("site", "2026-01-06T09-30", "aaaaaaaa", ".jsonl"),
    ];
    for newest in 0..files.len() {
        for (age, state) in [(5 * MINUTE, "active"), (5 * HOUR, "idle")] {
            let env = home();
            for (file, place) in files.iter().zip(0..) {
                let content = match Path::new(file).extension() {
                    Some(ending) if ending == "json" => pretty(A),
                    _ => format!("{}\n", header(A)),
                };
                env.file(file, content, if place == newest { age } else { 9 * DAY });
            }
            let report = env.check(MODEL, "", 0, &[(USED, "active"), (A, state)]);
            names_file(&report, "1", &files[newest][8..]);
        }
    }
}

#[test]
fn a_file_that_names_the_session_is_judged_by_its_age_e1_e3() {
    let names = [
        // By its header, whatever its age, for its name begins with that of the id.
        ("site/chats/deeper/session-2026-01-05T10-00-aaaaaaaa.jsonl", "active", "idle"),
        ("site/session-2026-01-05T10-00-aaaaaaaa.jsonl", "active", "idle"),
        ("session-2026-01-05T10-00-aaaaaaaa.jsonl", "active", "idle"),
        // By its header alone, which is read only while it is fresh.
        ("site/chats/session-2026-01-05T10-00-aaaaaaa.jsonl", "active", "missing"),
        ("site/chats/checkpoint-aaaaaaaa.json", "active", "missing"),
        ("site/chats/2026-01-05T10-00-aaaaaaaa.jsonl", "active", "missing"),
        // By its path as well.
        ("site/chats/{}.txt", "active", "idle"),
        ("site/{}/x", "active", "idle"),
        ("site/chats/session-2026-01-05T10-00-{}.jsonl.bak", "active", "idle"),
        ("site/chats/session-2026-01-05T10-00-aaaaaaaa.jsonl.bak", "active", "missing"),
        ("site/chats/session-2026-01-05T10-00-aaaaaaaa.txt", "active", "missing"),
    ];
    for (name, fresh, old) in names {
        for (age, expected) in [(MINUTE, fresh), (DAY, old)] {
            let env = home();
            env.file(&format!(".gemini/tmp/{}", name.replace("{}", A)), header(A), age);
            lines(&env, "site", "2026-01-05T10-01", B, DAY);
            env.check(MODEL, "", 0, &[(USED, "active"), (A, expected), (B, "idle")]);
        }
    }
    // What is no JSON, or names another session, names nobody here.
    for content in [header(B), "{ not JSON".to_owned(), "[1]".to_owned(), A.to_owned()] {
        let env = home();
        env.file(".gemini/tmp/site/tool-outputs/x.txt", content, MINUTE);
        lines(&env, "site", "2026-01-05T10-01", C, DAY);
        env.check(MODEL, "", 0, &[(USED, "active"), (A, "missing"), (C, "idle")]);
    }
}

#[test]
fn the_paths_that_the_replaced_script_knew_are_sessions_e7() {
    for id in [A, "foo_bar"] {
        for content in [header(id), "{}\n".to_owned(), String::new()] {
            for ending in ["json", "jsonl"] {
                for (age, expected) in [(10, "active"), (DAY, "idle")] {
                    let env = home();
                    let path = format!(".gemini/tmp/x/chats/session-{id}.{ending}");
                    env.file(&path, &content, age);
                    lines(&env, "site", "2026-01-05T10-01", B, DAY);
                    let rows = [(USED, "active"), (id, expected), (B, "idle")];
                    let report = env.check(MODEL, "", 0, &rows);
                    names_file(&report, "1", &path);
                }
            }
        }
    }
}

#[test]
fn beside_very_many_sessions_names_are_believed_e3() {
    // With the three others, 500 mapped sessions and 501.
    for (mapped, expected) in [(497, "active"), (498, "idle")] {
        let env = home();
        lines(&env, "p", "2026-01-05T10-00", A, DAY);
        lines(&env, "p", "2026-01-05T10-00", B, DAY);
        let misnamed = place("p", "2026-01-05T11-00", &shown(D), ".jsonl");
        env.file(&misnamed, format!("{}\n", header(A)), MINUTE);

        let mut chats = serde_json::Map::new();
        for number in 0..mapped {
            let id = format!("eeeeeeee-0a1b-4c2d-8e3f-{number:012x}");
            chats.insert(format!("gone-{number}"), id.into());
        }
        for (chat, id) in [("used", USED), ("a", A), ("b", B)] {
            chats.insert(chat.to_owned(), id.into());
        }
        env.map(serde_json::json!({ MODEL: chats }).to_string());

        let report = env.json("-n");
        assert_eq!(state(&report, "a"), expected, "{mapped}");
        assert_eq!(state(&report, "b"), "idle", "{mapped}");
    }
}

#[test]
fn a_torn_header_keeps_every_session_it_may_be() {
    for content in ["", "{", "{\"sessionId\": \"aaaaaaaa-0a1b", "\0\0\0\0", "garbage"] {
        let env = home();
        env.file(&place("site", "2026-01-05T10-00", "aaaaaaaa", ".json"), content, 9 * DAY);
        lines(&env, "site", "2026-01-05T10-01", B, DAY);
        // Old or not, it may be all that is left of A; it cannot be B's.
        let rows = [(USED, "active"), (A, "unknown"), (LIKE_A, "unknown"), (B, "idle")];
        let report = env.check(MODEL, "", 3, &rows);
        assert_eq!(report["warnings"][0]["code"], "file_unread", "{content:?}: {report:#}");
    }
    // SiblingFile a file that shows A to be there, only a fresh one could make A active.
    for (age, code, state) in [(9 * DAY, 3, "idle"), (MINUTE, 3, "unknown")] {
        let env = home();
        env.file(&place("site", "2026-01-05T10-00", "aaaaaaaa", ".json"), "{", age);
        lines(&env, "site", "2026-01-05T10-01", A, DAY);
        env.check(MODEL, "", code, &[(USED, "active"), (A, state)]);
    }
}

#[test]
fn a_short_ids_torn_file_keeps_it_whatever_other_id_its_name_fits_too() {
    // The end of one name fits both, once with a part of the time.
    let env = home();
    env.file(&place("site", "2026-01-05T10-00", "b", ".json"), "{", 9 * DAY);
    let rows = [(USED, "active"), ("00-b", "unknown"), ("b", "unknown")];
    env.check(MODEL, "", 3, &rows);
}

#[test]
fn a_header_that_is_torn_for_a_moment_is_read_again() {
    let env = home();
    let path = env.file(&place(HASH, "2026-01-05T10-00", "aaaaaaaa", ".json"), "{", DAY);
    let bytes = format!(r#"{{"{MODEL}":{{"a":"{A}","used":"{USED}"}}}}"#);
    env.map(&bytes);
    let writer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(60));
        fs::write(&path, pretty(A)).unwrap();
        set_age(&path, DAY);
    });
    let ran = env.run("--format json");
    writer.join().unwrap();
    assert_eq!(state(&ran.exits(0).report(), "a"), "idle", "{ran:?}");
    assert_eq!(env.map_now(), serde_json::json!({MODEL: {"used": USED}}));
}

#[test]
fn a_session_that_is_being_rewritten_never_goes() {
    let env = home();
    let path = env.file(&place(HASH, "2026-01-05T10-00", "aaaaaaaa", ".json"), pretty(A), 0);
    let bytes = format!(r#"{{"{MODEL}":{{"a":"{A}","used":"{USED}"}}}}"#);
    env.map(&bytes);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let content = pretty(A);
            while !over.load(Ordering::SeqCst) {
                // In place, and torn most of the time: emptied, then a part, then the rest.
                let mut file = File::create(&path).unwrap();
                thread::sleep(Duration::from_millis(3));
                file.write_all(&content.as_bytes()[..20]).unwrap();
                thread::sleep(Duration::from_millis(3));
                file.write_all(&content.as_bytes()[20..]).unwrap();
                thread::sleep(Duration::from_millis(1));
            }
        });
        let runs: Vec<Ran> = (0..8).map(|_| env.run("--format json")).collect();
        over.store(true, Ordering::SeqCst);
        for ran in runs {
            let report = ran.report();
            match (ran.code, state(&report, "a")) {
                (0, "active") | (3, "unknown") => {}
                other => panic!("{other:?}: {ran:?}"),
            }
        }
    });
    assert_eq!(env.map_bytes(), bytes.as_bytes());
}

/// Runs with `GEMINI_CLI_HOME` set so, on a home where A is idle, and beside it one where A is in
/// use.
#[track_caller]
fn moved(value: Option<&str>, line: &str, state_of_a: &str) {
    let env = home();
    lines(&env, "site", "2026-01-05T10-00", A, DAY);
    let below = place("site", "2026-01-05T10-00", "aaaaaaaa", ".jsonl");
    env.file(&format!("moved/{below}"), header(A), MINUTE);
    // Without the suffix there is nothing to find, and something to be misled by.
    env.file(&format!("moved/{}", &below[8..]), header(A), 9 * DAY);
    env.map(format!(r#"{{"{MODEL}":{{"a":"{A}"}}}}"#));
    let mut command = env.command(format!("{line} --format json").split_whitespace());
    if let Some(value) = value {
        let value = value.replace('@', env.home("moved").to_str().unwrap());
        command.env("GEMINI_CLI_HOME", value);
    }
    let ran = Ran::of(&mut command);
    let report = ran.exits(0).report();
    assert_eq!(state(&report, "a"), state_of_a, "{value:?} {line}: {ran:?}");
    let left = usize::from(state_of_a == "active");
    assert_eq!(env.map_now()[MODEL].as_object().unwrap().len(), left, "{ran:?}");
}

#[test]
fn gemini_cli_home_moves_the_home_and_not_the_folder() {
    moved(None, "", "idle");
    moved(Some("@"), "", "active");
    moved(Some("home/moved"), "", "active");
    moved(Some(""), "", "idle");
    moved(Some("@"), "--home home", "idle");
}
