//! `clean --release`: idle CLI processes are shown, and ended where that is asked for and harmless. Each process is
//! a stand-in that behaves like Claude Code 2.1.332.

use serde_json::{Value, json};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::child::{finish, start};
use crate::env::{HOUR, MINUTE, Ran, TestEnv, row};
use crate::resident::Resident;

/// The first parts of the sessions of a test.
const A: u32 = 0x7c0d_1e2f;
const B: u32 = 0xb7e2_4d81;

/// Returns a session that no other test has: any process that names a session uses it.
fn session(env: &TestEnv, first: u32) -> String {
    let mut hasher = DefaultHasher::new();
    env.path("").hash(&mut hasher);
    let last = hasher.finish() & 0xffff_ffff_ffff;
    format!("{first:08x}-3a4b-4c5d-8e6f-{last:012x}")
}

/// A bridge that starts its CLI again with the next message.
const QUIET: &str = "[[profile]]\nname = 'p'\nmap_format = 'claude-remote'\n";

/// A map with two idle sessions, and a profile that says which bridge has it.
pub(crate) fn home() -> TestEnv {
    let env = TestEnv::new();
    let (a, b) = (session(&env, A), session(&env, B));
    env.session("claude", &a, 3 * HOUR);
    env.session("claude", &b, 5 * HOUR);
    env.map(json!({"claude-cli": {"a": a, "b": b}}).to_string());
    env.config(QUIET);
    env
}

pub(crate) fn resident(env: &TestEnv, first: u32, variant: &str) -> Resident {
    Resident::start(&env.home(".claude"), &session(env, first), variant)
}

/// Returns what the run must have done about a process that it may end: without a machine ID, as in many containers,
/// nothing is ever ended.
fn expected(action: &'static str) -> &'static str {
    let id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    if matches!(id.trim(), "" | "uninitialized") { "kept" } else { action }
}

#[track_caller]
fn check(report: &Value, chat: &str, action: &str, reason: &str) {
    let row = row(report, chat);
    assert_eq!(row["action"], expected_action(action), "{report:#}");
    if expected_action(action) == action {
        let found = row["reason"].as_str().unwrap();
        assert!(found.contains(reason), "{found:?} has no {reason:?}");
    }
}

fn expected_action(action: &str) -> &str {
    match action {
        "released" => expected("released"),
        "would_release" => expected("would_release"),
        other => other,
    }
}

#[test]
fn a_resident_process_is_shown_with_what_it_holds_and_never_ended_by_default() {
    let env = home();
    let mut a = resident(&env, A, "mcp");
    let report = env.json("");
    let row = row(&report, "a");
    assert_eq!((&row["state"], &row["action"]), (&json!("resident"), &json!("kept")));
    let process = &row["process"];
    assert_eq!((&process["pid"], &process["status"]), (&json!(a.pid()), &json!("idle")));
    assert!(process["memory_bytes"].as_u64().unwrap() > 1 << 20);
    assert_eq!(process["connections"], 0);
    assert!(process["idle_since"].as_str().unwrap().ends_with('Z'));
    assert_eq!(report["summary"]["resident"], 1);
    assert_eq!(report["summary"]["resident_bytes"], process["memory_bytes"]);
    assert_eq!(report["summary"]["removed"], 1, "the idle control was removed");
    assert_eq!(crate::env::row(&report, "b")["process"], json!(null));
    assert!(a.is_alive());
    assert!(!env.home(".local/state/session-warden/releases.jsonl").exists());

    let text = env.run("-n").out;
    let shown = format!("kept: process {} holds ", a.pid());
    assert!(text.contains(&shown) && text.contains(" MB, 0 connections"), "{text}");
    assert!(text.contains("Resident (kept): 1 ("), "{text}");
}

#[test]
fn the_first_release_ends_one_process_and_the_next_the_others_p1() {
    let env = home();
    let (mut a, mut b) = (resident(&env, A, "mcp"), resident(&env, B, "plain"));
    let map = env.map_bytes();

    let dry = env.json("clean -n --release --profile p");
    check(&dry, "a", "would_release", "process ");
    check(&dry, "b", "kept", "the first release ends one process only");
    assert!(a.is_alive() && b.is_alive());

    let first = env.run("clean --release --profile p --format json");
    check(&first.report(), "a", "released", "process ");
    if expected("released") != "released" {
        assert!(a.is_alive() && b.is_alive());
        return;
    }
    assert_eq!(a.child.wait().unwrap().code(), Some(143));
    assert!(b.is_alive());
    first.exits(0).says(&["warning: this is the first release for this map"]);
    assert_eq!(first.report()["summary"]["released"], 1);

    let history = env.run("history latest --json").out;
    let history: Value = serde_json::from_str(&history).unwrap();
    assert_eq!(
        (&history["run"]["command"], &history["run"]["released"]),
        (&json!("clean"), &json!(1))
    );
    assert_eq!(history["releases"][0]["outcome"], "released");

    // Its transcript was written as it ended, as Claude Code does.
    env.session("claude", &session(&env, A), 0);
    let second = env.json("clean --release --profile p");
    check(&second, "b", "released", "process ");
    assert_eq!(b.child.wait().unwrap().code(), Some(143));
    assert_eq!(env.map_bytes(), map, "both mappings are kept");

    let lines = fs::read_to_string(env.home(".local/state/session-warden/releases.jsonl")).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["planned", "released", "planned", "released"]);
    assert_eq!(lines[0]["chats"], json!(["claude-cli/a"]));
    assert_eq!(lines[0]["resume"], format!("claude --resume {}", session(&env, A)));
    assert!(lines[0]["memory_bytes"].as_u64().unwrap() > 1 << 20);

    // Once they have been idle for another threshold, and not before.
    let third = env.json("clean --release --profile p");
    assert_eq!(
        (&row(&third, "a")["state"], &row(&third, "b")["state"]),
        (&json!("active"), &json!("idle"))
    );
}

