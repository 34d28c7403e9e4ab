//! The journal, `undo` and `history`: what goes can be put back, where it was, and stays.

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use crate::child::through_shell;
use crate::env::{DAY, HOUR, MINUTE, Ran, TestEnv, row, set_age, state};
use crate::stand_in::StandIn;

const ACTIVE: &str = "11111111-1111-4111-8111-111111111111";
const IDLE: [&str; 3] = [
    "22222222-2222-4222-8222-222222222222",
    "33333333-3333-4333-8333-333333333333",
    "44444444-4444-4444-8444-444444444444",
];

/// One active session and three idle ones.
fn home() -> TestEnv {
    let env = TestEnv::new();
    env.session("claude", ACTIVE, MINUTE);
    for id in IDLE {
        env.session("claude", id, 5 * HOUR);
    }
    env
}

/// A map with the idle ones first, in the middle and last.
fn mixed() -> String {
    let [a, b, c] = IDLE;
    format!(
        "{{\n  \"claude-cli\": {{\n    \"a\": \"{a}\",\n    \"x\": \"{ACTIVE}\",\n    \"b\": \"{b}\",\
         \n    \"c\": \"{c}\"\n  }},\n  \"interactive-discussion\": {{}},\n  \"n\": 7\n}}\n"
    )
}

/// Values and the order of keys; `serde_json` keeps no order, so the text without space must do.
fn squeezed(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap().split_whitespace().collect()
}

