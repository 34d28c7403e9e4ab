//! `history`: the past runs, and one in detail.

use serde_json::{Value, json};
use std::fs;
use std::sync::OnceLock;

use crate::child::{ACTIVE, IDLE, cleaned, mapped};
use crate::env::{Ran, TestEnv};
use crate::terminal::shown;

/// The JSON that a run printed, held against the schema.
#[track_caller]
fn valid(ran: &Ran) -> Value {
    static SCHEMA: OnceLock<jsonschema::Validator> = OnceLock::new();
    let schema = SCHEMA.get_or_init(|| {
        let text = include_str!("../../docs/history.schema.json");
        jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
    });
    let value: Value = serde_json::from_str(&ran.exits(0).out).unwrap();
    let errors: Vec<String> =
        schema.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "against the schema: {errors:#?}\n{value:#}");
    assert_eq!(ran.out.lines().count(), 1);
    value
}

fn state_file(env: &TestEnv, name: &str) -> std::path::PathBuf {
    env.home(".local/state/session-warden").join(name)
}

/// A home with a clean that removed a mapping and an undo that restored it, and the ids of both.
fn cleaned_and_undone() -> (TestEnv, String, String) {
    let env = mapped();
    let clean = env.json("clean")["run"].as_str().unwrap().to_owned();
    let undone: Value = serde_json::from_str(&env.run("undo --json").exits(0).out).unwrap();
    (env, clean, undone["undo"].as_str().unwrap().to_owned())
}

#[test]
fn runs_have_their_date_map_counts_and_exit_code() {
    let (env, clean, undo) = cleaned_and_undone();
    let map = fs::canonicalize(env.map_path()).unwrap();
    let out = env.run("history").exits(0).out.clone();
    let lines: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    let titles = "RUN DATE COMMAND REMOVED RELEASED RESTORED EXIT MAP OR PROFILE";
    assert_eq!(lines[0].join(" "), titles);
    let map = map.to_str().unwrap();
    let expected = [(&undo, ["undo", "0", "0", "1", "0"]), (&clean, ["clean", "1", "0", "0", "0"])];
    assert_eq!(lines.len(), 3, "{out}");
    for (line, (run, counts)) in lines[1..].iter().zip(expected) {
        // A date, a time and the zone.
        assert_eq!((line[0], line[3]), (run.as_str(), "UTC"), "{out}");
        assert_eq!(line[4..9], counts, "{out}");
        assert_eq!(line[9..], [map], "{out}");
    }
    let runs = valid(&env.run("history --json"));
    let undone = &runs["runs"][0];
    assert_eq!((&undone["undoes"], &undone["restored"]), (&json!(clean), &json!(1)));
    assert_eq!(runs["runs"][1]["map"], map);
    assert_eq!(runs["runs"][1]["checked"], 2);
}

#[test]
fn a_profile_is_shown_by_its_name() {
    let env = mapped();
    env.config(&format!(
        "[[profile]]\nname = 'prod'\nsession_dir = '{}'\n",
        env.path("bridge").display()
    ));
    env.run("clean --profile prod").exits(0);
    env.run("undo --profile prod").exits(0);
    let out = env.run("history").out;
    assert_eq!(out.lines().filter(|line| line.ends_with(" prod")).count(), 2, "{out}");
    let runs = valid(&env.run("history --json"));
    assert!(runs["runs"].as_array().unwrap().iter().all(|run| run["profile"] == "prod"));
}

