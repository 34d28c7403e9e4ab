//! `hold --chat` with a chat that nothing maps: it is held all the same, with a warning.

use serde_json::json;
use std::fs;

use crate::env::{HOUR, TestEnv, state};
use crate::in_use::fresh_id;

fn home() -> (TestEnv, String) {
    let (env, id) = (TestEnv::new(), fresh_id());
    env.session("claude", &id, 5 * HOUR);
    env.map(json!({"claude-cli": {"chat": id}}).to_string());
    (env, id)
}

const WARNING: &str =
    "warning: chat \"typo\" has no mapping yet; it is held once it has one\nhint: ";

#[test]
fn a_chat_that_nothing_maps_is_warned_of_once_and_held() {
    let (env, id) = home();
    for line in ["hold start --chat typo --key a --ttl 1h", "hold --chat typo -- true"] {
        let ran = env.run(line);
        ran.exits(0);
        assert_eq!((ran.err.matches(WARNING).count(), ran.err.lines().count()), (1, 2), "{ran:?}");
    }
    assert_eq!(state(&env.json("-n"), "chat"), "idle");
    env.map(json!({"claude-cli": {"typo": id}}).to_string());
    assert_eq!(state(&env.json("-n"), "typo"), "in_use");
    fs::remove_file(env.map_path()).unwrap();
    env.run("hold start --chat typo --key a --ttl 1h").exits(0).says(&[WARNING]);
}

#[test]
fn a_chat_of_any_profile_and_a_map_that_cannot_be_read_are_not_warned_of() {
    let (env, id) = home();
    let quiet = || {
        for line in ["hold start --chat typo --key a --ttl 1h", "hold --chat typo -- true"] {
            let ran = env.run(line);
            assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        }
    };
    let folder = env.path("second");
    fs::create_dir(&folder).unwrap();
    let second = json!({"claude-cli": {"typo": id}}).to_string();
    fs::write(folder.join("session_map.json"), second).unwrap();
    env.config(&format!("[[profile]]\nname = \"p\"\nsession_dir = \"{}\"\n", folder.display()));
    quiet();
    env.config("");
    env.map("{\"claude-cli\": {");
    quiet();
    // A session may be held before any chat has it.
    let ran = env.run("hold start --session typo --key a --ttl 1h");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}
