//! Wrong usage ends with 2 and shows a right one; the options that bound what goes do so.

use crate::child::{ACTIVE, IDLE, both, cleaned, mapped, two_sessions};
use crate::env::{HOUR, TestEnv, row, state};
use serde_json::json;

/// That call is refused with exit code 2, nothing on standard output and nothing done, and its
/// message, of one paragraph, says all of that.
#[track_caller]
fn refused<const N: usize>(arguments: [&str; N], says: &[&str]) {
    let env = mapped();
    let ran = crate::env::Ran::of(&mut env.command(arguments));
    ran.exits(2);
    assert_eq!(ran.out, "", "{ran:?}");
    let first = ran.err.split("\n\n").next().unwrap_or_default();
    for part in says {
        assert!(first.contains(part), "no {part:?} in {ran:?}");
    }
    assert_eq!(env.map_bytes(), both().as_bytes());
    assert!(
        env.litter().is_empty()
            && !env.path("bridge/.session_map.json.session-warden.lock").exists()
    );
}

/// Each of these values is refused in one line that shows a right one; after `--name value` as
/// after `--name=value`, and for the command that was named as for the default one.
#[track_caller]
fn refused_values(name: &str, values: &[&str], right: &str) {
    for value in values {
        let joined = format!("{name}={value}");
        refused(["-n", &joined], &[name, right]);
        refused(["clean", &joined], &[name, right]);
        if !value.is_empty() {
            refused([name, value], &[name, right]);
        }
    }
}

#[test]
fn hours_that_are_none_are_refused_with_a_right_one() {
    let values = [
        "0", "-0", "-1", "-0.5", "nan", "NaN", "-nan", "inf", "-inf", "infinity", "1e300",
        "876601", "0.0001", "", "2h", "two", "1,5", "0x2", "1_000", "1 2",
    ];
    refused_values("--hours", &values, "for example --hours 2");
}

#[test]
fn durations_that_are_none_are_refused_with_a_right_one() {
    let values = [
        "0s",
        "0",
        "2",
        "-2h",
        "-1d 12h",
        "nan",
        "inf",
        "1 fortnight",
        "101years",
        "999ms",
        "",
        "99999999999999999999years",
        "h",
        "2h2",
        "2 h ours",
    ];
    refused_values("--idle", &values, "for example --idle 90m");
}

#[test]
fn names_that_are_none_are_refused_with_the_right_ones() {
    refused_values(
        "--bridge",
        &["on", "", "AUTO", "localhost:8000"],
        "for example --bridge http://127.0.0.1:8000",
    );
    refused_values("--missing", &["maybe", "REMOVE"], "remove, keep");
    refused_values("--provider", &["gpt", "Claude", "claude-cli"], "claude, codex, gemini, vibe");
    refused_values("--format", &["xml", "JSON"], "text, json");
    refused_values("--color", &["sometimes", "1"], "auto, always, never");
}

#[test]
fn limits_that_are_none_are_refused_with_a_right_one() {
    let values = ["-1", "1.5", "x", "", "99999999999999999999", "nan", "0x1"];
    refused_values("--max-remove", &values, "for example --max-remove");
}

#[test]
fn options_that_exclude_each_other_are_refused() {
    refused(["--hours", "2", "--idle", "2h"], &["--hours", "--idle"]);
    refused(["clean", "--idle", "2h", "--hours", "2"], &["--hours", "--idle"]);
    refused(["--map", "m", "--session-dir", "d"], &["--map", "--session-dir"]);
    refused(["-q", "-v"], &["--quiet", "--verbose"]);
    refused(["clean", "-vq"], &["--quiet", "--verbose"]);
    refused(["--hours", "2", "--hours", "3"], &["--hours"]);
}

#[test]
fn what_is_not_known_is_refused() {
    refused(["--nope"], &["--nope"]);
    refused(["purge"], &["purge"]);
    refused(["clean", "now"], &["now"]);
    refused(["-n", "now"], &["now"]);
    refused(["demo", "-n"], &["-n"]);
    refused(["--dry"], &["--dry"]);
    for name in
        ["--hours", "--idle", "--map", "--home", "--session-dir", "--provider", "--max-remove"]
    {
        refused(["clean", name], &[name]);
    }
}

