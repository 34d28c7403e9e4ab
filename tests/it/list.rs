//! `list`: every mapping with its first message. Its parts look at conversations, widths, limits,
//! profiles, deletion by the CLIs, and sessions without a mapping.

mod about;
mod harmless;
mod limit;
mod profiles;
mod retention;
mod unmapped;
mod width;

use crate::child::{bounded, unprivileged, with_mode};
use crate::env::{DAY, HOUR, MINUTE, Ran, TestEnv, row};
use serde_json::{Value, json};
use session_warden::model::Timestamp;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

const A: &str = "aaaaaaaa-0a1b-4c2d-8e3f-000000000001";
const B: &str = "bbbbbbbb-0a1b-4c2d-8e3f-000000000002";
const C: &str = "cccccccc-0a1b-4c2d-8e3f-000000000003";
const D: &str = "dddddddd-0a1b-4c2d-8e3f-000000000004";
const GONE: &str = "99999999-0a1b-4c2d-8e3f-000000000009";

fn time_ago(age: u64) -> String {
    Timestamp::from(SystemTime::now() - Duration::from_secs(age)).rfc3339().unwrap()
}

/// A session of that CLI whose user said that, in that folder, that long ago.
fn talk(env: &TestEnv, cli: &str, id: &str, project: &str, said: &str, age: u64) {
    let time = time_ago(age);
    match cli {
        "claude" => {
            let message = json!({"role": "user", "content": said});
            let line = json!({"type": "user", "cwd": project, "sessionId": id, "timestamp": time,
                              "message": message});
            let last = json!({"type": "last-prompt", "lastPrompt": "x"});
            env.file(&format!(".claude/projects/-w/{id}.jsonl"), format!("{line}\n{last}\n"), age);
        }
        "codex" => {
            let meta = json!({"timestamp": time, "type": "session_meta",
                              "payload": {"id": id, "cwd": project}});
            let event = json!({"timestamp": time, "type": "event_msg",
                               "payload": {"type": "user_message", "message": said}});
            let name = format!("rollout-2026-01-05T10-00-00-{id}.jsonl");
            let path = format!(".codex/sessions/2026/01/05/{name}");
            env.file(&path, format!("{meta}\n{event}\n"), age);
        }
        "gemini" => {
            let header = json!({"sessionId": id, "startTime": time, "lastUpdated": time});
            let message = json!({"id": "m", "timestamp": time, "type": "user", "content": said});
            let name = format!("session-2026-01-05T10-00-{}.jsonl", &id[..8]);
            let path = format!(".gemini/tmp/{project}/chats/{name}");
            env.file(&path, format!("{header}\n{message}\n"), age);
        }
        other => panic!("no CLI {other}"),
    }
}

/// A mapping of every kind.
fn home() -> TestEnv {
    let env = TestEnv::new();
    let in_home = env.home("src/website").to_str().unwrap().to_owned();
    talk(&env, "claude", A, &in_home, "Why does the menu flicker?", 3 * DAY + 4 * HOUR);
    talk(&env, "codex", B, "/srv/api", "Add a health check\n\nto the API", 10 * MINUTE);
    talk(&env, "gemini", C, "holiday", "Which trains go to Narvik?", 2 * DAY);
    env.map(
        json!({
            "claude-cli": {"menu": A, "old": GONE},
            "codex-cli": {"api": B},
            "gemini-cli": {"trains": C},
            "interactive-discussion": {"round-table": "x"},
        })
        .to_string(),
    );
    env
}

/// What `list` prints at that width.
fn at(env: &TestEnv, columns: usize, line: &str) -> Ran {
    let args = std::iter::once("list").chain(line.split_whitespace());
    Ran::of(env.command(args).env("COLUMNS", columns.to_string()))
}

/// The list as JSON, held against its schema.
#[track_caller]
fn listed(ran: &Ran) -> Value {
    static SCHEMA: OnceLock<jsonschema::Validator> = OnceLock::new();
    let schema = SCHEMA.get_or_init(|| {
        let text = include_str!("../../docs/list.schema.json");
        jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
    });
    let list: Value = serde_json::from_str(&ran.out)
        .unwrap_or_else(|error| panic!("no JSON list: {error}: {ran:?}"));
    let errors: Vec<String> =
        schema.iter_errors(&list).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "against the schema: {errors:#?}\n{list:#}");
    list
}

