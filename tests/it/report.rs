//! The report, to the letter: other programs read its words and its fields.

use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, SystemTime};
use unicode_width::UnicodeWidthStr;

use crate::child::{both, two_sessions};
use crate::env::{DAY, HOUR, MINUTE, Ran, TestEnv, row, set_written, state};
use crate::terminal::shown;

const ACTIVE: &str = "11111111-1111-4111-8111-111111111111";
const IDLE: &str = "22222222-2222-4222-8222-222222222222";
const GONE: &str = "33333333-3333-4333-8333-333333333333";
const OLDER: &str = "44444444-4444-4444-8444-444444444444";

/// One active, one idle, one missing session of Claude's.
fn three() -> TestEnv {
    let env = TestEnv::new();
    env.session("claude", ACTIVE, 5 * MINUTE);
    env.session("claude", IDLE, 3 * HOUR + 12 * MINUTE + 30);
    env.map(format!(
        r#"{{"claude-cli": {{"chat-a": "{ACTIVE}", "chat-i": "{IDLE}", "chat-g": "{GONE}"}}}}"#
    ));
    env
}

const SUMMARY: &str = "Cleanup summary
  Sessions checked: 3
  Active (kept): 1
  Idle (>2h): 1
  Missing files: 1
";
const DRY_END: &str = "  Would clean up: 2 mappings
Nothing was removed. Run the same command without `--dry-run` to remove them.
";
const REAL_END: &str = "  Cleaned up: 2 mappings
No session was deleted. Resume one with its CLI, for example `claude --resume ID`; \
`session-warden undo` restores the mappings.
";

#[test]
fn the_summary_has_these_words_in_this_order() {
    let env = three();
    let dry = env.run("--dry-run");
    dry.exits(0);
    assert!(dry.out.ends_with(&format!("{SUMMARY}{DRY_END}")), "{}", dry.out);
    assert_eq!(dry.err, "");
    let real = env.run("clean");
    real.exits(0);
    assert!(real.out.ends_with(&format!("{SUMMARY}{REAL_END}")), "{}", real.out);
    assert_eq!(env.map_now(), json!({"claude-cli": {"chat-a": ACTIVE}}));
}

#[test]
fn archived_stands_between_missing_and_unknown_when_it_counts() {
    let env = three();
    env.session("codex", ACTIVE, MINUTE);
    env.file(&format!(".codex/archived_sessions/rollout-2026-01-05T10-00-00-{IDLE}.jsonl"), "x", 9);
    env.map(json!({"codex-cli": {"a": ACTIVE, "b": IDLE}}).to_string());
    let ran = env.run("-n");
    let words = "  Idle (>2h): 0\n  Archived: 1\n  Would clean up: 1 mapping\n";
    assert!(ran.out.contains(words), "{}", ran.out);
}

#[test]
fn the_threshold_is_shown_as_it_was_typed() {
    let env = three();
    for (option, shown) in [
        ("--hours 1.5", "Idle (>1.5h): 1"),
        ("--hours 4", "Idle (>4h): 0"),
        ("--idle 90m", "Idle (>90m): 1"),
        ("--idle 7d", "Idle (>7d): 0"),
    ] {
        let ran = env.run(&format!("-n {option}"));
        ran.exits(0);
        assert!(ran.out.contains(shown), "{option}: {}", ran.out);
    }
    assert_eq!(env.json("-n --hours 1.5")["threshold_seconds"], 5400);
}

#[test]
fn a_line_for_each_mapping_that_goes_or_needs_attention() {
    let env = three();
    let path = env.map_path();
    env.session("claude", OLDER, 3 * DAY + 4 * HOUR + MINUTE);
    env.map(format!(
        r#"{{"interactive-discussion": {{"talk": "x"}}, "claude-cli":
            {{"chat-a": "{ACTIVE}", "chat-i": "{IDLE}", "chat-g": "{GONE}", "chat-o": "{OLDER}"}}}}"#
    ));
    let dry = env.run("-n");
    // In the order of the map; a dry run shows those that are kept as well.
    let table = format!(
        "\
Dry run: nothing will be changed.
{} · idle after 2h

CLI                     STATE    IDLE    CHAT    SESSION                               ACTION
interactive-discussion  unknown  -       talk    x                                     kept: unknown model
claude                  active   5m      chat-a  {ACTIVE}  kept
claude                  idle     3h 12m  chat-i  {IDLE}  would remove
claude                  missing  -       chat-g  {GONE}  would remove
claude                  idle     3d 4h   chat-o  {OLDER}  would remove

Cleanup summary
",
        path.display()
    );
    assert!(dry.out.starts_with(&table), "{}\n{table}", dry.out);

    let claude = env.home(".claude/projects");
    let verbose = env.run("-n -v");
    assert!(verbose.out.contains(&format!("\n  claude: {}\n", claude.display())), "{verbose:?}");
    assert!(verbose.out.contains("\n  idle if last used before 20"), "{verbose:?}");
    let rows: Vec<&str> = verbose.out.lines().filter(|line| line.starts_with("claude ")).collect();
    assert_eq!(rows.iter().filter(|line| line.contains(" UTC  chat-")).count(), 3, "{rows:?}");

    let bytes = env.map_bytes();
    for (option, shows_active) in [("", false), ("--verbose", true)] {
        fs::write(&path, &bytes).unwrap();
        let real = env.run(&format!("clean {option}"));
        assert_eq!(real.out.contains("chat-a"), shows_active, "{}", real.out);
        // Those without a row are counted.
        assert_eq!(real.out.contains("\nclaude: 4 chats, 1 active\n"), !shows_active, "{real:?}");
        let row = real.out.lines().find(|line| line.contains("chat-o")).unwrap();
        assert!(row.contains("idle     3d 4h") && row.ends_with("  removed"), "{row}");
        assert!(real.out.contains("kept: unknown model"), "{}", real.out);
        assert!(!real.out.contains("Dry run"), "{real:?}");
    }
}

