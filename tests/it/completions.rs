//! What shells are offered: the answers to the scripts that `completions` prints. That real shells take
//! them is tried in tests/drills/shells.sh.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::docs::commands;
use crate::env::{DAY, Ran, TestEnv};

/// A session's id that begins with that digit.
fn id(digit: u32) -> String {
    format!("{digit}0000000-0000-4000-8000-000000000000")
}

/// A map with a chat that two models have, and one with a space.
fn map() -> String {
    serde_json::json!({
        "claude-cli": { "website": id(1), "my chat": id(2), "telegram:1": id(3), "shop": id(4) },
        "codex-cli": { "shop": id(5) },
    })
    .to_string()
}

/// The map with its sessions, of which that of the website is idle.
fn mapped(env: &TestEnv) {
    env.map(map());
    env.session("codex", &id(5), 0);
    for digit in 2..5 {
        env.session("claude", &id(digit), 0);
    }
    env.session("claude", &id(1), 2 * DAY);
}

/// The first line of the answer, and the values with what describes them. It never fails.
#[track_caller]
fn answer(env: &TestEnv, words: &[&str]) -> (String, Vec<(String, String)>) {
    let request = ["__complete", "fish", "session-warden"];
    read(&mut env.command(request.iter().chain(words)))
}

#[track_caller]
fn read(command: &mut Command) -> (String, Vec<(String, String)>) {
    let ran = Ran::of(command);
    ran.exits(0);
    assert_eq!(ran.err, "", "{ran:?}");
    let mut lines = ran.out.lines();
    let kind = lines.next().unwrap_or_default().to_owned();
    let values = lines.map(|line| line.split_once('\t').unwrap_or((line, "")));
    (kind, values.map(|(value, about)| (value.to_owned(), about.to_owned())).collect())
}

#[track_caller]
pub fn offered(env: &TestEnv, words: &[&str]) -> Vec<String> {
    let (kind, values) = answer(env, words);
    assert_eq!(kind, "values", "{words:?}");
    values.into_iter().map(|(value, _)| value).collect()
}

#[track_caller]
fn offers(env: &TestEnv, words: &[&str], expected: &[&str]) {
    assert_eq!(offered(env, words), expected, "{words:?}");
}

#[test]
fn every_visible_command_and_option_is_offered_and_no_other() {
    let env = TestEnv::new();
    for (path, command) in commands() {
        let mut words: Vec<&str> = path.split_whitespace().collect();
        let visible = |arg: &&clap::Arg| !arg.is_hide_set() && arg.get_long().is_some();
        let options = command.get_arguments().filter(visible);
        let expected: Vec<String> =
            options.map(|arg| format!("--{}", arg.get_long().unwrap())).collect();
        words.push("--");
        assert_eq!(offered(&env, &words), expected, "{path}");

        let below = command.get_subcommands().filter(|below| !below.is_hide_set());
        let expected: Vec<&str> = below.map(clap::Command::get_name).collect();
        if !expected.is_empty() {
            *words.last_mut().unwrap() = "";
            offers(&env, &words, &expected);
        }
    }
}

#[test]
fn nothing_hidden_is_offered_even_if_nothing_else_fits() {
    let env = TestEnv::new();
    offers(&env, &["hold", "--bec"], &[]);
    offers(&env, &["hold", "--become="], &[]);
    // An alias of `idle`.
    offers(&env, &["list", "--sort", "ag"], &[]);
    offers(&env, &["__"], &[]);
    let help = Ran::of(&mut env.command(["--help"])).out;
    assert!(!help.contains("__complete"), "{help}");
}

/// A value of the grammar that nobody thought of is a file, or free text that is listed here.
#[test]
fn every_value_is_completed_or_free() {
    const FREE: [&str; 16] = [
        "hours",
        "idle",
        "pin",
        "max-remove",
        "release-after",
        "max-release",
        "limit",
        "every",
        "on-calendar",
        "user",
        "beat",
        "beat-command",
        "key",
        "pid",
        "ttl",
        "listen",
    ];
    let env = TestEnv::new();
    env.config(
        "[[profile]]\nname = \"dev\"\n[[keepalive]]\nid = \"own\"\naction = \"command\"\n\
         command = \"true\"\nevery = \"1h\"\n",
    );
    mapped(&env);
    env.run("clean").exits(0);
    for (path, command) in commands() {
        let takes = |arg: &&clap::Arg| !arg.is_hide_set() && arg.get_action().takes_values();
        for arg in command.get_arguments().filter(takes) {
            let Some(long) = arg.get_long().filter(|long| !FREE.contains(long)) else { continue };
            let option = format!("--{long}");
            let words: Vec<&str> = path.split_whitespace().chain([&*option, ""]).collect();
            let (kind, values) = answer(&env, &words);
            assert!(kind != "values" || !values.is_empty(), "{path} {option} has no value");
        }
    }
}

