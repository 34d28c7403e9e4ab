//! What a running bridge answers, and what happens between two calls.

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crate::child::{ACTIVE, IDLE, finish, pid, start, two_sessions};
use crate::env::{HOUR, MINUTE, Ran, row, state};
use crate::in_use::{Running, fresh_id};
use crate::stand_in::{StandIn, answer};

fn both() -> Value {
    json!({"claude-cli": {"a": ACTIVE, "i": IDLE}, "codex-cli": {}})
}

/// A bridge with both mappings that answers each DELETE so.
fn answering_deletes(status: u16, body: &'static str) -> StandIn {
    StandIn::hostile(&both(), move |request, mut stream| {
        if request.starts_with("DELETE") {
            answer(&mut stream, status, body).unwrap();
            return None;
        }
        Some(stream)
    })
}

#[test]
fn a_mapping_that_the_bridge_does_not_find_has_gone_already_b2() {
    let env = two_sessions();
    let bridge = answering_deletes(404, r#"{"detail":"Session not found"}"#);
    let ran = env.run(&format!("clean --format json --bridge {}", bridge.url()));
    ran.exits(0);
    let report = ran.report();
    assert_eq!(bridge.deletes().len(), 1);
    assert_eq!(row(&report, "i")["action"], "kept");
    assert_eq!(row(&report, "i")["reason"], "changed meanwhile");
    let summary = &report["summary"];
    assert_eq!((&summary["removed"], &summary["failed"]), (&json!(0), &json!(0)), "{report:#}");
    assert_eq!(report["warnings"], json!([]));
}

#[test]
fn what_the_bridge_is_to_let_go_is_written_down_before_it_is_asked_w10() {
    let env = two_sessions();
    let journal = env.home(".local/state/session-warden/removals.jsonl");
    let seen = Arc::new(Mutex::new(String::new()));
    let (theirs, path) = (Arc::clone(&seen), journal.clone());
    let bridge = StandIn::hostile(&both(), move |request, stream| {
        if request.starts_with("DELETE") {
            *theirs.lock().unwrap() = fs::read_to_string(&path).unwrap_or_default();
        }
        Some(stream)
    });
    env.run(&format!("clean --bridge {}", bridge.url())).exits(0);
    assert_eq!(bridge.deletes().len(), 1);
    let seen = seen.lock().unwrap();
    let seen: Value = serde_json::from_str(seen.lines().last().unwrap()).unwrap();
    assert_eq!((&seen["chat"], &seen["session"]), (&json!("i"), &json!(IDLE)));
    // Where that cannot be done, it is not asked.
    let bridge = StandIn::holding(&both());
    fs::remove_file(&journal).unwrap();
    fs::create_dir(&journal).unwrap();
    let ran = env.run(&format!("clean --bridge {}", bridge.url()));
    ran.exits(1).says(&["cannot write", "hint: use another state folder with --state-dir"]);
    assert!(bridge.deletes().is_empty());
}

#[test]
fn a_404_that_is_not_the_bridges_is_a_failure_b2() {
    for body in [
        r#"{"detail":"Not Found"}"#,
        r#"{"detail":["Session not found"]}"#,
        r#"[null,null,"Session not found"]"#,
        r#"{"message":"Session not found"}"#,
        "Session not found",
        "",
    ] {
        let env = two_sessions();
        let bridge = answering_deletes(404, body);
        let ran = env.run(&format!("clean --format json --bridge {}", bridge.url()));
        ran.exits(3).says(&["does not answer like a bridge (HTTP status 404)"]);
        let report = ran.report();
        assert_eq!(row(&report, "i")["action"], "failed", "{body}");
        assert_eq!(report["summary"]["removed"], 0, "{body}");
        assert_eq!(bridge.deletes().len(), 1, "{body}");
    }
}

#[test]
fn two_empty_maps_agree_b5() {
    for (ours, theirs) in [("{}", json!({})), ("{}", json!({"claude-cli": {}, "codex-cli": {}}))] {
        let env = two_sessions();
        env.map(ours);
        let bridge = StandIn::holding(&theirs);
        for line in ["-n --format json", "clean --format json"] {
            let mut command = env.command(line.split_whitespace());
            let ran = Ran::of(command.env("CLAUDE_BRIDGE_PORT", bridge.port.to_string()));
            ran.exits(0);
            let source = &ran.report()["source"];
            assert_eq!((&source["kind"], &source["url"]), (&json!("bridge"), &json!(bridge.url())));
        }
        assert_eq!(env.map_bytes(), ours.as_bytes());
        assert!(bridge.deletes().is_empty());
    }
}

#[test]
fn a_process_that_comes_to_use_the_session_before_its_call_keeps_it_b3_d6() {
    let (env, id) = (two_sessions(), fresh_id());
    env.session("claude", &id, 5 * HOUR);
    let started = Arc::new(Mutex::new(Vec::new()));
    let (asked, starts, resumed) = (AtomicUsize::new(0), Arc::clone(&started), id.clone());
    let map = json!({"claude-cli": {"a": ACTIVE, "busy": id}});
    // The map is read once to judge, and once more right before the DELETE.
    let bridge = StandIn::hostile(&map, move |request, stream| {
        if request.starts_with("GET /sessions") && asked.fetch_add(1, Ordering::SeqCst) == 1 {
            starts.lock().unwrap().push(Running::with(&["claude", "--resume", &resumed]));
        }
        Some(stream)
    });
    let ran = env.run(&format!("clean --format json --bridge {}", bridge.url()));
    ran.exits(0);
    let report = ran.report();
    assert_eq!(started.lock().unwrap().len(), 1, "{report:#}");
    let process = started.lock().unwrap()[0].id();
    assert_eq!(state(&report, "busy"), "in_use", "{report:#}");
    assert_eq!(row(&report, "busy")["reason"], format!("process {process} (sh)"));
    assert_eq!(row(&report, "busy")["action"], "kept");
    assert!(bridge.deletes().is_empty(), "{:?}", bridge.deletes());
    assert_eq!(bridge.map(), map);
}

#[test]
fn a_process_that_comes_between_two_calls_keeps_the_second_b3() {
    let (env, id) = (two_sessions(), fresh_id());
    env.session("claude", &id, 5 * HOUR);
    let started = Arc::new(Mutex::new(Vec::new()));
    let (starts, resumed) = (Arc::clone(&started), id.clone());
    let bridge = StandIn::hostile(
        &json!({"claude-cli": {"first": IDLE, "second": id}}),
        move |request, stream| {
            if request.starts_with("DELETE /sessions/first") {
                starts.lock().unwrap().push(Running::with(&["claude", "--resume", &resumed]));
            }
            Some(stream)
        },
    );
    let ran = env.run(&format!("clean --format json --bridge {}", bridge.url()));
    ran.exits(0);
    assert_eq!(started.lock().unwrap().len(), 1);
    assert_eq!(state(&ran.report(), "second"), "in_use", "{ran:?}");
    assert_eq!(bridge.map(), json!({"claude-cli": {"second": id}}));
}

#[test]
fn a_signal_between_two_calls_keeps_the_rest_x5() {
    let env = two_sessions();
    let (run, theirs) = (Arc::new(OnceLock::new()), Arc::new(OnceLock::new()));
    let (signalled, told) = (Arc::clone(&run), Arc::clone(&theirs));
    let map = json!({"claude-cli": {"first": IDLE, "second": IDLE}});
    let bridge = StandIn::hostile(&map, move |request, stream| {
        if request.starts_with("DELETE") && told.set(()).is_ok() {
            kill_process(*signalled.wait(), Signal::TERM).unwrap();
        }
        Some(stream)
    });
    let child = start(&mut env.command(["clean", "--bridge", &bridge.url()]));
    run.set(pid(&child)).unwrap();
    finish(child).exits(3).says(&["stopped by a signal; the rest is kept"]);
    assert_eq!(bridge.deletes().len(), 1);
    assert_eq!(bridge.map(), json!({"claude-cli": {"second": IDLE}}));
}

#[test]
fn a_chat_between_the_two_readings_does_not_make_it_another_bridge_b5() {
    let env = two_sessions();
    env.map(both().to_string());
    let bridge: Arc<OnceLock<StandIn>> = Arc::default();
    let (asked, itself) = (AtomicUsize::new(0), Arc::clone(&bridge));
    // The file was read before this: from now on neither map holds the other.
    let chats = StandIn::hostile_on(env.map_path(), move |request, stream| {
        if request.starts_with("GET /sessions") && asked.fetch_add(1, Ordering::SeqCst) == 0 {
            itself.wait().chat("claude-cli", "a", IDLE);
            itself.wait().chat("claude-cli", "new", ACTIVE);
        }
        Some(stream)
    });
    assert!(bridge.set(chats).is_ok());
    let bridge = bridge.wait();
    let mut command = env.command(["clean", "--format", "json"]);
    let ran = Ran::of(command.env("CLAUDE_BRIDGE_PORT", bridge.port.to_string()));
    ran.exits(0);
    let report = ran.report();
    assert_eq!(report["source"]["kind"], "bridge", "{report:#}");
    assert_eq!(report["summary"]["removed"], 2, "{report:#}");
    let left = json!({"claude-cli": {"new": ACTIVE}, "codex-cli": {}});
    assert_eq!((bridge.map(), env.map_now()), (left.clone(), left));
}

#[test]
fn a_bridge_that_tells_its_map_in_the_old_form_is_none_b1() {
    let env = two_sessions();
    env.map(json!({"i": IDLE}).to_string());
    let before = env.map_bytes();
    let bridge = StandIn::holding(&json!({"i": IDLE}));
    for line in ["clean", "-n"] {
        let ran = env.run(&format!("{line} --bridge {}", bridge.url()));
        ran.exits(1).says(&["cannot ask the bridge at", "found chats, expected models", "hint"]);
        assert_eq!((ran.out.as_str(), env.map_bytes()), ("", before.clone()));
    }
    assert!(bridge.deletes().is_empty());
}

#[test]
fn a_large_map_of_a_bridge_is_read_whole_b1() {
    const MAPPINGS: usize = 45_000;
    let env = two_sessions();
    let padding = "x".repeat(160);
    let row = |number| format!(r#""{padding}{number}":"{ACTIVE}""#);
    let rows: Vec<String> = (0..MAPPINGS).map(row).collect();
    let rows = rows.join(",");
    let body = format!(r#"{{"sessions":{{"claude-cli":{{"i":"{IDLE}",{rows}}}}}}}"#);
    assert!(body.len() > 8 << 20, "{}", body.len());
    let bridge = StandIn::hostile(&both(), move |request, mut stream| {
        if request.starts_with("GET /sessions") {
            answer(&mut stream, 200, &body).unwrap();
            return None;
        }
        Some(stream)
    });
    // To show a row for each takes longer than all the rest.
    env.run(&format!("clean -n -q --bridge {}", bridge.url())).exits(0);
    let limited = env.run(&format!("clean -n -q --max-remove 0 --bridge {}", bridge.url()));
    limited.exits(1).says(&["1 mapping would be removed, more than --max-remove 0"]);
    // One that has nothing to let go shows no rows.
    env.session("claude", IDLE, MINUTE);
    let ran = env.run(&format!("clean --bridge {}", bridge.url()));
    ran.exits(0);
    let checked = MAPPINGS + 1;
    let shown = format!("  Sessions checked: {checked}\n  Active (kept): {checked}\n");
    assert!(ran.out.contains(&shown), "{}", ran.out);
    assert!(bridge.deletes().is_empty());
}
