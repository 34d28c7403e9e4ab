//! `--metrics FILE`: what a collector reads after each run, held against a strict parser (X7). Its
//! part looks at profiles that share a file.

#[path = "../../src/report/metrics/tests/exposition.rs"]
mod exposition;
mod profiles;

use crate::child::{ACTIVE, IDLE, bounded, mapped, through_shell, unprivileged, with_mode};
use crate::env::{HOUR, MINUTE, Ran, TestEnv};
use rustix::fs::{CWD, FileType, FlockOperation, Mode};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// The text of a file of metrics, which the strict parser takes.
#[track_caller]
fn text(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    if let Err(why) = exposition::parse(&text) {
        panic!("{why}\nin {text}");
    }
    text
}

/// The value of a metric of that profile, without the program's own prefix.
#[track_caller]
fn value(path: &Path, name: &str, profile: &str) -> Option<f64> {
    let families = exposition::parse(&text(path)).unwrap();
    let family = families.iter().find(|family| family.name == format!("session_warden_{name}"))?;
    Some(family.samples.iter().find(|(known, _)| known == profile)?.1)
}

#[track_caller]
fn of(env: &TestEnv, name: &str) -> Option<f64> {
    value(&env.path("warden.prom"), name, "")
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

const COUNTS: [&str; 17] = [
    "checked",
    "active",
    "in_use",
    "resident_sessions",
    "resident_bytes",
    "resident_connections",
    "idle",
    "missing",
    "archived",
    "pinned",
    "unknown",
    "removed",
    "would_remove",
    "failed",
    "released",
    "would_release",
    "released_bytes",
];

/// The names in that folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_count_of_the_summary_and_how_the_run_ended() {
    let env = mapped();
    let map = json!({"claude-cli": {"active": ACTIVE, "idle": IDLE, "kept": IDLE},
                     "vibe-2": {"odd": "x"}});
    env.map(map.to_string());
    let before = now();
    let report = env.json("--metrics warden.prom --pin kept --idle 90m");
    let after = now();
    let summary = report["summary"].as_object().unwrap();
    assert_eq!(summary["removed"], 1);
    for (name, count) in summary {
        let name = if name == "resident" { "resident_sessions" } else { name };
        assert_eq!(of(&env, name), count.as_f64(), "{name}");
        assert!(COUNTS.contains(&name));
    }
    assert_eq!(summary.len(), COUNTS.len());
    assert_eq!(of(&env, "resident_oldest_idle_seconds"), Some(0.0));
    let ended = of(&env, "last_run_timestamp_seconds").unwrap();
    assert!(before - 0.01 <= ended && ended <= after, "{before} {ended} {after}");
    assert_eq!(of(&env, "last_success_timestamp_seconds"), Some(ended));
    let took = of(&env, "last_run_duration_seconds").unwrap();
    assert!((0.0..=after - before + 0.01).contains(&took), "{took}");
    assert_eq!(of(&env, "threshold_seconds"), Some(5400.0));
    assert_eq!(of(&env, "last_exit_code"), Some(0.0));
    let families = exposition::parse(&text(&env.path("warden.prom"))).unwrap();
    assert_eq!(families.len(), COUNTS.len() + 6, "{families:?}");
}

#[test]
fn a_failed_run_has_no_counts_and_carries_the_last_success_over() {
    let env = mapped();
    // The first one ever fails: there is no success to tell of, and that is told.
    env.map("{");
    env.run("--metrics warden.prom").exits(1);
    assert_eq!(of(&env, "last_success_timestamp_seconds"), Some(0.0));
    assert_eq!(of(&env, "last_exit_code"), Some(1.0));
    env.map(crate::child::both());
    env.run("-q --metrics warden.prom").exits(0);
    let success = of(&env, "last_success_timestamp_seconds").unwrap();
    assert_eq!(of(&env, "checked"), Some(2.0));
    env.map("{");
    let failed = env.run("--metrics warden.prom --hours 3");
    assert_eq!(failed.exits(1).out, "");
    for name in COUNTS {
        assert_eq!(of(&env, name), None, "{name} was not counted");
    }
    assert_eq!(of(&env, "last_success_timestamp_seconds"), Some(success));
    let run = of(&env, "last_run_timestamp_seconds").unwrap();
    assert!(success < run && run <= now(), "{success} {run}");
    assert_eq!(of(&env, "threshold_seconds"), Some(10_800.0));
    // Done, but not wholly: it counts, and is no success.
    env.map(json!({"codex-cli": {"a": ACTIVE}}).to_string());
    env.run("--metrics warden.prom").exits(3);
    assert_eq!((of(&env, "unknown"), of(&env, "last_exit_code")), (Some(1.0), Some(3.0)));
    assert_eq!(of(&env, "last_success_timestamp_seconds"), Some(success));
    // More than --max-remove is a failure too.
    env.map(json!({"claude-cli": {"idle": IDLE}}).to_string());
    env.run("--metrics warden.prom --max-remove 0").exits(1);
    assert_eq!((of(&env, "unknown"), of(&env, "last_exit_code")), (None, Some(1.0)));
    env.run("--metrics warden.prom").exits(0);
    assert!(of(&env, "last_success_timestamp_seconds").unwrap() > success);
    // No map is no trouble.
    fs::remove_file(env.map_path()).unwrap();
    env.run("--metrics warden.prom").exits(0);
    assert_eq!(of(&env, "checked"), Some(0.0));
}

