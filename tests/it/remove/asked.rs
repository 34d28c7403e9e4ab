//! The question on a terminal.

use rustix::process::{Signal, kill_process};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;

use super::*;
use crate::child::{finish, pid, start};

/// A terminal, as its user and its programs see it.
fn terminal() -> (File, File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&user).unwrap();
    unlockpt(&user).unwrap();
    let name = ptsname(&user, Vec::new()).unwrap();
    let flags = rustix::fs::OFlags::NOCTTY.bits().cast_signed();
    let program =
        OpenOptions::new().read(true).write(true).custom_flags(flags).open(name.to_str().unwrap());
    (File::from(user), program.unwrap())
}

/// What a user does who is asked.
enum Answer<'a> {
    Type(&'a str),
    Interrupt,
    After(&'a dyn Fn()),
}

/// Runs on a terminal; returns the run and what the terminal has shown before the answer.
#[track_caller]
fn asked(home: &Home, line: &str, answer: &Answer<'_>) -> (Ran, String) {
    let (mut user, program) = terminal();
    let mut command = home.env.command(line.split_whitespace());
    command.stdin(program.try_clone().unwrap()).stdout(std::process::Stdio::piped());
    let child = command.stderr(program.try_clone().unwrap()).spawn().unwrap();
    let mut shown = String::new();
    while !shown.contains("[y/N] ") {
        let mut bytes = [0; 512];
        let length = user.read(&mut bytes).unwrap();
        shown.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
    }
    match answer {
        Answer::Type(text) => user.write_all(text.as_bytes()).unwrap(),
        Answer::Interrupt => kill_process(pid(&child), Signal::INT).unwrap(),
        Answer::After(act) => {
            act();
            user.write_all(b"y\n").unwrap();
        }
    }
    let mut ran = finish(child);
    // What it has printed on the terminal since.
    rustix::io::ioctl_fionbio(&user, true).unwrap();
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = user.read(&mut bytes) {
        ran.err.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
    }
    drop(program);
    (ran, shown)
}

#[test]
fn on_a_terminal_it_asks_once_and_removes_after_a_yes() {
    let home = Home::new();
    for yes in ["y\n", "yes\n", " Y \n"] {
        home.write_map();
        let (ran, shown) = asked(&home, "remove tax codex-cli/website", &Answer::Type(yes));
        assert_eq!(
            shown,
            "Remove 2 mappings: claude-cli/tax (idle), codex-cli/website (idle)? [y/N] "
        );
        ran.exits(0);
        assert!(ran.out.contains("Cleaned up: 2 mappings"), "{ran:?}");
        let gone = [("claude-cli", "tax"), ("codex-cli", "website")];
        assert_eq!(home.env.map_now(), home.without(&gone));
    }
    assert_eq!(home.journal("runs.jsonl").len(), 3, "the plan that it asks about is no run");
}

#[test]
fn anything_but_a_yes_removes_nothing() {
    let home = Home::new();
    let before = home.env.map_bytes();
    for no in ["n\n", "\n", "yess\n", "no\n", "\u{4}"] {
        let (ran, shown) = asked(&home, "remove claude-cli/website", &Answer::Type(no));
        assert_eq!(shown, "Remove 1 mapping: claude-cli/website (active)? [y/N] ");
        ran.exits(1).says(&["Nothing was removed."]);
        assert_eq!((ran.out.as_str(), home.env.map_bytes()), ("", before.clone()));
    }
    let (ran, _) = asked(&home, "remove tax", &Answer::Interrupt);
    ran.exits(1).says(&["stopped by a signal; the map is unchanged"]);
    assert_eq!(home.env.map_bytes(), before);
    assert_eq!(home.journal("runs.jsonl"), [] as [Value; 0]);
}

#[test]
fn the_question_names_five_and_no_run_waits_for_its_answer() {
    let home = Home::new();
    let ids: Vec<String> = (0..7).map(|_| fresh_id()).collect();
    let chats: Value = ids.iter().zip(0..).map(|(id, n)| (format!("c{n}"), json!(id))).collect();
    home.env.map(json!({ "claude-cli": chats }).to_string());
    let clean = || {
        home.env
            .run("clean --missing keep")
            .exits(3)
            .says(&["session files are missing for all 7"]);
    };
    let line = "remove c0 c1 c2 c3 c4 c5 c6";
    let (ran, shown) = asked(&home, line, &Answer::After(&clean));
    assert!(shown.starts_with("Remove 7 mappings: claude-cli/c0 (missing), "), "{shown}");
    assert!(shown.ends_with("claude-cli/c4 (missing) and 2 more? [y/N] "), "{shown}");
    ran.exits(0);
    assert_eq!(home.env.map_now(), json!({"claude-cli": {}}));
}

#[test]
fn a_map_that_changes_while_it_asks_is_left_as_it_is() {
    let home = Home::new();
    let mut newer = home.map();
    newer["claude-cli"]["tax"] = home.active.as_str().into();
    let change = || {
        home.env.map(newer.to_string());
    };
    let (ran, _) = asked(&home, "remove tax", &Answer::After(&change));
    ran.exits(1).says(&["the map has changed since you were asked", "run the same command again"]);
    assert_eq!(home.env.map_now(), newer);
    // Other mappings may change.
    home.write_map();
    let mut newer = home.map();
    newer["claude-cli"]["website"] = home.idle.as_str().into();
    let change = || {
        home.env.map(newer.to_string());
    };
    let (ran, _) = asked(&home, "remove tax", &Answer::After(&change));
    ran.exits(0);
    newer["claude-cli"].as_object_mut().unwrap().remove("tax");
    assert_eq!(home.env.map_now(), newer);
}

#[test]
fn a_dry_run_yes_and_a_refusal_ask_nothing() {
    let home = Home::new();
    home.env.run("pin website").exits(1);
    home.env.run("pin codex-cli/website").exits(0);
    for (line, code) in [
        ("remove -n tax", 0),
        ("remove codex-cli/website", 1),
        ("remove nothing", 1),
        ("remove --yes round", 0),
    ] {
        let (_user, program) = terminal();
        let mut command = home.env.command(line.split_whitespace());
        let child = start(command.stdin(program));
        // Its standard error is a pipe here, so that a question could be read.
        let ran = finish(child);
        ran.exits(code);
        assert!(!ran.err.contains("[y/N]"), "{ran:?}");
        let (_user, program) = terminal();
        let mut command = home.env.command(line.split_whitespace());
        command.stdin(program.try_clone().unwrap()).stderr(program);
        let code = if line.contains("--yes") { 1 } else { code };
        assert_eq!(command.output().unwrap().status.code(), Some(code), "{line}");
    }
    assert_eq!(home.env.map_now(), home.without(&[("new-cli", "round")]));
}
