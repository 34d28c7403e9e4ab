//! The heartbeat of a hold: the diagnostics of its watcher and the command of each beat, while the held
//! command runs.

use serde_json::Value;
use std::fs;
use std::process::{Child, Stdio};

use crate::child::{finish, start, wait_until};
use crate::env::{Ran, TestEnv};
use crate::in_use::fresh_id;

/// A hold that beats each second, of a command that ends when its standard input does.
fn beating(env: &TestEnv, session: &str, gate: Option<&str>, options: &[&str]) -> Child {
    let words = ["hold", "--session", session, "--beat", "1s", "--log", "log"].into_iter();
    let words = words.chain(options.iter().copied()).chain(["--", "cat"]);
    let mut command = env.command(words);
    if let Some(gate) = gate {
        command.env("SESSION_WARDEN_SEND_KEEPALIVES", gate);
    }
    start(command.stdin(Stdio::piped()))
}

/// The diagnostics so far.
fn told(env: &TestEnv) -> Vec<Value> {
    let text = fs::read_to_string(env.path("log")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn count(env: &TestEnv, event: &str) -> usize {
    told(env).iter().filter(|line| line["event"] == event).count()
}

#[test]
fn rule_9_each_beat_tells_what_is_in_flight_and_the_end_tells_the_rest() {
    let (env, id) = (TestEnv::new(), fresh_id());
    let child = beating(&env, &id, None, &["-v"]);
    wait_until(|| count(&env, "session_keepalive_heartbeat") > 0);
    // Another hold on the same session counts, one on another session does not.
    env.run(&format!("hold start --session {id} --key a --ttl 1h --reason api_call")).exits(0);
    env.run(&format!("hold start --session {} --key b --ttl 1h", fresh_id())).exits(0);
    let beats = |env: &TestEnv| -> Vec<Value> {
        told(env).into_iter().filter(|line| line["refcount"] == 2).collect()
    };
    wait_until(|| !beats(&env).is_empty());
    let beat = beats(&env)[0].clone();
    assert_eq!(beat["active"], serde_json::json!({"api_call": 1, "tool_exec": 1}), "{beat}");
    assert!(beat["oldest_activity_ms"].as_u64().unwrap() >= 1000, "{beat}");
    for time in ["time", "busy_since"] {
        assert!(beat[time].as_str().unwrap().ends_with('Z'), "{beat}");
    }
    env.run("hold stop --key a").exits(0);
    let before = told(&env).len();
    wait_until(|| told(&env).len() > before + 1);
    let ran = finish(child);
    ran.exits(0);
    // On standard error as well, as one line each.
    ran.says(&["session-warden: session_keepalive_heartbeat ", "refcount=2", "tool_exec"]);
    let last = told(&env).pop().unwrap();
    assert_eq!(last["event"], "session_activity_at_shutdown", "{last}");
    // It tells of the work that it ends with, and of nothing that ended before.
    assert_eq!(last["refcount"], 1, "{last}");
    assert_eq!(last["active"], serde_json::json!({"tool_exec": 1}), "{last}");
    let before = told(&env)[told(&env).len() - 2].clone();
    assert_eq!(before["refcount"], 1);
    let oldest = |line: &Value| line["oldest_activity_ms"].as_u64().unwrap();
    assert!(oldest(&last) > oldest(&before), "{before} {last}");
    assert!(last["busy_since"].as_str().unwrap() < before["time"].as_str().unwrap(), "{last}");
    // Nobody is named.
    let text = fs::read_to_string(env.path("log")).unwrap();
    assert!(!text.contains(&id) && !text.contains(env.path("").to_str().unwrap()), "{text}");
}

#[test]
fn a_key_that_is_begun_anew_counts_for_what_it_is_now() {
    let (env, id) = (TestEnv::new(), fresh_id());
    let child = beating(&env, &id, None, &[]);
    let active = |reasons: Value| {
        wait_until(|| told(&env).last().is_some_and(|line| line["active"] == reasons));
    };
    // In the place of the one before, so that no beat comes between the two.
    env.run(&format!("hold start --session {id} --key k --ttl 1h --reason api_call")).exits(0);
    active(serde_json::json!({"api_call": 1, "tool_exec": 1}));
    env.run(&format!("hold start --session {id} --key k --ttl 1h --reason tool_exec")).exits(0);
    active(serde_json::json!({"tool_exec": 2}));
    finish(child).exits(0);
    // The watcher ends a little later, and its last line counts the other holds as well.
    wait_until(|| count(&env, "session_activity_at_shutdown") == 1);
    assert_eq!(told(&env).pop().unwrap()["refcount"], 2);
}

#[test]
fn an_empty_name_can_be_seen() {
    let env = TestEnv::new();
    let mut command = env.command(["hold", "--session", "s", "--", ""]);
    Ran::of(&mut command).exits(127).says(&["cannot run \"\": no such file"]);
}

#[test]
fn rule_9_the_beats_command_runs_only_where_the_gate_is_open() {
    let script =
        "printf '%s %s\\n' \"$SESSION_WARDEN_SESSION\" \"$SESSION_WARDEN_REASON\" >> beats";
    for (gate, is_open) in [
        (None, false),
        (Some(""), false),
        (Some("0"), false),
        (Some("no"), false),
        (Some("1"), true),
        (Some("TRUE"), true),
        (Some("yes"), true),
        (Some(" On "), true),
    ] {
        let (env, id) = (TestEnv::new(), fresh_id());
        let child = beating(&env, &id, gate, &["--reason", "api_call", "--beat-command", script]);
        let beats = || fs::read_to_string(env.path("beats")).unwrap_or_default();
        wait_until(|| {
            count(&env, "session_keepalive_heartbeat") > 1 && (!is_open || !beats().is_empty())
        });
        finish(child).exits(0);
        let expected = format!("{id} api_call\n");
        assert_eq!(beats().starts_with(&expected), is_open, "{gate:?}: {}", beats());
        assert_eq!(beats().is_empty(), !is_open, "{gate:?}");
    }
}

#[test]
fn a_beats_command_that_hangs_or_fails_is_told_and_does_not_pile_up() {
    let (env, id) = (TestEnv::new(), fresh_id());
    let hangs = "echo $$ >> pids; exec sleep 60";
    let child = beating(&env, &id, Some("1"), &["--beat-command", hangs]);
    wait_until(|| count(&env, "beat_command_still_runs") > 1);
    finish(child).exits(0);
    let pids = fs::read_to_string(env.path("pids")).unwrap();
    let [pid] = pids.lines().collect::<Vec<_>>()[..] else { panic!("{pids}") };
    // It ends with the command that is held.
    wait_until(|| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    });
    let child = beating(&env, &id, Some("1"), &["--beat-command", "exit 7"]);
    wait_until(|| count(&env, "beat_command_failed") > 0);
    finish(child).exits(0);
}

#[test]
fn a_hold_that_was_removed_is_written_anew_at_the_next_beat() {
    let (env, id) = (TestEnv::new(), fresh_id());
    let child = beating(&env, &id, None, &[]);
    let holds = env.home(".local/state/session-warden/holds");
    let files = || fs::read_dir(&holds).map_or(0, Iterator::count);
    wait_until(|| files() == 1);
    for entry in fs::read_dir(&holds).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    wait_until(|| files() == 1);
    finish(child).exits(0);
    wait_until(|| files() == 0);
}

#[test]
fn wrong_times_are_refused() {
    let env = TestEnv::new();
    for wrong in ["0", "0s", "999ms", "-1s", "often", "2000d"] {
        let ran = env.run(&format!("hold --session s --beat={wrong} -- true"));
        ran.exits(2).says(&["--beat", "30s, 15m or 1h"]);
    }
}
