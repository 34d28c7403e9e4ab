//! The hooks of a CLI around its turns: what begins and ends the hold of a turn, what a turn leaves in the
//! background, and the snippets that set these hooks up.

use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::child::{bounded, finish, start};
use crate::env::{HOUR, Ran, TestEnv, state};
use crate::hold_hooks::{START, STOP, cli, event, files, fire, held, home, set_back};
use crate::in_use::fresh_id;

/// Each CLI: its name, the model that is mapped to it, whether it is a script, and its hooks before and
/// after a turn.
const CLIS: [(&str, &str, bool, &str, &str); 3] = [
    ("claude", "claude-cli", false, "UserPromptSubmit", "Stop"),
    ("codex", "codex-cli", false, "UserPromptSubmit", "Stop"),
    ("gemini", "gemini-cli", true, "BeforeAgent", "AfterAgent"),
];

fn prompt(session: &str) -> String {
    event("claude", "UserPromptSubmit", session, None)
}

/// The end of a turn of Claude Code, with these fields.
fn stop_with(name: &str, session: &str, fields: &Value) -> String {
    let mut stop: Value = serde_json::from_str(&event("claude", name, session, None)).unwrap();
    stop["stop_hook_active"] = json!(false);
    stop["last_assistant_message"] = json!("It is built.");
    stop.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    stop.to_string()
}

fn stop(session: &str, tasks: &Value, crons: &Value) -> String {
    stop_with("Stop", session, &json!({"background_tasks": tasks, "session_crons": crons}))
}

fn task() -> Value {
    json!([{"id": "b1", "type": "shell", "status": "running", "command": "make world"}])
}

fn cron() -> Value {
    json!([{"id": "c1", "schedule": "*/5 * * * *", "recurring": false, "prompt": "go on"}])
}

fn reasons(env: &TestEnv) -> Vec<String> {
    held(env).iter().map(|hold| hold["reason"].as_str().unwrap().to_owned()).collect()
}

fn end(mut running: Child) {
    drop(running.stdin.take());
    finish(running);
}

/// A hook with an input that stays open after what is written to it.
fn open_hook(env: &TestEnv, line: &str, input: &str) -> Ran {
    let mut command = env.command(["hold"].into_iter().chain(line.split_whitespace()));
    let mut child = start(command.stdin(Stdio::piped()));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    let ran = finish(child);
    drop(stdin);
    ran
}

#[test]
fn a_turn_is_held_from_its_prompt_to_its_end_and_nothing_from_the_start_of_the_session() {
    for (name, model, is_script, before, after) in CLIS {
        let (env, id) = home(name, model);
        let mut running = cli(&env, name, is_script);
        fire(&mut running, START, &event(name, "SessionStart", &id, None));
        assert_eq!(held(&env).len(), 0, "{name}");
        assert_eq!(state(&env.json("-n"), "chat"), "idle", "{name}");

        // Two turns in a row.
        for _ in 0..2 {
            let command = START.replace("--from-hook", "--from-hook --reason turn");
            fire(&mut running, &command, &event(name, before, &id, None));
            let holds = held(&env);
            assert_eq!(holds.len(), 1, "{name}");
            assert_eq!(holds[0]["pids"], json!([running.id()]), "{name}");
            assert_eq!(
                (&holds[0]["session_id"], &holds[0]["reason"]),
                (&json!(id), &json!("turn"))
            );
            assert_eq!(state(&env.json("-n"), "chat"), "in_use", "{name}");

            fire(&mut running, STOP, &event(name, after, &id, None));
            assert_eq!(held(&env).len(), 0, "{name}");
            assert_eq!(state(&env.json("-n"), "chat"), "idle", "{name}");
        }
        end(running);
    }
}

#[test]
fn work_in_the_background_keeps_the_hold_until_a_turn_ends_without() {
    for (tasks, crons, reason) in [
        (task(), json!([]), "background_task"),
        (json!([]), cron(), "session_cron"),
        (task(), cron(), "background_task"),
        (task(), Value::Null, "background_task"),
    ] {
        let (env, id) = home("claude", "claude-cli");
        let map = env.map_bytes();
        let mut running = cli(&env, "claude", false);
        fire(&mut running, START, &prompt(&id));
        for _ in 0..2 {
            fire(&mut running, STOP, &stop(&id, &tasks, &crons));
            let holds = held(&env);
            assert_eq!(reasons(&env), [reason]);
            assert_eq!(
                (&holds[0]["pids"], &holds[0]["until"]),
                (&json!([running.id()]), &Value::Null)
            );
            assert!(env.run("hold list").out.contains(&format!("  {reason}  ")), "{reason}");

            // However long it takes.
            let begun = fs::read_to_string(&files(&env)[0]).unwrap();
            set_back(&env, &begun, 100 * HOUR);
            assert_eq!(state(&env.json("clean"), "chat"), "in_use");
            assert_eq!(env.map_bytes(), map);

            // The next turn does not end it.
            fire(&mut running, START, &prompt(&id));
            assert_eq!(held(&env).len(), 2);
        }

        fire(&mut running, STOP, &stop(&id, &json!([]), &json!([])));
        assert_eq!(held(&env).len(), 0, "{reason}");
        assert_eq!(state(&env.json("-n"), "chat"), "idle", "{reason}");
        end(running);
    }
}

