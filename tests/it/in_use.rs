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

use crate::env::{DAY, HOUR, Ran, TestEnv, link, row, state};

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
        assert_eq!(row(&report, "busy")["reason"], format!("process {process}"));
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
fn a_process_that_resumes_a_session_keeps_it() {
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
    for argument in [&format!("x{id}"), &format!("{id}-1"), &id[..35], "", &id.replace('-', "")] {
        let _running = Running::with(&[argument]);
        check_idle(&env);
    }
    for argument in [
        format!("--resume={id}"),
        format!("/p/{id}.jsonl"),
        id.to_uppercase(),
        format!("/s/2026/01/05/rollout-2026-01-05T10-00-00-{id}.jsonl"),
        format!("session_{id}"),
    ] {
        let running = Running::with(&[&argument]);
        let report = env.json("-n");
        assert_eq!(row(&report, "busy")["reason"], format!("process {}", running.id()));
    }
}

#[test]
fn another_run_of_ours_that_names_a_session_does_not_use_it() {
    let (env, id) = home("claude", "claude-cli");
    let program = env.path("session-warden");
    fs::copy(fs::canonicalize("/bin/sh").unwrap(), &program).unwrap();
    let mut command = Command::new(&program);
    let _ours = Running::started(command.args(["-c", "sleep 60; :", "clean", "--keep", &id]));
    check_idle(&env);
}

#[test]
fn whoever_starts_the_clean_is_not_in_its_way() {
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
        assert_eq!(row(&report, "busy")["reason"], "perhaps in use");
        assert_eq!(report["warnings"][0]["code"], "use_unread");
    }
}

#[test]
fn what_cannot_be_read_of_a_running_claude_keeps_the_idle_d1() {
    let (env, id) = home("claude", "claude-cli");
    let running = Running::with(&[]);
    let file = env.home(&format!(".claude/sessions/{}.json", running.id()));
    let about = json!({"pid": running.id(), "sessionId": id}).to_string();
    // In the middle of a write, or made larger than it ever is; a link that leads nowhere; a FIFO.
    for content in [about[..20].to_owned(), String::new(), " ".repeat(2 << 20) + &about] {
        env.file(&format!(".claude/sessions/{}.json", running.id()), content, 0);
        check_untold(&env, "claude");
    }
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
    let path = env.file(&format!(".codex/thread-writer-locks/{id}.lock"), "", 0);
    check_idle(&env);
    let lock = File::open(&path).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    check(&env, "codex-cli", std::process::id());
    // It was looked up, not taken.
    flock(&lock, FlockOperation::Unlock).unwrap();
    check_idle(&env);
}

#[test]
fn an_old_codex_that_holds_its_rollout_open_keeps_its_session() {
    let (env, id) = home("codex", "codex-cli");
    let rollout =
        env.home(&format!(".codex/sessions/2026/01/05/rollout-2026-01-05T10-00-00-{id}.jsonl"));
    let start = |name: &str| {
        let program = env.path(name);
        fs::copy(fs::canonicalize("/bin/sh").unwrap(), &program).unwrap();
        let open = File::open(&rollout).unwrap();
        Running::started(Command::new(program).args(["-c", "sleep 60; :"]).stdin(open))
    };
    let other = start("other");
    check_idle(&env);
    drop(other);
    let codex = start("codex");
    check(&env, "codex-cli", codex.id());
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
    let map = env.map(json!({"claude-cli": {"busy": id}}).to_string());
    std::os::unix::fs::chown(&map, Some(65_534), None).unwrap();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "sleep 60; :", "sh", &id]).uid(65_534).gid(65_534);
    let _running = Running::started(&mut command);
    let report = env.json("clean --home home");
    assert_eq!(state(&report, "busy"), "in_use", "{report:#}");
    assert_eq!(env.map_now(), json!({"claude-cli": {"busy": id}}));
}