#[test]
fn clean_then_undo_gives_back_the_map_and_a_clean_right_after_keeps_it() {
    let [a, b, c] = IDLE;
    let maps = [
        mixed(),
        format!(r#"{{"claude-cli": {{"x": "{ACTIVE}", "a": "{a}", "b": "{b}", "c": "{c}"}}}}"#),
        format!(r#"{{"claude-cli":{{"a":"{a}","b":"{b}","x":"{ACTIVE}"}}}}"#),
        format!(r#"{{"claude-cli": {{"a": "{a}", "\u0062\"": "{b}"}}, "codex-cli": {{}}}}"#),
        format!(r#"{{"a": "{a}", "x": "{ACTIVE}", "b": "{b}"}}"#),
        // Legacy, and emptied by the clean: it comes back as what it was.
        format!(r#"{{"a": "{a}", "b": "{b}"}}"#),
    ];
    for map in maps {
        let env = home();
        env.map(&map);
        env.run("clean").exits(0);
        assert_ne!(env.map_now(), serde_json::from_str::<Value>(&map).unwrap());
        let undone = env.run("undo");
        undone.exits(0);
        assert!(undone.out.contains("Restored: ") && undone.out.contains("one threshold"));
        let escaped = map.replace(r"\u0062", "b");
        assert_eq!(squeezed(&env.map_bytes()), squeezed(escaped.as_bytes()));
        let report = env.json("");
        assert_eq!(state(&report, "a"), "pinned");
        assert_eq!(row(&report, "a")["reason"], "restored recently");
        assert_eq!(
            report["summary"]["pinned"],
            report["summary"]["checked"].as_u64().unwrap()
                - report["summary"]["active"].as_u64().unwrap()
        );
        assert_eq!(squeezed(&env.map_bytes()), squeezed(escaped.as_bytes()));
        assert!(env.run("").out.contains("  Pinned (kept): "));
    }
}

#[test]
fn a_pretty_map_comes_back_pretty() {
    let env = home();
    env.map(mixed());
    env.run("clean").exits(0);
    env.run("undo").exits(0);
    assert_eq!(String::from_utf8(env.map_bytes()).unwrap(), mixed());
}

#[test]
fn what_was_put_back_is_judged_again_after_one_threshold() {
    let env = home();
    env.map(mixed());
    env.run("clean").exits(0);
    env.run("undo").exits(0);
    // A smaller threshold has passed since.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    assert_eq!(env.json("-n --idle 1s")["summary"]["would_remove"], 4);
    assert_eq!(env.json("-n")["summary"]["pinned"], 3);
}

#[test]
fn a_newer_mapping_of_the_chat_stays() {
    let env = home();
    env.map(mixed());
    env.run("clean").exits(0);
    let now = json!({"claude-cli": {"x": ACTIVE, "a": ACTIVE, "new": ACTIVE}});
    env.map(now.to_string());
    let undone = env.run("undo");
    undone.exits(0);
    assert!(undone.out.contains("unchanged: the chat has a newer mapping\n"), "{}", undone.out);
    assert!(undone.out.contains("Restored: 2 mappings\n"), "{}", undone.out);
    let map = env.map_now();
    assert_eq!(map["claude-cli"]["a"], ACTIVE);
    assert_eq!(map["claude-cli"]["b"], IDLE[1]);
    assert_eq!(map["claude-cli"]["new"], ACTIVE);
}

#[test]
fn a_chat_a_run_and_a_dry_run_can_be_asked_for() {
    let env = home();
    env.map(mixed());
    env.run("clean --provider codex").exits(0);
    env.run("clean").exits(0);
    let before = env.map_bytes();
    let dry = env.run("undo --dry-run --chat b");
    dry.exits(0);
    assert!(
        dry.out.contains("  would restore\n") && dry.out.contains("Would restore: 1 mapping\n")
    );
    assert_eq!(env.map_bytes(), before);
    let back = env.run("undo --chat b");
    assert!(back.exits(0).out.contains("`session-warden pin ID` keeps it for good."), "{back:?}");
    assert!(back.out.lines().skip(1).all(|line| line.len() <= 80), "{back:?}");
    assert_eq!(env.map_now()["claude-cli"], json!({"x": ACTIVE, "b": IDLE[1]}));
    let run = env.journal("removals.jsonl")[0]["run"].as_str().unwrap().to_owned();
    env.run(&format!("undo {run} --chat nobody")).exits(1).says(&["removed no mapping of chat"]);
    env.run("undo 20200101")
        .exits(1)
        .says(&["no run \"20200101\"", "hint: session-warden history"]);
    env.run(&format!("undo {run}")).exits(0);
    assert_eq!(squeezed(&env.map_bytes()), squeezed(mixed().as_bytes()));
    let again = env.run(&format!("undo {run}"));
    again.exits(0);
    assert!(again.out.contains("already in the map") && again.out.contains("Restored: 0 mappings"));
    assert!(env.run("undo").out.contains("Nothing to restore."));
}

#[test]
fn the_newest_run_with_something_left_is_the_default() {
    let env = home();
    env.map(mixed());
    env.run("clean").exits(0);
    let other = "55555555-5555-4555-8555-555555555555";
    env.session("claude", other, DAY);
    env.map(json!({"claude-cli": {"x": ACTIVE, "o": other}}).to_string());
    env.run("clean").exits(0);
    env.run("undo").exits(0);
    assert_eq!(env.map_now()["claude-cli"], json!({"x": ACTIVE, "o": other}));
    env.run("undo --yes").exits(0);
    assert_eq!(env.map_now()["claude-cli"]["c"], IDLE[2]);
    // Removed by hand after the undo: that was meant, and is not undone.
    env.map(json!({"claude-cli": {"x": ACTIVE}}).to_string());
    assert!(env.run("undo").out.contains("Nothing to restore."));
}

#[test]
fn the_journal_has_every_field_and_is_private_w10() {
    let env = home();
    env.map(mixed());
    let report = env.json("clean");
    let entries = env.journal("removals.jsonl");
    assert_eq!(entries.len(), 3);
    let b = &entries[1];
    assert_eq!(b["run"], report["run"]);
    assert_eq!(b["map"], fs::canonicalize(env.map_path()).unwrap().to_str().unwrap());
    for (field, value) in [
        ("url", Value::Null),
        ("form", "today".into()),
        ("chat", "b".into()),
        ("model", "claude-cli".into()),
        ("before", "x".into()),
        ("session", IDLE[1].into()),
        ("reason", "idle".into()),
    ] {
        assert_eq!(b[field], value, "{field}");
    }
    assert_eq!(entries[0]["before"], Value::Null);
    assert_eq!(b["last_used"], row(&report, "b")["last_used"]);
    let folder = env.home(".local/state/session-warden");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("removals.jsonl")), 0o600);
}

#[test]
fn nothing_goes_that_cannot_be_written_down_w10() {
    let env = home();
    let map = env.map(mixed());
    // A file in the way of the folder, for root as well.
    env.file(".local/state", "in the way", 0);
    let before = env.map_bytes();
    env.run("clean").exits(1).says(&["cannot", "hint: use another state folder with --state-dir"]);
    assert_eq!(env.map_bytes(), before);
    assert!(env.litter().is_empty());
    env.run("clean -n").exits(0);
    // Nothing to write down is no trouble.
    for id in IDLE {
        set_age(&env.home(&format!(".claude/projects/-w/{id}.jsonl")), 0);
    }
    env.run("clean -q").exits(0);
    for id in IDLE {
        set_age(&env.home(&format!(".claude/projects/-w/{id}.jsonl")), DAY);
    }
    let elsewhere = env.path("elsewhere");
    env.run(&format!("clean --state-dir {}", elsewhere.display())).exits(0);
    env.run(&format!("undo --state-dir {}", elsewhere.display())).exits(0);
    assert_eq!(fs::read_to_string(map).unwrap(), mixed());
}

/// Half an entry is none: undo would offer what never went.
#[test]
fn what_could_be_written_down_only_in_part_is_taken_back_w10() {
    let env = home();
    env.map(mixed());
    let before = env.map_bytes();
    let old = json!({"run": "old", "time": "2026-01-01T00:00:00Z", "pad": "x".repeat(3600)});
    let old = format!("{old}\n");
    let file = env.file(".local/state/session-warden/removals.jsonl", &old, 0);
    // 8 blocks of 512 bytes, of which some are left: enough for the map, and for a part of three lines.
    let ran = Ran::of(&mut through_shell(&env, "ulimit -f 8;", "clean", ""));
    ran.exits(1).says(&["cannot write", "removals.jsonl"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), old);
    assert_eq!(env.map_bytes(), before);
    env.run("clean").exits(0);
    env.run("undo").exits(0);
}

#[test]
fn an_undo_that_was_killed_half_way_is_taken_up_again() {
    let env = home();
    env.map(mixed());
    env.run("clean").exits(0);
    let mark = |entry: &Value| {
        json!({"time": entry["time"], "run": entry["run"], "map": entry["map"],
               "model": entry["model"], "chat": entry["chat"], "session": entry["session"],
               "done": false})
    };
    let marks: Vec<String> =
        env.journal("removals.jsonl").iter().map(|entry| mark(entry).to_string()).collect();
    let marks = marks.join("\n");
    let path = env.home(".local/state/session-warden/restored.jsonl");
    // Killed before the map changed, and in the middle of a line.
    fs::write(&path, format!("{marks}\n{{\"time\":\"20")).unwrap();
    env.run("undo").exits(0);
    assert_eq!(squeezed(&env.map_bytes()), squeezed(mixed().as_bytes()));
    assert!(env.run("undo").out.contains("Nothing to restore."));
}

#[test]
fn a_clean_that_was_killed_after_the_journal_leaves_nothing_to_undo() {
    let env = home();
    env.map(mixed());
    env.run("clean").exits(0);
    // As if the map had never been replaced.
    env.map(mixed());
    assert!(env.run("undo").out.contains("Nothing to restore."));
    env.run("clean").exits(0);
    env.run("undo").exits(0);
    assert_eq!(squeezed(&env.map_bytes()), squeezed(mixed().as_bytes()));
}

#[test]
fn a_run_on_another_map_is_put_back_there() {
    let env = home();
    let elsewhere = env.path("other.json");
    fs::write(&elsewhere, mixed()).unwrap();
    env.run(&format!("clean --map {}", elsewhere.display())).exits(0);
    env.map(json!({"claude-cli": {}}).to_string());
    env.run("undo").exits(0);
    assert_eq!(env.map_now(), json!({"claude-cli": {}}));
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), mixed());
    fs::remove_file(&elsewhere).unwrap();
    assert!(env.run("undo").out.contains("Nothing to restore."));
}

/// What a line of the history has of removed, released, restored and the exit code.
fn counts(line: &str) -> Vec<&str> {
    line.split_whitespace().skip(5).take(4).collect()
}

#[test]
fn history_lists_the_runs_newest_first() {
    let env = home();
    assert_eq!(env.run("history").out, "No run yet.\n");
    env.map(mixed());
    let first = env.json("clean")["run"].as_str().unwrap().to_owned();
    env.run("clean -n").exits(0);
    env.run("clean --max-remove 0").exits(0);
    env.map("{");
    env.run("clean").exits(1);
    let history = env.run("history");
    history.exits(0);
    let (warnings, lines): (Vec<&str>, Vec<&str>) =
        history.out.lines().partition(|line| line.starts_with("  "));
    assert_eq!(lines.len(), 4, "a dry run is no run: {}", history.out);
    assert_eq!(counts(lines[1]), ["-", "-", "-", "1"], "{}", history.out);
    assert!(warnings[0].contains("cannot read session map"), "{}", history.out);
    assert_eq!(counts(lines[2]), ["0", "0", "0", "0"], "{}", history.out);
    assert!(lines[3].starts_with(&first), "{lines:?}");
    assert_eq!(counts(lines[3]), ["3", "0", "0", "0"], "{}", history.out);
}

#[test]
fn the_journal_keeps_90_days_and_the_whole_newest_run() {
    let env = home();
    env.map(mixed());
    env.run("clean").exits(0);
    let path = env.home(".local/state/session-warden/removals.jsonl");
    let ours = fs::read_to_string(&path).unwrap();
    let old = ours.replace("\"time\":\"20", "\"time\":\"19").replace("\"run\":\"", "\"run\":\"old");
    let old = old.replace("\"map_of\":\"", "\"map_of\":\"old");
    fs::write(&path, format!("{old}{ours}")).unwrap();
    env.run("undo").exits(0);
    env.session("claude", ACTIVE, DAY);
    env.run("clean").exits(0);
    let kept = env.journal("removals.jsonl");
    assert_eq!(kept.len(), 4, "{kept:#?}");
    // The newest run is kept whole, however old.
    fs::write(&path, &old).unwrap();
    env.run("undo").exits(0);
    env.run("history").exits(0);
    assert_eq!(env.journal("removals.jsonl").len(), 3);
}

#[test]
fn undo_is_refused_while_another_run_holds_the_lock_x1() {
    let env = home();
    env.map(mixed());
    env.run("clean").exits(0);
    let before = env.map_bytes();
    let lock = fs::File::open(env.path("bridge/.session_map.json.session-warden.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let ran: Ran = env.run("undo");
    ran.exits(75).says(&["another run holds the lock"]);
    assert_eq!((ran.out.as_str(), env.map_bytes()), ("", before));
}

#[test]
fn a_named_map_gets_back_only_what_went_from_it() {
    let env = home();
    let other = env.path("other.json");
    env.map(mixed());
    env.run("clean").exits(0);
    fs::write(&other, json!({"claude-cli": {"x": ACTIVE, "theirs": IDLE[0]}}).to_string()).unwrap();
    env.run(&format!("clean --map {}", other.display())).exits(0);
    env.run(&format!("undo --map {}", env.map_path().display())).exits(0);
    assert_eq!(String::from_utf8(env.map_bytes()).unwrap(), mixed());
}

#[test]
fn undo_works_after_the_bridge_that_was_asked_has_stopped() {
    let env = home();
    let map = json!({"claude-cli": {"a": IDLE[0], "x": ACTIVE}});
    env.map(map.to_string());
    let bridge = StandIn::on(env.map_path());
    let mut command = env.command(["clean"]);
    Ran::of(command.env("CLAUDE_BRIDGE_PORT", bridge.port.to_string())).exits(0);
    assert_eq!(env.map_now(), json!({"claude-cli": {"x": ACTIVE}}));
    assert_eq!(env.journal("removals.jsonl")[0]["url"], bridge.url());
    env.run("undo").exits(1).says(&[&format!("a bridge runs at {}", bridge.url())]);
    bridge.stop();
    let ran = env.run("undo");
    ran.exits(0);
    assert_eq!((ran.err.as_str(), env.map_now()), ("", map));
}

#[test]
fn undo_asks_no_bridge_elsewhere_unless_allowed_b6() {
    let env = home();
    env.map(mixed());
    env.run("clean").exits(0);
    let before = env.map_bytes();
    let path = env.home(".local/state/session-warden/removals.jsonl");
    // An address for documentation, which nobody has.
    let text = fs::read_to_string(&path).unwrap();
    let remote = text.replace("\"url\":null", "\"url\":\"http://192.0.2.1:9\"");
    assert_ne!(remote, text);
    fs::write(&path, remote).unwrap();
    let ran = env.run("undo");
    ran.exits(1).says(&[
        "the run asked the bridge at http://192.0.2.1:9, which may still run",
        "hint: use --allow-remote-bridge",
        "--bridge off",
    ]);
    assert_eq!((ran.out.as_str(), env.map_bytes()), ("", before));
    let ran = env.run("undo --bridge off");
    ran.exits(0);
    assert_eq!(String::from_utf8(env.map_bytes()).unwrap(), mixed());
}

#[test]
fn a_run_that_did_not_end_is_in_the_history_w10() {
    let env = home();
    env.map(mixed());
    let killed = env.json("clean")["run"].as_str().unwrap().to_owned();
    // As if it had been killed before it wrote down that it ended.
    fs::remove_file(env.home(".local/state/session-warden/runs.jsonl")).unwrap();
    let next = env.json("clean")["run"].as_str().unwrap().to_owned();
    let history = env.run("history");
    history.exits(0);
    let is_about_map = |line: &&str| line.contains("is not an object");
    let lines: Vec<&str> = history.out.lines().skip(1).filter(|line| !is_about_map(line)).collect();
    assert_eq!(lines.len(), 3, "{}", history.out);
    assert!(lines[0].starts_with(&next), "{lines:?}");
    assert_eq!(counts(lines[0]), ["0", "0", "0", "0"], "{lines:?}");
    assert!(lines[1].starts_with(&killed), "{lines:?}");
    assert_eq!(counts(lines[1]), ["-", "-", "-", "-"], "{lines:?}");
    assert!(lines[2].contains("killed, or still running; session-warden undo"), "{lines:?}");
    env.run(&format!("undo {killed}")).exits(0);
    assert_eq!(String::from_utf8(env.map_bytes()).unwrap(), mixed());
}

#[test]
fn runs_that_removed_nothing_forget_old_ones_too() {
    let env = home();
    env.map(json!({"claude-cli": {"x": ACTIVE}}).to_string());
    let line = |days: u64| {
        let time = SystemTime::now() - Duration::from_secs(days * DAY);
        let time = humantime::format_rfc3339_seconds(time).to_string();
        json!({"run": format!("{days} days"), "started": time, "ended": time, "exit": 0,
               "summary": {"checked": 1, "removed": 0}, "warning": null})
        .to_string()
    };
    let lines = [120, 91, 89, 2].map(|days| line(days) + "\n").concat();
    env.file(".local/state/session-warden/runs.jsonl", lines, 0);
    let run = env.json("clean")["run"].clone();
    let kept: Vec<Value> =
        env.journal("runs.jsonl").into_iter().map(|line| line["run"].clone()).collect();
    assert_eq!(kept, [json!("89 days"), json!("2 days"), run]);
    assert!(env.journal("removals.jsonl").is_empty());
    assert!(!env.run("history").out.contains("91 days"));
}

#[test]
fn a_report_that_could_not_be_written_is_in_the_history_x4() {
    let env = home();
    for line in ["clean", "clean --format json"] {
        env.map(mixed());
        let full = fs::File::create("/dev/full").unwrap();
        let mut command = env.command(line.split(' '));
        let ran = Ran::from(command.stdout(full).output().unwrap());
        ran.exits(3).says(&["cannot write the report"]);
        let newest = env.run("history").out.lines().nth(1).unwrap().to_owned();
        assert_eq!(counts(&newest), ["3", "0", "0", "3"], "{newest}");
    }
}

#[test]
fn a_state_folder_is_made_with_all_above_it_and_private_w10() {
    let env = home();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let check = |command: &mut std::process::Command, state: &str| {
        env.map(mixed());
        Ran::of(command).exits(0);
        assert!(env.path(state).join("removals.jsonl").is_file(), "{state}");
        for made in env.path(state).ancestors().take_while(|above| *above != env.path("")) {
            assert_eq!(mode(made), 0o700, "{}", made.display());
        }
    };
    check(&mut through_shell(&env, "umask 0;", "clean --state-dir a/b/c", ""), "a/b/c");
    let mut command = env.command(["clean"]);
    check(command.env("XDG_STATE_HOME", env.path("x/y")), "x/y/session-warden");
    // A dry run makes none.
    env.map(mixed());
    env.run("clean -n --state-dir d/e").exits(0);
    assert!(!env.path("d").exists());
}
