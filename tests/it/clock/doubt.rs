//! What is not opened, and what tells no time: then the mtime counts, and the report says so.

use super::{
    A, B, BUMPS, HASH, USED, ago, bumped, claude_line, claude_path, codes, codex_lines, codex_path,
    gemini_header, gemini_message, gemini_path, packed,
};
use crate::child::{bounded, unprivileged, with_mode};
use crate::env::{DAY, HOUR, MINUTE, Ran, TestEnv, row, set_age, state};
use serde_json::{Value, json};
use std::path::Path;

/// Asserts that the newest record was asked for in vain: the mtime counts, which is warned of, once
/// and of that file, and the run ends with 0 all the same.
#[track_caller]
fn by_mtime(env: &TestEnv, model: &str, path: &Path, why: &str) {
    let report = env.check(model, "--clock record", 0, &[(USED, "active"), (A, "active")]);
    let warnings = report["warnings"].as_array().unwrap();
    let [warning] = &warnings[..] else { panic!("{why}: {report:#}") };
    assert_eq!(warning["code"], "no_record_time");
    assert_eq!(warning["path"], path.to_str().unwrap());
    let message = warning["message"].as_str().unwrap();
    assert!(message.contains("its mtime is used: ") && message.contains(why), "{message}");
    let idle = row(&report, "1")["idle_seconds"].as_u64().unwrap();
    assert!((MINUTE..2 * MINUTE).contains(&idle), "{report:#}");
    let text = env.run("-n --clock record");
    text.exits(0).says(&["warning: ", "its mtime is used", path.to_str().unwrap(), why]);
    // By mtime, nothing is opened and nothing is warned of.
    assert_eq!(env.run("-n").exits(0).err, "");
}

fn used(env: &TestEnv, model: &str) {
    let (how, _) = BUMPS.into_iter().find(|(_, of)| *of == model).unwrap();
    bumped(env, how, USED, 5 * MINUTE, MINUTE);
}

