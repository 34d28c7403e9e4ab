//! `hold -- COMMAND`: what it runs is as if it ran by itself, and its session stays meanwhile.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use crate::child::{bounded, finish, pid, start, wait_until};
use crate::env::{HOUR, Ran, TestEnv, row, state};
use crate::in_use::fresh_id;

/// A session that is 5 h old, and a map of it.
fn home() -> (TestEnv, String) {
    let (env, id) = (TestEnv::new(), fresh_id());
    env.session("claude", &id, 5 * HOUR);
    env.map(json!({"claude-cli": {"chat": id}}).to_string());
    (env, id)
}

/// The holder of a command, in a process group of its own as a shell would start it.
fn holder(env: &TestEnv, options: &[&str], work: &[&str]) -> Command {
    let words = ["hold"].iter().chain(options).chain(&["--"]).chain(work);
    let mut command = env.command(words);
    command.stdin(Stdio::piped()).process_group(0);
    command
}

/// What is held, as `hold list` tells it.
fn held(env: &TestEnv) -> Vec<Value> {
    let ran = env.run("hold list --format json");
    ran.exits(0);
    let list: Value = serde_json::from_str(&ran.out).unwrap();
    list["holds"].as_array().unwrap().clone()
}

#[test]
fn a_list_as_json_has_nothing_raw_that_a_terminal_acts_on_x3() {
    let (env, _) = home();
    let (chat, reason) = ("c\u{9b}31m\u{202e}x\u{7f}", "\u{9b}2J");
    let words = ["hold", "start", "--chat", chat, "--key", "k", "--reason", reason, "--pid", "1"];
    Ran::of(&mut env.command(words)).exits(0);
    let ran = env.run("hold list --json");
    let is_raw = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
    assert!(!ran.exits(0).out.contains(is_raw), "{:?}", ran.out);
    // And it reads back the same.
    let [hold] = &held(&env)[..] else { panic!("{ran:?}") };
    assert_eq!((&hold["chat_id"], &hold["reason"]), (&Value::from(chat), &Value::from(reason)));
}

/// Starts a holder whose command says that it has begun, and waits until it has.
fn begun(env: &TestEnv, options: &[&str], script: &str) -> Child {
    let script = format!("echo begun; {script}");
    let mut child = start(&mut holder(env, options, &["sh", "-c", &script]));
    let mut said = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"begun\n");
    child
}

/// The process that a holder has started.
fn work_of(env: &TestEnv, holder: &Child) -> Pid {
    let mut found = None;
    wait_until(|| {
        let its = format!("run-{}-", holder.id());
        let held = held(env);
        let its = held.iter().find(|hold| hold["key"].as_str().unwrap().starts_with(&its));
        found = its.map(|hold| serde_json::from_value::<[i32; 1]>(hold["pids"].clone()).unwrap());
        found.is_some()
    });
    Pid::from_raw(found.unwrap()[0]).unwrap()
}

/// The state of a process by one letter: `T` is stopped, `Z` dead; nothing where there is none.
fn letter(process: Pid) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

fn is_over(process: Pid) -> bool {
    letter(process).is_none_or(|letter| letter == 'Z')
}

/// What a clean makes of the one mapping.
#[track_caller]
fn check(env: &TestEnv, expected: &str, reason: &str) {
    let report = env.json("-n");
    assert_eq!(state(&report, "chat"), expected, "{report:#}");
    let told = row(&report, "chat")["reason"].as_str().unwrap();
    assert!(told.starts_with(reason), "{told}");
}

#[test]
fn while_its_command_runs_a_session_stays_and_right_after_it_goes() {
    let (env, id) = home();
    for (options, reason) in [
        (vec!["--session", &id], "held for tool_exec since 20"),
        (vec!["--chat", "chat", "--reason", "api_call"], "held for api_call since 20"),
        (vec!["--session", &id.to_uppercase(), "--reason", "a \u{1b}[1m b"], "held for a \u{1b}["),
    ] {
        let before = env.map_bytes();
        let child = begun(&env, &options, "read x; exit 0");
        check(&env, "in_use", reason);
        let real = env.run("clean");
        real.exits(0);
        assert!(real.out.contains("  In use (kept): 1\n"), "{}", real.out);
        assert!(real.out.contains("kept: held for ") && !real.out.contains('\u{1b}'));
        assert_eq!(env.map_bytes(), before, "it stays");
        finish(child).exits(0);
        check(&env, "idle", "idle");
        assert_eq!(held(&env), [json!(null); 0]);
    }
    assert_eq!(env.json("clean")["summary"]["removed"], 1);
}

