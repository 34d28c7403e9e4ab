//! `pin`: chats that are never removed, whatever session they have.

use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::sync::OnceLock;

use crate::child::{bounded, finish, start, unprivileged};
use crate::env::{HOUR, MINUTE, Ran, TestEnv, link, row, state};
use crate::in_use::fresh_id;
use crate::stand_in::StandIn;

/// Three idle sessions and an active one; two chats share a session, and one is under two models.
fn home() -> (TestEnv, [String; 4]) {
    let (env, ids) = (TestEnv::new(), [fresh_id(), fresh_id(), fresh_id(), fresh_id()]);
    env.session("claude", &ids[0], 5 * HOUR);
    env.session("claude", &ids[1], 5 * HOUR);
    env.session("codex", &ids[2], 5 * HOUR);
    env.session("claude", &ids[3], MINUTE);
    env.map(map(&ids).to_string());
    (env, ids)
}

fn map([a, b, c, active]: &[String; 4]) -> Value {
    json!({
        "claude-cli": {"diary": a, "tax": b, "tax-return": b, "website": active},
        "codex-cli": {"diary": c},
    })
}

fn file(env: &TestEnv) -> std::path::PathBuf {
    env.home(".local/state/session-warden/pins.json")
}

/// The result of `pin` as JSON, held against its schema.
#[track_caller]
fn pins(env: &TestEnv, line: &str) -> Value {
    static SCHEMA: OnceLock<jsonschema::Validator> = OnceLock::new();
    let schema = SCHEMA.get_or_init(|| {
        let text = include_str!("../../docs/pin.schema.json");
        jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
    });
    let ran = env.run(&format!("pin --json {line}"));
    ran.exits(0);
    let found: Value = serde_json::from_str(&ran.out).unwrap();
    let errors: Vec<String> = schema.iter_errors(&found).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{found:#}");
    found
}

/// The pins there are, as `model/chat`.
#[track_caller]
fn names(env: &TestEnv) -> Vec<String> {
    let found = pins(env, "");
    assert_eq!(found["action"], "list");
    let pins = found["pins"].as_array().unwrap().iter();
    pins.map(|pin| {
        format!("{}/{}", pin["model"].as_str().unwrap_or("*"), pin["chat_id"].as_str().unwrap())
    })
    .collect()
}

/// The chats that a dry run and a real one keep as pinned; every other idle one is removed.
#[track_caller]
fn kept(env: &TestEnv, ids: &[String; 4], options: &str) -> Vec<String> {
    env.map(map(ids).to_string());
    let dry = env.json(&format!("-n {options}"));
    let real = env.json(&format!("clean {options}"));
    assert_eq!(dry["summary"]["pinned"], real["summary"]["pinned"]);
    let rows = real["sessions"].as_array().unwrap().iter();
    let pinned = rows.filter(|row| row["state"] == "pinned");
    let mut names = Vec::new();
    for row in pinned {
        assert_eq!((&row["action"], &row["reason"]), (&json!("kept"), &json!("pinned")));
        let (model, chat) = (row["model"].as_str().unwrap(), row["chat_id"].as_str().unwrap());
        assert!(env.map_now()[model][chat].is_string());
        names.push(format!("{model}/{chat}"));
    }
    let left = env.map_now();
    let count = |model: &str| left[model].as_object().unwrap().len();
    assert_eq!(count("claude-cli") + count("codex-cli"), names.len() + 1, "{left}");
    names
}

#[test]
fn a_pinned_chat_is_never_removed_also_with_a_new_session() {
    let (env, mut ids) = home();
    let ran = env.run("pin claude-cli/diary");
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (0, "Pinned: claude-cli/diary\n", "")
    );
    assert_eq!(kept(&env, &ids, ""), ["claude-cli/diary"]);
    // Its next session, and one that has no file at all.
    let next = fresh_id();
    env.session("claude", &next, 9 * HOUR);
    ids[0] = next;
    assert_eq!(kept(&env, &ids, ""), ["claude-cli/diary"]);
    ids[0] = fresh_id();
    assert_eq!(kept(&env, &ids, "--missing remove --hours 1"), ["claude-cli/diary"]);
    let list = env.run("list --state pinned");
    assert!(list.out.contains("diary") && !list.out.contains("website"), "{list:?}");
    let text = env.run("-n");
    assert!(text.out.contains("  Pinned (kept): 1\n"), "{text:?}");

    env.run("pin --remove diary").exits(0);
    assert_eq!(kept(&env, &ids, ""), [""; 0]);
}

