//! `demo`: the whole thing on a throwaway home, run by this very binary.

use anyhow::Context;
use std::fs::{self, File, FileTimes};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::map::map_file::stopped;
use crate::model::{Advice, Exit, Failure};
use crate::os::interrupt::Interrupt;
use crate::ui;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// A session of the demo: its model, chat and id, and its file with the age in seconds, if it has one.
type Session = (&'static str, &'static str, &'static str, Option<(&'static str, u64)>);

/// Invented sessions, laid out as the CLIs do.
const SESSIONS: [Session; 8] = [
    (
        "claude-cli",
        "website",
        "3f1c9a52-7d0e-4b68-9a41-5c2e8f7b6d10",
        Some((
            ".claude/projects/-home-you-website/3f1c9a52-7d0e-4b68-9a41-5c2e8f7b6d10.jsonl",
            12 * MINUTE,
        )),
    ),
    (
        "claude-cli",
        "tax-return",
        "b7e24d81-16c3-4f9a-8e05-d94a3c7b2f66",
        Some((
            ".claude/projects/-home-you/b7e24d81-16c3-4f9a-8e05-d94a3c7b2f66.jsonl",
            16 * HOUR + 12 * MINUTE,
        )),
    ),
    ("claude-cli", "old-idea", "e5a0c3d7-9b21-4c84-b6f2-0d7e1a9c5b34", None),
    (
        "codex-cli",
        "refactoring",
        "019a4d2e-8c10-7b3f-a5d6-2e9c4f81b073",
        Some((
            ".codex/sessions/2025/11/04/rollout-2025-11-04T10-15-30-019a4d2e-8c10-7b3f-a5d6-2e9c4f81b073.jsonl",
            40 * MINUTE,
        )),
    ),
    (
        "codex-cli",
        "flaky-test",
        "019a52b7-41f5-7d0a-9c38-b1e6a70d5f29",
        Some((
            ".codex/sessions/2025/11/05/rollout-2025-11-05T09-02-11-019a52b7-41f5-7d0a-9c38-b1e6a70d5f29.jsonl",
            76 * HOUR,
        )),
    ),
    (
        "gemini-cli",
        "holiday",
        "9c4e71d0-2f8b-4a36-8d19-7e5b0c3a6f82",
        Some((".gemini/tmp/holiday/chats/session-2025-11-04T08-30-9c4e71d0.jsonl", 5 * HOUR)),
    ),
    (
        "gemini-cli",
        "recipes",
        "d2b86f15-a7c9-4e03-b4f8-1c6d9e0a7b35",
        Some((".gemini/tmp/recipes/chats/session-2025-11-05T19-45-d2b86f15.jsonl", 90)),
    ),
    ("other", "round-table", "round-table-1", None),
];

/// What to do about a temporary folder that cannot be used.
const TEMPORARY: &str = "the demo needs a writable temporary folder; TMPDIR names another";

/// Makes the home, shows `clean --dry-run`, `clean` and `undo` on it, and removes it again.
pub(crate) fn run(interrupt: &Interrupt) -> anyhow::Result<Exit> {
    let made = tempfile::Builder::new().prefix("session-warden-demo-").tempdir();
    let folder = made.context("cannot make a throwaway home").hint(TEMPORARY)?;
    let shown = show(folder.path(), interrupt);
    folder.close().context("cannot remove the throwaway home").hint(TEMPORARY)?;
    shown.map(|()| Exit::Done)
}

fn show(folder: &Path, interrupt: &Interrupt) -> anyhow::Result<()> {
    make_home(folder).context("cannot make a throwaway home").hint(TEMPORARY)?;
    print("A throwaway home with sessions of three CLIs, and a bridge's map of them:\n")?;
    print_map(folder)?;
    print("What would be removed? Nothing is changed yet.\n")?;

    let clean = "--bridge off --home home --session-dir bridge";
    run_ourselves(folder, &format!("clean --dry-run {clean}"), interrupt)?;
    run_ourselves(folder, &format!("clean {clean}"), interrupt)?;
    print_map(folder)?;
    run_ourselves(folder, "undo --bridge off", interrupt)?;
    print_map(folder)?;
    print("Every session file is still there. The throwaway home is removed again.")
}

fn print(line: &str) -> anyhow::Result<()> {
    ui::print("the demo", |out| writeln!(out, "{line}"))
}

fn print_map(folder: &Path) -> anyhow::Result<()> {
    print("$ cat bridge/session_map.json")?;
    let map = fs::read_to_string(folder.join("bridge/session_map.json"));
    print(&map.context("cannot read the map of the demo").hint(TEMPORARY)?)
}

#[expect(clippy::disallowed_methods, reason = "the demo makes a home of its own")]
fn make_home(folder: &Path) -> io::Result<()> {
    let mut map = serde_json::Map::new();
    for (model, chat, id, file) in SESSIONS {
        let chats = map.entry(model).or_insert_with(|| serde_json::json!({}));
        chats[chat] = id.into();
        if let Some((path, age)) = file {
            let path = folder.join("home").join(path);
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            let mut file = File::create_new(path)?;
            // Gemini's header holds the id; the content of the others is never read.
            writeln!(file, "{{\"sessionId\":\"{id}\",\"kind\":\"main\"}}")?;
            let used = SystemTime::now() - Duration::from_secs(age);
            file.set_times(FileTimes::new().set_modified(used))?;
        }
    }
    fs::create_dir_all(folder.join("bridge"))?;
    fs::create_dir_all(folder.join("state"))?;
    let json = serde_json::to_string_pretty(&map)? + "\n";
    fs::write(folder.join("bridge/session_map.json"), json)
}

fn run_ourselves(folder: &Path, arguments: &str, interrupt: &Interrupt) -> anyhow::Result<()> {
    print(&format!("$ session-warden {arguments}"))?;
    if interrupt.asked() {
        return Err(stopped().into());
    }

    let status = std::env::current_exe().and_then(|program| {
        Command::new(program)
            .args(arguments.split(' '))
            .current_dir(folder)
            .env("HOME", folder.join("home"))
            .env("XDG_STATE_HOME", folder.join("state"))
            .env("XDG_CONFIG_HOME", folder.join("config"))
            .stdin(Stdio::null())
            .status()
    });
    let status = status
        .context("cannot run session-warden itself")
        .hint("check that its own file is still there")?;
    if !status.success() {
        let message = format!("session-warden {arguments}: {status}");
        return Err(Failure::new(message).hint("its own message is above").into());
    }
    print("")
}
