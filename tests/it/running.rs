//! Runs beside each other (X1), stopped by a signal (X5), and in poor environments (X2, X6).

use crate::child::{
    ACTIVE, IDLE, NOBODY, both, bounded, cleaned, finish, mapped, pid, start, two_sessions,
    unprivileged, wait_until,
};
use crate::env::{Ran, TestEnv, link};
use rustix::fs::{CWD, FileType, FlockOperation, Mode, flock};
use rustix::process::{Signal, kill_process};
use std::fmt::Write;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

const LOCK: &str = "bridge/.session_map.json.session-warden.lock";

#[test]
fn while_another_run_holds_the_lock_nothing_is_done_x1() {
    let env = mapped();
    let stale = env.path("bridge/.session_map.json.session-warden.tmp.1-0");
    fs::write(&stale, "theirs").unwrap();
    let lock = File::create(env.path(LOCK)).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let before = fs::metadata(env.map_path()).unwrap();
    for line in ["clean", "-q", "--format json", "clean -v --hours 1"] {
        let ran = env.run(line);
        ran.exits(75).says(&["another run holds the lock", env.path(LOCK).to_str().unwrap()]);
        assert_eq!((ran.out.as_str(), ran.err.lines().count()), ("", 2), "{ran:?}");
    }
    let after = fs::metadata(env.map_path()).unwrap();
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
    assert_eq!(env.map_bytes(), both().as_bytes());
    assert!(stale.exists(), "that may be what the other run writes");
    // A dry run needs no lock.
    let ran = env.run("-n");
    assert!(ran.code == 0 && ran.out.contains("Would clean up: 1"), "{ran:?}");
    // The same map by another name is the same map.
    link(&env.map_path(), &env.path("other.json"));
    env.run("clean --map other.json").exits(75);
    // Another map in the same folder has a lock of its own.
    fs::write(env.path("bridge/second.json"), both()).unwrap();
    env.run("clean --map bridge/second.json").exits(0);
    flock(&lock, FlockOperation::Unlock).unwrap();
    env.run("clean").exits(0);
    assert_eq!(env.map_bytes(), cleaned().as_bytes());
}

#[test]
fn the_lock_file_is_for_its_owner_only_and_stays_x1() {
    let env = mapped();
    env.run("-n").exits(0);
    assert!(!env.path(LOCK).exists(), "a dry run leaves no trace");
    env.run("clean").exits(0);
    let made = fs::metadata(env.path(LOCK)).unwrap();
    assert_eq!((made.mode() & 0o7777, made.len()), (0o600, 0));
    env.map(both());
    env.run("clean").exits(0);
    assert_eq!(fs::metadata(env.path(LOCK)).unwrap().ino(), made.ino());
    assert_eq!(env.map_bytes(), cleaned().as_bytes());
}

#[test]
fn of_many_runs_at_once_each_does_it_all_or_nothing_x1() {
    for _ in 0..5 {
        let env = mapped();
        let runs: Vec<_> =
            (0..8).map(|_| start(&mut env.command(["clean", "--format", "json"]))).collect();
        let runs: Vec<Ran> = runs.into_iter().map(finish).collect();
        assert!(runs.iter().all(|ran| matches!(ran.code, 0 | 75)), "{runs:?}");
        assert!(runs.iter().all(|ran| (ran.code == 0) != ran.out.is_empty()), "{runs:?}");
        let done = runs.iter().filter(|ran| ran.code == 0);
        let removed = done.filter(|ran| ran.report()["summary"]["removed"] == 1).count();
        assert_eq!(removed, 1, "{runs:?}");
        assert_eq!(env.map_bytes(), cleaned().as_bytes());
        assert!(env.litter().is_empty());
    }
}

#[test]
fn a_lock_that_is_no_file_is_an_error_x1() {
    let fifo = |path: &Path| {
        rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    };
    let to_map = |path: &Path| link(&path.with_file_name("session_map.json"), path);
    let to_nothing = |path: &Path| link(Path::new("made-by-a-stranger"), path);
    let folder = |path: &Path| fs::create_dir(path).unwrap();
    let cases: [&dyn Fn(&Path); 4] = [&fifo, &to_map, &to_nothing, &folder];
    for put in cases {
        let env = mapped();
        put(&env.path(LOCK));
        let ran = bounded(&mut env.command(["clean"]));
        ran.exits(1).says(&["cannot lock", env.path(LOCK).to_str().unwrap()]);
        assert_eq!((ran.out.as_str(), env.map_bytes()), ("", both().into_bytes()));
        assert!(env.litter().is_empty(), "{:?}", env.litter());
        // It matters only where there is something to change.
        env.map(cleaned());
        bounded(&mut env.command(["clean"])).exits(0);
    }
}

