//! The sessions of Mistral's vibe, as the bridge that resumes them looks for them.

use crate::env::{DAY, MINUTE, Ran, TestEnv, state};

const MODEL: &str = "devstral-small-2";
const A: &str = "aaaaaaaa-0a1b-4c2d-8e3f-000000000001";
const B: &str = "bbbbbbbb-0a1b-4c2d-8e3f-000000000002";
const C: &str = "cccccccc-0a1b-4c2d-8e3f-000000000003";
const USED: &str = "12345678-0a1b-4c2d-8e3f-00000000000f";

/// A home with one session in use, so that the wrong-home guard stays out of the way.
fn home() -> TestEnv {
    let env = TestEnv::new();
    env.session("vibe", USED, MINUTE);
    env
}

#[test]
fn sessions_lie_flat_in_one_folder() {
    let env = home();
    env.session("vibe", A, 5 * MINUTE);
    env.session("vibe", B, DAY);
    // SiblingFile the roots, so it counts for nothing.
    env.file(&format!(".vibe/logs/session-{B}.json"), "{}", MINUTE);
    env.file(".vibe/sessions/notes.txt", "x", MINUTE);
    let rows = [(USED, "active"), (A, "active"), (B, "idle"), (C, "missing")];
    env.check(MODEL, "", 0, &rows);
}

#[test]
fn a_name_that_carries_the_id_is_judged_by_its_age_e1() {
    let names = [
        "session-{}.json.bak",
        "session-{}.jsonl",
        "session-{}",
        "{}.json",
        "old/session-{}.json",
        "xsession-{}.json",
    ];
    for name in names {
        for (age, expected) in [(MINUTE, "active"), (DAY, "idle")] {
            let env = home();
            env.file(&format!(".vibe/sessions/{}", name.replace("{}", A)), "{}", age);
            env.session("vibe", B, DAY);
            env.check(MODEL, "", 0, &[(USED, "active"), (A, expected), (B, "idle")]);
        }
    }
}

/// A session as 1.3.5, 2.7.0 and 3.0.2 lay it out.
fn layouts(id: &str) -> [(String, String); 3] {
    let shown = &id[..8];
    let of = |key: &str| format!("{{\"{key}\":\"{id}\"}}");
    let session = ".vibe/logs/session";
    [
        (
            format!("{session}/session_20261127_205824_{shown}.json"),
            format!("{{\"metadata\":{},\"messages\":[]}}", of("session_id")),
        ),
        (format!("{session}/session_20261127_205824_{shown}/meta.json"), of("session_id")),
        (format!("{session}/unified/{id}/meta.json"), of("session_id")),
    ]
}

#[test]
fn the_three_real_layouts_are_sessions_e1_e3() {
    for layout in 0..3 {
        for (age, expected) in [(MINUTE, "active"), (DAY, "idle")] {
            let env = home();
            for (id, age) in [(A, age), (B, DAY)] {
                let (path, content) = &layouts(id)[layout];
                env.file(path, content, age);
            }
            // Another session whose id begins alike.
            let alike = A.replace("-8e3f-", "-9e3f-");
            let (path, content) = &layouts(&alike)[layout];
            env.file(&path.replace("205824", "205825"), content, MINUTE);
            let rows = [(USED, "active"), (A, expected), (B, "idle"), (C, "missing")];
            env.check(MODEL, "", 0, &rows);
        }
    }
    // A use adds files to a folder that holds the start of the id alone.
    let env = home();
    let (path, content) = &layouts(A)[1];
    env.file(path, content, DAY);
    env.file(&path.replace("meta.json", "messages.jsonl"), "{}", MINUTE);
    let (path, content) = &layouts(B)[1];
    env.file(path, content, DAY);
    env.check(MODEL, "", 0, &[(USED, "active"), (A, "active"), (B, "idle")]);
}

#[test]
fn ids_are_compared_without_regard_to_case_and_the_newest_file_counts() {
    let env = home();
    let (upper_a, upper_b) = (A.to_uppercase(), B.to_uppercase());
    env.session("vibe", &upper_a, 5 * MINUTE);
    env.session("vibe", A, DAY);
    env.session("vibe", B, DAY);
    let rows = [(USED, "active"), (A, "active"), (upper_a.as_str(), "active")];
    env.check(MODEL, "", 0, &rows);
    env.check(MODEL, "", 0, &[(USED, "active"), (upper_b.as_str(), "idle")]);
}

#[test]
fn home_and_its_own_variable_move_the_folder() {
    let env = home();
    env.session("vibe", A, DAY);
    env.file(&format!("other/.vibe/sessions/session-{A}.json"), "{}", MINUTE);
    let bytes = format!(r#"{{"{MODEL}":{{"a":"{A}"}}}}"#);
    env.map(&bytes);
    let report = env.json("--home home/other");
    assert_eq!(state(&report, "a"), "active");
    assert_eq!(env.map_bytes(), bytes.as_bytes());
    let mut command = env.command(["--format", "json"]);
    let ran = Ran::of(command.env("VIBE_HOME", env.home("other/.vibe")));
    assert_eq!(state(&ran.exits(0).report(), "a"), "active", "{ran:?}");
    assert_eq!(state(&env.json(""), "a"), "idle");
    assert_eq!(env.map_now(), serde_json::json!({MODEL: {}}));
}
