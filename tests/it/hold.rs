//! `hold -- COMMAND`: the command runs as if by itself, and its session stays meanwhile.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::child::{bounded, finish, pid, start, wait_until};
use crate::env::{HOUR, Ran, TestEnv, row, state};
use crate::in_use::fresh_id;

/// A session that is 5 h old, and a map of it.
pub(crate) fn home() -> (TestEnv, String) {
    let (env, id) = (TestEnv::new(), fresh_id());
    env.session("claude", &id, 5 * HOUR);
    env.map(json!({"claude-cli": {"chat": id}}).to_string());
    (env, id)
}

/// A command under `hold`, in a process group of its own as a shell would start it.
pub(crate) fn under_hold(env: &TestEnv, options: &[&str], work: &[&str]) -> Command {
    let words = ["hold"].iter().chain(options).chain(&["--"]).chain(work);
    let mut command = env.command(words);
    command.stdin(Stdio::piped()).process_group(0);
    command
}

/// What is held, as `hold list` tells it.
pub(crate) fn held(env: &TestEnv) -> Vec<Value> {
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

/// Starts a command under `hold` that prints that it has begun, and waits until it has.
pub(crate) fn begun(env: &TestEnv, options: &[&str], script: &str) -> Child {
    let script = format!("echo begun; {script}");
    let mut child = start(&mut under_hold(env, options, &["sh", "-c", &script]));
    let mut said = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"begun\n");
    child
}

/// The watchers of this test's commands.
pub(crate) fn watchers(env: &TestEnv) -> Vec<i32> {
    processes_of(env, |arguments| arguments.split(|byte| *byte == 0).any(|word| word == b"__watch"))
}

/// Waits until the only watcher of this test has all that it needs.
pub(crate) fn watcher_of(env: &TestEnv) -> Pid {
    let mut found = Vec::new();
    wait_until(|| {
        found = watchers(env);
        found.len() == 1
    });
    Pid::from_raw(found[0]).unwrap()
}

/// The processes of this test with such arguments.
pub(crate) fn processes_of(env: &TestEnv, is_it: impl Fn(&[u8]) -> bool) -> Vec<i32> {
    let home = format!("HOME={}", env.home("").to_str().unwrap().trim_end_matches('/'));
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_its = |pid: &i32| {
        let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        is_it(&read("cmdline")) && String::from_utf8_lossy(&read("environ")).contains(&home)
    };
    pids.filter(is_its).collect()
}

/// The files of holds, but for what a write that was killed has left.
pub(crate) fn files_of_holds(env: &TestEnv) -> usize {
    let folder = env.home(".local/state/session-warden/holds");
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter(|file| !file.file_name().to_str().unwrap().starts_with('.')).count()
}

/// Runs the command to its end. How it ended, as its parent sees it, and what it printed on standard error.
pub(crate) fn ended(command: &mut Command) -> (ExitStatus, String) {
    let output = start(command).wait_with_output().unwrap();
    (output.status, String::from_utf8(output.stderr).unwrap())
}

/// A field of the kernel's `stat` of a process, by its number.
pub(crate) fn stat(process: Pid, number: usize) -> String {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).unwrap();
    let fields = stat.rsplit(") ").next().unwrap();
    fields.split_whitespace().nth(number - 3).unwrap().to_owned()
}