#[test]
fn a_stop_without_lists_ends_what_an_earlier_one_kept() {
    let (env, id) = home("claude", "claude-cli");
    let mut running = cli(&env, "claude", false);
    fire(&mut running, STOP, &stop(&id, &task(), &json!([])));
    assert_eq!(reasons(&env), ["background_task"], "no turn was held before");
    fire(&mut running, STOP, &event("claude", "Stop", &id, None));
    assert_eq!(held(&env).len(), 0);
    end(running);
}

#[test]
fn what_a_turn_holds_ends_with_the_process_of_its_cli() {
    for is_over in [false, true] {
        let (env, id) = home("claude", "claude-cli");
        let mut running = cli(&env, "claude", false);
        fire(&mut running, START, &prompt(&id));
        if is_over {
            fire(&mut running, STOP, &stop(&id, &task(), &cron()));
        }
        assert_eq!(state(&env.json("-n"), "chat"), "in_use");
        running.kill().unwrap();
        running.wait().unwrap();
        assert_eq!(held(&env).len(), 0);
        assert_eq!(env.json("clean")["summary"]["removed"], 1);
        assert_eq!(files(&env).len(), 0);
    }
}

#[test]
fn the_end_of_a_subagent_ends_nothing() {
    let (env, id) = home("claude", "claude-cli");
    let mut running = cli(&env, "claude", false);
    fire(&mut running, START, &prompt(&id));
    let of_subagent = json!({"agent_id": "a1", "background_tasks": [], "session_crons": []});
    fire(&mut running, STOP, &stop_with("SubagentStop", &id, &of_subagent));
    assert_eq!(held(&env).len(), 1);
    end(running);
}

#[test]
fn a_turn_that_fails_ends_its_own_hold_but_not_that_of_the_background() {
    let (env, id) = home("claude", "claude-cli");
    let mut running = cli(&env, "claude", false);
    let failure = stop_with("StopFailure", &id, &json!({"error": "rate_limit"}));
    fire(&mut running, START, &prompt(&id));
    fire(&mut running, STOP, &failure);
    assert_eq!(held(&env).len(), 0);

    fire(&mut running, STOP, &stop(&id, &task(), &json!([])));
    fire(&mut running, START, &prompt(&id));
    fire(&mut running, STOP, &failure);
    assert_eq!(reasons(&env), ["background_task"]);
    end(running);
}

/// A tool that its user denies has no hook after it.
#[test]
fn the_end_of_a_turn_ends_what_a_tool_left_held_unless_work_goes_on() {
    let (env, id) = home("claude", "claude-cli");
    let mut running = cli(&env, "claude", false);
    fire(&mut running, START, &event("claude", "PreToolUse", &id, Some(1)));
    env.run(&format!("hold start --session {id} --key mine --ttl 1h")).exits(0);
    fire(&mut running, STOP, &stop(&id, &task(), &json!([])));
    assert_eq!(held(&env).len(), 3);
    fire(&mut running, STOP, &stop(&id, &json!([]), &json!([])));
    assert_eq!(held(&env).len(), 1, "what no hook began stays");
    assert_eq!(held(&env)[0]["key"], "mine");
    end(running);
}

#[test]
fn a_turn_that_never_stops_is_held_for_a_day_and_the_next_one_anew() {
    let (env, id) = home("claude", "claude-cli");
    let mut running = cli(&env, "claude", false);
    fire(&mut running, START, &prompt(&id));
    assert!(held(&env)[0]["until"].is_string());
    let listed = env.run("hold list").out;
    assert!(listed.contains(" at most\n"), "{listed}");
    assert!(listed.lines().all(|line| line.chars().count() <= 80), "{listed}");

    let begun = fs::read_to_string(&files(&env)[0]).unwrap();
    set_back(&env, &begun, 23 * HOUR);
    assert_eq!(held(&env).len(), 1);
    set_back(&env, &begun, 25 * HOUR);
    assert_eq!(held(&env).len(), 0);
    assert_eq!(state(&env.json("-n"), "chat"), "idle");

    fire(&mut running, START, &prompt(&id));
    assert_eq!(held(&env).len(), 1);
    end(running);
}

