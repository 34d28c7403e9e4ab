//! What `schedule` hands on to a timer: every option, every variable, whatever is in them.

mod honest;
mod install;
#[cfg(feature = "keepalive")]
mod keepalive;
mod lasting;
mod launchd;
mod links;
mod refused;
mod status;
mod system;

use crate::desk::{AsRead, Desk, told};
use crate::env::Ran;
use std::path::absolute;
use std::process::Command;

/// Methods that need nobody but the one who calls.
const METHODS: [&str; 3] = ["systemd-user", "cron", "launchd"];

/// What `clean` itself reads, and a timer must see.
const VARIABLES: [&str; 9] = [
    "HOME",
    "CLAUDE_SESSION_DIR",
    "CLAUDE_BRIDGE_PORT",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "NO_COLOR",
    "CLAUDE_CONFIG_DIR",
    "CODEX_HOME",
    "GEMINI_CLI_HOME",
];

/// Values that some reader on the way could take for something else.
const ODD: [&str; 22] = [
    "a b",
    "it's \"so\"",
    "'",
    "50%",
    "%h/%%/%",
    "$HOME",
    "${HOME}/$$",
    "a\\b",
    "a\\\\b",
    "a\\\\\\\\%b",
    "50\\%x\\\\%",
    "\\n\\x41\\%h",
    "-x",
    "--",
    "`id`$(id)",
    "#x",
    ";",
    "a;b|c&d>e",
    "a  b ",
    "\u{e4}*\u{1f980}",
    "<a & b>",
    "~/!*?[a]",
];

/// The long options in the help of `clean`, each with what it takes.
fn options(desk: &Desk) -> Vec<(String, Option<String>)> {
    let help = desk.run(&["clean", "--help"]).out;
    let lines = help.lines().filter_map(|line| {
        let start = line.strip_prefix("  ")?.trim_start_matches("    ");
        let start = if start.starts_with("--") { start } else { start.get(4..)? };
        let mut words = start.strip_prefix("--")?.split_whitespace();
        let name = format!("--{}", words.next()?);
        let value = words.next().and_then(|word| word.strip_prefix('<')?.strip_suffix('>'));
        Some((name, value.map(str::to_owned)))
    });
    let found: Vec<_> =
        lines.filter(|(name, _)| !matches!(&name[..], "--help" | "--version")).collect();
    assert!(found.len() > 20 && found.contains(&("--log".into(), Some("FILE".into()))), "{help}");
    found
}

/// A right value for an option that takes that, and what the timer is told then.
fn value(desk: &Desk, option: &str, takes: &str) -> (String, String) {
    let same = |value: &str| (value.to_owned(), value.to_owned());
    match (takes, option) {
        ("DIR" | "FILE", _) => {
            let file = if option == "--config" {
                "home/.config/session-warden/config.toml"
            } else {
                "to o"
            };
            (file.to_owned(), desk.env.path(file).to_str().unwrap().to_owned())
        }
        ("H", _) => same("3.5"),
        ("DURATION", _) => same("1d 12h"),
        ("URL|auto|off", _) => same("http://127.0.0.1:9000"),
        ("PATTERN", _) => same("team-*"),
        ("N", _) => same("7"),
        ("NAME", "--provider") => same("codex"),
        ("NAME", "--profile") => same("dev"),
        ("WHEN", _) => same("never"),
        // One of those that are named.
        _ if takes.contains('|') => same(takes.rsplit('|').next().unwrap()),
        _ => panic!("{option} is new: what is a right value for {takes}?"),
    }
}

fn print(desk: &Desk, args: &[&str]) -> Command {
    desk.command(["schedule", "print"].iter().chain(args))
}

/// Without the program itself.
fn arguments(told: &AsRead) -> Vec<&str> {
    assert!(told.words[0].ends_with("/session-warden"), "{told:?}");
    told.words.iter().skip(1).map(String::as_str).collect()
}

#[test]
fn every_option_of_clean_reaches_the_timer() {
    let desk = Desk::new();
    desk.profiles();
    for (name, takes) in options(&desk) {
        let (typed, expected) = match &takes {
            None => (vec![name.clone()], name.clone()),
            Some(takes) => {
                let (value, told) = value(&desk, &name, takes);
                (vec![name.clone(), value], format!("{name}={told}"))
            }
        };
        let typed: Vec<&str> = typed.iter().map(String::as_str).collect();
        for method in METHODS {
            if name == "--dry-run" {
                // That is `schedule`'s own.
                let told = told(method, &mut print(&desk, &typed));
                assert!(!told.words.contains(&name), "{told:?}");
                continue;
            }
            let told = told(method, &mut print(&desk, &typed));
            let mut wanted = vec!["clean"];
            if method == "cron" && !matches!(&name[..], "--quiet" | "--verbose") {
                wanted.push("--quiet");
            }
            wanted.push(&expected);
            let heard: Vec<&str> = arguments(&told)
                .into_iter()
                .map(|w| if w == "-q" { "--quiet" } else { w })
                .collect();
            assert_eq!(heard, wanted, "{method}");
        }
    }
}