#[test]
fn values_of_the_grammar_are_offered_in_every_place() {
    let env = TestEnv::new();
    for words in [
        &["list", "--state", "i"][..],
        &["--state", "i"],
        &["--unmapped", "list", "-v", "--state", "i"],
        &["--config", "list", "list", "--state", "active", "--state", "i"],
    ] {
        offers(&env, words, &["idle", "in_use"]);
    }
    offers(&env, &["list", "--state=i"], &["--state=idle", "--state=in_use"]);
    offers(&env, &["--missing", ""], &["remove", "keep"]);
    offers(&env, &["clean", "--format", "j"], &["json"]);
    offers(&env, &["clean", "--provider", "c"], &["claude", "codex"]);
    offers(&env, &["list", "--sort", ""], &["idle", "model", "size"]);
    offers(&env, &["clean", "--bridge", ""], &["auto", "off"]);
    let methods = ["systemd-user", "systemd-system", "cron", "launchd", "auto"];
    offers(&env, &["schedule", "install", "--method", ""], &methods);
    offers(&env, &["completions", ""], &["bash", "elvish", "fish", "powershell", "zsh"]);
    offers(&env, &["help", "schedule", "p"], &["print"]);
    offers(&env, &["man", "und"], &["undo"]);
    offers(&env, &["-n"], &["-n"]);
    // An option is offered once, unless it can be repeated.
    offers(&env, &["--dry-run", "--dr"], &[]);
    offers(&env, &["--pin", "a", "--pi"], &["--pin"]);
}

#[test]
fn files_folders_and_programs_are_left_to_the_shell() {
    let env = TestEnv::new();
    for (words, kind) in [
        (&["--map", ""][..], "files"),
        (&["clean", "--log=x"], "files"),
        (&["undo", "--config", ""], "files"),
        (&["--session-dir", ""], "folders"),
        (&["man", "--dir", ""], "folders"),
        (&["hold", "--session", "x", "--", ""], "commands"),
        (&["hold", "--session", "x", "--", "ls", "-l", ""], "files"),
    ] {
        assert_eq!(answer(&env, words), (kind.to_owned(), Vec::new()), "{words:?}");
    }
}

#[test]
fn chats_are_those_of_the_map_that_the_line_names() {
    let env = TestEnv::new();
    let all = ["my chat", "claude-cli/shop", "codex-cli/shop", "telegram:1", "website"];
    offers(&env, &["remove", "w"], &[]);
    fs::create_dir(env.path("other")).unwrap();
    fs::write(env.path("other/session_map.json"), map()).unwrap();
    let folder = env.path("other").display().to_string();
    env.config(&format!("[[profile]]\nname = \"dev\"\nsession_dir = \"{folder}\"\n"));
    for words in [
        &["--session-dir", "other", "remove", ""][..],
        &["remove", "--map", "other/session_map.json", ""],
        &["--map=other/session_map.json", "remove", ""],
        &["--profile", "dev", "remove", ""],
        &["pin", "--profile", "dev", ""],
        &["remove", "--session-dir", &folder, "-n", ""],
    ] {
        offers(&env, words, &all);
    }
    fs::rename(env.path("other"), env.home("below")).unwrap();
    offers(&env, &["remove", "--session-dir", "~/below", "web"], &["website"]);
    env.map(map());
    offers(&env, &["remove", "website", "my chat", ""], &all[1..4]);
    offers(&env, &["remove", "claude-cli/w"], &["claude-cli/website"]);
    offers(&env, &["remove", "5"], &[&id(5)]);
    offers(&env, &["hold", "--chat", "s"], &["shop"]);
    offers(&env, &["hold", "start", "--session", "5"], &[&id(5)]);
    let (_, values) = answer(&env, &["remove", "we"]);
    assert_eq!(values, [("website".to_owned(), "claude-cli 10000000".to_owned())]);
    // No profile of that name.
    let mut command = env.command(["__complete", "fish", "w", "remove", "we"]);
    let (_, values) = read(command.env("SESSION_WARDEN_PROFILE", "none"));
    assert_eq!(values, []);
}

