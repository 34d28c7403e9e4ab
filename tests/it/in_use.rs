//! A session at work is not idle, however old its file: a live process keeps it.

use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use crate::env::{DAY, HOUR, MINUTE, Ran, TestEnv, link, row, state};

/// An id that no other test's processes name: all of them run at once.
pub fn fresh_id() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("0192f3a4-5b6c-7d8e-9f00-{:06x}{number:06x}", std::process::id() & 0xff_ffff)
}

const IDLE: &str = "22222222-2222-4222-8222-222222222222";

/// A process that waits until it is ended with this value.
pub struct Running(Child);

impl Running {
    /// A shell that waits, with these arguments beside.
    pub fn with(arguments: &[&str]) -> Self {
        Self::started(Command::new("/bin/sh").args(["-c", "sleep 60; :", "sh"]).args(arguments))
    }

    pub fn started(command: &mut Command) -> Self {
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        loop {
            match command.spawn() {
                // Another test's thread was starting a process while the program was written.
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {
                    thread::sleep(Duration::from_millis(10));
                }
                started => {
                    let child = started.unwrap();
                    // For a moment after the start, a process has no arguments yet.
                    let arguments = format!("/proc/{}/cmdline", child.id());
                    while fs::read(&arguments).is_ok_and(|arguments| arguments.is_empty()) {}
                    return Self(child);
                }
            }
        }
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A session of that provider that is 5 h old, and an idle one of Claude's.
fn home(provider: &str, model: &str) -> (TestEnv, String) {
    let (env, id) = (TestEnv::new(), fresh_id());
    env.session(provider, &id, 5 * HOUR);
    env.session("claude", IDLE, DAY);
    let mut map = json!({"claude-cli": {"idle": IDLE}});
    map[model]["busy"] = id.as_str().into();
    env.map(map.to_string());
    (env, id)
}

/// Asserts that the session is in use by that process, in a dry run and in a real one.
#[track_caller]
fn check(env: &TestEnv, model: &str, process: u32) {
    let before = env.map_bytes();
    for line in ["-n", "clean"] {
        let report = env.json(line);
        assert_eq!(state(&report, "busy"), "in_use", "{report:#}");
        let reason = row(&report, "busy")["reason"].as_str().unwrap();
        let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap();
        // The kernel names no process but one of our own user's.
        let named = format!("process {process} ({})", name.trim_end());
        assert!(reason == named || process == std::process::id(), "{reason}");
        assert!(reason.starts_with(&format!("process {process}")), "{reason}");
        assert_eq!(row(&report, "busy")["action"], "kept");
        assert_eq!(
            (&report["summary"]["in_use"], &report["summary"]["idle"]),
            (&json!(1), &json!(1))
        );
    }
    assert!(env.map_now()[model]["busy"].is_string());
    assert_eq!(env.map_now()["claude-cli"].get("idle"), None);
    env.map(before);
}

#[track_caller]
fn check_idle(env: &TestEnv) {
    let report = env.json("-n");
    assert_eq!(state(&report, "busy"), "idle", "{report:#}");
}

#[test]
fn a_process_that_resumes_a_session_keeps_it_e4() {
    for (provider, model) in
        [("claude", "claude-cli"), ("codex", "codex-cli"), ("gemini", "gemini-cli")]
    {
        let (env, id) = home(provider, model);
        let running = Running::with(&["claude", "--resume", &id]);
        check(&env, model, running.id());
        let text = env.run("clean");
        assert!(text.out.contains("  In use (kept): 1\n"), "{}", text.out);
        assert!(text.out.contains(&format!("process {}", running.id())), "{}", text.out);
        drop(running);
        check_idle(&env);
    }
}

#[test]
fn only_the_whole_id_as_a_word_counts() {
    let (env, id) = home("claude", "claude-cli");
    for argument in [&format!("x{id}"), &format!("{id}1"), &id[..35], "", &id.replace('-', "")] {
        let _running = Running::with(&[argument]);
        check_idle(&env);
    }
    for argument in [
        format!("--resume={id}"),
        format!("/p/{id}.jsonl"),
        id.to_uppercase(),
        format!("/s/2026/01/05/rollout-2026-01-05T10-00-00-{id}.jsonl"),
        format!("session_{id}"),
        format!("{id}-1"),
    ] {
        let running = Running::with(&[&argument]);
        let report = env.json("-n");
        assert_eq!(row(&report, "busy")["reason"], format!("process {} (sh)", running.id()));
    }
}

#[test]
fn another_run_of_ours_that_names_a_session_does_not_use_it_e4() {
    let (env, id) = home("claude", "claude-cli");
    let program = env.path("session-warden");
    fs::copy(fs::canonicalize("/bin/sh").unwrap(), &program).unwrap();
    let mut command = Command::new(&program);
    let _ours = Running::started(command.args(["-c", "sleep 60; :", "clean", "--pin", &id]));
    check_idle(&env);
}

#[test]
fn whoever_starts_the_clean_is_not_in_its_way_e4() {
    let (env, id) = home("claude", "claude-cli");
    let mut command = env.command(["-n", "--format", "json"]);
    // A shell above ours that names the session.
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "\"$0\" -n --format json; exit $?"]).arg(command.get_program()).arg(&id);
    shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let report = Ran::of(&mut shell).report();
    assert_eq!(state(&report, "busy"), "idle");
    assert_eq!(Ran::of(&mut command).report()["summary"], report["summary"]);
}