#[test]
fn each_condition_keeps_with_its_own_reason_p1() {
    for (variant, reason) in [
        ("busy", "status is busy"),
        ("shell", "a background shell runs"),
        ("marked", "a background process runs"),
        ("terminal", "has a terminal"),
        ("deaf", "does not listen on the socket in its record"),
        ("ignores", "does not handle SIGTERM"),
    ] {
        let env = home();
        let mut a = resident(&env, A, variant);
        let report = env.json("clean --release --profile p");
        check(&report, "a", "kept", reason);
        assert!(a.is_alive(), "{variant}");
        assert_eq!(report["summary"]["removed"], 1, "{variant}: the idle control was removed");
    }
}

#[test]
fn a_bridge_that_is_not_known_to_survive_keeps_its_processes() {
    let env = home();
    let mut a = resident(&env, A, "plain");
    let ran = env.run("clean --release --json");
    check(&ran.report(), "a", "kept", "this bridge would break");
    ran.exits(0).says(&[
        "it is not known how the bridge of this map reacts",
        "1 CLI process is kept",
        "hint: if it is not known, name the bridge",
    ]);
    env.config(
        "[clean]\nrelease = true\n[[profile]]\nname = 'p'\nmap_format = 'claude-sdk-python'\n",
    );
    let ran = env.run("--profile p --json");
    check(&ran.report(), "a", "kept", "this bridge would break");
    ran.exits(0).says(&["the bridge of this map does not survive a release"]);
    assert!(a.is_alive());
    // A list only shows; it plans no release.
    assert_eq!(env.run("list --profile p").err, "");

    env.config("[clean]\nrelease = true\nrelease_accepts = 'breaks'\n");
    let ran = env.run("--format json");
    check(&ran.report(), "a", "released", "process ");
    if expected("released") == "released" {
        ran.exits(0).says(&["the chats of released sessions may not answer"]);
        assert!(!a.is_alive() || a.child.wait().is_ok());
    }
}

