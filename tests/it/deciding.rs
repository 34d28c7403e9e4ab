//! What goes and what stays where something is odd: roots (D2), clocks (D3), ids and models (D4),
//! and the wrong-home guard. Its parts look at what cannot be read (D1), at links and the like
//! (D5), and at what happens between the plan and the removal (D6).

mod again;
mod links;
mod unreadable;

use crate::env::{DAY, HOUR, MINUTE, Ran, TestEnv, row, set_written, state};
use serde_json::{Value, json};
use session_warden::model::{Clock, Reading, SessionMap, Timestamp};
use session_warden::os::interrupt::Interrupt;
use session_warden::provider::{Base, LookOptions, Owners, PROVIDERS, observe};
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::time::{Duration, SystemTime};

const A: &str = "aaaaaaaa-0a1b-4c2d-8e3f-000000000001";
const B: &str = "bbbbbbbb-0a1b-4c2d-8e3f-000000000002";
const GONE: &str = "cccccccc-0a1b-4c2d-8e3f-000000000003";
const USED: &str = "12345678-0a1b-4c2d-8e3f-00000000000f";

/// Every provider's name, its model, and its folder of sessions below the home.
const ALL: [(&str, &str, &str); 4] = [
    ("claude", "claude-cli", ".claude/projects"),
    ("codex", "codex-cli", ".codex/sessions"),
    ("gemini", "gemini-cli", ".gemini/tmp"),
    ("vibe", "devstral-small-2", ".vibe/sessions"),
];

/// A home with two sessions of that provider: one in use and one idle.
fn two(provider: &str) -> TestEnv {
    let env = TestEnv::new();
    env.session(provider, USED, MINUTE);
    env.session(provider, A, DAY);
    env
}

/// Asserts that the report warns with that code of exactly that path, which standard error names.
#[track_caller]
fn warns(ran: &Ran, code: &str, path: &std::path::Path) {
    let report = ran.report();
    let path = path.to_str().unwrap();
    let is_it = |warning: &&Value| warning["code"] == code && warning["path"] == path;
    let found = report["warnings"].as_array().unwrap().iter().find(is_it);
    assert!(found.is_some(), "no {code} of {path}: {report:#}");
    ran.says(&["warning", path]);
}

/// Runs a real clean that must leave the map as it is, and end with that code.
#[track_caller]
fn nothing_goes(env: &TestEnv, line: &str, code: i32) -> Ran {
    let before = env.map_bytes();
    let ran = env.run(&format!("{line} --format json"));
    ran.exits(code);
    assert_eq!(env.map_bytes(), before, "{ran:?}");
    ran
}

#[test]
fn the_idle_go_where_all_is_well() {
    // What every other test here changes one thing of.
    for (provider, model, _) in ALL {
        let rows = [(USED, "active"), (A, "idle"), (GONE, "missing")];
        two(provider).check(model, "", 0, &rows);
    }
}

#[test]
fn without_its_root_nothing_of_a_provider_goes_d2() {
    for (provider, model, root) in ALL {
        let rows = [(USED, "unknown"), (A, "unknown"), (GONE, "unknown")];
        // The root is not there, though the CLI is; and --missing does not matter.
        for line in ["", "--missing remove"] {
            let env = two(provider);
            fs::rename(env.home(root), env.home("elsewhere")).unwrap();
            env.check(model, line, 3, &rows);
            warns(&nothing_goes(&env, line, 3), "root_absent", &env.home(main(root)));
        }
        // A file is in its place.
        let env = two(provider);
        fs::rename(env.home(root), env.home("elsewhere")).unwrap();
        env.file(root, "x", MINUTE);
        env.check(model, "", 3, &rows);
        warns(&nothing_goes(&env, "", 3), "root_unreadable", &env.home(root));
    }
}

/// The main root of a provider; vibe's sessions in these tests are in another.
fn main(root: &str) -> &str {
    if root == ".vibe/sessions" { ".vibe/logs/session" } else { root }
}

