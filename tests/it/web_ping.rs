//! `claude-web-ping`: the calls of a ping, and what follows from each answer. Claude's web page is
//! always a stand-in.

use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::child::bounded;
use crate::env::{Ran, TestEnv};
use page::{Call, KEY, ORG, Page, answer, events};

mod ends;
mod keys;
mod page;
mod tls;
mod within;

/// A home with one job that pings that page once an hour, and tries once.
fn home(page: &Page) -> TestEnv {
    home_with(page, "every = \"1h\"\nattempts = 1\n")
}

fn home_with(page: &Page, more: &str) -> TestEnv {
    let env = TestEnv::new();
    let (url, job) = (page.url(), "[[keepalive]]\nid = \"web\"\naction = \"claude-web-ping\"\n");
    env.config(&format!("{job}base_url = \"{url}\"\nkey_file = \"~/key\"\n{more}"));
    key(&env, KEY);
    env
}

fn key(env: &TestEnv, key: &str) {
    let path = env.file("key", format!("{key}\n"), 0);
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn command(env: &TestEnv, line: &str) -> Command {
    env.command(["keepalive"].into_iter().chain(line.split_whitespace()))
}

fn run(env: &TestEnv, line: &str) -> Ran {
    bounded(&mut command(env, line))
}

fn status(env: &TestEnv) -> Value {
    let ran = run(env, "status --format json");
    ran.exits(0);
    let all: Value = serde_json::from_str(&ran.out).unwrap();
    all["jobs"][0].clone()
}

fn state_folder(env: &TestEnv) -> PathBuf {
    env.home(".local/state/session-warden")
}

/// What is remembered of the job.
fn state(env: &TestEnv) -> Value {
    let text = fs::read(state_folder(env).join("keepalive.json")).unwrap();
    serde_json::from_slice::<Value>(&text).unwrap()["jobs"]["web"].clone()
}

/// The conversations that are remembered.
fn left(env: &TestEnv) -> Vec<String> {
    let all = state(env)["conversations"].as_array().cloned().unwrap_or_default();
    all.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

fn seconds(time: &Value) -> i64 {
    let time = session_warden::model::Timestamp::parse(time.as_str().unwrap()).unwrap();
    i64::try_from(time.since_1970().as_secs()).unwrap()
}

#[test]
fn a_ping_is_four_calls_that_carry_the_key_and_nothing_else_of_its_user() {
    let page = Page::new();
    let env = home_with(&page, "every = \"1h\"\ntime_zone = \"Europe/Amsterdam\"\n");
    let dry = run(&env, "run -n");
    assert_eq!((dry.code, dry.out.as_str(), page.calls().len()), (0, "web: would run\n", 0));
    let ran = run(&env, "run");
    ran.exits(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("web: done\n", ""));

    let calls = page.calls();
    assert_eq!(page.kinds(), ["list", "begin", "say", "delete"], "{calls:#?}");
    let body = |call: &Call| serde_json::from_str::<Value>(&call.body).unwrap();
    let id = body(&calls[1])["uuid"].as_str().unwrap().to_owned();
    assert_eq!(body(&calls[1]), json!({"uuid": id, "name": ""}));
    let number = session_warden::model::ids::uuid(id.as_bytes()).expect("a uuid");
    assert_eq!((number >> 76 & 0xf, number >> 62 & 3), (4, 2), "{id} is of version 4");
    let said =
        json!({"prompt": "Hi", "timezone": "Europe/Amsterdam", "attachments": [], "files": []});
    assert_eq!(body(&calls[2]), said);
    assert_eq!(calls[2].header("accept"), Some("text/event-stream"));
    let below = format!("/api/organizations/{ORG}/chat_conversations/{id}");
    assert_eq!(calls[2].path, format!("{below}/completion"));
    assert_eq!(calls[3].path, below);
    assert_eq!((calls[0].body.as_str(), calls[3].body.as_str()), ("", ""));
    for call in &calls {
        assert_eq!(call.header("cookie"), Some(format!("sessionKey={KEY}").as_str()));
        assert_eq!(call.headers.iter().filter(|(name, _)| name == "cookie").count(), 1);
        let agent = concat!("session-warden/", env!("CARGO_PKG_VERSION"));
        assert_eq!(call.header("user-agent"), Some(agent), "it says what it is");
        let kind = (call.method == "POST").then_some("application/json");
        assert_eq!(call.header("content-type"), kind);
        let host = format!("127.0.0.1:{}", page.port);
        assert_eq!(call.header("host"), Some(host.as_str()));
        assert_eq!(call.header("referer").or(call.header("origin")), None);
    }

    assert!(page.conversations().is_empty() && left(&env).is_empty());
    let status = status(&env);
    assert_eq!((&status["result"], &status["failures"]), (&json!("done"), &json!(0)));
    assert_eq!((&status["action"], &status["disabled"]), (&json!("claude-web-ping"), &Value::Null));
    let wait = seconds(&status["next"]) - now();
    assert!((3500..=3600).contains(&wait), "{status}");
    assert!(run(&env, "run").out.starts_with("web: not due before "));
    assert_eq!(page.calls().len(), 4);
}

#[test]
fn the_next_ping_comes_just_after_the_window_that_the_answer_tells() {
    for every in ["1h", "1d"] {
        let ends = now() + 9000;
        let page = Page::new().tells(json!({"type": "within_limit", "resetsAt": null, "windows": {
            "5h": {"status": "within_limit", "resets_at": ends, "utilization": 0.01},
            "7d": {"status": "within_limit", "resets_at": ends + 90_000, "utilization": 0.2}}}));
        let env = home_with(&page, &format!("every = \"{every}\"\n"));
        assert_eq!(run(&env, "run").out, "web: done\n");
        let wait = seconds(&status(&env)["next"]) - ends;
        assert!((1..=60).contains(&wait), "{}", status(&env));
    }
    // A time that no window ends at.
    for ends in [now() - 5, now() + 400_000] {
        let page = Page::new().tells(json!({"windows": {"5h": {"resets_at": ends}}}));
        let env = home(&page);
        assert_eq!(run(&env, "run").out, "web: done\n");
        let wait = seconds(&status(&env)["next"]) - now();
        assert!((3500..=3600).contains(&wait), "{}", status(&env));
    }
}

/// Runs a ping on that page, and holds against what it should come to: its exit code, how its line
/// begins, whether the job is disabled then, and the calls.
#[track_caller]
fn check(page: &Page, code: i32, says: &str, disabled: bool, kinds: &[&str]) -> TestEnv {
    let env = home(page);
    let ran = run(&env, "run");
    ran.exits(code);
    assert!(ran.out.starts_with(&format!("web: {says}")), "no {says:?} in {ran:?}");
    assert_eq!((ran.out.lines().count(), ran.err.as_str()), (1, ""), "{ran:?}");
    assert_eq!(page.kinds(), kinds, "{ran:?}");
    let status = status(&env);
    assert_eq!(status["disabled"].is_string(), disabled, "{status}");
    let result = status["result"].as_str().unwrap();
    assert_eq!(format!("web: {result}\n"), ran.out);
    let failed = says.starts_with("failed");
    assert_eq!(status["failures"], u8::from(failed), "{status}");
    if failed {
        let wait = seconds(&status["next"]) - now();
        assert!((280..=300).contains(&wait), "{status}");
    }
    env
}

const ALL: [&str; 4] = ["list", "begin", "say", "delete"];
const HTML: &str = "<!DOCTYPE html><title>Just a moment...</title>";

#[test]
fn a_key_that_is_not_accepted_disables_the_job_at_once_until_there_is_another() {
    let expired = "{\"type\":\"error\",\"error\":{\"type\":\"permission_error\",\
                   \"message\":\"Invalid authorization\",\"details\":{}}}";
    for (status, body) in [(401, ""), (401, HTML), (401, expired), (403, expired)] {
        for (kind, kinds) in [("list", &ALL[..1]), ("begin", &ALL[..2]), ("say", &ALL[..])] {
            let page = Page::answering(kind, status, "", body);
            let env = check(&page, 3, "refused: the session key has expired", true, kinds);
            assert!(left(&env).is_empty() && page.conversations().is_empty());
            // It is not asked again, whatever is forced.
            let asked = page.calls().len();
            run(&env, "run --force").exits(0);
            assert_eq!(page.calls().len(), asked);
        }
    }
    let accepted = "sk-ant-sid01-anotherone";
    let page = Page::hostile(|call, mut stream| {
        if call.header("cookie").is_some_and(|cookie| cookie.ends_with("anotherone")) {
            return Some(stream);
        }
        let _ = answer(&mut stream, 401, "", "");
        None
    });
    let env = check(&page, 3, "refused: ", true, &ALL[..1]);
    run(&env, "run").exits(0);
    assert_eq!(page.calls().len(), 1);
    key(&env, accepted);
    assert!(run(&env, "run").out.starts_with("web: not due before "), "the gap is kept");
    assert_eq!(run(&env, "run --force").out, "web: done\n");
    // And by hand, with the same key.
    key(&env, KEY);
    run(&env, "run --force").exits(3);
    run(&env, "enable web").exits(0);
    run(&env, "run --force").exits(3);
}

#[test]
fn a_page_for_people_means_blocked_and_disables_the_job_at_once() {
    for head in ["content-type: text/html\r\n", "", "cf-mitigated: challenge\r\n"] {
        let page = Page::answering("list", 403, head, HTML);
        check(&page, 3, "refused: blocked (HTTP 403", true, &ALL[..1]);
    }
    let page = Page::answering("say", 403, "", HTML);
    let env = check(&page, 3, "refused: blocked", true, &ALL);
    assert!(left(&env).is_empty() && page.conversations().is_empty());
}

#[test]
fn a_limit_is_tried_again_at_the_time_it_names_and_never_counts_as_a_failure() {
    let ends = now() + 7000;
    let inner = json!({"type": "exceeded_limit", "resetsAt": ends, "remaining": null}).to_string();
    let body = json!({"type": "error", "error": {"type": "rate_limit_error", "message": inner}});
    let body = body.to_string();
    let event = format!("event: error\ndata: {body}\n\n");
    for (kind, status, head, body, kinds, named) in [
        ("say", 429, "", body.as_str(), &ALL[..], Some(ends)),
        ("begin", 429, "", &body, &ALL[..2], Some(ends)),
        ("list", 429, "retry-after: 7000\r\n", "slow down", &ALL[..1], Some(ends)),
        ("say", 200, "content-type: text/event-stream\r\n", &event, &ALL[..], Some(ends)),
        ("say", 429, "", "", &ALL[..], None),
    ] {
        let page = Page::answering(kind, status, head, body);
        let env = home_with(&page, "every = \"1h\"\ndisable_after = 1\n");
        for count in 1..=3 {
            let ran = run(&env, "run --force");
            ran.exits(3);
            assert_eq!(ran.out, "web: rate limited: the usage limit was reached\n");
            let status = super::web_ping::status(&env);
            assert_eq!((&status["failures"], &status["disabled"]), (&json!(0), &Value::Null));
            if let Some(ends) = named {
                // What was named stands, to the second.
                assert!((0..=5).contains(&(seconds(&status["next"]) - ends)), "{status}");
            }
            assert_eq!(page.calls().len(), count * kinds.len(), "tried once in a run");
        }
        assert_eq!(page.kinds()[..kinds.len()], *kinds);
        assert!(page.conversations().is_empty() && left(&env).is_empty());
    }
}

#[test]
fn whatever_else_goes_wrong_is_a_failure_that_waits_and_leaves_no_conversation() {
    let overloaded = json!({"type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let answered = |end: &str| events() + end;
    let huge = format!("[\"{}\"]", "x".repeat(2 << 20));
    let stream = "content-type: text/event-stream\r\n";
    let elsewhere = "location: /elsewhere\r\n";
    let outside = format!("[{{\"uuid\":\"../../{ORG}\"}}]");
    for (kind, status, head, body, says, kinds) in [
        ("list", 200, "", "[]".to_owned(), "the account has no organization", &ALL[..1]),
        ("list", 200, "", HTML.to_owned(), "organizations: the answer is not JSON", &ALL[..1]),
        ("list", 200, "", "{}".to_owned(), "organizations: the answer is not a list", &ALL[..1]),
        ("list", 200, "", outside, "organizations: the first one has no uuid", &ALL[..1]),
        ("list", 200, "", huge, "organizations: the answer is larger than 1 MiB", &ALL[..1]),
        ("list", 500, "", HTML.to_owned(), "HTTP 500", &ALL[..1]),
        ("list", 302, elsewhere, String::new(), "a redirect (HTTP 302)", &ALL[..1]),
        ("begin", 307, elsewhere, String::new(), "a redirect (HTTP 307)", &ALL[..2]),
        ("begin", 400, "", overloaded.to_string(), "HTTP 400: overloaded_error\n", &ALL[..2]),
        ("begin", 503, "", String::new(), "HTTP 503", &["list", "begin", "delete"]),
        (
            "begin",
            201,
            "",
            "{}".to_owned(),
            "conversation: the new one has no uuid",
            &["list", "begin", "delete"],
        ),
        ("say", 529, "", overloaded.to_string(), "HTTP 529: overloaded_error\n", &ALL),
        ("say", 302, elsewhere, String::new(), "a redirect (HTTP 302)", &ALL),
        (
            "say",
            200,
            stream,
            answered(&format!("event: error\ndata: {overloaded}\n\n")),
            "the answer ended with an error: overloaded_error\n",
            &ALL,
        ),
        ("say", 200, stream, answered("event: error"), "the answer ended with an error", &ALL),
        ("say", 200, stream, String::new(), "the answer was empty", &ALL),
        ("say", 200, "", HTML.to_owned(), "the answer was empty", &ALL),
        ("say", 200, stream, "x".repeat(5 << 20), "the answer is larger than 4 MiB", &ALL),
    ] {
        let page = Page::answering(kind, status, head, &body);
        check(&page, 3, &format!("failed: {says}"), false, kinds);
        assert!(page.conversations().is_empty(), "{says}");
    }
    // Nobody there, and an answer that is cut off.
    let page = Page::hostile(|call, mut stream| {
        if call.kind() != "say" {
            return Some(stream);
        }
        let _ = write!(stream, "HTTP/1.1 200 X\r\ncontent-length: 9999\r\n\r\n{}", events());
        None
    });
    check(&page, 3, "failed: ", false, &ALL);
    let env = home(&Page::nowhere());
    assert_eq!(run(&env, "run").exits(3).out, "web: failed: connection refused\n");
}

#[test]
fn a_failure_is_tried_again_within_a_run_and_disables_in_the_end() {
    let page = Page::answering("say", 500, "", "");
    let env = home_with(&page, "every = \"1h\"\nattempts = 2\ndisable_after = 2\n");
    run(&env, "run").exits(3);
    assert_eq!(page.kinds(), [ALL, ALL].concat());
    run(&env, "run --force").exits(3);
    let status = status(&env);
    assert_eq!(status["disabled"], "failed 2 times in a row: HTTP 500");
    assert!(page.conversations().is_empty() && left(&env).is_empty());
}

#[test]
fn the_page_may_go_by_an_id_of_its_own() {
    let theirs = "cccccccc-3333-4333-8333-333333333333";
    let page = Page::hostile(move |call, mut stream| {
        if call.kind() != "begin" {
            // Only what it has begun is there.
            return (call.kind() == "list" || call.path.contains(theirs)).then_some(stream);
        }
        let _ = answer(&mut stream, 200, "", &json!({ "uuid": theirs }).to_string());
        None
    });
    let env = home(&page);
    run(&env, "run").exits(3);
    assert_eq!(page.kinds(), ALL);
    assert!(page.calls()[2..].iter().all(|call| call.path.contains(theirs)));
    assert!(left(&env).is_empty(), "there was none to delete: {:?}", left(&env));
}
