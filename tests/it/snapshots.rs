//! Snapshots of all that users read: help, reports, errors and hints, on terminals of 80 and 140
//! columns, with and without colour. `INSTA_UPDATE=always cargo test --all-features snapshots` writes
//! them again.

use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;

use crate::child::{ACTIVE, IDLE};
use crate::docs::commands;
use crate::env::{DAY, HOUR, MINUTE, TestEnv};
use crate::terminal::shown;

const WIDTHS: [u16; 2] = [80, 140];
const GONE: &str = "33333333-3333-4333-8333-333333333333";
const CODEX: &str = "019a52b7-41f5-7d0a-9c38-b1e6a70d5f29";
const GEMINI: &str = "9c4e71d0-2f8b-4a36-8d19-7e5b0c3a6f82";

/// What a user sees of that command on a terminal: standard output, then standard error, without what
/// differs from run to run.
fn seen(env: &TestEnv, words: &[&str], columns: u16, color: bool) -> String {
    let mut command = env.command(words);
    command.env("COLUMNS", columns.to_string()).env("TZ", "UTC");
    command.env(if color { "CLICOLOR_FORCE" } else { "NO_COLOR" }, "1");
    let ran = shown(command, columns);
    let text = format!("{}{}", ran.out, ran.err);
    stable(&text, env.path("").to_str().unwrap())
}

