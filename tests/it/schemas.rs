//! The schemas in `docs/` of what commands print as JSON: each output of the suite is held against its own,
//! and here are outputs in many states.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::sync::OnceLock;

use crate::child::bounded;
use crate::desk::Desk;
use crate::env::{Ran, TestEnv};
use crate::in_use::fresh_id;

type Schemas = BTreeMap<&'static str, jsonschema::Validator>;

fn schemas() -> &'static Schemas {
    static SCHEMAS: OnceLock<Schemas> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        [
            ("config", include_str!("../../docs/config.schema.json")),
            ("hold-list", include_str!("../../docs/hold-list.schema.json")),
            ("keepalive-check", include_str!("../../docs/keepalive-check.schema.json")),
            ("keepalive-run", include_str!("../../docs/keepalive-run.schema.json")),
            ("keepalive-status", include_str!("../../docs/keepalive-status.schema.json")),
            ("release", include_str!("../../docs/release.schema.json")),
            ("schedule-status", include_str!("../../docs/schedule-status.schema.json")),
        ]
        .into_iter()
        .map(|(name, text)| {
            let schema = serde_json::from_str(text).unwrap();
            (name, jsonschema::validator_for(&schema).unwrap())
        })
        .collect()
    })
}

/// Returns the name of the schema that output of that form is held against, and asserts that it obeys.
pub(crate) fn obeys(out: &str) -> Option<&'static str> {
    let report: Value = serde_json::from_str(out).ok()?;
    let has = |key: &str| report.get(key).is_some();
    let name = match () {
        () if has("holds") => "hold-list",
        () if has("release_after_seconds") => "release",
        () if has("installed") => "schedule-status",
        () if has("settings") => "config",
        () if has("jobs") && has("dry_run") => "keepalive-run",
        () if has("jobs") && has("warnings") => "keepalive-check",
        () if has("jobs") => "keepalive-status",
        () => return None,
    };
    let errors = schemas()[name].iter_errors(&report);
    let errors: Vec<String> = errors.map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "against the schema {name}: {errors:#?}\n{report:#}");
    Some(name)
}

/// Runs that, and returns its JSON, which must be of that schema.
#[track_caller]
fn json_of(ran: &Ran, name: &str) -> Value {
    assert_eq!(obeys(&ran.out), Some(name), "{ran:?}");
    serde_json::from_str(&ran.out).unwrap()
}

fn outcomes(report: &Value) -> Vec<(&str, &str)> {
    let jobs = report["jobs"].as_array().unwrap();
    jobs.iter().map(|job| (job["id"].as_str().unwrap(), job["outcome"].as_str().unwrap())).collect()
}

const JOBS: &str = r#"
[[keepalive]]
id = "works"
action = "command"
command = "true"
every = "1h"

[[keepalive]]
id = "fails"
action = "command"
command = "exit 7"
every = "1h"
attempts = 1

[[keepalive]]
id = "later"
action = "command"
command = "exit 75"
every = "1h"

[[keepalive]]
id = "expires"
action = "command"
command = "true"
expiry_command = "date -d '3 hours' +%s"
before_expiry = "1h"

[[keepalive]]
id = "login"
action = "refresh"
cli = "codex"
before_expiry = "5m"
min_gap = "1s"

[[keepalive]]
id = "quiet"
action = "command"
command = "true"
every = "1h"
silence = ["00:00", "23:59"]
"#;

