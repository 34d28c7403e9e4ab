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
    // Not in the folder itself, so none that a resume would find.
    env.file(&format!(".vibe/sessions/old/session-{C}.json"), "{}", MINUTE);
    env.file(&format!(".vibe/logs/session-{B}.json"), "{}", MINUTE);
    env.file(".vibe/sessions/notes.txt", "x", MINUTE);
    let rows = [(USED, "active"), (A, "active"), (B, "idle"), (C, "missing")];
    env.check(MODEL, "", 0, &rows);
}

#[test]
fn names_that_only_look_alike_are_no_sessions() {
    let names =
        ["session-{}.json.bak", "session-{}.jsonl", "session-{}", "{}.json", "xsession-{}.json"];
    for name in names {
        let env = home();
        env.file(&format!(".vibe/sessions/{}", name.replace("{}", A)), "{}", MINUTE);
        env.check(MODEL, "", 0, &[(USED, "active"), (A, "missing")]);
    }
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
fn only_home_moves_the_folder() {
    let env = home();
    env.session("vibe", A, DAY);
    env.file(&format!("other/.vibe/sessions/session-{A}.json"), "{}", MINUTE);
    let bytes = format!(r#"{{"{MODEL}":{{"a":"{A}"}}}}"#);
    env.map(&bytes);
    let report = env.json("--home home/other");
    assert_eq!(state(&report, "a"), "active");
    assert_eq!(env.map_bytes(), bytes.as_bytes());
    // vibe has no variable of its own; a guess at one must not move anything.
    let mut command = env.command(["--format", "json"]);
    let ran = Ran::of(command.env("VIBE_HOME", env.home("other/.vibe")));
    assert_eq!(state(&ran.exits(0).report(), "a"), "idle", "{ran:?}");
    assert_eq!(env.map_now(), serde_json::json!({MODEL: {}}));
}
