//! D5: links, FIFOs, folders with a session's name, and trees without an end. What could hide a
//! session keeps whatever it could hide.

use super::{A, ALL, B, GONE, USED, nothing_goes, two, warns};
use crate::env::{DAY, MINUTE, Ran, TestEnv, link, row, set_age, state};
use rustix::fs::{CWD, FileType, Mode};
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

fn fifo(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// Runs the binary, and fails rather than wait for one that hangs.
fn run_in_time(env: &TestEnv, line: &str) -> Ran {
    let mut command = env.command(line.split_whitespace());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            panic!("it hangs");
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ran::from(child.wait_with_output().unwrap())
}

/// Where the own file of that session lies, with the session itself moved elsewhere.
fn moved_away(env: &TestEnv, provider: &str, id: &str) -> (std::path::PathBuf, std::path::PathBuf) {
    let path = env.session(provider, id, MINUTE);
    let away = env.home("away");
    fs::rename(&path, &away).unwrap();
    (path, away)
}

#[test]
fn the_root_may_be_a_link_d5() {
    for (provider, model, root) in ALL {
        let env = two(provider);
        let elsewhere = env.home("elsewhere");
        fs::rename(env.home(root), &elsewhere).unwrap();
        link(&elsewhere, &env.home(root));
        env.check(model, "", 0, &[(USED, "active"), (A, "idle"), (GONE, "missing")]);
        // One that leads nowhere is as good as none.
        fs::rename(&elsewhere, env.home("unmounted")).unwrap();
        let rows = [(USED, "unknown"), (A, "unknown"), (GONE, "unknown")];
        env.check(model, "", 3, &rows);
    }
}

#[test]
fn a_folder_right_in_the_root_may_be_a_link_d5() {
    for ((provider, model, root), folder) in ALL.into_iter().zip(["-w", "2026", "w"]) {
        // vibe has no folders in its root, and ends this zip.
        let env = two(provider);
        let (folder, elsewhere) = (env.home(root).join(folder), env.home("elsewhere"));
        fs::rename(&folder, &elsewhere).unwrap();
        link(&elsewhere, &folder);
        // A link to a plain file hides nothing.
        link(&env.file("plain", "x", MINUTE), &env.home(root).join("plain"));
        env.check(model, "", 0, &[(USED, "active"), (A, "idle"), (GONE, "missing")]);
        // One that leads nowhere may have led to a disk that is not there now.
        link(Path::new("/nowhere/at/all"), &env.home(root).join("dangling"));
        let rows = [(USED, "active"), (A, "unknown"), (GONE, "unknown")];
        env.check(model, "", 3, &rows);
        let ran = nothing_goes(&env, "", 3);
        warns(&ran, "not_read_whole", &env.home(root).join("dangling"));
    }
}

#[test]
fn a_root_that_leads_nowhere_may_hold_what_another_root_does_not_d1() {
    // As of a disk that is not mounted.
    for (model, absent, session) in [
        ("codex-cli", ".codex/sessions", format!(".codex/archived_sessions/rollout-x-{A}.jsonl")),
        ("devstral-small-2", ".vibe/logs/session", format!(".vibe/sessions/session-{A}.json")),
    ] {
        let env = TestEnv::new();
        env.file(&session, "{}", DAY);
        link(Path::new("/nowhere/at/all"), &env.home(absent));
        env.check(model, "", 3, &[(A, "unknown"), (GONE, "unknown")]);
        fs::remove_file(env.home(absent)).unwrap();
        let state = if model == "codex-cli" { "archived" } else { "idle" };
        env.check(model, "", 0, &[(A, state), (GONE, "missing")]);
    }
}

#[test]
fn a_version_7_session_is_found_through_a_linked_year_d5() {
    let id = "019b8d99-6900-7000-8000-00000000000a";
    let env = two("codex");
    env.session("codex", id, MINUTE);
    let (year, elsewhere) = (env.home(".codex/sessions/2026"), env.home("elsewhere"));
    fs::rename(&year, &elsewhere).unwrap();
    link(&elsewhere, &year);
    env.check("codex-cli", "", 0, &[(id, "active"), (A, "idle")]);
}

#[test]
fn a_session_file_that_is_no_regular_file_keeps_its_session_alone_d5() {
    for (provider, model, _) in ALL {
        for odd in ["a link", "a dangling link", "a FIFO"] {
            let env = two(provider);
            let (path, away) = moved_away(&env, provider, B);
            match odd {
                "a link" => link(&away, &path),
                "a dangling link" => link(Path::new("/nowhere/at/all"), &path),
                _ => fifo(&path),
            }
            let map = json!({ model: { "used": USED, "a": A, "b": B, "gone": GONE } });
            env.map(map.to_string());
            let ran = run_in_time(&env, "--format json");
            let report = ran.exits(3).report();
            assert_eq!(state(&report, "b"), "unknown", "{provider}, {odd}: {report:#}");
            warns(&ran, "file_unread", &path);
            // Who waits for somebody to read from a FIFO would have been let go on.
            assert_eq!(env.map_now(), json!({ model: { "used": USED, "b": B } }), "{ran:?}");
        }
    }
}

/// Runs while somebody waits to write into a FIFO at `path`: that must not be opened.
#[track_caller]
fn stays_unopened(env: &TestEnv, path: &Path) -> Ran {
    fifo(path);
    let (opened, is_open) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let writer = OpenOptions::new().write(true).open(path);
            opened.send(()).unwrap();
            drop(writer);
        });
        // The writer blocks until somebody reads.
        thread::sleep(Duration::from_millis(50));
        let ran = run_in_time(env, "--format json");
        let was_opened = is_open.try_recv().is_ok();
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let reader = OpenOptions::new().read(true).custom_flags(nonblocking).open(path);
        is_open.recv_timeout(Duration::from_secs(20)).ok();
        drop(reader);
        assert!(!was_opened, "{} was opened: {ran:?}", path.display());
        ran
    })
}

