//! What is printed is safe to print (X3), and an honest code is left where it cannot be (X4).

use crate::child::{
    ACTIVE, IDLE, both, bounded, cleaned, finish, mapped, start, through_shell, two_sessions,
};
use crate::env::{MINUTE, Ran, TestEnv};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::thread;

/// Whether a terminal would do more with it than show it: control characters (ESC, C1, DEL), what
/// reorders text, what breaks lines or is not seen. A line's own end is none of them.
fn acts_on_a_terminal(letter: char) -> bool {
    (letter.is_control() && letter != '\n')
        || matches!(letter,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{feff}')
}

#[track_caller]
fn is_safe(ran: &Ran) {
    for text in [&ran.out, &ran.err] {
        assert!(!text.chars().any(acts_on_a_terminal), "{text:?}");
    }
}

/// Ids as nobody should have them.
const HOSTILE: [&str; 12] = [
    "\u{1b}[31mred\u{1b}[2J",
    "\u{1b}]0;title\u{7}",
    "two\nlines",
    "back\rover",
    "tab\there",
    "nul\0here",
    "c1\u{9b}31m\u{85}",
    "del\u{7f}\u{8}",
    "\u{202e}desrever\u{202c}",
    "\u{2066}isolated\u{2069}\u{61c}",
    "\u{2028}line\u{2029}\u{feff}\u{200b}",
    "\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}",
];

#[test]
fn ids_are_escaped_wherever_they_are_shown_x3() {
    for hostile in HOSTILE {
        // As a chat, as a session that is looked for and one that is not, as a model with
        // mappings and one without.
        let env = two_sessions();
        let map = json!({
            "claude-cli": {"active": ACTIVE, hostile: IDLE, "odd": hostile},
            "gemini-cli": {hostile: hostile},
            hostile: {hostile: hostile},
            format!("{hostile}-none"): 7,
        });
        let map = map.to_string();
        for line in ["-n", "-n -v --color never", "clean", "clean -v"] {
            env.map(&map);
            let ran = env.run(line);
            ran.exits(0).says(&["is not an object"]);
            is_safe(&ran);
        }
        for line in ["-n --format json", "clean --format json"] {
            env.map(&map);
            let ran = env.run(line);
            is_safe(&ran);
            assert_eq!(ran.out.lines().count(), 1, "one object on one line");
            let report = ran.report();
            let rows = report["sessions"].as_array().unwrap();
            let of = |model: &str, chat: &str| {
                let found = rows.iter().find(|row| row["model"] == model && row["chat_id"] == chat);
                found.unwrap_or_else(|| panic!("no {model:?} {chat:?} in {report:#}"))
            };
            assert_eq!(of("claude-cli", hostile)["state"], "idle");
            assert_eq!(of("claude-cli", "odd")["session_id"], hostile);
            assert_eq!(of("gemini-cli", hostile)["session_id"], hostile);
            assert_eq!(of(hostile, hostile)["session_id"], hostile);
        }
        // The idle one went, and the others are as they were.
        let left = env.map_now();
        assert_eq!(left["claude-cli"], json!({"active": ACTIVE, "odd": hostile}));
        assert_eq!(left[hostile][hostile], hostile);
    }
}

#[test]
fn errors_about_ids_and_paths_are_escaped_and_one_line_x3() {
    // At a time, since a map that cannot be read is waited for.
    thread::scope(|scope| {
        for hostile in HOSTILE {
            scope.spawn(|| check_error(hostile));
        }
    });
}

fn check_error(hostile: &str) {
    let env = two_sessions();
    // A path holds neither of these two.
    let folder = env.path("").join(hostile.replace(['/', '\0'], "_"));
    fs::create_dir(&folder).unwrap();
    let map = folder.join("session_map.json");
    let key = Value::from(hostile);
    fs::write(&map, format!("{{\"m\": {{{key}: \"1\", {key}: \"2\"}}}}")).unwrap();
    let ran = bounded(env.command(["clean", "--session-dir"]).arg(&folder));
    ran.exits(1).says(&["session_map.json", "appears twice"]);
    is_safe(&ran);
    assert_eq!((ran.out.as_str(), ran.err.lines().count()), ("", 2), "error and hint: {ran:?}");
    fs::write(&map, both()).unwrap();
    let ran = bounded(env.command(["clean", "--session-dir"]).arg(&folder));
    is_safe(ran.exits(0));
    assert_eq!(fs::read(&map).unwrap(), cleaned().as_bytes());
}

/// A map whose report is larger than any pipe holds, and all of which goes but one.
fn long() -> TestEnv {
    let env = two_sessions();
    let mut map = format!(r#"{{"claude-cli": {{"active": "{ACTIVE}""#);
    for number in 0..10_000 {
        write!(map, r#", "chat-{number}": "33333333-3333-4333-8333-{number:012}""#).unwrap();
    }
    map.push_str("}}");
    env.map(map);
    env
}

#[test]
fn a_reader_who_has_seen_enough_is_no_trouble_x4() {
    for line in ["clean", "clean --format json", "clean -v"] {
        let env = long();
        let mut child = start(&mut env.command(line.split(' ')));
        drop(child.stdout.take());
        let ran = finish(child);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{line}");
        assert_eq!(env.map_bytes(), cleaned().as_bytes());
    }
    // The work's own code, where that is another one.
    let env = long();
    env.map(half_judged());
    let mut child = start(&mut env.command(["clean"]));
    drop(child.stdout.take());
    finish(child).exits(3).says(&["codex: there is no folder of sessions"]);
    for line in ["--help", "--version", "clean --help", "demo"] {
        let mut child = start(&mut env.command(line.split(' ')));
        drop(child.stdout.take());
        let ran = finish(child);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{line}");
    }
}

#[test]
fn a_report_that_cannot_be_written_is_trouble_x4() {
    for line in ["clean", "clean --format json", "-v", "-n"] {
        for env in [mapped(), long()] {
            let before = env.map_bytes();
            let ran = bounded(&mut through_shell(&env, "", line, ">/dev/full"));
            ran.exits(3).says(&["warning: cannot write the report: no space left"]);
            assert!(!ran.err.contains("panicked"), "{ran:?}");
            let expected = if line == "-n" { before } else { cleaned().into_bytes() };
            assert_eq!(env.map_bytes(), expected, "the work was done before");
        }
    }
    // Nothing to print: nothing that cannot be.
    let env = mapped();
    bounded(&mut through_shell(&env, "", "-q", ">/dev/full")).exits(0);
    for line in ["--help", "-h", "--version", "help clean", "demo", "undo -n", "list", "history"] {
        let ran = bounded(&mut through_shell(&env, "", line, ">/dev/full"));
        let hint = "hint: check the file or pipe that standard output leads to\n";
        assert!(ran.code == 1, "{line}: {ran:?}");
        assert!(ran.err.starts_with("error: cannot write the "), "{line}: {ran:?}");
        assert!(ran.err.ends_with(hint), "{line}: {ran:?}");
    }
}

#[test]
fn closed_or_full_streams_do_not_change_what_is_done_x4() {
    thread::scope(|scope| {
        for streams in [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full"] {
            scope.spawn(move || check_streams(streams));
        }
    });
    let env = mapped();
    bounded(&mut through_shell(&env, "", "clean", ">/dev/full 2>/dev/full")).exits(3);
    assert_eq!(env.map_bytes(), cleaned().as_bytes());
}

fn check_streams(streams: &str) {
    let env = mapped();
    let run = |line| bounded(&mut through_shell(&env, "", line, streams));
    run("clean").exits(0);
    assert_eq!(String::from_utf8(env.map_bytes()).unwrap(), cleaned(), "{streams}");
    assert!(env.litter().is_empty());
    // What would be said on standard error is in the code as well.
    let odd = half_judged();
    env.map(&odd);
    run("clean").exits(3);
    assert_eq!(env.map_bytes(), odd.as_bytes());
    env.map("[]");
    run("clean").exits(1);
    assert_eq!(env.map_bytes(), b"[]");
    run("--hours 0").exits(2);
}

/// A map of which half can be judged: nobody here has a folder of Codex sessions.
fn half_judged() -> String {
    format!(r#"{{"claude-cli": {{"a": "{ACTIVE}"}}, "codex-cli": {{"b": "{IDLE}"}}}}"#)
}

#[test]
fn warnings_of_one_kind_do_not_flood_standard_error() {
    let env = two_sessions();
    env.session("claude", ACTIVE, MINUTE);
    let odd: Vec<String> = (0..30).map(|number| format!(r#""m{number}": 7"#)).collect();
    env.map(format!(r#"{{"claude-cli": {{"a": "{ACTIVE}"}}, {}}}"#, odd.join(", ")));
    let ran = env.run("clean --format json");
    ran.exits(0).says(&["and 25 more like these", "hint: "]);
    assert_eq!(ran.err.lines().count(), 7, "{ran:?}");
    assert_eq!(ran.report()["warnings"].as_array().unwrap().len(), 30);
}
