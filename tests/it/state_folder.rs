//! What is wrong with the state folder: a damaged journal, pins or hold, a lock that is held, a folder that is
//! none, and files of a former name.

use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::PathBuf;

use crate::env::{HOUR, Ran, TestEnv, row};
use crate::in_use::fresh_id;

/// A map with an idle chat, cleaned once.
fn cleaned() -> (TestEnv, String) {
    let (env, id) = (TestEnv::new(), fresh_id());
    env.session("claude", &id, 5 * HOUR);
    env.map(json!({"claude-cli": {"idle": id}}).to_string());
    env.run("clean").exits(0);
    assert_eq!(env.map_now(), json!({"claude-cli": {}}));
    (env, id)
}

fn state(env: &TestEnv, name: &str) -> PathBuf {
    env.home(".local/state/session-warden").join(name)
}

/// Puts a line before the others of a file.
fn damage(path: &PathBuf, line: &str) {
    let before = fs::read_to_string(path).unwrap();
    fs::write(path, format!("{line}\n{before}")).unwrap();
}

#[test]
fn a_damaged_line_of_the_journal_is_warned_of_with_its_file_and_line() {
    for (name, line) in
        [("removals.jsonl", r#"{"run": 7}"#), ("runs.jsonl", "\0\0\0\0"), ("restored.jsonl", "[]")]
    {
        let (env, id) = cleaned();
        if name == "restored.jsonl" {
            fs::write(state(&env, name), "").unwrap();
        }
        damage(&state(&env, name), line);
        let said = format!(
            "line 1 of the journal cannot be read and is skipped: {}",
            state(&env, name).display()
        );
        let says = |ran: &Ran| {
            ran.exits(3).says(&["warning: ", &said, "hint: nothing else is lost"]);
        };

        says(&env.run("history"));
        says(&env.run("history latest"));
        let dry = env.run("undo -n --json");
        says(&dry);
        let report: Value = serde_json::from_str(&dry.out).unwrap();
        assert_eq!(report["warnings"][0]["code"], "journal_damaged", "{report:#}");
        // The rest of the journal does its work.
        says(&env.run("undo"));
        assert_eq!(env.map_now()["claude-cli"]["idle"], Value::from(id));
        says(&env.run("undo"));
        // Where a run is not found, the damage may be why.
        env.run("undo 2099").exits(1).says(&[&said, "no run \"2099\""]);
        env.run("history 2099").exits(1).says(&[&said, "no run \"2099\""]);

        let doctor = env.run("doctor --json");
        let report: Value = serde_json::from_str(&doctor.out).unwrap();
        let checks = report["checks"].as_array().unwrap().iter();
        let found: Vec<&Value> = checks.filter(|check| check["name"] == "state").collect();
        assert_eq!((found.len(), &found[0]["state"]), (1, &json!("warning")), "{report:#}");
        assert!(found[0]["message"].as_str().unwrap().contains(name), "{report:#}");
    }
}

#[test]
fn half_a_line_that_a_killed_run_left_is_no_damage() {
    let (env, _) = cleaned();
    let path = state(&env, "removals.jsonl");
    let before = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{}\n{before}{{\"run\": \"2026", &before[..before.len() / 2]))
        .unwrap();
    assert_eq!(env.run("history").exits(0).err, "");
    assert_eq!(env.run("undo").exits(0).err, "");
}

#[test]
fn doctor_finds_pins_and_holds_that_cannot_be_read() {
    let (env, id) = cleaned();
    let state_check = |env: &TestEnv| -> Value {
        let report: Value = serde_json::from_str(&env.run("doctor --json").out).unwrap();
        let checks = report["checks"].as_array().unwrap();
        let found: Vec<&Value> = checks.iter().filter(|check| check["name"] == "state").collect();
        let [check] = found[..] else { panic!("{report:#}") };
        check.clone()
    };
    assert_eq!(state_check(&env)["state"], "ok");

    fs::write(state(&env, "pins.json"), "[]").unwrap();
    let check = state_check(&env);
    assert_eq!(check["state"], "error", "{check:#}");
    let message = check["message"].as_str().unwrap();
    assert!(message.contains("pins.json") && message.contains("found an array"), "{message}");
    fs::remove_file(state(&env, "pins.json")).unwrap();

    env.run(&format!("hold start --session {id} --key k --pid 1")).exits(0);
    let hold = fs::read_dir(state(&env, "holds")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&hold).unwrap();
    fs::write(&hold, text.replacen("\"schema\":1", "\"schema\":9", 1)).unwrap();
    let check = state_check(&env);
    assert_eq!(check["state"], "warning", "{check:#}");
    let message = check["message"].as_str().unwrap();
    assert!(message.contains(&*hold.to_string_lossy()), "{message}");
}

#[test]
fn doctor_finds_a_named_map_that_never_was_as_a_clean_does() {
    let (env, _) = cleaned();
    let map_check = |line: &str| -> Value {
        let report: Value = serde_json::from_str(&env.run(line).out).unwrap();
        let mut checks = report["checks"].as_array().unwrap().iter();
        checks.find(|check| check["name"] == "map").unwrap().clone()
    };
    let nowhere = env.path("nowhere.json").display().to_string();
    env.run(&format!("clean --map {nowhere}")).exits(1);
    let check = map_check(&format!("doctor --json --map {nowhere}"));
    assert_eq!(check["state"], "error", "{check:#}");
    assert!(check["message"].as_str().unwrap().contains(&nowhere), "{check:#}");

    // A run found this one: the bridge writes it anew with its next chat.
    fs::remove_file(env.map_path()).unwrap();
    let check = map_check(&format!("doctor --json --map {}", env.map_path().display()));
    assert_eq!(check["state"], "warning", "{check:#}");
}

#[test]
fn a_lock_that_another_run_holds_ends_an_undo_with_75_and_changes_nothing() {
    let (env, _) = cleaned();
    let lock = File::open(state(&env, "lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let ran = env.run("undo");
    ran.exits(75).says(&["another run holds the lock of the state folder", "hint: run again"]);
    assert_eq!(env.map_now(), json!({"claude-cli": {}}));
    drop(lock);
    env.run("undo").exits(0);
}

#[test]
fn a_state_folder_that_is_a_file_is_an_error() {
    let (env, id) = cleaned();
    let file = env.path("not-a-folder");
    fs::write(&file, "").unwrap();
    let option = format!("--state-dir {}", file.display());
    env.map(json!({"claude-cli": {"idle": id}}).to_string());
    for command in ["history", "undo", "undo -n", "pin", "hold list", "clean", "clean -n"] {
        let ran = env.run(&format!("{command} {option}"));
        assert!(ran.code == 1 || ran.code == 3, "{command}: {ran:?}");
        ran.says(&["not a directory", "hint: "]);
        assert_eq!(env.map_now()["claude-cli"]["idle"], Value::from(id.as_str()), "{command}");
    }
    // Where no folder can be, nothing was ever written.
    env.run(&format!("history {option}/below")).exits(0);
}

#[test]
fn restored_mappings_of_the_former_file_are_taken_over() {
    let (env, id) = cleaned();
    env.run("undo").exits(0);
    let (former, today) = (state(&env, "put-back.jsonl"), state(&env, "restored.jsonl"));
    fs::rename(&today, &former).unwrap();
    // Restored less than one threshold ago, so it is kept.
    assert_eq!(row(&env.json("clean"), "idle")["state"], "pinned");
    assert!(env.run("undo").exits(0).out.starts_with("Nothing to restore."));

    let other = fresh_id();
    env.session("claude", &other, 5 * HOUR);
    env.map(json!({"claude-cli": {"idle": id, "other": other}}).to_string());
    env.run("clean").exits(0);
    env.run("undo").exits(0);
    assert!(!former.exists());
    assert_eq!(fs::read_to_string(&today).unwrap().matches("\"chat\":\"idle\"").count(), 2);
    assert_eq!(row(&env.json("clean"), "idle")["state"], "pinned");
}

#[test]
fn what_a_killed_run_has_left_of_a_trim_is_swept_by_the_next_run() {
    let env = TestEnv::new();
    env.map(r#"{"claude-cli": {}}"#);
    env.run("clean").exits(0);
    let left = state(&env, ".runs.jsonl.session-warden.tmp.1-0");
    let other = state(&env, ".runs.jsonl.session-warden.tmp.x-0");
    for path in [&left, &other] {
        fs::write(path, "{}").unwrap();
    }
    env.run("clean").exits(0);
    assert!(state(&env, "runs.jsonl").is_file() && !left.exists() && other.exists());
}
