//! `hold start`, `stop`, `beat` and `list`: work that hooks bracket, with stand-ins for the CLIs that
//! feed them what the CLIs are documented to.

use serde_json::{Value, json};
use session_warden::commands::hold::{self, Start};
use session_warden::holds::{Holds, Subject};
use session_warden::model::Timestamp;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::child::{finish, start, wait_until};
use crate::desk::copy;
use crate::env::{HOUR, MINUTE, Ran, TestEnv, row, set_age, state};
use crate::in_use::fresh_id;

pub(crate) fn home(provider: &str, model: &str) -> (TestEnv, String) {
    let (env, id) = (TestEnv::new(), fresh_id());
    env.session(provider, &id, 3 * HOUR);
    env.map(json!({model: {"chat": id}}).to_string());
    (env, id)
}

pub(crate) fn held(env: &TestEnv) -> Vec<Value> {
    let ran = env.run("hold list --format json");
    ran.exits(0);
    let list: Value = serde_json::from_str(&ran.out).unwrap();
    list["holds"].as_array().unwrap().clone()
}

/// `hold` with these words, told that on standard input.
fn told(env: &TestEnv, line: &str, input: &str) -> Ran {
    fs::write(env.path("input"), input).unwrap();
    let mut command = env.command(["hold"].into_iter().chain(line.split_whitespace()));
    Ran::of(command.stdin(fs::File::open(env.path("input")).unwrap()))
}

/// What that CLI tells a hook, as its documentation has it.
pub(crate) fn event(cli: &str, name: &str, session: &str, tool: Option<u32>) -> String {
    let mut event = json!({
        "session_id": session,
        "transcript_path": format!("/home/u/{session}.jsonl"),
        "cwd": "/w",
        "hook_event_name": name,
    });
    if let Some(number) = tool {
        event["tool_name"] = json!(if cli == "gemini" { "run_shell_command" } else { "Bash" });
        event["tool_input"] = json!({"command": format!("make part-{number}")});
        if cli != "gemini" {
            event["tool_use_id"] = json!(format!("toolu_{number}"));
        }
        if name.starts_with("Post") || name.starts_with("After") {
            event["tool_response"] = json!({"stdout": "x".repeat(100_000)});
        }
    }
    event.to_string()
}

/// A CLI that reads lines from its standard input and runs each as a hook: it is called as the real one
/// is, and in its name or by an interpreter.
pub(crate) fn cli(env: &TestEnv, name: &str, is_script: bool) -> Child {
    let shell = Path::new("/bin/sh");
    let script = env.path("cli").join(name);
    let lines = "while read -r line; do eval \"$line\"; echo \"done $?\"; done";
    let mut command = if is_script {
        copy(shell, &env.path("node"));
        fs::create_dir_all(env.path("cli")).unwrap();
        fs::write(&script, lines).unwrap();
        let mut command = Command::new(env.path("node"));
        // As its first line has it; to this shell `-f` means as little as that to node.
        command.arg("-f").arg(script);
        command
    } else {
        copy(shell, &script);
        let mut command = Command::new(script);
        command.args(["-c", lines]);
        command
    };
    let theirs = env.command([] as [&str; 0]);
    command.env_clear().envs(theirs.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("WARDEN", theirs.get_program()).current_dir(env.path(""));
    start(command.stdin(Stdio::piped()))
}

/// Has that CLI run a hook command through a shell, as they do, with that event.
pub(crate) fn fire(cli: &mut Child, command: &str, event: &str) {
    use std::io::{BufRead, BufReader, Write};
    let stdin = cli.stdin.as_mut().unwrap();
    // Between single quotes; nothing in an event has one.
    writeln!(stdin, "printf %s '{event}' | sh -c '{command}'").unwrap();
    let mut line = String::new();
    let mut out = BufReader::with_capacity(1, cli.stdout.as_mut().unwrap());
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "done 0\n", "{command}");
}