/// The program of a test that becomes `hold` after some lines of Python, which may use `os` and `signal`.
pub(crate) fn from_python(env: &TestEnv, lines: &str, words: &[&str]) -> Command {
    let theirs = env.command([] as [&str; 0]);
    let mut command = Command::new("python3");
    let script =
        format!("import os,resource,signal,sys\n{lines}\nos.execv(sys.argv[1], sys.argv[1:])");
    command.args(["-c", &script]).arg(theirs.get_program()).args(words).env_clear();
    command.envs(theirs.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(env.path("")).stdin(Stdio::null());
    command
}

/// The state of a process by one letter: `T` is stopped, `Z` dead; nothing where there is none.
pub(crate) fn letter(process: Pid) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// What a clean makes of the one mapping.
#[track_caller]
pub(crate) fn check(env: &TestEnv, expected: &str, reason: &str) {
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
        let (status, err) = ended(&mut under_hold(&env, &["--session", &id], work));
        match code - 128 {
            // A signal ends the very process that was started, and a shell makes a code of that.
            signal @ 1.. if code < 255 => assert_eq!(status.signal(), Some(signal), "{work:?}"),
            _ => assert_eq!(status.code(), Some(code), "{work:?}"),
        }
        // The error and its hint.
        let expected = if code == 126 || code == 127 { 2 } else { 0 };
        assert_eq!(err.lines().count(), expected, "{err}");
        assert_eq!(held(&env), [json!(null); 0], "{work:?}");
        if expected > 0 {
            assert_eq!(files_of_holds(&env), 0, "nothing ran, so nothing waits for the watcher");
        }
        wait_until(|| files_of_holds(&env) == 0 && watchers(&env).is_empty());

        let theirs = under_hold(&env, &["--session", &id], work);
        let mut shell = Command::new("sh");
        shell.args(["-c", "\"$0\" \"$@\"; echo $?"]).arg(theirs.get_program());
        shell.args(theirs.get_args()).env_clear().stdin(Stdio::null());
        shell.envs(theirs.get_envs().filter_map(|(name, value)| Some((name, value?))));
        assert_eq!(bounded(&mut shell).out, format!("{code}\n"), "{work:?}");
    }
    // Usage is told before anything runs.
    for options in [&[][..], &["--session", ""], &["--session", "a", "--chat", "b"]] {
        let ran = bounded(&mut under_hold(&env, options, &["touch", "ran"]));
        ran.exits(2);
        assert!(!env.path("ran").exists());
    }
    env.run("hold --session x").exits(2).says(&["<COMMAND>"]);
}

#[test]
fn signals_reach_the_command_and_end_it_as_if_it_ran_by_itself() {
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
        // One that it handles, and one that ends it. The whole group gets it, as from a terminal.
        let traps = format!("trap 'echo got {name}; exit 9' {name}; echo set; ");
        for (script, is_trapped) in [(&*traps, true), ("echo set; ", false)] {
            let script = format!("{script}while :; do sleep 0.02; done");
            let mut child = begun(&env, &["--session", &id], &script);
            let mut said = [0; 4];
            child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
            assert_eq!(held(&env)[0]["pids"], json!([child.id()]));
            kill_process_group(pid(&child), signal).unwrap();
            let output = child.wait_with_output().unwrap();
            let out = String::from_utf8(output.stdout).unwrap();
            assert_eq!(out.matches("got").count(), usize::from(is_trapped), "{name}: {out}");
            let expected = (!is_trapped).then_some(signal.as_raw());
            assert_eq!(output.status.signal(), expected, "{name}");
            assert_eq!(output.status.code(), is_trapped.then_some(9), "{name}");
            assert_eq!(held(&env), [json!(null); 0]);
        }
    }
}

#[test]
fn a_stopped_command_is_a_stopped_job_and_goes_on() {
    let (env, id) = home();
    let child = begun(&env, &["--session", &id], "read x; exit 5");
    let work = pid(&child);
    let report = |options| waitid(WaitId::Pid(work), options).unwrap().unwrap();
    for signal in [Signal::TSTP, Signal::STOP] {
        kill_process_group(work, signal).unwrap();
        // A shell learns of each stop and each continuation once.
        let status = report(WaitIdOptions::STOPPED);
        assert_eq!(status.stopping_signal(), Some(signal.as_raw()));
        assert_eq!(letter(work), Some('T'));
        check(&env, "in_use", "held for tool_exec");
        assert_ne!(letter(watcher_of(&env)), Some('T'));
        kill_process_group(work, Signal::CONT).unwrap();
        assert!(report(WaitIdOptions::CONTINUED).continued());
    }
    finish(child).exits(5);
}

