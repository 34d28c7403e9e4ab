//! `demo`: the whole thing on a throwaway home, run by this very binary.

use anyhow::Context;
use std::fs::{self, File, FileTimes};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::map::map_file::stopped;
use crate::model::{Advice, Exit, Failure, describe};
use crate::os::interrupt::Interrupt;

const HOUR: u64 = 3600;

/// One session of the demo: whose, in which chat, and the age of its file in seconds, if it has one.
struct Session {
    model: &'static str,
    chat: &'static str,
    id: &'static str,
    file: Option<(&'static str, u64)>,
}

/// Synthetic, but laid out as the CLIs lay them out.
const SESSIONS: [Session; 8] = [
    Session {
        model: "claude-cli",
        chat: "website",
        id: "3f1c9a52-7d0e-4b68-9a41-5c2e8f7b6d10",
        file: Some((
            ".claude/projects/-home-you-website/3f1c9a52-7d0e-4b68-9a41-5c2e8f7b6d10.jsonl",
            12 * 60,
        )),
    },
    Session {
        model: "claude-cli",
        chat: "tax-return",
        id: "b7e24d81-16c3-4f9a-8e05-d94a3c7b2f66",
        file: Some((
            ".claude/projects/-home-you/b7e24d81-16c3-4f9a-8e05-d94a3c7b2f66.jsonl",
            16 * HOUR + 720,
        )),
    },
    Session {
        model: "claude-cli",
        chat: "old-idea",
        id: "e5a0c3d7-9b21-4c84-b6f2-0d7e1a9c5b34",
        file: None,
    },
    Session {
        model: "codex-cli",
        chat: "refactoring",
        id: "019a4d2e-8c10-7b3f-a5d6-2e9c4f81b073",
        file: Some((
            ".codex/sessions/2025/11/04/rollout-2025-11-04T10-15-30-019a4d2e-8c10-7b3f-a5d6-2e9c4f81b073.jsonl",
            40 * 60,
        )),
    },
    Session {
        model: "codex-cli",
        chat: "flaky-test",
        id: "019a52b7-41f5-7d0a-9c38-b1e6a70d5f29",
        file: Some((
            ".codex/sessions/2025/11/05/rollout-2025-11-05T09-02-11-019a52b7-41f5-7d0a-9c38-b1e6a70d5f29.jsonl",
            76 * HOUR,
        )),
    },
    Session {
        model: "gemini-cli",
        chat: "holiday",
        id: "9c4e71d0-2f8b-4a36-8d19-7e5b0c3a6f82",
        file: Some((".gemini/tmp/holiday/chats/session-2025-11-04T08-30-9c4e71d0.jsonl", 5 * HOUR)),
    },
    Session {
        model: "gemini-cli",
        chat: "recipes",
        id: "d2b86f15-a7c9-4e03-b4f8-1c6d9e0a7b35",
        file: Some((".gemini/tmp/recipes/chats/session-2025-11-05T19-45-d2b86f15.jsonl", 90)),
    },
    Session { model: "other", chat: "round-table", id: "round-table-1", file: None },
];

/// Makes the home, shows `clean --dry-run`, `clean` and `undo` on it, and removes it again.
///
/// # Errors
/// Where the home cannot be made, the binary cannot be run, or what it did was not right.
pub fn run(interrupt: &Interrupt) -> anyhow::Result<Exit> {
    let made = tempfile::Builder::new().prefix("session-warden-demo-").tempdir();
    let folder = made.context("cannot make a throwaway home").hint(TEMPORARY)?;
    let shown = show(folder.path(), interrupt);
    folder.close().context("cannot remove the throwaway home").hint(TEMPORARY)?;
    match shown {
        Ok(Some(failure)) => Err(failure.into()),
        Ok(None) => Ok(Exit::Done),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(error) => Err(Failure::new(format!("cannot write the demo: {}", describe(&error)))
            .hint("check the file or pipe that standard output leads to")
            .into()),
    }
}

const TEMPORARY: &str = "the demo needs a writable temporary folder; TMPDIR names another";

fn show(folder: &Path, interrupt: &Interrupt) -> io::Result<Option<Failure>> {
    make_home(folder)?;
    let map = folder.join("bridge/session_map.json");
    say("A throwaway home with sessions of three CLIs, and a bridge's map of them:\n")?;
    say("$ cat bridge/session_map.json")?;
    say(&fs::read_to_string(&map)?)?;
    say("What would be removed? Nothing is changed yet.\n")?;
    let clean = "--bridge off --home home --session-dir bridge";
    let steps = [
        (format!("clean --dry-run {clean}"), false),
        (format!("clean {clean}"), true),
        ("undo --bridge off".to_owned(), true),
    ];
    for (arguments, changes_the_map) in steps {
        say(&format!("$ session-warden {arguments}"))?;
        if interrupt.asked() {
            return Ok(Some(stopped()));
        }
        let status = run_ourselves(folder, &arguments)?;
        if !status.success() {
            let message = format!("session-warden {arguments}: {status}");
            return Ok(Some(Failure::new(message).hint("its own message is above")));
        }
        say("")?;
        if changes_the_map {
            say("$ cat bridge/session_map.json")?;
            say(&fs::read_to_string(&map)?)?;
        }
    }
    say("Every session file is still there. The throwaway home is removed again.")?;
    Ok(None)
}

#[expect(clippy::disallowed_methods, reason = "the demo makes a home of its own")]
fn make_home(folder: &Path) -> io::Result<()> {
    let mut map = serde_json::Map::new();
    for session in &SESSIONS {
        let model = map.entry(session.model).or_insert_with(|| serde_json::json!({}));
        model[session.chat] = session.id.into();
        if let Some((path, age)) = session.file {
            let path = folder.join("home").join(path);
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            let mut file = File::create_new(path)?;
            // Gemini's header holds the id; the others' content is never read.
            writeln!(file, "{{\"sessionId\":\"{}\",\"kind\":\"main\"}}", session.id)?;
            let used = SystemTime::now() - Duration::from_secs(age);
            file.set_times(FileTimes::new().set_modified(used))?;
        }
    }
    fs::create_dir_all(folder.join("bridge"))?;
    fs::create_dir_all(folder.join("state"))?;
    let json = serde_json::to_string_pretty(&map)? + "\n";
    fs::write(folder.join("bridge/session_map.json"), json)
}

fn run_ourselves(folder: &Path, arguments: &str) -> io::Result<std::process::ExitStatus> {
    Command::new(std::env::current_exe()?)
        .args(arguments.split(' '))
        .current_dir(folder)
        .env("HOME", folder.join("home"))
        .env("XDG_STATE_HOME", folder.join("state"))
        .env("XDG_CONFIG_HOME", folder.join("config"))
        .stdin(Stdio::null())
        .status()
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
