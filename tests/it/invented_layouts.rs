//! Layouts that no CLI has written yet: whatever carries a session's id below an evidence root is
//! evidence of use, and a session whose files are all old is removed.

use proptest::prelude::*;

use crate::env::{DAY, HOUR, MINUTE, TestEnv};

const ID: &str = "0192f3a4-5b6c-7d8e-9f00-112233445566";
const USED: &str = "0192f3a4-5b6c-7d8e-9f00-11223344bbbb";

/// A provider, its model and its evidence roots.
type Cli = (&'static str, &'static str, &'static [&'static str]);

const CLIS: [Cli; 4] = [
    ("claude", "claude-cli", &[".claude/projects"]),
    ("codex", "codex-cli", &[".codex/sessions"]),
    ("gemini", "gemini-cli", &[".gemini/tmp"]),
    ("vibe", "devstral-small-2", &[".vibe/logs/session", ".vibe/sessions"]),
];

/// A path below a root that carries the id somewhere.
#[derive(Debug, Clone)]
struct Carrier {
    root: usize,
    /// Folders above the component that carries the id, and below it.
    above: Vec<String>,
    before: String,
    after: String,
    below: Vec<String>,
    upper: bool,
    age: u64,
}

impl Carrier {
    fn path(&self, roots: &[&str]) -> String {
        let id = if self.upper { ID.to_uppercase() } else { ID.to_owned() };
        let component = format!("{}{id}{}", self.before, self.after);
        let root = roots[self.root % roots.len()];
        let parts = self.above.iter().cloned().chain([component]).chain(self.below.iter().cloned());
        format!("{root}/{}", parts.collect::<Vec<_>>().join("/"))
    }

    /// True for what is known to be a side file of Claude Code's, which shows no session.
    fn is_known_side(&self) -> bool {
        let known = ["subagents", "workflows", "tool-results", "custom-title.json"];
        let first = self.below.first().map(String::as_str);
        (self.before.is_empty() && self.after == ".desktop-released.json" && first.is_none())
            || (self.before.is_empty()
                && self.after.is_empty()
                && first.is_some_and(|name| known.contains(&name)))
    }
}

fn folder() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}",
        Just("2026".to_owned()),
        Just("-home-u-site".to_owned()),
        Just("subagents".to_owned()),
        Just("chats".to_owned()),
        // Named by another session.
        Just("bbbbbbbb-0a1b-4c2d-8e3f-000000000002".to_owned()),
    ]
}

