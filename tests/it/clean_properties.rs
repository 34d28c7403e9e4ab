//! Whole runs over arbitrary homes, maps and processes, held against what was put there: what goes
//! and what stays, once and again, back and forth, in the file and over a bridge.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::env::{DAY, HOUR, MINUTE, TestEnv, row, set_written};
use crate::in_use::{Running, fresh_id};
use crate::stand_in::StandIn;

const MODELS: [(&str, &str); 3] =
    [("claude-cli", "claude"), ("codex-cli", "codex"), ("gemini-cli", "gemini")];

/// What a mapping of an arbitrary map leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Active,
    /// Written tomorrow, if the clock is right.
    Future,
    Idle,
    /// As idle as that, in a chat that is to be kept.
    Pinned,
    /// As idle as that, and named in the arguments of a process.
    InUse,
    /// No file is there.
    Missing,
    /// An id that its CLI never writes.
    Foreign,
    /// A value that is no text.
    Odd,
}

/// A map's rows: the place of a model in `MODELS`, or beyond for an unknown one, and what it leads to.
type Rows = Vec<(usize, Kind)>;

fn rows() -> impl Strategy<Value = Rows> {
    let kinds = vec![
        Kind::Active,
        Kind::Future,
        Kind::Idle,
        Kind::Idle,
        Kind::Pinned,
        Kind::InUse,
        Kind::Missing,
        Kind::Foreign,
        Kind::Odd,
    ];
    vec((0..MODELS.len() + 1, select(kinds)), 0..14)
}

/// A home in which each of these rows is what it says.
struct World {
    env: TestEnv,
    map: String,
    /// The state that each chat's mapping is in.
    states: BTreeMap<String, &'static str>,
    _at_work: Option<Running>,
}

impl World {
    fn new(rows: &Rows, is_legacy: bool) -> Self {
        let env = TestEnv::new();
        for (_, provider) in MODELS {
            put(&env, provider, &fresh_id(), DAY);
        }
        let (mut members, mut at_work) = (BTreeMap::<&str, Vec<String>>::new(), Vec::new());
        let mut states = BTreeMap::new();
        for (number, (model, kind)) in rows.iter().enumerate() {
            let (model, provider) = MODELS.get(*model).copied().unwrap_or(("new-cli", "claude"));
            let kept = if *kind == Kind::Pinned { "diary " } else { "" };
            let (chat, id) = (format!("{kept}chat é{number}"), fresh_id());
            match kind {
                Kind::Active => _ = put(&env, provider, &id, 10 * MINUTE),
                Kind::Future => {
                    let file = put(&env, provider, &id, 0);
                    let tomorrow = SystemTime::now() + Duration::from_secs(DAY);
                    set_written(&file, tomorrow);
                }
                Kind::Idle | Kind::Pinned => _ = put(&env, provider, &id, 3 * HOUR),
                Kind::InUse => {
                    put(&env, provider, &id, 3 * HOUR);
                    at_work.push(id.clone());
                }
                Kind::Missing | Kind::Foreign | Kind::Odd => {}
            }
            let value = match kind {
                Kind::Foreign => json!("../../etc/passwd"),
                Kind::Odd => json!({"id": [id, 1e300, null]}),
                _ => json!(id),
            };
            members.entry(model).or_default().push(format!("{}:{value}", json!(chat)));
            states.insert(chat, state(rows, model, *kind));
        }
        let texts = members.iter().map(|(model, chats)| {
            let chats = chats.join(", ");
            if is_legacy { chats } else { format!("\"{model}\": {{{chats}}}") }
        });
        let map = format!("{{\n  {}\n}}", texts.collect::<Vec<_>>().join(",\n  "));
        env.map(&map);
        let named: Vec<&str> = at_work.iter().map(String::as_str).collect();
        let at_work = (!named.is_empty()).then(|| Running::with(&named));
        Self { env, map, states, _at_work: at_work }
    }

    /// The chats whose mappings go.
    fn going(&self) -> Vec<&str> {
        let goes = |state: &str| matches!(state, "idle" | "missing");
        self.states.iter().filter(|(_, state)| goes(state)).map(|(chat, _)| &**chat).collect()
    }

    /// The map without what goes.
    fn left(&self) -> Value {
        let going = self.going();
        let without = |chats: &mut Map<String, Value>| {
            chats.retain(|chat, _| !going.contains(&chat.as_str()));
        };
        let mut map: Map<String, Value> = serde_json::from_str(&self.map).unwrap();
        if map.values().all(|value| !value.is_object()) {
            without(&mut map);
        } else {
            map.values_mut().filter_map(Value::as_object_mut).for_each(without);
        }
        map.into()
    }