#[test]
fn a_limit_refuses_the_whole_run() {
    let env = home();
    let mut a = resident(&env, A, "plain");
    let ran = env.run("clean --release --max-release 0 --profile p");
    if expected("released") == "released" {
        ran.exits(1).says(&["1 process would be ended, more than --max-release 0"]);
        assert_eq!(
            env.map_now()["claude-cli"].as_object().unwrap().len(),
            2,
            "nothing was removed"
        );
    }
    assert!(a.is_alive());
}

#[test]
fn with_a_shorter_time_an_active_session_is_released() {
    let env = home();
    env.session("claude", &session(&env, A), 10 * MINUTE);
    let mut a = resident(&env, A, "plain");
    let report = env.json("clean -n --release --release-after 30m --profile p");
    assert_eq!(
        (&row(&report, "a")["state"], &row(&report, "a")["action"]),
        (&json!("active"), &json!("kept"))
    );
    assert_eq!(row(&report, "a")["reason"], "session used recently");

    let report = env.json("clean --release --release-after 5m --profile p");
    assert_eq!(row(&report, "a")["state"], "active");
    check(&report, "a", "released", "process ");
    if expected("released") == "released" {
        assert_eq!(a.child.wait().unwrap().code(), Some(143));
    }
}

#[test]
fn a_hold_and_a_pin_keep_a_process_p1() {
    for (command, reason) in [("hold start --key k --session", "held"), ("pin", "pinned")] {
        let env = home();
        let command = format!("{command} {}", session(&env, A));
        let mut a = resident(&env, A, "plain");
        let ran: Ran = env.run(&command);
        ran.exits(0);
        check(&env.json("clean --release --profile p"), "a", "kept", reason);
        assert!(a.is_alive());
    }
}

#[test]
fn two_processes_of_one_session_are_reported() {
    let env = home();
    let (a, b) = (resident(&env, A, "plain"), resident(&env, A, "plain"));
    let ran = env.run("-n");
    ran.exits(0)
        .says(&[&format!("session {} is open in several processes", session(&env, A)), "hint: "]);
    assert!(ran.err.contains(&a.pid().to_string()) && ran.err.contains(&b.pid().to_string()));
}

#[test]
fn one_whose_end_takes_long_is_ending_and_is_not_signalled_again_p1() {
    let env = home();
    let mut a = resident(&env, A, "slow");
    let ran = env.run("clean --release --profile p --format json");
    if expected("released") != "released" {
        return assert!(a.is_alive());
    }
    ran.exits(3).says(&[&format!("process {} was asked to end and still runs", a.pid())]);
    assert_eq!(row(&ran.report(), "a")["reason"], "is ending");
    assert!(a.is_alive());
}

/// Runs `release`, and returns its report, held against its schema.
#[track_caller]
fn report(env: &TestEnv, line: &str, code: i32) -> Value {
    let ran = env.run(&format!("{line} --json"));
    assert_eq!(crate::schemas::obeys(&ran.out), Some("release"), "{ran:?}");
    if expected("released") == "released" {
        ran.exits(code);
    }
    serde_json::from_str(&ran.out).unwrap()
}

/// Returns the pid, the chats, the action and the reason of each process.
fn processes(report: &Value) -> Vec<(u32, &Value, &str, Option<&str>)> {
    let all = report["processes"].as_array().unwrap().iter();
    all.map(|one| {
        let pid = u32::try_from(one["pid"].as_u64().unwrap()).unwrap();
        (pid, &one["chats"], one["action"].as_str().unwrap(), one["reason"].as_str())
    })
    .collect()
}