#[test]
fn a_dry_run_writes_them_only_where_the_flag_asks() {
    let env = mapped();
    let place = env.home(".config/session-warden/warden.prom");
    env.file(".config/session-warden/config.toml", "[clean]\nmetrics = \"warden.prom\"\n", 0);
    env.run("-n").exits(0);
    assert!(!place.exists() && !env.path("warden.prom").exists());
    env.run("-n --metrics warden.prom").exits(0);
    assert_eq!((of(&env, "would_remove"), of(&env, "removed")), (Some(1.0), Some(0.0)));
    assert!(!place.exists());
    env.run("").exits(0);
    assert_eq!(value(&place, "removed", ""), Some(1.0), "beside the configuration that names it");
    // The flag beats the file.
    let before = text(&place);
    env.run("--metrics warden.prom").exits(0);
    assert_eq!((of(&env, "removed"), text(&place)), (Some(0.0), before.clone()));
    env.file(
        ".config/session-warden/config.toml",
        "[clean]\nmetrics = \"warden.prom\"\ndry_run = true\n",
        0,
    );
    env.run("").exits(0);
    assert_eq!(text(&place), before);
    // Nothing but a clean writes them.
    for line in ["list", "history", "config", "undo --bridge off"] {
        env.run(line);
        assert_eq!(text(&place), before, "{line}");
    }
}

#[test]
fn another_run_at_work_leaves_them_as_they_are() {
    let env = mapped();
    env.run("-n --metrics warden.prom").exits(0);
    let before = text(&env.path("warden.prom"));
    let lock = File::create(env.path("bridge/.session_map.json.session-warden.lock")).unwrap();
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).unwrap();
    for name in ["warden.prom", "new.prom"] {
        env.run(&format!("--metrics {name}")).exits(75);
    }
    assert_eq!(text(&env.path("warden.prom")), before);
    assert!(!env.path("new.prom").exists());
}

#[test]
fn everybody_may_read_them_whatever_the_umask() {
    let env = mapped();
    let path = env.path("warden.prom");
    for umask in ["077", "000", "777"] {
        // Also over a file that was closed.
        if path.exists() {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let prelude = format!("umask {umask} &&");
        bounded(&mut through_shell(&env, &prelude, "-n --metrics warden.prom", "")).exits(0);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o644, "{umask}");
    }
}

#[test]
fn no_temporary_file_has_a_name_that_collectors_read() {
    use rustix::fs::inotify;
    use std::mem::MaybeUninit;
    let env = mapped();
    let folder = env.path("collector");
    fs::create_dir(&folder).unwrap();
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&watch, &folder, inotify::WatchFlags::ALL_EVENTS).unwrap();
    for _ in 0..2 {
        env.run("-n --metrics collector/warden.prom").exits(0);
    }
    let mut buffer = [const { MaybeUninit::uninit() }; 8192];
    let mut events = inotify::Reader::new(watch, &mut buffer);
    let (mut made, mut renamed) = (0, 0);
    while let Ok(event) = events.next() {
        let name = event.file_name().map(|name| name.to_str().unwrap().to_owned());
        let whole = name.as_deref() == Some("warden.prom");
        let flags = event.events();
        if flags.contains(inotify::ReadFlags::CREATE) {
            made += 1;
            let name = name.unwrap();
            assert!(name.starts_with('.'), "{name}");
            assert_ne!(Path::new(&name).extension(), Some("prom".as_ref()), "{name}");
        } else if flags.contains(inotify::ReadFlags::MOVED_TO) {
            renamed += 1;
            assert!(whole, "{name:?}");
        } else if whole {
            assert!(!flags.contains(inotify::ReadFlags::MODIFY), "it is written in place");
        }
    }
    assert_eq!((made, renamed), (2, 2));
    assert_eq!(names(&folder), ["warden.prom"]);
}

#[test]
fn nobody_and_nothing_is_named_in_them() {
    let env = mapped();
    let secret = "secret-chat";
    let map =
        json!({"claude-cli": {secret: IDLE, "active": ACTIVE}, "my-model": {secret: "own-id"}});
    for line in ["-n", "-n -v --format json", "--pin secret*", ""] {
        env.map(map.to_string());
        env.run(&format!("{line} --metrics warden.prom")).exits(0);
        let text = text(&env.path("warden.prom"));
        let folder = env.path("");
        for private in [secret, IDLE, ACTIVE, "own-id", "my-model", folder.to_str().unwrap()] {
            assert!(!text.contains(private), "{private} is in {text}");
        }
        assert!(!text.contains('/'), "a path is in {text}");
    }
}

