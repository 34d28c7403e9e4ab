//! Which run `undo` restores from, when it asks, and what it prints for programs.

use rustix::process::Signal;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::child::{ACTIVE, IDLE, finish, mapped, pid};
use crate::env::{DAY, Ran, TestEnv, state};
use crate::terminal::{terminal, typed};

const OTHER: &str = "55555555-5555-4555-8555-555555555555";

/// The JSON of an undo, held against the schema.
#[track_caller]
fn valid(ran: &Ran) -> Value {
    static SCHEMA: OnceLock<jsonschema::Validator> = OnceLock::new();
    let schema = SCHEMA.get_or_init(|| {
        let text = include_str!("../../docs/undo.schema.json");
        jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
    });
    let value: Value =
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let errors: Vec<String> =
        schema.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "against the schema: {errors:#?}\n{value:#}");
    value
}

/// A home where one run removed the mapping of `idle`, and a newer one that of `other`; and their ids.
fn two_runs() -> (TestEnv, String, String) {
    let env = mapped();
    let older = env.json("clean")["run"].as_str().unwrap().to_owned();
    env.session("claude", OTHER, DAY);
    env.map(json!({"claude-cli": {"active": ACTIVE, "other": OTHER}}).to_string());
    let newer = env.json("clean")["run"].as_str().unwrap().to_owned();
    (env, older, newer)
}

