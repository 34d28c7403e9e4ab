//! `--profile` and `--all-profiles`: each bridge's map on its own, one report for each, and how all
//! of them end together.

use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;

use crate::child::{ACTIVE, IDLE};
use crate::env::{HOUR, MINUTE, Ran, TestEnv};

/// What is left of [`map`] after a clean.
fn cleaned() -> Value {
    json!({"claude-cli": {"active": ACTIVE}})
}

fn map() -> Value {
    json!({"claude-cli": {"active": ACTIVE, "idle": IDLE}})
}

/// Two bridges, `prod` and `dev`, each with an idle mapping.
fn two() -> TestEnv {
    let env = TestEnv::new();
    env.session("claude", ACTIVE, MINUTE);
    env.session("claude", IDLE, 3 * HOUR);
    let mut text = "[clean]\nquiet = false\n".to_owned();
    for name in ["prod", "dev"] {
        fs::create_dir(env.path(name)).unwrap();
        write(&env, name, &map().to_string());
        let folder = env.path(name);
        let folder = folder.display();
        writeln!(text, "\n[[profile]]\nname = '{name}'\nsession_dir = '{folder}'").unwrap();
    }
    env.config(&text);
    env
}

fn write(env: &TestEnv, profile: &str, map: &str) {
    fs::write(env.path(profile).join("session_map.json"), map).unwrap();
}

fn of(env: &TestEnv, profile: &str) -> Value {
    serde_json::from_slice(&fs::read(env.path(profile).join("session_map.json")).unwrap()).unwrap()
}

/// The name, the exit code, and whether there is a report, for each profile.
fn ends(ran: &Ran) -> Vec<(String, u64, bool)> {
    let all = ran.profiles();
    let each = all["profiles"].as_array().unwrap().iter();
    each.map(|one| {
        let name = one["profile"].as_str().unwrap().to_owned();
        (name, one["exit"].as_u64().unwrap(), !one["report"].is_null())
    })
    .collect()
}

fn end(name: &str, exit: u64, has_report: bool) -> (String, u64, bool) {
    (name.to_owned(), exit, has_report)
}

#[test]
fn a_profile_is_cleaned_and_the_other_left_alone() {
    let env = two();
    let ran = env.run("clean --profile dev");
    ran.exits(0);
    assert!(ran.out.starts_with("dev · "), "{ran:?}");
    assert!(ran.out.contains(env.path("dev").to_str().unwrap()), "{ran:?}");
    assert_eq!((of(&env, "dev"), of(&env, "prod")), (cleaned(), map()));
    let report = env.json("-n --profile prod");
    assert_eq!(report["summary"]["would_remove"], 1);
    // Without one, none is meant.
    assert!(!env.run("-n").out.contains("  profile "));
    let list = env.run("list --profile prod");
    assert!(list.out.contains("idle"), "{list:?}");
}

#[test]
fn an_unknown_profile_names_the_known_ones() {
    let env = two();
    for line in ["clean", "-n", "undo", "list", "config"] {
        let ran = env.run(&format!("{line} --profile Dev"));
        let path = env.home(".config/session-warden/config.toml");
        let said = format!("error: there is no profile \"Dev\" in {}\n", path.display());
        ran.exits(2).says(&[&said, "hint: the profiles are prod, dev\n"]);
        assert_eq!((ran.out.as_str(), ran.err.lines().count()), ("", 2));
    }
    env.config("[clean]\n");
    env.run("-n --profile dev")
        .exits(2)
        .says(&["no profile \"dev\" in", "begins with [[profile]]"]);
    fs::remove_dir_all(env.home(".config")).unwrap();
    env.run("-n --profile dev").exits(2).says(&["does not exist", "begins with [["]);
}