#[test]
fn what_cannot_be_written_is_warned_of_and_the_clean_is_done() {
    let env = mapped();
    fs::create_dir(env.path("closed")).unwrap();
    fs::write(env.path("file"), "").unwrap();
    for (place, why) in [
        ("closed/warden.prom", "permission denied"),
        ("nowhere/warden.prom", "no such file or directory"),
        ("file/warden.prom", "not a directory"),
    ] {
        for option in ["", "-q", "--format json"] {
            env.map(crate::child::both());
            let mut command = unprivileged(&env, &format!("{option} --metrics {place}"));
            let _closed = with_mode(env.path("closed"), 0o555);
            let ran = bounded(&mut command);
            let path = env.path(place);
            let said = format!(
                "warning: cannot write metrics to {}: {why}\nhint: --metrics FILE names another file\n",
                path.display()
            );
            assert_eq!(ran.exits(3).err, said);
            assert_eq!(env.map_bytes(), crate::child::cleaned().as_bytes(), "{place}: {ran:?}");
            assert!(!path.exists());
            if option == "--format json" {
                assert_eq!(ran.report()["summary"]["removed"], 1);
            }
            // How it ended is also what is written down of it.
            let runs = env.home(".local/state/session-warden/runs.jsonl");
            let runs = fs::read_to_string(runs).unwrap();
            let newest: Value = serde_json::from_str(runs.lines().last().unwrap()).unwrap();
            assert_eq!(newest["exit"], 3);
        }
    }
    // A failure stays one.
    env.map("{");
    let failed = env.run("--metrics nowhere/warden.prom");
    failed.exits(1).says(&["cannot write metrics to", "session_map.json"]);
}

#[test]
fn what_is_no_file_is_refused() {
    let env = mapped();
    fs::create_dir(env.path("folder")).unwrap();
    rustix::fs::mknodat(CWD, env.path("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    symlink("fifo", env.path("link")).unwrap();
    for place in ["folder", "fifo", "link", "/dev/null"] {
        env.map(crate::child::both());
        let args = ["--metrics", place];
        let ran: Ran = bounded(&mut env.command(args));
        ran.exits(3).says(&["cannot write metrics to", place, "not a regular file"]);
        assert_eq!(env.map_bytes(), crate::child::cleaned().as_bytes());
    }
    assert_eq!(fs::read_dir(env.path("folder")).unwrap().count(), 0);
    let kinds = ["folder", "fifo", "link"].map(|name| {
        let kind = fs::symlink_metadata(env.path(name)).unwrap().mode();
        FileType::from_raw_mode(kind)
    });
    assert_eq!(kinds, [FileType::Directory, FileType::Fifo, FileType::Symlink]);
    let left: Vec<String> =
        names(&env.path("")).into_iter().filter(|n| n.contains("tmp")).collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn a_link_stays_and_leads_to_the_new_ones() {
    let env = mapped();
    fs::create_dir(env.path("real")).unwrap();
    symlink("real/there.prom", env.path("warden.prom")).unwrap();
    for _ in 0..2 {
        env.run("-n --metrics warden.prom").exits(0);
        assert!(env.path("warden.prom").is_symlink());
        assert_eq!(value(&env.path("real/there.prom"), "checked", ""), Some(2.0));
    }
    assert_eq!(names(&env.path("real")), ["there.prom"]);
}

#[test]
fn what_was_in_the_file_and_is_not_ours_does_not_stay() {
    let env = mapped();
    let path = env.path("warden.prom");
    let odd =
        "# HELP a b\nnode_load1 0.5\nsession_warden_idle{profile=\"x\",chat=\"y\"} 1\n\u{0}half";
    fs::write(&path, odd).unwrap();
    env.run("-n --metrics warden.prom").exits(0);
    assert!(!text(&path).contains("node_load1") && !text(&path).contains("chat"));
    fs::write(&path, [0xff, 0xfe, b'\n']).unwrap();
    // What holds nothing of ours is somebody's file, which was named by mistake.
    env.run("-n --metrics warden.prom").exits(3).says(&["it has other content"]);
    assert_eq!(fs::read(&path).unwrap(), [0xff, 0xfe, b'\n']);
    fs::write(&path, "\n").unwrap();
    env.run("-n --metrics warden.prom").exits(0);
    assert_eq!(of(&env, "checked"), Some(2.0));
}

#[test]
fn runs_by_record_have_metrics_too() {
    let env = mapped();
    env.session("claude", IDLE, MINUTE);
    env.run("-n --clock record --metrics warden.prom").exits(0);
    // What has no record goes by its mtime, and that is no trouble.
    assert_eq!((of(&env, "active"), of(&env, "last_exit_code")), (Some(2.0), Some(0.0)));
    env.session("claude", IDLE, 3 * HOUR);
    env.run("-n --clock record --metrics warden.prom").exits(0);
    assert_eq!((of(&env, "active"), of(&env, "idle")), (Some(1.0), Some(1.0)));
}