#[test]
fn an_id_pins_every_chat_that_it_names() {
    let (env, ids) = home();
    for (id, expected) in [
        ("tax", vec!["claude-cli/tax"]),
        ("tax-", vec!["claude-cli/tax-return"]),
        ("codex-cli/di", vec!["codex-cli/diary"]),
        (&ids[1], vec!["claude-cli/tax", "claude-cli/tax-return"]),
        (&ids[2].to_uppercase(), vec!["codex-cli/diary"]),
        ("tax-return tax tax", vec!["claude-cli/tax", "claude-cli/tax-return"]),
    ] {
        let made = pins(&env, id);
        assert_eq!((&made["action"], &made["warnings"]), (&json!("pin"), &json!([])));
        assert!(made["pins"].as_array().unwrap().iter().all(|pin| pin["changed"] == true));
        assert_eq!(names(&env), expected, "{id}");
        assert_eq!(kept(&env, &ids, ""), expected);
        env.map(map(&ids).to_string());
        let gone = pins(&env, &format!("--remove {id}"));
        assert_eq!(gone["action"], "unpin");
        assert_eq!((names(&env), fs::exists(file(&env)).unwrap()), (Vec::new(), true));
    }
    // What is active is pinned without a change of its state.
    env.run("pin website").exits(0);
    assert_eq!(state(&env.json("-n"), "website"), "active");
}

#[test]
fn an_ambiguous_id_pins_nothing_and_names_candidates() {
    let (env, _) = home();
    let hint = "hint: name one of them: claude-cli/diary, codex-cli/diary";
    let ran = env.run("pin tax diary");
    ran.exits(1).says(&["\"diary\" matches more than one chat", "nothing was pinned", hint]);
    assert_eq!((ran.out.as_str(), file(&env).exists()), ("", false));
}

#[test]
fn an_id_that_nothing_maps_is_pinned_with_a_warning() {
    let (env, ids) = home();
    let ran = env.run("pin later team/later codex-cli/new */any new-cli/x");
    ran.exits(0).says(&[
        "warning: \"later\" has no mapping yet; chat \"later\" of any model is pinned",
        "chat \"team/later\" of any model is pinned",
        "chat \"new\" of codex-cli is pinned",
        "chat \"any\" of any model is pinned",
        "chat \"new-cli/x\" of any model is pinned",
        "hint: session-warden list shows the chats",
    ]);
    assert_eq!(names(&env), ["*/any", "*/later", "*/new-cli/x", "*/team/later", "codex-cli/new"]);
    let warnings = pins(&env, "later-still")["warnings"].clone();
    assert_eq!(warnings[0]["code"], "not_mapped");

    // Once it has a mapping, that is kept: under any model, or under its own only.
    let mut newer = map(&ids);
    for (model, chat) in [("claude-cli", "later"), ("codex-cli", "new"), ("claude-cli", "new")] {
        newer[model][chat] = ids[1].as_str().into();
    }
    newer["codex-cli"]["new"] = ids[2].as_str().into();
    env.map(newer.to_string());
    let report = env.json("clean");
    assert_eq!(state(&report, "later"), "pinned");
    let left = env.map_now();
    assert_eq!(left["codex-cli"], json!({"new": ids[2]}));
    assert!(left["claude-cli"].get("new").is_none() && left["claude-cli"].get("later").is_some());

    // Without any map as well.
    fs::remove_file(env.map_path()).unwrap();
    env.run("pin first").exits(0).says(&["\"first\" has no mapping yet"]);
    env.map(json!({"claude-cli": {"first": ids[0]}}).to_string());
    assert_eq!(row(&env.json("clean"), "first")["reason"], "pinned");
}