pub(crate) const START: &str = "\"$WARDEN\" hold start --from-hook || true";
pub(crate) const STOP: &str = "\"$WARDEN\" hold stop --from-hook || true";

#[test]
fn a_hook_pair_around_a_tool_holds_its_session_as_long_as_the_cli_lives() {
    for (name, model, is_script, before, after) in [
        ("claude", "claude-cli", false, "PreToolUse", "PostToolUse"),
        ("codex", "codex-cli", false, "PreToolUse", "PostToolUse"),
        ("gemini", "gemini-cli", true, "BeforeTool", "AfterTool"),
    ] {
        let (env, id) = home(name, model);
        let mut running = cli(&env, name, is_script);
        fire(&mut running, START, &event(name, before, &id, Some(1)));
        let holds = held(&env);
        assert_eq!(holds[0]["pids"], json!([running.id()]), "{name}");
        assert_eq!((&holds[0]["session_id"], &holds[0]["until"]), (&json!(id), &Value::Null));
        let report = env.json("-n");
        assert_eq!(state(&report, "chat"), "in_use", "{name}");
        assert!(row(&report, "chat")["reason"].as_str().unwrap().starts_with("held for tool_exec"));
        // A second one beside it, which ends first.
        fire(&mut running, START, &event(name, before, &id, Some(2)));
        fire(&mut running, STOP, &event(name, after, &id, Some(2)));
        assert_eq!(held(&env).len(), 1, "{name}");
        fire(&mut running, STOP, &event(name, after, &id, Some(1)));
        assert_eq!(state(&env.json("-n"), "chat"), "idle", "{name}");
        // What the CLI leaves open goes with it.
        fire(&mut running, START, &event(name, before, &id, Some(3)));
        assert_eq!(state(&env.json("-n"), "chat"), "in_use", "{name}");
        drop(running.stdin.take());
        finish(running);
        assert_eq!(state(&env.json("-n"), "chat"), "idle", "{name}");
        assert_eq!(env.json("clean")["summary"]["removed"], 1);
    }
}

#[test]
fn the_end_of_a_session_ends_all_that_its_hooks_hold() {
    let (env, id) = home("claude", "claude-cli");
    let mut running = cli(&env, "claude", false);
    fire(&mut running, START, &event("claude", "UserPromptSubmit", &id, None));
    fire(&mut running, START, &event("claude", "PreToolUse", &id, Some(1)));
    fire(&mut running, START, &event("claude", "UserPromptSubmit", "another", None));
    env.run(&format!("hold start --session {id} --key mine --ttl 1h")).exits(0);
    assert_eq!(held(&env).len(), 4);
    fire(&mut running, STOP, &event("claude", "SessionEnd", &id, None));
    let left: Vec<_> = held(&env).iter().map(|hold| hold["session_id"].clone()).collect();
    assert_eq!(left, ["another", &id], "neither another session's nor what no hook began");
    assert_eq!(held(&env)[1]["key"], "mine");
    drop(running.stdin.take());
    finish(running);
}

/// The same session may go on in two terminals: one that ends says nothing of the other.
#[test]
fn the_end_of_one_cli_leaves_what_another_holds_of_the_same_session() {
    for end in ["SessionEnd", "Stop"] {
        let (env, id) = home("claude", "claude-cli");
        let [mut one, mut other] = [cli(&env, "claude", false), cli(&env, "claude", false)];
        fire(&mut one, START, &event("claude", "UserPromptSubmit", &id, None));
        fire(&mut one, START, &event("claude", "PreToolUse", &id, Some(1)));
        fire(&mut other, START, &event("claude", "UserPromptSubmit", &id, None));
        fire(&mut other, STOP, &event("claude", end, &id, None));
        let pids: Vec<_> = held(&env).iter().map(|hold| hold["pids"][0].clone()).collect();
        assert_eq!(pids, [one.id(), one.id()], "{end}");
        for running in [&mut one, &mut other] {
            drop(running.stdin.take());
        }
        finish(one);
        finish(other);
    }
}

