//! The configuration file: where it is looked for, what is wrong in it and where, and the commands
//! that show it and begin one.

use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::child::{both, bounded, mapped, unprivileged, with_mode};
use crate::env::{Ran, TestEnv, link};

/// The setting of that name as `config` shows it: its value and origin.
#[track_caller]
fn setting(ran: &Ran, name: &str) -> (String, String) {
    ran.exits(0);
    let all: Value = serde_json::from_str(&ran.out).unwrap();
    let mut settings = all["settings"].as_array().unwrap().iter();
    let one = settings.find(|setting| setting["name"] == name).unwrap();
    (one["value"].as_str().unwrap().to_owned(), one["origin"].as_str().unwrap().to_owned())
}

fn threshold(env: &TestEnv, line: &str, xdg: &str) -> String {
    let mut command = env.command(format!("config --format json {line}").split_whitespace());
    setting(&Ran::of(command.env("XDG_CONFIG_HOME", xdg)), "idle").0
}

#[test]
fn it_is_looked_for_where_xdg_says_else_in_the_home_or_where_config_says() {
    let env = TestEnv::new();
    let write = |below: &str, hours: u32| {
        let path = env.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("[clean]\nhours = {hours}\n")).unwrap();
    };
    let xdg = env.path("xdg");
    let xdg = xdg.to_str().unwrap();
    assert_eq!(threshold(&env, "", ""), "2h");
    write("home/.config/session-warden/config.toml", 3);
    assert_eq!(threshold(&env, "", ""), "3h");
    // It says where to look, so the other place is not looked at.
    assert_eq!(threshold(&env, "", xdg), "2h");
    write("xdg/session-warden/config.toml", 4);
    assert_eq!(threshold(&env, "", xdg), "4h");
    // A relative one is to be ignored.
    assert_eq!(threshold(&env, "", "xdg"), "3h");
    write("mine.toml", 5);
    assert_eq!(threshold(&env, "--config mine.toml", xdg), "5h");
    symlink(env.path("mine.toml"), env.path("link.toml")).unwrap();
    assert_eq!(threshold(&env, "--config link.toml", xdg), "5h");
    // A file in the folder's place is as good as none; what was named must be there.
    assert_eq!(threshold(&env, "", env.path("mine.toml").to_str().unwrap()), "2h");
    env.run("config --config mine.toml/x").exits(2).says(&["cannot read the configuration "]);
}

/// Every command that reads the configuration, and changes nothing where that is wrong.
const READERS: [&str; 8] =
    ["", "clean", "-n", "clean --all-profiles", "undo", "history", "list", "config"];

/// That configuration ends each command with 2 and these lines, and nothing is changed.
#[track_caller]
fn wrong(env: &TestEnv, options: &str, lines: &[&str]) {
    for command in READERS {
        let line = format!("{command} {options}");
        let ran = bounded(&mut env.command(line.split_whitespace()));
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{line}: {ran:?}");
        let said: Vec<&str> = ran.err.lines().collect();
        assert_eq!(said.len(), lines.len(), "{line}: {ran:?}");
        for (said, expected) in said.iter().zip(lines) {
            assert!(said.contains(expected), "{line}: no {expected:?} in {ran:?}");
        }
    }
    assert_eq!(env.map_bytes(), both().as_bytes());
    assert!(env.litter().is_empty() && !env.home(".local").exists());
}