/// Replaces times, ids of runs and processes, and the temporary folder.
fn stable(text: &str, root: &str) -> String {
    let mut out = String::new();
    for line in text.replace(root, "/T/").replace('\x1b', "^").lines() {
        let mut line = line.to_owned();
        for (pattern, with) in [
            ("dddddddd'T'dddddd'Z'-ddd-", "RUN-"),
            ("dddd-dd-dd dd:dd:dd UTC", "TIME"),
            ("dddd-dd-dd dd:dd:dd", "TIME"),
            ("dddd-dd-dd dd:dd", "TIME"),
            ("dddd-dd-dd", "DATE"),
            ("dddddddd'T'dddddd'Z'", "RUN"),
        ] {
            line = replaced(&line, &pattern.replace('\'', ""), with);
        }
        // The process of a run.
        while let Some(at) =
            line.find("RUN-").filter(|at| line[at + 4..].starts_with(char::is_numeric))
        {
            let end =
                line[at + 4..].find(|c: char| !c.is_numeric()).map_or(line.len(), |e| at + 4 + e);
            line.replace_range(at..end, "RUN");
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

/// Replaces every text that looks like `pattern`, in which `d` is a digit.
fn replaced(line: &str, pattern: &str, with: &str) -> String {
    let is_like = |text: &[u8]| {
        text.len() == pattern.len()
            && text.iter().zip(pattern.bytes()).all(|(byte, like)| match like {
                b'd' => byte.is_ascii_digit(),
                _ => *byte == like,
            })
    };
    let (mut out, mut at) = (String::new(), 0);
    while at < line.len() {
        let end = at + pattern.len();
        if line.is_char_boundary(at) && line.as_bytes().get(at..end).is_some_and(is_like) {
            out += with;
            at = end;
        } else {
            let next = line[at..].chars().next().unwrap();
            out.push(next);
            at += next.len_utf8();
        }
    }
    out
}

/// A home with a session in every state, and a bridge's map of them.
fn home() -> TestEnv {
    let env = TestEnv::new();
    env.session("claude", ACTIVE, 12 * MINUTE + 30);
    env.session("claude", IDLE, 16 * HOUR + 30);
    env.session("codex", CODEX, 3 * DAY + 4 * HOUR + 30 * MINUTE);
    env.session("gemini", GEMINI, 5 * HOUR + 2 * MINUTE + 30);
    env.map(
        json!({
            "claude-cli": {"website": ACTIVE, "tax-return": IDLE, "old-idea": GONE},
            "codex-cli": {"flaky-test": CODEX},
            "gemini-cli": {"holiday": GEMINI},
            "other": {"round-table": "round-table-1"},
        })
        .to_string(),
    );
    env
}

/// What a session of commands shows, one after the other in the same home.
fn session(env: &TestEnv, lines: &[&[&str]], columns: u16, color: bool) -> String {
    let mut text = String::new();
    for words in lines {
        let seen = seen(env, words, columns, color);
        writeln!(text, "$ session-warden {}\n{seen}", words.join(" ")).unwrap();
    }
    text
}

#[test]
fn the_help_of_every_command() {
    let env = TestEnv::new();
    for columns in WIDTHS {
        let mut text = seen(&env, &["-h"], columns, false);
        for (path, _) in commands() {
            let words: Vec<&str> = path.split_whitespace().chain(["--help"]).collect();
            writeln!(text, "$ session-warden {}", words.join(" ")).unwrap();
            text += &seen(&env, &words, columns, false);
            text.push('\n');
        }
        insta::assert_snapshot!(format!("help_{columns}"), text);
    }
    let text = session(&env, &[&["-h"], &["clean", "--help"]], 80, true);
    insta::assert_snapshot!("help_color", text);
}

#[test]
fn the_reports_of_clean_and_its_opposite() {
    const LINES: [&[&str]; 13] = [
        &["-n"],
        &["-n", "-v"],
        &["pin", "holiday"],
        &["pin"],
        &["--all-profiles"],
        &["clean"],
        &["history", "latest"],
        &["undo", "-n"],
        &["undo"],
        &["history", "latest"],
        &["remove", "-n", "website"],
        &["remove", "website"],
        &["clean", "--session-dir", "home"],
    ];
    for columns in WIDTHS {
        for color in [false, true] {
            let name = format!("clean_{columns}{}", if color { "_color" } else { "" });
            insta::assert_snapshot!(name, session(&home(), &LINES, columns, color));
        }
    }
}

#[test]
fn the_history() {
    const LINES: [&[&str]; 3] = [
        &["history", "--state-dir", "home/state"],
        &["history", "--limit", "1", "--state-dir", "home/state"],
        &["history", "20261119", "--state-dir", "home/state"],
    ];
    let env = TestEnv::new();
    let run = |id: &str, command: &str, exit: u8, summary: Value, warning: Option<&str>| {
        let time = "2026-11-19T10:00:00.000Z";
        json!({
            "run": id, "command": command, "started": time, "ended": time, "exit": exit,
            "map": "/srv/bridge/session_map.json", "undoes": null, "summary": summary,
            "warning": warning,
        })
        .to_string()
    };
    let lines = [
        run("20261119T100000Z-125-4121", "clean", 0, json!({"checked": 9, "removed": 2}), None),
        run("20261120T100000Z-007-4200", "undo", 0, json!({"restored": 1}), None),
        run(
            "20261120T110000Z-300-4321",
            "clean",
            1,
            json!({}),
            Some("cannot read session map /x: permission denied"),
        ),
    ];
    env.file("state/runs.jsonl", lines.join("\n") + "\n", 0);
    let removed = |chat: &str, session: &str| {
        json!({
            "run": "20261119T100000Z-125-4121", "time": "2026-11-19T10:00:00.000Z",
            "map": "/srv/bridge/session_map.json", "url": null, "form": "today",
            "model": "claude-cli", "chat": chat, "before": null, "session": session,
            "last_used": "2026-11-18T18:00:00.000Z", "reason": "idle",
        })
        .to_string()
    };
    let removals = [removed("tax-return", IDLE), removed("old-idea", GONE)];
    env.file("state/removals.jsonl", removals.join("\n") + "\n", 0);
    for columns in WIDTHS {
        for color in [false, true] {
            let name = format!("history_{columns}{}", if color { "_color" } else { "" });
            insta::assert_snapshot!(name, session(&env, &LINES, columns, color));
        }
    }
}

#[test]
fn the_lists() {
    const LINES: [&[&str]; 8] = [
        &["list"],
        &["list", "-v", "--state", "idle"],
        &["list", "--sort", "size", "--limit", "2"],
        &["list", "--unmapped"],
        &["hold", "start", "--session", IDLE, "--key", "k", "--pid", "1"],
        &["hold", "list"],
        &["keepalive", "status"],
        &["keepalive", "check"],
    ];
    for columns in WIDTHS {
        for color in [false, true] {
            let name = format!("list_{columns}{}", if color { "_color" } else { "" });
            insta::assert_snapshot!(name, session(&home(), &LINES, columns, color));
        }
    }
}

#[test]
fn errors_warnings_and_hints() {
    const LINES: [&[&str]; 34] = [
        &["--nope"],
        &["--homes", "x"],
        &["purge"],
        &["help", "purge"],
        &["keepalive"],
        &["clean", "now"],
        &["--hours", "0"],
        &["--hours", "2", "--idle", "2h"],
        &["--hours", "2", "clean", "--hours", "3"],
        &["--dry-run", "demo"],
        &["--idle", "soon"],
        &["--bridge", "here"],
        &["--missing", "maybe"],
        &["--provider", "gpt"],
        &["--format", "xml"],
        &["--max-remove", "few"],
        &["--pin", "["],
        &["--max-remove", "1"],
        &["--pin", "no-such-chat"],
        &["--map", "no/such/map"],
        &["--map", "home"],
        &["--profile", "prod"],
        &["--all-profiles"],
        &["--config", "none.toml"],
        &["list", "--state", "gone"],
        &["list", "--limit", "few"],
        &["remove", "no-such-chat"],
        &["pin", "--remove", "no-such-chat"],
        &["undo", "20200101"],
        &["undo", "--chat", "no-such-chat"],
        &["history", "20200101"],
        &["history", "--limit", "0"],
        &["schedule", "install", "--every", "often"],
        &["completions", "csh"],
    ];
    for columns in WIDTHS {
        let env = home();
        insta::assert_snapshot!(
            format!("messages_{columns}"),
            session(&env, &LINES, columns, false)
        );
        assert_eq!(fs::read_dir(env.path("bridge")).unwrap().count(), 2, "the map and its lock");
    }
    let few = [&["--nope"][..], &["--pin", "no-such-chat", "-n"], &["--map", "no/such/map"]];
    insta::assert_snapshot!("messages_color", session(&home(), &few, 80, true));
}