#[test]
fn release_ends_the_process_of_the_chat_that_is_named() {
    let env = home();
    let (mut a, mut b) = (resident(&env, A, "plain"), resident(&env, B, "busy"));
    let dry = report(&env, "release a -n --profile p", 0);
    let would = expected_action("would_release");
    assert_eq!(processes(&dry)[0].0, a.pid());
    assert_eq!(processes(&dry)[0].1, &json!(["claude-cli/a"]));
    assert_eq!(processes(&dry)[0].2, would);
    assert!(a.is_alive());

    let all = report(&env, "release --profile p", 0);
    let of = |pid| *processes(&all).iter().find(|one| one.0 == pid).unwrap();
    assert_eq!((of(b.pid()).2, of(b.pid()).3), ("kept", Some("status is busy")));
    assert_eq!(of(a.pid()).2, expected("released"));
    assert!(b.is_alive());
    assert_eq!(env.map_now()["claude-cli"].as_object().unwrap().len(), 2, "mappings are kept");

    let ran = env.run("release b --profile p");
    ran.exits(1);
    assert!(ran.out.contains("kept: status is busy"), "{ran:?}");
    let ran = env.run("release nobody");
    ran.exits(1).says(&["nobody", "hint: "]);
    if expected("released") == "released" {
        assert!(!a.is_alive());
        env.run("release a").exits(1).says(&["no live Claude Code process has the session of a"]);
        let history = env.run(&format!("history {}", all["run"].as_str().unwrap())).out;
        assert!(history.contains("command    release"), "{history}");
        let a = format!("claude --resume {}", session(&env, A));
        assert!(history.contains("claude-cli/a") && history.contains(&a), "{history}");
    }
}

#[test]
fn a_process_without_a_mapping_is_shown_and_ended_only_by_name() {
    let env = home();
    env.map(json!({"claude-cli": {"b": session(&env, B)}}).to_string());
    let mut a = resident(&env, A, "plain");
    assert!(report(&env, "release --profile p", 0)["processes"].as_array().unwrap().is_empty());
    assert!(a.is_alive());

    let list = env.run("list --unmapped --json");
    let list: Value = serde_json::from_str(&list.out).unwrap();
    let shown = &list["processes"][0];
    assert_eq!((&shown["pid"], &shown["cli"]), (&json!(a.pid()), &json!("claude")));
    assert_eq!(shown["session_id"], session(&env, A));
    assert_eq!((&shown["leftover"], &shown["record"]), (&json!(false), &json!(true)));
    assert_eq!(shown["parent"]["pid"], std::process::id());
    let text = env.run("list --unmapped").out;
    assert!(text.contains("1 process without a mapping, "), "{text}");

    // Without a terminal nobody confirms it, and the bridge of a file is not known.
    let unasked = report(&env, &format!("release {}", session(&env, A)), 1);
    assert_eq!(processes(&unasked)[0].3, Some("this bridge would break"));
    assert!(a.is_alive());
    let by_name = report(&env, &format!("release --yes {}", session(&env, A)), 0);
    assert_eq!(processes(&by_name)[0].2, expected("released"), "{by_name:#}");
    assert_eq!(processes(&by_name)[0].1, &json!([]));
    assert_eq!(a.is_alive(), expected("released") != "released");

    // It was no process of this map, so the first of that is still to come.
    let (_b, dry) = (resident(&env, B, "plain"), env.json("clean -n --release --profile p"));
    check(&dry, "b", "would_release", "process ");
    let c = session(&env, 0x1234_5678);
    env.session("claude", &c, 4 * HOUR);
    env.map(json!({"claude-cli": {"b": session(&env, B), "c": c}}).to_string());
    let _c = resident(&env, 0x1234_5678, "plain");
    let both = env.json("clean -n --release --profile p");
    check(&both, "c", "kept", "the first release ends one process only");
}

