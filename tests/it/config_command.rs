//! `config`: what holds now and where each value came from; and the example that it begins with.

use serde_json::{Value, json};
use std::fs;
use unicode_width::UnicodeWidthStr;

use crate::child::{both, cleaned, mapped, set_mode, unprivileged};
use crate::env::{Ran, TestEnv};

const EXAMPLE: &str = include_str!("../../packaging/config.example.toml");

fn config(env: &TestEnv, text: &str, line: &str) -> Ran {
    env.config(text);
    env.run(&format!("config {line}"))
}

#[test]
fn the_example_changes_nothing_as_it_is() {
    let env = mapped();
    let before = env.run("config").out;
    let note = " (does not exist)";
    assert!(before.contains(note), "{before}");
    let after = config(&env, EXAMPLE, "");
    assert_eq!(after.exits(0).out, before.replace(note, ""));
    assert!(EXAMPLE.lines().all(|line| line.is_empty() || line.starts_with('#')));
}

/// The lines of the example that are keys or headers, commented out, with their numbers.
fn keys() -> Vec<(usize, &'static str)> {
    let commented = EXAMPLE.lines().enumerate();
    let commented = commented.filter_map(|(number, line)| Some((number, line.strip_prefix('#')?)));
    commented.filter(|(_, line)| !line.is_empty() && !line.starts_with(' ')).collect()
}

/// The example with these lines of it uncommented.
fn with(numbers: &[usize]) -> String {
    let line = |(number, line): (usize, &str)| match line.strip_prefix('#') {
        Some(bare) if numbers.contains(&number) => format!("{bare}\n"),
        _ => format!("{line}\n"),
    };
    EXAMPLE.lines().enumerate().map(line).collect()
}

#[test]
fn each_line_of_the_example_is_right_when_it_is_uncommented() {
    let env = mapped();
    let keys = keys();
    let (header, _) = *keys.iter().find(|(_, line)| *line == "[clean]").unwrap();
    let (first, _) = *keys.iter().find(|(_, line)| *line == "[[profile]]").unwrap();
    let mut known = Vec::new();
    for (number, line) in keys.iter().filter(|(number, _)| (header + 1..first).contains(number)) {
        let (key, _) = line.split_once(" = ").unwrap_or_else(|| panic!("no key: {line}"));
        let name = match key {
            "hours" => "idle",
            "session_dir" => "map",
            "quiet" | "verbose" => "verbosity",
            key => key,
        };
        // A text that is in nothing but this file, not even commented out.
        let text = with(&[header, *number]);
        // Neither a CLI's home nor the map may be in the environment then.
        env.config(&text);
        let mut command = env.command(["config", "--format", "json"]);
        let ran = Ran::of(command.env_remove("CLAUDE_SESSION_DIR"));
        ran.exits(0);
        let all: Value = serde_json::from_str(&ran.out).unwrap();
        let mut settings = all["settings"].as_array().unwrap().iter();
        let said = settings.any(|one| one["name"] == name && one["origin"] == "[clean]");
        assert!(said, "{line}: {ran:?}");
        known.push(key);
    }
    assert!(known.len() >= 19, "{known:?}");
}

#[test]
fn the_profiles_of_the_example_are_right_when_all_are_uncommented() {
    let env = mapped();
    let keys = keys();
    let (first, _) = *keys.iter().find(|(_, line)| *line == "[[profile]]").unwrap();
    let profiles: Vec<usize> =
        keys.iter().map(|(number, _)| *number).filter(|number| *number >= first).collect();
    let ran = config(&env, &with(&profiles), "--profile dev");
    ran.exits(0);
    assert!(ran.out.contains("profiles       prod, dev\n"), "{ran:?}");
    for shown in ["profile dev", "30m", "http://127.0.0.1:9000", "scratch-*", "claude_sessions_dev"]
    {
        assert!(ran.out.contains(shown), "no {shown} in {ran:?}");
    }
    env.run("config --profile prod").exits(0);
}

#[test]
fn it_shows_every_setting_with_its_origin_in_80_columns() {
    let env = TestEnv::new();
    let show = |text: &str, line: &str| {
        env.config(text);
        let mut command = env.command(format!("config {line}").split_whitespace());
        // Short enough to fit; a path is never cut.
        let ran = Ran::of(command.env("CLAUDE_SESSION_DIR", "/e").env("HOME", env.path("home")));
        ran.exits(0);
        assert_eq!(ran.err, "");
        let path = env.path("");
        let path = path.to_str().unwrap();
        for line in ran.out.lines().filter(|line| !line.contains(path)) {
            assert!(line.width() <= 80, "{} columns: {line}", line.width());
        }
        ran.out
    };
    let clean = "[clean]\nhours = 3\npin = ['a']\nmissing = 'keep'\n";
    let out = show(
        &format!("{clean}[[profile]]\nname = 'dev'\nclock = 'record'\npin = ['b']\n"),
        "--profile dev",
    );
    let rows: Vec<Vec<&str>> = out
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|part| !part.is_empty()).collect())
        .collect();
    for row in [
        ["profiles", "dev"].as_slice(),
        &["idle", "[clean]", "3h"],
        &["map", "$CLAUDE_SESSION_DIR", "/e/session_map.json"],
        &["missing", "[clean]", "keep"],
        &["clock", "profile dev", "record"],
        &["pin", "profile dev", "b"],
        &["pin", "[clean]", "a"],
        &["dry_run", "default", "false"],
        &["state_dir", "default", "~/.local/state/session-warden"],
    ] {
        assert!(rows.iter().any(|found| found == row), "no {row:?} in {out}");
    }
    let path = env.home(".config/session-warden/config.toml");
    assert!(out.starts_with(&format!("configuration  {}\n", path.display())), "{out}");
    show("", "");
    show("[clean]\nmap = '/m'\nquiet = true\n", "");
}