#[test]
fn one_mapping_is_not_two() {
    let env = two_sessions();
    env.map(both());
    let dry = env.run("-n").out;
    assert!(dry.contains("Would clean up: 1 mapping\n"), "{dry}");
    assert!(dry.ends_with("without `--dry-run` to remove it.\n"), "{dry}");
    let real = env.run("clean").out;
    assert!(real.contains("Cleaned up: 1 mapping\n"), "{real}");
    assert!(real.ends_with("restores the mapping.\n"), "{real}");
    // Where nothing is removed, nothing is said of it.
    let none = env.run("clean").out;
    assert!(none.ends_with("  Cleaned up: 0 mappings\n"), "{none}");
}

#[test]
fn ids_are_cut_only_on_a_terminal_that_is_too_narrow() {
    let env = three();
    let at = |width: u16, line: &str| {
        let mut command = env.command(line.split(' '));
        command.env("NO_COLOR", "1");
        shown(command, width).out
    };
    assert!(at(140, "-n").contains(IDLE) && env.run("-n").out.contains(IDLE));
    let narrow = at(90, "-n");
    assert!(narrow.lines().all(|line| line.width() <= 90), "{narrow}");
    assert!(narrow.contains(IDLE), "it fits: {narrow}");
    let narrow = at(60, "-n");
    assert!(narrow.contains("22222222  would remove") && !narrow.contains(IDLE), "{narrow}");
    assert!(at(60, "-n -v").contains(IDLE), "never with -v");
    assert!(at(60, "-n --log log").contains("22222222  would remove"));
    assert!(fs::read_to_string(env.path("log")).unwrap().contains(IDLE), "never in a log");
}

#[test]
fn a_dry_run_and_the_real_one_print_the_same_decisions() {
    let env = three();
    let dry = env.json("--dry-run");
    let real = env.json("");
    let decisions = |report: &Value| -> Vec<Value> {
        let rows = report["sessions"].as_array().unwrap();
        let field = |row: &Value, name: &str| row[name].clone();
        let names = ["model", "chat_id", "session_id", "state", "last_used", "file", "reason"];
        rows.iter().map(|row| names.map(|name| field(row, name)).into()).collect()
    };
    assert_eq!(decisions(&dry), decisions(&real));
    assert_eq!(dry["summary"]["would_remove"], real["summary"]["removed"]);
    assert_eq!(row(&dry, "chat-i")["action"], "would_remove");
    assert_eq!(row(&real, "chat-i")["action"], "removed");
    assert_eq!(row(&real, "chat-a")["action"], "kept");
}

#[test]
fn json_has_every_field_and_null_where_there_is_nothing() {
    let env = three();
    let file = env.session("claude", IDLE, 0);
    let used = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250);
    set_written(&file, used);
    let report = env.json("-n");
    assert_eq!(report["schema"], 1);
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["dry_run"], true);
    assert_eq!(report["threshold_seconds"], 7200);
    assert_eq!(
        report["source"],
        json!({"kind": "file", "map": env.map_path().to_str(), "url": null})
    );
    assert_eq!(
        report["summary"],
        json!({"checked": 3, "active": 1, "in_use": 0, "resident": 0, "idle": 1, "missing": 1, "archived": 0,
               "pinned": 0, "unknown": 0, "removed": 0, "would_remove": 2, "failed": 0,
               "resident_bytes": 0, "resident_connections": 0, "released": 0, "would_release": 0,
               "released_bytes": 0})
    );
    assert_eq!(report["warnings"], json!([]));
    assert_eq!(report["leftovers"], json!([]));
    let gone = row(&report, "chat-g");
    for absent in ["last_used", "idle_seconds", "file", "process"] {
        assert_eq!(gone[absent], Value::Null, "{absent}");
    }
    let idle = row(&report, "chat-i");
    assert_eq!(idle["last_used"], "2023-11-14T22:13:20.250Z");
    assert_eq!(idle["file"], file.to_str().unwrap());
    assert_eq!((&idle["model"], &idle["session_id"]), (&json!("claude-cli"), &json!(IDLE)));
    let active = row(&report, "chat-a")["idle_seconds"].as_u64().unwrap();
    assert!((5 * MINUTE..6 * MINUTE).contains(&active), "{active}");
    // The map's own order, and a run id that no other run has.
    let chats: Vec<_> =
        report["sessions"].as_array().unwrap().iter().map(|row| &row["chat_id"]).collect();
    assert_eq!(chats, ["chat-a", "chat-i", "chat-g"]);
    assert_ne!(report["run"], env.json("-n")["run"]);
}

