//! D1: only what is not there, in a folder that was read whole, is gone. Each test takes somebody's
//! right to read away, which binds everybody but root; root therefore runs them as nobody.

use super::{A, ALL, B, GONE, USED, warns};
use crate::env::{DAY, MINUTE, Ran, TestEnv, state};
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// A user that owns nothing.
const NOBODY: u32 = 65_534;

/// Runs with the mode of `sealed` set so, as a user whom that binds.
fn run_sealed(env: &TestEnv, sealed: &Path, mode: u32, line: &str) -> Ran {
    let typed = env.command(line.split_whitespace());
    let mut command = Command::new(typed.get_program());
    if rustix::process::geteuid().is_root() {
        // The folder of builds need not be open to everybody; this one is given away.
        let copy = env.path("session-warden");
        fs::copy(typed.get_program(), &copy).unwrap();
        give_away(&env.path(""));
        command = Command::new(copy);
        command.uid(NOBODY).gid(NOBODY);
    }
    let set = typed.get_envs().filter_map(|(name, value)| Some((name, value?)));
    command.args(typed.get_args()).env_clear().envs(set);
    command.current_dir(env.path("")).stdin(Stdio::null());
    let before = fs::metadata(sealed).unwrap().permissions();
    fs::set_permissions(sealed, Permissions::from_mode(mode)).unwrap();
    let output = loop {
        match command.output() {
            // Another test that forked meanwhile still holds the copy open for writing.
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {
                thread::sleep(Duration::from_millis(2));
            }
            done => break done.unwrap(),
        }
    };
    fs::set_permissions(sealed, before).unwrap();
    Ran::from(output)
}

fn give_away(path: &Path) {
    lchown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).unwrap() {
            give_away(&entry.unwrap().path());
        }
    }
}

/// Asserts the states of these ids while `sealed`, below the home, has that mode, and that what is
/// neither active nor unknown goes, and nothing else. Exit 3 in any case, and a warning of
/// `sealed` or of what is told after the code.
#[track_caller]
fn check(
    env: &TestEnv,
    (sealed, mode): (&str, u32),
    model: &str,
    (code, below): (&str, &str),
    rows: &[(&str, &str)],
) {
    let chats: serde_json::Map<_, Value> =
        rows.iter().map(|(id, _)| ((*id).to_owned(), (*id).into())).collect();
    env.map(json!({ model: chats.clone() }).to_string());
    let before = env.map_bytes();
    let ran = run_sealed(env, &env.home(sealed), mode, "--format json");
    let report = ran.exits(3).report();
    for (id, expected) in rows {
        assert_eq!(state(&report, id), *expected, "{id} with {sealed} {mode:o}: {report:#}");
    }
    let path = env.home(sealed);
    warns(&ran, code, &if below.is_empty() { path } else { path.join(below) });
    let stays = |id: &str| matches!(state(&report, id), "active" | "unknown");
    let left: serde_json::Map<_, _> = chats.into_iter().filter(|(id, _)| stays(id)).collect();
    if left.len() == rows.len() {
        assert_eq!(env.map_bytes(), before, "{ran:?}");
    }
    assert_eq!(env.map_now(), json!({ model: left }), "{ran:?}");
}

/// A Claude session in a folder of its own choice.
fn claude(env: &TestEnv, project: &str, id: &str, age: u64) {
    env.file(&format!(".claude/projects/{project}/{id}.jsonl"), "{}\n", age);
}

/// A Codex session in a folder of its own choice.
fn codex(env: &TestEnv, folder: &str, id: &str, age: u64) {
    let name = format!("rollout-2026-01-05T10-00-00-{id}.jsonl");
    env.file(&format!(".codex/{folder}/{name}"), "{}\n", age);
}