/// By a shell that knows jobs.
#[test]
fn a_job_in_the_background_is_stopped_continued_and_killed() {
    let (env, id) = home();
    let theirs = under_hold(&env, &["--session", &id], &["sleep", "60"]);
    let mut shell = Command::new("bash");
    let line = "set -m; \"$0\" \"$@\" & \
                until [ \"$(tr -d '\\0' </proc/$!/cmdline)\" = sleep60 ]; do sleep 0.02; done; \
                kill -STOP %1; until [ -n \"$(jobs -s)\" ]; do sleep 0.02; done; jobs -s | grep -c Stopped; \
                kill -CONT %1; until [ -n \"$(jobs -r)\" ]; do sleep 0.02; done; jobs -r | grep -c Running; \
                kill %1; wait %1; echo $?";
    shell.args(["-c", line]).arg(theirs.get_program());
    shell.args(theirs.get_args()).env_clear().stdin(Stdio::null());
    shell.envs(theirs.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = bounded(&mut shell);
    assert_eq!(ran.exits(0).out, "1\n1\n143\n", "{ran:?}");
    wait_until(|| files_of_holds(&env) == 0);
}

#[test]
fn the_command_has_the_parent_and_the_group_of_its_caller_and_no_child() {
    let (env, id) = home();
    let child = begun(&env, &["--session", &id], "read x; exit 0");
    let (work, us) = (pid(&child), rustix::process::getpid());
    assert_eq!(stat(work, 4), us.as_raw_nonzero().to_string(), "its parent");
    assert_eq!(stat(work, 5), work.as_raw_nonzero().to_string(), "its group, as it was started");
    assert_eq!(stat(work, 6), stat(us, 6), "its session");
    let id = work.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    assert_eq!(children, "");
    let watcher = watcher_of(&env);
    assert_eq!(stat(watcher, 6), watcher.as_raw_nonzero().to_string(), "a session of its own");
    assert_ne!(stat(watcher, 4), us.as_raw_nonzero().to_string());
    finish(child).exits(0);
}

/// The masks in lines of a process's status, without the signals that the C library keeps for itself.
fn masks(status: &str) -> Vec<u64> {
    const OF_LIBRARY: u64 = 0b11 << 31;
    let masks = status.lines().map(|line| line.split_whitespace().nth(1).unwrap());
    masks.map(|mask| u64::from_str_radix(mask, 16).unwrap() & !OF_LIBRARY).collect()
}

#[test]
fn signals_that_were_ignored_or_blocked_stay_so_as_under_nohup() {
    let (env, id) = home();
    let lines = "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n\
                 signal.signal(signal.SIGUSR2, signal.SIG_IGN)\n\
                 signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n\
                 signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM})\n\
                 # Of SIGPIPE, a Rust program cannot know whether it was ignored.\n\
                 signal.signal(signal.SIGPIPE, signal.SIG_DFL)";
    let work = ["grep", "^Sig[BI]", "/proc/self/status"];
    let words: Vec<&str> = ["hold", "--session", &id, "--"].into_iter().chain(work).collect();
    let mut held = from_python(&env, lines, &words);
    let mut plain = Command::new("python3");
    let script = format!("import os,signal,sys\n{lines}\nos.execvp(sys.argv[1], sys.argv[1:])");
    plain.args(["-c", &script]).args(work).stdin(Stdio::null());
    let (expected, found) = (bounded(&mut plain), bounded(&mut held));
    assert_eq!(masks(&expected.exits(0).out).len(), 2, "{expected:?}");
    assert_eq!(masks(&found.exits(0).out), masks(&expected.out));

    let words = ["hold", "--session", &id, "--", "sh", "-c", "echo begun; read x; exit 4"];
    let mut command = from_python(&env, "signal.signal(signal.SIGHUP, signal.SIG_IGN)", &words);
    let mut child = start(command.stdin(Stdio::piped()).process_group(0));
    let mut said = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    kill_process_group(pid(&child), Signal::HUP).unwrap();
    check(&env, "in_use", "held for tool_exec");
    finish(child).exits(4);
}

#[test]
fn standard_streams_are_the_commands_own() {
    let (env, id) = home();
    let mut child =
        start(&mut under_hold(&env, &["--session", &id], &["sh", "-c", "cat; echo e >&2"]));
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
fn a_terminal_is_the_commands() {
    let (env, id) = home();
    let script = "test -t 0 && test -t 2 && read x && echo \"got $x\"";
    let mut command = env.command(["hold", "--session", &id, "--", "sh", "-c", script]);
    assert_eq!(crate::terminal::typed(&mut command, "words\n").exits(0).out, "got words\n");
}

/// An alarm clock goes with the process, whatever that becomes.
#[test]
fn a_signal_of_the_kernel_reaches_the_command() {
    let (env, id) = home();
    let words = ["hold", "--session", &id, "--", "sleep", "60"];
    let (status, _) = ended(&mut from_python(&env, "signal.alarm(1)", &words));
    assert_eq!(status.signal(), Some(14));
}