/// The same options before and after the command have the same effect.
#[track_caller]
fn same(before: &str, after: &str) {
    let (env, other) = (three_go(), three_go());
    let (mut ran, mut expected) = (env.run(before), other.run(after));
    for (ran, env) in [(&mut ran, &env), (&mut expected, &other)] {
        let root = env.path("").to_string_lossy().into_owned();
        ran.out = ran.out.replace(&root, "/");
        ran.err = ran.err.replace(&root, "/");
    }
    assert_eq!((ran.code, &ran.err), (expected.code, &expected.err), "{before}");
    assert_eq!(ran.out.lines().count(), expected.out.lines().count(), "{before}");
    assert_eq!(env.map_now(), other.map_now(), "{before}");
}

#[test]
fn an_option_before_a_command_means_the_same_as_after_it() {
    same("-n clean", "clean -n");
    same("--dry-run clean -v", "clean --dry-run -v");
    same("--max-remove 0 clean", "clean --max-remove 0");
    same("--max-remove=0 clean", "clean --max-remove=0");
    same("--missing keep --provider codex clean", "clean --missing keep --provider codex");
    same("--provider claude list --provider codex", "list --provider claude --provider codex");
    same("--home home list", "list --home home");
    same("-vn --hours 1 clean", "clean -vn --hours 1");
    same("--state-dir s history", "history --state-dir s");
    same("--state-dir s hold list", "hold list --state-dir s");
    same("-n undo", "undo -n");
    if cfg!(feature = "keepalive") {
        same("--state-dir s keepalive status", "keepalive status --state-dir s");
        same("keepalive --state-dir s status", "keepalive status --state-dir s");
    }
}

#[test]
fn lists_add_up_over_both_places() {
    let env = three_go();
    env.run("--pin i clean --pin k --bridge off").exits(0);
    let expected = json!({"claude-cli": {"a": ACTIVE, "i": IDLE}, "codex-cli": {"k": IDLE}});
    assert_eq!(env.map_now(), expected);
}

#[test]
fn duplicates_and_conflicts_hold_across_both_places() {
    refused(["--hours", "1", "clean", "--hours", "2"], &["--hours", "multiple times"]);
    refused(["--state-dir", "a", "history", "--state-dir", "a"], &["--state-dir"]);
    refused(["-n", "clean", "-n"], &["--dry-run", "multiple times"]);
    refused(["--hours", "1", "clean", "--idle", "2h"], &["--hours", "--idle"]);
    refused(["--map", "m", "list", "--session-dir", "d"], &["--map", "--session-dir"]);
    refused(["-q", "clean", "-v"], &["--quiet", "--verbose"]);
    refused(["--json", "clean", "--format", "text"], &["--json", "--format"]);
}

#[test]
fn an_option_that_the_command_does_not_have_is_refused() {
    for options in [&["-n"][..], &["--hours", "1"], &["--pin", "x"], &["-v"], &["--unmapped"]] {
        let env = mapped();
        let words = options.iter().copied().chain(["demo"]);
        let ran = crate::env::Ran::of(&mut env.command(words));
        ran.exits(2).says(&[
            options[0],
            "error: unexpected argument",
            "Usage: session-warden demo",
        ]);
        assert_eq!(
            ran.err.lines().last(),
            Some("hint: 'session-warden demo --help' shows all options")
        );
        assert_eq!(env.map_bytes(), both().as_bytes());
    }
    refused(["--unmapped", "clean"], &["--unmapped"]);
    refused(["--chat", "x", "list"], &["--chat"]);
}

#[test]
fn a_command_without_its_subcommand_prints_its_help() {
    let env = mapped();
    for command in ["keepalive", "schedule", "hold"] {
        if command == "keepalive" && !cfg!(feature = "keepalive") {
            continue;
        }
        let ran = env.run(command);
        ran.exits(2);
        assert_eq!(ran.out, "");
        assert_eq!(ran.err, env.run(&format!("{command} --help")).exits(0).out);
    }
}

