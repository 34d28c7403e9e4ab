//! What is never let go: globs of the command line, a profile and the file, over chat, session and
//! model/chat.

use serde_json::{Value, json};

use crate::child::{ACTIVE, IDLE};
use crate::env::{HOUR, MINUTE, Ran, TestEnv, row, state};
use crate::stand_in::StandIn;

const GONE: &str = "33333333-3333-4333-8333-333333333333";
const ARCHIVED: &str = "44444444-4444-4444-8444-444444444444";
const OTHER: &str = "55555555-5555-4555-8555-555555555555";

/// A mapping in each state that a pattern may meet.
fn home() -> TestEnv {
    let env = TestEnv::new();
    env.session("claude", ACTIVE, MINUTE);
    env.session("claude", IDLE, 3 * HOUR);
    env.session("claude", OTHER, 3 * HOUR);
    env.session("codex", ACTIVE, MINUTE);
    let name = format!(".codex/archived_sessions/rollout-2026-01-05T10-00-00-{ARCHIVED}.jsonl");
    env.file(&name, "x", HOUR);
    env.map(map().to_string());
    env
}

fn map() -> Value {
    json!({
        "claude-cli": {"team-a": ACTIVE, "team-i": IDLE, "diary": OTHER, "team-g": GONE},
        "codex-cli": {"diary": ARCHIVED, "team-c": ACTIVE},
        "new-cli": {"team-n": "x"},
    })
}

/// What is left of the map after a clean with these options, which a dry run has told before.
#[track_caller]
fn left(env: &TestEnv, options: &str) -> Vec<String> {
    env.map(map().to_string());
    let dry = env.json(&format!("-n {options}"));
    assert_eq!(env.map_now(), map());
    let real = env.json(&format!("clean {options}"));
    let rows = |report: &Value| -> Vec<Value> {
        let rows = report["sessions"].as_array().unwrap().iter();
        rows.map(|row| json!([row["chat_id"], row["model"], row["state"], row["reason"]])).collect()
    };
    assert_eq!(rows(&dry), rows(&real), "{options}");
    assert_eq!(dry["summary"]["pinned"], real["summary"]["pinned"]);
    assert_eq!(dry["summary"]["would_remove"], real["summary"]["removed"]);
    let map = env.map_now();
    let models = ["claude-cli", "codex-cli"].map(|model| (model, map[model].as_object().unwrap()));
    let chats = models
        .into_iter()
        .flat_map(|(model, chats)| chats.keys().map(move |chat| format!("{}/{chat}", &model[..2])));
    chats.filter(|chat| !chat.ends_with("team-a") && !chat.ends_with("team-c")).collect()
}

#[test]
fn what_matches_stays_by_chat_session_or_model_and_chat() {
    let env = home();
    assert_eq!(left(&env, ""), [""; 0]);
    assert_eq!(left(&env, "--pin team-*"), ["cl/team-g", "cl/team-i"]);
    assert_eq!(left(&env, "--pin team-i"), ["cl/team-i"]);
    assert_eq!(left(&env, "--pin diary"), ["cl/diary", "co/diary"]);
    assert_eq!(left(&env, "--pin codex-cli/diary"), ["co/diary"]);
    assert_eq!(left(&env, "--pin codex-cli/*"), ["co/diary"]);
    assert_eq!(left(&env, "--pin 22222222-*"), ["cl/team-i"]);
    assert_eq!(left(&env, "--pin {team-[gh],di?ry}"), ["cl/diary", "cl/team-g", "co/diary"]);
    assert_eq!(left(&env, "--pin team-g --pin team-i"), ["cl/team-g", "cl/team-i"]);
    assert_eq!(left(&env, "--pin=*"), ["cl/diary", "cl/team-g", "cl/team-i", "co/diary"]);
}

#[test]
fn it_is_pinned_with_a_reason_where_it_would_have_gone_missing_and_archived_too() {
    let env = home();
    for line in ["-n --pin team-* --pin diary", "clean --pin team-* --pin diary"] {
        let report = env.json(line);
        for chat in ["team-i", "team-g"] {
            let row = row(&report, chat);
            assert_eq!(row["state"], "pinned", "{row}");
            assert_eq!((&row["action"], &row["reason"]), (&json!("kept"), &json!("matches --pin")));
        }
        // What would stay anyhow says why as ever.
        assert_eq!((state(&report, "team-a"), state(&report, "team-c")), ("active", "active"));
        assert_eq!(state(&report, "team-n"), "unknown");
        assert_eq!(report["summary"]["pinned"], 4);
        assert_eq!(report["summary"]["removed"], 0);
        assert_eq!(report["warnings"], json!([]));
    }
    assert_eq!(env.map_now(), map());
    let ran = env.run("clean --pin team-*");
    assert!(ran.out.contains("  Pinned (kept): 2\n"), "{ran:?}");
    let line = ran.out.lines().find(|line| line.contains("team-i")).unwrap();
    assert!(line.contains("  pinned ") && line.ends_with("kept: matches --pin"), "{line}");
    let list = env.run("list --state pinned --pin team-*");
    assert!(list.out.contains("team-i") && !list.out.contains("diary"), "{list:?}");
}