#[test]
fn what_keepalive_prints_obeys_its_schemas() {
    let env = TestEnv::new();
    let run = |line: &str| {
        let words = ["keepalive"].into_iter().chain(line.split_whitespace());
        bounded(&mut env.command(words))
    };
    // Without a job.
    for (line, name) in
        [("status", "keepalive-status"), ("run", "keepalive-run"), ("check", "keepalive-check")]
    {
        let ran = run(&format!("{line} --json"));
        assert_eq!(json_of(ran.exits(0), name)["jobs"], json!([]));
    }

    env.config(JOBS);
    let report = json_of(run("run -n --json").exits(0), "keepalive-run");
    assert_eq!(report["dry_run"], true);
    let expected = [
        ("works", "would_run"),
        ("fails", "would_run"),
        ("later", "would_run"),
        ("expires", "would_check"),
        ("login", "skipped"),
    ];
    assert_eq!(outcomes(&report)[..5], expected);
    json_of(run("status --json").exits(0), "keepalive-status");

    let report = json_of(run("run --json").exits(3), "keepalive-run");
    let expected = [
        ("works", "done"),
        ("fails", "failed"),
        ("later", "later"),
        ("expires", "not_due"),
        ("login", "skipped"),
    ];
    assert_eq!(outcomes(&report)[..5], expected);
    assert_eq!(report["jobs"][1]["reason"], "ended with exit code 7");
    // One minute of the day is not silent.
    assert!(["silent", "done"].contains(&outcomes(&report)[5].1), "{report:#}");
    run("disable works").exits(0);
    let report = json_of(run("run --format json works fails").exits(0), "keepalive-run");
    assert_eq!(outcomes(&report), [("works", "disabled"), ("fails", "not_due")]);
    let report = json_of(run("status --format json").exits(0), "keepalive-status");
    assert_eq!(
        (&report["jobs"][0]["disabled"], &report["jobs"][1]["failures"]),
        (&json!("by the user"), &json!(1))
    );

    let ran = run("check --json");
    let report =
        json_of(ran.exits(3).says(&["warning: job login: min_gap", "hint: "]), "keepalive-check");
    assert_eq!((&report["jobs"][0]["ok"], &report["jobs"][1]["ok"]), (&json!(false), &json!(true)));
    assert_eq!(report["warnings"].as_array().unwrap().len(), 1);
    // Quiet, and nothing went wrong.
    assert_eq!(run("run -q --json works").exits(0).out, "");
}

#[test]
fn what_hold_list_prints_obeys_its_schema() {
    let env = TestEnv::new();
    let list = |line: &str| json_of(env.run(line).exits(0), "hold-list");
    assert_eq!(list("hold list --json")["holds"], json!([]));
    let us = std::process::id();
    env.run(&format!("hold start --session {} --key a --pid {us}", fresh_id())).exits(0);
    env.run("hold start --chat team --key b --ttl 1h --reason build").exits(0);
    let report = list("hold list --format json");
    let holds = report["holds"].as_array().unwrap();
    let by = |key: &str| holds.iter().find(|hold| hold["key"] == key).unwrap();
    assert_eq!((&by("a")["pids"], &by("a")["until"]), (&json!([us]), &Value::Null));
    assert_eq!((&by("b")["chat_id"], &by("b")["session_id"]), (&json!("team"), &Value::Null));
}

#[test]
fn what_schedule_status_and_config_print_obeys_their_schemas() {
    let desk = Desk::new();
    let status = || json_of(desk.schedule("status --json", &[]).exits(0), "schedule-status");
    assert_eq!(status()["last_run"], Value::Null);
    desk.profiles();
    desk.schedule("install --method cron", &[]).exits(0);
    desk.schedule("install --method systemd-user --profile dev", &[]).exits(0);
    desk.env.map("{}");
    desk.run(&["clean"]).exits(0);
    let report = status();
    assert_eq!(report["last_run"]["exit"], 0, "{report:#}");
    assert!(report["installed"].as_array().unwrap().len() >= 2, "{report:#}");

    let env = TestEnv::new();
    let report = json_of(env.run("config --json").exits(0), "config");
    let expected = (&json!("default"), &json!(false), &Value::Null);
    assert_eq!((&report["file_origin"], &report["exists"], &report["profile"]), expected);
    env.config("[clean]\nidle = { default = '3h', codex = '1d' }\n[[profile]]\nname = 'dev'\n");
    json_of(env.run("config --json --profile dev").exits(0), "config");
}