    /// A report of a clean tells each mapping of the map once, as it is, and what became of it.
    #[track_caller]
    fn check(&self, report: &Value, gone: &str) {
        let going = self.going();
        assert_eq!(report["sessions"].as_array().unwrap().len(), self.states.len(), "{report:#}");
        for (chat, state) in &self.states {
            let row = row(report, chat);
            assert_eq!(row["state"], *state, "{row:#} in {}", self.map);
            let action = if going.contains(&chat.as_str()) { gone } else { "kept" };
            assert_eq!(row["action"], action, "{row:#} in {}", self.map);
        }
    }
}

/// A session of that provider. Of Gemini's each has a folder of its own: all these ids begin alike, and a
/// name holds only that.
fn put(env: &TestEnv, provider: &str, id: &str, age: u64) -> PathBuf {
    if provider != "gemini" {
        return env.session(provider, id, age);
    }
    let name = format!("session-2026-01-05T10-00-{}.jsonl", &id[..8]);
    env.file(&format!(".gemini/tmp/{id}/chats/{name}"), json!({ "sessionId": id }).to_string(), age)
}

/// The state of such a mapping, in a map of these rows.
fn state(rows: &Rows, model: &str, kind: Kind) -> &'static str {
    let judged = |kind: Kind| !matches!(kind, Kind::Foreign | Kind::Odd);
    let others = rows.iter().filter(|(place, kind)| {
        MODELS.get(*place).is_some_and(|(name, _)| *name == model) && judged(*kind)
    });
    match kind {
        _ if model == "new-cli" => "unknown",
        Kind::Foreign | Kind::Odd => "unknown",
        // Where all are missing, it may be the wrong home.
        Kind::Missing if others.clone().all(|(_, kind)| *kind == Kind::Missing) => "unknown",
        Kind::Missing => "missing",
        Kind::Active | Kind::Future => "active",
        Kind::Idle => "idle",
        Kind::Pinned => "pinned",
        Kind::InUse => "in_use",
    }
}

/// Values and the order of keys.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect()
}

fn check_file(rows: &Rows, is_legacy: bool) {
    let world = World::new(rows, is_legacy);
    let env = &world.env;
    world.check(&env.json("-n --pin diary*"), "would_remove");
    assert_eq!(env.map_bytes(), world.map.as_bytes(), "a dry run changes nothing");
    world.check(&env.json("clean --pin diary*"), "removed");
    assert_eq!(env.map_now(), world.left());
    // Again: there is nothing left to do, and nothing is done.
    let before = (env.map_bytes(), fs::metadata(env.map_path()).unwrap().ino());
    let again = env.json("clean --pin diary*");
    assert_eq!(again["summary"]["removed"], 0, "{again:#}");
    let after = (env.map_bytes(), fs::metadata(env.map_path()).unwrap().ino());
    assert_eq!(before, after);
    if !world.going().is_empty() {
        env.run("undo").exits(0);
    }
    assert_eq!(squeezed(&String::from_utf8(env.map_bytes()).unwrap()), squeezed(&world.map));
    // What was put back stays for now.
    env.json("clean --pin diary*");
    assert_eq!(squeezed(&String::from_utf8(env.map_bytes()).unwrap()), squeezed(&world.map));
    assert_eq!(env.litter(), [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn nothing_goes_but_what_is_idle_or_gone_and_undo_gives_it_back_d1_d3_d4_r5(rows in rows()) {
        check_file(&rows, false);
    }

    #[test]
    fn so_it_is_with_legacy_maps_r5(kinds in vec(rows(), 1)) {
        let rows: Rows = kinds.into_iter().flatten()
            .map(|(_, kind)| (0, if kind == Kind::Odd { Kind::Foreign } else { kind }))
            .collect();
        check_file(&rows, true);
    }

    #[test]
    fn a_bridge_is_asked_for_just_what_would_go_from_the_file_b3(rows in rows()) {
        let world = World::new(&rows, false);
        let bridge = StandIn::on(world.env.map_path());
        let options = format!("--pin diary* --bridge {}", bridge.url());
        let dry = world.env.json(&format!("-n {options}"));
        world.check(&dry, "would_remove");
        assert_eq!(bridge.deletes(), [""; 0]);
        world.check(&world.env.json(&format!("clean {options}")), "removed");
        assert_eq!(bridge.map(), world.left());
        assert_eq!(bridge.deletes().len(), world.going().len());
    }
}
