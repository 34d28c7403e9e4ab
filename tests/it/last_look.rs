//! E5: the last look at the files comes after the journal is on disk, and right before the change.

use rustix::fs::{FlockOperation, flock};
use serde_json::json;
use std::fs::{self, File};
use std::thread;
use std::time::Duration;

use crate::env::{DAY, MINUTE, Ran, TestEnv, row, state};
use crate::stand_in::StandIn;

const IDLE: &str = "0192f3a4-5b6c-7d8e-9f00-112233445566";
const CONTROL: &str = "0192f3a4-5b6c-7d8e-9f00-11223344bbbb";

/// Cleans while another process holds the journal's lock, and uses a session meanwhile.
fn clean_while_the_journal_waits(env: &TestEnv, line: &str) -> Ran {
    let state = env.home(".local/state/session-warden");
    fs::create_dir_all(&state).unwrap();
    let lock = File::create(state.join("lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let file = env.home(&format!(".claude/projects/-w/{IDLE}.jsonl"));
    thread::scope(|scope| {
        let run = scope.spawn(|| env.run(line));
        // By now the clean has looked at everything once, and waits for the lock.
        thread::sleep(Duration::from_secs(1));
        fs::write(&file, "{\"type\":\"user\"}\n").unwrap();
        flock(&lock, FlockOperation::Unlock).unwrap();
        run.join().unwrap()
    })
}

/// A home with an idle session, an idle control, and more idle ones.
fn home(more: usize) -> (TestEnv, serde_json::Value) {
    let env = TestEnv::new();
    let mut chats = json!({"idle": IDLE, "control": CONTROL});
    env.session("claude", IDLE, DAY);
    env.session("claude", CONTROL, DAY);
    for number in 0..more {
        let id = format!("aaaaaaaa-0a1b-4c2d-8e3f-{number:012x}");
        env.session("claude", &id, DAY);
        chats[format!("chat-{number}")] = id.into();
    }
    let map = json!({"claude-cli": chats});
    env.map(map.to_string());
    (env, map)
}

#[test]
fn a_session_that_is_used_while_the_journal_waits_is_kept_e5() {
    for more in [0, 998] {
        let (env, _) = home(more);
        let ran = clean_while_the_journal_waits(&env, "clean --format json");
        let report = ran.exits(0).report();
        assert_eq!(state(&report, "idle"), "active", "{report:#}");
        assert_eq!(row(&report, "idle")["reason"], "used meanwhile");
        assert_eq!(report["summary"]["removed"], 1 + more);
        assert_eq!(env.map_now(), json!({"claude-cli": {"idle": IDLE}}));

        // What was recorded of it is voided, so an undo restores the others alone.
        let voided = env.journal("restored.jsonl");
        assert_eq!(voided.len(), 1, "{voided:?}");
        assert_eq!((&voided[0]["session"], &voided[0]["void"]), (&json!(IDLE), &json!(true)));
        env.map(r#"{"claude-cli": {}}"#);
        env.run("undo").exits(0);
        let restored = env.map_now();
        assert_eq!(restored["claude-cli"].as_object().unwrap().len(), 1 + more);
        assert_eq!(restored["claude-cli"].get("idle"), None);
    }
}

#[test]
fn a_session_that_is_used_while_the_journal_waits_is_never_deleted_by_a_bridge_e5() {
    let (env, map) = home(0);
    let bridge = StandIn::holding(&map);
    let line = format!("clean --format json --bridge {}", bridge.url());
    let report = clean_while_the_journal_waits(&env, &line).exits(0).report();
    assert_eq!(state(&report, "idle"), "active", "{report:#}");
    assert_eq!(bridge.map(), json!({"claude-cli": {"idle": IDLE}}));
    let deletes = bridge.deletes();
    assert!(deletes.len() == 1 && deletes[0].contains("/sessions/control?"), "{deletes:?}");
}

#[test]
fn what_fails_before_the_change_is_voided_e5() {
    let (env, map) = home(0);
    // The map changes under each attempt, so nothing is removed.
    let path = env.map_path();
    let before = map.to_string();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let ran = thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0_u32;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                number += 1;
                let text = before
                    .replace("{\"claude-cli\"", &format!("{{\"x{number}\":{{}},\"claude-cli\""));
                fs::write(path.with_extension("new"), text).unwrap();
                fs::rename(path.with_extension("new"), &path).unwrap();
            }
        });
        let ran = env.run("clean --format json");
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        ran
    });
    // Whether it won the race or not, what the journal says is what happened.
    let removed = env.map_now()["claude-cli"].get("control").is_none();
    if ran.code == 1 {
        assert!(!removed, "{ran:?}");
        env.session("claude", CONTROL, MINUTE);
        let undo = env.run("undo");
        assert!(undo.out.starts_with("Nothing"), "{undo:?}");
    }
}