#[test]
fn a_hold_with_a_time_to_live_ends_with_its_turn_too() {
    let (env, id) = home("claude", "claude-cli");
    let mut running = cli(&env, "claude", false);
    let command = START.replace("--from-hook", "--from-hook --ttl 1h");
    fire(&mut running, &command, &prompt(&id));
    assert_eq!(held(&env)[0]["pids"], json!([]));
    fire(&mut running, STOP, &stop_with("StopFailure", &id, &json!({})));
    assert_eq!(held(&env).len(), 0);
    end(running);
}

#[test]
fn an_input_that_stays_open_does_not_keep_a_hook() {
    let (env, id) = home("claude", "claude-cli");
    let begins = open_hook(&env, "start --from-hook --ttl 1h", &prompt(&id));
    begins.exits(0);
    assert_eq!(held(&env).len(), 1);
    open_hook(&env, "stop --from-hook", &stop(&id, &task(), &cron())).exits(0);
    assert_eq!(reasons(&env), ["background_task"]);
    open_hook(&env, "stop --from-hook", &stop(&id, &json!([]), &json!([]))).exits(0);
    assert_eq!(held(&env).len(), 0);
    // What follows the object is not read.
    let two = format!("{}\nnonsense", prompt(&id));
    open_hook(&env, "start --from-hook --ttl 1h", &two).exits(0);
    assert_eq!(held(&env).len(), 1);

    for incomplete in ["", "{\"session_id\":\"s\",\"prompt\":\"x"] {
        let ran = open_hook(&env, "stop --from-hook", incomplete);
        ran.exits(1).says(&["cannot read standard input: no complete JSON object came"]);
        assert_eq!(ran.out, "");
    }
    assert_eq!(held(&env).len(), 1);
}

#[test]
fn a_huge_input_is_read_and_an_endless_one_is_refused() {
    let (env, id) = home("claude", "claude-cli");
    let huge = json!({"background_tasks": task(), "last_assistant_message": "x".repeat(5 << 20)});
    fs::write(env.path("input"), stop_with("Stop", &id, &huge)).unwrap();
    let mut command = env.command(["hold", "stop", "--from-hook"]);
    command.stdin(fs::File::open(env.path("input")).unwrap());
    bounded(&mut command).exits(0);
    assert_eq!(reasons(&env), ["background_task"]);

    let mut command = env.command(["hold", "stop", "--from-hook"]);
    let mut endless = start(command.stdin(Stdio::piped()));
    let mut stdin = endless.stdin.take().unwrap();
    stdin.write_all(br#"{"session_id":"s","last_assistant_message":""#).unwrap();
    // Until the hook reads no more.
    let writer = thread::spawn(move || while stdin.write_all(&[b'x'; 16 << 10]).is_ok() {});
    let ran = finish(endless);
    // Too large, or on a slow machine too long.
    ran.exits(1).says(&["standard input", "--from-hook is for the hooks of"]);
    writer.join().unwrap();
    assert_eq!(reasons(&env), ["background_task"]);
}

#[test]
fn an_invalid_input_of_a_turn_is_one_line_and_changes_nothing() {
    let (env, id) = home("claude", "claude-cli");
    let mut running = cli(&env, "claude", false);
    fire(&mut running, START, &prompt(&id));
    for line in ["start --from-hook", "stop --from-hook"] {
        for input in
            ["{\"session_id\":}", "{\"session_id\":7,\"hook_event_name\":\"Stop\"}", "nonsense"]
        {
            // Never 2, which would block the CLI.
            let ran = open_hook(&env, line, input);
            ran.exits(1)
                .says(&["error: standard input is not the JSON that a CLI sends to its hooks"]);
            assert_eq!((&*ran.out, ran.err.lines().count()), ("", 2), "{input}: {}", ran.err);
        }
    }
    assert_eq!(held(&env).len(), 1);
    end(running);
}

/// The events of each file are those of the CLI's turns and tools, in the order in which they come.
#[test]
fn the_snippets_hold_turns_and_tools_and_their_commands_run() {
    for (file, name, model, is_script, events) in [
        (
            "claude-code.json",
            "claude",
            "claude-cli",
            false,
            &[
                ("UserPromptSubmit", 1),
                ("PreToolUse", 2),
                ("PostToolUse", 1),
                ("PreToolUse", 2),
                ("PostToolUseFailure", 1),
                ("Stop", 0),
                ("UserPromptSubmit", 1),
                ("StopFailure", 0),
                ("UserPromptSubmit", 1),
                ("SessionEnd", 0),
            ][..],
        ),
        (
            "codex.json",
            "codex",
            "codex-cli",
            false,
            &[("UserPromptSubmit", 1), ("PreToolUse", 2), ("PostToolUse", 1), ("Stop", 0)],
        ),
        (
            "gemini-cli.json",
            "gemini",
            "gemini-cli",
            true,
            &[
                ("BeforeAgent", 1),
                ("BeforeTool", 2),
                ("AfterTool", 1),
                ("AfterAgent", 0),
                ("BeforeAgent", 1),
                ("SessionEnd", 0),
            ],
        ),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/hooks").join(file);
        let text: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let hooks = text["hooks"].as_object().unwrap();
        assert!(hooks.keys().all(|event| event != "SessionStart"), "{file}");
        let mut expected: Vec<_> = events.iter().map(|(event, _)| event).collect();
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(hooks.keys().collect::<Vec<_>>(), expected, "{file}");

        let (env, id) = home(name, model);
        let (bin, binary) = (env.path("bin"), env.command([] as [&str; 0]));
        fs::create_dir(&bin).unwrap();
        symlink(binary.get_program(), bin.join("session-warden")).unwrap();
        let mut running = cli(&env, name, is_script);
        for (event_name, holds) in events {
            let command = hooks[*event_name][0]["hooks"][0]["command"].as_str().unwrap();
            let command = format!("PATH=\"{}:$PATH\"; {command}", bin.display());
            let tool = event_name.contains("Tool").then_some(1);
            fire(&mut running, &command, &event(name, event_name, &id, tool));
            assert_eq!(held(&env).len(), *holds, "{file}: {event_name}");
        }
        end(running);
    }
}

/// Where the program is not installed, a hook exits with 0 all the same.
#[test]
fn the_snippets_do_no_harm_without_the_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/hooks");
    for file in ["claude-code.json", "codex.json", "gemini-cli.json"] {
        let text: Value =
            serde_json::from_str(&fs::read_to_string(folder.join(file)).unwrap()).unwrap();
        for (event, groups) in text["hooks"].as_object().unwrap() {
            let command = groups[0]["hooks"][0]["command"].as_str().unwrap();
            let mut shell = Command::new("/bin/sh");
            shell.env_clear().env("PATH", "/nonexistent").args(["-c", command]);
            let ran = bounded(shell.stdin(Stdio::null()));
            assert_eq!((ran.code, &*ran.out), (0, ""), "{file}: {event}");
        }
    }
}