#[test]
fn a_claude_that_says_it_runs_keeps_its_session_while_it_lives() {
    let (env, id) = home("claude", "claude-cli");
    let running = Running::with(&[]);
    let (session, id) = (id, running.id());
    let says = |more: Value| {
        let mut about = json!({"pid": id, "sessionId": session, "status": "busy", "updatedAt": 1});
        about.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        env.file(&format!(".claude/sessions/{id}.json"), about.to_string(), 0);
    };
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let started = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().to_owned();
    says(json!({"procStart": started}));
    check(&env, "claude-cli", id);
    for unclear in
        [json!({}), json!({"procStart": "Sat Nov 21"}), json!({"procStart": 1_795_000_000_000_u64})]
    {
        says(unclear.clone());
        let report = env.json("-n");
        assert_eq!(state(&report, "busy"), "in_use", "{unclear}");
    }
    // Another process has that id now.
    says(json!({"procStart": "1"}));
    check_idle(&env);
    says(json!({"sessionId": IDLE}));
    check_idle(&env);
    says(json!({}));
    drop(running);
    check_idle(&env);
}

/// Runs on that home, and asserts that the idle session of that provider is kept, since it cannot be
/// told whether it is in use.
#[track_caller]
fn check_untold(env: &TestEnv, provider: &str) {
    for line in ["-n --format json", "clean --format json"] {
        let ran = env.run(line);
        ran.exits(3).says(&[&format!("{provider}: cannot tell which sessions are in use")]);
        let report = ran.report();
        assert_eq!(state(&report, "busy"), "unknown", "{report:#}");
        assert_eq!(row(&report, "busy")["reason"], "may be in use");
        assert_eq!(report["warnings"][0]["code"], "use_unread");
    }
}

#[test]
fn what_cannot_be_read_of_a_running_claude_keeps_the_idle_d1() {
    let (env, id) = home("claude", "claude-cli");
    let running = Running::with(&[]);
    let file = env.home(&format!(".claude/sessions/{}.json", running.id()));
    let about = json!({"pid": running.id(), "sessionId": id}).to_string();
    // As much as Claude may come to write is read.
    env.file(
        &format!(".claude/sessions/{}.json", running.id()),
        about.clone() + &" ".repeat(200_000),
        0,
    );
    assert_eq!(state(&env.json("-n"), "busy"), "in_use");
    for odd in ["dangling", "fifo"] {
        fs::remove_file(&file).unwrap();
        match odd {
            "fifo" => {
                let made = Command::new("mkfifo").arg(&file).status().unwrap();
                assert!(made.success());
            }
            _ => link("/nowhere/at/all".as_ref(), &file),
        }
        check_untold(&env, "claude");
    }
    // What a Claude has left behind that runs no more says nothing.
    drop(running);
    check_idle(&env);
    fs::remove_dir_all(env.home(".claude/sessions")).unwrap();
    check_idle(&env);
    link("/nowhere/at/all".as_ref(), &env.home(".claude/sessions"));
    check_untold(&env, "claude");
}