#[test]
fn an_empty_value_is_no_value() {
    let env = mapped();
    for words in [
        &["pin", ""][..],
        &["remove", ""],
        &["undo", ""],
        &["undo", "--chat", ""],
        &["history", ""],
        &["--profile", ""],
        &["--pin", ""],
        &["--map", ""],
        &["schedule", "print", "--user", ""],
        &["schedule", "uninstall", "--profile="],
    ] {
        let ran = crate::env::Ran::of(&mut env.command(words));
        ran.exits(2).says(&["error: ", "hint: "]);
        assert_eq!(env.map_bytes(), both().as_bytes(), "{words:?}");
    }
}

#[test]
fn help_is_a_command_too() {
    let env = mapped();
    let keepalive = cfg!(feature = "keepalive").then_some(" keepalive run");
    for command in ["", " clean", " schedule install", " help"].into_iter().chain(keepalive) {
        let ran = env.run(&format!("help{command}"));
        ran.exits(0);
        let words = command.trim_start();
        assert_eq!(ran.out, env.run(format!("{words} --help").trim_start()).exits(0).out);
        assert_eq!(ran.err, "");
    }
    env.run("help nope").exits(2).says(&["error: session-warden has no command 'nope'", "hint: "]);
    env.run("help clean nope").exits(2).says(&["session-warden clean has no command 'nope'"]);
}

#[test]
fn the_short_help_fits_a_screen_and_names_what_exists() {
    let env = mapped();
    let (short, long) = (env.run("-h").out, env.run("--help").out);
    assert!(short.lines().count() <= 24, "{short}");
    assert!(short.lines().all(|line| line.chars().count() <= 80), "{short}");
    assert_eq!(env.run("-n -h").out, short);
    let mut shown = 0;
    for line in short.lines().skip_while(|line| *line != "Commands:").skip(1) {
        let word = line.trim_start().trim_start_matches("-n, ").trim_start_matches("-h, ");
        let Some(name) = word.split_whitespace().next().filter(|_| line.starts_with("  ")) else {
            continue;
        };
        assert!(long.contains(name), "{name}");
        shown += 1;
    }
    assert!(shown >= 9, "{short}");
}

#[test]
fn help_and_version_are_no_errors() {
    let env = mapped();
    for line in ["--help", "-h", "clean --help", "demo --help", "--version", "-V"] {
        let ran = env.run(line);
        assert!(ran.code == 0 && ran.err.is_empty() && !ran.out.is_empty(), "{ran:?}");
        assert!(ran.out.lines().all(|line| line.chars().count() <= 100), "{}", ran.out);
    }
    assert_eq!(env.map_bytes(), both().as_bytes());
}

/// The version, and the commit with its date where the build knows it: `0.1.0 (1a2b3c4d5 2026-11-28)`.
#[test]
fn the_version_shows_the_commit_and_its_date() {
    let root = env!("CARGO_MANIFEST_DIR");
    let git = |arguments: &[&str]| {
        let mut command = std::process::Command::new("git");
        let output = command.arg("-C").arg(root).args(arguments).output();
        output.is_ok_and(|output| output.status.success() && output.stdout == b"\n")
    };
    for line in ["--version", "-V"] {
        let out = TestEnv::new().run(line).out;
        let version = concat!("session-warden ", env!("CARGO_PKG_VERSION"));
        let rest = out.strip_prefix(version).and_then(|rest| rest.strip_suffix('\n')).unwrap();
        // The commit itself may be a newer one by now.
        if git(&["rev-parse", "--show-prefix"]) {
            assert_ne!(rest, "", "it is built from a clone");
        }
        if rest.is_empty() {
            continue;
        }
        let commit = rest.strip_prefix(" (").and_then(|rest| rest.strip_suffix(')')).unwrap();
        let (commit, date) = commit.split_once(' ').unwrap_or((commit, "2026-11-28"));
        assert!(commit.len() == 9 && commit.bytes().all(|b| b.is_ascii_hexdigit()), "{out}");
        let digits: String =
            date.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(digits, "0000-00-00", "{out}");
    }
}