#[test]
fn as_json_it_is_one_object_with_nothing_that_a_terminal_acts_on() {
    let env = TestEnv::new();
    let text = "[clean]\npin = [\"\\u001b\\u202e\\u007f\"]\n[[profile]]\nname = 'dev'\n";
    let ran = config(&env, text, "--format json");
    ran.exits(0);
    assert!(ran.out.is_ascii() && !ran.out.contains(['\x1b', '\x7f']), "{ran:?}");
    let all: Value = serde_json::from_str(&ran.out).unwrap();
    let keys: Vec<&String> = all.as_object().unwrap().keys().collect();
    let expected = [
        "exists",
        "file",
        "file_origin",
        "profile",
        "profile_origin",
        "profiles",
        "schema",
        "settings",
        "version",
    ];
    assert_eq!(keys, expected);
    assert_eq!(
        (&all["schema"], &all["exists"], &all["profiles"]),
        (&json!(1), &json!(true), &json!(["dev"]))
    );
    assert_eq!(all["file"], env.home(".config/session-warden/config.toml").to_str().unwrap());
    let settings = all["settings"].as_array().unwrap();
    let keep = settings.iter().find(|one| one["name"] == "pin").unwrap();
    assert_eq!(*keep, json!({"name": "pin", "value": "\x1b\u{202e}\x7f", "origin": "[clean]"}));
    let names: Vec<&str> = settings.iter().map(|one| one["name"].as_str().unwrap()).collect();
    let expected = [
        "dry_run",
        "idle",
        "map",
        "home",
        "allow_remote_bridge",
        "bridge",
        "missing",
        "clock",
        "pin",
        "provider",
        "ignore_processes",
        "max_remove",
        "release",
        "release_after",
        "max_release",
        "release_accepts",
        "map_format",
        "format",
        "color",
        "verbosity",
        "metrics",
        "log",
        "state_dir",
    ];
    assert_eq!(names, expected);
    let text = config(&env, text, "").out;
    assert!(!text.contains(['\x1b', '\x7f', '\u{202e}']), "{text:?}");
}

#[test]
fn init_writes_the_example_where_there_is_none_and_changes_nothing_else() {
    let env = mapped();
    let before = env.run("-n").out;
    let path = env.home(".config/session-warden/config.toml");
    let ran = env.run("config --init");
    ran.exits(0);
    assert!(ran.out.starts_with(&format!("Wrote {}. ", path.display())), "{ran:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), EXAMPLE);
    let cutoff = |out: &str| {
        out.lines()
            .filter(|line| !line.contains("threshold"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(cutoff(&env.run("-n").out), cutoff(&before));
    assert!(!env.home(".local").exists());
    // What is there stays as it is, right or wrong.
    for text in ["[clean]\nhours = 3\n", "[clean", ""] {
        fs::write(&path, text).unwrap();
        let ran = env.run("config --init");
        ran.exits(1).says(&["already exists", "hint: nothing was changed"]);
        assert_eq!((ran.out.as_str(), fs::read_to_string(&path).unwrap().as_str()), ("", text));
    }
    assert_eq!(env.map_bytes(), both().as_bytes());
    fs::write(&path, EXAMPLE).unwrap();
    env.run("clean").exits(0);
    assert_eq!(env.map_now(), serde_json::from_str::<Value>(&cleaned()).unwrap());
}

#[test]
fn init_writes_to_where_it_would_be_looked_for() {
    let env = mapped();
    env.run("config --init --config new/folder/my.toml").exits(0);
    assert_eq!(fs::read_to_string(env.path("new/folder/my.toml")).unwrap(), EXAMPLE);
    let mut command = env.command(["config", "--init"]);
    Ran::of(command.env("XDG_CONFIG_HOME", env.path("xdg"))).exits(0);
    assert!(env.path("xdg/session-warden/config.toml").exists() && !env.home(".config").exists());
    // A link that leads nowhere is something, too.
    std::os::unix::fs::symlink("/nowhere/x", env.path("link.toml")).unwrap();
    env.run("config --init --config link.toml").exits(1).says(&["already exists"]);
    for line in ["config --init --profile a", "config --init --format json"] {
        env.run(line).exits(2).says(&["--init"]);
    }
}

#[test]
fn init_says_where_it_cannot_write() {
    let env = mapped();
    env.file("file", "", 0);
    let ran = env.run("config --init --config home/file/config.toml");
    ran.exits(1).says(&["cannot write ", "home/file/config.toml: "]);
    assert_eq!(ran.out, "");
    let closed = env.path("closed");
    fs::create_dir(&closed).unwrap();
    drop(unprivileged(&env, ""));
    set_mode(&closed, 0o500);
    let ran = Ran::of(&mut unprivileged(&env, "config --init --config closed/config.toml"));
    ran.exits(1).says(&["cannot write ", "closed/config.toml: permission denied"]);
    set_mode(&closed, 0o700);
}
