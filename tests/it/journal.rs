//! The bounds of the journal: the map's path once for each run, at most 64 MiB of removals in one run, and trimming
//! that forgets no map.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::env::{DAY, HOUR, Ran, TestEnv, row};
use crate::in_use::fresh_id;
use crate::stand_in::StandIn;

impl TestEnv {
    /// The records in a file of the state folder, each with the map of its run.
    pub fn journal(&self, name: &str) -> Vec<Value> {
        records(&self.home(".local/state/session-warden").join(name))
    }
}

fn records(path: &Path) -> Vec<Value> {
    let mut maps: HashMap<String, Value> = HashMap::new();
    let mut records = Vec::new();
    for line in lines(path) {
        if let Some(run) = line["map_of"].as_str() {
            maps.insert(run.to_owned(), line.clone());
            continue;
        }

        let mut record = line.clone();
        if let Some(of_run) = line["run"].as_str().and_then(|run| maps.get(run)) {
            for field in ["map", "url"] {
                let own = record.get(field).filter(|value| !value.is_null()).cloned();
                record[field] = own.unwrap_or_else(|| of_run[field].clone());
            }
        }
        records.push(record);
    }
    records
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A map with that many idle chats.
fn idle(env: &TestEnv, count: usize, chat: impl Fn(usize) -> String) -> Value {
    let mut chats = serde_json::Map::new();
    for number in 0..count {
        let id = fresh_id();
        env.session("claude", &id, 5 * HOUR);
        chats.insert(chat(number), id.into());
    }
    json!({"claude-cli": chats})
}

#[test]
fn the_path_of_the_map_is_in_the_journal_once_for_each_run() {
    for has_bridge in [false, true] {
        let env = TestEnv::new();
        let map = idle(&env, 5, |number| format!("chat-{number}"));
        env.map(map.to_string());
        let bridge = has_bridge.then(|| StandIn::holding(&map));
        let bridge = bridge.as_ref().map_or_else(|| "off".to_owned(), StandIn::url);
        env.run(&format!("clean --bridge {bridge}")).exits(0);

        let path = env.home(".local/state/session-warden/removals.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        let named = if has_bridge { &*bridge } else { "session_map.json" };
        assert_eq!((text.lines().count(), text.matches(named).count()), (6, 1), "{text}");
        let removals = env.journal("removals.jsonl");
        if has_bridge {
            assert!(removals.iter().all(|removal| removal["url"] == bridge), "{removals:#?}");
            continue;
        }

        let file = fs::canonicalize(env.map_path()).unwrap();
        assert!(removals.iter().all(|removal| removal["map"] == file.to_str().unwrap()));
        env.run("undo").exits(0);
        assert_eq!(env.map_now(), map);
        let restored = fs::read_to_string(path.with_file_name("restored.jsonl")).unwrap();
        // Each mapping is recorded before the change, and after it.
        let counts = (restored.lines().count(), restored.matches("session_map.json").count());
        assert_eq!(counts, (11, 1), "{restored}");
        let report = env.json("clean -n");
        assert_eq!(report["summary"]["pinned"], 5, "what was restored into this map: {report:#}");
    }
}

/// The remedy of a run whose last look was never right before the change.
const TOO_SLOW: &str = "run again when the machine is less busy";

/// Runs a command, again if the machine was too busy for a last look right before the change, and so nothing was removed.
fn run(env: &TestEnv, line: &str) -> Ran {
    let mut ran = env.run(line);
    for _ in 0..5 {
        if !ran.err.contains(TOO_SLOW) {
            break;
        }
        ran = env.run(line);
    }
    ran
}

#[test]
fn what_a_run_cannot_record_in_64_mib_is_left_for_the_next() {
    const MIB: usize = 1 << 20;
    let env = TestEnv::new();
    // A record has its chat and the chat before it, so 16 of them have 62 MiB, and a 17th has 4 more.
    let map = idle(&env, 20, |number| format!("{number:02}{}", "x".repeat(2 * MIB)));
    env.map(map.to_string());
    let chats: Vec<&String> = map["claude-cli"].as_object().unwrap().keys().collect();

    let sessions = map["claude-cli"].as_object().unwrap().values();
    let sessions: Vec<&str> = sessions.map(|session| session.as_str().unwrap()).collect();
    env.run(&format!("remove -n {}", sessions.join(" "))).exits(1).says(&[
        "nothing was removed",
        "too much for one run",
        "hint: name fewer mappings at once",
    ]);
    for line in ["clean -n --json", "clean --json"] {
        let ran = run(&env, line);
        ran.exits(3).says(&[
            "warning: 4 mappings are left for the next run: one run records at most 64 MiB of removals",
            "hint: nothing to do: the next run removes them",
        ]);
        let report = ran.report();
        let count = if line.contains("-n") { "would_remove" } else { "removed" };
        assert_eq!(report["summary"][count], 16, "{:#}", report["summary"]);
        assert_eq!(report["warnings"][0]["code"], "left_for_next_run");
        let row = row(&report, chats[19]);
        assert_eq!(
            (&row["state"], &row["action"], &row["reason"]),
            (&json!("idle"), &json!("kept"), &json!("in the next run"))
        );
    }
    let path = env.home(".local/state/session-warden/removals.jsonl");
    assert!(fs::metadata(&path).unwrap().len() <= 64 << 20);
    assert_eq!(env.map_now()["claude-cli"].as_object().unwrap().len(), 4);

    run(&env, "clean").exits(0);
    assert_eq!(env.map_now(), json!({"claude-cli": {}}));
    env.run("undo").exits(0);
    let last = chats[16..].iter().map(|chat| ((*chat).clone(), map["claude-cli"][*chat].clone()));
    assert_eq!(env.map_now()["claude-cli"], Value::Object(last.collect()));
}

#[test]
fn a_shorter_journal_keeps_the_maps_of_what_it_keeps() {
    let env = TestEnv::new();
    let map = idle(&env, 2, |number| format!("chat-{number}"));
    env.map(map.to_string());
    env.run("clean").exits(0);
    let path = env.home(".local/state/session-warden/removals.jsonl");
    let ours = fs::read_to_string(&path).unwrap();

    // A run of last year, one that was still at work when another began, and ours.
    let old = |run: &str, days: u64, chat: &str| {
        let time = std::time::SystemTime::now() - std::time::Duration::from_secs(days * DAY);
        let time = humantime::format_rfc3339_seconds(time).to_string();
        json!({"run": run, "time": time, "form": "today", "model": "claude-cli", "chat": chat,
               "before": null, "session": fresh_id(), "last_used": null, "reason": "idle"})
    };
    let map_of = |run: &str| json!({"map_of": run, "map": format!("/maps/{run}"), "url": null});
    let lines = [
        map_of("old"),
        old("old", 200, "a"),
        map_of("long"),
        old("long", 100, "b"),
        old("old", 95, "c"),
        old("long", 89, "d"),
    ];
    let lines = lines.map(|line| line.to_string()).join("\n");
    fs::write(&path, format!("{lines}\n{ours}")).unwrap();

    env.run("clean").exits(0);
    let kept = records(&path);
    let chats: Vec<&Value> = kept.iter().map(|record| &record["chat"]).collect();
    assert_eq!(chats, ["d", "chat-0", "chat-1"]);
    assert_eq!(kept[0]["map"], "/maps/long");
    assert_eq!(kept[1]["map"], fs::canonicalize(env.map_path()).unwrap().to_str().unwrap());
    assert!(!fs::read_to_string(&path).unwrap().contains("/maps/old"));
    env.run("undo").exits(0);
    assert_eq!(env.map_now(), map);
}
