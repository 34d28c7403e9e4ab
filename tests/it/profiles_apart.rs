//! What a profile says is its own: thresholds, homes, bridges; and what `--all-profiles` excludes.

use serde_json::json;
use std::fmt::Write;
use std::fs;

use crate::child::{ACTIVE, IDLE};
use crate::env::{DAY, HOUR, MINUTE, Ran, TestEnv};
use crate::stand_in::StandIn;

fn home() -> TestEnv {
    let env = TestEnv::new();
    env.session("claude", ACTIVE, MINUTE);
    env.session("claude", IDLE, 3 * HOUR);
    env.map(json!({"claude-cli": {"active": ACTIVE, "idle": IDLE}}).to_string());
    env
}

#[test]
fn each_goes_by_its_own_keys() {
    let env = home();
    let cases = [
        ("hours = 4", "keep"),
        ("idle = '4h'", "keep"),
        ("idle = { claude = '4h' }", "keep"),
        ("pin = ['idle']", "keep"),
        ("bridge = 'off'", "go"),
        ("clock = 'mtime'", "go"),
        ("home = '~/elsewhere'", "doubt"),
    ];
    let mut text = "[clean]\nidle = '2h'\n".to_owned();
    for (number, (line, _)) in cases.iter().enumerate() {
        let place = "session_dir = '../../../bridge'";
        writeln!(text, "[[profile]]\nname = 'p{number}'\n{place}\n{line}").unwrap();
    }
    env.config(&text);
    // Mappings of a home without sessions are in doubt, so that all end with 3.
    let all = env.run("-n --all-profiles --format json").exits(3).profiles();
    for (number, (line, expected)) in cases.iter().enumerate() {
        let report = &all["profiles"][number]["report"];
        let found = match (&report["summary"]["would_remove"], &report["summary"]["unknown"]) {
            (gone, _) if gone == 1 => "go",
            (_, unknown) if unknown == 2 => "doubt",
            _ => "keep",
        };
        assert_eq!(found, *expected, "{line}: {report:#}");
        let alone = env.run(&format!("-n --profile p{number} --format json"));
        assert_eq!(alone.report()["summary"], report["summary"], "{line}");
    }
    // Whatever is typed holds for each of them.
    let all =
        env.run("-n --all-profiles --format json --pin idle --idle 1h --bridge off").profiles();
    for one in &all["profiles"].as_array().unwrap()[..6] {
        assert_eq!((&one["exit"], &one["report"]["summary"]["pinned"]), (&json!(0), &json!(1)));
        assert_eq!(one["report"]["threshold_seconds"], HOUR);
    }
}

#[test]
fn missing_and_clock_are_a_profiles_own_too() {
    let env = home();
    let gone = "33333333-3333-4333-8333-333333333333";
    let line = format!(
        "{{\"type\":\"user\",\"sessionId\":\"{IDLE}\",\"timestamp\":\"2026-01-01T00:00:00.000Z\"}}\n"
    );
    // Written a moment ago, and its newest record is old.
    env.file(&format!(".claude/projects/-w/{IDLE}.jsonl"), line, MINUTE);
    env.map(json!({"claude-cli": {"active": ACTIVE, "idle": IDLE, "gone": gone}}).to_string());
    let profile = |name, line| format!("[[profile]]\nname = '{name}'\n{line}\n");
    let text = profile("plain", "")
        + &profile("kept", "missing = 'keep'")
        + &profile("record", "clock = 'record'");
    env.config(&text);
    let all = env.run("-n --all-profiles --format json").profiles();
    let counts = [0, 1, 2].map(|place| {
        let summary = &all["profiles"][place]["report"]["summary"];
        (summary["would_remove"].as_u64().unwrap(), summary["idle"].as_u64().unwrap())
    });
    assert_eq!(counts, [(1, 0), (0, 0), (2, 1)]);
}