#[track_caller]
fn list(env: &TestEnv, line: &str, code: i32) -> Value {
    let ran = env.run(&format!("list {line} --format json"));
    listed(ran.exits(code))
}

/// The chats, or without those the sessions, in their order.
fn names(list: &Value) -> Vec<&str> {
    let rows = list["sessions"].as_array().unwrap();
    rows.iter().map(|row| row["chat_id"].as_str().or(row["session_id"].as_str()).unwrap()).collect()
}

fn codes(list: &Value) -> Vec<&str> {
    let warnings = list["warnings"].as_array().unwrap();
    warnings.iter().map(|warning| warning["code"].as_str().unwrap()).collect()
}

#[test]
fn every_mapping_with_its_state_idle_time_project_and_first_message() {
    let env = home();
    let ran = at(&env, 100, "");
    assert_eq!(ran.exits(0).err, "");
    let expected = format!(
        "{} · idle after 2h

STATE     IDLE     CLI       CHAT         PROJECT        FIRST MESSAGE
idle      3d 4h    claude    menu         ~/src/website  Why does the menu flicker?
idle      2d       gemini    trains       holiday        Which trains go to Narvik?
active    10m      codex     api          /srv/api       Add a health check to the API
missing   -        claude    old          -              -
unknown   -        interac…  round-table  -              -

5 mappings: 1 active, 2 idle, 1 missing, 1 unknown
",
        env.map_path().display(),
    );
    assert_eq!(ran.out, expected);
}

#[test]
fn verbose_adds_the_session_its_command_its_file_its_size_and_its_times() {
    let env = home();
    let list = list(&env, "", 0);
    let row = row(&list, "menu");
    let second = |time: &Value| format!("{} UTC", time.as_str().unwrap()[..19].replace('T', " "));
    let expected = format!(
        "Why does the menu flicker?
          session  {A}  claude-cli
          resume   claude --resume {A}
          size     {} B
          mtime    {}
          record   {}
          file     {}
          deleted by Claude Code after {}
idle",
        row["size_bytes"],
        second(&row["mtime"]),
        second(&row["record"]),
        env.home(&format!(".claude/projects/-w/{A}.jsonl")).display(),
        &row["deleted_after"].as_str().unwrap()[..10],
    );
    for option in ["-v", "--verbose"] {
        let ran = at(&env, 100, option);
        assert!(ran.exits(0).out.contains(&expected), "{expected}\nnot in\n{}", ran.out);
        let gone = format!("\n          session  {GONE}  claude-cli\n");
        assert!(ran.out.contains(&gone), "{}", ran.out);
    }
}

#[test]
fn json_has_every_field_and_null_where_there_is_nothing() {
    let env = home();
    let before = time_ago(0);
    let list = list(&env, "", 0);
    assert!(*list["listed_at"].as_str().unwrap() >= *before);
    assert_eq!((&list["schema"], &list["unmapped"]), (&json!(1), &json!(false)));
    assert_eq!(list["threshold_seconds"], 7200);
    let source = json!({"kind": "file", "map": env.map_path().to_str(), "url": null});
    assert_eq!(list["source"], source);
    assert_eq!(codes(&list), [""; 0]);
    let menu = row(&list, "menu");
    let file = env.home(&format!(".claude/projects/-w/{A}.jsonl"));
    let told = |name: &str| menu[name].clone();
    let project = env.home("src/website");
    assert_eq!(told("model"), "claude-cli");
    assert_eq!((told("session_id"), told("state")), (json!(A), json!("idle")));
    assert_eq!(told("project"), project.to_str().unwrap());
    assert_eq!(told("message"), "Why does the menu flicker?");
    assert_eq!(told("file"), file.to_str().unwrap());
    assert_eq!(told("size_bytes"), fs::metadata(&file).unwrap().size());
    let mtime = Timestamp::from(fs::metadata(&file).unwrap().modified().unwrap());
    assert_eq!(told("mtime"), mtime.rfc3339().unwrap());
    assert_eq!(told("last_used"), told("mtime"));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(told("record").as_str().unwrap()), "{menu:#}");
    assert_eq!(menu["idle_seconds"].as_u64().unwrap() / HOUR, 76);
    for chat in ["old", "round-table"] {
        let row = row(&list, chat);
        for absent in [
            "last_used",
            "idle_seconds",
            "project",
            "message",
            "file",
            "size_bytes",
            "mtime",
            "record",
            "resume",
            "deleted_after",
            "process",
        ] {
            assert_eq!(row[absent], Value::Null, "{absent} of {chat}");
        }
    }
    assert_eq!(told("resume"), format!("claude --resume {A}"));
    assert_eq!(told("process"), Value::Null);
    let summary = json!({"total": 5, "shown": 5, "size_bytes": list["summary"]["size_bytes"],
        "active": 1, "idle": 2, "missing": 1, "in_use": 0, "pinned": 0, "resident": 0,
        "archived": 0, "unknown": 1});
    assert_eq!(list["summary"], summary);
    // The same, whatever is typed for people.
    let verbose = env.run("list -v --color always --format json");
    assert_eq!(listed(&verbose)["sessions"][0]["chat_id"], "menu");
    assert!(!verbose.out.contains('\x1b'));
    let odd = json!({"claude-cli": {"menu": A, "odd": 7}}).to_string();
    env.map(odd);
    assert_eq!(row(&self::list(&env, "", 0), "odd")["session_id"], Value::Null);
}

