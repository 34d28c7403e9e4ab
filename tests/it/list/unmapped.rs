//! `list --unmapped`: the sessions on disk that no mapping names.

use super::{A, B, C, D, at, codes, home, list, listed, names, talk};
use crate::child::{bounded, unprivileged, with_mode};
use crate::env::{DAY, HOUR, MINUTE, TestEnv, link, row};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// Sessions of every CLI, of which one each is mapped.
fn mixed() -> TestEnv {
    let env = home();
    talk(&env, "claude", D, "/srv/left", "Who remembers me?", 40 * DAY);
    talk(&env, "codex", A, "/srv/api", "And me?", 3 * HOUR);
    talk(&env, "gemini", B, "holiday", "Me neither", 5 * MINUTE);
    env
}

#[test]
fn those_that_no_mapping_names_with_their_sizes() {
    let env = mixed();
    let list = list(&env, "--unmapped", 0);
    assert_eq!((&list["unmapped"], codes(&list).len()), (&json!(true), 0));
    assert_eq!(names(&list), [D, A, B]);
    for (id, model, message) in [
        (D, "claude-cli", "Who remembers me?"),
        (A, "codex-cli", "And me?"),
        (B, "gemini-cli", "Me neither"),
    ] {
        let rows = list["sessions"].as_array().unwrap();
        let row = rows.iter().find(|row| row["session_id"] == id).unwrap();
        assert_eq!((&row["model"], &row["message"]), (&json!(model), &json!(message)));
        assert_eq!((&row["chat_id"], &row["state"]), (&Value::Null, &Value::Null));
        let file = fs::metadata(row["file"].as_str().unwrap()).unwrap();
        assert_eq!(row["size_bytes"], file.size());
        assert!(row["idle_seconds"].as_u64() >= Some(5 * MINUTE), "{row:#}");
    }
    let sizes = |row: &Value| row["size_bytes"].as_u64().unwrap();
    let all: u64 = list["sessions"].as_array().unwrap().iter().map(sizes).sum();
    let text = at(&env, 100, "--unmapped");
    let total = format!("\n\n3 sessions without a mapping, {all} B\n");
    assert!(text.exits(0).out.ends_with(&total), "{}", text.out);
    let row = format!("{:>7} B  40d      claude  dddddddd", sizes(&list["sessions"][0]));
    assert!(text.out.contains(&row), "{row:?} is not in {}", text.out);
    assert!(text.out.contains("     SIZE  IDLE     CLI     SESSION"), "{}", text.out);
    let verbose = at(&env, 100, "--unmapped -v").out;
    assert!(verbose.contains(&format!("\n          session  {D}  claude-cli\n")), "{verbose}");
    let wide = at(&env, 200, "--unmapped").out;
    assert!(wide.contains(&format!("  {D}  ")), "there is room for whole ids: {wide}");
}

#[test]
fn the_largest_first_and_those_of_one_cli() {
    let env = mixed();
    talk(&env, "codex", A, "/srv/api", &"x".repeat(3 << 20), 3 * DAY);
    assert_eq!(names(&list(&env, "--unmapped --sort size", 0))[0], A);
    assert_eq!(names(&list(&env, "--unmapped --sort model", 0)), [D, A, B]);
    assert_eq!(names(&list(&env, "--unmapped --provider codex --provider claude", 0)), [D, A]);
    let text = at(&env, 100, "--unmapped --sort size").out;
    assert!(text.contains("\n  3.0 MiB  3d       codex "), "{text}");
}

#[test]
fn a_session_is_mapped_under_its_own_cli_and_in_any_case() {
    let env = mixed();
    // As another CLI's, it names nothing of this one.
    env.map(json!({"codex-cli": {"x": D}, "gemini-cli": {"y": D, "z": C}}).to_string());
    assert_eq!(names(&list(&env, "--unmapped --provider claude", 0)), [D, A]);
    env.map(json!({"claude-cli": {"x": D.to_uppercase(), "y": A}}).to_string());
    assert_eq!(names(&list(&env, "--unmapped --provider claude", 0)), [""; 0]);
    // Gemini's ids are words: `Word` and `word` are two sessions.
    talk(&env, "gemini", "some-Word", "holiday", "hi", DAY);
    env.map(json!({"gemini-cli": {"x": "some-word", "y": B, "z": C}}).to_string());
    assert_eq!(names(&list(&env, "--unmapped --provider gemini", 0)), ["some-Word"]);
}