#[test]
fn what_is_pinned_already_stays_as_it_was() {
    let (env, _) = home();
    let before = pins(&env, "tax")["pins"][0]["since"].clone();
    let bytes = fs::read(file(&env)).unwrap();
    let again = pins(&env, "tax");
    assert_eq!(
        (&again["pins"][0]["changed"], &again["pins"][0]["since"]),
        (&json!(false), &before)
    );
    assert_eq!(env.run("pin tax").out, "Already pinned: claude-cli/tax\n");
    assert_eq!(fs::read(file(&env)).unwrap(), bytes, "nothing is written");
}

#[test]
fn without_an_id_the_pins_are_listed_with_map_chat_and_time() {
    let (env, _) = home();
    assert_eq!(env.run("pin").out, "No chat is pinned.\n");
    assert_eq!(names(&env), [""; 0]);
    env.run("pin tax website").exits(0);
    let other = env.path("other.json");
    fs::copy(env.map_path(), &other).unwrap();
    env.run("pin --map other.json tax-return esc\u{1b}[1m").exits(0);
    let ran = env.run("pin");
    ran.exits(0);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!((lines.len(), ran.err.as_str()), (5, ""), "{ran:?}");
    assert!(lines[0].starts_with("SINCE") && lines[0].ends_with("MAP"), "{ran:?}");
    let real = env.map_path().canonicalize().unwrap();
    assert!(lines[1].ends_with(&format!("  {}", real.display())), "{ran:?}");
    assert!(lines[1].contains(" UTC  claude-cli/tax ") && !ran.out.contains('\u{1b}'), "{ran:?}");
    // Of one map, if that is named.
    let named = pins(&env, "--map other.json");
    assert_eq!(named["pins"].as_array().unwrap().len(), 2);
    assert_eq!(named["pins"][1]["chat_id"], "tax-return");
    let folder = pins(&env, &format!("--session-dir {}", env.path("bridge").display()));
    assert_eq!(folder["pins"].as_array().unwrap().len(), 2);
}

#[test]
fn pins_are_of_one_map_whatever_it_is_called() {
    let (env, ids) = home();
    link(&env.map_path(), &env.path("linked.json"));
    env.run("pin --map linked.json tax").exits(0);
    assert_eq!(kept(&env, &ids, ""), ["claude-cli/tax"]);
    assert_eq!(kept(&env, &ids, "--map linked.json"), ["claude-cli/tax"]);
    let other = env.path("other.json");
    fs::write(&other, map(&ids).to_string()).unwrap();
    assert_eq!(state(&env.json("-n --map other.json"), "tax"), "idle");
    // A bridge whose map's file is not known keeps what is pinned anywhere.
    env.map(map(&ids).to_string());
    let bridge = StandIn::holding(&map(&ids));
    let report = env.json(&format!("clean --bridge {}", bridge.url()));
    assert_eq!(state(&report, "tax"), "pinned");
    assert!(bridge.deletes().iter().all(|delete| !delete.contains("/tax?")), "{report:#}");
}

