//! Whose map a bridge holds must be seen before it is asked twice; and what undo makes of what went
//! through one.

use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::child::{ACTIVE, IDLE, NOBODY, two_sessions};
use crate::env::{Ran, row};
use crate::in_use::Running;
use crate::stand_in::{StandIn, answer, auto};

fn chats(names: &[&str]) -> Value {
    let mut map = json!({"claude-cli": {"active": ACTIVE}});
    for name in names {
        map["claude-cli"][*name] = IDLE.into();
    }
    map
}

#[test]
fn a_file_that_never_held_a_mapping_proves_nothing_b5() {
    // Another bridge's map, of which ours is a copy without some: what it lets go first must be
    // something that ours holds, and ours does not follow.
    let env = two_sessions();
    env.map(chats(&["b", "c"]).to_string());
    let other = StandIn::holding(&chats(&["a", "b", "c"]));
    let before = env.map_bytes();
    let ran = auto(&env, other.port, "clean --format json");
    ran.exits(3).says(&["the map file did not change", "undo RUN --map FILE"]);
    assert_eq!((other.deletes().len(), env.map_bytes()), (1, before));
    assert!(other.deletes()[0].contains("/sessions/b?"), "{:?}", other.deletes());
    // Where the file has none of the mappings to remove, nothing is asked.
    let env = two_sessions();
    env.map(chats(&[]).to_string());
    let other = StandIn::holding(&chats(&["a", "b"]));
    let ran = auto(&env, other.port, "clean --format json");
    ran.exits(3).says(&["has none of the mappings to remove", "--bridge URL"]);
    assert!(other.deletes().is_empty());
    assert_eq!(ran.report()["summary"]["failed"], 2);
    // A bridge whose own file lags behind is asked for all of it, the file's first.
    let env = two_sessions();
    env.map(chats(&["b"]).to_string());
    let bridge = StandIn::hostile_on(env.map_path(), |_, stream| Some(stream));
    bridge.chat("claude-cli", "a", IDLE);
    env.map(chats(&["b"]).to_string());
    auto(&env, bridge.port, "clean --format json").exits(0);
    assert_eq!(bridge.deletes().len(), 2);
    assert!(bridge.deletes()[0].contains("/sessions/b?"), "{:?}", bridge.deletes());
    assert_eq!(bridge.map()["claude-cli"], json!({"active": ACTIVE}));
}

