//! Anything at all in the place of a file that a run reads: it ends all the same, soon and as documented, and says
//! which file it is (S2).

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::child::{bounded, finish, pid, start};
use crate::env::{HOUR, Ran, TestEnv, state};
use crate::in_use::fresh_id;

/// What can be in the place of a file, but for the file itself.
const KINDS: [&str; 6] = ["fifo", "socket", "folder", "endless", "link", "sparse"];

/// Puts that at `path`.
fn put(kind: &str, path: &Path) {
    let mode = Mode::from_raw_mode(0o600);
    match kind {
        "fifo" => mknodat(CWD, path, FileType::Fifo, mode, 0).unwrap(),
        "socket" => {
            // A path of a socket is short.
            let short = tempfile::tempdir_in("/tmp").unwrap();
            let bound = short.path().join("s");
            UnixListener::bind(&bound).unwrap();
            fs::rename(bound, path).unwrap();
        }
        "folder" => fs::create_dir(path).unwrap(),
        "endless" => symlink("/dev/zero", path).unwrap(),
        "link" => symlink("/etc/passwd", path).unwrap(),
        "sparse" => File::create(path).unwrap().set_len(1 << 40).unwrap(),
        other => panic!("no kind {other}"),
    }
}

fn remove(path: &Path) {
    if path.is_dir() { fs::remove_dir(path).unwrap() } else { fs::remove_file(path).unwrap() }
}

/// A map with an idle chat and an active one.
fn idle_and_active() -> TestEnv {
    let (env, idle, active) = (TestEnv::new(), fresh_id(), fresh_id());
    env.session("claude", &idle, 5 * HOUR);
    env.session("claude", &active, 0);
    env.map(json!({"claude-cli": {"idle": idle, "active": active}}).to_string());
    fs::create_dir_all(state_file(&env, "holds")).unwrap();
    env
}

fn state_file(env: &TestEnv, name: &str) -> PathBuf {
    env.home(".local/state/session-warden").join(name)
}

fn run(env: &TestEnv, line: &str) -> Ran {
    bounded(&mut env.command(line.split_whitespace()))
}

/// Returns true if the idle chat is in the map; the active one always is.
fn has_idle(env: &TestEnv) -> bool {
    let map = env.map_now();
    let chats = map["claude-cli"].as_object().unwrap();
    assert!(chats.contains_key("active"), "{map}");
    chats.contains_key("idle")
}

/// A run with each kind at `path` ends with that exit code and names the file; without it, the idle chat goes.
#[track_caller]
fn check(name: &str, path: impl Fn(&TestEnv) -> PathBuf, exit: i32, is_kept: bool) {
    for kind in KINDS {
        let env = idle_and_active();
        let path = path(&env);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        put(kind, &path);
        let ran = run(&env, "clean");
        assert_eq!(ran.code, exit, "{name}, {kind}: {}", ran.err);
        assert_eq!(ran.err.matches(name).count(), 1, "{name}, {kind}: {}", ran.err);
        assert_eq!(has_idle(&env), is_kept, "{name}, {kind}: {}", ran.err);

        remove(&path);
        let ran = run(&env, "clean").exits(0).err.clone();
        assert_eq!((&*ran, has_idle(&env)), ("", false), "{name}, {kind}");
    }
}

#[test]
fn a_clean_without_its_journal_or_pins_is_an_error_and_changes_nothing() {
    for name in ["put-back.jsonl", "removals.jsonl", "pins.json"] {
        check(name, |env| state_file(env, name), 1, true);
    }
}

#[test]
fn a_clean_names_the_lock_of_the_journal_if_that_is_at_fault() {
    // A sparse one is a lock like any other.
    for kind in KINDS.into_iter().filter(|kind| *kind != "sparse") {
        let env = idle_and_active();
        put(kind, &state_file(&env, "lock"));
        run(&env, "clean").exits(1).says(&["cannot lock ", "session-warden/lock: "]);
        assert!(has_idle(&env), "{kind}");
    }
}

#[test]
fn a_clean_that_cannot_record_itself_says_so() {
    for name in ["runs.jsonl", "releases.jsonl", "maps.jsonl"] {
        check(name, |env| state_file(env, name), 0, false);
    }
}

#[test]
fn a_hold_that_cannot_be_read_may_hold_every_session_s2() {
    check("holds/x.json", |env| state_file(env, "holds/x.json"), 3, true);
}

