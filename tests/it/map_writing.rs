//! Writing the map: whole or not at all (W1, W2), where it really lies (W5),
//! or not at all where that cannot be (W6); and leaving nothing behind (W7, W9).

use crate::child::{
    ACTIVE, IDLE, both, bounded, cleaned, mapped, start, two_sessions, unprivileged, with_mode,
};
use crate::env::{TestEnv, link};
use rustix::fs::{CWD, FileType, Mode};
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// A map that takes a while to write: one active session, and thousands that are gone.
fn large_map(env: &TestEnv) -> (String, String) {
    let mut gone = String::new();
    for number in 0..40_000 {
        write!(gone, r#""chat-{number}": "33333333-3333-4333-8333-{number:012}", "#).unwrap();
    }
    let map = |gone: &str| format!(r#"{{"claude-cli": {{{gone}"active": "{ACTIVE}"}}}}"#);
    let (before, after) = (map(&gone), map(""));
    env.map(&before);
    // Only the space before the first that stays is its own.
    (before, after.replace("{\"active", "{ \"active"))
}

#[test]
fn the_map_is_replaced_by_a_new_file_w2() {
    let env = mapped();
    let before = fs::metadata(env.map_path()).unwrap();
    env.run("clean").exits(0);
    let after = fs::metadata(env.map_path()).unwrap();
    assert_ne!(before.ino(), after.ino());
    assert_eq!(
        (before.mode(), before.uid(), before.gid()),
        (after.mode(), after.uid(), after.gid())
    );
    assert_eq!(env.map_bytes(), cleaned().as_bytes());
    assert!(env.litter().is_empty(), "{:?}", env.litter());
}

#[test]
fn whoever_reads_meanwhile_sees_the_old_map_or_the_new_one_w1() {
    let env = two_sessions();
    let (before, after) = large_map(&env);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                let seen = env.map_bytes();
                let whole = seen == before.as_bytes() || seen == after.as_bytes();
                assert!(whole, "{} bytes", seen.len());
            }
        });
        env.run("clean -q").exits(0);
        stop.store(true, Ordering::SeqCst);
        reader.join().unwrap();
    });
    assert_eq!(env.map_bytes(), after.as_bytes());
}

#[test]
fn a_run_killed_at_any_moment_leaves_the_old_map_or_the_new_one_w1_w7() {
    let env = two_sessions();
    let (before, after) = large_map(&env);
    for delay in 0..24 {
        env.map(&before);
        let mut child = start(&mut env.command(["clean", "-q"]));
        thread::sleep(Duration::from_millis(delay * 12));
        child.kill().unwrap();
        child.wait().unwrap();
        let left = env.map_bytes();
        assert!(left == before.as_bytes() || left == after.as_bytes(), "{} bytes", left.len());
    }
    env.map(both());
    env.run("clean").exits(0);
    assert!(env.litter().is_empty(), "{:?}", env.litter());
    assert_eq!(env.map_bytes(), cleaned().as_bytes());
}

#[test]
fn a_linked_map_stays_a_link_w5() {
    let target = "kept/elsewhere/real.json";
    for chain in [false, true] {
        let env = two_sessions();
        fs::create_dir_all(env.path("kept/elsewhere")).unwrap();
        fs::write(env.path(target), both()).unwrap();
        if chain {
            link(Path::new("elsewhere/real.json"), &env.path("kept/link.json"));
            link(Path::new("../kept/link.json"), &env.map_path());
        } else {
            link(&env.path(target), &env.map_path());
        }
        let before = fs::read_link(env.map_path()).unwrap();
        env.run("clean").exits(0);
        assert_eq!(fs::read_link(env.map_path()).unwrap(), before);
        assert!(env.path(target).symlink_metadata().unwrap().is_file());
        assert_eq!(fs::read(env.path(target)).unwrap(), cleaned().as_bytes());
        // Lock and temporary files are where the map is, not where the link is.
        assert_eq!(fs::read_dir(env.path("bridge")).unwrap().count(), 1);
        let lock = env.path("kept/elsewhere/.real.json.session-warden.lock");
        assert!(lock.is_file());
        assert_eq!(fs::read_dir(env.path("kept/elsewhere")).unwrap().count(), 2);
    }
}

