//! The watcher beside a command under `hold`: it keeps nothing open and leaves nothing behind, and the command
//! runs, held where that is possible, whatever becomes of it. Holds within holds.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::child::{bounded, finish, pid, start, unprivileged, wait_until};
use crate::hold::{
    begun, check, files_of_holds, from_python, held, home, under_hold, watcher_of, watchers,
};
#[test]
fn a_hold_whose_watcher_was_killed_ends_with_its_process() {
    let (env, id) = home();
    let child = begun(&env, &["--session", &id], "exec sleep 60");
    let work = pid(&child);
    kill_process(watcher_of(&env), Signal::KILL).unwrap();
    wait_until(|| watchers(&env).is_empty());
    check(&env, "in_use", "held for tool_exec");
    kill_process(work, Signal::KILL).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.signal(), Some(9));
    check(&env, "idle", "idle");
    assert_eq!(files_of_holds(&env), 1, "a dry run sweeps nothing");
    assert_eq!(env.json("clean")["summary"]["removed"], 1);
    assert_eq!(files_of_holds(&env), 0, "a dead hold goes");
}

/// As a service is stopped: all of its processes are.
#[test]
fn a_watcher_outlives_a_signal_to_all_and_ends_with_the_command() {
    let (env, id) = home();
    let log = env.path("log");
    let options = ["--session", &id, "--log", log.to_str().unwrap()];
    let child = begun(&env, &options, "trap '' TERM; read x; exit 3");
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        kill_process(watcher_of(&env), signal).unwrap();
    }
    kill_process(pid(&child), Signal::TERM).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(watchers(&env).len(), 1);
    finish(child).exits(3);
    wait_until(|| watchers(&env).is_empty());
    assert_eq!(files_of_holds(&env), 0);
    assert!(fs::read_to_string(log).unwrap().contains("session_activity_at_shutdown"));
}

