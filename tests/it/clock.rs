//! `--clock record`: a session was last used when its newest record was written, whatever has
//! touched its files since. Its parts look at what is not opened or tells nothing, and at sessions
//! of several files.

mod doubt;
mod files;

use crate::env::{DAY, HOUR, MINUTE, TestEnv, row, state};
use serde_json::{Value, json};
use session_warden::model::Timestamp;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

const A: &str = "aaaaaaaa-0a1b-4c2d-8e3f-000000000001";
const B: &str = "bbbbbbbb-0a1b-4c2d-8e3f-000000000002";
const USED: &str = "12345678-0a1b-4c2d-8e3f-00000000000f";

/// The older Gemini calls a project's folder after the working folder's hash.
const HASH: &str = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";

/// What moves a file's mtime without a use, in each CLI, and the model it is of.
const BUMPS: [(&str, &str); 6] = [
    // Resumed and left again: 2.1.329 touches the file, 2.0.76 appends a line.
    ("claude, touched", "claude-cli"),
    ("claude, a summary line", "claude-cli"),
    // 0.169.0 sets the time when it is unarchived, and may have compressed it before.
    ("codex, unarchived", "codex-cli"),
    ("codex, compressed", "codex-cli"),
    // Summarised by a later start: 0.61.0 appends a line, 0.22.4 writes the file anew.
    ("gemini, a $set line", "gemini-cli"),
    ("gemini, rewritten", "gemini-cli"),
];

/// The time that many seconds ago, as records have it.
fn ago(age: u64) -> String {
    Timestamp::from(SystemTime::now() - Duration::from_secs(age)).rfc3339().unwrap()
}

/// A line of Claude's that was written when it was used.
fn claude_line(id: &str, time: &str) -> String {
    let message = json!({"role": "user", "content": "hello"});
    let line = json!({"type": "user", "sessionId": id, "timestamp": time, "message": message});
    format!("{line}\n")
}

/// Codex's first line and one of a turn.
fn codex_lines(id: &str, time: &str) -> String {
    let meta = json!({"timestamp": ago(9 * DAY), "type": "session_meta", "payload": {"id": id}});
    let event = json!({"timestamp": time, "type": "event_msg", "payload": {"type": "x"}});
    format!("{meta}\n{event}\n")
}

/// Gemini's header, whose own time is of now and counts for nothing.
fn gemini_header(id: &str) -> String {
    let now = ago(0);
    let header = json!({"sessionId": id, "projectHash": HASH, "startTime": now,
                        "lastUpdated": now, "kind": "main"});
    format!("{header}\n")
}

fn gemini_message(time: &str) -> String {
    format!("{}\n", json!({"id": "m", "timestamp": time, "type": "user", "content": "hello"}))
}

fn claude_path(id: &str) -> String {
    format!(".claude/projects/-w/{id}.jsonl")
}

fn codex_path(id: &str, ending: &str) -> String {
    format!(".codex/sessions/2026/01/05/rollout-2026-01-05T10-00-00-{id}.{ending}")
}

fn gemini_path(project: &str, id: &str, ending: &str) -> String {
    format!(".gemini/tmp/{project}/chats/session-2026-01-05T10-00-{}.{ending}", &id[..8])
}

pub(crate) fn packed(text: &str) -> Vec<u8> {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    compress_to_vec(text.as_bytes(), CompressionLevel::Fastest)
}