#[test]
fn a_killed_holder_holds_as_long_as_its_command_goes_on() {
    let (env, id) = home();
    let child = begun(&env, &["--session", &id], "exec sleep 60");
    let work = work_of(&env, &child);
    kill_process(pid(&child), Signal::KILL).unwrap();
    assert_eq!(child.wait_with_output_of_killed(), -1);
    check(&env, "in_use", "held for tool_exec");
    kill_process(work, Signal::KILL).unwrap();
    wait_until(|| is_over(work));
    let holds = env.home(".local/state/session-warden/holds");
    check(&env, "idle", "idle");
    assert_eq!(fs::read_dir(&holds).unwrap().count(), 1, "a dry run sweeps nothing");
    assert_eq!(env.json("clean")["summary"]["removed"], 1);
    assert_eq!(fs::read_dir(&holds).unwrap().count(), 0, "a dead hold goes");
}

trait Killed {
    fn wait_with_output_of_killed(self) -> i32;
}

impl Killed for Child {
    /// The exit code; the command that still runs has the other ends of the pipes.
    fn wait_with_output_of_killed(mut self) -> i32 {
        self.wait().unwrap().code().unwrap_or(-1)
    }
}

#[test]
fn the_exit_code_is_the_commands() {
    let (env, id) = home();
    env.file("not-executable", "x", 0);
    fs::set_permissions(env.home("not-executable"), fs::Permissions::from_mode(0o644)).unwrap();
    let file = env.home("not-executable");
    let rows: [(&[&str], i32); 8] = [
        (&["true"], 0),
        (&["false"], 1),
        (&["sh", "-c", "exit 77"], 77),
        (&["sh", "-c", "exit 255"], 255),
        (&["sh", "-c", "kill -TERM $$"], 143),
        (&["sh", "-c", "kill -KILL $$"], 137),
        (&["no-such-command"], 127),
        (&[file.to_str().unwrap()], 126),
    ];
    for (work, code) in rows {
        let ran = bounded(&mut holder(&env, &["--session", &id], work));
        ran.exits(code);
        // The error and its hint.
        let expected = if code == 126 || code == 127 { 2 } else { 0 };
        assert_eq!(ran.err.lines().count(), expected, "{ran:?}");
        assert_eq!(held(&env), [json!(null); 0], "{work:?}");
    }
    // Usage is told before anything runs.
    for options in [&[][..], &["--session", ""], &["--session", "a", "--chat", "b"]] {
        let ran = bounded(&mut holder(&env, options, &["touch", "ran"]));
        ran.exits(2);
        assert!(!env.path("ran").exists());
    }
    env.run("hold --session x").exits(2).says(&["<COMMAND>"]);
}

