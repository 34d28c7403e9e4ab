//! One text full of what a terminal acts on, in every place that others write, through every command (S3).

use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

use crate::child::{ACTIVE, IDLE, bounded};
use crate::env::{HOUR, MINUTE, Ran, TestEnv};
use crate::in_use::fresh_id;
use crate::resident::Resident;

/// Clears the screen, sets the title, and has a C1 control, a right-to-left override, DEL, an invisible character, and
/// a line end.
const POISON: &str = "\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\u{202e}x\u{7f}\u{200b}\r\ny";
/// How its beginning is shown.
const IN_TEXT: &str = "\\u{1b}[2J";
const IN_JSON: &str = "\\u001b[2J";

struct Poisoned {
    env: TestEnv,
    folder: PathBuf,
    _process: Resident,
}

/// A home in which every text that the program did not write itself is the poison.
fn poisoned() -> Poisoned {
    let env = TestEnv::new();
    let folder = env.path(POISON);
    fs::create_dir(&folder).unwrap();
    let resident = fresh_id();
    for (id, age) in [(IDLE, 5 * HOUR), (ACTIVE, MINUTE), (&resident, 5 * HOUR)] {
        let line = json!({
            "type": "user", "sessionId": id, "cwd": format!("/{POISON}"), "gitBranch": POISON,
            "timestamp": "2026-01-05T10:00:00Z", "message": {"role": "user", "content": POISON},
        });
        env.file(&format!(".claude/projects/-w/{id}.jsonl"), format!("{line}\n"), age);
    }
    let map = json!({
        "claude-cli": {POISON: IDLE, "active": ACTIVE, "odd": POISON, "resident": resident},
        POISON: {POISON: POISON},
        format!("{POISON}-none"): 7,
    });
    fs::write(folder.join("session_map.json"), map.to_string()).unwrap();

    let process = Resident::start(&env.home(".claude"), &resident, "idle");
    let record = env.home(&format!(".claude/sessions/{}.json", process.pid()));
    let mut fields: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    for field in ["status", "name", "entrypoint", "version"] {
        fields[field] = POISON.into();
    }
    fs::write(record, fields.to_string()).unwrap();

    journal(&env);
    let hold = ["hold", "start", "--chat", POISON, "--key", "k", "--reason", POISON, "--ttl", "1h"];
    Ran::of(&mut env.command(hold)).exits(0);
    Poisoned { env, folder, _process: process }
}

fn journal(env: &TestEnv) {
    let (run, time) = ("20261119T100000Z-125-4121", "2026-11-19T10:00:00.000Z");
    let map = format!("/{POISON}/session_map.json");
    let ran = json!({
        "run": run, "command": "clean", "started": time, "ended": time, "exit": 1, "map": map,
        "summary": {}, "warning": POISON,
    });
    let removal = json!({
        "run": run, "time": time, "form": "today", "model": POISON, "chat": POISON, "before": POISON,
        "session": POISON, "last_used": time, "reason": POISON,
    });
    let release = json!({
        "run": run, "time": time, "event": "released", "map": map, "url": POISON, "pid": 1, "start": 1,
        "session": POISON, "chats": [POISON], "memory_bytes": 1, "resume": POISON,
    });
    let map = json!({"map_of": run, "map": map, "url": POISON});
    for (name, lines) in [
        ("runs.jsonl", vec![ran]),
        ("removals.jsonl", vec![map, removal]),
        ("releases.jsonl", vec![release]),
    ] {
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        env.file(&format!(".local/state/session-warden/{name}"), lines.join("\n") + "\n", 0);
    }
}

fn is_raw(letter: char) -> bool {
    let acts = matches!(letter, '\u{200b}' | '\u{202e}');
    acts || (letter.is_control() && letter != '\n')
}

#[track_caller]
fn is_safe(text: &str, what: &str) {
    assert!(!text.contains(is_raw), "{what}: {text:?}");
}

impl Poisoned {
    /// Runs a command on the map, and returns its standard output.
    #[track_caller]
    fn run(&self, words: &[&str], takes_map: bool) -> String {
        let mut command = self.env.command(words);
        if takes_map {
            command.arg("--session-dir").arg(&self.folder);
        }
        let ran = bounded(&mut command);
        assert!(matches!(ran.code, 0 | 1 | 3), "{words:?}: {ran:?}");
        for text in [&ran.out, &ran.err] {
            is_safe(text, &words.join(" "));
        }
        ran.out
    }
}

#[test]
fn a_poisoned_text_is_escaped_by_every_command_s3() {
    let home = poisoned();
    let all: &[(&[&str], bool)] = &[
        (&["clean", "-n", "-v"], true),
        (&["list"], true),
        (&["list", "-v"], true),
        (&["list", "--unmapped"], true),
        (&["release", "-n"], true),
        (&["pin", POISON], true),
        (&["pin"], true),
        (&["hold", "list"], false),
        (&["history"], false),
        (&["history", "latest"], false),
        (&["undo", "-n", "latest"], false),
        (&["remove", "-n", "odd"], true),
        (&["doctor"], true),
        (&["config"], false),
        (&["schedule", "status"], false),
    ];
    let mut shown = 0;
    for &(words, takes_map) in all {
        let text = home.run(words, takes_map);
        let json = home.run(&[words, &["--json"]].concat(), takes_map);
        shown += u32::from(text.contains(IN_TEXT)) + u32::from(json.contains(IN_JSON));
        for line in json.lines() {
            serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{words:?}: {json}"));
        }
    }
    assert!(
        shown >= 20,
        "the poison is shown by most of them, not by {shown} of {}",
        all.len() * 2
    );

    // A unit would have it as it is.
    let mut print = home.env.command(["schedule", "print", "--method", "systemd-user"]);
    let ran = bounded(print.arg("--session-dir").arg(&home.folder));
    ran.exits(2).says(&["control characters"]);
    is_safe(&ran.err, "schedule print");
}

#[test]
fn a_poisoned_text_is_escaped_in_files_s3() {
    let home = poisoned();
    let (log, metrics) = (home.env.path("log"), home.env.path("metrics.prom"));
    let names = [log.to_str().unwrap(), metrics.to_str().unwrap()];
    home.run(&["clean", "-v", "--log", names[0], "--metrics", names[1]], true);
    let logged = fs::read_to_string(log).unwrap();
    is_safe(&logged, "the log");
    is_safe(&fs::read_to_string(metrics).unwrap(), "the metrics");
    assert!(logged.contains(IN_TEXT), "{logged}");

    let map: Value =
        serde_json::from_slice(&fs::read(home.folder.join("session_map.json")).unwrap()).unwrap();
    assert_eq!(map["claude-cli"].get("odd"), Some(&json!(POISON)), "{map:#}");
}