#[test]
fn a_root_that_cannot_be_opened_lets_nothing_go_d1_d2() {
    for (provider, model, root) in ALL {
        for sealed in [root, root.split('/').next().unwrap()] {
            let env = TestEnv::new();
            env.session(provider, USED, MINUTE);
            env.session(provider, A, DAY);
            let below = root.strip_prefix(sealed).unwrap().trim_start_matches('/');
            let rows = [(USED, "unknown"), (A, "unknown"), (GONE, "unknown")];
            check(&env, (sealed, 0o000), model, ("root_unreadable", below), &rows);
        }
    }
}

#[test]
fn a_folder_that_cannot_be_listed_keeps_all_that_is_not_seen_to_be_active_d1() {
    // One that can be entered and not listed is no better.
    for mode in [0o000, 0o111] {
        let env = TestEnv::new();
        claude(&env, "-v", USED, MINUTE);
        claude(&env, "-v", A, DAY);
        claude(&env, "-w", B, MINUTE);
        let rows = [(USED, "active"), (A, "unknown"), (B, "unknown"), (GONE, "unknown")];
        let sealed = (".claude/projects/-w", mode);
        check(&env, sealed, "claude-cli", ("not_read_whole", ""), &rows);

        for sealed in [".codex/sessions/2026/02/09", ".codex/sessions/2026/02", ".codex/sessions/x"]
        {
            let env = TestEnv::new();
            codex(&env, "sessions/2026/01/05", USED, MINUTE);
            codex(&env, "sessions/2026/01/05", A, DAY);
            codex(&env, "sessions/2026/02/09", B, MINUTE);
            env.file(".codex/sessions/x/y", "x", DAY);
            let of_b = if sealed.ends_with('x') { "active" } else { "unknown" };
            let rows = [(USED, "active"), (A, "unknown"), (B, of_b), (GONE, "unknown")];
            check(&env, (sealed, mode), "codex-cli", ("not_read_whole", ""), &rows);
        }

        let env = TestEnv::new();
        env.session("gemini", USED, MINUTE);
        env.session("gemini", A, DAY);
        env.file(".gemini/tmp/z/chats/x", "x", DAY);
        let rows = [(USED, "active"), (A, "unknown"), (GONE, "unknown")];
        let sealed = (".gemini/tmp/z/chats", mode);
        check(&env, sealed, "gemini-cli", ("not_read_whole", ""), &rows);
    }
    let env = TestEnv::new();
    env.session("gemini", USED, MINUTE);
    env.session("gemini", A, DAY);
    env.file(".gemini/tmp/z/chats/x", "x", DAY);
    let rows = [(USED, "active"), (A, "unknown"), (GONE, "unknown")];
    let unread = ("not_read_whole", "");
    check(&env, (".gemini/tmp/z", 0o000), "gemini-cli", unread, &rows);
}

#[test]
fn an_archive_that_cannot_be_listed_could_hold_what_is_missing_d1() {
    let env = TestEnv::new();
    env.session("codex", USED, MINUTE);
    env.session("codex", A, DAY);
    codex(&env, "archived_sessions", B, DAY);
    let rows = [(USED, "active"), (A, "unknown"), (B, "unknown"), (GONE, "unknown")];
    let sealed = (".codex/archived_sessions", 0o000);
    check(&env, sealed, "codex-cli", ("root_unreadable", ""), &rows);
}

#[test]
fn a_file_that_cannot_be_looked_up_keeps_its_session_alone_d1() {
    // The folder's names can be listed, and nothing else be learnt about them.
    let unread = |name: &str| ("file_unread", name.to_owned());
    let env = TestEnv::new();
    claude(&env, "-v", USED, MINUTE);
    claude(&env, "-v", A, DAY);
    claude(&env, "-w", B, MINUTE);
    let rows = [(USED, "active"), (A, "idle"), (B, "unknown"), (GONE, "missing")];
    let (code, below) = unread(&format!("{B}.jsonl"));
    check(&env, (".claude/projects/-w", 0o444), "claude-cli", (code, &below), &rows);

    let env = TestEnv::new();
    codex(&env, "sessions/2026/01/05", USED, MINUTE);
    codex(&env, "sessions/2026/01/05", A, DAY);
    codex(&env, "sessions/2026/02/09", B, MINUTE);
    let (code, below) = unread(&format!("rollout-2026-01-05T10-00-00-{B}.jsonl"));
    check(&env, (".codex/sessions/2026/02/09", 0o444), "codex-cli", (code, &below), &rows);

    let env = TestEnv::new();
    env.session("vibe", USED, MINUTE);
    env.session("vibe", A, DAY);
    // Here no session is left that shows the home to be right, so the missing one stays as well.
    let rows = [(USED, "unknown"), (A, "unknown"), (GONE, "unknown")];
    let (code, below) = unread(&format!("session-{A}.json"));
    check(&env, (".vibe/sessions", 0o444), "devstral-small-2", (code, &below), &rows);
}