#[test]
fn what_is_no_file_is_refused_w5() {
    let env = two_sessions();
    fs::create_dir(env.path("folder")).unwrap();
    let fifo = env.path("fifo");
    rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    link(&fifo, &env.path("to-fifo"));
    link(Path::new("/dev/null"), &env.path("to-device"));
    for map in ["folder", "fifo", "to-fifo", "to-device", "/dev/null", "/dev/zero", "/"] {
        for dry in ["clean", "-n"] {
            let ran = bounded(&mut env.command([dry, "--map", map]));
            ran.exits(1).says(&["cannot read session map /", "hint: name the file"]);
            assert_eq!(ran.out, "", "{ran:?}");
        }
    }
    assert!(!fs::exists("/dev/.null.session-warden.lock").unwrap());
    assert!(!env.path(".fifo.session-warden.lock").exists());
}

#[test]
fn in_a_read_only_folder_the_map_is_left_alone_w6() {
    // Without a lock from an earlier run, and with one, so that each step fails once.
    for locked_before in [false, true] {
        let env = mapped();
        let mut clean = unprivileged(&env, "clean");
        if locked_before {
            bounded(&mut clean).exits(0);
            fs::write(env.map_path(), both()).unwrap();
        }
        let before = fs::metadata(env.map_path()).unwrap();
        let folder = env.path("bridge");
        let _mode = with_mode(folder.clone(), 0o555);
        let ran = bounded(&mut clean);
        ran.exits(1).says(&[folder.to_str().unwrap(), "permission denied", "hint: ", "writable"]);
        assert_eq!(ran.out, "");
        assert_eq!(env.map_bytes(), both().as_bytes());
        let after = fs::metadata(env.map_path()).unwrap();
        assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
        assert!(env.litter().is_empty());
        // What would go can still be told.
        let ran = bounded(&mut unprivileged(&env, "-n"));
        assert!(ran.code == 0 && ran.out.contains("Would clean up: 1"), "{ran:?}");
    }
}

#[test]
fn in_a_read_only_folder_with_nothing_to_do_all_is_well_w6() {
    let env = two_sessions();
    env.map(cleaned());
    let mut clean = unprivileged(&env, "clean -q");
    let _mode = with_mode(env.path("bridge"), 0o555);
    let ran = bounded(&mut clean);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
    assert_eq!(fs::read_dir(env.path("bridge")).unwrap().count(), 1, "no lock");
}

