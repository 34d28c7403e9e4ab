//! What the configuration file may say takes effect, and who beats whom.

use serde_json::{Value, json};
use std::fs;

use crate::child::{ACTIVE, IDLE};
use crate::env::{HOUR, MINUTE, Ran, TestEnv, row, state};
use crate::stand_in::StandIn;

const GONE: &str = "33333333-3333-4333-8333-333333333333";

/// An active session, two idle ones of two CLIs, and one that is gone.
fn home() -> TestEnv {
    let env = TestEnv::new();
    env.session("claude", ACTIVE, MINUTE);
    env.session("claude", IDLE, 3 * HOUR);
    env.session("codex", IDLE, 3 * HOUR);
    env.map(map().to_string());
    env
}

fn map() -> Value {
    json!({"claude-cli": {"a": ACTIVE, "i": IDLE, "g": GONE}, "codex-cli": {"k": IDLE}})
}

/// Runs where only the configuration says where the map is.
fn run(env: &TestEnv, line: &str, variables: &[(&str, &str)]) -> Ran {
    let mut command = env.command(line.split_whitespace());
    command.env_remove("CLAUDE_SESSION_DIR");
    Ran::of(command.envs(variables.iter().copied()))
}

/// Whether that chat is still in the map.
fn has(env: &TestEnv, chat: &str) -> bool {
    env.map_now().as_object().unwrap().values().any(|chats| chats.get(chat).is_some())
}

/// A line of `[clean]`, options to run with, and what is only so with that line.
type Effect = (&'static str, &'static str, fn(&TestEnv, &Ran) -> bool);

const EFFECTS: [Effect; 29] = [
    ("dry_run = true", "", |env, _| has(env, "i")),
    ("hours = 4", "", |env, _| has(env, "i") && has(env, "k")),
    ("idle = '4h'", "", |env, _| has(env, "i") && has(env, "k")),
    ("idle = { claude = '4h' }", "", |env, _| has(env, "i") && !has(env, "k")),
    ("idle.default = '4h'\nidle.codex = '1h'", "", |env, _| has(env, "i") && !has(env, "k")),
    ("session_dir = '../../../other'", "", |env, ran| {
        has(env, "i") && ran.out.contains("/other/session_map.json: nothing to clean")
    }),
    ("map = '../../../bridge/my.json'", "", |env, ran| {
        has(env, "i") && ran.out.contains("bridge/my.json: nothing to clean")
    }),
    ("home = '~/other'", "-n -v", |_, ran| ran.out.contains("home/other/.claude/projects")),
    ("bridge = 'off'", "-n -v", |_, ran| ran.out.contains("file: no bridge was asked")),
    ("allow_remote_bridge = true", "--bridge http://0.0.0.0:1", |_, ran| {
        ran.code == 1 && ran.err.contains("cannot ask the bridge")
    }),
    ("missing = 'keep'", "", |env, _| has(env, "g") && !has(env, "i")),
    ("clock = 'record'", "-n", |_, ran| ran.out.contains("by the newest record")),
    ("pin = ['i', 'codex-cli/*']", "", |env, _| has(env, "i") && has(env, "k")),
    ("provider = ['codex']", "", |env, _| has(env, "i") && !has(env, "k")),
    ("ignore_processes = ['vector', 'x']", "config", |_, ran| ran.out.contains("vector, x")),
    ("max_remove = 2", "", |env, ran| ran.code == 1 && has(env, "i")),
    ("release = true", "config", |_, ran| setting(ran, "release", "true")),
    ("release_after = '9h'", "config", |_, ran| setting(ran, "release_after", "9h")),
    ("max_release = 77", "config", |_, ran| setting(ran, "max_release", "77")),
    ("release_accepts = 'notice'", "config", |_, ran| setting(ran, "release_accepts", "notice")),
    ("map_format = 'claude-remote'", "config", |_, ran| {
        setting(ran, "map_format", "claude-remote")
    }),
    ("format = 'json'", "-n", |_, ran| ran.out.starts_with('{')),
    ("color = 'always'", "-n", |_, ran| ran.out.contains("\x1b[")),
    ("quiet = true", "", |_, ran| ran.out.is_empty()),
    ("verbose = true", "", |_, ran| ran.out.contains("  kept\n")),
    ("metrics = '../../../m.prom'", "", |env, _| env.path("m.prom").exists()),
    ("log = '../../../m.log'", "", |env, _| env.path("m.log").exists()),
    ("state_dir = 'state'", "", |env, _| {
        env.home(".config/session-warden/state/removals.jsonl").exists()
            && !env.home(".local").exists()
    }),
    ("# nothing but the map", "--missing keep", |env, _| has(env, "g")),
];