/// Writes a session that was used `used` seconds ago, and bumped in that way `written` seconds ago.
fn bumped(env: &TestEnv, how: &str, id: &str, used: u64, written: u64) -> PathBuf {
    let (time, bump) = (ago(used), ago(written));
    match how {
        "claude, touched" => {
            let last = json!({"type": "last-prompt", "lastPrompt": "hello", "sessionId": id});
            let text = format!("{}{last}\n", claude_line(id, &time));
            env.file(&claude_path(id), text, written)
        }
        "claude, a summary line" => {
            let last = json!({"type": "summary", "summary": "hi", "timestamp": bump});
            let text = format!("{}{last}\n", claude_line(id, &time));
            env.file(&claude_path(id), text, written)
        }
        "codex, unarchived" => env.file(&codex_path(id, "jsonl"), codex_lines(id, &time), written),
        "codex, compressed" => {
            let text = packed(&codex_lines(id, &time));
            env.file(&codex_path(id, "jsonl.zst"), text, written)
        }
        "gemini, a $set line" => {
            let set = json!({"$set": {"summary": "hi", "lastUpdated": bump}, "timestamp": bump});
            let text = format!("{}{}{set}\n", gemini_header(id), gemini_message(&time));
            env.file(&gemini_path("w", id, "jsonl"), text, written)
        }
        "gemini, rewritten" => {
            let message: Value = serde_json::from_str(&gemini_message(&time)).unwrap();
            let text = json!({"sessionId": id, "projectHash": HASH, "startTime": ago(9 * DAY),
                              "lastUpdated": bump, "summary": "hi", "messages": [message]});
            let text = serde_json::to_string_pretty(&text).unwrap();
            env.file(&gemini_path(HASH, id, "json"), text, written)
        }
        other => panic!("no bump {other}"),
    }
}

/// The codes of the report's warnings.
fn codes(report: &Value) -> Vec<&str> {
    let warnings = report["warnings"].as_array().unwrap();
    warnings.iter().map(|warning| warning["code"].as_str().unwrap()).collect()
}

#[test]
fn a_bump_is_use_by_mtime_and_none_by_record() {
    for (how, model) in BUMPS {
        let env = TestEnv::new();
        bumped(&env, how, USED, 5 * MINUTE, MINUTE);
        let file = bumped(&env, how, A, 5 * HOUR, MINUTE);
        let both = [(USED, "active"), (A, "active")];
        env.check(model, "", 0, &both);
        env.check(model, "--clock mtime", 0, &both);
        env.map(json!({ model: {"used": USED, "bumped": A} }).to_string());
        for report in [env.json("-n --clock record"), env.json("--clock record")] {
            let found = row(&report, "bumped");
            assert_eq!(
                (&found["state"], &found["reason"]),
                (&json!("idle"), &json!("idle by record"))
            );
            assert_eq!(found["file"], file.to_str().unwrap(), "{how}");
            let idle = found["idle_seconds"].as_u64().unwrap();
            assert!((5 * HOUR..5 * HOUR + MINUTE).contains(&idle), "{how}: {found:#}");
            assert_eq!(state(&report, "used"), "active", "{how}: {report:#}");
            let idle = row(&report, "used")["idle_seconds"].as_u64().unwrap();
            assert!((5 * MINUTE..6 * MINUTE).contains(&idle), "{how}: {report:#}");
            assert_eq!(codes(&report), [""; 0], "{how}");
        }
        assert_eq!(env.map_now(), json!({ model: {"used": USED} }), "{how}");
        env.check(model, "--clock record", 0, &[(USED, "active"), (A, "idle")]);
    }
}

#[test]
fn a_record_in_use_is_found_however_far_from_the_end_it_is() {
    let env = TestEnv::new();
    // Without a time, as Claude's last lines often are, and longer than what is read at once.
    let filler = json!({"type": "last-prompt", "lastPrompt": "x".repeat(100 << 10)});
    let filler = format!("{filler}\n").repeat(60);
    for (id, used) in [(USED, MINUTE), (A, 5 * HOUR)] {
        let text =
            format!("{}{}{filler}", claude_line(id, &ago(9 * DAY)), claude_line(id, &ago(used)));
        env.file(&claude_path(id), text, MINUTE);
    }
    let report = env.check("claude-cli", "--clock record", 0, &[(USED, "active"), (A, "idle")]);
    assert_eq!(row(&report, "1")["reason"], "idle by record");
}

