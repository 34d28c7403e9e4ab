//! Which OpenClaw wrote a store decides what may be done, and when.

use super::*;

/// The row of a table in a database's schema, as it lies in its bytes.
fn database(table: &str) -> Vec<u8> {
    let mut bytes = b"SQLite format 3\0".to_vec();
    bytes.resize(100, 0);
    bytes[59] = 1;
    bytes.extend_from_slice(
        format!("\x06\x17table{table}{table}\x02CREATE TABLE {table} (id)").as_bytes(),
    );
    bytes
}

const DATABASE: &str = ".openclaw/agents/main/agent/openclaw-agent.sqlite";

#[test]
fn from_4_25_on_the_policy_picks_the_field_and_the_gateway_must_stand_still() {
    for (settings, raised) in [
        (None, vec!["sessionStartedAt"]),
        (Some("{session: {reset: {mode: 'idle', idleMinutes: 60}}}"), vec!["lastInteractionAt"]),
        (
            Some("{session: {reset: {idleMinutes: 60}}}"),
            vec!["lastInteractionAt", "sessionStartedAt"],
        ),
        (Some("{session: {reset: {mode: 'idle'}}}"), vec![]),
    ] {
        let env = home(&of_main(), &late(9 * HOUR));
        if let Some(settings) = settings {
            env.file(".openclaw/openclaw.json", settings, 0);
        }
        let before = entry(&env, KEY);
        keep(&env, "run").exits(0);
        let after = entry(&env, KEY);
        let names = before.as_object().unwrap().keys();
        let changed: Vec<&String> = names.filter(|name| before[*name] != after[*name]).collect();
        let mut sorted = changed.clone();
        sorted.sort();
        assert_eq!(sorted, raised, "{settings:?}");
        for name in changed {
            assert!(after[name].as_u64().unwrap() >= ago(MINUTE));
        }
    }
}

#[test]
fn what_nothing_resets_is_told_and_needs_no_touch() {
    let env = home(&of_main(), &late(9 * HOUR));
    env.file(".openclaw/openclaw.json", "{session: {reset: {mode: 'idle'}}}", 0);
    let ran = keep(&env, "run");
    ran.exits(0);
    let said =
        format!("✓ main: touched 0 sessions\n  {KEY}: OpenClaw's configuration never resets it\n");
    assert!(ran.out.starts_with(&said), "{}", ran.out);
}

#[test]
fn a_gateway_that_runs_is_left_alone_with_its_store_and_that_is_no_failure() {
    let us = std::process::id();
    let env = home(&of_main(), &late(9 * HOUR));
    let before = text(&env);
    for began in [Some(began(us)), None] {
        gateway(&env, us, began);
        for line in ["run --force", "run -n --force"] {
            let ran = keep(&env, line);
            ran.exits(0);
            let said = format!("- main: skipped: the gateway is running (process {us})");
            assert!(ran.out.starts_with(&said) && ran.out.contains("session.reset"), "{}", ran.out);
            assert_eq!(text(&env), before);
        }
        let status = status(&env);
        assert_eq!((&status["disabled"], &status["failures"]), (&Value::Null, &json!(0)));
        let result = status["result"].as_str().unwrap();
        assert!(
            result.starts_with("skipped: main: ") && result.contains("session.reset"),
            "{result}"
        );
    }
    // One that is dead, whose id is another process's by now, or is no lock at all.
    gateway(&env, us, Some(began(us) + 1));
    keep(&env, "run --force").exits(0);
    assert_ne!(text(&env), before);
    put(&env, STORE, &late(9 * HOUR));
    let lock = gateway(&env, dead(), Some(1));
    assert!(keep(&env, "run --force").out.starts_with("✓ main: touched 1 "));
    put(&env, STORE, &late(9 * HOUR));
    fs::write(&lock, "{\"pid\":").unwrap();
    // It is being written, for all that can be told.
    assert!(keep(&env, "run --force").out.starts_with("- main: skipped: "));
    crate::env::set_age(&lock, 31);
    assert!(keep(&env, "run --force").out.starts_with("✓ main: touched 1 "));
}

#[test]
fn before_4_25_it_can_be_done_only_while_the_gateway_runs() {
    let us = std::process::id();
    let env = home(&format!("{}while_gateway = true\n", of_main()), &early(9 * HOUR));
    let before = text(&env);
    for _ in 0..2 {
        let ran = keep(&env, "run --force");
        ran.exits(0);
        assert!(
            ran.out.starts_with("- main: skipped: the gateway is not running\n"),
            "{}",
            ran.out
        );
        assert_eq!(text(&env), before);
        gateway(&env, dead(), Some(1));
    }
    gateway(&env, us, Some(began(us)));
    assert!(keep(&env, "run --force").out.starts_with("✓ main: touched 1 "));
    // From then on, it never could.
    let env = home(&format!("{}while_gateway = true\n", of_main()), &late(9 * HOUR));
    let ran = keep(&env, "run --force");
    ran.exits(0);
    assert!(
        ran.out.contains("while_gateway only works with OpenClaw before 2026.4.25"),
        "{}",
        ran.out
    );
}

#[test]
fn sessions_in_sqlite_are_never_written_and_the_job_ends() {
    for (name, table) in [("", "session_entries"), ("", "session_nodes"), ("-wal", "session_nodes")]
    {
        let env = home(&of_main(), &early(9 * HOUR));
        env.file(DATABASE, database("other"), 0);
        env.file(&format!("{DATABASE}{name}"), database(table), 0);
        let before = text(&env);
        let dry = keep(&env, "run -n");
        assert!(
            dry.out.contains("✗ main: OpenClaw 2026.7.2 and later use an SQLite store"),
            "{}",
            dry.out
        );
        assert!(!env.home(".local").exists(), "a dry run writes nothing down");
        let ran = keep(&env, "run");
        ran.exits(3);
        assert!(
            ran.out.contains("claw: refused: main: OpenClaw 2026.7.2 and later"),
            "{}",
            ran.out
        );
        assert_eq!((text(&env), beside(&env.home(STORE))), (before, vec![]));
        let disabled = status(&env)["disabled"].as_str().unwrap().to_owned();
        assert!(disabled.contains("remove session.reset from openclaw.json"), "{disabled}");
        assert!(keep(&env, "run --force").out.starts_with("claw: disabled: "));
    }
    // With no store beside it, too; and a database without sessions is none.
    let env = home(&of_main(), "");
    env.file(DATABASE, database("session_nodes"), 0);
    fs::remove_dir_all(env.home(".openclaw/agents/main/sessions")).unwrap();
    keep(&env, "run").exits(3);
    let env = home(&of_main(), &early(9 * HOUR));
    env.file(DATABASE, database("memory_index"), 0);
    keep(&env, "run").exits(0);
    assert!(entry(&env, KEY)["updatedAt"].as_u64().unwrap() > ago(MINUTE));
}

#[test]
fn the_other_agents_are_touched_where_one_is_in_sqlite() {
    let env = home(
        &job("agents = [\"main\", \"ops\"]\nsessions = \"agent:main:main\""),
        &early(9 * HOUR),
    );
    env.file(&DATABASE.replace("/main/", "/ops/"), database("session_nodes"), 0);
    let ran = keep(&env, "run");
    ran.exits(3);
    assert!(
        ran.out.starts_with("✓ main: touched 1 session\n✗ ops: OpenClaw 2026.7.2"),
        "{}",
        ran.out
    );
    assert!(status(&env)["disabled"].as_str().unwrap().starts_with("ops: OpenClaw 2026.7.2"));
}