#[test]
fn leftovers_are_ended_where_that_is_asked_for() {
    let env = home();
    env.map(json!({"claude-cli": {"b": session(&env, B)}}).to_string());
    let mut left = Resident::leftover(&env.home(".claude"), &session(&env, A));
    let mut other = resident(&env, B, "busy");
    let clean = env.json("-n");
    assert_eq!(clean["leftovers"][0]["pid"], left.pid());
    assert_eq!(clean["leftovers"][0]["leftover"], true);
    let doctor = env.run("doctor").out;
    assert!(doctor.contains("2 CLI processes, 0 connections, 1 idle, 1 leftover"), "{doctor}");

    assert_eq!(processes(&report(&env, "release -n --profile p", 0)).len(), 1, "not asked for");
    let all = report(&env, "release --leftovers --profile p", 0);
    let of = |pid| processes(&all).into_iter().find(|one| one.0 == pid).unwrap();
    assert_eq!(of(left.pid()).2, expected("released"), "{all:#}");
    assert_eq!(of(other.pid()).3, Some("status is busy"));
    assert_eq!(left.is_alive(), expected("released") != "released");
    assert!(other.is_alive());
}

#[test]
fn a_cli_without_a_record_is_shown_as_such() {
    let env = home();
    let mut a = resident(&env, A, "record");
    let list = env.run("list --unmapped --json");
    let list: Value = serde_json::from_str(&list.out).unwrap();
    let shown = list["processes"].as_array().unwrap();
    // Its session is in its arguments, so its mapping shows it.
    assert!(shown.is_empty(), "{list:#}");
    assert!(a.is_alive());

    let other = resident(&env, 0x1234_5678, "record");
    let list = env.run("list --unmapped --json");
    let list: Value = serde_json::from_str(&list.out).unwrap();
    let shown = list["processes"].as_array().unwrap();
    assert_eq!(shown.len(), 1, "{list:#}");
    assert_eq!((&shown[0]["pid"], &shown[0]["record"]), (&json!(other.pid()), &json!(false)));
}

#[test]
fn list_shows_the_memory_of_each_process() {
    let env = home();
    let a = resident(&env, A, "mcp");
    let list: Value = serde_json::from_str(&env.run("list --json").out).unwrap();
    let shown = list["sessions"].as_array().unwrap();
    let shown = shown.iter().find(|one| one["chat_id"] == "a").unwrap();
    assert_eq!(shown["process"]["pid"], a.pid());
    assert_eq!(shown["process"]["status"], "idle");
    assert!(shown["process"]["memory_bytes"].as_u64().unwrap() > 1 << 20);
    let verbose = env.run("list -v").out;
    assert!(verbose.contains(&format!("process  {}, idle since ", a.pid())), "{verbose}");
}