/// Returns true if `config` shows that value of a setting.
fn setting(ran: &Ran, name: &str, value: &str) -> bool {
    let mut lines = ran.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.any(|words| words == [name, "[clean]", value])
}

#[test]
fn every_option_takes_effect() {
    for (line, options, is_so) in EFFECTS {
        let place = "session_dir = '../../../bridge'\n";
        let own =
            if line.starts_with("session_dir") || line.starts_with("map") { "" } else { place };
        for (text, options, expected) in [
            (format!("[clean]\n{own}{line}\n"), options, true),
            (format!("[clean]\n{place}"), if line.starts_with('#') { "" } else { options }, false),
        ] {
            let env = home();
            env.config(&text);
            let ran = run(&env, options, &[]);
            assert!(matches!(ran.code, 0..=3), "{text}: {ran:?}");
            assert_eq!(is_so(&env, &ran), expected, "{text}: {ran:?}");
        }
    }
}

#[test]
fn every_option_that_is_known_is_in_this_table_and_in_the_example() {
    let env = home();
    env.config("[clean]\n_ = 1\n");
    let ran = env.run("-n");
    ran.exits(2);
    let known = ran.err.split("the keys are ").nth(1).unwrap().trim();
    let example = include_str!("../../packaging/config.example.toml");
    let (example, _) = example.split_once("[[profile]]").unwrap();
    assert!(known.split(", ").count() > 15, "{ran:?}");
    for key in known.split(", ") {
        let starts =
            |line: &str| line.starts_with(key) && line[key.len()..].starts_with([' ', '.']);
        assert!(EFFECTS.iter().any(|(line, ..)| starts(line)), "{key} is not in this table");
        let mut lines = example.lines().filter_map(|line| line.strip_prefix('#'));
        assert!(lines.any(starts), "{key} is not in the example");
    }
}

/// Holds what `config` says of a setting against its value and origin. `{}` stands for the test's
/// folder.
#[track_caller]
fn holds(text: &str, variables: &[(&str, &str)], name: &str, value: &str, origin: &str) {
    let env = home();
    env.config(text);
    let profile = if text.contains("[[profile]]") { "--profile p" } else { "" };
    let ran = run(&env, &format!("config --format json {profile}"), variables);
    ran.exits(0);
    let all: Value = serde_json::from_str(&ran.out).unwrap();
    let mut settings = all["settings"].as_array().unwrap().iter();
    let setting = settings.find(|setting| setting["name"] == name).unwrap();
    let value = value.replace("{}", env.path("").to_str().unwrap().trim_end_matches('/'));
    let expected = json!({"name": name, "value": value, "origin": origin});
    assert_eq!(*setting, expected, "{text} with {variables:?}");
}

const PROFILE: &str = "[[profile]]\nname = 'p'\n";

#[test]
fn a_profile_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let dir = [("CLAUDE_SESSION_DIR", "/e")];
    let clean = "[clean]\nsession_dir = '/f'\n";
    holds("", &[], "map", "/tmp/claude_sessions/session_map.json", "default");
    holds(clean, &[], "map", "/f/session_map.json", "[clean]");
    holds(clean, &dir, "map", "/e/session_map.json", "$CLAUDE_SESSION_DIR");
    let profile = format!("{clean}{PROFILE}map = '/p'");
    holds(&profile, &dir, "map", "/p", "profile p");
    holds(&format!("{clean}{PROFILE}"), &dir, "map", "/e/session_map.json", "$CLAUDE_SESSION_DIR");

    let home = "[clean]\nhome = '/f'\n";
    holds("", &[("CLAUDE_CONFIG_DIR", "/e")], "home", "{}/home", "default");
    holds(home, &[], "home", "/f", "[clean]");
    holds(&format!("{home}{PROFILE}home = '/p'"), &[], "home", "/p", "profile p");

    let state = "[clean]\nstate_dir = '~/f'\n";
    let xdg = [("XDG_STATE_HOME", "/e")];
    holds("", &[], "state_dir", "~/.local/state/session-warden", "default");
    holds(state, &[], "state_dir", "{}/home/f", "[clean]");
    holds(state, &xdg, "state_dir", "/e/session-warden", "$XDG_STATE_HOME");
    holds(state, &[("XDG_STATE_HOME", "e")], "state_dir", "{}/home/f", "[clean]");

    let color = "[clean]\ncolor = 'always'\n";
    holds("", &[], "color", "auto", "default");
    holds(color, &[], "color", "always", "[clean]");
    holds(color, &[("NO_COLOR", "1")], "color", "never", "$NO_COLOR");

    let idle = "[clean]\nidle = '4h'\n";
    holds("", &[], "idle", "2h", "default");
    holds(idle, &[], "idle", "4h", "[clean]");
    holds(&format!("{idle}{PROFILE}hours = 0.5"), &[], "idle", "0.5h", "profile p");

    let bridge = "[clean]\nbridge = 'off'\n";
    let port = [("CLAUDE_BRIDGE_PORT", "77")];
    holds("", &[("CLAUDE_BRIDGE_PORT", "")], "bridge", "auto, http://127.0.0.1:8000", "default");
    holds("", &port, "bridge", "auto, http://127.0.0.1:77", "default");
    holds(bridge, &port, "bridge", "off", "[clean]");
    let profile = format!("{bridge}{PROFILE}bridge = 'auto'");
    holds(&profile, &port, "bridge", "auto, http://127.0.0.1:77", "profile p");
    let profile = format!("{PROFILE}missing = 'keep'\nclock = 'record'");
    holds(&profile, &[], "missing", "keep", "profile p");
    holds(&profile, &[], "clock", "record", "profile p");
}