#[test]
fn a_hook_never_blocks_its_cli_and_says_nothing_to_it() {
    let (env, id) = home("claude", "claude-cli");
    for input in ["", "{}", "nonsense", r#"{"session_id":""}"#] {
        for line in ["start --from-hook", "stop --from-hook"] {
            let ran = told(&env, line, input);
            // 2 would mean that the tool must not run.
            assert!(matches!(ran.code, 0 | 1), "{input}: {ran:?}");
            assert_eq!(ran.out, "", "{input}: {ran:?}");
        }
    }
    told(&env, "start --from-hook", "{}").exits(1).says(&["standard input", "session_id"]);
    env.config("broken =");
    told(&env, "start --from-hook", &event("claude", "PreToolUse", &id, Some(1))).exits(1);
}

#[test]
fn three_hours_of_work_are_held_all_along_and_not_a_second_longer_than_it_lives() {
    let (env, id) = (TestEnv::new(), fresh_id());
    let holds = Holds::at(&env.path("state"));
    let at =
        |minutes: u64| Timestamp::new(1_800_000_000, 0).after(Duration::from_secs(60 * minutes));
    let mut live = Command::new("sleep").arg("60").spawn().unwrap();
    let start = Start {
        key: Some("toolu_1".into()),
        subject: Subject::Session(id),
        reason: "tool_exec".into(),
        pid: Some(live.id()),
        ttl: None,
        by_hook: true,
    };
    hold::start(&holds, start, at(0)).unwrap();
    for minute in 0..=180 {
        assert_eq!(holds.read(at(minute)).unwrap().live(at(minute)).len(), 1, "{minute}");
    }
    hold::stop(&holds, "toolu_1").unwrap();
    assert!(holds.read(at(180)).unwrap().live(at(180)).is_empty());
    live.kill().unwrap();
    live.wait().unwrap();
}

/// The same with what the hooks of the CLIs tell, and what a clean makes of it. Instead of the clock being
/// moved ahead, what was written is set back.
#[test]
fn three_hours_between_the_hooks_of_a_live_cli_keep_its_session_at_each_clean() {
    for (name, model, is_script, before, after) in [
        ("claude", "claude-cli", false, "PreToolUse", "PostToolUse"),
        ("codex", "codex-cli", false, "PreToolUse", "PostToolUse"),
        ("gemini", "gemini-cli", true, "BeforeTool", "AfterTool"),
    ] {
        let (env, id) = home(name, model);
        let map = env.map_bytes();
        let mut running = cli(&env, name, is_script);
        fire(&mut running, START, &event(name, before, &id, Some(1)));
        let begun = fs::read_to_string(&files(&env)[0]).unwrap();
        for quarter in 0..=12 {
            set_back(&env, &begun, quarter * 15 * MINUTE);
            for line in ["-n", "clean"] {
                let report = env.json(line);
                assert_eq!(state(&report, "chat"), "in_use", "{name} {quarter}: {report:#}");
                let reason = row(&report, "chat")["reason"].as_str().unwrap();
                assert!(reason.starts_with("held for tool_exec since "), "{name}: {reason}");
            }
            assert_eq!(env.map_bytes(), map, "{name} {quarter}");
        }
        fire(&mut running, STOP, &event(name, after, &id, Some(1)));
        assert_eq!(state(&env.json("-n"), "chat"), "idle", "{name}");
        // One that nothing ends goes with its CLI, at once.
        fire(&mut running, START, &event(name, before, &id, Some(2)));
        let begun = fs::read_to_string(&files(&env)[0]).unwrap();
        set_back(&env, &begun, 3 * HOUR);
        assert_eq!(state(&env.json("clean"), "chat"), "in_use", "{name}");
        drop(running.stdin.take());
        finish(running);
        assert_eq!(env.json("clean")["summary"]["removed"], 1, "{name}");
        assert_eq!(files(&env).len(), 0, "{name}");
    }
}

