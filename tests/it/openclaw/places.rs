//! Where OpenClaw is, by its variables, its old names and its configuration.

use super::*;

/// Moves the home's store there, and runs with those variables.
#[track_caller]
fn check(store: &str, variables: &[(&str, &str)], settings: Option<(&str, &str)>) {
    let env = home(&of_main(), &early(9 * HOUR));
    let to = env.home(store);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    let from = text(&env);
    fs::remove_dir_all(env.home(".openclaw")).unwrap();
    if let Some((path, text)) = settings {
        env.file(
            path,
            text.replace("HOME", env.home("").to_str().unwrap().trim_end_matches('/')),
            0,
        );
        fs::create_dir_all(env.home(".openclaw/agents/main")).unwrap();
    }
    put(&env, store, &from);
    let mut command = command(&env, "run");
    for (name, value) in variables {
        command.env(name, value.replace("HOME", env.home("").to_str().unwrap()));
    }
    let ran = bounded(&mut command);
    ran.exits(0);
    let raised: Value = serde_json::from_str(&fs::read_to_string(&to).unwrap()).unwrap();
    assert!(raised[KEY]["updatedAt"].as_u64().unwrap() > ago(MINUTE), "{store}: {ran:?}");
}

#[test]
fn openclaw_is_where_its_variables_or_its_old_names_say() {
    const BELOW: &str = "agents/main/sessions/sessions.json";
    check(
        &format!("own/{BELOW}"),
        &[("OPENCLAW_STATE_DIR", "HOME/own"), ("OPENCLAW_HOME", "/x")],
        None,
    );
    check(&format!("own/{BELOW}"), &[("OPENCLAW_STATE_DIR", " ~/own ")], None);
    check(&format!("other/.openclaw/{BELOW}"), &[("OPENCLAW_HOME", "HOME/other")], None);
    check(&format!("other/.openclaw/{BELOW}"), &[("OPENCLAW_HOME", "~/other")], None);
    check(&format!(".openclaw-dev/{BELOW}"), &[("OPENCLAW_PROFILE", "dev")], None);
    check(&format!(".openclaw/{BELOW}"), &[("OPENCLAW_PROFILE", "default")], None);
    for old in [".clawdbot", ".moltbot", ".moldbot"] {
        check(&format!("{old}/{BELOW}"), &[], None);
    }
}

#[test]
fn the_store_is_where_its_configuration_says() {
    let at = ".openclaw/openclaw.json";
    check("s/main.json", &[], Some((at, "{session: {store: '~/s/{agentId}.json'}} // JSON5")));
    check("s/all.json", &[], Some((at, "{session: {store: 'HOME/s/all.json',}}")));
    check(
        "s/all.json",
        &[],
        Some((".openclaw/clawdbot.json", "{session: {store: '~/s/all.json'}}")),
    );
    check(
        "s/x.json",
        &[("OPENCLAW_CONFIG_PATH", "~/c.json5")],
        Some(("c.json5", "{session: {store: '~/s/x.json'}}")),
    );
}

#[test]
fn in_one_store_for_all_each_session_is_its_agents() {
    let old = ago(HOUR);
    let store = format!(
        "{{\"agent:ops:a\":{{\"sessionId\":\"a\",\"updatedAt\":{old}}},\"agent:main:a\":{{\"sessionId\":\"a\",\"updatedAt\":{old}}},\
         \"global\":{{\"sessionId\":\"a\",\"updatedAt\":{old}}}}}"
    );
    let env = home(&job("agents = \"ops\"\nactive_within = \"1h\""), "{}");
    env.file(".openclaw/openclaw.json", "{session: {store: '~/s/all.json'}}", 0);
    fs::create_dir_all(env.home(".openclaw/agents/ops")).unwrap();
    put(&env, "s/all.json", &store);
    env.file("s/a.jsonl", "{}", 0);
    let ran = keep(&env, "run -n");
    assert!(ran.out.starts_with("ops: would touch 1 session\n  agent:ops:a\n"), "{}", ran.out);
    env.config(&job("agents = \"all\"\nactive_within = \"1h\""));
    let ran = keep(&env, "run");
    ran.exits(0);
    assert!(
        ran.out.contains("✓ main: touched 2 sessions\n✓ ops: touched 1 session\ntouched 3 "),
        "{}",
        ran.out
    );
}

#[test]
fn what_is_missing_is_told_and_never_made() {
    // No OpenClaw at all.
    let env = TestEnv::new();
    env.config(&of_main());
    let ran = keep(&env, "run");
    ran.exits(3);
    assert!(ran.out.contains("failed: OpenClaw was not found in "), "{}", ran.out);
    assert!(!env.home(".openclaw").exists());
    keep(&env, "check").exits(3);
    // No such agent.
    let env =
        home(&job("agents = [\"main\", \"ghost\"]\nsessions = \"agent:main:main\""), &early(HOUR));
    let ran = keep(&env, "run");
    ran.exits(3);
    assert!(ran.out.starts_with("✗ ghost: there is no such agent in "), "{}", ran.out);
    assert!(ran.out.contains("✓ main: touched 1 session\n"), "{}", ran.out);
    assert!(!env.home(".openclaw/agents/ghost").exists());
    // No store, and so no sessions.
    let env = home(&job("agents = \"main\"\nactive_within = \"1h\""), "");
    fs::remove_file(env.home(STORE)).unwrap();
    let ran = keep(&env, "run");
    ran.exits(0);
    assert!(ran.out.starts_with("✓ main: touched 0 sessions\ntouched 0 "), "{}", ran.out);
    assert!(beside(&env.home(STORE)).is_empty());
    // No such session.
    let env = home(
        &job("agents = \"main\"\nsessions = [\"agent:main:main\", \"agent:main:x\"]"),
        &early(HOUR),
    );
    let ran = keep(&env, "run");
    ran.exits(0);
    assert!(
        ran.out.contains("claw: skipped: there is no session with the key \"agent:main:x\"\n"),
        "{}",
        ran.out
    );
    assert!(ran.out.starts_with("✓ main: touched 1 session\n"), "{}", ran.out);
}

#[test]
fn what_cannot_be_read_is_left_alone() {
    for settings in ["{session: ", "{$include: './x.json5'}"] {
        let env = home(&of_main(), &late(HOUR));
        let before = text(&env);
        env.file(".openclaw/openclaw.json", settings, 0);
        let ran = keep(&env, "run");
        ran.exits(3);
        assert!(ran.out.contains("failed: cannot read OpenClaw's configuration "), "{}", ran.out);
        assert_eq!(text(&env), before);
    }
    let env = home(&of_main(), &early(HOUR));
    let (before, real) = (text(&env), env.home("real.json"));
    fs::rename(env.home(STORE), &real).unwrap();
    crate::env::link(&real, &env.home(STORE));
    let ran = keep(&env, "run");
    ran.exits(3);
    assert!(ran.out.contains("it is a link"), "{}", ran.out);
    assert_eq!(text(&env), before);
}