#[test]
fn a_process_record_that_cannot_be_read_may_name_every_session_s2() {
    let name = format!("{}.json", std::process::id());
    let of_kinds = |kind: &str| {
        let env = idle_and_active();
        let path = env.home(".claude/sessions").join(&name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        put(kind, &path);
        (env, path)
    };
    // A sparse one is a record that does not parse: its process is no Claude Code.
    for kind in KINDS.into_iter().filter(|kind| *kind != "sparse") {
        let (env, path) = of_kinds(kind);
        run(&env, "clean").exits(3).says(&["which sessions are in use", &name]);
        assert!(has_idle(&env), "{kind}");
        remove(&path);
        run(&env, "clean").exits(0);
        assert!(!has_idle(&env), "{kind}");
    }
    let (env, _) = of_kinds("sparse");
    run(&env, "clean").exits(0);
}

#[test]
fn a_configuration_that_is_none_is_wrong_usage_s2() {
    for kind in KINDS {
        let env = idle_and_active();
        let path = env.home(".config/session-warden/config.toml");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        put(kind, &path);
        run(&env, "clean").exits(2).says(&["config.toml"]);
        assert!(has_idle(&env), "{kind}");
        remove(&path);
        run(&env, "clean").exits(0);
        assert!(!has_idle(&env), "{kind}");
    }
}

#[test]
fn history_undo_and_doctor_name_a_journal_that_cannot_be_read() {
    for kind in KINDS {
        let env = idle_and_active();
        run(&env, "clean").exits(0);
        let path = state_file(&env, "restored.jsonl");
        put(kind, &path);
        for line in ["history", "undo"] {
            run(&env, line).exits(1).says(&["cannot read ", "restored.jsonl"]);
        }
        assert!(!has_idle(&env), "{kind}");
        let report: Value = serde_json::from_str(&run(&env, "doctor --json").out).unwrap();
        let mut checks = report["checks"].as_array().unwrap().iter();
        let check = checks.find(|check| check["name"] == "state").unwrap();
        assert_eq!(check["state"], "error", "{kind}: {check:#}");
        assert!(check["message"].as_str().unwrap().contains("restored.jsonl"), "{check:#}");

        remove(&path);
        run(&env, "history").exits(0);
        run(&env, "undo").exits(0);
        assert!(has_idle(&env), "{kind}");
    }
}

#[test]
fn another_profile_goes_on() {
    for kind in KINDS {
        let env = idle_and_active();
        let bad = env.path("bad.json");
        put(kind, &bad);
        env.config(&format!(
            "[[profile]]\nname = \"bad\"\nmap = \"{}\"\n[[profile]]\nname = \"good\"\nmap = \"{}\"\n",
            bad.display(),
            env.map_path().display(),
        ));
        let ran = run(&env, "clean --all-profiles");
        ran.exits(3).says(&["error: profile bad: cannot read session map "]);
        assert!(!has_idle(&env), "{kind}");
    }
}

/// A file of 48 GiB with a line feed in every 48 MiB, and nothing else.
fn write_long(path: &Path) {
    let mut file = File::create(path).unwrap();
    for line in 1..=1024_u64 {
        file.seek(SeekFrom::Start((line * 48) << 20)).unwrap();
        file.write_all(b"\n").unwrap();
    }
}

/// A compressed file of 64 GiB of empty blocks.
fn write_blocks(path: &Path) {
    let mut file = File::create(path).unwrap();
    file.write_all(&[0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3]).unwrap();
    file.set_len(64 << 30).unwrap();
}

#[test]
fn a_run_in_a_session_without_end_heeds_a_signal_s2() {
    for (model, provider, end, write) in [
        ("claude-cli", "claude", "", write_long as fn(&Path)),
        ("codex-cli", "codex", ".zst", write_blocks),
    ] {
        let (env, id) = (TestEnv::new(), fresh_id());
        let path = env.session(provider, &id, 0);
        fs::remove_file(&path).unwrap();
        write(Path::new(&format!("{}{end}", path.display())));
        env.map(json!({model: {"long": id}}).to_string());
        let child = start(&mut env.command(["-n", "--clock", "record"]));
        thread::sleep(Duration::from_millis(700));
        rustix::process::kill_process(pid(&child), rustix::process::Signal::TERM).unwrap();
        finish(child).exits(1).says(&["stopped by a signal; the map is unchanged"]);
    }
}

#[test]
fn a_compressed_session_that_is_mostly_air_counts_by_its_mtime_s2() {
    let (env, id, idle) = (TestEnv::new(), fresh_id(), fresh_id());
    env.session("codex", &idle, 5 * HOUR);
    let path = env.session("codex", &id, 0);
    fs::remove_file(&path).unwrap();
    // A repeated byte: 512 MiB in 16 KiB.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3];
    for block in 1..=4_096 {
        let header: u32 = (128 << 10 << 3) | (1 << 1) | u32::from(block == 4_096);
        frame.extend(&header.to_le_bytes()[..3]);
        frame.push(b' ');
    }
    fs::write(format!("{}.zst", path.display()), frame).unwrap();
    env.map(json!({"codex-cli": {"air": id, "idle": idle}}).to_string());
    let ran = run(&env, "-n --clock record --json");
    ran.says(&["more than 1000 times its size"]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((state(&report, "air"), state(&report, "idle")), ("active", "idle"));
}

#[test]
fn huge_files_of_killed_runs_beside_the_map_are_not_all_read_s2() {
    let env = idle_and_active();
    let place = |number: u64| {
        let name =
            format!(".session_map.json.session-warden.was.1-{number}.{number:016x}-{number:016x}");
        env.path("bridge").join(name)
    };
    // Together 6 GiB, of which a run reads a twelfth.
    for number in 0..24 {
        File::create(place(number)).unwrap().set_len(256 << 20).unwrap();
    }
    let ran = run(&env, "clean --json");
    let report: Value = serde_json::from_str(&ran.exits(0).out).unwrap();
    let warnings = report["warnings"].as_array().unwrap();
    let says = |part: &str| {
        let messages = warnings.iter().filter_map(|warning| warning["message"].as_str());
        messages.filter(|message| message.contains(part)).count()
    };
    assert_eq!(says("a newer session map"), 20, "{report:#}");
    assert_eq!(says("there are too many such files to compare"), 18, "{report:#}");
    assert_eq!(says("4 more files of killed runs are left in this folder"), 1, "{report:#}");
    assert!(!has_idle(&env) && place(23).exists());
}