/// Makes the only hold one that began so many seconds before it did, and was never written since.
pub(crate) fn set_back(env: &TestEnv, begun: &str, age: u64) {
    let mut hold: Value = serde_json::from_str(begun).unwrap();
    for name in ["since", "last_beat"] {
        let time = Timestamp::parse(hold[name].as_str().unwrap()).unwrap();
        hold[name] = json!(time.earlier(Duration::from_secs(age)).rfc3339());
    }
    let [file] = &files(env)[..] else { panic!("one hold") };
    fs::write(file, hold.to_string()).unwrap();
    set_age(file, age);
}

#[test]
fn without_a_process_a_hold_beats_or_ends() {
    let (env, id) = home("claude", "claude-cli");
    env.run(&format!("hold start --session {id} --key k --ttl 1h --reason api_call")).exits(0);
    let first = held(&env)[0].clone();
    assert_eq!((&first["pids"], &first["reason"]), (&json!([]), &json!("api_call")));
    assert_eq!(state(&env.json("-n"), "chat"), "in_use");
    wait_until(|| {
        env.run("hold beat --key k").exits(0);
        held(&env)[0]["last_beat"] != first["last_beat"]
    });
    assert_eq!(held(&env)[0]["since"], first["since"]);
    env.run("hold stop --key k").exits(0);
    env.run("hold beat --key k").exits(1).says(&["there is no hold \"k\"", "hold list"]);
    env.run(&format!("hold start --session {id} --key k --ttl 1s")).exits(0);
    wait_until(|| held(&env).is_empty());
    assert_eq!(state(&env.json("-n"), "chat"), "idle");
    // Any real run sweeps what is dead, also where there is nothing to clean.
    assert_eq!(files(&env).len(), 1);
    env.map("{}");
    env.run("clean").exits(0);
    assert_eq!(files(&env).len(), 0);
    env.run(&format!("hold start --session {id} --key k --ttl 1s")).exits(0);
    wait_until(|| held(&env).is_empty());
    // The next one that begins sweeps what is dead.
    env.run(&format!("hold start --session {id} --key other --ttl 1h")).exits(0);
    assert_eq!(files(&env), [env.home(".local/state/session-warden/holds/other.json")]);
}

#[test]
fn a_beat_for_a_process_that_has_ended_says_that_the_hold_is_over() {
    let (env, id) = home("claude", "claude-cli");
    let mut live = Command::new("sleep").arg("60").spawn().unwrap();
    let pid = live.id();
    env.run(&format!("hold start --session {id} --key k --pid {pid}")).exits(0);
    env.run("hold beat --key k").exits(0);
    live.kill().unwrap();
    live.wait().unwrap();
    let before = fs::read(&files(&env)[0]).unwrap();
    let over = ["the hold \"k\" has ended with its process", "hold list"];
    env.run("hold beat --key k").exits(1).says(&over);
    assert_eq!(fs::read(&files(&env)[0]).unwrap(), before);
    // Where its process could never be seen, a beat is what counts.
    let elsewhere = String::from_utf8(before).unwrap();
    let mut elsewhere: Value = serde_json::from_str(&elsewhere).unwrap();
    elsewhere["namespace"] = json!("pid:[1]");
    fs::write(&files(&env)[0], elsewhere.to_string()).unwrap();
    env.run("hold beat --key k").exits(0);
    // Without a process it comes back, unless it was swept.
    env.run(&format!("hold start --session {id} --key k --ttl 1s")).exits(0);
    wait_until(|| held(&env).is_empty());
    env.run("hold beat --key k").exits(0);
}