#[test]
fn all_of_them_are_cleaned_with_a_header_for_each() {
    let env = two();
    for (line, word) in
        [("-n --all-profiles", "Would clean up"), ("clean --all-profiles", "Cleaned up")]
    {
        let ran = env.run(line);
        ran.exits(0);
        assert_eq!(ran.err, "");
        let (prod, dev) = ran.out.split_at(ran.out.find("dev · ").unwrap());
        assert!(prod.contains("prod · ") && !prod.contains("dev · "), "{prod}");
        for report in [prod, dev] {
            assert!(report.contains(&format!("  {word}: 1 mapping\n")), "{report}");
        }
        let left = if word == "Cleaned up" { cleaned() } else { map() };
        assert_eq!((of(&env, "prod"), of(&env, "dev")), (left.clone(), left));
    }
}

#[test]
fn as_json_all_are_one_object() {
    let env = two();
    let ran = env.run("clean --all-profiles --format json");
    ran.exits(0);
    assert_eq!(ran.out.lines().count(), 1);
    assert_eq!(ends(&ran), [end("prod", 0, true), end("dev", 0, true)]);
    let all = ran.profiles();
    assert_eq!((&all["schema"], &all["version"]), (&json!(1), &json!(env!("CARGO_PKG_VERSION"))));
    let [prod, dev] = [0, 1].map(|place| &all["profiles"][place]["report"]);
    assert_ne!(prod["run"], dev["run"], "each run has an id of its own");
    assert_eq!(prod["source"]["map"], env.path("prod/session_map.json").to_str().unwrap());
    assert_eq!(dev["summary"]["removed"], 1);
    // As each would have said alone.
    let alone = env.json("-n --profile dev");
    let again = env.run("-n --all-profiles --format json").profiles();
    let again = &again["profiles"][1]["report"];
    for field in ["source", "summary", "threshold_seconds", "warnings", "dry_run"] {
        assert_eq!(alone[field], again[field], "{field}");
    }
}

#[test]
fn a_broken_map_keeps_the_other_from_nothing() {
    for (broken, other) in [("prod", "dev"), ("dev", "prod")] {
        for dry in [true, false] {
            let env = two();
            write(&env, broken, "{\"claude-cli\": ");
            let line = if dry { "-n --all-profiles" } else { "clean --all-profiles" };
            let ran = env.run(line);
            ran.exits(3).says(&[&format!("error: profile {broken}: "), "session_map.json"]);
            assert!(!ran.out.starts_with('\n'), "no empty line at the top: {ran:?}");
            assert!(ran.out.contains(&format!("{other} · ")), "{ran:?}");
            assert!(!ran.out.contains(broken), "{ran:?}");
            let text = fs::read_to_string(env.path(broken).join("session_map.json")).unwrap();
            assert_eq!(text, "{\"claude-cli\": ");
            assert_eq!(of(&env, other), if dry { map() } else { cleaned() });
            let ran = env.run(&format!("{line} --format json"));
            let code = |name: &str| if name == broken { (1, false) } else { (0, true) };
            let expected = ["prod", "dev"].map(|name| end(name, code(name).0, code(name).1));
            assert_eq!(ends(ran.exits(3)), expected);
            let history = env.run("history").out;
            assert_eq!(history.contains(&format!("-{other} ")), !dry, "{history}");
        }
    }
}