#[test]
fn what_killed_runs_left_goes_and_nothing_else_w7() {
    let env = two_sessions();
    let prefix = ".session_map.json.session-warden.tmp.";
    let stale = ["1-0", "99999-99", "", "x y", "1-0.old"].map(|end| format!("{prefix}{end}"));
    let others = [
        ".session_map.json.session-warden.tmp",
        ".session_map.json.session-warden.tmpx.1",
        ".session_map.json.session-warden.1-0",
        ".session_map.json.session-warden.TMP.1",
        ".session_map.jsonx.session-warden.tmp.1",
        "session_map.json.session-warden.tmp.1",
        "..session_map.json.session-warden.tmp.1",
        ".other.json.session-warden.tmp.1",
        ".session_map.json.tmp.1",
        "session_map.json~",
    ];
    let path = |name: &str| env.path("bridge").join(name);
    let litter = |names: &[&str]| {
        for name in stale.iter().map(String::as_str).chain(names.iter().copied()) {
            fs::write(path(name), "half a ma").unwrap();
        }
    };
    litter(&others);
    let folder = path(&format!("{prefix}folder"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("file"), "x").unwrap();
    link(&path("session_map.json~"), &path(&format!("{prefix}link")));
    let count = |env: &TestEnv| env.litter().len();
    let all = stale.len() + others.len() + 2;
    // A dry run changes nothing, and neither does one that another run keeps out.
    env.map(both());
    env.run("-n").exits(0);
    assert_eq!(count(&env), all);
    env.run("clean").exits(0);
    assert_eq!(count(&env), others.len() + 2, "{:?}", env.litter());
    assert!(stale.iter().all(|name| !path(name).exists()));
    assert!(folder.join("file").exists());
    assert_eq!(env.map_bytes(), cleaned().as_bytes());
    // Also where there is nothing else to do.
    litter(&[]);
    env.run("clean").exits(0);
    assert_eq!(count(&env), others.len() + 2, "{:?}", env.litter());
}

#[test]
fn a_newer_map_that_a_killed_run_left_stays_and_each_run_says_so_w7_w8() {
    const THEIRS: &str = r#"{"codex-cli": {"new": "33333333-3333-4333-8333-333333333333"}}"#;
    let env = mapped();
    let prefix = ".session_map.json.session-warden.was.";
    let path = |number: u32, prints: &str| {
        env.path("bridge").join(format!("{prefix}4711-{number}.{prints}"))
    };
    // FNV-1a of "a" and of "foobar".
    let prints = "af63dc4c8601ec8c-85944171f73967e8";
    let newer = path(0, prints);
    fs::write(&newer, THEIRS).unwrap();
    for (number, content) in [(1, "a"), (2, "foobar")] {
        fs::write(path(number, prints), content).unwrap();
    }
    // A dry run may find there what another run is just about.
    let ran = env.run("-n");
    assert!(ran.code == 0 && !ran.err.contains(prefix), "{ran:?}");
    assert_eq!(env.litter().len(), 3);
    let name = newer.file_name().unwrap().to_str().unwrap();
    for line in ["clean", "clean -v", "undo"] {
        let ran = env.run(line);
        ran.exits(0).says(&["a newer session map", env.map_path().to_str().unwrap(), name]);
        assert_eq!(ran.err.matches(name).count(), 1, "{ran:?}");
        assert_eq!(env.litter(), [name]);
        assert_eq!(fs::read_to_string(&newer).unwrap(), THEIRS);
        let left = if line.starts_with("undo") { both() } else { cleaned() };
        assert_eq!(env.map_bytes(), left.as_bytes());
    }
    env.map(both());
    let report = env.json("clean");
    let warnings = report["warnings"].as_array().unwrap();
    let told: Vec<_> = warnings.iter().filter(|it| it["code"] == "stale_file").collect();
    assert_eq!((told.len(), told[0]["path"].as_str()), (1, newer.to_str()), "{report:#}");
    // It is no trouble of that run, so a quiet one has nothing to say.
    let ran = env.run("clean -q");
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
    assert_eq!(fs::read_to_string(&newer).unwrap(), THEIRS);
    // Moved there, it is the map, and nothing is left to say.
    fs::rename(&newer, env.map_path()).unwrap();
    let ran = env.run("clean");
    assert!(!ran.err.contains("newer") && env.litter().is_empty(), "{ran:?}");
}

#[test]
fn with_nothing_to_remove_nothing_is_written_w9() {
    let kept = format!(r#"{{"claude-cli": {{"active": "{ACTIVE}"}}, "x": {{"idle": "{IDLE}"}}}}"#);
    for map in ["{}", "{\"claude-cli\": {}}\n", &kept, &format!("{{\"a\": \"{ACTIVE}\"}}")] {
        let env = two_sessions();
        env.map(map);
        env.run("clean").exits(0);
        let before = fs::metadata(env.map_path()).unwrap();
        let folder_before = fs::metadata(env.path("bridge")).unwrap();
        thread::sleep(Duration::from_millis(20));
        env.run("clean").exits(0);
        let after = fs::metadata(env.map_path()).unwrap();
        let folder_after = fs::metadata(env.path("bridge")).unwrap();
        let times = |it: &fs::Metadata| (it.ino(), it.mtime(), it.mtime_nsec(), it.ctime_nsec());
        assert_eq!(times(&before), times(&after));
        // No file came and went beside it.
        assert_eq!(times(&folder_before), times(&folder_after));
        assert_eq!(env.map_bytes(), map.as_bytes());
        assert!(env.litter().is_empty());
    }
}

#[test]
fn a_folder_that_cannot_be_synced_is_told_of_w3() {
    // A folder that may be written to but not listed can be changed, and not be opened to sync it.
    let env = mapped();
    let mut clean = unprivileged(&env, "clean --format json");
    let _mode = with_mode(env.path("bridge"), 0o333);
    let ran = bounded(&mut clean);
    ran.exits(3).says(&["the new map is in place, but a power cut may undo it"]);
    let report = ran.report();
    assert_eq!(report["summary"]["removed"], 1);
    let is_told = |warning: &serde_json::Value| warning["code"] == "not_durable";
    assert!(report["warnings"].as_array().unwrap().iter().any(is_told), "{report:#}");
    assert_eq!(env.map_bytes(), cleaned().as_bytes());
}

#[test]
fn a_user_who_cannot_keep_the_maps_owner_leaves_no_lock_that_shuts_the_owner_out_w4_x1() {
    if !rustix::process::geteuid().is_root() {
        // Nothing can be given to somebody else; the owner's own run is what is left to show.
        let env = mapped();
        env.run("clean").exits(0);
        return;
    }
    let env = mapped();
    let mut clean = unprivileged(&env, "clean");
    std::os::unix::fs::chown(env.map_path(), Some(1), Some(65_534)).unwrap();
    crate::child::set_mode(&env.map_path(), 0o664);
    let ran = bounded(&mut clean);
    ran.exits(1).says(&["it belongs to user 1", "hint: run as the map's owner or as root"]);
    assert_eq!((env.map_bytes(), ran.out.as_str()), (both().as_bytes().to_vec(), ""));
    assert_eq!(fs::read_dir(env.path("bridge")).unwrap().count(), 1, "no lock");
}
