//! When a CLI will delete a session: read from its settings, shown, and warned of in time.

use super::{A, B, C, D, at, codes, list, talk};
use crate::env::{DAY, HOUR, Ran, TestEnv, row};
use serde_json::{Value, json};
use session_warden::model::Timestamp;

/// A chat of each CLI, last used 28 days ago.
fn old() -> TestEnv {
    let env = TestEnv::new();
    for (cli, id) in [("claude", A), ("codex", B), ("gemini", C)] {
        talk(&env, cli, id, "project", "hello", 28 * DAY);
    }
    let map =
        json!({"claude-cli": {"menu": A}, "codex-cli": {"api": B}, "gemini-cli": {"trains": C}});
    env.map(map.to_string());
    env
}

/// Days from the last write of a chat's session to its deletion.
#[track_caller]
fn kept(list: &Value, chat: &str) -> Option<u64> {
    let row = row(list, chat);
    let time = |name: &str| Timestamp::parse(row[name].as_str()?);
    Some(time("mtime").unwrap().seconds_until(time("deleted_after")?) / DAY)
}

const CLAUDE: &str = ".claude/settings.json";
const GEMINI: &str = ".gemini/settings.json";

#[test]
fn each_cli_has_a_period() {
    let env = old();
    let both = |line: &str| {
        let list = list(&env, line, 0);
        (kept(&list, "menu"), kept(&list, "trains"), kept(&list, "api"))
    };
    assert_eq!(both(""), (Some(30), Some(30), None));
    env.file(CLAUDE, r#"{"cleanupPeriodDays": 90}"#, DAY);
    env.file(GEMINI, r#"{"general": {"sessionRetention": {"maxAge": "8w"}}} // mine"#, DAY);
    assert_eq!(both(""), (Some(90), Some(56), None));
    env.file(CLAUDE, r#"{"cleanupPeriodDays": 0}"#, DAY);
    env.file(GEMINI, r#"{"general": {"sessionRetention": {"enabled": false}}}"#, DAY);
    assert_eq!(both(""), (None, None, None));
    // A broken file may say anything, so no default is assumed.
    env.file(CLAUDE, r#"{"cleanupPeriodDays": "#, DAY);
    env.file(GEMINI, "[]", DAY);
    assert_eq!(both("--hours 1"), (None, None, None));
}

#[test]
fn one_warning_names_the_chats_that_are_due() {
    let env = old();
    let found = list(&env, "", 0);
    assert_eq!(codes(&found), ["deleted_soon"]);
    let says = |line: &str| {
        let found = list(&env, line, 0);
        found["warnings"].as_array().unwrap().first().map(|one| one["message"].to_string())
    };
    let both = "\"2 mapped sessions will be deleted by their CLIs within 3 days: ";
    assert!(says("").unwrap().starts_with(both));
    let ran = at(&env, 80, "");
    ran.exits(0).says(&["warning: 2 mapped sessions will be", "hint: use the session, or raise"]);
    assert!(ran.err.contains("a pin does not prevent it"), "{}", ran.err);
    assert_eq!(ran.err.lines().count(), 2, "{}", ran.err);
    // What is pinned is meant to stay unused, and what is not shown is not warned of.
    let one = "\"Claude Code will delete 1 mapped session within 3 days: menu\"";
    assert_eq!(says("--pin trains").as_deref(), Some(one));
    assert_eq!(says("--state active"), None);
    assert_eq!(says("--unmapped"), None);

    env.file(CLAUDE, r#"{"cleanupPeriodDays": 40}"#, DAY);
    let one = "\"Gemini CLI will delete 1 mapped session within 3 days: trains\"";
    assert_eq!(says("").as_deref(), Some(one));
    talk(&env, "gemini", C, "project", "hello", 27 * DAY - HOUR);
    assert_eq!(says(""), None);
}

#[test]
fn the_ones_that_are_due_first_are_named() {
    let env = TestEnv::new();
    let mut map = serde_json::Map::new();
    for number in 0..6_u64 {
        let id = format!("{number}{}", &D[1..]);
        talk(&env, "claude", &id, "/srv", "hello", (28 + number) * DAY);
        map.insert(format!("chat-{number}"), id.into());
    }
    env.map(json!({"claude-cli": map}).to_string());
    let text = "warning: Claude Code will delete 6 mapped sessions within 3 days: chat-5, chat-4, \
                chat-3 and 3 more\n";
    for line in ["", "--sort size", "--limit 1"] {
        assert!(at(&env, 80, line).exits(0).err.starts_with(text), "{line}");
    }
}

#[test]
fn settings_are_found_where_the_cli_keeps_them_and_through_links() {
    let env = old();
    env.file("dotfiles/claude.json", r#"{"cleanupPeriodDays": 90}"#, DAY);
    crate::env::link(&env.home("dotfiles/claude.json"), &env.home(CLAUDE));
    assert_eq!(kept(&list(&env, "", 0), "menu"), Some(90));
    std::fs::rename(env.home(".claude"), env.home("moved")).unwrap();
    let mut command = env.command(["list", "--json"]);
    command.env("CLAUDE_CONFIG_DIR", env.home("moved"));
    let ran = Ran::of(&mut command);
    assert_eq!(kept(&super::listed(ran.exits(0)), "menu"), Some(90));
}