#[test]
fn they_end_with_the_code_that_they_share_else_with_3() {
    let env = two();
    let code = |env: &TestEnv, prod: &str, dev: &str| {
        write(env, "prod", prod);
        write(env, "dev", dev);
        let (text, json) =
            (env.run("clean --all-profiles"), env.run("clean --all-profiles --format json"));
        assert_eq!(text.code, json.code);
        if matches!(text.code, 1 | 2 | 75) {
            assert_eq!((text.out.as_str(), json.out.as_str()), ("", ""), "no report, no output");
            assert_eq!(text.err.matches("error: profile ").count(), 2, "{text:?}");
        } else {
            ends(&json);
        }
        text.code
    };
    let (fine, broken, partly) = (&*map().to_string(), "[", r#"{"gemini-cli": {"a": "b"}}"#);
    assert_eq!(code(&env, fine, fine), 0);
    assert_eq!(code(&env, broken, broken), 1);
    assert_eq!(code(&env, partly, partly), 3);
    assert_eq!(code(&env, fine, partly), 3);
    assert_eq!(code(&env, broken, fine), 3);
    assert_eq!(code(&env, partly, broken), 3);
    // Warnings say whose they are.
    write(&env, "prod", fine);
    write(&env, "dev", partly);
    let ran = env.run("clean --all-profiles");
    ran.says(&["warning: profile dev: gemini: "]);
    assert!(!ran.err.contains("prod"), "{ran:?}");
}

#[test]
fn a_profile_that_another_run_is_at_ends_with_75_and_the_other_is_cleaned() {
    let env = two();
    env.run("clean --profile prod").exits(0);
    write(&env, "prod", &map().to_string());
    let lock = fs::File::open(env.path("prod/.session_map.json.session-warden.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let ran = env.run("clean --all-profiles --format json");
    ran.exits(3).says(&["profile prod: "]);
    assert_eq!(ends(&ran), [end("prod", 75, false), end("dev", 0, true)]);
    assert_eq!((of(&env, "prod"), of(&env, "dev")), (map(), cleaned()));
    let config =
        format!("[[profile]]\nname = 'p'\nsession_dir = '{}'\n", env.path("prod").display());
    env.config(&config);
    assert_eq!(env.run("clean --all-profiles").exits(75).out, "");
    flock(&lock, FlockOperation::Unlock).unwrap();
    env.run("clean --all-profiles").exits(0);
    assert_eq!(of(&env, "prod"), cleaned());
}

#[test]
fn quiet_prints_only_those_with_trouble() {
    let env = two();
    let ran = env.run("clean -q --all-profiles");
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
    let ran = env.run("clean -q --all-profiles --format json");
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
    write(&env, "dev", r#"{"gemini-cli": {"a": "b"}}"#);
    let ran = env.run("clean -q --all-profiles");
    ran.exits(3).says(&["warning: profile dev: gemini: "]);
    assert!(ran.out.starts_with("dev · "), "no empty line at the top: {ran:?}");
    assert!(ran.out.contains("dev · ") && !ran.out.contains("prod"), "{ran:?}");
    assert_eq!(ends(env.run("-q --all-profiles --format json").exits(3)).len(), 2);
    write(&env, "dev", "[");
    let ran = env.run("clean -q --all-profiles");
    ran.exits(3).says(&["profile dev: "]);
    assert_eq!((ran.out.as_str(), ran.err.contains("prod")), ("", false));
}

#[test]
fn undo_of_one_profiles_run_leaves_the_others_map_alone() {
    let env = two();
    let all = env.run("clean --all-profiles --format json").profiles();
    let run = all["profiles"][0]["report"]["run"].as_str().unwrap();
    assert!(run.ends_with("-prod"), "{run}");
    env.run(&format!("undo {run}")).exits(0);
    assert_eq!((of(&env, "prod"), of(&env, "dev")), (map(), cleaned()));
    // The newest run is dev's, but that is not the map that is asked for.
    let env = two();
    env.run("clean --all-profiles").exits(0);
    env.run("undo --profile prod").exits(0);
    assert_eq!((of(&env, "prod"), of(&env, "dev")), (map(), cleaned()));
    assert!(env.run("undo --profile prod").out.contains("Nothing to restore."));
    let history = env.run("history");
    assert!(history.out.contains("-prod ") && history.out.contains("-dev "), "{history:?}");
    // What was put back is kept, in that map.
    write(&env, "dev", &map().to_string());
    let all = env.run("clean --all-profiles --format json").profiles();
    let pinned = [0, 1].map(|place| &all["profiles"][place]["report"]["summary"]["pinned"]);
    assert_eq!(pinned, [1, 0]);
    assert_eq!((of(&env, "prod"), of(&env, "dev")), (map(), cleaned()));
}
