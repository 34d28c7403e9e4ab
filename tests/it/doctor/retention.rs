//! The check of what the CLIs will delete.

use super::{bare, found};
use crate::child::ACTIVE;
use crate::env::{DAY, set_age};
use serde_json::json;

#[test]
fn sessions_that_are_deleted_soon_are_a_warning() {
    let env = bare();
    found(&env, "").has("retention", "ok", &["within 3 days; limits: Claude Code 30 days"]);
    let session = env.session("claude", ACTIVE, 28 * DAY);
    let hint = "a pin does not prevent it";
    let soon = "Claude Code will delete 1 mapped session within 3 days: active";
    found(&env, "").has("retention", "warning", &[soon, hint]);
    found(&env, "--bridge off").has("retention", "warning", &[soon]);
    let pinned = env.file("c.toml", "[clean]\npin = [\"act*\"]\n", 0);
    found(&env, &format!("--config {}", pinned.display())).has("retention", "ok", &[]);

    env.file(".claude/settings.json", r#"{"cleanupPeriodDays": 365}"#, 0);
    found(&env, "").has("retention", "ok", &["limits: Claude Code 365 days"]);
    env.file(".claude/settings.json", r#"{"cleanupPeriodDays": 0}"#, 0);
    found(&env, "").has("retention", "ok", &["limits: Claude Code never"]);
    set_age(&session, 400 * DAY);
    found(&env, "").has("retention", "ok", &[]);
}

#[test]
fn settings_that_cannot_be_read_are_a_warning() {
    let env = bare();
    env.session("claude", ACTIVE, 28 * DAY);
    for (text, why) in [
        ("{", "not valid JSON"),
        ("[]", "not a JSON object"),
        (r#"{"cleanupPeriodDays": "7"}"#, "cleanupPeriodDays is not a whole number of days"),
    ] {
        env.file(".claude/settings.json", text, 0);
        let says = ["cannot tell when Claude Code deletes sessions", "settings.json: ", why];
        found(&env, "").has("retention", "warning", &says);
    }
}

#[test]
fn without_a_session_that_may_be_deleted_there_is_no_check() {
    let env = bare();
    env.map("{}");
    found(&env, "").lacks("retention");
    env.map(json!({"codex-cli": {"a": ACTIVE}}).to_string());
    env.session("codex", ACTIVE, 400 * DAY);
    found(&env, "").lacks("retention");
}