#[test]
fn a_flag_beats_them_all() {
    let env = home();
    let text = "[clean]\nsession_dir = '/f'\nhome = '/f'\nstate_dir = '/dev/null/f'\nidle = '9h'\n\
                bridge = 'http://127.0.0.1:1'\ncolor = 'always'\nmissing = 'remove'\n\
                format = 'json'\nprovider = ['vibe']\nmax_remove = 0\nquiet = true\n";
    let keys = "session_dir = '/p'\nhome = '/p'\nidle = { claude = '9h' }\n\
                bridge = 'http://127.0.0.1:1'\nmissing = 'remove'\nclock = 'record'\n";
    env.config(&format!("{text}[[profile]]\nname = 'p'\n{keys}"));
    let flags = "-v --session-dir bridge --home home --state-dir state --idle 1h --bridge off \
                 --color never --missing keep --clock mtime --format text --provider claude \
                 --max-remove 1 --profile p";
    let wrong = [("XDG_STATE_HOME", "/dev/null/e"), ("CLAUDE_CONFIG_DIR", "/e")];
    let ran = run(&env, flags, &wrong);
    ran.exits(0);
    assert!(ran.out.contains(" · idle after 1h\n"), "{ran:?}");
    assert!(!ran.out.contains('\x1b') && !ran.out.contains("for claude\n"), "{ran:?}");
    assert!(env.path("state/removals.jsonl").exists());
    let left = json!({"claude-cli": {"a": ACTIVE, "g": GONE}, "codex-cli": {"k": IDLE}});
    assert_eq!(env.map_now(), left);
}

#[test]
fn a_profiles_home_beats_the_clis_own_variables_and_that_of_clean_does_not() {
    let claude = |text: &str, options: &str| {
        let env = home();
        env.config(text);
        let line = format!("-n -v --session-dir bridge {options}");
        run(&env, &line, &[("CLAUDE_CONFIG_DIR", "/e")]).out
    };
    let shown = claude("", "");
    assert!(shown.contains("\n  claude: /e/projects\n"), "{shown}");
    let shown = claude("[clean]\nhome = '/f'\n", "");
    assert!(shown.contains("\n  claude: /e/projects\n"), "{shown}");
    assert!(shown.contains("\n  codex: /f/.codex/sessions\n"), "{shown}");
    let shown = claude("[[profile]]\nname = 'p'\nhome = '/p'\n", "--profile p");
    assert!(shown.contains("\n  claude: /p/.claude/projects\n"), "{shown}");
    let shown = claude("[clean]\nhome = '/f'\n", "--home /g");
    assert!(shown.contains("\n  claude: /g/.claude/projects\n"), "{shown}");
}