fn carrier() -> impl Strategy<Value = Carrier> {
    let around = (
        prop_oneof![
            Just(""),
            Just("rollout-2026-01-05T10-00-00-"),
            Just("session-"),
            Just("x."),
            Just("_")
        ],
        prop_oneof![
            Just(""),
            Just(".jsonl"),
            Just(".json"),
            Just("_019ac000-7777-7000-8000-0000000000aa.jsonl"),
            Just(".jsonl.zst"),
            Just(".db-wal"),
            Just(".part-0001"),
            Just("~"),
        ],
    );
    let ages = prop_oneof![Just(MINUTE), Just(HOUR), Just(3 * HOUR), Just(9 * DAY)];
    let below = proptest::collection::vec(folder(), 0..4);
    (0..2_usize, proptest::collection::vec(folder(), 1..9), around, below, any::<bool>(), ages)
        .prop_map(|(root, above, (before, after), below, upper, age)| Carrier {
            root,
            above,
            before: before.to_owned(),
            after: after.to_owned(),
            below,
            upper,
            age,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// E1, E2: used within the threshold, and never removed; all of it older, and removed.
    #[test]
    fn whatever_carries_the_id_is_evidence_e1_e2(
        cli in 0..CLIS.len(),
        carriers in proptest::collection::vec(carrier(), 1..4),
    ) {
        let (provider, model, roots) = CLIS[cli];
        let env = TestEnv::new();
        env.session(provider, USED, MINUTE);
        // Old ones first: a folder is as old as the last thing that was made in it.
        let mut carriers = carriers;
        carriers.sort_by_key(|carrier| std::cmp::Reverse(carrier.age));
        let mut made = Vec::new();
        for carrier in &carriers {
            let path = carrier.path(roots);
            let is_in_the_way = |other: &String| {
                path.starts_with(&format!("{other}/")) || other.starts_with(&format!("{path}/")) || *other == path
            };
            if made.iter().any(is_in_the_way) {
                continue;
            }
            env.file(&path, "{}\n", carrier.age);
            made.push(path);
        }
        let is_fresh = carriers.iter().zip(&made).any(|(carrier, _)| carrier.age <= HOUR)
            && made.len() == carriers.len();
        prop_assume!(made.len() == carriers.len());
        let is_side = provider == "claude" && carriers.iter().all(Carrier::is_known_side);
        let expected = match (is_fresh, is_side) {
            (true, _) => "active",
            (false, true) => "missing",
            (false, false) => "idle",
        };
        env.check(model, "", 0, &[(USED, "active"), (ID, expected)]);
    }

    /// E2: of a Claude Code session nothing but old side files is left, so it is removed.
    #[test]
    fn a_dead_session_with_old_side_files_is_removed_e2(
        names in proptest::collection::vec(
            prop_oneof![
                Just("projects/-w/{}/subagents/agent-1.jsonl"),
                Just("projects/-w/{}/subagents/workflows/wf_1/agent-2.meta.json"),
                Just("projects/-w/{}/tool-results/x.txt"),
                Just("projects/-w/{}/custom-title.json"),
                Just("projects/-w/{}.desktop-released.json"),
                Just("tasks/{}/1.json"),
                Just("session-env/{}/x"),
                Just("debug/{}.txt"),
                Just("file-history/{}/y@v1"),
                Just("todos/{}-agent-{}.json"),
                Just("usage-data/session-meta/{}.json"),
            ],
            1..6,
        ),
        age in prop_oneof![Just(3 * HOUR), Just(30 * DAY)],
    ) {
        let env = TestEnv::new();
        env.session("claude", USED, MINUTE);
        for name in names {
            env.file(&format!(".claude/{}", name.replace("{}", ID)), "{}\n", age);
        }
        env.check("claude-cli", "", 0, &[(USED, "active"), (ID, "missing")]);
    }
}

#[test]
fn a_fresh_path_in_a_side_root_shows_a_use_and_no_session_e2() {
    for path in [
        "tasks/{}/1.json",
        "session-env/{}/x",
        "debug/{}.txt",
        "file-history/{}/y@v1",
        "todos/{}-agent-{}.json",
    ] {
        for (age, expected) in [(MINUTE, "active"), (3 * HOUR, "missing")] {
            let env = TestEnv::new();
            env.session("claude", USED, MINUTE);
            env.file(&format!(".claude/{}", path.replace("{}", ID)), "x", age);
            env.check("claude-cli", "", 0, &[(USED, "active"), (ID, expected)]);
        }
    }
    // Nothing else beside the roots counts, such as what a command writes for every old session.
    for path in ["usage-data/facets/{}.json", "jobs/{}/state.json", "{}.jsonl"] {
        let env = TestEnv::new();
        env.session("claude", USED, MINUTE);
        env.file(&format!(".claude/{}", path.replace("{}", ID)), "x", MINUTE);
        env.check("claude-cli", "", 0, &[(USED, "active"), (ID, "missing")]);
    }
}

#[test]
fn what_is_wrong_with_a_side_root_says_nothing_of_a_session_e2() {
    let env = TestEnv::new();
    env.session("claude", USED, MINUTE);
    env.session("claude", ID, DAY);
    // Claude Code makes this link, and deletes what it leads to.
    crate::env::link("/nowhere/at/all".as_ref(), &env.home(".claude/debug/latest"));
    crate::env::link("/nowhere/at/all".as_ref(), &env.home(&format!(".claude/debug/{ID}.txt")));
    env.file(".claude/todos", "a file in the place of a folder", MINUTE);
    env.check("claude-cli", "", 0, &[(USED, "active"), (ID, "idle")]);
}

#[test]
fn the_temporary_folder_of_claude_code_is_a_side_root_e1() {
    let env = TestEnv::new();
    env.session("claude", USED, MINUTE);
    env.session("claude", ID, DAY);
    let us = rustix::process::geteuid().as_raw();
    for within in [String::new(), format!("claude-{us}/")] {
        let output = format!("temporary/{within}-w/{ID}/tasks/a.output");
        let map = serde_json::json!({"claude-cli": {"used": USED, "id": ID}}).to_string();
        for (age, expected) in [(MINUTE, "active"), (3 * HOUR, "idle")] {
            env.file(&output, "x", age);
            env.map(&map);
            let mut command = env.command(["-n", "--format", "json"]);
            command.env("CLAUDE_CODE_TMPDIR", env.home("temporary"));
            let report = crate::env::Ran::of(&mut command).exits(0).report();
            assert_eq!(crate::env::state(&report, "id"), expected, "{within}");
        }
    }
}

#[test]
fn what_is_deeper_than_16_or_cannot_be_listed_keeps_its_session_alone_e1() {
    let env = TestEnv::new();
    env.session("claude", USED, MINUTE);
    env.session("claude", ID, DAY);
    let other = "bbbbbbbb-0a1b-4c2d-8e3f-000000000002";
    env.session("claude", other, DAY);
    env.file(&format!(".claude/projects/-w/{ID}{}/x", "/d".repeat(14)), "x", DAY);
    let rows = [(USED, "active"), (ID, "unknown"), (other, "idle")];
    env.check("claude-cli", "", 3, &rows);
    // At 16 it counts.
    let env = TestEnv::new();
    env.session("claude", USED, MINUTE);
    env.session("claude", ID, DAY);
    env.session("claude", other, DAY);
    let deep = format!(".claude/projects/-w/{ID}{}/x", "/d".repeat(13));
    let path = env.file(&deep, "x", DAY);
    crate::env::set_age(&path, MINUTE);
    let rows = [(USED, "active"), (ID, "active"), (other, "idle")];
    env.check("claude-cli", "", 0, &rows);
}

#[test]
fn very_many_folders_are_all_looked_into_e1() {
    // So many that two threads share them.
    let env = TestEnv::new();
    let id = |number: u32| format!("aaaaaaaa-0a1b-4c2d-8e3f-{number:012x}");
    let mut chats = serde_json::Map::new();
    for number in 0..150 {
        env.session("claude", &id(number), DAY);
        env.file(&format!(".claude/projects/-w/{}/subagents/agent-1.jsonl", id(number)), "x", DAY);
        chats.insert(number.to_string(), id(number).into());
        // A folder of a session that nobody mapped.
        let other = format!("bbbbbbbb-0a1b-4c2d-8e3f-{number:012x}");
        env.file(&format!(".claude/projects/-w/{other}/x"), "x", DAY);
    }
    let fresh = |path: String| crate::env::set_age(&env.file(&path, "x", DAY), MINUTE);
    for number in [0, 74, 75, 149] {
        fresh(format!(".claude/projects/-w/{}/subagents/agent-2.jsonl", id(number)));
    }
    for (number, of) in [(3, 0), (80, 149)] {
        let other = format!("bbbbbbbb-0a1b-4c2d-8e3f-{of:012x}");
        fresh(format!(".claude/projects/-w/{other}/deeper/{}.jsonl", id(number)));
    }
    env.map(serde_json::json!({ "claude-cli": chats }).to_string());
    let report = env.json("clean");
    for number in 0..150 {
        let is_fresh = [0, 3, 74, 75, 80, 149].contains(&number);
        let expected = if is_fresh { "active" } else { "idle" };
        assert_eq!(crate::env::state(&report, &number.to_string()), expected, "{number}");
    }
    assert_eq!(env.map_now()["claude-cli"].as_object().unwrap().len(), 6);
}