#[test]
fn each_asks_its_own_bridge() {
    let env = home();
    let map = env.map_now();
    let (prod, dev) = (StandIn::holding(&map), StandIn::holding(&map));
    env.config(&format!(
        "[[profile]]\nname = 'prod'\nbridge = '{}'\n[[profile]]\nname = 'dev'\nbridge = '{}'\nhours = 4\n",
        prod.url(),
        dev.url()
    ));
    let all = env.run("clean --all-profiles --format json").exits(0).profiles();
    let urls = [0, 1].map(|place| all["profiles"][place]["report"]["source"]["url"].clone());
    assert_eq!(urls, [prod.url(), dev.url()]);
    assert_eq!((prod.deletes().len(), dev.deletes().len()), (1, 0));
    assert_eq!((prod.map(), dev.map()), (json!({"claude-cli": {"active": ACTIVE}}), map));
    // One that is gone is the trouble of its own profile.
    dev.stop();
    let ran = env.run("clean --all-profiles --format json");
    let all = ran.exits(3).profiles();
    assert_eq!((&all["profiles"][0]["exit"], &all["profiles"][1]["exit"]), (&json!(0), &json!(1)));
    ran.says(&["profile dev: cannot ask the bridge", "hint: "]);
}

#[test]
fn all_profiles_excludes_whatever_names_one_place() {
    let env = home();
    env.config("[[profile]]\nname = 'p'\nsession_dir = '../../../bridge'\n");
    let before = env.map_bytes();
    for (option, value) in [
        ("--profile", "p"),
        ("--session-dir", "bridge"),
        ("--map", "bridge/session_map.json"),
        ("--home", "home"),
        ("--bridge", "http://127.0.0.1:1"),
    ] {
        for command in [&["clean"][..], &[]] {
            let mut arguments = command.to_vec();
            arguments.extend(["--all-profiles", option, value]);
            let ran = Ran::of(&mut env.command(arguments));
            ran.exits(2).says(&["--all-profiles", option]);
            assert_eq!(ran.out, "");
        }
    }
    assert_eq!(env.map_bytes(), before);
    // What names none does not.
    env.run("clean --all-profiles --bridge off").exits(0);
    env.run("clean --all-profiles --bridge auto --missing keep").exits(0);
}

#[test]
fn all_of_no_profiles_is_wrong() {
    let env = home();
    let before = env.map_bytes();
    for text in [None, Some(""), Some("[clean]\nhours = 3\n")] {
        if let Some(text) = text {
            env.config(text);
        }
        for line in ["clean --all-profiles", "-n --all-profiles --format json", "-q --all-profiles"]
        {
            let ran = env.run(line);
            let says = ["no profile in ", "config.toml", "hint: a profile begins with [[profile]]"];
            ran.exits(2).says(&says);
            assert_eq!(ran.out, "");
        }
    }
    assert_eq!(env.map_bytes(), before);
}

#[test]
fn a_mistake_in_one_profile_keeps_all_from_being_cleaned() {
    let env = home();
    let fine = "[[profile]]\nname = 'fine'\nsession_dir = '../../../bridge'\n";
    let before = env.map_bytes();
    for (wrong, says) in [
        ("bridge = 'http://192.0.2.1:8000'", "192.0.2.1:8000 is not on this machine"),
        ("hours = 0", "config.toml:6: hours is not between 1 second and 100 years"),
        ("quiet = true", "config.toml:6: unknown key \"quiet\" in [[profile]]"),
    ] {
        env.config(&format!("{fine}[[profile]]\nname = 'wrong'\n{wrong}\n"));
        let ran = env.run("clean --all-profiles");
        ran.exits(2).says(&[says]);
        assert_eq!((ran.out.as_str(), env.map_bytes()), ("", before.clone()));
    }
}

#[test]
fn a_limit_is_each_profiles_own() {
    let env = home();
    fs::create_dir(env.path("dev")).unwrap();
    let id = "44444444-4444-4444-8444-444444444444";
    env.session("claude", id, DAY);
    let map = json!({"claude-cli": {"active": ACTIVE, "idle": IDLE, "more": id}});
    fs::write(env.path("dev/session_map.json"), map.to_string()).unwrap();
    env.config(
        "[clean]\nmax_remove = 1\n[[profile]]\nname = 'prod'\nsession_dir = '../../../bridge'\n\
         [[profile]]\nname = 'dev'\nsession_dir = '../../../dev'\n",
    );
    let ran = env.run("clean --all-profiles");
    ran.exits(3)
        .says(&["profile dev: 2 mappings would be removed, more than --max-remove 1", "hint: "]);
    assert_eq!(env.map_now(), json!({"claude-cli": {"active": ACTIVE}}));
    assert_eq!(fs::read(env.path("dev/session_map.json")).unwrap(), map.to_string().as_bytes());
}