#[test]
fn what_cannot_be_read_ends_every_command_and_changes_nothing() {
    let env = mapped();
    let cannot = |name: &str| format!("cannot read the configuration {}", env.path(name).display());
    let hint = "hint: session-warden config --init writes an example";
    let other = "hint: ";
    wrong(&env, "--config nope.toml", &[&(cannot("nope.toml") + ": no such file"), hint]);
    wrong(&env, "--config home", &[&(cannot("home") + ": not a regular file"), other]);
    fs::write(env.path("large.toml"), "# é\n".repeat(1 << 19)).unwrap();
    wrong(
        &env,
        "--config large.toml",
        &[&(cannot("large.toml") + ": it is larger than 1 MiB"), other],
    );
    fs::write(env.path("bytes.toml"), b"[clean]\n# \xc3\xa9\n# \xff\n").unwrap();
    let place = format!("error: {}:3: not UTF-8", env.path("bytes.toml").display());
    wrong(&env, "--config bytes.toml", &[&place, "hint: save the file as UTF-8"]);
    // Nobody ever writes into it, and it is not waited for.
    rustix::fs::mknodat(
        rustix::fs::CWD,
        env.path("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    wrong(&env, "--config fifo", &[&(cannot("fifo") + ": not a regular file"), other]);
    // The usual place need not be there, but what is there must be right.
    env.file(".config/session-warden/config.toml/x", "", 0);
    wrong(&env, "", &["config.toml: not a regular file", other]);
    for command in READERS {
        let mut arguments: Vec<&str> = command.split_whitespace().collect();
        arguments.extend(["--config", ""]);
        assert_eq!(Ran::of(&mut env.command(arguments)).code, 2, "{command}");
    }
}

#[test]
fn one_that_may_not_be_read_is_no_configuration_either() {
    let env = mapped();
    let path = env.config("[clean]\nhours = 3\n");
    drop(unprivileged(&env, ""));
    let _mode = with_mode(path, 0o000);
    let ran = Ran::of(&mut unprivileged(&env, "clean"));
    ran.exits(2).says(&["cannot read the configuration ", "config.toml: permission denied\n"]);
    assert_eq!(env.map_bytes(), both().as_bytes());
}

#[test]
fn a_wrong_one_ends_every_command_but_those_that_read_none() {
    let env = mapped();
    env.config("\n[clean]\nhuors = 3\n");
    let place = "home/.config/session-warden/config.toml:3: unknown key \"huors\" in [clean]";
    wrong(&env, "", &[place, "hint: did you mean \"hours\"?"]);
    for line in ["demo", "completions bash", "man", "--help", "--version"] {
        assert_eq!(env.run(line).exits(0).err, "", "{line}");
    }
    // Nor those that are told to read another.
    fs::write(env.path("right.toml"), "").unwrap();
    env.run("clean --config right.toml").exits(0);
}

/// That text is refused, at that line, with a message that says so.
#[track_caller]
fn refused(text: &str, line: usize, says: &[&str]) {
    let env = mapped();
    let path = env.config(text);
    let ran = env.run("clean");
    ran.exits(2).says(says);
    let start = format!("error: {}:{line}: ", path.display());
    assert!(ran.err.starts_with(&start), "{text:?}: {ran:?}");
    let rest: Vec<&str> = ran.err.lines().skip(1).collect();
    assert!(rest.len() <= 1 && rest.iter().all(|line| line.starts_with("hint: ")), "{ran:?}");
    assert_eq!((ran.out.as_str(), env.map_bytes()), ("", both().into_bytes()));
}

#[test]
fn an_unknown_key_is_told_with_its_line_and_the_nearest_right_one() {
    refused("\n[cleen]\n", 2, &["unknown key \"cleen\" at the top", "did you mean \"clean\"?"]);
    refused("[[profiles]]\nname = 'a'\n", 1, &["\"profiles\" at the top", "mean \"profile\"?"]);
    refused("hours = 2\n", 1, &["\"hours\" at the top", "the keys are clean, profile"]);
    let line = "[clean]\nhours = 2\nsession-dir = 'x'\n";
    refused(line, 3, &["\"session-dir\" in [clean]", "did you mean \"session_dir\"?"]);
    refused("clean.max_removed = 3\n", 1, &["in [clean]", "did you mean \"max_remove\"?"]);
    refused("[clean]\nxyz = 1\n", 2, &["\"xyz\" in [clean]", "the keys are session_dir, map, "]);
    let line = "[[profile]]\nname = 'a'\n[[profile]]\nname = 'b'\npim = []\n";
    refused(line, 5, &["\"pim\" in [[profile]]", "did you mean \"pin\"?"]);
    // What stands in [clean] only is none of a profile's.
    for key in ["dry_run = true", "state_dir = 'x'", "metrics = 'x'", "format = 'json'"] {
        refused(&format!("[[profile]]\nname = 'a'\n{key}\n"), 3, &["in [[profile]]"]);
    }
    refused("[clean.idle]\ndefault = '2h'\nclaud = '2h'\n", 3, &["claude, codex, gemini, vibe"]);
    // Nothing in it reaches a terminal raw.
    refused("[clean]\n\"\\u001b[31m\" = 1\n", 2, &["\\u{1b}[31m"]);
}

#[test]
fn a_wrong_value_is_told_with_its_line_and_a_right_one() {
    for (line, says) in [
        ("hours = '2'", "hours is not a number; for example hours = 2"),
        ("hours = 0", "not between 1 second and 100 years; for example hours = 2"),
        ("hours = -1.5", "for example hours = 2"),
        ("hours = nan", "for example hours = 2"),
        ("hours = 0x2", "hours is not a decimal number"),
        ("idle = 90", "idle is not a string; for example idle = \"90m\""),
        ("idle = '2'", "for example idle = \"90m\""),
        ("idle = { claude = 2 }", "idle is not a string for claude"),
        ("idle = { gpt = '2h' }", "idle is set for \"gpt\", but not for one of claude, codex"),
        ("session_dir = 3", "for example session_dir = \"/tmp/claude_sessions\""),
        ("session_dir = ''", "session_dir is empty"),
        ("map = \"a\\u0000b\"", "map is not a path"),
        ("home = true", "home is not a string"),
        ("bridge = 'localhost:8000'", "for example bridge = \"http://127.0.0.1:9000\""),
        ("allow_remote_bridge = 'yes'", "for example allow_remote_bridge = false"),
        ("missing = 'maybe'", "missing is neither remove nor keep; for example missing = "),
        ("clock = 'atime'", "clock is neither mtime nor record; for example clock = "),
        ("pin = 'a'", "pin is not a list of strings; for example pin = [\"team-*\"]"),
        ("pin = ['a', 3]", "pin is not a list of strings"),
        (
            "pin = ['a', '[']",
            "pin is not a list of patterns: \"[\" is not a valid pattern (unclosed character class",
        ),
        ("provider = ['gpt']", "but must be one of claude, codex, gemini, vibe; for example"),
        ("max_remove = -1", "max_remove is not a whole number; for example max_remove = 100"),
        ("max_remove = 1.5", "for example max_remove = 100"),
        ("dry_run = 1", "dry_run is neither true nor false; for example"),
        ("format = 'xml'", "for example format = \"text\""),
        ("color = 1979-05-27", "color is not a string; for example color = \"auto\""),
        ("quiet = []", "quiet is neither true nor false; for example quiet = true"),
        ("verbose = {}", "verbose is neither true nor false"),
        ("metrics = 7", "for example metrics = \"/path/of.prom\""),
        ("state_dir = 7", "for example state_dir = \"/path/of/folder\""),
    ] {
        let says: Vec<&str> = says.split("; ").collect();
        refused(&format!("# first\n[clean]\n{line}\n"), 3, &says);
    }
    refused(
        "[clean]\npin = [\n  'a',\n  '{a',\n]\n",
        4,
        &["pin is not a list of patterns: \"{a\""],
    );
    refused(
        "[clean]\nidle = { claude = '2h',\n  codex = 'x' }\n",
        3,
        &["idle is not a duration", " for codex"],
    );
    refused("[clean]\nhours = 2\nhours = 3\n", 3, &["duplicate key"]);
    refused("[clean\n", 1, &["unclosed table"]);
    refused("\n\nclean = 3\n", 3, &["[clean] is not a table"]);
    refused("[profile]\nname = 'a'\n", 1, &["begin each one with [[profile]]"]);
}

#[test]
fn what_excludes_each_other_does_so_in_the_file() {
    for section in ["[clean]", "[[profile]]\nname = 'a'"] {
        let line = section.lines().count() + 2;
        let place = format!("{section}\nsession_dir = 'a'\nmap = 'b'\n");
        refused(&place, line, &["session_dir and map cannot be used together"]);
        let idle = format!("{section}\nhours = 2\nidle = '2h'\n");
        refused(&idle, line, &["hours and idle cannot be used together"]);
    }
    refused(
        "[clean]\nquiet = true\nverbose = true\n",
        3,
        &["quiet and verbose cannot be used together"],
    );
}

#[test]
fn a_profile_has_a_name_of_its_own() {
    let line = "[[profile]]\nname = 'a'\n\n[[profile]]\nhours = 2\n";
    refused(line, 4, &["this [[profile]] has no name"]);
    let line = "[[profile]]\nname = 'a'\n[[profile]]\nname = 'a'\n";
    refused(line, 4, &["already the name of another profile"]);
    for name in ["''", "'.a'", "'-a'", "'a b'", "'a/b'", "'é'", "\"a\\n\"", "3"] {
        let line = format!("[[profile]]\nname = {name}\n");
        refused(&line, 2, &["name is ", "for example name = \"dev\""]);
    }
    let env = mapped();
    env.config("[[profile]]\nname = 'A.b_c-9'\n[[profile]]\nname = '_'\n");
    env.run("-n --profile A.b_c-9").exits(0);
    env.run("-n --profile _").exits(0);
}

#[test]
fn paths_begin_at_the_home_or_at_the_folder_of_the_file() {
    let env = TestEnv::new();
    env.file("conf/c.toml", "[clean]\nstate_dir = '~/s'\nmap = 'm.json'\nmetrics = '/m'\n", 0);
    link(&env.home("conf/c.toml"), &env.path("link/c.toml"));
    let shown = |path: &str| {
        let mut command = env.command(["config", "--format", "json", "--config", path]);
        let ran = Ran::of(command.env_remove("CLAUDE_SESSION_DIR"));
        ["state_dir", "map", "metrics"].map(|name| setting(&ran, name).0)
    };
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let home = path(&env.home("s"));
    let expected = [home.clone(), path(&env.home("conf/m.json")), "/m".to_owned()];
    assert_eq!(shown("home/conf/c.toml"), expected);
    let expected = [home, path(&env.path("link/m.json")), "/m".to_owned()];
    assert_eq!(shown("link/c.toml"), expected);
    for odd in ["~m", "~root/m", "$HOME/m"] {
        env.file("conf/c.toml", format!("[clean]\nmap = '{odd}'\n"), 0);
        env.run("-n --config home/conf/c.toml")
            .exits(2)
            .says(&["c.toml:2: ", "only ~/ is expanded"]);
    }
    env.file("conf/c.toml", "[clean]\nstate_dir = '~'\nmap = 'm~'\n", 0);
    let [state, map, _] = shown("home/conf/c.toml");
    assert_eq!(Path::new(&state), env.path("home"));
    assert_eq!(map, path(&env.home("conf/m~")));
}