#[test]
fn a_fifo_is_never_opened_d5() {
    for (provider, model, _) in ALL {
        let env = two(provider);
        let (path, _) = moved_away(&env, provider, B);
        env.map(json!({ model: { "a": A, "b": B } }).to_string());
        stays_unopened(&env, &path).exits(3);
        assert_eq!(env.map_now(), json!({ model: { "b": B } }));
    }
}

#[test]
fn a_fifo_among_the_old_side_files_is_not_opened_either_d5() {
    // Whose it is cannot be told, so it keeps everybody whom it could make active.
    let env = two("claude");
    env.map(json!({ "claude-cli": { "a": A, "used": USED } }).to_string());
    let before = env.map_bytes();
    stays_unopened(&env, &env.home(".claude/projects/-w/agent-0a1b2c3.jsonl")).exits(3);
    assert_eq!(env.map_bytes(), before);
}

#[test]
fn a_folder_deeper_than_right_in_the_root_must_be_no_link_d5() {
    let seen = "019b8d99-6900-7000-8000-00000000000a";
    for linked in [".codex/sessions/2026/02", ".codex/sessions/2026/02/09", ".codex/sessions/x/y"] {
        let env = two("codex");
        env.session("codex", seen, DAY);
        let hidden = format!("elsewhere/09/rollout-2026-02-09T10-00-00-{B}.jsonl");
        env.file(&hidden, "{}", MINUTE);
        link(&env.home("elsewhere"), &env.home(linked));
        let rows = [(USED, "active"), (A, "unknown"), (B, "unknown"), (seen, "unknown")];
        env.check("codex-cli", "", 3, &rows);
        warns(&nothing_goes(&env, "", 3), "not_read_whole", &env.home(linked));
    }
    let env = two("gemini");
    env.file("elsewhere/x", "x", DAY);
    link(&env.home("elsewhere"), &env.home(".gemini/tmp/z/chats"));
    env.check("gemini-cli", "", 3, &[(USED, "active"), (A, "unknown"), (GONE, "unknown")]);
    warns(&nothing_goes(&env, "", 3), "not_read_whole", &env.home(".gemini/tmp/z/chats"));
}

#[test]
fn linked_subagents_keep_their_own_session_alone_d5() {
    let rows = [(USED, "active"), (A, "unknown"), (B, "idle")];
    for (provider, model, below) in [
        ("claude", "claude-cli", format!(".claude/projects/-w/{A}")),
        ("claude", "claude-cli", format!(".claude/projects/-w/{A}/subagents")),
        ("claude", "claude-cli", format!(".claude/projects/-w/{A}/subagents/agent-1.jsonl")),
        ("gemini", "gemini-cli", format!(".gemini/tmp/w/chats/{A}")),
        ("gemini", "gemini-cli", format!(".gemini/tmp/w/chats/{A}/{GONE}.jsonl")),
    ] {
        let env = two(provider);
        env.session(provider, B, DAY);
        env.file("elsewhere/subagents/agent-1.jsonl", "{}", MINUTE);
        let at = env.home(&below);
        link(&env.home("elsewhere"), &at);
        at.ancestors()
            .skip(1)
            .take_while(|path| path.starts_with(env.home("")))
            .for_each(|path| set_age(path, DAY));
        env.check(model, "", 3, &rows);
    }
}

#[test]
fn a_tree_that_is_too_deep_was_not_read_whole_d5() {
    for (depth, code, of_idle, of_gone) in
        [(12, 0, "idle", "missing"), (40, 3, "unknown", "unknown")]
    {
        let env = two("codex");
        let folder = format!(".codex/sessions{}", "/x".repeat(depth));
        env.file(&format!("{folder}/rollout-2026-01-05T10-00-00-{B}.jsonl"), "{}", MINUTE);
        let of_b = if code == 0 { "active" } else { "unknown" };
        let rows = [(USED, "active"), (A, of_idle), (B, of_b), (GONE, of_gone)];
        env.check("codex-cli", "", code, &rows);
    }
}

#[test]
fn the_wrong_home_guard_speaks_only_of_what_is_missing_d1() {
    let env = TestEnv::new();
    let path = env.session("claude", B, MINUTE);
    fs::remove_file(&path).unwrap();
    fifo(&path);
    env.map(json!({ "claude-cli": { "b": B, "gone": GONE } }).to_string());
    let ran = nothing_goes(&env, "", 3);
    let report = ran.report();
    assert_eq!(row(&report, "gone")["reason"], "wrong home?", "{report:#}");
    // There is something in the place of its file, so this one is unread, and not missing.
    assert_eq!(row(&report, "b")["reason"], "file unreadable", "{report:#}");
    ran.says(&["session files are missing for the one mapping"]);
}

#[test]
fn what_was_not_read_whole_is_trouble_even_where_all_is_active_d1() {
    let env = TestEnv::new();
    env.session("gemini", USED, MINUTE);
    link(&env.path("elsewhere"), &env.home(".gemini/tmp/other/chats"));
    env.map(json!({"gemini-cli": {"used": USED}}).to_string());
    let ran = env.run("clean --format json");
    let report = ran.exits(3).report();
    assert_eq!((state(&report, "used"), &report["summary"]["unknown"]), ("active", &json!(0)));
    warns(&ran, "not_read_whole", &env.home(".gemini/tmp/other/chats"));
}
