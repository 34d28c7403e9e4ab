//! `openclaw-touch` on stores as each OpenClaw writes them: what is raised, what is left alone, and who
//! is waited for. That a real OpenClaw sees it is shown by `tests/drills/openclaw.py`.

use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::child::bounded;
use crate::env::{HOUR, MINUTE, Ran, TestEnv};

mod configured;
mod eras;
mod locked;
mod places;

const STORE: &str = ".openclaw/agents/main/sessions/sessions.json";
const KEY: &str = "agent:main:main";
const SESSION: &str = "00000000-0000-4000-8000-000000000001";

/// Milliseconds since 1970, so many seconds ago.
fn ago(seconds: u64) -> u64 {
    now() - 1000 * seconds
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

/// A job that touches this; tests may run in a container.
fn job(wanted: &str) -> String {
    format!(
        "[[keepalive]]\nid = \"claw\"\naction = \"openclaw-touch\"\nevery = \"1h\"\nattempts = 1\n\
         same_container = true\n{wanted}\n"
    )
}

fn of_main() -> String {
    job(&format!("agents = \"main\"\nsessions = \"{KEY}\""))
}

/// A home with that job, and a store of the main agent.
fn home(job: &str, store: &str) -> TestEnv {
    let env = TestEnv::new();
    env.config(job);
    fs::create_dir_all(env.path("tmp")).unwrap();
    put(&env, STORE, store);
    env
}

/// Writes a store as OpenClaw does: for its user alone.
fn put(env: &TestEnv, below: &str, store: &str) -> PathBuf {
    let path = env.file(below, store, 0);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn command(env: &TestEnv, line: &str) -> Command {
    let mut command = env.command(["keepalive"].into_iter().chain(line.split_whitespace()));
    command.env("TMPDIR", env.path("tmp"));
    command
}

fn keep(env: &TestEnv, line: &str) -> Ran {
    bounded(&mut command(env, line))
}

fn text(env: &TestEnv) -> String {
    fs::read_to_string(env.home(STORE)).unwrap()
}

fn entry(env: &TestEnv, key: &str) -> Value {
    let store: Value = serde_json::from_str(&text(env)).unwrap();
    store[key].clone()
}

/// The state of the job.
fn status(env: &TestEnv) -> Value {
    let all: Value = serde_json::from_str(&keep(env, "status --format json").out).unwrap();
    all["jobs"][0].clone()
}

/// Everything beside the store, by name.
fn beside(store: &Path) -> Vec<String> {
    let entries = fs::read_dir(store.parent().unwrap()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name != "sessions.json").collect();
    names.sort();
    names
}

/// A gateway whose lock names that process, begun then.
fn gateway(env: &TestEnv, process: u32, began: Option<u64>) -> PathBuf {
    let user = rustix::process::geteuid().as_raw();
    let folder = env.path("tmp").join(format!("openclaw-{user}"));
    fs::create_dir_all(&folder).unwrap();
    let mut lock =
        json!({"pid": process, "createdAt": "2026-01-01T00:00:00.000Z", "configPath": "/x"});
    if let Some(began) = began {
        lock["startTime"] = began.into();
    }
    let path = folder.join("gateway.0123abcd.lock");
    fs::write(&path, lock.to_string()).unwrap();
    path
}

/// A process that has ended.
fn dead() -> u32 {
    let mut child = Command::new("/bin/true").spawn().unwrap();
    let id = child.id();
    child.wait().unwrap();
    id
}

fn began(process: u32) -> u64 {
    session_warden::process::started(process).unwrap()
}

/// A store as 2026.2.12 to 4.24 write them, last used so many seconds ago.
fn early(seconds: u64) -> String {
    let entry = json!({
        "sessionId": SESSION, "updatedAt": ago(seconds), "skillsSnapshot": {}, "model": "m1",
        "contextTokens": 64000, "abortedLastRun": false, "inputTokens": 10,
    });
    format!("{:#}", json!({ KEY: entry }))
}

/// A store as 2026.4.25 to 7.1 write them.
fn late(seconds: u64) -> String {
    let entry = json!({
        "sessionId": SESSION, "updatedAt": ago(seconds), "sessionStartedAt": ago(seconds + 9),
        "skillsSnapshot": {}, "lastInteractionAt": ago(seconds + 5),
        "sessionFile": format!("/home/user/{SESSION}.jsonl"), "status": "done",
    });
    format!("{:#}", json!({ KEY: entry }))
}

#[test]
fn a_named_session_is_raised_to_now_and_nothing_else_changes() {
    let env = home(&of_main(), &early(9 * HOUR));
    let (before, start) = (text(&env), now());
    let old = entry(&env, KEY)["updatedAt"].to_string();
    let dry = keep(&env, "run -n");
    dry.exits(0);
    let said = format!(
        "main: would touch 1 session\n  {KEY}\nwould touch 1 session in total\nclaw: would run\n"
    );
    assert_eq!((dry.out, text(&env)), (said, before.clone()));
    let ran = keep(&env, "run");
    ran.exits(0);
    assert_eq!(ran.out, "✓ main: touched 1 session\ntouched 1 session in total\nclaw: done\n");
    let new = entry(&env, KEY)["updatedAt"].as_u64().unwrap();
    assert!((start..=now()).contains(&new), "{new}");
    assert_eq!(text(&env), before.replace(&old, &new.to_string()));
    let mode = fs::metadata(env.home(STORE)).unwrap().permissions().mode();
    assert_eq!((mode & 0o7777, beside(&env.home(STORE))), (0o600, vec![]));
    assert_eq!(status(&env)["result"], "done");
    assert_eq!(keep(&env, "run -q --force").out, "");
    assert_eq!(keep(&env, "check").out, "ok       claw: would touch 1 session now\n");
}

#[test]
fn a_thousand_entries_survive_in_order_and_in_bytes() {
    let mut store = String::from("{");
    let mut expected = Vec::new();
    for number in 0..1000_u64 {
        let comma = if number == 0 { "" } else { " ,\r\n\t" };
        let time = ago(HOUR + number);
        let odd = match number % 5 {
            0 => "\"nächste\": \"Grüße 日本 🎉 \\ud83d \\u00e9\"".to_owned(),
            1 => "\"big\" : 123456789012345678901234567890.10e+5".to_owned(),
            2 => format!("\"deep\":[{{\"updatedAt\":{time}}},[[]],null,  true]"),
            3 => "\"\":\"\",\"\\u0075nknown\":{}".to_owned(),
            _ => "\"x\":-0".to_owned(),
        };
        let key = format!("agent:main:direct:{}", (number * 7919) % 1000);
        write!(store, "{comma}\"{key}\":{{{odd} ,\"updatedAt\":{time},\"z\":[1,2]}}").unwrap();
        if number % 2 == 0 {
            expected.push((key, time));
        }
    }
    store += ", \"note\": \"no object\", \"list\": [1]}";
    let named: Vec<String> = expected.iter().map(|(key, _)| format!("\"{key}\"")).collect();
    let env = home(&job(&format!("agents = \"main\"\nsessions = [{}]", named.join(","))), &store);
    let ran = keep(&env, "run");
    ran.exits(0);
    assert!(ran.out.starts_with("✓ main: touched 500 sessions\n"), "{}", ran.out);
    let after = text(&env);
    let new = after.split("\"updatedAt\":").nth(1).unwrap();
    let new: String = new.chars().take_while(char::is_ascii_digit).collect();
    let mut wanted = store.clone();
    for (_, time) in &expected {
        let own = format!(" ,\"updatedAt\":{time},\"z\"");
        assert_eq!(store.matches(&own).count(), 1);
        wanted = wanted.replace(&own, &format!(" ,\"updatedAt\":{new},\"z\""));
    }
    assert!(after == wanted, "something else has changed");
}

#[test]
fn a_session_that_is_used_is_kept_and_the_touch_itself_is_no_use() {
    let two = format!(
        "{{\"used\":{{\"sessionId\":\"a\",\"updatedAt\":{old}}},\"idle\":{{\"sessionId\":\"b\",\"updatedAt\":{old}}},\
         \"gone\":{{\"sessionId\":\"c\",\"updatedAt\":{old}}},\"topic\":{{\"sessionId\":\"d\",\"updatedAt\":{old}}},\
         \"named\":{{\"sessionId\":\"e\",\"sessionFile\":\"/elsewhere/f.jsonl\",\"updatedAt\":{old}}},\
         \"../b\":{{\"sessionId\":\"../sessions/a\",\"updatedAt\":{old}}}}}",
        old = ago(HOUR)
    );
    let env = home(&job("agents = \"main\"\nactive_within = \"10m\""), &two);
    let transcript =
        |name: &str, age| env.file(&format!(".openclaw/agents/main/sessions/{name}"), "{}\n", age);
    transcript("a.jsonl", 9 * MINUTE);
    transcript("b.jsonl", 11 * MINUTE);
    transcript("d-topic-7.jsonl", MINUTE);
    transcript("f.jsonl", MINUTE);
    transcript("c.jsonl.deleted", MINUTE);
    let dry = keep(&env, "run -n");
    assert!(
        dry.out.starts_with("main: would touch 3 sessions\n  used\n  topic\n  named\n"),
        "{}",
        dry.out
    );
    keep(&env, "run").exits(0);
    for (key, is_raised) in [
        ("used", true),
        ("topic", true),
        ("named", true),
        ("idle", false),
        ("gone", false),
        ("../b", false),
    ] {
        assert_eq!(
            entry(&env, key)["updatedAt"].as_u64().unwrap() > ago(MINUTE),
            is_raised,
            "{key}"
        );
    }
    // An hour later nobody has used it, and that it was touched does not count.
    crate::env::set_age(&env.home(".openclaw/agents/main/sessions/a.jsonl"), 11 * MINUTE);
    let dry = keep(&env, "run -n --force");
    assert!(dry.out.starts_with("main: would touch 2 sessions\n  topic\n"), "{}", dry.out);
}

#[test]
fn one_broken_store_keeps_no_other_from_it() {
    let env = home(
        &job(&format!("agents = \"all\"\nsessions = [\"{KEY}\", \"agent:ops:main\"]")),
        "{\"agent",
    );
    put(
        &env,
        ".openclaw/agents/ops/sessions/sessions.json",
        &early(HOUR).replace(KEY, "agent:ops:main"),
    );
    fs::create_dir_all(env.home(".openclaw/agents/new/sessions")).unwrap();
    let ran = keep(&env, "run");
    ran.exits(3);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(
        lines[0].starts_with("✗ main: cannot read ") && lines[0].contains("EOF"),
        "{}",
        ran.out
    );
    assert_eq!(
        lines[1..4],
        ["✓ new: touched 0 sessions", "✓ ops: touched 1 session", "touched 1 session in total"]
    );
    assert!(lines[4].starts_with("claw: failed: main: cannot read "), "{}", ran.out);
    assert_eq!(text(&env), "{\"agent");
    assert!(!env.home(".openclaw/agents/new/sessions/sessions.json").exists());
    assert_eq!(status(&env)["disabled"], Value::Null);
}

#[test]
fn what_lies_in_the_future_is_told_and_left() {
    let env = home(&of_main(), &early(0).replace(&ago(0).to_string()[..5], "99999"));
    let before = text(&env);
    for line in ["run -n", "run"] {
        let ran = keep(&env, line);
        ran.exits(0);
        let said = format!("  {KEY}: its updatedAt is in the future and was left unchanged\n");
        assert!(ran.out.contains(&said) && ran.out.contains(" 0 sessions"), "{}", ran.out);
        assert_eq!(text(&env), before);
    }
}

#[test]
fn no_key_moves_the_cursor_of_whoever_reads_of_it() {
    let key = "agent:main:\\u001b[31m\\n\u{202e}";
    let env =
        home(&job("agents = \"main\"\nactive_within = \"1h\""), &early(HOUR).replace(KEY, key));
    env.session_of(SESSION);
    let ran = keep(&env, "run -n");
    assert!(ran.out.contains("  agent:main:\\u{1b}[31m\\n\\u{202e}\n"), "{}", ran.out);
}

impl TestEnv {
    /// The transcript of that session of the main agent, written just now.
    fn session_of(&self, session: &str) -> PathBuf {
        self.file(&format!(".openclaw/agents/main/sessions/{session}.jsonl"), "{}\n", 0)
    }
}
