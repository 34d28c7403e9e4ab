//! The report and the exit codes, to the letter.

use crate::env::{HOUR, MINUTE, TestEnv, row, state};

const ACTIVE: &str = "11111111-1111-4111-8111-111111111111";
const IDLE: &str = "22222222-2222-4222-8222-222222222222";
const GONE: &str = "33333333-3333-4333-8333-333333333333";

fn three() -> TestEnv {
    let env = TestEnv::new();
    env.session("claude", ACTIVE, 5 * MINUTE);
    env.session("claude", IDLE, 3 * HOUR);
    env.map(format!(
        r#"{{"claude-cli": {{"active": "{ACTIVE}", "idle": "{IDLE}", "gone": "{GONE}"}}}}"#
    ));
    env
}

#[test]
fn the_summary_is_worded_so() {
    let env = three();
    let dry = env.run("--dry-run");
    dry.exits(0);
    let expected = "Cleanup summary
  Sessions checked: 3
  Active (kept): 1
  Idle (>2h): 1
  Missing files: 1
  Unknown (kept): 0
  Would clean up: 2 mappings
";
    assert!(dry.out.ends_with(expected), "{}", dry.out);
    let real = env.run("clean");
    real.exits(0);
    let expected = expected.replace("Would clean up", "Cleaned up");
    assert!(real.out.ends_with(&expected), "{}", real.out);
    assert_eq!(env.map_now(), serde_json::json!({"claude-cli": {"active": ACTIVE}}));
}

#[test]
fn json_has_every_field() {
    let env = three();
    let report = env.json("-n");
    assert_eq!(report["schema"], 1);
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["threshold_seconds"], 7200);
    assert_eq!(report["source"]["map"], env.map_path().to_str().unwrap());
    assert_eq!(row(&report, "gone")["last_used"], serde_json::Value::Null);
    assert_eq!(state(&report, "idle"), "idle");
    assert_eq!(row(&report, "idle")["action"], "would_remove");
}
