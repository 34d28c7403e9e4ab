//! E6: a CLI that writes its prompt history and no session keeps its sessions somewhere else.

use serde_json::json;

use crate::env::{DAY, HOUR, MINUTE, TestEnv, row, state};

const A: &str = "0192f3a4-5b6c-7d8e-9f00-112233445566";
const B: &str = "0192f3a4-5b6c-7d8e-9f00-11223344bbbb";
const GONE: &str = "0192f3a4-5b6c-7d8e-9f00-11223344cccc";

const HISTORIES: [(&str, &str, &str); 3] = [
    ("claude", "claude-cli", ".claude/history.jsonl"),
    ("codex", "codex-cli", ".codex/history.jsonl"),
    ("codex", "codex-cli", ".codex/session_index.jsonl"),
];

#[test]
fn a_cli_that_writes_its_history_and_no_session_is_in_doubt_e6() {
    for (provider, model, history) in HISTORIES {
        let env = TestEnv::new();
        env.session(provider, A, DAY);
        env.session("gemini", B, DAY);
        env.file(history, "{}\n", MINUTE);
        let map = json!({model: {"a": A, "gone": GONE}, "gemini-cli": {"control": B}});
        env.map(map.to_string());
        for line in ["-n --format json", "clean --format json"] {
            let ran = env.run(line);
            ran.exits(3).says(&[&format!(
                "{provider}: its prompt history or session index was written within"
            )]);
            let report = ran.report();
            assert_eq!(state(&report, "a"), "unknown", "{report:#}");
            assert_eq!(state(&report, "gone"), "unknown", "{report:#}");
            assert_eq!(row(&report, "a")["reason"], "CLI in doubt");
            assert_eq!(report["warnings"][0]["code"], "provider_in_doubt");
            assert!(report["warnings"][0]["path"].as_str().unwrap().ends_with(history));
        }
        // Another provider is not in doubt: its idle control is removed.
        assert_eq!(env.map_now(), json!({model: {"a": A, "gone": GONE}, "gemini-cli": {}}));
    }
}

#[test]
fn any_session_that_was_written_ends_the_doubt_e6() {
    for (provider, model, history) in HISTORIES {
        // A session that nobody mapped, or one in a layout of its own.
        for below in ["w/x.jsonl", "bbbbbbbb-0a1b-4c2d-8e3f-000000000002/y"] {
            let env = TestEnv::new();
            env.session(provider, A, DAY);
            env.file(history, "{}\n", MINUTE);
            let root = if provider == "claude" { ".claude/projects" } else { ".codex/sessions" };
            env.file(&format!("{root}/{below}"), "x", MINUTE);
            env.check(model, "", 0, &[(A, "idle")]);
        }
        // Old history: the CLI was not used at all.
        let env = TestEnv::new();
        env.session(provider, A, DAY);
        env.file(history, "{}\n", 3 * HOUR);
        env.check(model, "", 0, &[(A, "idle")]);
    }
}
