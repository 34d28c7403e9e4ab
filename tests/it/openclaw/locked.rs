//! The store's lock: waited for, taken over where it counts for nothing, and never somebody else's that goes.

use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::child::{finish, pid, start, wait_until};

/// A lock as 2026.2.17 and later write it, so many seconds old.
fn later(process: u32, seconds: u64, more: &str) -> String {
    let created = SystemTime::now() - Duration::from_secs(seconds);
    let created = session_warden::model::Timestamp::from(created).rfc3339().unwrap();
    format!("{{\n  \"pid\": {process},\n  \"createdAt\": \"{created}\"{more}\n}}")
}

fn early_lock(process: u32) -> String {
    format!("{{\"pid\":{process},\"startedAt\":{}}}", now())
}

/// Writes the lock, whose file was last written so many seconds ago.
fn lock(env: &TestEnv, content: &str, age: u64) -> PathBuf {
    env.file(&format!("{STORE}.lock"), content, age)
}

fn is_raised(env: &TestEnv) -> bool {
    entry(env, KEY)["updatedAt"].as_u64().unwrap() > ago(MINUTE)
}

#[test]
fn a_lock_that_counts_for_nothing_is_taken_over() {
    let us = std::process::id();
    for (content, age) in [
        (later(dead(), 1, ""), 1),
        (later(us, 31, ""), 1),
        (later(us, 1, ",\n  \"starttime\": 1"), 1),
        (early_lock(us), 31),
        ("{\"pid\":".to_owned(), 6),
        (String::new(), 6),
    ] {
        let env = home(&of_main(), &early(9 * HOUR));
        lock(&env, &content, age);
        let start = Instant::now();
        keep(&env, "run").exits(0);
        assert!(start.elapsed() < Duration::from_secs(8), "{content}");
        assert!(is_raised(&env) && beside(&env.home(STORE)).is_empty(), "{content}");
    }
}

#[test]
fn a_writer_that_holds_the_lock_is_waited_for_and_what_it_writes_stays() {
    let us = std::process::id();
    let locks = [
        later(us, 1, ""),
        later(us, 1, &format!(",\n  \"starttime\": {}", began(us))),
        early_lock(us),
        // Of a process of 2026.2.12 nobody asks whether it lives.
        early_lock(dead()),
        // It is being written.
        String::new(),
    ];
    for content in locks {
        let env = home(&of_main(), &early(9 * HOUR));
        let held = lock(&env, &content, 0);
        let child = start(&mut command(&env, "run"));
        thread::sleep(Duration::from_millis(1500));
        let before = text(&env);
        assert!(!is_raised(&env) && fs::read_to_string(&held).unwrap() == content, "{content}");
        put(&env, STORE, &before.replace("\"m1\"", "\"m2\""));
        fs::remove_file(&held).unwrap();
        finish(child).exits(0);
        assert!(is_raised(&env) && entry(&env, KEY)["model"] == "m2", "{content}");
        assert_eq!(beside(&env.home(STORE)), <[String; 0]>::default());
    }
}

#[test]
fn one_that_is_held_all_the_time_is_left_and_tried_later() {
    let env = home(&of_main(), &early(9 * HOUR));
    let content = later(std::process::id(), 0, "");
    let held = lock(&env, &content, 0);
    let before = text(&env);
    let start = Instant::now();
    let ran = keep(&env, "run");
    ran.exits(0);
    let waited = start.elapsed();
    assert!((10..20).contains(&waited.as_secs()), "{waited:?}");
    assert!(ran.out.contains("claw: later: main: another process holds "), "{}", ran.out);
    assert_eq!((text(&env), fs::read_to_string(&held).unwrap()), (before, content));
    assert_eq!((&status(&env)["failures"], beside(&held).len()), (&json!(0), 1));
}

#[test]
fn a_signal_ends_the_wait_and_leaves_nothing_behind() {
    let env = home(&of_main(), &early(9 * HOUR));
    let held = lock(&env, &later(std::process::id(), 0, ""), 0);
    let before = text(&env);
    let child = start(&mut command(&env, "run"));
    // It has begun once it is known to.
    wait_until(|| {
        let state = fs::read_to_string(env.home(".local/state/session-warden/keepalive.json"));
        state.is_ok_and(|state| state.contains("\"running_since\": \"2"))
    });
    let asked = Instant::now();
    rustix::process::kill_process(pid(&child), rustix::process::Signal::TERM).unwrap();
    let ran = finish(child);
    assert!(asked.elapsed() < Duration::from_secs(5));
    assert!(ran.out.contains("claw: later: main: stopped by a signal"), "{ran:?}");
    assert_eq!((text(&env), beside(&held)), (before, vec!["sessions.json.lock".to_owned()]));
}

#[test]
fn our_own_lock_is_whole_from_the_first_moment_and_goes_with_us() {
    let env = home(&of_main(), &early(9 * HOUR));
    let path = env.home(&format!("{STORE}.lock"));
    let (mut seen, mut passes) = (0, 0);
    while seen < 3 && passes < 200 {
        passes += 1;
        put(&env, STORE, &early(9 * HOUR));
        let mut child = start(&mut command(&env, "run --force"));
        while child.try_wait().unwrap().is_none() {
            if let Ok(content) = fs::read_to_string(&path) {
                let lock: Value = serde_json::from_str(&content).unwrap();
                assert_eq!(lock["pid"], child.id(), "{content}");
                assert_eq!(lock.as_object().unwrap().len(), 2, "{content}");
                let created = lock["createdAt"].as_str().unwrap();
                let created = session_warden::model::Timestamp::parse(created).unwrap();
                let now = session_warden::model::Timestamp::from(SystemTime::now());
                assert!(created.seconds_until(now) < 60, "{content}");
                seen += 1;
            }
        }
        finish(child).exits(0);
    }
    assert!(seen >= 3, "the lock was seen {seen} times in {passes} passes");
    assert!(beside(&env.home(STORE)).is_empty());
}

#[test]
fn what_killed_runs_have_left_goes_under_the_lock() {
    let env = home(&of_main(), &early(9 * HOUR));
    let left = |process: u32| {
        env.file(
            &format!(
                ".openclaw/agents/main/sessions/.sessions.json.session-warden.tmp.{process}-0"
            ),
            "{",
            0,
        )
    };
    let (gone, alive) = (left(dead()), left(std::process::id()));
    let others = env.file(".openclaw/agents/main/sessions/sessions.json.12.ab.tmp", "{", 0);
    keep(&env, "run").exits(0);
    assert!(!gone.exists() && alive.exists() && others.exists());
}