#[test]
fn the_record_stands_beside_the_mtime_and_counts_where_it_is_asked_for() {
    let env = home();
    let file = env.home(&format!(".claude/projects/-w/{A}.jsonl"));
    crate::env::set_age(&file, MINUTE);
    for (line, state, clock) in [("", "active", "mtime"), ("--clock record", "idle", "record")] {
        let list = list(&env, line, 0);
        let menu = row(&list, "menu");
        assert_eq!((&menu["state"], &menu["last_used"]), (&json!(state), &menu[clock]), "{line}");
        assert!(menu["record"].as_str() < menu["mtime"].as_str(), "{menu:#}");
    }
}

#[test]
fn the_order_is_by_idle_time_model_or_size() {
    let env = home();
    // The largest is neither the oldest nor of the first model.
    talk(&env, "gemini", C, "holiday", &"x".repeat(9000), 2 * DAY);
    talk(&env, "claude", D, "/srv", "hi", 4 * DAY);
    let mut map = env.map_now();
    map["claude-cli"] = json!({"old": GONE, "menu": A, "oldest": D});
    env.map(map.to_string());
    let age = ["oldest", "menu", "trains", "api", "old", "round-table"];
    let model = ["oldest", "menu", "old", "api", "trains", "round-table"];
    assert_eq!(names(&list(&env, "", 0)), age);
    assert_eq!(names(&list(&env, "--sort idle", 0)), age);
    assert_eq!(names(&list(&env, "--sort age", 0)), age, "its former name");
    assert_eq!(names(&list(&env, "--sort model", 0)), model);
    let by_size = list(&env, "--sort size", 0);
    let sizes: Vec<u64> = by_size["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["size_bytes"].as_u64().unwrap_or(0))
        .collect();
    assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes[0] > 9000, "{sizes:?}");
    assert_eq!(names(&by_size)[0], "trains");
    let text = at(&env, 100, "--sort size").out;
    assert!(text.find("trains").unwrap() < text.find("menu").unwrap(), "{text}");
    assert!(text.contains("\nSTATE          SIZE  IDLE     CLI "), "{text}");
    assert!(text.contains(" KiB  2d       gemini    trains "), "{text}");
    assert!(text.contains("\nunknown           -  -        interac…"), "{text}");
    assert!(
        text.contains("\n6 mappings, 9.") && text.contains(" KiB: 1 active, 3 idle,"),
        "{text}"
    );
    env.run("list --sort colour").exits(2).says(&["colour", "idle", "model", "size"]);
}