#[test]
fn the_newest_runs_can_be_asked_for() {
    let (env, clean, undo) = cleaned_and_undone();
    let ids = |line: &str| -> Vec<String> {
        let runs = valid(&env.run(line))["runs"].as_array().unwrap().clone();
        runs.iter().map(|run| run["run"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids("history --limit 1 --json"), [undo.as_str()]);
    assert_eq!(ids("history --limit 9 --json"), [undo, clean]);
    assert_eq!(env.run("history --limit 1").out.lines().count(), 2);
    for limit in ["0", "-1", "x", ""] {
        let ran = Ran::of(&mut env.command(["history", "--limit", limit]));
        ran.exits(2).says(&["for example --limit 10"]);
    }
    env.run("history latest --limit 1").exits(2);
}

#[test]
fn a_run_in_detail_has_every_row_with_the_command_that_resumes() {
    let env = mapped();
    let clean = env.json("clean")["run"].as_str().unwrap().to_owned();
    let resume = format!("claude --resume {IDLE}");
    let detail = |name: &str, restored: &str| {
        let out = env.run(&format!("history {name}")).exits(0).out.clone();
        let row = out.lines().find(|line| line.starts_with("claude-cli/idle ")).unwrap();
        assert!(row.contains(&format!("  idle    {restored}  ")), "{out}");
        assert!(row.contains(IDLE) && row.ends_with(&resume), "{out}");
        assert!(!out.contains(ACTIVE), "{out}");
        valid(&env.run(&format!("history {name} --json")))
    };
    // The id, a prefix of it, and the newest.
    for name in [clean.as_str(), &clean[..20], "latest"] {
        let row = &detail(name, "no ")["mappings"][0];
        assert_eq!((&row["restored"], &row["restored_at"]), (&json!(false), &Value::Null));
        assert_eq!((&row["resume"], &row["reason"]), (&json!(resume), &json!("idle")));
        assert_eq!((&row["chat_id"], &row["session_id"]), (&json!("idle"), &json!(IDLE)));
    }
    env.run("undo").exits(0);
    assert!(detail(&clean, "yes")["mappings"][0]["restored_at"].is_string());
    // An undo shows what it restored.
    let undo = detail("latest", "yes");
    assert_eq!((&undo["run"]["command"], &undo["run"]["undoes"]), (&json!("undo"), &json!(clean)));
    assert_eq!(undo["mappings"][0]["reason"], "idle");
    assert!(env.run("history latest").out.contains(&format!("undid run  {clean}\nrestored   1\n")));
}

#[test]
fn a_model_that_is_not_known_has_no_command() {
    let (env, clean, _) = cleaned_and_undone();
    let path = state_file(&env, "removals.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("claude-cli", "odd\\u001b")).unwrap();
    let ran = env.run(&format!("history {clean}"));
    let row = ran.out.lines().last().unwrap();
    assert!(row.starts_with("odd\\u{1b}/idle ") && row.ends_with("  -"), "{ran:?}");
    let detail = valid(&env.run(&format!("history {clean} --json")));
    assert_eq!(detail["mappings"][0]["resume"], Value::Null);
}

#[test]
fn a_run_that_no_one_has_or_several_have_is_refused() {
    let env = TestEnv::new();
    env.run("history latest").exits(1).says(&["error: no run yet", "hint: "]);
    let line = |second: u32| {
        json!({"run": format!("20260101T00000{second}Z-000-1"),
               "started": format!("2026-01-01T00:00:0{second}Z"),
               "ended": "2026-01-01T00:01:00Z", "exit": 0, "summary": {}, "warning": null})
        .to_string()
            + "\n"
    };
    let lines: String = (0..8).map(line).collect();
    env.file(".local/state/session-warden/runs.jsonl", lines, 0);
    env.run("history 2027").exits(1).says(&["error: no run \"2027\"", "hint: session-warden"]);
    let ran = env.run("history 2026");
    ran.exits(1).says(&["8 runs begin with \"2026\": 20260101T000007Z-000-1, ", " and 3 more"]);
    ran.says(&["hint: type more of the id"]);
    assert_eq!(ran.err.matches("-000-1").count(), 5, "{ran:?}");
    assert!(env.run("history 20260101T000003Z").exits(0).out.contains("20260101T000003Z-000-1"));
}

#[test]
fn an_undo_that_did_not_end_is_in_the_history() {
    let env = mapped();
    let clean = env.json("clean")["run"].as_str().unwrap().to_owned();
    let removed = &env.journal("removals.jsonl")[0];
    let mark = json!({"time": removed["time"], "run": clean, "undo": "29990101T000000Z-000-1",
                      "map": removed["map"], "model": removed["model"], "chat": "idle",
                      "session": IDLE, "done": false, "void": false});
    fs::write(state_file(&env, "restored.jsonl"), mark.to_string()).unwrap();
    let out = env.run("history").out;
    assert!(out.contains("  killed, or still running; session-warden undo continues it"), "{out}");
    let detail = valid(&env.run("history 2999 --json"));
    assert_eq!((&detail["run"]["exit"], &detail["run"]["ended_at"]), (&Value::Null, &Value::Null));
    assert_eq!(detail["mappings"][0]["restored"], Value::Null);
    assert!(env.run(&format!("history {clean}")).out.contains("  unknown   "));
    // What was begun can be done.
    env.run("undo").exits(0);
    assert_eq!(env.map_now()["claude-cli"]["idle"], IDLE);
}

#[test]
fn a_failed_undo_is_a_run_with_its_reason_and_none_of_the_timer() {
    let env = mapped();
    let clean = env.json("clean")["run"].as_str().unwrap().to_owned();
    fs::remove_file(env.map_path()).unwrap();
    env.run("undo").exits(1);
    let runs = valid(&env.run("history --json"));
    let undo = &runs["runs"][0];
    assert_eq!((&undo["command"], &undo["exit"]), (&json!("undo"), &json!(1)));
    assert_eq!((&undo["restored"], &undo["undoes"]), (&Value::Null, &json!(clean)));
    assert!(undo["warning"].as_str().unwrap().contains("there is no session map"), "{undo}");
    // A dry run is none.
    env.run("undo -n").exits(1);
    assert_eq!(valid(&env.run("history --json")), runs);
    env.map(cleaned());
    let doctor: Value = serde_json::from_str(&env.run("doctor --json").out).unwrap();
    let checks = doctor["checks"].as_array().unwrap();
    let runs = checks.iter().find(|check| check["name"] == "runs").unwrap();
    assert_eq!(runs["state"], "ok", "{runs}");
    let status: Value = serde_json::from_str(&env.run("schedule status --json").out).unwrap();
    assert_eq!(status["last_run"]["run"], clean.as_str());
}

#[test]
fn a_terminal_shows_local_time_and_no_line_is_wider() {
    let (env, clean, undo) = cleaned_and_undone();
    env.map("{");
    env.run("clean").exits(1);
    let at = |line: &str, columns| {
        let mut command = env.command(line.split(' '));
        // Five and a half hours east of Greenwich, whatever zones this machine knows.
        command.env("TZ", "IST-5:30");
        let ran = shown(command, columns);
        assert_eq!(ran.exits(0).err, "");
        ran.out
    };
    let runs = valid(&env.run("history --json"));
    let started = runs["runs"][1]["started_at"].as_str().unwrap();
    let started = chrono::DateTime::parse_from_rfc3339(started).unwrap();
    let local = started + chrono::TimeDelta::minutes(330);
    let local = local.format("%Y-%m-%d %H:%M").to_string();

    let narrow = at("history --color never", 80);
    assert!(narrow.contains(&format!(" {local} ")), "{narrow}");
    assert!(!narrow.contains("UTC"), "{narrow}");
    // Why a run failed is not cut, whatever it takes.
    let is_table = |line: &&str| !line.contains("cannot read session map");
    let mut lines = narrow.lines().filter(is_table);
    assert!(lines.all(|line| line.chars().count() <= 80), "{narrow}");
    let below = format!("\n  {}\n", fs::canonicalize(env.map_path()).unwrap().display());
    assert!(narrow.contains(&below), "{narrow}");
    // What is shown of an id names the run.
    let id = narrow.lines().find(|line| line.contains(" undo ")).unwrap();
    let id = id.split_whitespace().next().unwrap();
    assert!(undo.starts_with(id), "{narrow}");
    env.run(&format!("history {id}")).exits(0);
    let wide = at("history", 200);
    assert!(wide.contains(&clean) && wide.contains(&undo), "{wide}");
    assert!(wide.starts_with("\u{1b}[1mRUN"), "{wide:?}");

    let detail = at(&format!("history {clean} --color never"), 80);
    assert!(detail.lines().all(|line| line.chars().count() <= 80), "{detail}");
    assert!(detail.contains(&format!("\n  claude --resume {IDLE}\n")), "{detail}");
}

#[test]
fn full_disks_are_errors_and_closed_pipes_are_none() {
    let (env, ..) = cleaned_and_undone();
    for line in ["history", "history latest", "history --json"] {
        let mut command = env.command(line.split(' '));
        let full = fs::File::create("/dev/full").unwrap();
        let ran = Ran::from(command.stdout(full).output().unwrap());
        ran.exits(1).says(&["cannot write the history: no space left"]);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran = Ran::from(env.command(line.split(' ')).stdout(writer).output().unwrap());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    }
}
