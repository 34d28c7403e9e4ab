//! What commands print where a person or a program reads it: times local on a terminal and UTC elsewhere, and
//! nothing raw in JSON.

use serde_json::json;

use crate::env::{HOUR, TestEnv};
use crate::in_use::fresh_id;
use crate::terminal::shown;

#[cfg(feature = "keepalive")]
const OWN: &str =
    "[[keepalive]]\nid = \"own\"\naction = \"command\"\ncommand = \"true\"\nevery = \"1h\"\n";

#[test]
fn pins_and_holds_have_local_times_on_a_terminal_and_utc_elsewhere() {
    let (env, id) = (TestEnv::new(), fresh_id());
    env.session("claude", &id, 5 * HOUR);
    env.map(json!({"claude-cli": {"website": id}}).to_string());
    env.run("pin website").exits(0);
    env.run("hold start --chat website --key k --ttl 1h").exits(0);
    check(&env, "pin");
    check(&env, "hold list");
}

#[cfg(feature = "keepalive")]
#[test]
fn results_of_jobs_have_nothing_raw_in_json_that_a_terminal_acts_on_x3() {
    let env = TestEnv::new();
    env.config(OWN);
    env.run("keepalive run").exits(0);
    let state = env.home(".local/state/session-warden/keepalive.json");
    let mut jobs: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&state).unwrap()).unwrap();
    let odd = "failed: \u{9b}31m\u{202e}x\u{7f}";
    jobs["jobs"]["own"]["result"] = odd.into();
    std::fs::write(&state, jobs.to_string()).unwrap();
    let ran = env.run("keepalive status --json");
    let is_raw = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
    assert!(!ran.exits(0).out.contains(is_raw), "{:?}", ran.out);
    let status: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(status["jobs"][0]["result"], odd);
}

#[cfg(feature = "keepalive")]
#[test]
fn jobs_have_local_times_on_a_terminal_and_utc_elsewhere() {
    let env = TestEnv::new();
    env.config(OWN);
    env.run("keepalive run").exits(0);
    check(&env, "keepalive status");
}

/// The hours of the times in that text: what is before a colon and two digits.
fn hours(text: &str) -> Vec<u32> {
    let before = |part: &str| part.get(part.len().checked_sub(2)?..)?.parse().ok();
    let parts: Vec<&str> = text.split(':').collect();
    let pairs = parts.windows(2).filter(|pair| {
        pair[1].len() >= 2 && pair[1].bytes().take(2).all(|byte| byte.is_ascii_digit())
    });
    pairs.filter_map(|pair| before(pair[0])).collect()
}

#[track_caller]
fn check(env: &TestEnv, line: &str) {
    let local = |zone: &str| {
        let mut command = env.command(line.split(' '));
        command.env("TZ", zone).env("NO_COLOR", "1");
        let out = shown(command, 140).exits(0).out.clone();
        assert!(!out.contains(" UTC"), "{out}");
        hours(&out)
    };
    // Five hours apart, whatever the hour is.
    let (here, east) = (local("Etc/GMT"), local("Etc/GMT-5"));
    assert!(!here.is_empty() && here.len() == east.len(), "{here:?} {east:?}");
    assert!(
        here.iter().zip(&east).all(|(here, east)| (here + 5) % 24 == *east),
        "{here:?} {east:?}"
    );

    let mut pipe = env.command(line.split(' '));
    let ran = crate::env::Ran::of(pipe.env("TZ", "Etc/GMT-5"));
    assert!(ran.exits(0).out.contains(" UTC"), "{ran:?}");
}
