//! `doctor`: each check turns out ok, as a warning and as an error, and looking changes nothing.

mod retention;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::child::{ACTIVE, bounded, set_mode, unprivileged, with_mode};
use crate::env::{DAY, HOUR, MINUTE, Ran, TestEnv, set_age};
use crate::stand_in::StandIn;

/// A systemd that runs, and knows of one timer.
const SYSTEMCTL: &str = r#"case "$*" in
*show-environment*) echo LANG=C ;;
*Version*) echo Version=252 ;;
*claude-session-cleanup.timer*) echo LoadState=not-found; echo ActiveState=inactive ;;
*show*) echo ActiveState=active; echo 'NextElapseUSecRealtime=Sat 2026-11-21 12:00:00 UTC' ;;
esac"#;
const LOGINCTL: &str = "echo Linger=yes";
const NO_CRONTAB: &str = "echo no crontab for me >&2; exit 1";

/// A home in which a doctor finds nothing wrong, but for the map in `/tmp`.
fn healthy() -> TestEnv {
    let env = bare();
    let ran = Ran::of(&mut tooled(&env, "schedule install --method systemd-user"));
    ran.exits(0);
    env.run("clean -q").exits(0);
    env
}

/// The same without a timer and without a run.
fn bare() -> TestEnv {
    let env = TestEnv::new();
    env.session("claude", ACTIVE, 5 * MINUTE);
    env.map(json!({"claude-cli": {"active": ACTIVE}}).to_string());
    fs::create_dir(env.path("bin")).unwrap();
    tool(&env, "systemctl", SYSTEMCTL);
    tool(&env, "loginctl", LOGINCTL);
    tool(&env, "crontab", NO_CRONTAB);
    env
}

/// Whether the test's own folder lies where systemd-tmpfiles empties.
fn is_in_tmp(env: &TestEnv) -> bool {
    env.path("").canonicalize().unwrap().starts_with("/tmp")
}

fn tool(env: &TestEnv, name: &str, script: &str) {
    let path = env.path("bin").join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    set_mode(&path, 0o755);
}

/// The binary with these tools, and no others.
fn tooled(env: &TestEnv, line: &str) -> Command {
    let mut command = env.command(line.split_whitespace());
    command.env("PATH", env.path("bin"));
    command
}

/// What a doctor finds with these options, held against the schema and its own counts.
#[track_caller]
fn found(env: &TestEnv, line: &str) -> Found {
    found_by(&mut tooled(env, &format!("doctor --format json {line}")))
}

#[track_caller]
fn found_by(command: &mut Command) -> Found {
    let ran = bounded(command);
    assert_eq!(ran.err, "", "{ran:?}");
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    let schema = include_str!("../../docs/doctor.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let errors: Vec<String> = schema.iter_errors(&told).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{told:#}");
    let checks = told["checks"].as_array().unwrap().clone();
    let count = |state: &str| checks.iter().filter(|check| check["state"] == state).count();
    let counts = (count("ok"), count("warning"), count("error"));
    let summary = json!({"ok": counts.0, "warnings": counts.1, "errors": counts.2});
    assert_eq!(told["summary"], summary);
    let code = match counts {
        (_, 0, 0) => 0,
        (_, _, 0) => 3,
        _ => 1,
    };
    ran.exits(code);
    Found(checks)
}

struct Found(Vec<Value>);

impl Found {
    /// Asserts that exactly one check of that name says all of that, in its message and hint.
    #[track_caller]
    fn has(&self, name: &str, state: &str, says: &[&str]) -> &Self {
        let told: Vec<&Value> = self.0.iter().filter(|check| check["name"] == name).collect();
        let [check] = told[..] else { panic!("not one {name}: {:#?}", self.0) };
        assert_eq!(check["state"], state, "{check:#}");
        let text = format!("{}\n{}", check["message"], check["hint"]);
        for part in says {
            assert!(text.contains(part), "no {part:?} in {check:#}");
        }

        self
    }