/// A map whose report is larger than any pipe holds.
fn with_a_long_report() -> TestEnv {
    let env = two_sessions();
    let mut map = format!(r#"{{"claude-cli": {{"active": "{ACTIVE}""#);
    for number in 0..20_000 {
        write!(map, r#", "chat-{number}": "33333333-3333-4333-8333-{number:012}""#).unwrap();
    }
    map.push_str("}}");
    env.map(map);
    env
}

#[test]
fn a_signal_while_a_torn_map_is_read_again_ends_the_run_x5() {
    for signal in [Signal::TERM, Signal::INT] {
        let env = two_sessions();
        env.map("{\"claude-cli\": {");
        let child = start(&mut env.command(["clean"]));
        // By then it listens: the lock is taken later.
        wait_until(|| env.path(LOCK).exists());
        let asked = Instant::now();
        kill_process(pid(&child), signal).unwrap();
        let ran = finish(child);
        ran.exits(1).says(&["stopped by a signal; the map is unchanged"]);
        assert!(asked.elapsed() < Duration::from_millis(1_500), "it read on");
        assert_eq!((ran.out.as_str(), env.map_bytes()), ("", b"{\"claude-cli\": {".to_vec()));
        assert!(env.litter().is_empty(), "{:?}", env.litter());
        // The lock is free again.
        env.map(both());
        env.run("clean").exits(0);
    }
}

#[test]
fn a_signal_after_the_map_was_replaced_is_told_of_x5() {
    for format in ["text", "json"] {
        let env = with_a_long_report();
        let before = fs::metadata(env.map_path()).unwrap().ino();
        let child = start(&mut env.command(["clean", "--format", format]));
        wait_until(|| fs::metadata(env.map_path()).unwrap().ino() != before);
        kill_process(pid(&child), Signal::TERM).unwrap();
        // Only now is the pipe read that the report waits for.
        thread::sleep(Duration::from_millis(50));
        let ran = finish(child);
        assert_eq!(ran.code, 3, "{}", ran.err);
        assert!(ran.err.contains("stopped by a signal after the map was changed"), "{}", ran.err);
        assert!(ran.out.contains("20000"), "the report says what was done");
        assert_eq!(env.map_bytes(), cleaned().as_bytes());
        assert!(env.litter().is_empty());
    }
}

#[test]
fn a_signal_at_any_moment_leaves_a_whole_map_and_an_honest_code_x5() {
    for delay in 0..20 {
        let env = with_a_long_report();
        let before = env.map_bytes();
        let child = start(&mut env.command(["clean", "-q"]));
        thread::sleep(Duration::from_millis(delay * 10));
        // A run that is already over, or does not listen yet, is told by its code below.
        let _ = kill_process(pid(&child), Signal::TERM);
        let ran = finish(child);
        let left = env.map_bytes();
        match ran.code {
            // Killed before it listened.
            -1 | 1 => assert!(left == before, "code {} after {} bytes", ran.code, left.len()),
            0 | 3 => assert_eq!(left, cleaned().as_bytes()),
            code => panic!("code {code}: {}", ran.err),
        }
        assert!(ran.code == -1 || env.litter().is_empty(), "{:?}", env.litter());
    }
}

#[test]
fn crons_environment_is_enough_x6() {
    let env = mapped();
    let mut command = env.command(["clean", "-q", "--map"]);
    command.arg(env.map_path()).current_dir("/");
    command.env_remove("CLAUDE_SESSION_DIR").env_remove("CLAUDE_BRIDGE_PORT");
    let names: Vec<_> = command.get_envs().filter(|(_, value)| value.is_some()).collect();
    assert_eq!(names.len(), 2, "HOME and PATH");
    let ran = bounded(&mut command);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
    assert_eq!(env.map_bytes(), cleaned().as_bytes());
}

#[test]
fn quiet_is_silent_unless_something_went_wrong_x6() {
    let env = mapped();
    // Nothing done, something done, in either form: not a word.
    for line in ["-q -n", "-q -n --format json", "-q", "clean -q", "clean --quiet"] {
        let ran = env.run(line);
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""), "{line}");
    }
    assert_eq!(env.map_bytes(), cleaned().as_bytes());
    // A mapping that could not be judged: no folder of sessions.
    env.map(format!(r#"{{"claude-cli": {{"a": "{ACTIVE}"}}, "codex-cli": {{"b": "{IDLE}"}}}}"#));
    let ran = env.run("clean -q");
    ran.exits(3).says(&["warning: codex: there is no folder of sessions"]);
    assert!(ran.out.contains("Cleanup summary"), "{ran:?}");
    // A failure, too.
    env.map("[]");
    let ran = env.run("clean -q");
    ran.exits(1).says(&["error: cannot read session map"]);
    assert_eq!(ran.out, "");
}

/// The home of that user, as the password file has it.
fn home_by_password_file(user: u32) -> Option<PathBuf> {
    let user = user.to_string();
    let file = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut lines = file.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let line = lines.find(|fields| fields.get(2) == Some(&user.as_str()))?;
    line.get(5).map(PathBuf::from)
}

#[test]
fn without_home_the_password_file_tells_x2() {
    // The runner's own home is left alone (S5), so another user is needed.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let env = two_sessions();
    // Of a CLI that nobody has here, so that nothing depends on who runs this.
    let map = r#"{"devstral-small-2": {"v": "44444444-4444-4444-8444-444444444444"}}"#;
    env.map(map);
    for home in [None, Some("")] {
        let mut command = unprivileged(&env, "-n --format json");
        match home {
            None => command.env_remove("HOME"),
            Some(home) => command.env("HOME", home),
        };
        let ran = bounded(&mut command);
        if let Some(home) = home_by_password_file(NOBODY) {
            assert!(matches!(ran.code, 0 | 3), "{ran:?}");
            let looked_at = home.join(".vibe/logs/session");
            ran.says(&[looked_at.to_str().unwrap()]);
        } else {
            // A user who is in no such file: then the home is not guessed.
            assert!(matches!(ran.code, 1 | 3), "{ran:?}");
        }
        assert!(!ran.err.contains(env.path("home").to_str().unwrap()), "{ran:?}");
    }
    assert_eq!(env.map_bytes(), map.as_bytes());
}

#[test]
fn a_home_that_was_named_needs_no_variable_x2() {
    let env = mapped();
    for line in ["-n --home home -v", "clean -v --home home"] {
        let mut command = env.command(line.split(' '));
        // The run's state must not be written to the runner's own home (S5).
        command.env_remove("HOME").env("XDG_STATE_HOME", env.path("state"));
        let ran = bounded(&mut command);
        ran.exits(0);
        let root = env.home(".claude/projects");
        assert!(ran.out.contains(root.to_str().unwrap()), "what was looked at is named: {ran:?}");
    }
    assert_eq!(env.map_bytes(), cleaned().as_bytes());
}

#[test]
fn a_user_without_a_home_is_asked_for_one_x2() {
    // Only root can become a user without an entry in the password file, and give away the map.
    if !rustix::process::geteuid().is_root() {
        let env = mapped();
        bounded(unprivileged(&env, "clean").env("HOME", env.path("home"))).exits(0);
        return;
    }
    let env = mapped();
    env.give_to(3_999_999_999);
    std::os::unix::fs::chown(env.map_path(), None, Some(65_534)).unwrap();
    let ran = env.run("clean");
    ran.exits(1).says(&[
        "cannot determine the home folder",
        "3999999999",
        "hint: name it with --home DIR",
    ]);
    assert_eq!((ran.out.as_str(), env.map_bytes()), ("", both().into_bytes()));
    env.run("clean --home home --state-dir home/state").exits(0);
    assert_eq!(env.map_bytes(), cleaned().as_bytes());
}

/// Root's own CLIs say nothing of another user's, whose home the password file tells.
#[test]
fn as_root_on_another_users_map_roots_own_variables_count_for_nothing_x2() {
    let env = two_sessions();
    let elsewhere = env.path("elsewhere");
    fs::create_dir_all(elsewhere.join("projects/p")).unwrap();
    let mut command = env.command(["-n", "--format", "json"]);
    command.env("CLAUDE_CONFIG_DIR", &elsewhere);
    env.map(both());
    if !rustix::process::geteuid().is_root() {
        // For everybody else they do count.
        let report = Ran::of(&mut command).report();
        assert!(report["warnings"].to_string().contains("elsewhere"), "{report:#}");
        return;
    }
    // User 1 is in every password file, with a home without a CLI.
    env.give_to(1);
    let report = Ran::of(&mut command).report();
    assert_eq!(report["summary"]["unknown"], 2, "{report:#}");
    let path = report["warnings"][0]["path"].as_str().unwrap();
    assert!(!path.contains("elsewhere") && path.ends_with("/.claude/projects"), "{path}");
}