#[test]
fn what_has_no_record_goes_by_its_mtime_with_a_warning() {
    let summary = "{\"type\":\"summary\",\"summary\":\"x\"}\n".to_owned();
    let snapshot = json!({"type": "file-history-snapshot", "snapshot": {"timestamp": ago(DAY)}});
    for (model, path, text) in [
        ("claude-cli", claude_path(A), summary),
        ("claude-cli", claude_path(A), format!("{snapshot}\n")),
        ("claude-cli", claude_path(A), "\n\n".to_owned()),
        ("codex-cli", codex_path(A, "jsonl"), "{\"type\":\"session_meta\"}\n".to_owned()),
        ("gemini-cli", gemini_path("w", A, "jsonl"), gemini_header(A)),
        ("gemini-cli", gemini_path(HASH, A, "json"), format!(r#"{{"sessionId":"{A}"}}"#)),
    ] {
        let env = TestEnv::new();
        used(&env, model);
        let path = env.file(&path, text, MINUTE);
        by_mtime(&env, model, &path, "there is none");
    }
}

#[test]
fn what_cannot_be_understood_goes_by_its_mtime_with_a_warning() {
    // The id stands first, as it does in what is written.
    let object =
        |time: &str| format!(r#"{{"sessionId":"{A}","messages":[{{"timestamp":"{time}"}}]}}"#);
    let (message, whole) = (object("yesterday"), object(&ago(DAY)));
    let torn = whole[..whole.len() - 3].to_owned();
    let zst = packed(&codex_lines(A, &ago(DAY)));
    for (model, path, text, why) in [
        ("claude-cli", claude_path(A), b"garbage\n".to_vec(), "no JSON object"),
        ("claude-cli", claude_path(A), claude_line(A, "noon").into(), "RFC 3339"),
        ("codex-cli", codex_path(A, "jsonl"), vec![0; 999], "no JSON object"),
        ("codex-cli", codex_path(A, "jsonl.zst"), zst[..zst.len() - 9].into(), "compressed text"),
        ("codex-cli", codex_path(A, "jsonl.zst"), b"garbage".to_vec(), "compressed text"),
        ("gemini-cli", gemini_path(HASH, A, "json"), torn.into(), "no whole JSON object"),
        ("gemini-cli", gemini_path(HASH, A, "json"), message.into(), "RFC 3339"),
    ] {
        let env = TestEnv::new();
        used(&env, model);
        let path = env.file(&path, text, MINUTE);
        by_mtime(&env, model, &path, why);
    }
}

#[test]
fn a_torn_last_line_counts_as_use() {
    let claude = format!("{}{{\"type\":\"us", claude_line(A, &ago(5 * HOUR)));
    let long = format!("{}{{\"a\":\"{}", claude_line(A, &ago(5 * HOUR)), "x".repeat(300 << 10));
    let codex = format!("{}{{\"timestamp\":", codex_lines(A, &ago(5 * HOUR)));
    let gemini = format!("{}{}{{\"id\":\"m2\"", gemini_header(A), gemini_message(&ago(5 * HOUR)));
    for (model, path, text) in [
        ("claude-cli", claude_path(A), claude.clone()),
        ("claude-cli", claude_path(A), format!("{claude}\0\0\0")),
        ("claude-cli", claude_path(A), long),
        ("codex-cli", codex_path(A, "jsonl"), codex),
        ("gemini-cli", gemini_path("w", A, "jsonl"), gemini),
    ] {
        let env = TestEnv::new();
        used(&env, model);
        let file = env.file(&path, &text, MINUTE);
        by_mtime(&env, model, &file, "a line is no");
        // A whole line after it shows that nobody is writing that one any more; and a last line that
        // lacks nothing but its end is whole.
        let line = claude_line(A, &ago(5 * HOUR));
        if model == "claude-cli" {
            for ending in [format!("\n{line}"), format!("\n{}", line.trim_end())] {
                env.file(&path, format!("{text}{ending}"), MINUTE);
                let rows = [(USED, "active"), (A, "idle")];
                let report = env.check(model, "--clock record", 0, &rows);
                assert_eq!(codes(&report), [""; 0], "{report:#}");
            }
        }
    }
}

#[test]
fn a_cli_whose_records_nobody_has_seen_goes_by_mtime() {
    let env = TestEnv::new();
    env.session("vibe", USED, MINUTE);
    env.session("vibe", A, 5 * HOUR);
    let rows = [(USED, "active"), (A, "idle")];
    let report = env.check("devstral-small-2", "--clock record", 0, &rows);
    assert_eq!(codes(&report), ["no_record_time"], "of the one in use only: {report:#}");
}

#[test]
fn a_file_whose_mtime_is_idle_is_not_opened() {
    for (how, model) in BUMPS.into_iter().filter(|(_, model)| *model != "gemini-cli") {
        let env = TestEnv::new();
        bumped(&env, how, USED, 5 * MINUTE, MINUTE);
        // Garbage in it would be warned of, a record of now would keep it.
        for text in ["garbage", &claude_line(A, &ago(0)), &codex_lines(A, &ago(0))] {
            let path = bumped(&env, how, A, HOUR, HOUR);
            std::fs::write(&path, text).unwrap();
            set_age(&path, 3 * HOUR);
            let rows = [(USED, "active"), (A, "idle")];
            let report = env.check(model, "--clock record", 0, &rows);
            assert_eq!(row(&report, "1")["reason"], "idle", "{how}");
            assert_eq!(codes(&report), [""; 0], "{how}: {report:#}");
        }
    }
    // Gemini's header is read by either clock, and nothing behind it.
    let env = TestEnv::new();
    used(&env, "gemini-cli");
    let path = gemini_path("w", A, "jsonl");
    for text in ["garbage\n".to_owned(), gemini_message(&ago(0))] {
        env.file(&path, format!("{}{text}", gemini_header(A)), 3 * HOUR);
        let rows = [(USED, "active"), (A, "idle")];
        let report = env.check("gemini-cli", "--clock record", 0, &rows);
        assert_eq!(codes(&report), [""; 0], "{report:#}");
    }
}

#[test]
fn a_file_that_must_not_be_read_goes_by_its_mtime() {
    let env = TestEnv::new();
    used(&env, "claude-cli");
    let (active, idle) = (env.session("claude", A, MINUTE), env.session("claude", B, 3 * HOUR));
    env.map(json!({"claude-cli": {"used": USED, "a": A, "b": B}}).to_string());
    let ran = {
        let mut command = unprivileged(&env, "-n --clock record --format json");
        let _closed = [active.clone(), idle].map(|path| with_mode(path, 0o000));
        bounded(&mut command)
    };
    let report = ran.exits(0).report();
    let states = ["used", "a", "b"].map(|chat| state(&report, chat));
    assert_eq!(states, ["active", "active", "idle"], "{report:#}");
    // Only the one in use was opened.
    assert_eq!(codes(&report), ["no_record_time"], "{report:#}");
    let warning: &Value = &report["warnings"][0];
    assert_eq!(warning["path"], active.to_str().unwrap());
    assert!(warning["message"].as_str().unwrap().ends_with("permission denied"), "{warning}");
}

#[test]
fn records_of_the_future_are_bounded_by_the_mtime() {
    let env = TestEnv::new();
    used(&env, "claude-cli");
    env.file(&claude_path(A), claude_line(A, "2999-01-01T00:00:00.000Z"), MINUTE);
    let rows = [(USED, "active"), (A, "active")];
    let report = env.check("claude-cli", "--clock record", 0, &rows);
    let idle = row(&report, "1")["idle_seconds"].as_u64().unwrap();
    assert!((MINUTE..2 * MINUTE).contains(&idle), "{report:#}");
}

#[test]
fn quiet_stays_quiet_where_only_the_mtime_counts() {
    let env = TestEnv::new();
    let path = env.file(&claude_path(A), "{\"type\":\"summary\"}\n", MINUTE);
    env.map(json!({"claude-cli": {"a": A}}).to_string());
    let quiet: Ran = env.run("-q --clock record");
    assert_eq!((quiet.code, quiet.out.as_str(), quiet.err.as_str()), (0, "", ""), "{path:?}");
}