#[test]
fn a_path_that_is_not_utf8_is_the_same_map_again() {
    let (env, ids) = home();
    let odd = |last: &[u8]| {
        let folder = env.path("").join(OsStr::from_bytes(&[b"odd-\xff", last].concat()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("session_map.json");
        fs::write(&path, map(&ids).to_string()).unwrap();
        path
    };
    // Both look alike if they are shown.
    let (one, other) = (odd(b"\xfe"), odd(b"\xfd"));
    let run = |words: &[&str], map: &std::path::Path| {
        let mut command = env.command(words.iter().map(OsStr::new));
        Ran::of(command.arg("--map").arg(map))
    };
    run(&["pin", "tax"], &one).exits(0);
    let state_of = |map| state(&run(&["-n", "--json"], map).exits(0).report(), "tax").to_owned();
    assert_eq!((state_of(&one), state_of(&other)), ("pinned".to_owned(), "idle".to_owned()));
    run(&["pin", "--remove", "tax"], &other).exits(1);
    run(&["pin", "--remove", "tax"], &one).exits(0);
    assert_eq!(state_of(&one), "idle");
}

#[test]
fn unpinning_what_is_not_pinned_unpins_nothing() {
    let (env, ids) = home();
    env.run("pin tax codex-cli/diary */diary").exits(0);
    for (line, says) in [
        ("website", "\"website\" is not pinned; nothing was unpinned\nhint: session-warden pin"),
        ("tax website", "\"website\" is not pinned"),
        ("claude-cli/diary", "\"claude-cli/diary\" is not pinned"),
        ("tx", "is not pinned"),
        ("codex-cli/dairy", "is not pinned"),
        (&ids[3], "is not pinned"),
        ("diary", "\"diary\" matches more than one pin"),
        ("diary", "hint: name one of them: */diary, codex-cli/diary"),
    ] {
        let ran = env.run(&format!("pin --remove {line}"));
        ran.exits(1).says(&[says, "hint: "]);
        assert_eq!((ran.out.as_str(), names(&env).len()), ("", 3));
    }
    env.run("pin --remove */diary ta").exits(0);
    assert_eq!(names(&env), ["codex-cli/diary"]);
    // Also by what it is mapped to, and when nothing maps it any more.
    env.run(&format!("pin --remove {}", ids[2])).exits(0);
    env.run("pin tax").exits(0);
    env.map("{}");
    env.run("pin --remove tax").exits(0);
    env.run("pin tax").exits(0);
    env.map("torn");
    assert_eq!(env.run("pin --remove tax").exits(0).out, "Unpinned: */tax\n");
    env.run("pin --remove").exits(2);
}

#[test]
fn a_broken_file_is_an_error_that_names_it_and_nothing_is_lost() {
    let (env, _) = home();
    env.run("pin tax").exits(0);
    let good = fs::read_to_string(file(&env)).unwrap();
    let newer = good.replace("\"schema\": 1", "\"schema\": 2");
    let more = good.replace("\"model\"", "\"colour\": 1, \"model\"");
    let odd = good.replace("tax", "\u{1}").into_bytes();
    let mut not_text = good.clone().into_bytes();
    let at = good.find("tax").unwrap();
    not_text[at] = 0xff;
    let cases: [&[u8]; 7] =
        [b"", b"{", &good.as_bytes()[..90], newer.as_bytes(), more.as_bytes(), &odd, &not_text];
    for broken in cases {
        fs::write(file(&env), broken).unwrap();
        let before = env.map_bytes();
        for line in
            ["-n", "clean", "list", "pin", "pin website", "pin --remove tax", "remove website"]
        {
            let ran = env.run(line);
            ran.exits(1).says(&["error: ", "pins.json", "\nhint: "]);
            assert_eq!((ran.out.as_str(), env.map_bytes()), ("", before.clone()), "{ran:?}");
            assert_eq!(fs::read(file(&env)).unwrap(), broken);
        }
    }
    fs::write(file(&env), &good).unwrap();
    assert_eq!(state(&env.json("-n"), "tax"), "pinned");

    fs::remove_file(file(&env)).unwrap();
    let private = rustix::fs::Mode::from_raw_mode(0o600);
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, file(&env), fifo, private, 0).unwrap();
    for line in ["-n", "pin", "pin tax"] {
        bounded(&mut env.command(line.split(' ')))
            .exits(1)
            .says(&["pins.json", "not a regular file"]);
    }
}

#[test]
fn a_file_or_folder_that_cannot_be_used_is_an_error() {
    let (env, _) = home();
    env.run("pin tax").exits(0);
    let state = env.home(".local/state/session-warden");
    let mut command = unprivileged(&env, "pin website");
    let stored = fs::read(file(&env)).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o500)).unwrap();
    let ran = Ran::of(&mut command);
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    ran.exits(1).says(&["cannot write the pins in", "permission denied", "hint: "]);
    assert_eq!(fs::read(file(&env)).unwrap(), stored);
    let mut command = unprivileged(&env, "clean");
    fs::set_permissions(file(&env), fs::Permissions::from_mode(0o0)).unwrap();
    let (ran, before) = (Ran::of(&mut command), env.map_bytes());
    fs::set_permissions(file(&env), fs::Permissions::from_mode(0o600)).unwrap();
    ran.exits(1).says(&["cannot read the pins in", "permission denied"]);
    assert_eq!(env.map_bytes(), before);
}