#[test]
fn metrics_count_resident_processes() {
    let env = home();
    let _a = resident(&env, A, "mcp");
    env.run("--metrics m.prom").exits(0);
    let metrics = fs::read_to_string(env.path("m.prom")).unwrap();
    for (name, least) in [("sessions", 1), ("bytes", 1 << 20), ("oldest_idle_seconds", 3 * HOUR)] {
        let name = format!("session_warden_resident_{name}{{profile=\"\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap();
        assert!(line.parse::<u64>().unwrap() >= least, "{name}{line}");
    }
    assert!(metrics.contains("session_warden_resident_connections{profile=\"\"} 0"), "{metrics}");
}

#[test]
fn a_release_is_in_the_journal_before_the_signal_p5() {
    let env = home();
    let mut a = resident(&env, A, "plain");
    // Without a journal nothing is ended, and nothing removed.
    let state = env.home(".local/state/session-warden");
    fs::create_dir_all(state.join("releases.jsonl")).unwrap();
    let ran = env.run("clean --release --profile p");
    if expected("released") == "released" {
        ran.exits(1).says(&["cannot "]);
        assert_eq!(env.map_now()["claude-cli"].as_object().unwrap().len(), 2);
    }
    assert!(a.is_alive());
    fs::remove_dir(state.join("releases.jsonl")).unwrap();

    // A run that was killed between the journal and the signal.
    let start = fs::read_to_string(format!("/proc/{}/stat", a.pid())).unwrap();
    let start = start.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap();
    let line = json!({"run": "20261128T100000Z-000-1-p", "time": "2026-11-28T10:00:00.000Z", "event": "planned",
        "map": env.map_path().to_str().unwrap(), "url": null, "pid": a.pid(), "start": start.parse::<u64>().unwrap(),
        "session": session(&env, A), "chats": ["claude-cli/a"], "memory_bytes": 5, "resume": "claude --resume x"});
    fs::write(state.join("releases.jsonl"), format!("{line}\n")).unwrap();
    let history: Value =
        serde_json::from_str(&env.run("history 20261128T100000Z --json").out).unwrap();
    assert_eq!(history["releases"][0]["outcome"], "unknown", "{history:#}");
    assert_eq!(history["run"]["exit"], json!(null));

    // It may have been signalled, so it never is again.
    let report = env.json("clean --release --profile p");
    let reason = row(&report, "a")["reason"].as_str().unwrap();
    assert_eq!(reason, "an earlier run may have asked it to end", "{report:#}");
    assert!(a.is_alive());
}

#[test]
fn a_bridge_that_restarts_sessions_is_left_alone_until_release_is_run_by_hand() {
    if expected("released") != "released" {
        return;
    }
    let env = home();
    let a = resident(&env, A, "plain");
    assert_eq!(processes(&report(&env, "release a --profile p", 0))[0].2, "released");
    drop(a);

    // Its bridge starts it again, and its files show no message since.
    let mut again = resident(&env, A, "plain");
    let mut b = resident(&env, B, "plain");
    std::thread::sleep(Duration::from_millis(2_500));
    let ran = env.run("clean --release --profile p --json");
    ran.exits(3).says(&["was released and has a process again although no message came", "hint: "]);
    let seen = ran.report();
    for chat in ["a", "b"] {
        let reason = &row(&seen, chat)["reason"];
        assert_eq!(*reason, "this bridge restarts released sessions", "{ran:?}");
    }
    let later = env.json("clean --release --profile p");
    assert_eq!(row(&later, "b")["reason"], "this bridge restarts released sessions");
    assert!(again.is_alive() && b.is_alive());

    assert_eq!(processes(&report(&env, "release b --profile p", 0))[0].2, "released");
    assert!(!b.is_alive());
}

/// Starts a real release, lets `meddle` change something while CPU time is measured, and returns the report.
fn meddled(env: &TestEnv, meddle: impl FnOnce()) -> Value {
    let words = ["clean", "--release", "--profile", "p", "--format", "json"];
    let running = start(&mut env.command(words));
    std::thread::sleep(Duration::from_millis(1_500));
    meddle();
    finish(running).report()
}

#[test]
fn what_changes_during_a_run_keeps_its_process_p3() {
    let env = home();
    let mut a = resident(&env, A, "plain");
    let other = session(&env, 0x1111_2222);

    // Another session, though its status did not change.
    let record = env.home(&format!(".claude/sessions/{}.json", a.pid()));
    let text = fs::read_to_string(&record).unwrap();
    let report = meddled(&env, || {
        fs::write(&record, text.replace(&session(&env, A), &other)).unwrap();
    });
    check(
        &report,
        "a",
        "kept",
        if expected("released") == "released" { "has another session now" } else { "" },
    );
    assert!(a.is_alive());
    fs::write(&record, &text).unwrap();

    // Another session in its chat.
    env.session("claude", &session(&env, B), 5 * HOUR);
    env.map(json!({"claude-cli": {"a": session(&env, A), "b": session(&env, B)}}).to_string());
    let moved = json!({"claude-cli": {"a": other, "b": session(&env, B)}}).to_string();
    let report = meddled(&env, || {
        env.map(&moved);
    });
    check(&report, "a", "kept", if expected("released") == "released" { "not mapped" } else { "" });
    assert!(a.is_alive());
}

#[test]
fn evidence_is_as_old_as_a_process_must_be_idle_p1() {
    let env = home();
    let a = resident(&env, A, "plain");
    let side = env.file(&format!(".claude/tasks/{}/1.json", session(&env, A)), "{}", 2 * HOUR + 60);
    let longer = "clean -n --release --release-after 150m --profile p";
    check(&env.json(longer), "a", "kept", "session used recently");
    fs::remove_file(side).unwrap();
    fs::remove_dir(env.home(&format!(".claude/tasks/{}", session(&env, A)))).unwrap();
    check(&env.json(longer), "a", "would_release", "process ");
    drop(a);
}

#[test]
fn a_session_without_a_transcript_keeps_its_process_p4() {
    let env = home();
    let id = session(&env, 0x1234_5678);
    env.map(json!({"claude-cli": {"new": id, "b": session(&env, B)}}).to_string());
    let mut new = resident(&env, 0x1234_5678, "plain");
    let line = "clean --release --release-after 5m --missing keep --profile p";
    let report = env.json(line);
    check(&report, "new", "kept", "its session has no transcript to resume");
    assert!(new.is_alive());
}

#[test]
fn a_pin_of_another_models_chat_protects_the_session_p1() {
    let env = home();
    let (a, b) = (session(&env, A), session(&env, B));
    env.map(json!({"claude-cli": {"a": a, "b": b}, "claude-opus": {"x": a}}).to_string());
    let mut process = resident(&env, A, "plain");
    check(&env.json("clean --release --profile p --pin x"), "a", "kept", "pinned");
    assert!(process.is_alive());
}

#[test]
fn both_processes_of_a_session_are_counted() {
    let env = home();
    let (mut one, mut other) = (resident(&env, A, "plain"), resident(&env, A, "plain"));
    let report = env.json("-n");
    assert_eq!(report["summary"]["resident"], 1);
    assert!(report["summary"]["resident_bytes"].as_u64().unwrap() > 10 << 20, "{report:#}");
    let row = row(&report, "a")["reason"].as_str().unwrap().to_owned();
    assert!(
        row.contains(&one.pid().to_string()) && row.contains(&other.pid().to_string()),
        "{row}"
    );

    // The first release ends one of them.
    let report = env.json("clean --release --profile p");
    if expected("released") == "released" {
        assert_eq!(report["summary"]["released"], 1, "{report:#}");
        assert!(one.is_alive() != other.is_alive());
    }
}

#[test]
fn a_run_that_has_ended_processes_reports_them_whatever_comes_after() {
    let env = home();
    let mut a = resident(&env, A, "plain");
    fs::create_dir_all(env.home(".local/state/session-warden/removals.jsonl")).unwrap();
    let ran = env.run("clean --release --profile p --json");
    assert_eq!(env.map_now()["claude-cli"].as_object().unwrap().len(), 2);
    if expected("released") != "released" {
        return assert!(a.is_alive());
    }
    ran.exits(3).says(&["no mapping was removed: cannot ", "hint: "]);
    let report = ran.report();
    check(&report, "a", "released", "process ");
    assert_eq!(row(&report, "b")["action"], "failed");
    assert!(!a.is_alive());
}

#[test]
fn release_by_hand_says_what_it_did_not_find() {
    let env = home();
    let _a = resident(&env, A, "busy");
    env.run("release a b --profile p").exits(1).says(&["has the session of b", "hint: "]);
    env.run("release --map nowhere.json").exits(1).says(&["no session map", "hint: "]);
    fs::remove_file(env.map_path()).unwrap();
    let ran = env.run("release --session-dir bridge");
    ran.exits(0).says(&["hint: the bridge writes session_map.json"]);
}

#[test]
fn a_named_process_that_takes_long_is_ending() {
    let env = home();
    let mut a = resident(&env, A, "slow");
    let ran = env.run("release a --profile p");
    if expected("released") == "released" {
        ran.exits(3).says(&["was asked to end and still runs"]);
        assert!(ran.out.contains("  ending\n"), "{ran:?}");
    }
    assert!(a.is_alive());
}