#[test]
fn a_record_that_does_not_parse_is_that_of_a_process_without_one_e4() {
    let (env, id) = home("claude", "claude-cli");
    let folder = fs::canonicalize(env.path("")).unwrap();
    let mut command = Command::new("/bin/sh");
    let running = Running::started(command.args(["-c", "sleep 60; :"]).current_dir(&folder));
    let record = format!(".claude/sessions/{}.json", running.id());
    let about = json!({"pid": running.id(), "sessionId": id, "status": "idle"}).to_string();
    // In the middle of a write, or made larger than it ever is.
    let torn = [about[..20].to_owned(), String::new(), " ".repeat(2 << 20) + &about];
    for content in &torn {
        env.file(&record, content, 0);
        // It works in another folder than the session.
        check_idle(&env);
    }
    // Unless what is there names the session.
    env.file(&record, &about[..about.len() - 4], 0);
    assert_eq!(state(&env.json("-n"), "busy"), "in_use");
    let name = dashed(&folder);
    let of_folder = env.home(&format!(".claude/projects/{name}"));
    fs::rename(env.home(".claude/projects/-w"), of_folder).unwrap();
    for content in &torn {
        env.file(&record, content, 0);
        let report = env.json("-n");
        assert_eq!(state(&report, "busy"), "in_use", "{report:#}");
    }
    // Whole again, it says that the process is idle.
    env.file(&record, &about, 0);
    assert_eq!(state(&env.json("-n"), "busy"), "resident");
    drop(running);
    check_idle(&env);
}

/// The name of a working folder's folder of sessions.
fn dashed(folder: &std::path::Path) -> String {
    let dash = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    folder.to_str().unwrap().chars().map(dash).collect()
}

/// A program called `claude` that waits in `folder`, with that home and those arguments.
fn claude_in(env: &TestEnv, folder: &std::path::Path, home: &str, arguments: &[&str]) -> Running {
    let program = env.path("claude");
    if !program.exists() {
        fs::copy(fs::canonicalize("/bin/sh").unwrap(), &program).unwrap();
    }
    let mut command = Command::new(program);
    command.args(["-c", "sleep 60; :", "sh"]).args(arguments);
    Running::started(command.env_clear().env("HOME", env.path(home)).current_dir(folder))
}

#[test]
fn a_claude_without_a_record_uses_the_sessions_of_its_folder_e4() {
    let (env, _) = home("claude", "claude-cli");
    let folder = fs::canonicalize(env.path("")).unwrap();
    let of_folder = env.home(&format!(".claude/projects/{}", dashed(&folder)));
    fs::rename(env.home(".claude/projects/-w"), &of_folder).unwrap();
    env.file(&format!(".claude/projects/-other/{IDLE}.jsonl"), "{}", DAY);
    fs::remove_file(of_folder.join(format!("{IDLE}.jsonl"))).unwrap();
    let running = claude_in(&env, &folder, "home", &[]);
    // A home whose Claude keeps no records says nothing.
    check_idle(&env);
    fs::create_dir_all(env.home(".claude/sessions")).unwrap();
    check(&env, "claude-cli", running.id());
    drop(running);
    for other in ["--bg-spare", "daemon", "mcp"] {
        let _spare = claude_in(&env, &folder, "home", &[other, "serve"]);
        check_idle(&env);
    }
    // Of another home, or in another folder.
    fs::create_dir_all(env.path("elsewhere/.claude")).unwrap();
    let of_another = claude_in(&env, &folder, "elsewhere", &[]);
    check_idle(&env);
    drop(of_another);
    let _elsewhere = claude_in(&env, &env.path("bridge"), "home", &[]);
    check_idle(&env);
}