/// The chats that the map has.
fn chats(env: &TestEnv) -> Vec<String> {
    env.map_now()["claude-cli"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn typed_twice_it_does_not_reach_an_older_run() {
    let (env, older, newer) = two_runs();
    for line in ["undo", "undo latest"] {
        let ran = env.run(line);
        if line == "undo" {
            ran.exits(0);
            continue;
        }
        ran.exits(1).says(&[
            &format!("error: run {newer} is newer and has nothing left to restore; an older"),
            &format!("hint: session-warden undo {older} restores what that run removed at 20"),
        ]);
        assert_eq!(ran.out, "");
    }
    let before = env.map_bytes();
    env.run("undo").exits(1);
    // A dry run shows it, and how it is named.
    let dry = env.run("undo -n");
    dry.exits(0).says(&[&format!("hint: run {newer} is newer"), &format!("undo {older}\n")]);
    assert!(dry.out.contains(&format!("Run {older}, map ")), "{dry:?}");
    assert!(dry.out.ends_with("\nWould restore: 1 mapping\n"), "{dry:?}");
    assert_eq!(env.map_bytes(), before);
    // Named, it is restored: without a terminal there is no question.
    let named = env.run(&format!("undo {}", &older[..older.len() - 1]));
    assert_eq!(named.exits(0).err, "");
    assert_eq!(chats(&env), ["active", "idle", "other"]);
    env.run("undo").exits(0);
}

#[test]
fn on_a_terminal_it_asks_before_it_reaches_an_older_run() {
    // The default, once the newest run is restored; and a run that is named.
    for named in [false, true] {
        let (env, older, newer) = two_runs();
        let line = if named {
            format!("undo {older}")
        } else {
            env.run("undo").exits(0);
            "undo".to_owned()
        };
        let undo = |more: &str, answer: &str| {
            typed(&mut env.command(format!("{line}{more}").split(' ')), answer)
        };
        let before = env.map_bytes();
        let history = env.run("history").out;
        for answer in ["n\n", "\n", "yesterday\n", "Y es\n", "\u{4}"] {
            let ran = undo("", answer);
            ran.exits(1).says(&["error: not confirmed: nothing was restored\nhint: "]);
            assert_eq!(ran.err.matches('?').count(), 1, "one question: {ran:?}");
            assert_eq!(ran.err.matches(" Restore the mapping that it removed? [y/N] ").count(), 1);
            assert!(ran.err.starts_with(&format!("Run {older} (")), "{ran:?}");
            assert_eq!((ran.out.as_str(), env.map_bytes()), ("", before.clone()));
        }
        assert_eq!(env.run("history").out, history, "what was not confirmed is no run");
        let dry = undo(" -n", "");
        assert!(!dry.exits(0).err.contains("[y/N]"), "{dry:?}");
        assert_eq!(env.map_bytes(), before);
        let ran = undo("", if named { "y\n" } else { " YES \n" });
        ran.exits(0);
        assert!(ran.out.contains("Restored: 1 mapping\n"), "{ran:?}");
        assert!(chats(&env).contains(&"idle".to_owned()));
        // The newest run needs no question.
        assert!(!typed(&mut env.command(["undo", &newer]), "").exits(0).err.contains("[y/N]"));
    }
}

#[test]
fn a_signal_is_no_answer() {
    let (env, older, _) = two_runs();
    let before = env.map_bytes();
    let (_user, program) = terminal();
    let (mut stderr, messages) = terminal();
    let mut command = env.command(["undo", &older]);
    let child = command.env("NO_COLOR", "1").stdin(program).stderr(messages).spawn().unwrap();
    drop(command);
    let (mut said, mut byte) = (Vec::new(), [0]);
    while !said.ends_with(b"[y/N] ") && stderr.read(&mut byte).unwrap() > 0 {
        said.push(byte[0]);
    }
    rustix::process::kill_process(pid(&child), Signal::INT).unwrap();
    finish(child).exits(1);
    let mut rest = Vec::new();
    while stderr.read(&mut byte).is_ok_and(|length| length > 0) {
        rest.push(byte[0]);
    }
    let rest = String::from_utf8(rest).unwrap().replace('\r', "");
    assert!(rest.contains("stopped by a signal; the map is unchanged\nhint: "), "{rest}");
    assert_eq!(env.map_bytes(), before);
}

#[test]
fn yes_skips_the_question() {
    for on_a_terminal in [true, false] {
        let (env, ..) = two_runs();
        env.run("undo --yes").exits(0);
        let mut command = env.command(["undo", "--yes"]);
        let ran = if on_a_terminal { typed(&mut command, "") } else { Ran::of(&mut command) };
        assert_eq!((ran.exits(0).err.as_str(), chats(&env).len()), ("", 3));
    }
}

#[test]
fn the_newest_run_that_is_restored_in_part_is_still_the_latest() {
    let env = mapped();
    env.session("claude", OTHER, DAY);
    let map = json!({"claude-cli": {"active": ACTIVE, "idle": IDLE, "other": OTHER}});
    env.map(map.to_string());
    env.run("clean").exits(0);
    env.run("undo --chat other").exits(0);
    assert_eq!(chats(&env), ["active", "other"]);
    env.run("undo --chat claude-cli/idle").exits(0);
    assert_eq!(env.map_now(), map);
    assert!(env.run("undo").exits(0).out.starts_with("Nothing to restore.\n"));
}

#[test]
fn a_chat_that_the_run_did_not_remove_is_refused() {
    let (env, older, newer) = two_runs();
    let before = env.map_bytes();
    env.run("undo --chat nobody").exits(1).says(&[
        "error: no run removed a mapping of chat \"nobody\"\n",
        "hint: session-warden history RUN lists",
    ]);
    env.run(&format!("undo {newer} --chat idle")).exits(1).says(&[
        &format!("error: run {newer} removed no mapping of chat \"idle\"\n"),
        &format!("hint: session-warden history {newer} lists"),
    ]);
    // An older run removed it, which must be named.
    env.run("undo --chat idle")
        .exits(1)
        .says(&[&format!("session-warden undo {older} --chat idle")]);
    assert_eq!(env.map_bytes(), before);
    env.run(&format!("undo {older} --chat idle")).exits(0);
    assert_eq!(chats(&env), ["active", "idle"]);
}

#[test]
fn a_run_that_several_have_or_that_removed_nothing_is_refused() {
    let (env, older, newer) = two_runs();
    let before = env.map_bytes();
    let ran = env.run("undo 20");
    ran.exits(1).says(&["2 runs begin with \"20\": ", &older, &newer, "hint: type more"]);
    env.run("undo 1999").exits(1).says(&["error: no run \"1999\"", "hint: session-warden history"]);
    let none = env.json("clean")["run"].as_str().unwrap().to_owned();
    env.run(&format!("undo {none}")).exits(1).says(&[&format!("run {none} removed nothing")]);
    assert_eq!(env.map_bytes(), before);
    let undo = valid(&env.run("undo --json"))["undo"].as_str().unwrap().to_owned();
    env.run(&format!("undo {undo}")).exits(1).says(&["is an undo: it removed nothing", "hint: "]);
}

#[test]
fn every_output_for_programs_obeys_the_schema() {
    let (env, older, newer) = two_runs();
    let dry = valid(env.run("undo -n --json").exits(0));
    assert_eq!((&dry["run"], &dry["undo"]), (&json!(newer), &Value::Null));
    let summary = json!({"restored": 0, "would_restore": 1, "unchanged": 0});
    assert_eq!((&dry["summary"], &dry["dry_run"]), (&summary, &json!(true)));
    assert_eq!(dry["mappings"][0]["action"], "would_restore");
    env.map(json!({"claude-cli": {"active": ACTIVE, "other": ACTIVE}}).to_string());
    let taken = valid(env.run(&format!("undo {newer} --format json")).exits(0));
    assert_eq!(taken["mappings"][0]["action"], "newer_mapping");
    let back = valid(env.run(&format!("undo {older} --json")).exits(0));
    assert_eq!(back["summary"], json!({"restored": 1, "would_restore": 0, "unchanged": 0}));
    let resume = format!("claude --resume {IDLE}");
    let row = json!({"model": "claude-cli", "chat_id": "idle", "session_id": IDLE,
                     "action": "restored", "resume": resume});
    assert_eq!(back["mappings"], json!([row]));
    let again = valid(env.run(&format!("undo {older} --json")).exits(0));
    assert_eq!(again["mappings"][0]["action"], "already_mapped");
    env.map(json!({"claude-cli": 7}).to_string());
    let odd = valid(env.run(&format!("undo {older} --json")).exits(0));
    assert_eq!(odd["mappings"][0]["action"], "no_place");
    let nothing = valid(env.run("undo --state-dir none --json").exits(0));
    assert_eq!((&nothing["run"], &nothing["mappings"]), (&Value::Null, &json!([])));
}

/// A bridge's folder whose name is not UTF-8, with a map of an active and an idle session.
fn odd_folder(env: &TestEnv, name: &[u8]) -> PathBuf {
    let folder = env.path("").join(OsStr::from_bytes(name));
    fs::create_dir(&folder).unwrap();
    fs::copy(env.map_path(), folder.join("session_map.json")).unwrap();
    folder
}

#[test]
fn a_map_whose_path_is_not_utf_8_is_found_again() {
    let env = mapped();
    let folder = odd_folder(&env, b"bri\xffdge");
    let in_folder = |folder: &PathBuf, line: &str| {
        let mut command = env.command(line.split(' '));
        Ran::of(command.arg("--session-dir").arg(folder))
    };
    let map = folder.join("session_map.json");
    let before = fs::read(&map).unwrap();
    in_folder(&folder, "clean").exits(0);
    assert_ne!(fs::read(&map).unwrap(), before);
    // The same but for what is no text, with the same chats, and never cleaned.
    let twin = odd_folder(&env, b"bri\xfedge");

    let undone = env.run("undo");
    assert!(undone.exits(0).out.contains("Restored: 1 mapping\n"), "{undone:?}");
    assert_eq!(undone.err, "");
    assert_eq!(fs::read(&map).unwrap(), before);
    assert!(env.run("undo").exits(0).out.starts_with("Nothing to restore.\n"));
    let expected: Vec<u8> = fs::canonicalize(&map).unwrap().as_os_str().as_bytes().to_vec();
    for name in ["removals.jsonl", "restored.jsonl", "runs.jsonl"] {
        let lines = env.journal(name);
        assert!(lines.iter().all(|line| line["map"] == json!(expected)), "{name}: {lines:?}");
    }
    // It is kept in that map, and in no other.
    let report = |folder| in_folder(folder, "clean -n --format json").report();
    assert_eq!(state(&report(&folder), "idle"), "pinned");
    assert_eq!(state(&report(&twin), "idle"), "idle");
    let ran = env.run("history latest");
    assert!(ran.exits(0).out.contains("bri\u{fffd}dge/session_map.json"), "{ran:?}");

    // A named map finds what was removed from it.
    let env = mapped();
    let folder = odd_folder(&env, b"\xff");
    env.run("clean").exits(0);
    let mut command = env.command(["clean"]);
    Ran::of(command.arg("--session-dir").arg(&folder)).exits(0);
    env.run(&format!("undo --map {}", env.map_path().display())).exits(0);
    assert_eq!(chats(&env), ["active", "idle"]);
    let mut command = env.command(["undo"]);
    let ran = Ran::of(command.arg("--session-dir").arg(&folder));
    assert!(ran.exits(0).out.contains("Restored: 1 mapping\n"), "{ran:?}");
}