#[test]
fn signals_are_handed_on_and_what_they_do_is_told() {
    let (env, id) = home();
    // What this was started to ignore, as in the background of a script, its commands ignore as well.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
    let is_heard = |signal: &Signal| ignored & 1 << (signal.as_raw() - 1) == 0;
    for (signal, name) in [
        (Signal::ALARM, "ALRM"),
        (Signal::XCPU, "XCPU"),
        (Signal::XFSZ, "XFSZ"),
        (Signal::SYS, "SYS"),
        (Signal::TRAP, "TRAP"),
        (Signal::ABORT, "ABRT"),
        (Signal::INT, "INT"),
        (Signal::TERM, "TERM"),
        (Signal::HUP, "HUP"),
        (Signal::QUIT, "QUIT"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
    ]
    .into_iter()
    .filter(|(signal, _)| is_heard(signal))
    {
        // One that it handles, and one that ends it.
        let traps = format!("trap 'echo got {name}; exit 9' {name}; echo set; ");
        for (script, expected) in [(&*traps, 9), ("echo set; ", 128 + signal.as_raw())] {
            let script = format!("{script}while :; do sleep 0.02; done");
            let mut child = begun(&env, &["--session", &id], &script);
            let mut said = [0; 4];
            child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
            let work = work_of(&env, &child);
            kill_process(pid(&child), signal).unwrap();
            let ran = finish(child);
            assert_eq!(ran.code, expected, "{name}: {ran:?}");
            assert_eq!(ran.out.contains("got"), expected == 9, "{name}: {ran:?}");
            assert!(is_over(work));
            assert_eq!(held(&env), [json!(null); 0]);
        }
    }
}

#[test]
fn a_stopped_command_stops_its_holder_and_both_go_on() {
    let (env, id) = home();
    let child = begun(&env, &["--session", &id], "read x; exit 5");
    let (holder, work) = (pid(&child), work_of(&env, &child));
    for _ in 0..2 {
        kill_process(holder, Signal::TSTP).unwrap();
        wait_until(|| letter(work) == Some('T') && letter(holder) == Some('T'));
        check(&env, "in_use", "held for tool_exec");
        kill_process(holder, Signal::CONT).unwrap();
        wait_until(|| letter(work) != Some('T') && letter(holder) != Some('T'));
    }
    // Whoever stops the command alone lets that go on alone: its holder goes on all the while.
    let has_terminal = fs::File::open("/dev/tty").is_ok();
    for signal in [Signal::STOP, Signal::TSTP].into_iter().take(2 - usize::from(has_terminal)) {
        kill_process(work, signal).unwrap();
        wait_until(|| letter(work) == Some('T'));
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert_ne!(letter(holder), Some('T'), "{signal:?}");
        kill_process(work, Signal::CONT).unwrap();
    }
    finish(child).exits(5);
}

#[test]
fn what_was_ignored_stays_ignored_as_under_nohup() {
    let (env, id) = home();
    let mut command = Command::new("sh");
    let line =
        "trap '' HUP; exec \"$0\" hold --session \"$1\" -- sh -c 'echo begun; read x; exit 4'";
    let theirs = env.command([] as [&str; 0]);
    command.args(["-c", line]).arg(theirs.get_program()).arg(&id).env_clear();
    command.envs(theirs.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::piped()).process_group(0);
    let mut child = start(&mut command);
    let mut said = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    let work = work_of(&env, &child);
    kill_process(pid(&child), Signal::HUP).unwrap();
    kill_process(work, Signal::HUP).unwrap();
    check(&env, "in_use", "held for tool_exec");
    finish(child).exits(4);
}

#[test]
fn standard_streams_are_the_commands_own() {
    let (env, id) = home();
    let mut child = start(&mut holder(&env, &["--session", &id], &["sh", "-c", "cat; echo e >&2"]));
    let bytes: Vec<u8> = (0..200_000_u32).map(|byte| byte.to_le_bytes()[0]).collect();
    let mut stdin = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&sent).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(output.stdout, bytes);
    assert_eq!(output.stderr, b"e\n");
    // Other files that were open are, too.
    let mut command = Command::new("sh");
    let line = "exec 3>three; \"$0\" hold --session x -- sh -c 'echo here >&3'";
    let theirs = env.command([] as [&str; 0]);
    command.args(["-c", line]).arg(theirs.get_program()).env_clear().current_dir(env.path(""));
    command.envs(theirs.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Ran::of(&mut command).exits(0);
    assert_eq!(fs::read_to_string(env.path("three")).unwrap(), "here\n");
}

#[test]
fn nested_and_parallel_holds_hold_until_the_last_ends() {
    let (env, id) = home();
    let first = begun(&env, &["--session", &id, "--reason", "api_call"], "read x; exit 0");
    let second = begun(&env, &["--chat", "chat"], "read x; exit 0");
    let binary = env.command([] as [&str; 0]).get_program().to_str().unwrap().to_owned();
    let script = format!("{binary} hold --session {id} -- sh -c 'echo inner; read x'; exit 0");
    let mut third = begun(&env, &["--session", &id], &script);
    let mut said = [0; 6];
    third.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    let mut reasons: Vec<_> = held(&env).iter().map(|hold| hold["reason"].clone()).collect();
    reasons.sort_by_key(ToString::to_string);
    assert_eq!(
        reasons,
        [json!("api_call"), json!("tool_exec"), json!("tool_exec"), json!("tool_exec")]
    );
    // The oldest tells why.
    check(&env, "in_use", "held for api_call");
    // What ends that was never begun ends nothing.
    env.run("hold stop --key other").exits(0);
    finish(first).exits(0);
    check(&env, "in_use", "held for tool_exec");
    finish(third).exits(0);
    check(&env, "in_use", "held for tool_exec");
    finish(second).exits(0);
    check(&env, "idle", "idle");
}

#[test]
fn a_hold_that_cannot_be_written_does_not_keep_the_command_from_running() {
    let (env, id) = home();
    fs::create_dir_all(env.home(".local/state")).unwrap();
    fs::write(env.home(".local/state/session-warden"), "in the way").unwrap();
    let ran = bounded(&mut holder(&env, &["--session", &id], &["sh", "-c", "echo ran; exit 3"]));
    ran.exits(3).says(&["warning: the session is not held", "session-warden/holds"]);
    assert_eq!(ran.out, "ran\n");
}

/// Wherever the holder is killed, what it has started is held as long as it goes on.
#[test]
fn a_holder_that_is_killed_at_any_moment_leaves_no_work_unprotected() {
    let (env, id) = home();
    for round in 0..40_u64 {
        let child = start(&mut holder(&env, &["--session", &id], &["sleep", "60"]));
        let mark = format!("run-{}-", child.id());
        std::thread::sleep(std::time::Duration::from_micros(round * 400));
        kill_process(pid(&child), Signal::KILL).unwrap();
        assert_eq!(child.wait_with_output_of_killed(), -1);
        // Long enough for what it has started to become the command.
        std::thread::sleep(std::time::Duration::from_millis(30));
        let its = sleeping(&env);
        for work in &its {
            let held = held(&env);
            assert!(held.iter().any(|hold| hold["pids"] == json!([work])), "{mark}: {work}");
            kill_process(Pid::from_raw(*work).unwrap(), Signal::KILL).unwrap();
        }
        for work in its {
            wait_until(|| is_over(Pid::from_raw(work).unwrap()));
        }
    }
}

/// The processes of this test that sleep.
fn sleeping(env: &TestEnv) -> Vec<i32> {
    let home = format!("HOME={}", env.home("").to_str().unwrap().trim_end_matches('/'));
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_its = |pid: &i32| {
        let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        read("cmdline").starts_with(b"sleep\0")
            && String::from_utf8_lossy(&read("environ")).contains(&home)
    };
    pids.filter(is_its).collect()
}

/// Daemons often ignore it, and what they start does then.
#[test]
fn where_ends_of_children_are_ignored_the_command_ends_all_the_same() {
    let (env, id) = home();
    let theirs = env.command([] as [&str; 0]);
    let mut command = Command::new("python3");
    let line = "import os,signal,sys\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n\
                os.execv(sys.argv[1], ['session-warden', 'hold', '--session', sys.argv[2], '--', \
                'sh', '-c', 'exit 3'])";
    command.args(["-c", line]).arg(theirs.get_program()).arg(&id).env_clear();
    command.envs(theirs.get_envs().filter_map(|(name, value)| Some((name, value?))));
    bounded(&mut command).exits(3);
    assert_eq!(held(&env), [json!(null); 0]);
}

/// What an alarm clock of the holder's own starts was meant for the command.
#[test]
fn a_signal_of_the_kernel_that_no_terminal_sends_is_handed_on() {
    let (env, id) = home();
    let theirs = env.command([] as [&str; 0]);
    let mut command = Command::new("python3");
    let line = "import os,signal,sys\nsignal.alarm(1)\n\
                os.execv(sys.argv[1], ['session-warden', 'hold', '--session', sys.argv[2], '--', \
                'sleep', '60'])";
    command.args(["-c", line]).arg(theirs.get_program()).arg(&id).env_clear();
    command.envs(theirs.get_envs().filter_map(|(name, value)| Some((name, value?))));
    bounded(&mut command).exits(128 + 14);
}

#[test]
fn without_a_state_folder_the_command_runs_unheld() {
    let (env, id) = home();
    if !rustix::process::geteuid().is_root() {
        // Only root can become somebody whom no password file knows.
        bounded(&mut holder(&env, &["--session", &id], &["true"])).exits(0);
        return;
    }
    let mut command = crate::child::unprivileged(&env, &format!("hold --session {id} -- echo ran"));
    command.env_remove("HOME").uid(3_999_999_999).gid(65534);
    let ran = bounded(&mut command);
    ran.exits(0).says(&["warning: the session is not held", "cannot determine the state folder"]);
    assert_eq!((ran.out.as_str(), ran.err.lines().count()), ("ran\n", 2), "{ran:?}");
}