#[test]
fn the_variables_of_session_warden_are_read_and_options_win() {
    let env = TestEnv::new();
    let file = env.path("own.toml");
    fs::write(
        &file,
        "[[profile]]\nname = 'dev'\nhours = 5\n[[profile]]\nname = 'home'\nhours = 6\n",
    )
    .unwrap();
    let with = |line: &str, set: &[(&str, &str)]| {
        let mut command = env.command(line.split_whitespace());
        command.env("SESSION_WARDEN_CONFIG", &file).envs(set.iter().copied());
        Ran::of(&mut command)
    };
    let state = env.path("state-of-variable");
    let set =
        [("SESSION_WARDEN_PROFILE", "dev"), ("SESSION_WARDEN_STATE_DIR", state.to_str().unwrap())];
    let report = json_of(with("config --json", &set).exits(0), "config");
    assert_eq!(report["file_origin"], "$SESSION_WARDEN_CONFIG");
    assert_eq!(
        (&report["profile"], &report["profile_origin"]),
        (&json!("dev"), &json!("$SESSION_WARDEN_PROFILE"))
    );
    let setting = |report: &Value, name: &str| {
        let settings = report["settings"].as_array().unwrap();
        let one = settings.iter().find(|one| one["name"] == name).unwrap();
        [&one["value"], &one["origin"]].map(|text| text.as_str().unwrap().to_owned())
    };
    assert_eq!(setting(&report, "idle"), ["5h", "profile dev"]);
    assert_eq!(
        setting(&report, "state_dir"),
        [state.to_str().unwrap(), "$SESSION_WARDEN_STATE_DIR"]
    );
    let text = with("config", &set);
    let shown = ["($SESSION_WARDEN_CONFIG)", "dev ($SESSION_WARDEN_PROFILE)"];
    assert!(shown.iter().all(|part| text.out.contains(part)), "{}", text.out);

    // Options win.
    let report = json_of(with("config --json --profile home", &set).exits(0), "config");
    assert_eq!(report["profile_origin"], "command line");
    assert_eq!(setting(&report, "idle")[0], "6h");
    let other = env.path("other.toml");
    fs::write(&other, "[clean]\nhours = 7\n").unwrap();
    let line = format!("config --json --config {}", other.display());
    let report = json_of(with(&line, &[]).exits(0), "config");
    assert_eq!(
        (&report["file_origin"], setting(&report, "idle")[0].as_str()),
        (&json!("command line"), "7h")
    );

    // The state folder is used, and what is wrong is an error as with the options.
    with("hold start --session s --key k --ttl 1h", &set).exits(0);
    assert!(state.join("holds/k.json").exists());
    let wrong = [("SESSION_WARDEN_CONFIG", "/nowhere/c.toml")];
    with("config", &wrong).exits(2).says(&["/nowhere/c.toml", "SESSION_WARDEN_CONFIG"]);
    let wrong = [("SESSION_WARDEN_PROFILE", "none")];
    with("clean -n", &wrong).exits(2).says(&["no profile \"none\"", "dev, home"]);
    // All profiles are all, whichever one is named there.
    let all = with("clean -n --all-profiles", &set);
    assert!(all.code != 2, "{all:?}");
}

#[test]
fn a_timer_sees_the_variables_of_session_warden() {
    let desk = Desk::new();
    desk.profiles();
    let config = desk.env.home(".config/session-warden/config.toml");
    let state = desk.env.path("own-state");
    let mut command = desk.env.command(["schedule", "print", "--method", "systemd-user"]);
    command.env("SESSION_WARDEN_CONFIG", &config).env("SESSION_WARDEN_STATE_DIR", &state);
    let ran = Ran::of(command.env("SESSION_WARDEN_PROFILE", "dev"));
    ran.exits(0);
    let expected = [
        format!("SESSION_WARDEN_CONFIG={}", config.display()),
        format!("SESSION_WARDEN_STATE_DIR={}", state.display()),
        "SESSION_WARDEN_PROFILE=dev".to_owned(),
        "session-warden-dev.timer".to_owned(),
        "--profile=dev".to_owned(),
    ];
    assert!(expected.iter().all(|part| ran.out.contains(part)), "{}", ran.out);
}