#[test]
fn only_what_is_a_session_is_listed() {
    let env = home();
    let projects = ".claude/projects/-w";
    env.file(&format!("{projects}/{D}.jsonl"), "", DAY);
    env.file(
        &format!("{projects}/agent-0a1b2c3.jsonl"),
        format!("{{\"sessionId\":\"{A}\"}}\n"),
        DAY,
    );
    env.file(&format!("{projects}/agent-0a1b2c4.jsonl"), "", DAY);
    env.file(&format!("{projects}/{B}.desktop-released.json"), "{}", DAY);
    env.file(&format!("{projects}/{A}/subagents/agent-0a1b2c3d.jsonl"), "{}\n", DAY);
    env.file(&format!(".codex/archived_sessions/rollout-2026-01-05T10-00-00-{D}.jsonl"), "{}", DAY);
    env.file(".codex/sessions/2026/01/05/notes.txt", "x", DAY);
    env.file(".gemini/tmp/w/chats/session-2026-01-05T10-00-dddddddd.jsonl", "{\"sess", DAY);
    env.file(&format!(".gemini/tmp/w/chats/{C}/sub.jsonl"), "{\"sessionId\":\"sub\"}\n", DAY);
    let list = list(&env, "--unmapped", 0);
    assert_eq!((names(&list), codes(&list)), (vec![], vec![]));
    assert!(at(&env, 80, "--unmapped").out.ends_with("\n0 sessions without a mapping\n"));
}

#[test]
fn the_newest_file_of_a_session_tells_its_age() {
    let env = home();
    let id = "019b8d99-6900-7000-8000-00000000000a";
    for (folder, age) in [("2026/01/05", DAY), ("2025/12/24", 5 * HOUR)] {
        let meta = json!({"type": "session_meta", "payload": {"id": id, "cwd": folder}});
        let name = format!("rollout-2026-01-05T11-00-00-{id}.jsonl");
        env.file(&format!(".codex/sessions/{folder}/{name}"), format!("{meta}\n"), age);
    }
    let list = list(&env, "--unmapped", 0);
    assert_eq!(names(&list), [id]);
    assert_eq!(list["sessions"][0]["project"], "2025/12/24");
    assert_eq!(list["sessions"][0]["idle_seconds"].as_u64().unwrap() / HOUR, 5);
}

#[test]
fn a_cli_that_was_never_used_is_no_trouble_and_no_map_names_nothing() {
    let env = TestEnv::new();
    talk(&env, "claude", A, "/srv", "hi", DAY);
    for map in [None, Some("{}"), Some("{\"gemini-cli\": {}}")] {
        if let Some(map) = map {
            env.map(map);
        }
        let ran = at(&env, 80, "--unmapped");
        assert_eq!(ran.exits(0).err, "", "{map:?}");
        assert_eq!(names(&list(&env, "--unmapped", 0)), [A]);
    }
    let empty = TestEnv::new();
    assert_eq!(list(&empty, "--unmapped", 0)["sessions"], json!([]));
    // What is said of mappings is not asked here.
    let env = mixed();
    fs::remove_dir_all(env.home(".codex")).unwrap();
    assert_eq!(list(&env, "", 3)["warnings"][0]["code"], "root_absent");
    assert_eq!(names(&list(&env, "--unmapped", 0)), [D, B]);
}