#[test]
fn missing_ones_that_are_all_there_are_stay_unknown() {
    let env = home();
    env.map(json!({"claude-cli": {"team-g": GONE}}).to_string());
    let report = env.run("-n --pin team-* --format json").exits(3).report();
    assert_eq!(state(&report, "team-g"), "unknown");
    let report = env.json("-n --pin team-* --missing remove");
    assert_eq!(state(&report, "team-g"), "pinned");
}

#[test]
fn patterns_of_flags_profile_and_file_add_up() {
    let env = home();
    env.config("[clean]\npin = ['team-i']\n[[profile]]\nname = 'p'\npin = ['codex-cli/diary']\n");
    assert_eq!(left(&env, ""), ["cl/team-i"]);
    assert_eq!(left(&env, "--profile p"), ["cl/team-i", "co/diary"]);
    assert_eq!(left(&env, "--pin team-g"), ["cl/team-g", "cl/team-i"]);
    assert_eq!(left(&env, "--profile p --pin team-g"), ["cl/team-g", "cl/team-i", "co/diary"]);
    let ran = env.run("config --profile p");
    for shown in ["  [clean]", "team-i", "  profile p", "codex-cli/diary"] {
        assert!(ran.out.contains(shown), "no {shown} in {ran:?}");
    }
}

#[test]
fn what_is_kept_does_not_count_to_the_limit() {
    let env = home();
    env.run("clean --max-remove 2").exits(1).says(&["4 mappings would be removed"]);
    env.run("clean --max-remove 2 --pin team-*").exits(0);
}

#[test]
fn a_pattern_that_matches_nothing_is_warned_of_and_is_no_trouble() {
    let env = home();
    env.config("[clean]\npin = ['taem-*', 'team-i', 'taem-*']\n");
    for line in ["-n --pin Team-*", "clean --pin Team-*"] {
        env.map(map().to_string());
        let ran = env.run(line);
        ran.exits(0);
        for text in ["\"Team-*\"", "\"taem-*\""] {
            let warning = format!("warning: --pin {text} matches no chat and no session");
            assert_eq!(ran.err.matches(&warning).count(), 1, "{ran:?}");
        }
        // The hint follows the last one.
        assert_eq!(ran.err.lines().count(), 3, "{ran:?}");
        env.map(map().to_string());
        let report = env.json(line);
        let codes: Vec<_> =
            report["warnings"].as_array().unwrap().iter().map(|w| &w["code"]).collect();
        assert_eq!(codes, ["keep_unmatched", "keep_unmatched"]);
    }
    // What matches only what stays anyhow, or another CLI's, is no typo.
    env.config("");
    for options in ["--pin team-a", "--pin team-n", "--pin team-c --provider claude"] {
        let ran = env.run(&format!("-n {options}"));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{options}");
    }
    let ran = env.run("clean -q --pin nobody");
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
}

#[test]
fn a_pattern_that_is_none_is_refused_with_a_right_one() {
    let env = home();
    for wrong in ["", "[", "{a", "a\\", "[z-a]"] {
        for command in ["clean", "list"] {
            let ran = Ran::of(&mut env.command([command, "--pin", wrong]));
            ran.exits(2).says(&["--pin", "for example --pin 'team-*'"]);
            assert_eq!(ran.out, "");
        }
        env.config(&format!("\n[clean]\npin = ['team-*',\n  '{wrong}']\n"));
        let ran = env.run("clean");
        ran.exits(2).says(&[
            "config.toml:4: pin is not a list of patterns",
            "for example pin = [\"team-*\"]",
        ]);
        env.config("");
    }
    assert_eq!(env.map_now(), map());
}

#[test]
fn a_running_bridge_is_never_asked_to_let_go_of_what_is_kept() {
    let env = home();
    let bridge = StandIn::on(env.map_path());
    let ran = env.run(&format!("clean --bridge {} --pin team-* --missing remove", bridge.url()));
    ran.exits(0);
    let mut gone = bridge.deletes();
    gone.sort();
    assert_eq!(gone.len(), 2, "{gone:?}");
    assert!(gone.iter().all(|delete| delete.starts_with("DELETE /sessions/diary?")), "{gone:?}");
    assert_eq!(bridge.map()["claude-cli"]["team-i"], IDLE);
}
