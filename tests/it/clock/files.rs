//! Sessions of several files: the newest record over all of them counts.

use super::{
    A, B, BUMPS, USED, ago, bumped, claude_line, claude_path, codes, codex_lines, codex_path,
    gemini_header, gemini_message, gemini_path, packed,
};
use crate::env::{DAY, HOUR, MINUTE, TestEnv, row};

const CLAUDE: &str = "claude-cli";
const GEMINI: &str = "gemini-cli";

#[track_caller]
fn check(env: &TestEnv, model: &str, state: &str, reason: &str) {
    let (how, _) = BUMPS.into_iter().find(|(_, of)| *of == model).unwrap();
    bumped(env, how, USED, 5 * MINUTE, MINUTE);
    let report = env.check(model, "--clock record", 0, &[(USED, "active"), (A, state)]);
    assert_eq!(row(&report, "1")["reason"], reason, "{report:#}");
    assert_eq!(codes(&report), [""; 0], "{report:#}");
    env.check(model, "", 0, &[(USED, "active"), (A, "active")]);
}

#[test]
fn a_stray_gemini_file_of_a_header_alone_is_no_use() {
    for written in [4 * HOUR, MINUTE] {
        let env = TestEnv::new();
        let text = format!("{}{}", gemini_header(A), gemini_message(&ago(5 * HOUR)));
        env.file(&gemini_path("w", A, "jsonl"), text, written);
        let stray = format!(".gemini/tmp/w/chats/session-2026-11-21T05-00-{}.jsonl", &A[..8]);
        env.file(&stray, gemini_header(A), MINUTE);
        check(&env, GEMINI, "idle", "idle by record");
    }
}

#[test]
fn one_of_two_files_with_a_record_of_now_is_enough() {
    let old = || format!("{}{}", gemini_header(A), gemini_message(&ago(5 * HOUR)));
    let new = || format!("{}{}", gemini_header(A), gemini_message(&ago(9 * MINUTE)));
    // The one in use is the one that was written earlier, as far as that counts.
    for (first, second, written) in [(old(), new(), MINUTE), (new(), old(), 8 * MINUTE)] {
        let env = TestEnv::new();
        env.file(&gemini_path("w", A, "jsonl"), first, written);
        env.file(&gemini_path("w-copy", A, "jsonl"), second, 9 * MINUTE - written);
        check(&env, GEMINI, "active", "used recently");
    }
    for folder in ["-w/", "-other/"] {
        let env = TestEnv::new();
        let other = if folder == "-w/" { "-other/" } else { "-w/" };
        let path = |folder: &str| claude_path(A).replace("-w/", folder);
        env.file(&path(folder), claude_line(A, &ago(5 * HOUR)), MINUTE);
        env.file(&path(other), claude_line(A, &ago(HOUR)), HOUR);
        check(&env, CLAUDE, "active", "used recently");
    }
    // Codex's plain file beside the compressed one.
    let env = TestEnv::new();
    env.file(&codex_path(A, "jsonl.zst"), packed(&codex_lines(A, &ago(8 * DAY))), MINUTE);
    env.file(&codex_path(A, "jsonl"), codex_lines(A, &ago(HOUR)), MINUTE);
    check(&env, "codex-cli", "active", "used recently");
    // Both bumped.
    let env = TestEnv::new();
    env.file(&gemini_path("w", A, "jsonl"), old(), MINUTE);
    env.file(&gemini_path("w-copy", A, "jsonl"), old(), MINUTE);
    check(&env, GEMINI, "idle", "idle by record");
}

#[test]
fn a_file_without_records_counts_for_nothing_beside_one_with_some() {
    let env = TestEnv::new();
    env.file(&claude_path(A), claude_line(A, &ago(5 * HOUR)), MINUTE);
    let other = claude_path(A).replace("-w/", "-other/");
    env.file(&other, "{\"type\":\"summary\",\"summary\":\"x\"}\n", MINUTE);
    check(&env, CLAUDE, "idle", "idle by record");
}

/// The files of subagents, as each version lays them out.
fn subagents(time: &str) -> [(&'static str, String, String, String); 3] {
    let own = claude_line(A, &ago(5 * HOUR));
    let header = gemini_header("sub").replace("\"main\"", "\"subagent\"");
    [
        (
            CLAUDE,
            own.clone(),
            format!(".claude/projects/-w/{A}/subagents/agent-0a1b2c3d.jsonl"),
            claude_line(A, time),
        ),
        (CLAUDE, own, ".claude/projects/-w/agent-0a1b2c3.jsonl".to_owned(), claude_line(A, time)),
        (
            GEMINI,
            format!("{}{}", gemini_header(A), gemini_message(&ago(5 * HOUR))),
            format!(".gemini/tmp/w/chats/{A}/sub.jsonl"),
            format!("{header}{}", gemini_message(time)),
        ),
    ]
}

fn own_path(model: &str) -> String {
    if model == CLAUDE { claude_path(A) } else { gemini_path("w", A, "jsonl") }
}

#[test]
fn the_records_of_subagents_count_for_their_session() {
    for own_written in [5 * HOUR, MINUTE] {
        for (model, own, path, text) in subagents(&ago(20 * MINUTE)) {
            let env = TestEnv::new();
            env.file(&own_path(model), own, own_written);
            env.file(&path, text, MINUTE);
            check(&env, model, "active", "used recently");
            let report = env.json("-n --clock record");
            let idle = row(&report, "1")["idle_seconds"].as_u64().unwrap();
            assert!((20 * MINUTE..21 * MINUTE).contains(&idle), "{path}: {report:#}");
        }
    }
}

#[test]
fn subagents_that_were_only_touched_are_no_use() {
    for (model, own, path, text) in subagents(&ago(4 * HOUR)) {
        let env = TestEnv::new();
        env.file(&own_path(model), own, MINUTE);
        env.file(&path, text, MINUTE);
        check(&env, model, "idle", "idle by record");
        let report = env.check(model, "--clock record", 0, &[(USED, "active"), (A, "idle")]);
        let idle = row(&report, "1")["idle_seconds"].as_u64().unwrap();
        assert!((4 * HOUR..4 * HOUR + MINUTE).contains(&idle), "{path}: {report:#}");
    }
    // A header alone, as it is when a subagent has just been made, has no record.
    let env = TestEnv::new();
    let text = format!("{}{}", gemini_header(A), gemini_message(&ago(5 * HOUR)));
    env.file(&gemini_path("w", A, "jsonl"), text, MINUTE);
    env.file(&format!(".gemini/tmp/w/chats/{A}/sub.jsonl"), gemini_header("sub"), MINUTE);
    check(&env, GEMINI, "idle", "idle by record");
}

#[test]
fn a_subagent_alone_is_no_session() {
    let env = TestEnv::new();
    bumped(&env, BUMPS[0].0, USED, 5 * MINUTE, MINUTE);
    let path = format!(".claude/projects/-w/{B}/subagents/agent-0a1b2c3d.jsonl");
    env.file(&path, claude_line(B, &ago(DAY)), DAY);
    env.check(CLAUDE, "--clock record", 0, &[(USED, "active"), (B, "missing")]);
    // It shows that its session is in use, all the same.
    env.file(&path, claude_line(B, &ago(MINUTE)), MINUTE);
    env.check(CLAUDE, "--clock record", 0, &[(USED, "active"), (B, "active")]);
}