#[test]
fn a_tree_that_cannot_be_read_whole_is_warned_of() {
    let places = [
        ("claude", ".claude/projects"),
        ("claude", ".claude/projects/-w"),
        ("codex", ".codex/sessions"),
        ("codex", ".codex/sessions/2026"),
        ("codex", ".codex/sessions/2026/01/05"),
        ("gemini", ".gemini/tmp"),
        ("gemini", ".gemini/tmp/holiday/chats"),
        ("gemini", ".gemini/tmp/holiday/chats/session-2026-01-05T10-00-bbbbbbbb.jsonl"),
    ];
    for (cli, place) in places {
        let env = mixed();
        let path = env.home(place);
        let mut json = unprivileged(&env, "list --unmapped --format json");
        let mut text = unprivileged(&env, "list --unmapped");
        let (json, text) = {
            let _closed = with_mode(path.clone(), 0o000);
            (bounded(&mut json), bounded(&mut text))
        };
        let list = listed(json.exits(3));
        let warnings = list["warnings"].as_array().unwrap();
        let found = warnings.iter().filter(|w| w["path"] == path.to_str().unwrap()).count();
        assert_eq!((found, warnings.len()), (1, 1), "{place}: {list:#}");
        text.exits(3).says(&["warning", cli, "permission denied", path.to_str().unwrap()]);
        // The other CLIs' are there all the same.
        assert_eq!(names(&list).len(), 2, "{place}: {list:#}");
    }
}

#[test]
fn what_may_hide_a_session_is_warned_of() {
    for (link_at, to) in [
        (".codex/sessions/2026/02", ".codex/sessions/2026/01"),
        (".gemini/tmp/w/chats/session-2026-01-05T10-00-dddddddd.jsonl", "elsewhere"),
    ] {
        let env = mixed();
        link(&env.home(to), &env.home(link_at));
        let list = list(&env, "--unmapped", 3);
        assert_eq!(codes(&list), ["not_read_whole"], "{link_at}");
        assert_eq!(names(&list), [D, A, B]);
    }
}

#[test]
fn records_are_their_age_where_they_are_asked_for() {
    let env = mixed();
    let file = env.home(&format!(".claude/projects/-w/{D}.jsonl"));
    crate::env::set_age(&file, MINUTE);
    for (line, clock, order) in
        [("--unmapped", "mtime", [A, B, D]), ("--unmapped --clock record", "record", [D, A, B])]
    {
        let list = list(&env, line, 0);
        assert_eq!(names(&list), order, "{line}");
        let place = order.iter().position(|id| *id == D).unwrap();
        let found = &list["sessions"][place];
        assert_eq!(found["last_used"], found[clock], "{line}: {found:#}");
    }
    assert_eq!(row(&list(&env, "", 0), "menu")["session_id"], A);
}

#[test]
fn what_keep_alive_has_made_is_left_out() {
    let env = mixed();
    let state = env.home(".local/state/session-warden");
    let folder = |cli: &str| state.join("keepalive").join(cli).to_str().unwrap().to_owned();
    let made = "eeeeeeee-0a1b-4c2d-8e3f-000000000005";
    for cli in ["claude", "codex"] {
        talk(&env, cli, made, &folder(cli), "Say OK", HOUR);
    }
    // Gemini CLI notes the folder beside its sessions; it says no more than its name in them.
    talk(&env, "gemini", made, "gemini", "Say OK", HOUR);
    let noted = env.file(".gemini/tmp/gemini/.project_root", folder("gemini"), HOUR);
    assert_eq!(names(&list(&env, "--unmapped", 0)), [D, A, B]);
    // Elsewhere, or beside it, it is somebody's.
    fs::write(noted, "/home/me/gemini\n").unwrap();
    let beside = state.join("keepsake").to_str().unwrap().to_owned();
    talk(&env, "codex", made, &beside, "Say OK", HOUR);
    let all = list(&env, "--unmapped --sort model", 0);
    assert_eq!(names(&all), [D, A, made, made, B], "{all:#}");
    // Mapped, it is a mapping like any other.
    env.map(json!({"claude-cli": {"x": made}}).to_string());
    assert_eq!(names(&list(&env, "", 0)), ["x"]);
}

#[test]
fn keep_alive_may_lie_behind_a_link() {
    let env = mixed();
    let real = env.path("real");
    fs::create_dir_all(real.join("keepalive/claude")).unwrap();
    link(&real, &env.path("state"));
    let made = "eeeeeeee-0a1b-4c2d-8e3f-000000000005";
    for folder in ["real/keepalive/claude", "state/keepalive/claude"] {
        talk(&env, "claude", made, env.path(folder).to_str().unwrap(), "Say OK", HOUR);
        let line = format!("--unmapped --state-dir {}", env.path("state").display());
        assert_eq!(names(&list(&env, &line, 0)), [D, A, B], "{folder}");
    }
}
