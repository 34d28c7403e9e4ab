//! What comes between the plan of a `remove` and the change.

use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::*;
use crate::child::{finish, start, wait_until};

/// Runs, and does that while the run waits to write its journal: the plan is made, the last look is
/// not.
#[track_caller]
fn between(home: &Home, line: &str, act: impl FnOnce()) -> Ran {
    let state = home.env.home(".local/state/session-warden");
    fs::create_dir_all(&state).unwrap();
    let lock = File::create(state.join("lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let child = start(&mut home.env.command(line.split_whitespace()));
    // By then the new map is beside the old one, and the journal is next.
    wait_until(|| home.env.litter().iter().any(|name| name.contains(".session-warden.")));
    thread::sleep(Duration::from_millis(50));
    act();
    flock(&lock, FlockOperation::Unlock).unwrap();
    finish(child)
}

#[test]
fn a_hold_that_comes_before_the_last_look_keeps_everything() {
    let home = Home::new();
    let hold = || {
        home.env.run("hold start --chat tax --key a --ttl 1h").exits(0);
    };
    let ran = between(&home, "remove tax codex-cli/website ro", hold);
    ran.exits(1).says(&["nothing was removed: cannot remove claude-cli/tax (held for"]);
    assert_eq!((ran.out.as_str(), home.env.map_now()), ("", home.map()));
    assert!(home.env.litter().is_empty());
    // What was recorded is void: undo has nothing to restore, and the run has ended.
    assert!(home.env.run("undo --bridge off").out.contains("Nothing to restore"));
    let runs = home.journal("runs.jsonl");
    assert_eq!((runs.len(), &runs[0]["exit"]), (1, &json!(1)));
}

#[test]
fn a_process_that_comes_before_the_last_look_keeps_everything() {
    let home = Home::new();
    let mut running = None;
    let run = || running = Some(Running::with(&["claude", "--resume", &home.idle]));
    let ran = between(&home, "remove tax codex-cli/website", run);
    ran.exits(1).says(&["claude-cli/tax (in use by process"]);
    assert_eq!(home.env.map_now(), home.map());
    drop(running);
    home.env.run("remove tax codex-cli/website").exits(0);
}

#[test]
fn being_used_is_no_reason_to_keep_it() {
    let home = Home::new();
    let used = || {
        home.env.session("claude", &home.idle, 0);
    };
    between(&home, "remove tax", used).exits(0);
    assert_eq!(home.env.map_now(), home.without(&[("claude-cli", "tax")]));
}

#[test]
fn a_chat_that_has_a_new_session_keeps_it() {
    let home = Home::new();
    let mut newer = home.map();
    newer["claude-cli"]["tax"] = home.active.as_str().into();
    let change = || {
        home.env.map(newer.to_string());
    };
    let ran = between(&home, "remove tax", change);
    ran.exits(1)
        .says(&["claude-cli/tax (its mapping has changed meanwhile)", "hint: run the same"]);
    assert_eq!(home.env.map_now(), newer);
    assert!(home.env.run("undo --bridge off").out.contains("Nothing to restore"));

    // SiblingFile others, they are removed and it is kept: done, but not completely.
    home.write_map();
    let change = || {
        home.env.map(newer.to_string());
    };
    let ran = between(&home, "remove tax ro --json", change);
    let report = ran.exits(3).report();
    assert_eq!(
        (&row(&report, "tax")["action"], &row(&report, "round")["action"]),
        (&json!("kept"), &json!("removed"))
    );
    newer["new-cli"].as_object_mut().unwrap().remove("round");
    assert_eq!(home.env.map_now(), newer);
}

#[test]
fn mappings_that_come_meanwhile_survive() {
    let home = Home::new();
    let mut newer = home.map();
    newer["claude-cli"]["newest"] = home.active.as_str().into();
    let change = || {
        home.env.map(newer.to_string());
    };
    between(&home, "remove tax", change).exits(0);
    newer["claude-cli"].as_object_mut().unwrap().remove("tax");
    assert_eq!(home.env.map_now(), newer);
}

/// A bridge that begins a hold on a chat when it gets its first request of that kind.
fn holding(home: &Home, before: &'static str, chat: &'static str) -> StandIn {
    let program = home.env.command([] as [&str; 0]).get_program().to_owned();
    let (folder, count) = (home.env.home(""), Mutex::new(0));
    StandIn::hostile_on(home.env.map_path(), move |request, stream| {
        let mut count = count.lock().unwrap();
        if request.starts_with(before) {
            *count += 1;
            // The map is read once for the plan.
            if *count == if before == "DELETE" { 1 } else { 2 } {
                let mut command = std::process::Command::new(&program);
                command.env_clear().env("HOME", &folder);
                command.args(["hold", "start", "--chat", chat, "--key", "k", "--ttl", "1h"]);
                assert!(command.status().unwrap().success());
            }
        }
        Some(stream)
    })
}

#[test]
fn over_a_bridge_a_hold_before_the_first_call_keeps_everything_and_one_later_the_rest() {
    let home = Home::new();
    let bridge = holding(&home, "GET /sessions", "round");
    let ran = home.env.run(&format!("remove tax ro --bridge {}", bridge.url()));
    ran.exits(1).says(&["new-cli/round (held for"]);
    assert_eq!((bridge.deletes(), bridge.map()), (Vec::<String>::new(), home.map()));

    let home = Home::new();
    let bridge = holding(&home, "DELETE", "round");
    let ran = home.env.run(&format!("remove tax ro --json --bridge {}", bridge.url()));
    let report = ran.exits(3).report();
    assert_eq!(
        (&row(&report, "tax")["action"], state(&report, "round")),
        (&json!("removed"), "in_use")
    );
    assert_eq!(bridge.map(), home.without(&[("claude-cli", "tax")]));
}

#[test]
fn while_another_run_holds_the_lock_nothing_is_done() {
    let home = Home::new();
    let lock = File::create(home.env.path("bridge/.session_map.json.session-warden.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let before = home.env.map_bytes();
    home.env.run("remove tax").exits(75).says(&["another run holds the lock"]);
    home.env.run("remove -n tax").exits(0);
    assert_eq!(home.env.map_bytes(), before);
    drop(lock);
    home.env.run("remove tax").exits(0);
}