#[test]
fn right_values_are_taken() {
    for value in ["2", "0.5", "+2", "1e3", " 2 ", "876600", "0.00028"] {
        let env = mapped();
        crate::env::Ran::of(&mut env.command(["-n", "--hours", value])).exits(0);
        assert_eq!(env.map_bytes(), both().as_bytes());
    }
    let shown = |line: &str| mapped().json(line)["threshold_seconds"].as_u64();
    assert_eq!(shown("-n --hours=1.5"), Some(5_400));
    assert_eq!(shown("-n --idle=90m"), Some(5_400));
    assert_eq!(shown("clean -n --idle 1h30m"), Some(5_400));
    assert_eq!(shown("-n"), Some(7_200));
}

/// An active session and three idle ones.
fn three_go() -> TestEnv {
    let env = two_sessions();
    env.map(format!(
        r#"{{"claude-cli": {{"a": "{ACTIVE}", "i": "{IDLE}", "j": "{IDLE}"}}, "codex-cli": {{"k": "{IDLE}"}}}}"#
    ));
    env.session("codex", IDLE, 3 * HOUR);
    env
}

#[test]
fn more_than_the_limit_changes_nothing_dry_or_not() {
    for limit in [0, 1, 2] {
        for dry in ["", "-n ", "--format json "] {
            let env = three_go();
            let before = env.map_bytes();
            let ran = env.run(&format!("clean {dry}--max-remove {limit}"));
            let said = format!("3 mappings would be removed, more than --max-remove {limit}");
            ran.exits(1).says(&[&said, "nothing was changed"]);
            assert_eq!((ran.out.as_str(), env.map_bytes()), ("", before));
            assert!(env.litter().is_empty());
        }
    }
}

#[test]
fn as_many_as_the_limit_go() {
    for limit in [3, 4, u64::MAX] {
        let env = three_go();
        let dry = env.json(&format!("-n --max-remove {limit}"));
        assert_eq!(dry["summary"]["would_remove"], 3);
        let real = env.json(&format!("clean --max-remove {limit}"));
        assert_eq!(real["summary"]["removed"], 3);
        assert_eq!(env.map_now(), json!({"claude-cli": {"a": ACTIVE}, "codex-cli": {}}));
    }
    // Where nothing would go, nothing is more than none.
    let env = two_sessions();
    env.map(cleaned());
    env.run("clean --max-remove 0").exits(0);
    // What is kept does not count.
    let env = three_go();
    env.run("clean --max-remove 1 --provider codex").exits(0);
}

#[test]
fn other_providers_are_in_no_row_and_no_count() {
    let env = three_go();
    let report = env.json("clean --provider codex");
    assert_eq!(report["sessions"].as_array().unwrap().len(), 1, "{report:#}");
    assert_eq!(state(&report, "k"), "idle");
    assert_eq!(row(&report, "k")["action"], "removed");
    assert_eq!(report["summary"]["checked"], 1);
    assert_eq!(report["summary"]["removed"], 1);
    assert_eq!(report["warnings"], json!([]));
    let left = env.map_now();
    assert_eq!(left["claude-cli"].as_object().unwrap().len(), 3);
    assert_eq!(left["codex-cli"], json!({}));
    // Several of them; unknown models belong to none.
    let env = three_go();
    env.map(format!(
        r#"{{"claude-cli": {{"a": "{ACTIVE}", "i": "{IDLE}"}}, "codex-cli": {{"k": "{IDLE}"}}, "gemini-cli": {{"g": "x"}}, "new-cli": {{"n": "y"}}, "odd": 7}}"#
    ));
    let report = env.json("-n --provider codex --provider claude");
    assert_eq!(report["summary"]["checked"], 3, "{report:#}");
    assert_eq!(report["warnings"], json!([]), "neither gemini's folder nor the odd model matter");
    let ran = env.run("-n --provider codex -v");
    ran.exits(0);
    assert!(!ran.out.contains("claude-cli") && !ran.out.contains("new-cli"), "{ran:?}");
    assert!(ran.out.contains("Sessions checked: 1"), "{ran:?}");
    // Without it all are counted, and gemini has no folder of sessions.
    let ran = env.run("-n --format json");
    assert_eq!(ran.exits(3).report()["summary"]["checked"], 5);
}