#[test]
fn many_options_and_repeated_ones_all_go_with_it() {
    let desk = Desk::new();
    let typed = ["-v", "--pin", "a", "--provider=codex", "--pin", "b", "--provider", "claude"];
    for method in METHODS {
        let told = told(method, &mut print(&desk, &typed));
        let mut words = arguments(&told);
        assert_eq!(words.remove(0), "clean");
        words.sort_unstable();
        let wanted = ["--pin=a", "--pin=b", "--provider=claude", "--provider=codex", "--verbose"];
        assert_eq!(words, wanted, "{method}");
    }
}

/// What comes out is an argument of the real `clean`, not only something that looks like it.
#[test]
fn clean_takes_what_the_timer_is_told() {
    let desk = Desk::new();
    desk.profiles();
    desk.env.map("{}");
    let told = told(
        "cron",
        &mut print(&desk, &["--profile=dev", "--idle", "1d 12h", "--pin=-x", "--log=to o"]),
    );
    let ran = Ran::of(desk.command(arguments(&told)).arg("-n").current_dir("/"));
    assert_ne!(ran.code, 2, "{ran:?}");
    assert!(desk.env.path("to o").exists(), "{ran:?}");
}

#[test]
fn odd_values_of_options_arrive_as_they_are() {
    let desk = Desk::new();
    for odd in ODD {
        let keep = format!("--pin={}", odd.replace(['[', ']'], ""));
        let map = format!("--map={odd}");
        for method in METHODS {
            let told = told(method, &mut print(&desk, &[&keep, &map, "-q"]));
            let place = absolute(desk.env.path(odd)).unwrap();
            let place = format!("--map={}", place.display());
            let mut heard = arguments(&told);
            heard.sort_unstable();
            let mut wanted = vec!["clean", &keep, &place, "--quiet"];
            wanted.sort_unstable();
            assert_eq!(heard, wanted, "{method}");
        }
    }
}

#[test]
fn odd_values_of_variables_arrive_as_they_are() {
    let desk = Desk::new();
    for odd in ODD {
        for method in METHODS {
            let mut command = print(&desk, &[]);
            let place = format!("/srv/{odd}/x");
            command.env_clear().env("PATH", desk.env.path("tools"));
            command.env("HOME", "/home/u").env("CLAUDE_SESSION_DIR", &place).env("NO_COLOR", odd);
            command.env("CODEX_HOME", &place);
            let told = told(method, &mut command);
            let wanted = [
                format!("CLAUDE_SESSION_DIR={place}"),
                format!("CODEX_HOME={place}"),
                "HOME=/home/u".to_owned(),
                format!("NO_COLOR={odd}"),
            ];
            assert_eq!(told.variables, wanted, "{method}");
        }
    }
}

#[test]
fn every_variable_that_is_set_goes_with_it_and_no_other() {
    let desk = Desk::new();
    for set in VARIABLES {
        for method in METHODS {
            let mut command = print(&desk, &[]);
            command.env_clear().env("PATH", desk.env.path("tools")).env("HOME", "/home/u");
            // Empty is unset; the rest is the terminal's, or no business of ours.
            for other in VARIABLES.iter().filter(|other| !["HOME", set].contains(other)) {
                command.env(other, "");
            }
            for (other, value) in [("TERM", "dumb"), ("COLUMNS", "40"), ("LANG", "C"), ("FOO", "x")]
            {
                command.env(other, value);
            }
            let value = if set == "CLAUDE_BRIDGE_PORT" { "8765" } else { "/some/where" };
            let told = told(method, command.env(set, value));
            let mut wanted = vec![format!("{set}={value}")];
            if set != "HOME" {
                wanted.push("HOME=/home/u".to_owned());
            }
            wanted.sort();
            assert_eq!(told.variables, wanted, "{method}");
        }
    }
}

#[test]
fn relative_paths_are_those_of_the_folder_one_is_in() {
    let desk = Desk::new();
    let here = |below: &str| desk.env.path(below).to_str().unwrap().to_owned();
    for method in METHODS {
        let mut command = print(&desk, &["--session-dir", "bridge", "-q"]);
        command.env_clear().env("PATH", desk.env.path("tools")).env("HOME", here("home"));
        command.env("CODEX_HOME", "codex").env("CLAUDE_BRIDGE_PORT", "1").env("NO_COLOR", "yes");
        // Where these are relative, a run passes them over, and so must the timer's.
        command.env("XDG_CONFIG_HOME", "config").env("XDG_STATE_HOME", "state");
        let told = told(method, &mut command);
        let wanted = [
            "CLAUDE_BRIDGE_PORT=1".to_owned(),
            format!("CODEX_HOME={}", here("codex")),
            format!("HOME={}", here("home")),
            "NO_COLOR=yes".to_owned(),
        ];
        assert_eq!(told.variables, wanted, "{method}");
        let dir = format!("--session-dir={}", here("bridge"));
        assert!(told.words.contains(&dir), "{told:?}");
    }
}