#[test]
fn a_bridge_that_keeps_what_it_says_it_let_go_is_warned_of_b3() {
    let env = two_sessions();
    let bridge = StandIn::hostile(&chats(&["i"]), |request, mut stream| {
        if request.starts_with("DELETE") {
            answer(&mut stream, 200, r#"{"status":"deleted"}"#).unwrap();
            return None;
        }
        Some(stream)
    });
    let ran = env.run(&format!("clean --bridge {}", bridge.url()));
    ran.exits(3).says(&["it reported 1 as removed but still has them"]);
}

#[test]
fn another_service_with_long_pages_is_no_bridge_b4() {
    let env = two_sessions();
    env.map(chats(&["i"]).to_string());
    let page = format!("<html>{}</html>", "x".repeat(3 << 20));
    let server = StandIn::hostile(&json!({}), move |_, mut stream| {
        let _ = answer(&mut stream, 200, &page);
        None
    });
    env.run(&format!("clean --bridge {}", server.url())).exits(1);
    auto(&env, server.port, "clean").exits(0);
    assert_eq!(env.map_now(), chats(&[]));
}

#[test]
fn a_nested_page_takes_no_memory_b1() {
    let env = two_sessions();
    let page = format!("[{}0]", "[0],".repeat(2 << 20));
    let server = StandIn::hostile(&json!({}), move |_, mut stream| {
        let _ = answer(&mut stream, 200, &page);
        None
    });
    let line = format!("clean --bridge {}", server.url());
    let shell = crate::child::through_shell(&env, "ulimit -v 150000 &&", &line, "").output();
    Ran::from(shell.unwrap()).exits(1).says(&["does not answer like a bridge"]);
}

#[test]
fn what_no_call_can_name_fails_in_a_dry_run_too_b2() {
    let env = two_sessions();
    let bridge = StandIn::holding(&chats(&["a/b", "..", "i"]));
    for (line, action) in [("-n", "would_remove"), ("clean", "removed")] {
        let ran = env.run(&format!("{line} --format json --bridge {}", bridge.url()));
        ran.exits(3).says(&["no call can name the chat"]);
        let report = ran.report();
        assert_eq!(row(&report, "a/b")["action"], "failed");
        assert_eq!(row(&report, "..")["action"], "failed");
        assert_eq!(row(&report, "i")["action"], action);
    }
}

#[test]
fn a_named_bridge_and_its_folder_share_the_lock_and_the_journal_x1() {
    let env = two_sessions();
    env.map(chats(&["i"]).to_string());
    let bridge = StandIn::on(env.map_path());
    let line =
        format!("clean --bridge {} --session-dir {}", bridge.url(), env.path("bridge").display());
    let lock = env.path("bridge/.session_map.json.session-warden.lock");
    let held = File::create(&lock).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    env.run(&line).exits(75);
    assert!(bridge.deletes().is_empty());
    drop(held);
    env.run(&line).exits(0);
    assert_eq!(bridge.deletes().len(), 1);
    bridge.stop();
    env.run("undo").exits(0);
    assert_eq!(env.map_now(), chats(&["i"]));
    // A folder whose map is not that bridge's is none of its business.
    env.map(json!({"claude-cli": {"other": IDLE}}).to_string());
    let bridge = StandIn::holding(&chats(&["i"]));
    let line = line.replace(&line[15..line.find(" --session-dir").unwrap()], &bridge.url());
    let ran = env.run(&format!("{line} --format json"));
    ran.exits(0);
    assert_eq!(ran.report()["source"]["map"], Value::Null);
}

#[test]
fn what_somebody_else_removed_in_that_moment_is_not_put_back() {
    let env = two_sessions();
    let bridge = StandIn::hostile(&chats(&["i"]), |request, mut stream| {
        if request.starts_with("DELETE") {
            answer(&mut stream, 404, r#"{"detail":"Session not found"}"#).unwrap();
            return None;
        }
        Some(stream)
    });
    env.run(&format!("clean --bridge {}", bridge.url())).exits(0);
    bridge.stop();
    let map = env.map(chats(&[]).to_string());
    let ran = env.run(&format!("undo --map {}", map.display()));
    ran.exits(0);
    assert!(ran.out.contains("Nothing to restore."), "{}", ran.out);
    assert_eq!(env.map_now(), chats(&[]));
}

#[test]
fn a_journal_that_tells_everything_twice_puts_back_once() {
    let env = two_sessions();
    env.map(chats(&["a", "b"]).to_string());
    env.run("clean").exits(0);
    let journal = env.home(".local/state/session-warden/removals.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.repeat(3)).unwrap();
    env.run("undo").exits(0);
    assert_eq!(env.map_now(), chats(&["a", "b"]));
    env.run("-n").exits(0);
}

#[test]
fn undo_says_that_the_map_is_not_there() {
    let env = two_sessions();
    env.map(chats(&["a"]).to_string());
    env.run("clean").exits(0);
    fs::remove_file(env.map_path()).unwrap();
    for line in ["undo", "undo -n"] {
        env.run(line).exits(1).says(&["there is no session map", "hint: start the bridge once"]);
    }
}

#[test]
fn as_root_an_undo_is_the_owners_s1() {
    if !rustix::process::geteuid().is_root() {
        // Nobody else can have a map that we may replace.
        return;
    }
    let env = two_sessions();
    env.map(chats(&["a"]).to_string());
    env.give_to(NOBODY);
    env.run("clean --home home --state-dir home/state").exits(0);
    assert_eq!(env.map_now(), chats(&[]), "an idle control was removed");
    env.run("undo --state-dir home/state").exits(0);
    assert_eq!(env.map_now(), chats(&["a"]));
    for path in
        ["home/state/removals.jsonl", "home/state/restored.jsonl", "bridge/session_map.json"]
    {
        assert_eq!(fs::metadata(env.path(path)).unwrap().uid(), NOBODY, "{path}");
    }
}

#[test]
fn a_script_that_a_python_runs_is_a_python() {
    let env = two_sessions();
    env.map(chats(&["i"]).to_string());
    let python = env.path("python3");
    fs::copy(fs::canonicalize("/bin/sh").unwrap(), &python).unwrap();
    let script = env.path("claude-api");
    let mut file = File::create(&script).unwrap();
    writeln!(file, "#!{}\nsleep 60; :", python.display()).unwrap();
    drop(file);
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    // It knows the folder by another name.
    symlink("bridge", env.path("link")).unwrap();
    let mut command = Command::new(&script);
    let running = Running::started(command.env("CLAUDE_SESSION_DIR", env.path("link")));
    let looks = format!("process {} looks like this map's bridge", running.id());
    env.run("clean --bridge off").exits(3).says(&[&looks]);
}

/// Listens as another user, and prints its port; says if anybody connects.
const LISTENER: &str = "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()
print(s.getsockname()[1], flush=True); s.accept(); print('asked', flush=True); input()";

/// Only root can start a process of another user.
#[test]
fn a_listener_of_another_user_is_not_this_maps_bridge_s4() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (env, two) = (two_sessions(), chats(&["a"]));
    env.map(two.to_string());
    let mut listener = Command::new("python3")
        .args(["-c", LISTENER])
        .uid(NOBODY)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(listener.stdout.take().unwrap()).lines();
    let port = lines.next().unwrap().unwrap();

    let url = format!("http://127.0.0.1:{port}");
    let named = env.run(&format!("clean --bridge {url}"));
    named.exits(1).says(&[&format!("the bridge at {url} belongs to user "), "hint: "]);
    assert_eq!(env.map_now(), two);

    let mut command = env.command(["clean"]);
    let ran = Ran::of(command.env("CLAUDE_BRIDGE_PORT", &port));
    ran.exits(3).says(&["so it is not this map's bridge; the file is edited instead", "hint: "]);
    assert_eq!(env.map_now(), chats(&[]), "an idle control was removed");

    let undo = env.command(["undo"]).env("CLAUDE_BRIDGE_PORT", &port).output().unwrap();
    assert!(undo.status.success(), "{undo:?}");
    assert_eq!(env.map_now(), two);
    listener.kill().unwrap();
    listener.wait().unwrap();
    assert!(lines.next().is_none(), "it was asked");
}