#[test]
fn what_could_harm_a_terminal_or_is_an_option_is_not_offered() {
    let env = TestEnv::new();
    env.map(r#"{"claude-cli": {"a\u001b[31m": "1", "b\nc": "2", "d\u202ee": "3", "-f": "4", "g": "5"}}"#);
    offers(&env, &["remove", ""], &["g"]);
    offers(&env, &["remove", "--", ""], &["-f", "g"]);
    env.map(r#"{"evil\u001b\tmodel": {"a": "1\n2"}}"#);
    let (_, values) = answer(&env, &["remove", ""]);
    assert_eq!(values, [("a".to_owned(), "evil\\u{1b}\\tmodel 1\\n2".to_owned())]);
}

#[test]
fn profiles_and_jobs_are_those_of_the_configuration_that_the_line_names() {
    let env = TestEnv::new();
    let text = "[[profile]]\nname = \"dev\"\n[[profile]]\nname = \"prod\"\n";
    let job = |id: &str, action: &str| {
        format!("[[keepalive]]\nid = \"{id}\"\nevery = \"1h\"\naction = \"{action}\"\n")
    };
    let mut whole = text.to_owned();
    if cfg!(feature = "keepalive") {
        whole.push_str(&job("own", "command\"\ncommand = \"true"));
        whole.push_str(&job("web", "claude-web-ping"));
    }
    fs::write(env.path("own.toml"), whole).unwrap();
    offers(&env, &["clean", "--profile", ""], &[]);
    for words in [
        &["--config", "own.toml", "clean", "--profile", ""][..],
        &["list", "--config=own.toml", "--profile", ""],
    ] {
        offers(&env, words, &["dev", "prod"]);
    }
    offers(&env, &["--config", "own.toml", "--profile=p"], &["--profile=prod"]);
    let mut command = env.command(["__complete", "fish", "w", "undo", "--profile", ""]);
    let (_, values) = read(command.env("SESSION_WARDEN_CONFIG", env.path("own.toml")));
    assert_eq!(values.len(), 2);

    if cfg!(feature = "keepalive") {
        for command in ["run", "enable", "disable"] {
            let words = ["keepalive", command, "--config", "own.toml", ""];
            offers(&env, &words, &["own", "web"]);
        }
        offers(&env, &["keepalive", "run", "--config", "own.toml", "own", ""], &["web"]);
    }
    if cfg!(feature = "web-ping") {
        offers(&env, &["keepalive", "set-key", "--config", "own.toml", ""], &["web"]);
    }
    // A configuration that is broken is no message.
    env.config("[clean\n");
    offers(&env, &["clean", "--profile", ""], &[]);
    offers(&env, &["remove", "x"], &[]);
}

#[test]
fn runs_removed_chats_and_pins_are_those_of_the_state_folder() {
    let env = TestEnv::new();
    offers(&env, &["undo", "2"], &[]);
    mapped(&env);
    env.run("clean").exits(0);
    let first = runs_of(&env);
    env.run("clean").exits(0);
    let runs = runs_of(&env);
    let removing = first.first().unwrap();
    offers(&env, &["undo", "l"], &["latest"]);
    offers(&env, &["undo", ""], &["latest", removing]);
    let (_, values) = answer(&env, &["undo", "2"]);
    assert!(values[0].1.ends_with(", 1 removed"), "{values:?}");
    offers(&env, &["history", "2"], &[&runs[0], &runs[1]]);
    offers(&env, &["undo", "--chat", ""], &["website"]);
    offers(&env, &["undo", removing, "--chat", "w"], &["website"]);
    offers(&env, &["--state-dir", "none", "undo", "2"], &[]);
    // What is restored cannot be undone again, and is in the history.
    env.run("undo --bridge off").exits(0);
    offers(&env, &["undo", "2"], &[]);
    assert_eq!(offered(&env, &["history", ""]).len(), 4);

    env.run("pin website").exits(0);
    env.run("pin claude-cli/shop").exits(0);
    env.run("pin codex-cli/shop").exits(0);
    let pins = ["claude-cli/shop", "website", "codex-cli/shop"];
    offers(&env, &["pin", "--remove", ""], &pins);
    offers(&env, &["pin", "--remove", "website", "c"], &[pins[0], pins[2]]);
    offers(&env, &["pin", "--remove", "--map", "none", "w"], &[]);
}

/// The ids of past runs, newest first.
fn runs_of(env: &TestEnv) -> Vec<String> {
    let history: serde_json::Value = serde_json::from_str(&env.run("history --json").out).unwrap();
    let runs = history["runs"].as_array().unwrap().iter();
    runs.map(|run| run["run"].as_str().unwrap().to_owned()).collect()
}

/// Many runs and a large map: the newest runs, and in no time.
#[test]
fn an_answer_is_bounded_and_changes_nothing() {
    let env = TestEnv::new();
    let chats: serde_json::Map<_, _> =
        (0..20_000).map(|chat| (format!("chat-{chat}"), id(1).into())).collect();
    env.map(serde_json::json!({ "claude-cli": chats }).to_string());
    let state = env.home(".local/state/session-warden");
    fs::create_dir_all(&state).unwrap();
    let line = |run: usize| {
        format!(
            "{{\"run\":\"2026-{run:06}\",\"started\":\"2026-11-21T03:55:07Z\",\"ended\":\"e\",\
             \"exit\":0,\"summary\":{{\"removed\":1}},\"warning\":null}}\n"
        )
    };
    fs::write(state.join("runs.jsonl"), (0..50_000).map(line).collect::<String>()).unwrap();
    let before = (env.map_bytes(), tree(&env));
    let start = Instant::now();
    assert_eq!(offered(&env, &["remove", "chat-1999"]).len(), 11);
    let runs = offered(&env, &["undo", ""]);
    assert_eq!((runs.len(), &*runs[1], &*runs[50]), (51, "2026-049999", "2026-049950"));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());

    // A map that is being written, and one that is no file.
    env.map("{\"claude-cli\": {\"a\": ");
    let start = Instant::now();
    offers(&env, &["remove", "a"], &[]);
    fs::remove_file(env.map_path()).unwrap();
    let made = Command::new("mkfifo").arg(env.map_path()).status().unwrap();
    assert!(made.success());
    offers(&env, &["remove", "a"], &[]);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    fs::remove_file(env.map_path()).unwrap();
    fs::write(env.map_path(), &before.0).unwrap();
    assert_eq!((env.map_bytes(), tree(&env)), before);
}

/// The names of all files of this test.
fn tree(env: &TestEnv) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![env.path("")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.display().to_string());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn each_shell_is_answered_in_its_own_form() {
    let env = TestEnv::new();
    env.map(map());
    let ask = |words: &[&str]| {
        let ran = Ran::of(&mut env.command(["__complete"].iter().chain(words)));
        ran.exits(0);
        assert_eq!(ran.err, "");
        ran.out
    };
    let breaks = " \t\n\"'><=;|&(:";
    let bash = |line: &str| ask(&["bash", breaks, line]);
    assert_eq!(bash("sw remove my"), "values\nmy\\ chat\n");
    assert_eq!(bash("sw remove 'my"), "values\nmy chat\n");
    assert_eq!(bash("sw remove telegram:"), "values\n1\n");
    assert_eq!(bash("sw list --state=id"), "values\nidle\n");
    assert_eq!(bash("sw list > x"), "files\n");
    let zsh = ask(&["zsh", "sw", "remove", "tel"]);
    assert_eq!(zsh, "values\ntelegram\\:1:claude-cli 30000000\n");
    assert_eq!(ask(&["elvish", "sw", "remove", "my"]), "values\nmy chat\tclaude-cli 20000000\n");
    assert_eq!(ask(&["fish", "sw", "remove", "my\\ c"]), ask(&["fish", "sw", "remove", "'my c"]));
    assert_eq!(ask(&["powershell", "sw", "remove", ".web"]), ask(&["fish", "sw", "remove", "web"]));
    // What is no request has no answer, and is no error either.
    for words in [&[][..], &["tcsh", "sw", ""], &["bash", "x"], &["powershell", "sw", "x"]] {
        assert_eq!(ask(words), "", "{words:?}");
    }
}

#[test]
fn scripts_ask_the_program_that_is_in_the_path() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = TestEnv::new().run(&format!("completions {shell}"));
        ran.exits(0);
        assert_eq!(ran.err, "");
        assert!(ran.out.contains(&format!("__complete {shell}")), "{}", ran.out);
        assert!(!ran.out.contains("/session-warden"), "{}", ran.out);
        let first = ran.out.lines().next().unwrap();
        assert_eq!(first == "#compdef session-warden", shell == "zsh", "{first}");
    }
}