/// A process that reads the command's output, as `$(…)` does, reads until the command ends and no longer.
#[test]
fn a_watcher_keeps_no_file_of_the_caller_open() {
    let (env, id) = home();
    let words =
        ["hold", "--session", &id, "--", "sh", "-c", "echo begun; exec >&- 2>&- 7>&-; read x"];
    let mut command = from_python(&env, "os.dup2(1, 7)", &words);
    let mut child = start(command.stdin(Stdio::piped()));
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let (mut first, mut rest) = (String::new(), String::new());
    out.read_line(&mut first).unwrap();
    out.read_to_string(&mut rest).unwrap();
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((&*first, &*rest, &*err), ("begun\n", "", ""));
    // Both have ended, and the command still runs.
    check(&env, "in_use", "held for tool_exec");
    let files = |process: Pid| -> Vec<PathBuf> {
        let listed = fs::read_dir(format!("/proc/{}/fd", process.as_raw_nonzero())).unwrap();
        listed.flatten().filter_map(|file| fs::read_link(file.path()).ok()).collect()
    };
    let (its, watchers) = (files(pid(&child)), files(watcher_of(&env)));
    let shared: Vec<&PathBuf> = watchers
        .iter()
        .filter(|file| its.contains(file) && file.to_str() != Some("/dev/null"))
        .collect();
    assert!(shared.is_empty(), "{shared:?}");
    drop(child.stdin.take());
    child.wait().unwrap();

    let mut shell = Command::new("sh");
    let theirs = env.command([] as [&str; 0]);
    let line = "x=$(\"$0\" hold --session s --beat 1h -- sh -c 'echo one; echo two >&2' 2>&1 | cat); echo \"<$x>\"";
    shell.args(["-c", line]).arg(theirs.get_program()).env_clear();
    shell.envs(theirs.get_envs().filter_map(|(name, value)| Some((name, value?))));
    assert_eq!(bounded(&mut shell).out, "<one\ntwo>\n");
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

/// Then one process has two holds.
#[test]
fn a_hold_whose_command_is_a_hold_goes_on() {
    let (env, id) = home();
    let binary = env.command([] as [&str; 0]).get_program().to_str().unwrap().to_owned();
    let inner = [&*binary, "hold", "--session", "other", "--", "sh", "-c", "echo begun; read x"];
    let mut child = start(&mut under_hold(&env, &["--session", &id], &inner));
    let mut said = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    let both = held(&env);
    let mut sessions: Vec<&str> =
        both.iter().map(|hold| hold["session_id"].as_str().unwrap()).collect();
    sessions.sort_unstable();
    let mut expected = [&*id, "other"];
    expected.sort_unstable();
    assert_eq!(sessions, expected);
    assert!(both.iter().all(|hold| hold["pids"] == json!([child.id()])), "{both:?}");
    check(&env, "in_use", "held for tool_exec");
    child.wait_with_output().unwrap();
    wait_until(|| files_of_holds(&env) == 0);
}

#[test]
fn a_hold_that_cannot_be_written_does_not_keep_the_command_from_running() {
    let (env, id) = home();
    fs::create_dir_all(env.home(".local/state")).unwrap();
    fs::write(env.home(".local/state/session-warden"), "in the way").unwrap();
    let ran =
        bounded(&mut under_hold(&env, &["--session", &id], &["sh", "-c", "echo ran; exit 3"]));
    ran.exits(3).says(&["warning: the session is not held", "session-warden/holds"]);
    assert_eq!(ran.out, "ran\n");
}

/// Whenever it is killed, no command runs without its hold, and no watcher is left.
#[test]
fn a_kill_at_any_moment_leaves_no_work_unprotected() {
    let (env, id) = home();
    let mut was_work = 0;
    for round in 0..500_u64 {
        if round >= 40 && was_work >= 3 {
            break;
        }
        let child = start(&mut under_hold(&env, &["--session", &id], &["sleep", "60"]));
        let process = pid(&child);
        std::thread::sleep(Duration::from_micros(round * 1000));
        // It stands still, so that both are looked at as they were at that moment.
        kill_process(process, Signal::STOP).unwrap();
        waitid(WaitId::Pid(process), WaitIdOptions::STOPPED).unwrap();
        let command = fs::read(format!("/proc/{}/cmdline", child.id())).unwrap();
        if command.starts_with(b"sleep\0") {
            was_work += 1;
            assert_eq!(held(&env)[0]["pids"], json!([child.id()]));
        }
        kill_process(process, Signal::KILL).unwrap();
        assert_eq!(child.wait_with_output().unwrap().status.signal(), Some(9));
        assert_eq!(held(&env), [json!(null); 0]);
        wait_until(|| watchers(&env).is_empty());
    }
    // As soon as a watcher ran, the hold has gone; before, it is swept.
    assert!(was_work > 0, "no round was late enough");
    assert_eq!(env.json("clean")["summary"]["removed"], 1);
    assert_eq!(files_of_holds(&env), 0);
}

/// Daemons often ignore it, and what they start does then.
#[test]
fn where_ends_of_children_are_ignored_the_command_runs_all_the_same() {
    let (env, id) = home();
    let words = ["hold", "--session", &id, "--", "sh", "-c", "exit 3"];
    let ran =
        bounded(&mut from_python(&env, "signal.signal(signal.SIGCHLD, signal.SIG_IGN)", &words));
    assert_eq!((ran.exits(3).err.as_str(), held(&env).len()), ("", 0));
}

#[test]
fn without_a_watcher_the_command_runs_and_is_held() {
    let (env, id) = home();
    let line = format!("hold --session {id} -- sh -c read");
    let theirs = unprivileged(&env, &line);
    let mut command = Command::new("python3");
    let script = "import os,resource,sys\nresource.setrlimit(resource.RLIMIT_NPROC, (0, 0))\n\
                  os.execv(sys.argv[1], sys.argv[1:])";
    command.args(["-c", script]).arg(theirs.get_program());
    command.args(["hold", "--session", &id, "--", "sh", "-c", "echo begun; read x; exit 3"]);
    command.env_clear().envs(theirs.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if rustix::process::geteuid().is_root() {
        command.uid(crate::child::NOBODY).gid(crate::child::NOBODY);
    }
    let mut child = start(command.current_dir(env.path("")).stdin(Stdio::piped()));
    let mut said = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"begun\n");
    let holds = env.home(".local/state/session-warden/holds");
    let file = fs::read_dir(holds).unwrap().next().unwrap().unwrap();
    let hold: Value = serde_json::from_slice(&fs::read(file.path()).unwrap()).unwrap();
    assert_eq!(hold["processes"][0]["pid"], child.id());
    finish(child).exits(3).says(&["warning: cannot start the watcher of the hold", "hint: "]);
}

#[test]
fn without_a_state_folder_the_command_runs_unheld() {
    let (env, id) = home();
    if !rustix::process::geteuid().is_root() {
        // Only root can become somebody whom no password file knows.
        bounded(&mut under_hold(&env, &["--session", &id], &["true"])).exits(0);
        return;
    }
    let mut command = unprivileged(&env, &format!("hold --session {id} -- echo ran"));
    command.env_remove("HOME").uid(3_999_999_999).gid(65534);
    let ran = bounded(&mut command);
    ran.exits(0).says(&["warning: the session is not held", "cannot determine the state folder"]);
    assert_eq!((ran.out.as_str(), ran.err.lines().count()), ("ran\n", 2), "{ran:?}");
}
