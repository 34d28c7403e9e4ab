//! What a clean makes of holds: which mappings they keep, whose count, and what is in doubt.

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use crate::child::unprivileged;
use crate::env::{HOUR, MINUTE, Ran, TestEnv, row, state};
use crate::in_use::fresh_id;
use crate::stand_in::{StandIn, auto};

/// Two idle sessions and an active one.
fn home() -> (TestEnv, [String; 3]) {
    let (env, ids) = (TestEnv::new(), [fresh_id(), fresh_id(), fresh_id()]);
    for (id, age) in ids.iter().zip([5 * HOUR, 5 * HOUR, MINUTE]) {
        env.session("claude", id, age);
    }
    let chats = json!({"held": ids[0], "idle": ids[1], "active": ids[2]});
    env.map(json!({ "claude-cli": chats }).to_string());
    (env, ids)
}

fn hold(env: &TestEnv, what: &str) {
    env.run(&format!("hold start {what} --ttl 1h")).exits(0);
}

fn folder(env: &TestEnv) -> std::path::PathBuf {
    env.home(".local/state/session-warden/holds")
}

#[track_caller]
fn check(report: &Value, states: [&str; 3]) {
    let found = ["held", "idle", "active"].map(|chat| state(report, chat));
    assert_eq!(found, states, "{report:#}");
}

#[test]
fn only_what_would_go_is_in_use_by_a_hold() {
    let (env, [held, _, active]) = home();
    hold(&env, &format!("--session {held} --key a"));
    hold(&env, &format!("--session {active} --key b"));
    hold(&env, "--session other --key c");
    for line in ["-n", "clean"] {
        let report = env.json(line);
        check(&report, ["in_use", "idle", "active"]);
        assert_eq!(report["summary"]["in_use"], 1);
        assert_eq!(row(&report, "held")["action"], "kept");
    }
    assert_eq!(env.map_now(), json!({"claude-cli": {"held": held, "active": active}}));
    let list = env.run("list --format json --state in_use").out;
    assert!(list.contains(&held), "{list}");
}

/// A clean that looks again right before it asks the bridge sees a hold that has come meanwhile.
#[test]
fn a_hold_that_comes_right_before_the_call_keeps_its_session_b3_d6() {
    let (env, [held, idle, _]) = home();
    // The other one goes first, and takes its time.
    let chats = json!({"a-first": idle, "held": held});
    env.map(json!({ "claude-cli": chats }).to_string());
    let (begun, program) =
        (Mutex::new(false), env.command([] as [&str; 0]).get_program().to_owned());
    let (home, session) = (env.home(""), held.clone());
    let bridge = StandIn::hostile_on(env.map_path(), move |request, stream| {
        let mut begun = begun.lock().unwrap();
        if request.starts_with("DELETE") && !*begun {
            *begun = true;
            let mut command = std::process::Command::new(&program);
            command.env_clear().env("HOME", &home);
            command.args(["hold", "start", "--session", &session, "--key", "k", "--ttl", "1h"]);
            assert!(command.status().unwrap().success());
        }
        Some(stream)
    });
    let ran = auto(&env, bridge.port, "clean --format json");
    ran.exits(0);
    let report = ran.report();
    assert_eq!(row(&report, "a-first")["action"], "removed");
    assert_eq!(state(&report, "held"), "in_use", "{report:#}");
    assert!(row(&report, "held")["reason"].as_str().unwrap().starts_with("held for tool_exec"));
    assert_eq!(bridge.deletes().len(), 1, "{:?}", bridge.deletes());
}

#[test]
fn what_cannot_be_read_may_hold_anything() {
    let (env, [held, ..]) = home();
    hold(&env, &format!("--session {held} --key a"));
    let before = env.map_bytes();
    fs::write(folder(&env).join("torn.json"), "{").unwrap();
    for line in ["-n", "clean"] {
        let report = env.json(line);
        check(&report, ["in_use", "unknown", "active"]);
        assert_eq!(row(&report, "idle")["reason"], "may be in use");
        assert_eq!(report["warnings"][0]["code"], "use_unread", "{report:#}");
        assert!(report["warnings"][0]["path"].as_str().unwrap().ends_with("torn.json"));
        env.run(line).exits(3).says(&["cannot see which sessions are held", "torn.json"]);
        assert_eq!(env.map_bytes(), before);
    }
    // After as long as a hold lives that does not beat, it holds nothing, and goes.
    crate::env::set_age(&folder(&env).join("torn.json"), 16 * MINUTE);
    check(&env.json("-n"), ["in_use", "idle", "active"]);
    assert_eq!(env.json("clean")["summary"]["removed"], 1);
    assert!(!folder(&env).join("torn.json").exists());
}

#[test]
fn a_folder_of_holds_that_is_closed_keeps_what_is_idle() {
    let (env, _) = home();
    fs::create_dir_all(folder(&env)).unwrap();
    let mode = |mode| fs::set_permissions(folder(&env), fs::Permissions::from_mode(mode)).unwrap();
    mode(0);
    let ran = Ran::of(&mut unprivileged(&env, "-n --format json"));
    mode(0o700);
    ran.exits(3).says(&["cannot see which sessions are held", "permission denied"]);
    check(&ran.report(), ["unknown", "unknown", "active"]);
}

/// A process that lives writes nothing to its hold, so the age of the file says nothing.
#[test]
fn an_old_hold_that_cannot_be_read_is_in_doubt_and_never_dead_d1() {
    let (env, [held, ..]) = home();
    let us = std::process::id();
    env.run(&format!("hold start --session {held} --key a --pid {us}")).exits(0);
    let file = folder(&env).join("a.json");
    crate::env::set_age(&file, 16 * MINUTE);
    let mut command = unprivileged(&env, "clean --format json");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o0)).unwrap();
    let ran = Ran::of(&mut command);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    ran.exits(3).says(&["a.json", "permission denied"]);
    check(&ran.report(), ["unknown", "unknown", "active"]);
    assert!(file.exists());
}

#[test]
fn as_root_on_another_users_map_roots_holds_count_and_are_left_alone_s1() {
    let (env, [held, ..]) = home();
    hold(&env, &format!("--session {held} --key a"));
    if !rustix::process::geteuid().is_root() {
        // Everybody else has one state folder, and another one that is named instead.
        check(&env.json("-n"), ["in_use", "idle", "active"]);
        check(&env.json("-n --state-dir other"), ["idle", "idle", "active"]);
        return;
    }
    // Root's own hold is handed over to the run as the owner.
    let state = env.give_all_but_state_to(1);
    check(&env.json("-n --home home"), ["in_use", "idle", "active"]);
    assert!(state.join("holds/a.json").exists());
}

#[test]
fn many_holds_are_read_and_the_right_one_is_found() {
    let (env, [held, ..]) = home();
    hold(&env, &format!("--session {held} --key mine"));
    let mine = fs::read_to_string(folder(&env).join("mine.json")).unwrap();
    for number in 0..200 {
        let text = mine.replace(&held, &fresh_id()).replace("mine", &format!("k{number}"));
        fs::write(folder(&env).join(format!("k{number}.json")), text).unwrap();
    }
    check(&env.json("-n"), ["in_use", "idle", "active"]);
}