    /// Asserts that nothing but these are no ok. Whether the test's own folder lies where somebody
    /// empties it does not count.
    #[track_caller]
    fn only(&self, troubles: &[&str]) -> &Self {
        let is_trouble = |check: &&Value| check["state"] != "ok" && check["name"] != "tmp";
        let found = self.0.iter().filter(is_trouble);
        let found: Vec<&str> = found.map(|check| check["name"].as_str().unwrap()).collect();
        assert_eq!(found, troubles, "{:#?}", self.0);
        self
    }

    #[track_caller]
    fn lacks(&self, name: &str) -> &Self {
        assert!(self.0.iter().all(|check| check["name"] != name), "{:#?}", self.0);
        self
    }
}

#[test]
fn all_is_well_where_it_is() {
    let env = healthy();
    let found = found(&env, "");
    found.only(&[]);
    if is_in_tmp(&env) {
        found.has("tmp", "warning", &["10 days", "CLAUDE_SESSION_DIR"]);
    }
    found.has("home", "ok", &["by $HOME", env.path("home").to_str().unwrap()]);
    found.has("claude", "ok", &[".claude/projects: 1 session, newest 5m old; 1 mapped session"]);
    found.has("codex", "ok", &["not used: there is no", ".codex/sessions"]);
    found.has("map", "ok", &["session_map.json: 1 mapping, current form, of "]);
    found.has("map-folder", "ok", &["/bridge: writable"]);
    found.has("bridge", "ok", &["no bridge listens at http://127.0.0.1:1: a clean edits the file"]);
    found.has("state", "ok", &["/.local/state/session-warden: writable"]);
    found.has(
        "schedule",
        "ok",
        &["session-warden of systemd-user: active, next run Sat 2026-11-21"],
    );
    found.has("linger", "ok", &["lingering is on"]);
    found.has("schedulers", "ok", &["no duplicate timer"]);
    found.has("old-script", "ok", &["neither claude-session-cleanup.timer nor cleanup_idle"]);
    found.has("runs", "ok", &["last success", "no failure since"]);
    found.has("environment", "ok", &["session-warden of systemd-user: variables match"]);
}

#[test]
fn all_is_well_outside_of_tmp() {
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else { return };
    let env = healthy();
    fs::copy(env.map_path(), elsewhere.path().join("session_map.json")).unwrap();
    let mut install = tooled(&env, "schedule install --method systemd-user");
    let at = |command: &mut Command| found_by(command.env("CLAUDE_SESSION_DIR", elsewhere.path()));
    at(&mut tooled(&env, "doctor --format json")).only(&["environment"]);
    Ran::of(install.env("CLAUDE_SESSION_DIR", elsewhere.path())).exits(0);
    at(&mut tooled(&env, "doctor --format json")).only(&[]);
    let mut text = tooled(&env, "doctor");
    let ran = Ran::of(text.env("CLAUDE_SESSION_DIR", elsewhere.path()));
    assert!(ran.exits(0).out.ends_with("\n\n0 errors, 0 warnings, 17 ok\n"), "{ran:?}");
}

#[test]
fn homes_are_named_with_how_they_were_found() {
    let env = bare();
    // The home of whoever runs this is left alone (S5), so another user is needed.
    if rustix::process::geteuid().is_root() {
        let theirs = bare();
        let mut unset = unprivileged(&theirs, "doctor --format json");
        let found = found_by(unset.env_remove("HOME"));
        found.has("home", "error", &["by the password file, since HOME is not set"]);
    }
    let given = env.path("home");
    let given = given.to_str().unwrap();
    found(&env, &format!("--home {given}")).has("home", "ok", &[given, "by --home"]);
    env.file("c.toml", format!("[clean]\nhome = \"{given}\"\n"), 0);
    let config = env.home("c.toml");
    let config = config.to_str().unwrap();
    found(&env, &format!("--config {config}")).has("home", "ok", &["by [clean]"]);
    env.file("c.toml", "[[profile]]\nname = \"dev\"\nhome = \"/nowhere\"\n", 0);
    let found = found(&env, &format!("--config {config} --profile dev"));
    found.has("home", "error", &["/nowhere: by profile dev; there is no such folder", "--home"]);
    found.has("claude", "warning", &["does not exist; 1 mapped session kept"]);
    found.has("codex", "ok", &["not used"]);
    found.has("schedule", "warning", &["no timer runs session-warden for profile dev"]);
}