#[test]
fn each_cli_is_judged_by_its_own_threshold_also_what_was_put_back() {
    let env = home();
    env.map(json!({"claude-cli": {"a": ACTIVE, "i": IDLE}, "codex-cli": {"k": IDLE}}).to_string());
    env.config("[clean]\nidle = { claude = '4h', codex = '170m', default = '90m' }\n");
    let ran = env.run("-n");
    assert!(ran.out.contains(" · idle after 90m, 4h for claude, 170m for codex\n"), "{ran:?}");
    for dry in ["-n", ""] {
        let report = env.json(dry);
        assert_eq!(report["threshold_seconds"], 5_400);
        assert_eq!((state(&report, "i"), state(&report, "k")), ("active", "idle"));
    }
    assert_eq!(env.map_now(), json!({"claude-cli": {"a": ACTIVE, "i": IDLE}, "codex-cli": {}}));
    // What is typed holds for all of them.
    let report = env.json("-n --hours 2");
    assert_eq!(state(&report, "i"), "idle");
    env.run("clean --hours 2").exits(0);
    env.run("undo").exits(0);
    env.run("undo --yes").exits(0);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    env.config("[clean]\nidle = { claude = '2h', codex = '1s' }\n");
    let report = env.json("");
    assert_eq!((state(&report, "i"), state(&report, "k")), ("pinned", "idle"));
    assert_eq!(row(&report, "i")["reason"], "restored recently");
}

#[test]
fn what_a_profile_does_not_say_of_a_threshold_is_as_clean_says() {
    let thresholds = |profile: &str| {
        let env = home();
        let clean = "[clean]\nidle = { default = '4h', codex = '5h' }\n";
        env.config(&format!("{clean}[[profile]]\nname = 'p'\n{profile}\n"));
        let report = env.json("-n --profile p");
        (
            report["threshold_seconds"].as_u64(),
            state(&report, "i") == "idle",
            state(&report, "k") == "idle",
        )
    };
    assert_eq!(thresholds(""), (Some(4 * HOUR), false, false));
    assert_eq!(thresholds("idle = { claude = '1h' }"), (Some(4 * HOUR), true, false));
    assert_eq!(thresholds("idle = { codex = '1h' }"), (Some(4 * HOUR), false, true));
    assert_eq!(thresholds("idle = { default = '1h' }"), (Some(HOUR), true, true));
    assert_eq!(thresholds("hours = 1"), (Some(HOUR), true, true));
}

#[test]
fn a_bridges_address_goes_with_the_map_that_is_named_beside_it() {
    let env = home();
    let other = StandIn::holding(&map());
    let clean = format!("[clean]\nbridge = '{}'\n", other.url());
    let place = "session_dir = '../../../bridge'\n";
    // The bridge of [clean] does not hold a map that a profile or a flag names.
    env.config(&format!("{clean}{PROFILE}{place}"));
    for line in [
        "clean -n -v --profile p",
        "clean -n -v --session-dir bridge",
        "clean -n -v --map bridge/session_map.json",
    ] {
        let ran = env.run(line);
        ran.exits(0);
        assert!(ran.out.contains("\n  file: "), "{line}: {ran:?}");
    }
    assert_eq!(other.requests(), [""; 0]);
    env.config(&format!("{PROFILE}{place}bridge = '{}'\n", other.url()));
    assert!(env.run("clean -n -v --profile p").out.contains("\n  bridge: "));
    let before = other.requests().len();
    env.run("clean -n --profile p --map bridge/session_map.json").exits(0);
    assert_eq!(other.requests().len(), before);
    // It holds the one of [clean], and of a profile that names none.
    for text in
        [format!("{clean}{place}"), format!("{clean}{PROFILE}"), format!("{clean}{place}{PROFILE}")]
    {
        env.config(&text);
        let profile = if text.contains(PROFILE) { "--profile p" } else { "" };
        let ran = run(&env, &format!("clean -n -v {profile}"), &[]);
        assert!(ran.out.contains("\n  bridge: "), "{text}: {ran:?}");
    }
}

#[test]
fn what_runs_remember_is_looked_for_where_the_file_says() {
    let env = home();
    let path = env.path("mine.toml");
    fs::write(&path, "[clean]\nstate_dir = 'remembered'\n").unwrap();
    env.run("clean --config mine.toml").exits(0);
    assert!(env.path("remembered/runs.jsonl").exists() && !env.home(".local").exists());
    assert!(env.run("history").out.contains("No run yet."));
    assert!(env.run("undo").out.contains("Nothing to restore."));
    let run = env.run("history --config mine.toml").out;
    assert_eq!(run.lines().count(), 2, "{run}");
    assert!(env.run("list --config mine.toml").out.contains("claude"));
    env.run("undo --config mine.toml").exits(0);
    assert_eq!(env.map_now(), map());
    let list = env.run("list --config mine.toml --format json").out;
    assert!(list.contains("\"state\":\"pinned\""), "{list}");
    assert!(!env.run("list --format json").out.contains("\"state\":\"pinned\""));
    assert!(
        env.run("list --format json --state-dir remembered").out.contains("\"state\":\"pinned\"")
    );
}