/// However the object comes, it is complete with its last brace; what does not become one is not waited for.
#[test]
fn a_hook_takes_one_object_in_pieces_and_waits_for_nothing_else() {
    let started = |env: &TestEnv, pieces: &[&str], pause: Duration| {
        let mut command = env.command(["hold", "start", "--from-hook"]);
        let mut child = start(command.stdin(Stdio::piped()));
        let mut stdin = child.stdin.take().unwrap();
        let (begun, pieces) = (Instant::now(), pieces.iter().map(|p| (*p).to_owned()));
        let pieces: Vec<String> = pieces.collect();
        // It stays open for as long as the hook runs.
        let writer = thread::spawn(move || {
            for piece in pieces {
                if stdin.write_all(piece.as_bytes()).is_err() {
                    break;
                }
                thread::sleep(pause);
            }
            stdin
        });
        let ran = finish(child);
        drop(writer.join().unwrap());
        (ran, begun.elapsed())
    };
    let id = fresh_id();
    let whole = event("claude", "PreToolUse", &id, Some(1));
    let (first, second) = whole.split_at(whole.len() / 2);
    let short = Duration::from_millis(50);
    for pieces in [
        vec![whole.as_str()],
        vec![&whole, "\n"],
        vec![first, second, "\r\n"],
        vec!["\n ", first, second, "{\"session_id\":\"another\"}"],
        vec![&whole, "nonsense"],
    ] {
        let env = TestEnv::new();
        let (ran, took) = started(&env, &pieces, short);
        ran.exits(0);
        assert!(took < Duration::from_secs(5), "{took:?}: {pieces:?}");
        let holds = held(&env);
        assert_eq!((holds.len(), &holds[0]["session_id"]), (1, &json!(id)), "{pieces:?}");
    }

    // Nonsense ends at once, silence after a while, and a slow object before the CLI loses its patience.
    let env = TestEnv::new();
    let (ran, took) = started(&env, &["nonsense"], short);
    ran.exits(1).says(&["standard input is not the JSON"]);
    assert!(took < Duration::from_secs(4), "{took:?}");
    let (ran, took) = started(&env, &[""], short);
    ran.exits(1).says(&["no complete JSON object came"]);
    assert!(took < Duration::from_secs(9), "{took:?}");
    let slow: Vec<&str> = ["{"].into_iter().chain([" "; 5]).collect();
    let (ran, took) = started(&env, &slow, Duration::from_secs(2));
    ran.exits(1).says(&["no complete JSON object came"]);
    assert!(took > Duration::from_secs(5), "{took:?}");
    assert_eq!(held(&env).len(), 0);
}