#[test]
fn sessions_of_each_cli_are_counted_and_missed() {
    let env = bare();
    env.session("codex", "22222222-2222-4222-8222-222222222222", 3 * HOUR);
    found(&env, "").has("codex", "ok", &["1 session, newest 3h old; no mapping uses it"]);
    env.map(r#"{"codex-cli": {"a": "33333333-3333-4333-8333-333333333333"}}"#);
    found(&env, "").has("claude", "ok", &["no mapping uses it"]).has(
        "codex",
        "warning",
        &["1 session, newest 3h old, and none of the 1 mapped session is there", "$CODEX_HOME"],
    );
    // What is archived is there, if it cannot be resumed.
    let name = "rollout-2026-01-05T10-00-00-33333333-3333-4333-8333-333333333333.jsonl";
    env.file(&format!(".codex/archived_sessions/{name}"), "{}\n", DAY);
    found(&env, "").has("codex", "ok", &["1 mapped session"]);
    let mut moved = tooled(&env, "doctor --format json");
    moved.env("CODEX_HOME", env.path("elsewhere"));
    found_by(&mut moved)
        .has("codex", "warning", &["elsewhere/sessions (by $CODEX_HOME) does not exist"])
        .has("environment", "ok", &["schedule install would pass on", "CODEX_HOME"]);
}

#[test]
fn what_cannot_be_read_or_written_is_told() {
    let env = bare();
    let doctor = || {
        let mut command = unprivileged(&env, "doctor --format json");
        command.env("PATH", env.path("bin"));
        command
    };
    found_by(&mut doctor()).only(&["schedule"]);
    let root = with_mode(env.home(".claude/projects"), 0);
    found_by(&mut doctor()).has("claude", "warning", &["cannot open", "permission denied"]);
    env.map("{}");
    found_by(&mut doctor()).has("claude", "ok", &["no mapping uses it; ", "cannot open"]);
    drop(root);
    let folder = with_mode(env.path("bridge"), 0o555);
    found_by(&mut doctor()).has("map-folder", "error", &["cannot write to", "permission denied"]);
    drop(folder);
    let state = env.home(".local/state/session-warden");
    found_by(&mut doctor()).has("state", "ok", &["not there yet; the first run makes it"]);
    let home = with_mode(env.path("home"), 0o555);
    found_by(&mut doctor()).has("state", "error", &["cannot write to", "--state-dir DIR"]);
    drop(home);
    fs::create_dir_all(&state).unwrap();
    fs::create_dir(state.join("runs.jsonl")).unwrap();
    let found = found_by(&mut doctor());
    found.has("state", "error", &["runs.jsonl: "]).has("runs", "warning", &["not a regular file"]);
}

#[test]
fn what_may_wait_for_ever_is_not_opened() {
    let env = bare();
    let state = env.path("state");
    fs::create_dir(&state).unwrap();
    let fifo = |path: &Path| {
        let made = Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
    };
    fifo(&state.join("runs.jsonl"));
    fs::create_dir_all(env.home(".config/systemd/user")).unwrap();
    fifo(&env.home(".config/systemd/user/session-warden.timer"));
    fs::remove_file(env.map_path()).unwrap();
    fifo(&env.map_path());
    found(&env, &format!("--state-dir {}", state.display()))
        .has("map", "error", &["not a regular file"])
        .has("state", "error", &["not a regular file"])
        .has("runs", "warning", &["not a regular file"]);
}

#[test]
fn maps_that_are_none_are_told() {
    let env = bare();
    env.map(r#"{"chat": "11111111-1111-4111-8111-111111111111"}"#);
    found(&env, "").has("map", "ok", &["1 mapping, the old form"]);
    env.map("{\"claude-cli\": ");
    let found_all = found(&env, "");
    found_all.only(&["map", "schedule"]).has("map", "error", &["cannot read session map"]);
    found_all.has("bridge", "ok", &["not asked, since the map cannot be read"]);
    found_all.lacks("map-folder").lacks("tmp").has("claude", "ok", &["1 session"]);
    fs::remove_file(env.map_path()).unwrap();
    found(&env, "")
        .has("map", "warning", &["is not there", "$CLAUDE_SESSION_DIR or /tmp/claude"])
        .has("bridge", "ok", &["not asked, since there is no map"])
        .lacks("map-folder");
    symlink("/nowhere", env.map_path()).unwrap();
    found(&env, "").has("map", "warning", &["is a link that leads nowhere"]);
    let bridge = StandIn::holding(&json!({}));
    let mut auto = tooled(&env, "doctor --format json");
    auto.env("CLAUDE_BRIDGE_PORT", bridge.port.to_string());
    // The stand-in is this test, whose own environment names no folder.
    found_by(&mut auto).has("map", "warning", &["leads nowhere"]);
}

#[test]
fn maps_of_others_are_told() {
    let env = bare();
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut doctor = unprivileged(&env, "doctor --format json");
    std::os::unix::fs::chown(env.map_path(), Some(1), Some(1)).unwrap();
    set_mode(&env.map_path(), 0o644);
    doctor.env("PATH", env.path("bin"));
    found_by(&mut doctor).has("map-folder", "error", &["belongs to", "run as the map's owner"]);
    // Root checks it as that user.
    env.give_to(1);
    let mut doctor = env.command(["doctor", "--format", "json"]);
    found_by(&mut doctor).has("map-folder", "ok", &[]);
}

#[test]
fn bridges_are_asked() {
    let env = bare();
    let auto = |bridge: &StandIn| {
        let mut command = tooled(&env, "doctor --format json");
        command.env("CLAUDE_BRIDGE_PORT", bridge.port.to_string());
        found_by(&mut command)
    };
    let bridge = StandIn::on(env.map_path());
    auto(&bridge).has("bridge", "ok", &["answers, with the same map"]);
    let named = |more: &str| found(&env, &format!("--bridge {} {more}", bridge.url()));
    named("").has("bridge", "ok", &["answers, and is asked alone"]).lacks("map-folder").has(
        "map",
        "ok",
        &["1 mapping, current form, as the bridge reports it"],
    );
    let map = env.map_path();
    let map = map.to_str().unwrap();
    named(&format!("--map {map}")).has("bridge", "ok", &["with the same map"]);
    let before = bridge.requests();
    assert!(before.iter().all(|request| request.starts_with("GET ")), "{before:?}");
    env.map(r#"{"claude-cli": {"b": "11111111-1111-4111-8111-111111111111"}}"#);
    auto(&bridge).has("bridge", "warning", &["holds another map", "--bridge URL"]);
    named(&format!("--map {map}")).has("bridge", "warning", &["with another map than"]);
    env.map("torn");
    named(&format!("--map {map}")).has("map", "error", &[]).has("bridge", "ok", &["answers"]);
    bridge.stop();
    found(&env, "--bridge off").has("bridge", "ok", &["not asked"]);
    named("").has("bridge", "error", &["cannot ask the bridge", "connection refused"]).lacks("map");
    env.map("{}");
    found(&env, "--bridge off").has("bridge", "ok", &["no bridge was asked"]);
}

#[test]
fn a_bridge_that_hangs_is_one_warning_in_bounded_time() {
    let env = bare();
    let bridge = StandIn::hostile(&json!({}), |_, stream| {
        std::thread::sleep(Duration::from_secs(60));
        drop(stream);
        None
    });
    let mut command = tooled(&env, "doctor --format json");
    command.env("CLAUDE_BRIDGE_PORT", bridge.port.to_string());
    let start = Instant::now();
    found_by(&mut command).only(&["bridge", "schedule"]).has(
        "bridge",
        "warning",
        &["a clean would fail now", "--bridge off"],
    );
    assert!(start.elapsed() < Duration::from_secs(30));
    found(&env, &format!("--bridge {}", bridge.url())).has("bridge", "error", &["cannot ask"]);
}

#[test]
fn tools_that_are_not_there_or_hang_are_told() {
    let env = healthy();
    for name in ["systemctl", "loginctl", "crontab"] {
        fs::remove_file(env.path("bin").join(name)).unwrap();
    }
    let without = found(&env, "");
    without.only(&["schedule"]).has("schedule", "warning", &["cannot run systemctl"]);
    without.has("linger", "ok", &["loginctl does not show"]);
    without.has("old-script", "ok", &["cannot run crontab: no such file", "cannot run systemctl"]);
    tool(&env, "crontab", "/bin/sleep 100 & /bin/sleep 100");
    let start = Instant::now();
    let hangs = found(&env, "");
    hangs.has("old-script", "ok", &["cannot run crontab: it does not answer"]);
    assert!(start.elapsed() < Duration::from_secs(40));
}

#[test]
fn timers_that_do_not_run_are_told() {
    let env = healthy();
    tool(&env, "systemctl", &SYSTEMCTL.replace("ActiveState=active", "ActiveState=inactive"));
    found(&env, "").only(&["schedule"]).has(
        "schedule",
        "warning",
        &["installed, but not active", "schedule install --method systemd-user starts it"],
    );
    tool(&env, "systemctl", "echo 'no bus: \u{1b}[31m' >&2; exit 1");
    found(&env, "").has("schedule", "warning", &["systemctl --user does not answer: no bus"]);
    let text = Ran::of(&mut tooled(&env, "doctor"));
    assert!(text.out.contains("\\u{1b}[31m") && !text.out.contains('\u{1b}'), "{}", text.out);
    tool(&env, "systemctl", SYSTEMCTL);
    tool(&env, "loginctl", "echo Linger=no");
    found(&env, "").only(&["linger"]).has("linger", "warning", &["enable-linger"]);
    tool(&env, "loginctl", LOGINCTL);
    let service = env.home(".config/systemd/user/session-warden.service");
    let text = fs::read_to_string(&service).unwrap();
    let binary = env!("CARGO_BIN_EXE_session-warden");
    fs::write(&service, text.replace(binary, "/nowhere/session-warden")).unwrap();
    found(&env, "").only(&["schedule"]).has("schedule", "warning", &["/nowhere/session-"]);
}

#[test]
fn what_does_the_same_is_told() {
    let env = healthy();
    let crontab = |lines: &str| format!("echo '{lines}'");
    tool(&env, "crontab", &crontab("5 * * * * session-warden -q"));
    let two = found(&env, "--session-dir bridge");
    two.has("schedulers", "warning", &["of systemd-user and a line in the crontab", "crontab -e"]);
    tool(&env, "crontab", &crontab("5 * * * * session-warden -q --profile other"));
    found(&env, "").has("schedulers", "ok", &[]);
    tool(&env, "crontab", &crontab("0 * * * * python3 /opt/cleanup_idle_sessions.py"));
    found(&env, "").only(&["old-script"]).has(
        "old-script",
        "warning",
        &["the crontab runs it: 0 * * * * python3 /opt/cleanup", "take out the line"],
    );
    tool(&env, "crontab", NO_CRONTAB);
    let old = SYSTEMCTL.replace("LoadState=not-found", "LoadState=loaded");
    tool(&env, "systemctl", &old);
    let off = found(&env, "");
    off.only(&[]).has("old-script", "ok", &["of the user is there, and off"]);
    let on = old.replacen("ActiveState=inactive", "ActiveState=active", 1);
    tool(&env, "systemctl", &format!("case $1 in --user) ;; *) exit 1 ;; esac\n{on}"));
    found(&env, "").has(
        "old-script",
        "warning",
        &["claude-session-cleanup.timer of the user is on", "systemctl --user disable --now"],
    );
    let enabled = old.replace("LoadState=loaded", "LoadState=loaded; echo UnitFileState=enabled");
    tool(&env, "systemctl", &enabled);
    found(&env, "").has(
        "old-script",
        "warning",
        &["of the system is on", "sudo systemctl disable"],
    );
}

#[test]
fn lines_of_a_crontab_are_schedules_too() {
    let env = bare();
    let line = "5 * * * * HOME=/elsewhere /nowhere/session-warden clean -q # installed by \
                session-warden schedule: session-warden";
    tool(&env, "crontab", &format!("echo 'CODEX_HOME = /c'; echo '{line}'"));
    found(&env, "")
        .has("schedule", "warning", &["session-warden of cron runs /nowhere/session-warden"])
        .lacks("linger")
        .has(
            "environment",
            "warning",
            &["HOME is", "and /elsewhere there", "CODEX_HOME is /c there only", "--method cron"],
        );
    let here = env.path("home");
    let here = here.to_str().unwrap();
    let session_dir = env.path("bridge");
    let set = format!("HOME={here} CLAUDE_SESSION_DIR={} ", session_dir.display());
    tool(
        &env,
        "crontab",
        &format!("echo '5 * * * * {set} CLAUDE_BRIDGE_PORT=1 session-warden -q'"),
    );
    let mine = found(&env, "");
    mine.has("environment", "ok", &["a line in the crontab: variables match"]);
    // Whether a cron runs is the machine's own affair.
    assert!(mine.0.iter().filter(|check| check["name"] == "schedule").count() == 1);
}

#[test]
fn what_a_timer_sees_otherwise_is_told_with_a_way_out() {
    let env = healthy();
    let mut changed = tooled(&env, "doctor --format json");
    changed.env("CODEX_HOME", "/c").env("XDG_STATE_HOME", "/s").env("NO_COLOR", "1");
    found_by(changed.env("CLAUDE_SESSION_DIR", env.path("bridge/../bridge"))).has(
        "environment",
        "warning",
        &[
            "CODEX_HOME is /c here only",
            "XDG_STATE_HOME is /s here only",
            "session-warden schedule install --method systemd-user with the same options",
        ],
    );
    // systemd itself may tell it.
    let tells = SYSTEMCTL.replace("LANG=C", "CODEX_HOME=/c; echo XDG_STATE_HOME=$\\'/s\\'");
    tool(&env, "systemctl", &tells);
    let found = found_by(&mut changed);
    let told = found.0.iter().find(|check| check["name"] == "environment").unwrap();
    assert!(!told.to_string().contains("CODEX_HOME"), "{told:#}");
    assert!(!told.to_string().contains("XDG_STATE_HOME"), "{told:#}");
    found.has("environment", "warning", &["CLAUDE_SESSION_DIR is"]);
}

#[test]
fn the_last_runs_are_told() {
    let env = healthy();
    env.map("torn");
    env.run("clean").exits(1);
    env.run("clean").exits(1);
    env.map("{}");
    found(&env, "").only(&["runs"]).has(
        "runs",
        "warning",
        &["last success", "2 failures since", "exit 1: cannot read session map", "history"],
    );
    env.run("clean").exits(0);
    found(&env, "").has("runs", "ok", &["no failure since"]);
    let runs = env.home(".local/state/session-warden/runs.jsonl");
    let old = fs::read_to_string(&runs).unwrap().lines().last().unwrap().to_owned();
    let mut ran: Value = serde_json::from_str(&old).unwrap();
    for key in ["started", "ended"] {
        ran[key] = "2020-01-01T00:00:00Z".into();
    }
    fs::write(&runs, format!("{ran}\n")).unwrap();
    found(&env, "").has("runs", "warning", &["none since; there should have been one within 3h"]);
}

#[test]
fn broken_configurations_end_as_everywhere() {
    let env = bare();
    let config = env.file("c.toml", "[clean]\nhoem = 1\n", 0);
    let ran = Ran::of(&mut tooled(&env, &format!("doctor --config {}", config.display())));
    ran.exits(2).says(&["c.toml:2", "home"]);
    assert_eq!(ran.out, "");
    for line in ["doctor --profile nope", "doctor --bridge http://example.org", "doctor --hours 2"]
    {
        let ran = Ran::of(&mut tooled(&env, line));
        assert_eq!((ran.exits(2).out.as_str(), ran.err.is_empty()), ("", false));
    }
}

#[test]
fn text_is_aligned_and_fits_the_terminal() {
    let env = healthy();
    let at = |columns: usize| {
        let mut command = tooled(&env, "doctor");
        Ran::of(command.env("COLUMNS", columns.to_string()))
    };
    for columns in [60, 80, 140] {
        let ran = at(columns);
        ran.exits(if is_in_tmp(&env) { 3 } else { 0 });
        assert_eq!(ran.err, "");
        for line in ran.out.lines() {
            // Only a word of a problem that is longer than its line runs over.
            let is_long = line.trim_start().split(' ').count() == 1;
            assert!(line.chars().count() <= columns || is_long, "{columns}: {line}");
        }
        let (problems, fine) = ran.out.split_at(ran.out.find("ok  ").unwrap());
        assert!(fine.starts_with("ok       home         /"), "{}", ran.out);
        assert!(!fine.contains("warning  ") && !fine.contains("hint: "), "{}", ran.out);
        assert_eq!(fine.lines().count(), 16 + 2, "an ok is one line: {}", ran.out);
        if is_in_tmp(&env) {
            assert!(
                problems.starts_with("warning  tmp          the map is in /tmp"),
                "{}",
                ran.out
            );
            assert!(
                problems.contains("\n                      hint: stop the bridge"),
                "{problems}"
            );
            assert!(fine.ends_with("\n\n0 errors, 1 warning, 16 ok\n"), "{fine}");
        }
    }
    // In a pipe nothing is cut or wrapped.
    let ran = Ran::of(&mut tooled(&env, "doctor"));
    assert!(!ran.out.contains('…'), "{}", ran.out);
    assert!(ran.out.contains(": a clean edits the file\n"), "{}", ran.out);
    let colored = Ran::of(&mut tooled(&env, "doctor --color always"));
    assert!(colored.out.contains("\u{1b}[32mok") && !ran.out.contains('\u{1b}'));
    assert_eq!(Ran::of(&mut tooled(&env, "doctor --help")).exits(0).err, "");
    let help = env.run("doctor --help").out;
    assert!(help.lines().all(|line| line.chars().count() <= 100) && help.contains("Exit codes:"));
}

/// Everything below a folder: what it is, and when it was last written.
fn all_below(folder: &Path, into: &mut BTreeMap<String, (u32, i64, i64, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let about = path.symlink_metadata().unwrap();
        let bytes = if about.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        let name = path.to_str().unwrap().to_owned();
        into.insert(name, (about.permissions().mode(), about.mtime(), about.mtime_nsec(), bytes));
        if about.is_dir() {
            all_below(&path, into);
        }
    }
}

#[test]
fn looking_writes_nothing() {
    let (fresh, used) = (bare(), healthy());
    for env in [&fresh, &used] {
        set_age(&env.map_path(), 20 * DAY);
        let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
        all_below(&env.path(""), &mut before);
        for line in ["", "--bridge off", "--bridge http://127.0.0.1:1", "--state-dir new/state"] {
            found(env, line);
        }
        all_below(&env.path(""), &mut after);
        assert_eq!(before, after);
    }
    // Sessions are not opened either: a conversation that cannot be read is counted.
    let session = fresh.session("claude", ACTIVE, 5 * MINUTE);
    let mut doctor = unprivileged(&fresh, "doctor --format json");
    set_mode(&session, 0);
    found_by(doctor.env("PATH", fresh.path("bin"))).has("claude", "ok", &["1 session, newest"]);
}