#[test]
fn only_the_states_that_are_asked_for() {
    let env = home();
    env.file(&format!(".codex/archived_sessions/rollout-2026-01-05T10-00-00-{D}.jsonl"), "{}", 9);
    let running = crate::in_use::fresh_id();
    talk(&env, "claude", &running, "/srv", "hi", DAY);
    let _running = crate::in_use::Running::with(&["--resume", &running]);
    let mut map = env.map_now();
    map["codex-cli"]["filed"] = json!(D);
    map["claude-cli"]["busy"] = json!(running);
    env.map(map.to_string());
    for (line, expected) in [
        ("--state active", &["api"][..]),
        ("--state idle", &["menu", "trains"]),
        ("--state missing", &["old"]),
        ("--state archived", &["filed"]),
        ("--state in_use", &["busy"]),
        ("--state pinned", &[]),
        ("--state pinned --pin tr*", &["trains"]),
        ("--state unknown", &["round-table"]),
        ("--state idle --state missing", &["menu", "trains", "old"]),
        ("--state=idle --state idle --provider gemini", &["trains"]),
        ("--state idle --hours 60", &["menu"]),
    ] {
        let list = list(&env, line, 0);
        assert_eq!(names(&list), expected, "{line}");
        let asked = |row: &Value| line.contains(row["state"].as_str().unwrap());
        assert!(list["sessions"].as_array().unwrap().iter().all(asked), "{line}: {list:#}");
    }
    let none = at(&env, 80, "--state pinned");
    assert!(none.exits(0).out.ends_with("\n\n0 mappings\n"), "{}", none.out);
    for line in ["--state sleepy", "--state", "--state idle --unmapped", "--max-remove 1", "-q"] {
        let ran = at(&env, 80, line);
        assert_eq!(ran.exits(2).out, "", "{line}");
    }
    at(&env, 80, "--state sleepy").says(&["sleepy", "active", "in_use", "unknown"]);
}

#[test]
fn what_cannot_be_listed_is_said_and_told_by_the_code() {
    let env = home();
    fs::remove_file(env.map_path()).unwrap();
    let none = at(&env, 80, "");
    none.exits(0).says(&["hint: the bridge writes session_map.json at its first chat"]);
    assert!(none.out.ends_with(" · there is no map\n\n0 mappings\n"), "{none:?}");
    assert_eq!(list(&env, "", 0)["sessions"], json!([]));
    env.map("{\"claude-cli\": {");
    for line in ["list", "list --format json", "list --unmapped"] {
        let broken = env.run(line);
        assert_eq!(broken.exits(1).out, "", "{line}");
        broken.says(&[env.map_path().to_str().unwrap()]);
    }
    // A CLI whose sessions are not to be seen.
    env.map(json!({"claude-cli": {"menu": A}}).to_string());
    fs::rename(env.home(".claude"), env.home("elsewhere")).unwrap();
    let list = list(&env, "", 3);
    assert_eq!(
        (codes(&list), &row(&list, "menu")["state"]),
        (vec!["root_absent"], &json!("unknown"))
    );
    at(&env, 80, "").exits(3).says(&["warning: claude: there is no folder of sessions"]);
}

#[test]
fn a_session_that_cannot_be_looked_into_is_warned_of() {
    let env = home();
    let file = env.home(&format!(".claude/projects/-w/{A}.jsonl"));
    let mut command = unprivileged(&env, "list --format json");
    let _closed = with_mode(file.clone(), 0o000);
    let ran = bounded(&mut command);
    let list = listed(ran.exits(3));
    assert_eq!(codes(&list), ["not_looked_into"]);
    assert_eq!(list["warnings"][0]["path"], file.to_str().unwrap());
    let menu = row(&list, "menu");
    assert_eq!((&menu["state"], &menu["message"]), (&json!("idle"), &Value::Null));
    assert_eq!(names(&list).len(), 5, "the others are as they were");
}

#[test]
fn a_limit_or_quiet_of_the_configuration_is_none_of_a_list() {
    let env = home();
    let config = "[clean]\nmax_remove = 0\nquiet = true\nmetrics = \"warden.prom\"\nhours = 10\n";
    env.file(".config/session-warden/config.toml", config, 0);
    env.run("-n").exits(1).says(&["--max-remove 0"]);
    let list = list(&env, "", 0);
    assert_eq!((list["threshold_seconds"].as_u64(), names(&list).len()), (Some(36_000), 5));
    assert!(!env.home(".config/session-warden/warden.prom").exists());
    let profile = format!("{config}[[profile]]\nname = \"p\"\nsession_dir = \"~\"\n");
    env.file(".config/session-warden/config.toml", profile, 0);
    let none = self::list(&env, "--profile p", 0);
    assert_eq!(
        (&none["sessions"], &none["source"]["map"]),
        (&json!([]), &json!(env.home("session_map.json")))
    );
}