#[test]
fn a_claude_that_is_idle_by_its_own_record_is_resident_and_kept_e4() {
    let (env, id) = home("claude", "claude-cli");
    // The id is among its arguments, and its record alone decides.
    let running = Running::with(&["--resume", &id]);
    let record = |more: Value| {
        let mut about = json!({"pid": running.id(), "sessionId": id, "status": "idle"});
        about.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        env.file(&format!(".claude/sessions/{}.json", running.id()), about.to_string(), 0);
    };
    record(json!({}));
    for line in ["-n", "clean"] {
        let report = env.json(line);
        assert_eq!(state(&report, "busy"), "resident", "{report:#}");
        let reason = row(&report, "busy")["reason"].as_str().unwrap();
        assert!(reason.starts_with(&format!("process {} holds ", running.id())), "{reason}");
        assert_eq!(report["summary"]["resident"], 1);
    }
    assert!(env.run("-n").out.contains("  Resident (kept): 1 ("));
    assert_eq!(env.map_now()["claude-cli"].get("idle"), None, "an idle control is removed");
    // Anything but `idle` is work.
    for status in [json!("busy"), json!("waiting"), json!("shell"), json!(null), json!("new")] {
        record(json!({"status": status}));
        assert_eq!(state(&env.json("-n"), "busy"), "in_use", "{status}");
    }
    // Another process that has it open works on it, whatever the record of the first says.
    record(json!({}));
    let other = Running::with(&[&id]);
    assert_eq!(row(&env.json("-n"), "busy")["reason"], format!("process {} (sh)", other.id()));
    drop(other);
    // The record of another session says nothing of this one, which is among the arguments.
    record(json!({"sessionId": IDLE}));
    assert_eq!(state(&env.json("-n"), "busy"), "in_use");
    // When the status began counts as a use.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    record(json!({"statusUpdatedAt": (now - MINUTE) * 1000}));
    assert_eq!(state(&env.json("-n"), "busy"), "active");
    record(json!({"statusUpdatedAt": (now - 3 * HOUR) * 1000}));
    assert_eq!(state(&env.json("-n"), "busy"), "resident");
}

#[test]
fn a_record_of_another_namespace_keeps_its_session_for_a_day_e4() {
    let (env, id) = home("claude", "claude-cli");
    let about = json!({"pid": 1, "sessionId": id, "status": "idle", "procStart": "1",
        "pidDomain": "linux:0123:pid:[1]"});
    for (age, expected) in [(23 * HOUR, "in_use"), (25 * HOUR, "idle")] {
        env.file(".claude/sessions/1.json", about.to_string(), age);
        assert_eq!(state(&env.json("-n"), "busy"), expected);
    }
}

#[test]
fn what_cannot_be_read_of_a_running_codex_keeps_the_idle_d1() {
    let (env, _) = home("codex", "codex-cli");
    let locks = env.home(".codex/thread-writer-locks");
    link("/nowhere/at/all".as_ref(), &locks);
    check_untold(&env, "codex");
    fs::remove_file(&locks).unwrap();
    fs::write(&locks, "no folder").unwrap();
    check_untold(&env, "codex");
    // Only that provider's sessions are in doubt.
    assert_eq!(env.map_now()["claude-cli"].get("idle"), None);
    fs::remove_file(&locks).unwrap();
    fs::create_dir(&locks).unwrap();
    check_idle(&env);
}

#[test]
fn a_codex_that_holds_its_lock_keeps_its_session() {
    let (env, id) = home("codex", "codex-cli");
    let path = env.file(&format!(".codex/thread-writer-locks/{id}.lock"), "", 5 * HOUR);
    check_idle(&env);
    let lock = File::open(&path).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    check(&env, "codex-cli", std::process::id());
    // It was looked up, not taken.
    flock(&lock, FlockOperation::Unlock).unwrap();
    check_idle(&env);
}

