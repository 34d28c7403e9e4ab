//! What the configuration may say of a touch, and the hook that runs what is due.

use super::*;

#[test]
fn what_makes_no_sense_is_told_with_its_line() {
    let job =
        |lines: &str| format!("[[keepalive]]\nid = \"a\"\naction = \"openclaw-touch\"\n{lines}");
    let right = "agents = \"main\"\nsessions = \"x\"\nevery = \"1h\"\n";
    for (text, line, said) in [
        (job("every = \"1h\"\n"), 1, "needs agents"),
        (
            job("agents = \"main\"\nevery = \"1h\"\n"),
            1,
            "exactly one of sessions and active_within",
        ),
        (job(&format!("{right}active_within = \"5m\"\n")), 7, "exactly one of sessions and"),
        (job(&right.replace("\"main\"", "[]")), 4, "an empty list"),
        (job(&right.replace("\"main\"", "\"../x\"")), 4, "may only have letters"),
        (job(&right.replace("\"main\"", "[\"main\",\n\"\"]")), 5, "may only have letters"),
        (job(&right.replace("\"main\"", "[\"all\"]")), 4, "a list with \"all\""),
        (job(&right.replace("\"main\"", "7")), 4, "not a list of strings"),
        (job(&right.replace("\"x\"", "\" \"")), 5, "one is empty"),
        (
            job(&right.replace("sessions = \"x\"", "active_within = \"soon\"")),
            5,
            "active_within is",
        ),
        (
            job(&right.replace("sessions = \"x\"", "active_within = \"0s\"")),
            5,
            "active_within is zero",
        ),
        (job(&format!("{right}while_gateway = 1\n")), 7, "neither true nor false"),
        (
            job(&format!("{right}cli = \"claude\"\n")),
            7,
            "not a setting of the action openclaw-touch",
        ),
        (
            job(&format!("{right}command = \"x\"\n")),
            7,
            "not a setting of the action openclaw-touch",
        ),
        (
            job(&right.replace("every = \"1h\"", "before_expiry = \"5m\"")),
            6,
            "a session has no expiry",
        ),
        (
            "[[keepalive]]\nid = \"a\"\naction = \"cli-ping\"\ncli = \"claude\"\nagents = \"x\"\n"
                .into(),
            5,
            "not a setting of the action cli-ping",
        ),
    ] {
        let env = TestEnv::new();
        env.config(&text);
        let ran = keep(&env, "run");
        ran.exits(2).says(&[said, &format!("config.toml:{line}: ")]);
        let lines = ran.err.lines().filter(|line| !line.starts_with("hint: ")).count();
        assert_eq!(lines, 1, "{ran:?}");
    }
}

#[test]
fn it_reaches_no_provider_and_so_may_run_every_minute() {
    let env = home(&of_main().replace("1h", "1m"), &early(HOUR));
    env.config(&format!("{}min_gap = \"1s\"\n", of_main().replace("1h", "1m")));
    let ran = keep(&env, "run");
    ran.exits(0);
    assert_eq!(ran.err, "", "no gap is too small");
}

#[test]
fn the_hook_runs_what_is_due_when_a_session_or_the_gateway_begins() {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/hooks/openclaw/session-warden");
    let page = fs::read_to_string(folder.join("HOOK.md")).unwrap();
    let front = page.strip_prefix("---\n").unwrap().split("\n---\n").next().unwrap();
    let metadata = front.split("metadata:").nth(1).unwrap();
    let metadata: Value = serde_json::from_str(metadata).unwrap();
    assert_eq!(metadata["openclaw"]["events"], json!(["agent:bootstrap", "gateway:startup"]));
    assert_eq!(metadata["openclaw"]["requires"]["bins"], json!(["session-warden"]));
    let handler = fs::read_to_string(folder.join("handler.js")).unwrap();
    let said = handler.split("[\"").nth(1).unwrap().split("\"]").next().unwrap();
    let line = said.replace("\", \"", " ");
    assert_eq!(line, "keepalive run --quiet");
    // It is a command that there is.
    let env = home(&of_main(), &early(9 * HOUR));
    keep(&env, line.strip_prefix("keepalive ").unwrap()).exits(0);
    assert!(entry(&env, KEY)["updatedAt"].as_u64().unwrap() > ago(MINUTE));
}