#[test]
fn absurd_times_are_null_and_kept_or_judged_but_never_a_panic() {
    let env = three();
    let file = env.session("claude", ACTIVE, 0);
    let old = env.session("claude", IDLE, 0);
    set_written(&file, SystemTime::UNIX_EPOCH + Duration::from_secs(8_000_000_000));
    set_written(&old, SystemTime::UNIX_EPOCH - Duration::from_secs(2_000_000_000));
    let report = env.json("-n --hours 876600");
    assert_eq!(state(&report, "chat-a"), "active");
    assert_eq!(row(&report, "chat-a")["idle_seconds"], 0);
    assert!(report["cutoff"].as_str().unwrap().starts_with("19"), "{report}");
    assert_eq!(state(&env.json("-n"), "chat-i"), "idle");
    assert_eq!(env.run("-n --hours 876600").code, 0);
}

#[test]
fn no_map_is_a_report_of_zeros() {
    let env = TestEnv::new();
    let text = env.run("");
    text.exits(0);
    assert!(text.out.contains("nothing to clean") && text.out.contains("session_map.json"));
    assert!(
        text.out.contains("Sessions checked: 0") && text.out.contains("Cleaned up: 0 mappings")
    );
    let report = env.json("");
    assert_eq!(report["sessions"], json!([]));
    assert!(report["summary"].as_object().unwrap().values().all(|count| count == 0));
    assert_eq!(env.litter(), [""; 0], "a run without a map leaves nothing behind");
}

#[test]
fn quiet_prints_nothing_unless_something_went_wrong() {
    let env = three();
    let ran = env.run("-q");
    ran.exits(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
    env.map(json!({"codex-cli": {"a": ACTIVE}}).to_string());
    let ran = env.run("-q");
    ran.exits(3).says(&["warning: codex: there is no folder of sessions"]);
    assert!(ran.out.contains("Unknown (kept): 1"), "{ran:?}");
}

#[test]
fn colours_only_where_they_are_wanted() {
    let env = three();
    let plain = env.run("-n");
    assert!(!plain.out.contains('\x1b'), "no terminal, no colour");
    let colored = env.run("-n --color always");
    assert!(colored.out.contains("\x1b[33midle"), "{:?}", colored.out);
    assert!(colored.out.contains("\x1b[1mCleanup summary\x1b[0m"), "{:?}", colored.out);
    let mut command = env.command(["-n", "--color", "always"]);
    assert_eq!(Ran::of(command.env("NO_COLOR", "1")).out, colored.out, "what was typed wins");
    assert_eq!(env.run("-n --color never").out, plain.out);
    let mut command = env.command(["-n"]);
    assert_eq!(Ran::of(command.env("CLICOLOR_FORCE", "1")).out, colored.out);
    assert_eq!(Ran::of(command.env("NO_COLOR", "1")).out, plain.out, "NO_COLOR wins");
    assert!(!env.run("-n --color always --format json").out.contains('\x1b'));
}

#[test]
fn every_line_fits_80_columns_and_ids_stay_apart() {
    let env = TestEnv::new();
    let mut chats = serde_json::Map::new();
    for number in 0..30 {
        let id = format!("0192f3a4-5b6c-7d8e-9f{number:02}-112233445566");
        env.session("claude", &id, HOUR * 30 * (number + 1));
        let chat = match number % 3 {
            0 => format!("telegram-group-1234567890-user-{number}"),
            1 => format!("日本語の長いチャット名前です{number}"),
            _ => format!("{number}-{}", "x".repeat(200)),
        };
        chats.insert(chat, id.into());
    }
    env.map(json!({"claude-cli": chats, "y".repeat(300): {"z".repeat(90): 7}}).to_string());
    let mut command = env.command(["-n"]);
    command.env("NO_COLOR", "1");
    let ran = shown(command, 80);
    ran.exits(0);
    let rows: Vec<&str> = ran.out.lines().skip_while(|line| !line.is_empty()).skip(1).collect();
    let rows: Vec<&str> = rows.into_iter().take_while(|line| !line.is_empty()).collect();
    for line in &rows {
        assert!(line.width() <= 80, "{} columns: {line}", line.width());
    }
    let mut ids: Vec<_> = rows.iter().filter(|line| line.ends_with("would remove")).collect();
    assert_eq!(ids.len(), 30);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 30, "two rows look the same");
}
