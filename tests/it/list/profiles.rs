//! `list --all-profiles`: the lists of all, and the code that they share.

use super::{A, B, talk};
use crate::env::{DAY, Ran, TestEnv};
use serde_json::{Value, json};
use std::fs;

/// Two profiles, each with a map of one chat.
fn two() -> TestEnv {
    let env = TestEnv::new();
    talk(&env, "claude", A, "/srv", "From work", 3 * DAY);
    talk(&env, "claude", B, "/srv", "From home", 5);
    for (name, chat, id) in [("work", "report", A), ("home", "garden", B)] {
        fs::create_dir_all(env.home(name)).unwrap();
        let map = json!({"claude-cli": {chat: id}}).to_string();
        fs::write(env.home(&format!("{name}/session_map.json")), map).unwrap();
    }
    env.config(
        "[[profile]]\nname = \"work\"\nsession_dir = \"~/work\"\n\
         [[profile]]\nname = \"home\"\nsession_dir = \"~/home\"\n",
    );
    env
}

/// The lists of all profiles, held against their schema.
#[track_caller]
fn all(ran: &Ran) -> Value {
    let schema = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let one = schema(include_str!("../../../docs/list.schema.json"));
    let all = schema(include_str!("../../../docs/list-profiles.schema.json"));
    let registry = jsonschema::Registry::new()
        .add("file:///docs/list.schema.json", one)
        .unwrap()
        .prepare()
        .unwrap();
    let schema = jsonschema::options()
        .with_base_uri("file:///docs/list-profiles.schema.json")
        .with_registry(&registry)
        .build(&all)
        .unwrap();
    let lists: Value = serde_json::from_str(&ran.out).unwrap();
    let errors: Vec<String> = schema.iter_errors(&lists).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{lists:#}");
    lists
}

#[test]
fn every_profile_is_listed_with_its_name() {
    let env = two();
    let ran = env.run("list --all-profiles");
    assert_eq!(ran.exits(0).err, "");
    let titles: Vec<&str> = ran.out.lines().filter(|line| line.starts_with("Profile ")).collect();
    assert_eq!(titles, ["Profile work", "Profile home"]);
    assert!(ran.out.contains("\n1 mapping: 1 idle\n\nProfile home\n"), "{}", ran.out);
    assert!(ran.out.ends_with("\n1 mapping: 1 active\n"), "{}", ran.out);
    let one = env.run("list --profile home").out;
    assert!(one.starts_with("Profile home\n") && ran.out.ends_with(&one), "{one}");

    let ran = env.run("list --all-profiles --json");
    let lists = all(ran.exits(0));
    let told: Vec<(&str, u64, &str)> = lists["profiles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| {
            let chat = of["report"]["sessions"][0]["chat_id"].as_str().unwrap();
            (of["profile"].as_str().unwrap(), of["exit"].as_u64().unwrap(), chat)
        })
        .collect();
    assert_eq!(told, [("work", 0, "report"), ("home", 0, "garden")]);
}

#[test]
fn the_code_is_the_one_that_all_share_or_else_3() {
    let env = two();
    fs::write(env.home("work/session_map.json"), "torn").unwrap();
    let ran = env.run("list --all-profiles");
    ran.exits(3).says(&["error: profile work: cannot read session map"]);
    assert!(ran.out.starts_with("Profile home\n"), "{}", ran.out);
    let ran = env.run("list --all-profiles --json");
    let lists = all(ran.exits(3));
    assert_eq!(lists["profiles"][0], json!({"profile": "work", "exit": 1, "report": null}));
    assert_eq!(lists["profiles"][1]["exit"], 0);

    fs::write(env.home("home/session_map.json"), "torn").unwrap();
    assert_eq!(env.run("list --all-profiles").exits(1).out, "");
}

#[test]
fn what_names_one_place_excludes_all_profiles() {
    let env = two();
    for line in
        ["--profile work", "--session-dir x", "--map x", "--home x", "--bridge http://127.0.0.1:1"]
    {
        assert_eq!(env.run(&format!("list --all-profiles {line}")).exits(2).out, "", "{line}");
    }
    env.config("");
    env.run("list --all-profiles").exits(2).says(&["no profile in", "hint: a profile begins"]);
}