#[test]
fn the_threshold_holds_for_records_too() {
    for (how, model) in BUMPS {
        let env = TestEnv::new();
        bumped(&env, how, USED, 5 * MINUTE, MINUTE);
        bumped(&env, how, A, 5 * HOUR, MINUTE);
        let rows = [(USED, "active"), (A, "active")];
        env.check(model, "--clock record --hours 6", 0, &rows);
    }
}

#[test]
fn the_clock_is_also_said_in_the_configuration() {
    let (how, model) = BUMPS[0];
    let config = r#"
        [clean]
        clock = "record"
        [[profile]]
        name = "loose"
        clock = "mtime"
        [[profile]]
        name = "strict"
        clock = "record"
    "#;
    let env = TestEnv::new();
    bumped(&env, how, USED, 5 * MINUTE, MINUTE);
    bumped(&env, how, A, 5 * HOUR, MINUTE);
    env.map(json!({ model: {"used": USED, "bumped": A} }).to_string());
    assert_eq!(state(&env.json("-n"), "bumped"), "active");
    env.file(".config/session-warden/config.toml", config, 0);
    for (line, expected) in [
        ("-n", "idle"),
        ("-n --clock mtime", "active"),
        ("-n --profile loose", "active"),
        ("-n --profile strict", "idle"),
        ("-n --profile loose --clock record", "idle"),
    ] {
        assert_eq!(state(&env.json(line), "bumped"), expected, "{line}");
    }
    env.file(".config/session-warden/config.toml", config.replace("\"record\"", "\"mtime\""), 0);
    assert_eq!(state(&env.json("-n"), "bumped"), "active");
    env.run("-n --clock sundial").exits(2).says(&["sundial"]);
    env.file(".config/session-warden/config.toml", config.replace("\"record\"", "\"sun\""), 0);
    env.run("-n").exits(2).says(&["clock", "neither mtime nor record"]);
}

#[test]
fn the_report_names_the_clock_it_went_by() {
    let env = TestEnv::new();
    bumped(&env, BUMPS[0].0, USED, 5 * MINUTE, MINUTE);
    bumped(&env, BUMPS[0].0, A, 5 * HOUR, MINUTE);
    let map = json!({"claude-cli": {"used": USED, "bumped": A}}).to_string();
    for dry in ["-n ", ""] {
        env.map(&map);
        let record = env.run(&format!("{dry}--clock record")).out;
        assert!(record.contains(" · idle after 2h by the newest record\n"), "{record}");
        let line = record.lines().find(|line| line.contains("bumped")).unwrap();
        assert!(
            line.ends_with("remove: idle by record") || line.ends_with("removed: idle by record"),
            "{line:?}"
        );
        env.map(&map);
        let mtime = env.run(&format!("{dry}--clock mtime")).out;
        assert!(mtime.contains(" · idle after 2h\n"), "{mtime}");
        assert!(mtime.contains("Idle (>2h): 0"), "{mtime}");
    }
    assert_eq!(env.run("config").out.matches("record").count(), 0, "mtime is the default");
}

#[test]
fn what_goes_by_its_records_is_written_down_so() {
    let env = TestEnv::new();
    bumped(&env, BUMPS[0].0, USED, 5 * MINUTE, MINUTE);
    bumped(&env, BUMPS[0].0, A, 5 * HOUR, MINUTE);
    env.map(json!({"claude-cli": {"used": USED, "bumped": A}}).to_string());
    env.run("--clock record").exits(0);
    let removed = &env.journal("removals.jsonl")[0];
    assert_eq!(removed["reason"], "idle by record");
    assert!(removed["last_used"].as_str().unwrap() < ago(4 * HOUR).as_str(), "{removed}");
    env.run("undo --bridge off").exits(0);
    // And is then kept, since it would go again.
    let report = env.json("--clock record");
    assert_eq!(state(&report, "bumped"), "pinned");
}