#[test]
fn a_gemini_file_that_cannot_be_read_keeps_whom_it_may_be_d1() {
    for age in [DAY, MINUTE] {
        let env = TestEnv::new();
        env.session("gemini", USED, MINUTE);
        env.session("gemini", A, age);
        env.session("gemini", B, DAY);
        let like_a = "aaaaaaaa-ffff-4c2d-8e3f-000000000009";
        let sealed = ".gemini/tmp/w/chats/session-2026-01-05T10-00-aaaaaaaa.jsonl";
        let rows = [(USED, "active"), (A, "unknown"), (like_a, "unknown"), (B, "idle")];
        check(&env, (sealed, 0o000), "gemini-cli", ("file_unread", ""), &rows);
    }
}

#[test]
fn an_old_side_file_that_cannot_be_read_may_be_anybodys_d1() {
    let env = TestEnv::new();
    claude(&env, "-v", USED, MINUTE);
    claude(&env, "-v", A, DAY);
    claude(&env, "-v", B, DAY);
    let sealed = ".claude/projects/-w/agent-0a1b2c3.jsonl";
    env.file(sealed, format!("{{\"sessionId\":\"{A}\"}}\n"), MINUTE);
    let rows = [(USED, "active"), (A, "unknown"), (B, "unknown"), (GONE, "unknown")];
    check(&env, (sealed, 0o000), "claude-cli", ("file_unread", ""), &rows);
}

#[test]
fn subagents_that_cannot_be_listed_keep_their_own_session_alone_d1() {
    for mode in [0o000, 0o111] {
        let env = TestEnv::new();
        claude(&env, "-v", USED, MINUTE);
        claude(&env, "-v", A, DAY);
        claude(&env, "-v", B, DAY);
        let sealed = format!(".claude/projects/-v/{A}/subagents");
        env.file(&format!("{sealed}/agent-0a1b2c3.jsonl"), "{}", DAY);
        let rows = [(USED, "active"), (A, "unknown"), (B, "idle")];
        check(&env, (&sealed, mode), "claude-cli", ("file_unread", ""), &rows);

        let env = TestEnv::new();
        env.session("gemini", USED, MINUTE);
        env.session("gemini", A, DAY);
        env.session("gemini", B, DAY);
        let sealed = format!(".gemini/tmp/w/chats/{A}");
        env.file(&format!("{sealed}/{GONE}.jsonl"), "{}", DAY);
        check(&env, (&sealed, mode), "gemini-cli", ("file_unread", ""), &rows);
    }
}

#[test]
fn an_unreadable_root_that_nothing_is_mapped_of_is_not_looked_at() {
    let env = TestEnv::new();
    env.session("claude", USED, MINUTE);
    env.session("claude", A, DAY);
    env.session("codex", A, DAY);
    env.map(json!({ "claude-cli": { "used": USED, "a": A }, "codex-cli": {} }).to_string());
    let ran = run_sealed(&env, &env.home(".codex/sessions"), 0o000, "");
    assert_eq!(ran.exits(0).err, "");
    assert_eq!(env.map_now(), json!({ "claude-cli": { "used": USED }, "codex-cli": {} }));
}