pub(crate) fn files(env: &TestEnv) -> Vec<PathBuf> {
    let holds = fs::read_dir(env.home(".local/state/session-warden/holds")).unwrap();
    holds.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn one_key_is_one_hold_also_where_many_begin_at_once() {
    let (env, id) = home("claude", "claude-cli");
    let line = format!("hold start --session {id} --key k --ttl 1h");
    let all: Vec<Child> =
        (0..20).map(|_| start(&mut env.command(line.split_whitespace()))).collect();
    for child in all {
        finish(child).exits(0);
    }
    assert_eq!(held(&env).len(), 1);
    assert_eq!(files(&env).len(), 1, "no litter");
}

#[test]
fn wrong_words_are_told_in_one_line_and_hold_nothing() {
    let env = TestEnv::new();
    for (line, said) in [
        ("start --key k", "--session"),
        ("start --session s", "--key"),
        ("start --session s --chat c --key k", "--chat"),
        ("start --session s --key k --pid 0", "--pid"),
        ("start --session s --key k --pid x", "--pid"),
        ("start --session s --key k --ttl 0s", "1 second"),
        ("start --session s --key k --ttl soon", "30s, 15m or 1h"),
        ("start --session s --key k --pid 1 --ttl 1m", "--ttl"),
        ("start --from-hook --session s", "--session"),
        ("stop", "--key"),
        ("beat", "--key"),
        ("list --format xml", "xml"),
        ("stopp --key k", "stopp"),
    ] {
        let ran = env.run(&format!("hold {line}"));
        ran.exits(2).says(&[said]);
        assert_eq!(ran.out, "", "{line}");
    }
    let long = "i".repeat(1025);
    env.run(&format!("hold start --session {long} --key k")).exits(2).says(&["1024 bytes"]);
    let long = "k".repeat(65);
    env.run(&format!("hold start --session s --key {long}")).exits(2).says(&["64 bytes", "65"]);
    env.run("hold start --session s --key k --pid 4194304").exits(1).says(&["4194304"]);
    assert!(!env.home(".local").exists());
    let ran = env.run("hold list");
    ran.exits(0);
    assert_eq!(ran.out, "No active holds.\n");
}

#[test]
fn the_list_fits_a_terminal_and_shows_nothing_raw_x3() {
    let env = TestEnv::new();
    env.run(&format!("hold start --session {} --key a --pid {}", fresh_id(), std::process::id()))
        .exits(0);
    let mut command =
        env.command(["hold", "start", "--chat", "a\u{1b}[2Jb", "--key", "b", "--ttl", "1h"]);
    Ran::of(command.args(["--reason", "two\nlines"])).exits(0);
    let ran = env.run("hold list");
    assert!(ran.out.starts_with("    FOR  REASON           SESSION OR CHAT\n"), "{}", ran.out);
    assert_eq!(ran.out.lines().count(), 5, "{}", ran.out);
    assert!(!ran.out.contains('\u{1b}') && ran.out.contains("chat a"), "{}", ran.out);
    let us = std::process::id();
    assert!(ran.out.contains(&format!("key a, while process {us} runs\n")), "{}", ran.out);
    assert!(ran.out.contains("key b, until 20"), "{}", ran.out);
    assert!(ran.out.lines().all(|line| line.chars().count() <= 80), "{}", ran.out);
}

#[test]
fn a_cli_is_known_whatever_a_packager_calls_its_program_e4() {
    for name in
        ["codex-raw", ".codex-wrapped", "codex-unwrapped", "codex-x86_64-unknown-linux-musl"]
    {
        let (env, id) = home("codex", "codex-cli");
        let mut running = cli(&env, name, false);
        fire(&mut running, START, &event("codex", "PreToolUse", &id, Some(1)));
        assert_eq!(held(&env)[0]["pids"], json!([running.id()]), "{name}");
        assert_eq!(state(&env.json("-n"), "chat"), "in_use", "{name}");
        drop(running.stdin.take());
        finish(running);
        assert_eq!(state(&env.json("-n"), "chat"), "idle", "{name}");
    }
}
