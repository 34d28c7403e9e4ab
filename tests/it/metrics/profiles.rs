//! Profiles that share a file of metrics: each has its own samples, and what one run does not tell
//! of stays as it was told before.

use super::{COUNTS, text, value};
use crate::child::{IDLE, both, mapped};
use crate::env::TestEnv;
use rustix::fs::FlockOperation;
use std::fs::{self, File};
use std::path::PathBuf;

const CONFIG: &str = ".config/session-warden/config.toml";

/// A home with a map of both sessions for each of these profiles.
fn home(names: &[&str]) -> TestEnv {
    let env = mapped();
    for name in names {
        fs::create_dir_all(env.path(name)).unwrap();
        fs::write(env.path(name).join("session_map.json"), both()).unwrap();
    }
    configure(&env, names);
    env
}

fn configure(env: &TestEnv, names: &[&str]) {
    let profile = |name: &&str| {
        let folder = env.path(name);
        format!("[[profile]]\nname = \"{name}\"\nsession_dir = \"{}\"\n", folder.display())
    };
    let profiles: String = names.iter().map(profile).collect();
    let metrics = place(env).display().to_string();
    env.file(CONFIG, format!("[clean]\nmetrics = \"{metrics}\"\n{profiles}"), 0);
}

fn place(env: &TestEnv) -> PathBuf {
    env.path("warden.prom")
}

#[track_caller]
fn of(env: &TestEnv, name: &str, profile: &str) -> Option<f64> {
    value(&place(env), name, profile)
}

/// Which profiles have a sample of when they ran.
fn profiles(env: &TestEnv) -> Vec<String> {
    let families = super::exposition::parse(&text(&place(env))).unwrap();
    let family = families.iter().find(|family| family.name.ends_with("last_exit_code")).unwrap();
    family.samples.iter().map(|(profile, _)| profile.clone()).collect()
}

#[test]
fn each_has_its_own_samples() {
    let env = home(&["one", "two"]);
    env.run("--profile one").exits(0);
    let first = of(&env, "last_run_timestamp_seconds", "one");
    assert_eq!(profiles(&env), ["one"]);
    env.run("--profile two --hours 9").exits(0);
    assert_eq!(profiles(&env), ["one", "two"]);
    assert_eq!((of(&env, "removed", "one"), of(&env, "removed", "two")), (Some(1.0), Some(0.0)));
    assert_eq!(of(&env, "threshold_seconds", "one"), Some(7200.0));
    assert_eq!(of(&env, "threshold_seconds", "two"), Some(32_400.0));
    assert_eq!(of(&env, "last_run_timestamp_seconds", "one"), first, "it did not run again");
    // Without a profile, the label is empty; the others stay.
    env.run("").exits(0);
    assert_eq!(profiles(&env), ["", "one", "two"]);
    // One fails, and the other's samples stay as they are.
    fs::write(env.path("one/session_map.json"), "{").unwrap();
    env.run("--profile one").exits(1);
    for name in COUNTS {
        assert_eq!(of(&env, name, "one"), None);
        assert!(of(&env, name, "two").is_some());
    }
    assert_eq!(of(&env, "last_success_timestamp_seconds", "one"), first);
    assert_eq!(of(&env, "last_exit_code", "one"), Some(1.0));
}

#[test]
fn all_of_them_at_once_drop_those_that_are_no_more() {
    let env = home(&["one", "two", "three"]);
    env.run("").exits(0);
    env.run("--all-profiles").exits(0);
    assert_eq!(profiles(&env), ["one", "three", "two"], "and a run without a profile is none");
    let before = of(&env, "last_success_timestamp_seconds", "one");
    configure(&env, &["one", "two"]);
    fs::write(env.path("one/session_map.json"), "{").unwrap();
    env.run("--all-profiles").exits(3);
    assert_eq!(profiles(&env), ["one", "two"]);
    // Each tells how it ended itself.
    let codes = ["one", "two"].map(|profile| of(&env, "last_exit_code", profile));
    assert_eq!(codes, [Some(1.0), Some(0.0)]);
    assert_eq!(of(&env, "last_success_timestamp_seconds", "one"), before);
    assert_eq!((of(&env, "checked", "one"), of(&env, "checked", "two")), (None, Some(1.0)));
    // One alone drops nothing.
    configure(&env, &["two"]);
    env.run("--profile two").exits(0);
    assert_eq!(profiles(&env), ["one", "two"]);
    env.run("--all-profiles").exits(0);
    assert_eq!(profiles(&env), ["two"]);
}

#[test]
fn what_another_run_is_at_keeps_its_samples() {
    let env = home(&["one", "two"]);
    env.run("--all-profiles").exits(0);
    let before = text(&place(&env));
    let lock = File::create(env.path("one/.session_map.json.session-warden.lock")).unwrap();
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).unwrap();
    env.run("--all-profiles").exits(3);
    let after = text(&place(&env));
    let of_one = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.contains("\"one\"")).map(str::to_owned).collect()
    };
    assert_eq!(of_one(&after), of_one(&before));
    assert!(!of_one(&after).is_empty());
    assert_ne!(after, before, "the other one ran");
    // With all of them locked, nothing is written.
    let other = File::create(env.path("two/.session_map.json.session-warden.lock")).unwrap();
    rustix::fs::flock(&other, FlockOperation::LockExclusive).unwrap();
    env.run("--all-profiles").exits(75);
    assert_eq!(text(&place(&env)), after);
}

#[test]
fn what_cannot_be_written_of_all_is_warned_of_once() {
    let env = home(&["one", "two"]);
    let ran = env.run("--all-profiles --metrics nowhere/warden.prom");
    ran.exits(3).says(&["cannot write metrics to", "nowhere/warden.prom"]);
    assert_eq!(ran.err.matches("cannot write metrics").count(), 1, "{ran:?}");
    for name in ["one", "two"] {
        let map = fs::read_to_string(env.path(name).join("session_map.json")).unwrap();
        assert!(!map.contains(IDLE), "{map}");
    }
}

#[test]
fn runs_at_the_same_time_lose_nothing() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let env = home(&names);
    std::thread::scope(|scope| {
        for name in names {
            let env = &env;
            scope.spawn(move || env.run(&format!("-q --profile {name}")).exits(0).code);
        }
    });
    assert_eq!(profiles(&env), names);
    for name in names {
        assert_eq!(of(&env, "removed", name), Some(1.0), "{name}");
    }
}