#[test]
fn in_a_home_without_any_cli_nothing_goes_d2() {
    let env = TestEnv::new();
    let models = ALL.map(|(_, model, _)| format!(r#""{model}":{{"{model}":"{A}"}}"#));
    env.map(format!("{{{}}}", models.join(",")));
    for line in ["", "--missing remove", "--home no-such-home"] {
        let ran = nothing_goes(&env, line, 3);
        for (_, model, root) in ALL {
            assert_eq!(state(&ran.report(), model), "unknown", "{ran:?}");
            if line.is_empty() {
                warns(&ran, "root_absent", &env.home(main(root)));
            }
        }
    }
}

#[test]
fn a_root_of_somebody_else_is_not_trusted_d2() {
    for (provider, model, root) in ALL {
        let env = two(provider);
        env.map(json!({ model: { "used": USED, "idle": A } }).to_string());
        let root = env.home(root);
        let us = rustix::process::geteuid().as_raw();
        if us == 0 {
            // The map stays root's, so this user is neither us, nor root, nor the map's owner.
            chown(&root, Some(12_345), None).unwrap();
            let ran = nothing_goes(&env, "", 3);
            warns(&ran, "root_foreign", &root);
            assert_eq!(state(&ran.report(), "used"), "unknown", "{ran:?}");
        }
        let owner = fs::metadata(&root).unwrap().uid();
        let reading = |us, map| {
            let parsed = SessionMap::parse(env.map_bytes()).unwrap();
            let home = env.home("");
            let seen = observe(
                &parsed,
                |_, _| true,
                &LookOptions {
                    owners: Owners { us, map },
                    clock: Clock::Mtime,
                    interrupt: Interrupt::default(),
                },
                |_| Timestamp::MAX,
                None,
                |p| Ok(Base { folder: p.in_home(&home), temporary: None }),
            )
            .unwrap();
            let place = PROVIDERS.iter().position(|p| p.name == provider).unwrap();
            seen.providers[place].as_ref().unwrap().reading
        };
        let another = owner + 1;
        assert_eq!(reading(another, None), Reading::Foreign, "{provider}");
        assert_eq!(reading(another, Some(another)), Reading::Foreign, "{provider}");
        assert_eq!(reading(another, Some(owner)), Reading::Whole, "{provider}");
        assert_eq!(reading(owner, None), Reading::Whole, "{provider}");
        if us == 0 {
            chown(&root, Some(0), None).unwrap();
            assert_eq!(reading(another, None), Reading::Whole, "{provider}");
        }
    }
}

#[test]
fn one_broken_provider_does_not_stop_the_others_d1() {
    for (broken, broken_model, root) in ALL {
        let env = TestEnv::new();
        let mut map = serde_json::Map::new();
        for (provider, model, _) in ALL {
            env.session(provider, USED, MINUTE);
            env.session(provider, A, DAY);
            map.insert(model.to_owned(), json!({ "used": USED, "idle": A }));
        }
        fs::rename(env.home(root), env.home("elsewhere")).unwrap();
        env.file(root, "x", MINUTE);
        env.map(Value::from(map.clone()).to_string());
        let ran = env.run("");
        ran.exits(3).says(&[broken, env.home(root).to_str().unwrap()]);
        for (model, left) in &mut map {
            if model != broken_model {
                *left = json!({ "used": USED });
            }
        }
        assert_eq!(env.map_now(), Value::from(map), "{broken}: {ran:?}");
    }
}

#[test]
fn a_provider_that_nothing_is_mapped_of_is_not_looked_at() {
    for (broken, _, root) in ALL {
        for (provider, model, _) in ALL.into_iter().filter(|(name, ..)| *name != broken) {
            let env = two(provider);
            env.file(root, "a file where a folder should be", MINUTE);
            env.check(model, "", 0, &[(USED, "active"), (A, "idle")]);
            assert_eq!(env.run("").exits(0).err, "", "{broken}");
            // Nor where it is mapped, and not asked for.
            let (_, other, _) = ALL.into_iter().find(|(name, ..)| *name == broken).unwrap();
            env.map(json!({ model: { "idle": A }, other: { "x": A } }).to_string());
            let ran = env.run(&format!("--provider {provider}"));
            assert_eq!(ran.exits(0).err, "", "{broken}");
            assert_eq!(env.map_now(), json!({ model: {}, other: { "x": A } }));
        }
    }
}

#[test]
fn a_time_in_the_future_is_kept_d3() {
    for (provider, model, _) in ALL {
        for ahead in [MINUTE, DAY, 4000 * DAY] {
            let env = two(provider);
            let path = env.session(provider, B, 0);
            set_written(&path, SystemTime::now() + Duration::from_secs(ahead));
            let rows = [(USED, "active"), (A, "idle"), (B, "active")];
            let report = env.check(model, "--idle 1s", 0, &[rows[1], rows[2]]);
            assert_eq!(row(&report, "1")["idle_seconds"], 0, "{report:#}");
            env.check(model, "", 0, &rows);
        }
    }
}

#[test]
fn ids_that_no_cli_writes_are_kept_and_lead_nowhere_d4() {
    let long = "a".repeat(300);
    let hostile = [
        "../../etc/passwd",
        "/etc/passwd",
        "*",
        "a\0b",
        &long,
        ".",
        "..",
        "",
        "a/b",
        "é",
        " ",
        "?",
    ];
    for (provider, model, root) in ALL {
        let env = two(provider);
        // Where a path built from an id would lead.
        env.file(&format!("{root}/etc/passwd.jsonl"), "{}", MINUTE);
        let mut rows: Vec<_> = hostile.iter().map(|id| (*id, "unknown")).collect();
        rows.push((A, "idle"));
        let report = env.check(model, "--missing remove", 0, &rows);
        assert_eq!(report["warnings"], json!([]), "{report:#}");
    }
    for (provider, model, _) in ALL.into_iter().filter(|(name, ..)| *name != "gemini") {
        two(provider).check(model, "", 0, &[("foo_bar", "unknown"), (A, "idle")]);
    }
}

#[test]
fn unknown_models_stay_and_are_named_d4() {
    let env = two("claude");
    let unknown = r#""interactive-discussion": {"round-table": "r1"}, "gpt-9": {"nine": "x"}"#;
    env.map(format!(r#"{{{unknown}, "claude-cli": {{"idle": "{A}"}}}}"#));
    let ran = env.run("clean --missing remove");
    ran.exits(0);
    assert_eq!(ran.err, "");
    for named in ["interactive-discussion ", "round-table", "gpt-9 ", "nine", "unknown model"] {
        assert!(ran.out.contains(named), "no {named:?} in {}", ran.out);
    }
    assert!(ran.out.contains("Unknown (kept): 2\n"), "{}", ran.out);
    let after = String::from_utf8(env.map_bytes()).unwrap();
    assert_eq!(after, format!(r#"{{{unknown}, "claude-cli": {{}}}}"#));
}

#[test]
fn values_of_other_kinds_stay_byte_for_byte() {
    let env = two("claude");
    let values =
        r#""n": null, "i": 12345678901234567890123, "f": 1.50, "l": ["x"], "o": {"id": "y"}"#;
    let models = r#""codex-cli": [ 1e3 ], "gemini-cli": null, "zero": 0"#;
    env.map(format!(r#"{{{models}, "claude-cli": {{{values}, "idle": "{A}"}}}}"#));
    let ran = env.run("clean --missing remove --format json");
    let report = ran.exits(0).report();
    for chat in ["n", "i", "f", "l", "o"] {
        assert_eq!(state(&report, chat), "unknown", "{report:#}");
        assert_eq!(row(&report, chat)["session_id"], Value::Null, "{report:#}");
    }
    for model in ["codex-cli", "gemini-cli", "zero"] {
        ran.says(&["warning", model]);
    }
    let codes: Vec<_> = report["warnings"].as_array().unwrap().iter().map(|w| &w["code"]).collect();
    assert_eq!(codes, ["model_not_object"; 3]);
    let after = String::from_utf8(env.map_bytes()).unwrap();
    assert_eq!(after, format!(r#"{{{models}, "claude-cli": {{{values}}}}}"#));
}

#[test]
fn where_all_is_missing_the_home_is_taken_to_be_wrong() {
    for (provider, model, root) in ALL {
        let check = |line: &str, ids: &[&str], code, stays| {
            let env = TestEnv::new();
            // The home is somebody's: it holds a session, and none that is mapped.
            env.session(provider, USED, MINUTE);
            let chats: serde_json::Map<_, Value> =
                ids.iter().zip(0..).map(|(id, n)| (n.to_string(), (*id).into())).collect();
            env.map(json!({ model: chats }).to_string());
            let before = env.map_now();
            let ran = env.run(&format!("{line} --format json"));
            ran.exits(code);
            assert_eq!(env.map_now() == before, stays, "{provider} {line} {ids:?}: {ran:?}");
            let is_guarded = code == 3;
            if is_guarded {
                warns(&ran, "wrong_home", &env.home(root));
                assert_eq!(state(&ran.report(), "0"), "unknown", "{ran:?}");
            }
        };
        check("", &[GONE], 3, true);
        check("", &[GONE, B], 3, true);
        // Ids that are not judged say nothing of the home.
        check("", &[GONE, "../x"], 3, true);
        check("--missing keep", &[GONE], 3, true);
        check("--missing remove", &[GONE], 0, false);
        check("", &[GONE, USED], 0, false);
        check("--missing keep", &[GONE, USED], 0, true);
    }
    // One provider's guard says nothing of another.
    let env = two("claude");
    env.session("vibe", USED, MINUTE);
    env.map(
        json!({ "claude-cli": { "a": A, "gone": GONE }, "devstral-small-2": { "v": GONE } })
            .to_string(),
    );
    env.run("").exits(3);
    assert_eq!(env.map_now(), json!({ "claude-cli": {}, "devstral-small-2": { "v": GONE } }));
}

#[test]
fn an_archived_session_shows_that_the_home_is_right() {
    let env = TestEnv::new();
    let name = format!("rollout-2026-01-05T10-00-00-{A}.jsonl");
    env.file(&format!(".codex/archived_sessions/{name}"), "{}", HOUR);
    fs::create_dir_all(env.home(".codex/sessions")).unwrap();
    env.check("codex-cli", "", 0, &[(A, "archived"), (GONE, "missing")]);
}