#[test]
fn the_file_is_private_and_pins_of_many_at_once_are_all_there() {
    let (env, _) = home();
    let children: Vec<_> =
        (0..8).map(|n| start(&mut env.command(["pin".to_owned(), format!("chat-{n}")]))).collect();
    for child in children {
        finish(child).exits(0);
    }
    assert_eq!(names(&env).len(), 8);
    let mode = |path: std::path::PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(file(&env)), mode(env.home(".local/state/session-warden"))), (0o600, 0o700));
    let folder = fs::read_dir(env.home(".local/state/session-warden")).unwrap();
    assert_eq!(folder.count(), 1, "nothing is left beside it");
    // A named folder has pins of its own.
    env.run("pin --state-dir elsewhere tax").exits(0);
    assert_eq!(names(&env).len(), 8);
    assert_eq!(state(&env.json("-n --state-dir elsewhere"), "tax"), "pinned");
}

#[test]
fn a_profile_pins_in_its_own_map() {
    let (env, ids) = home();
    let folder = env.path("second");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("session_map.json"), map(&ids).to_string()).unwrap();
    env.config(&format!("[[profile]]\nname = \"p\"\nsession_dir = \"{}\"\n", folder.display()));
    env.run("pin --profile p tax").exits(0);
    assert_eq!(state(&env.json("-n --profile p"), "tax"), "pinned");
    assert_eq!(state(&env.json("-n"), "tax"), "idle");
    assert_eq!(pins(&env, "--profile p")["pins"].as_array().unwrap().len(), 1);
    env.run("pin --profile nobody tax").exits(2);
}

#[test]
fn as_root_on_another_users_map_roots_pins_and_theirs_count_s1() {
    let (env, _) = home();
    env.run("pin tax").exits(0);
    if !rustix::process::geteuid().is_root() {
        // Everybody else has one state folder, and another one that is named instead.
        assert_eq!(state(&env.json("-n --state-dir other"), "tax"), "idle");
        return;
    }
    // Root's own folder, which the owner cannot read, is handed over.
    let folder = env.give_all_but_state_to(1);
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(state(&env.json("-n --home home"), "tax"), "pinned");
}

#[test]
fn the_exact_name_of_a_mapped_chat_is_no_prefix_of_a_pin() {
    let env = TestEnv::new();
    let id = |last: u32| format!("{last:08}-1111-4111-8111-111111111111");
    env.map(json!({"claude-cli": {"team": id(1), "team-b": id(2)}}).to_string());
    env.run("pin team-b").exits(0);
    for name in ["team", "claude-cli/team"] {
        let ran = env.run(&format!("pin --remove {name}"));
        ran.exits(1).says(&["is not pinned; nothing was unpinned", "hint: "]);
    }
    assert!(env.run("pin").out.contains("claude-cli/team-b"));
    env.run("pin --remove team-").exits(0);
    assert!(!env.run("pin").out.contains("team-b"));
}