#[test]
fn whatever_has_a_sessions_file_open_uses_it_whatever_it_is_called_e4() {
    let names = ["codex", "codex-raw", ".codex-wrapped", "codex-x86_64-unknown-linux-musl", "vim"];
    for name in names {
        let (env, id) = home("codex", "codex-cli");
        let rollout =
            env.home(&format!(".codex/sessions/2026/01/05/rollout-2026-01-05T10-00-00-{id}.jsonl"));
        let program = env.path(name);
        fs::copy(fs::canonicalize("/bin/sleep").unwrap(), &program).unwrap();
        let open = File::open(&rollout).unwrap();
        let running = Running::started(Command::new(program).arg("60").stdin(open));
        check(&env, "codex-cli", running.id());
        // A program that keeps every transcript open uses none, if its name is given.
        let shown = fs::read_to_string(format!("/proc/{}/comm", running.id())).unwrap();
        for ignored in [name, shown.trim_end()] {
            env.config(&format!("[clean]\nignore_processes = [\"{ignored}\"]\n"));
            check_idle(&env);
        }
        env.config("[clean]\nignore_processes = [\"other\"]\n");
        assert_eq!(state(&env.json("-n"), "busy"), "in_use");
    }
}

#[test]
fn processes_of_other_users_count_for_nothing() {
    if !rustix::process::geteuid().is_root() {
        // Nobody else's process can be started; init's are there, and name no session.
        check_idle(&home("claude", "claude-cli").0);
        return;
    }
    let (env, id) = home("claude", "claude-cli");
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "sleep 60; :", "sh", &id]).uid(65534).gid(65534);
    let _theirs = Running::started(&mut command);
    check_idle(&env);
}

#[test]
fn as_root_on_another_users_map_that_users_processes_count_x2() {
    if !rustix::process::geteuid().is_root() {
        // Only root can start a process as somebody else.
        return;
    }
    let (env, id) = (TestEnv::new(), fresh_id());
    env.session("claude", &id, DAY);
    env.map(json!({"claude-cli": {"busy": id}}).to_string());
    env.give_to(65_534);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "sleep 60; :", "sh", &id]).uid(65_534).gid(65_534);
    let _running = Running::started(&mut command);
    let report = env.json("clean --home home --state-dir home/state");
    assert_eq!(state(&report, "busy"), "in_use", "{report:#}");
    assert_eq!(env.map_now(), json!({"claude-cli": {"busy": id}}));
}

#[test]
fn doctor_names_a_process_that_keeps_most_of_the_mappings_e4() {
    let env = TestEnv::new();
    let ids: Vec<String> = (0..5).map(|_| fresh_id()).collect();
    let mut chats = serde_json::Map::new();
    for id in &ids {
        env.session("claude", id, DAY);
        chats.insert(id.clone(), id.as_str().into());
    }
    env.map(json!({ "claude-cli": chats }).to_string());
    let found = || -> Option<Value> {
        let ran = env.run("doctor --format json");
        let report: Value = serde_json::from_str(&ran.out).unwrap();
        let checks = report["checks"].as_array().unwrap().clone();
        // Other tests have CLI processes of their own, which it counts.
        let is_ours = |check: &Value| check["name"] == "processes" && check["state"] != "ok";
        checks.into_iter().find(is_ours)
    };
    assert_eq!(found(), None);
    let arguments = |number: usize| ids[..number].iter().map(String::as_str).collect::<Vec<_>>();
    let half = Running::with(&arguments(2));
    assert_eq!(found(), None, "two of five are no more than half");
    drop(half);
    let most = Running::with(&arguments(3));
    let check = found().expect("three of five are more than half");
    let message = format!("process {} (sh) uses 3 of 5 mapped sessions", most.id());
    assert!(check["message"].as_str().unwrap().starts_with(&message), "{check:#}");
    assert!(check["hint"].as_str().unwrap().contains("ignore_processes"), "{check:#}");
    assert_eq!(check["state"], "warning");
    env.config("[clean]\nignore_processes = [\"sh\"]\n");
    assert_eq!(found(), None);
}
