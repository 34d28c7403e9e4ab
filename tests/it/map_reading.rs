//! Reading the map: torn beside a writer that truncates it (R1), ambiguous (R2), or no map at
//! all (R4). How large it may be is in `map_size`.

use crate::child::{
    ACTIVE, IDLE, both, bounded, cleaned, mapped, two_sessions, unprivileged, with_mode,
};
use crate::env::{Ran, link, row, state};
use rustix::fs::{CWD, FileType, Mode};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What a run that refuses its map looks like: nothing on standard output, one line that names the
/// file and says why, and perhaps a hint.
#[track_caller]
pub(crate) fn check_refusal(ran: &Ran, map: &Path, why: &str) {
    ran.exits(1);
    assert_eq!(ran.out, "", "{ran:?}");
    let mut lines = ran.err.lines();
    let first = lines.next().unwrap();
    let start = format!("error: cannot read session map {}: ", map.display());
    assert!(first.starts_with(&start) && first.contains(why), "no {why:?} in {ran:?}");
    assert!(lines.all(|line| line.starts_with("hint: ")), "{ran:?}");
}

/// Runs on a map of these bytes, for real and dry, and expects it refused after the 2 s of
/// patience, with not a byte of it changed.
#[track_caller]
fn check_unread(bytes: &[u8], why: &str) {
    let env = two_sessions();
    let map = env.map(bytes);
    let before = fs::metadata(&map).unwrap();
    for line in ["clean", "-n --format json"] {
        let start = Instant::now();
        check_refusal(&bounded(&mut env.command(line.split_whitespace())), &map, why);
        let took = start.elapsed();
        assert!(took > Duration::from_millis(1_900), "given up early: {why}");
        // Many at a time take longer than one.
        assert!(took < Duration::from_secs(6), "{took:?} for 2 s of patience: {why}");
    }
    let after = fs::metadata(&map).unwrap();
    assert_eq!(env.map_bytes(), bytes);
    assert_eq!((after.ino(), after.mtime_nsec()), (before.ino(), before.mtime_nsec()));
    assert!(env.litter().is_empty(), "{:?}", env.litter());
}

/// Many maps at a time, since each is waited for.
fn check_all(cases: &[(Vec<u8>, &str)]) {
    thread::scope(|scope| {
        let started: Vec<_> =
            cases.iter().map(|(bytes, why)| scope.spawn(|| check_unread(bytes, why))).collect();
        let failed: Vec<&str> = started
            .into_iter()
            .zip(cases)
            .filter_map(|(ran, case)| ran.join().err().map(|_| case.1))
            .collect();
        assert!(failed.is_empty(), "see above: {failed:?}");
    });
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn an_empty_or_torn_map_is_left_alone_after_two_seconds_r1() {
    let whole = both();
    let torn = |length| whole.as_bytes()[..length].to_vec();
    check_all(&[
        (Vec::new(), "empty"),
        (b" \r\n\t".to_vec(), "line 2 column 1"),
        (torn(1), "line 1 column 1"),
        (torn(20), "line 1 column 20"),
        (torn(whole.len() - 1), "line 1 column"),
    ]);
}

#[test]
fn a_map_that_becomes_whole_in_time_is_cleaned_r1() {
    let env = two_sessions();
    let map = env.map(&both().as_bytes()[..30]);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(300));
            fs::write(&map, both()).unwrap();
        });
        env.run("clean").exits(0);
    });
    assert_eq!(env.map_bytes(), cleaned().as_bytes());
    // Also where nothing is to be changed.
    env.map("");
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(300));
            fs::write(&map, both()).unwrap();
        });
        env.run("-n").exits(0);
    });
    assert_eq!(env.map_bytes(), both().as_bytes());
}

/// What a bridge writes at its `turn`th change, with the idle mapping or without it.
fn turn_of_a_bridge(turn: u32, has_idle: bool) -> String {
    let idle = if has_idle { format!(r#""idle": "{IDLE}", "#) } else { String::new() };
    let foreign = (0..turn % 7).fold(String::new(), |mut text, number| {
        write!(text, r#""old-{number}": "{ACTIVE}", "#).unwrap();
        text
    });
    format!(
        r#"{{"claude-cli": {{{foreign}"active": "{ACTIVE}", {idle}"turn": "{ACTIVE}"}}, "other": {{"turn": "{turn}"}}}}"#
    )
}

#[test]
fn beside_a_writer_in_a_loop_nothing_is_mixed_or_lost_r1() {
    for pause in [0, 200, 1_000, 3_000] {
        let env = two_sessions();
        let map = env.map(turn_of_a_bridge(0, true));
        let stop = AtomicBool::new(false);
        let (ran, last) = thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut turn = 0;
                while !stop.load(Ordering::SeqCst) {
                    turn += 1;
                    // Truncated, then written, and the same idle mapping each time: a bridge does
                    // not read its file again.
                    fs::write(&map, turn_of_a_bridge(turn, true)).unwrap();
                    thread::sleep(Duration::from_micros(pause));
                }
                turn
            });
            let ran = env.run("clean");
            stop.store(true, Ordering::SeqCst);
            (ran, writer.join().unwrap())
        });
        assert!(matches!(ran.code, 0 | 1), "{ran:?}");
        assert_eq!(ran.out.is_empty(), ran.code == 1, "{ran:?}");
        let left = String::from_utf8(env.map_bytes()).unwrap();
        let whole = turn_of_a_bridge(last, true);
        let cut = turn_of_a_bridge(last, false);
        assert!(left == whole || (left == cut && ran.code == 0), "{left}\nafter {whole}\n{ran:?}");
        assert!(env.litter().is_empty(), "{:?}", env.litter());
    }
}

#[test]
fn the_last_word_of_a_writer_that_ends_survives_r1() {
    for turns in 1..16 {
        let env = two_sessions();
        let map = env.map(turn_of_a_bridge(0, true));
        let ran = thread::scope(|scope| {
            scope.spawn(|| {
                for turn in 1..=turns {
                    fs::write(&map, turn_of_a_bridge(turn, true)).unwrap();
                    thread::sleep(Duration::from_micros(700));
                }
            });
            env.run("clean")
        });
        assert!(matches!(ran.code, 0 | 1), "{ran:?}");
        let left = String::from_utf8(env.map_bytes()).unwrap();
        let (whole, cut) = (turn_of_a_bridge(turns, true), turn_of_a_bridge(turns, false));
        assert!(left == whole || left == cut, "{left}\nafter {whole}\n{ran:?}");
        env.run("clean").exits(0);
        assert_eq!(String::from_utf8(env.map_bytes()).unwrap(), cut);
    }
}

#[test]
fn equal_keys_are_an_error_r2() {
    let twice = |json: &str| (json.replace("ID", IDLE).into_bytes(), "appears twice at line 1");
    check_all(&[
        twice(r#"{"claude-cli": {"a": "ID"}, "claude-cli": {"b": "ID"}}"#),
        twice(r#"{"claude-cli": {"a": "ID", "a": "ID"}}"#),
        twice(r#"{"claude-cli": {"a": "ID", "\u0061": "other"}}"#),
        twice(r#"{"other": {"a": {"x": 1, "x": 1}}, "claude-cli": {"i": "ID"}}"#),
        twice(r#"{"other": {"a": [[{"x": 1, "x": 2}]]}, "claude-cli": {"i": "ID"}}"#),
        twice(r#"{"a": "ID", "a": "ID"}"#),
        twice(r#"{"": "ID", "": "ID"}"#),
    ]);
    // The same chat under two models is no such thing.
    let env = two_sessions();
    env.map(format!(r#"{{"claude-cli": {{"a": "{ACTIVE}"}}, "codex-cli": {{"a": "x"}}}}"#));
    env.run("clean").exits(0);
}

#[test]
fn what_is_no_json_object_is_refused_with_the_place_r4() {
    let deep = |open: &str, close: &str, depth| {
        format!(r#"{{"m": {{"c": {}1{}}}}}"#, open.repeat(depth), close.repeat(depth)).into_bytes()
    };
    let text = |json: &str| json.replace("ID", IDLE).into_bytes();
    check_all(&[
        (deep("[", "]", 200), "recursion limit exceeded at line 1 column"),
        (deep(r#"{"a":"#, "}", 200), "recursion limit exceeded at line 1 column"),
        (b"{\"m\":".iter().copied().chain(b"[".repeat(1 << 20)).collect(), "recursion"),
        (text(r#"{"claude-cli": {"a": NaN, "i": "ID"}}"#), "line 1 column 22"),
        (text("{\"claude-cli\": {\n\"a\": Infinity, \"i\": \"ID\"}}"), "line 2 column 6"),
        (text(r#"{"claude-cli": {"a": 01, "i": "ID"}}"#), "line 1 column"),
        (text("\u{feff}{}"), "byte order mark at line 1 column 1"),
        (utf16(&both(), u16::to_le_bytes), "UTF-16"),
        (utf16(&both(), u16::to_be_bytes), "UTF-16"),
        (utf16(&format!("\u{feff}{}", both()), u16::to_le_bytes), "UTF-16"),
        (text(r#"{"claude-cli": {"i": "ID", "\ud800": "x"}}"#), "line 1 column"),
        (text(r#"{"claude-cli": {"i": "ID", "a": "\udc00"}}"#), "line 1 column"),
        (
            text(r#"{"other": {"a": [["\udfff\ud800"]]}, "claude-cli": {"i": "ID"}}"#),
            "line 1 column",
        ),
        (text(r#"{"claude-cli": {"i": "ID"}} x"#), "trailing characters at line 1 column"),
        (text(r#"{"claude-cli": {"i": "ID"}}{}"#), "trailing characters at line 1 column"),
        (text("{\"claude-cli\": {\"i\": \"ID\"}}\n\0"), "trailing characters at line 2 column 1"),
        (text(r#"[{"claude-cli": {"i": "ID"}}]"#), "expected an object at line 1"),
        (text("7"), "expected an object at line 1"),
        (text(r#""ID""#), "expected an object at line 1"),
        (text("null"), "expected an object at line 1"),
        (text("true"), "expected an object at line 1"),
        (text(r#"{"claude-cli": {"i": "ID",}}"#), "line 1 column"),
        (text(r#"{"claude-cli": {"i": "ID"}, }"#), "line 1 column"),
        (text(r#"{"claude-cli": {"i": "ID" /* mine */}}"#), "line 1 column"),
        (text("{'claude-cli': {'i': 'ID'}}"), "line 1 column 2"),
        (text("{\"claude-cli\": {\"a\nb\": \"ID\"}}"), "line 2 column"),
        (text(r#"{"claude-cli": {"i": "ID"}, 7: {}}"#), "line 1 column"),
        (b"{\"claude-cli\": {\"a\xff\": \"b\"}}".to_vec(), "line 1 column"),
        (b"{\"claude-cli\": {\"a\": \"\xed\xa0\x80\"}}".to_vec(), "line 1 column"),
        (vec![0; 100], "line 1 column 1"),
    ]);
}

#[test]
fn a_models_value_that_is_no_object_is_kept_and_warned_of_r4() {
    for odd in ["null", "7", "[]", r#"["idle"]"#, "true", &format!("\"{IDLE}\"")] {
        let env = two_sessions();
        env.map(format!(
            r#"{{"codex-cli":{odd} ,"claude-cli": {{"a": "{ACTIVE}", "i": "{IDLE}"}}}}"#
        ));
        let ran = env.run("clean --format json");
        ran.exits(0).says(&["warning", "codex-cli", "is not an object"]);
        let report = ran.report();
        assert_eq!(report["summary"]["checked"], 2, "{report:#}");
        assert_eq!(report["warnings"][0]["code"], "model_not_object");
        let expected = format!(r#"{{"codex-cli":{odd} ,"claude-cli": {{"a": "{ACTIVE}"}}}}"#);
        assert_eq!(String::from_utf8(env.map_bytes()).unwrap(), expected);
    }
}

#[test]
fn without_a_map_there_is_nothing_to_clean_r4() {
    let env = two_sessions();
    let nothing = |line: &str| {
        let ran = env.run(line);
        ran.exits(0);
        assert!(ran.out.contains("nothing to clean"), "{ran:?}");
        assert!(ran.out.contains("Sessions checked: 0"), "{ran:?}");
        assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
        assert!(ran.err.starts_with("hint: "), "{ran:?}");
        let report = env.json(line);
        assert_eq!(report["sessions"], json!([]));
        assert_eq!(report["warnings"], json!([]));
        let counts = report["summary"].as_object().unwrap();
        assert!(counts.values().all(|count| *count == 0), "{report:#}");
        let quiet = env.run(&format!("{line} -q"));
        assert_eq!((quiet.code, quiet.out, quiet.err), (0, String::new(), String::new()));
    };
    nothing("clean");
    nothing("-n");
    nothing("clean --session-dir bridge");
    assert_eq!(fs::read_dir(env.path("bridge")).unwrap().count(), 0, "not even a lock");
}

/// A typo must not leave a timer green for ever.
#[test]
fn a_named_place_that_never_had_a_map_is_an_error() {
    let env = two_sessions();
    env.config("[[profile]]\nname = 'p'\nsession_dir = '/no/such/profile'\n");
    let missing = |line: &str, place: &str| {
        for line in [line.to_owned(), format!("{line} --json")] {
            let ran = env.run(&line);
            ran.exits(1).says(&[
                "error: ",
                "no session map: ",
                place,
                "does not exist",
                "\nhint: ",
            ]);
            assert_eq!(ran.out, "", "{ran:?}");
        }
    };
    missing("clean --session-dir no/such/folder", "no/such/folder");
    missing("-n --map no/such/map", "no/such/map");
    missing("list --map no/such/map", "no/such/map");
    missing("clean --profile p", "/no/such/profile");
    missing("clean -q --map no/such/map", "no/such/map");
    assert!(!env.path("no").exists());
    // Its folder is there, and the bridge has not written a map yet.
    env.run("clean --session-dir home").exits(0);
    fs::remove_dir_all(env.path("bridge")).unwrap();
    missing("clean", "/bridge");
    assert!(!env.path("bridge").exists());

    // A map that was found before may be gone for a while.
    fs::create_dir(env.path("bridge")).unwrap();
    env.map(both());
    env.run("-n").exits(0);
    fs::remove_file(env.map_path()).unwrap();
    fs::remove_dir_all(env.path("bridge")).unwrap();
    missing("clean", "/bridge");
    fs::create_dir(env.path("bridge")).unwrap();
    env.map(both());
    env.run("clean").exits(0);
    assert_eq!(env.map_now(), serde_json::from_str::<Value>(&cleaned()).unwrap());
    fs::remove_file(env.map_path()).unwrap();
    fs::remove_dir_all(env.path("bridge")).unwrap();
    let ran = env.run("clean");
    assert!(ran.exits(0).out.contains("nothing to clean") && ran.err.starts_with("hint: "));
}

#[test]
fn without_a_map_the_hint_names_those_that_were_found() {
    let env = two_sessions();
    env.map(both());
    env.run("clean").exits(0);
    let ran = env.run("clean --session-dir home");
    let hint = format!("hint: there is a session map at {}; ", env.map_path().display());
    assert!(ran.exits(0).err.starts_with(&hint), "{ran:?}");
    fs::remove_file(env.map_path()).unwrap();
    let ran = env.run("clean --map no/map");
    assert!(ran.exits(1).err.contains("hint: the bridge writes session_map.json"), "{ran:?}");
}

#[test]
fn a_map_that_is_no_file_is_refused_at_once_r4_w5() {
    let env = two_sessions();
    let map = env.map_path();
    let refused = |why| {
        let start = Instant::now();
        for line in ["clean", "-n"] {
            check_refusal(&bounded(&mut env.command(line.split(' '))), &map, why);
        }
        assert!(start.elapsed() < Duration::from_secs(20));
        assert!(env.litter().is_empty());
    };
    fs::create_dir(&map).unwrap();
    refused("not a regular file");
    fs::remove_dir(&map).unwrap();
    rustix::fs::mknodat(CWD, &map, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    refused("not a regular file");
    fs::remove_file(&map).unwrap();
    link(&map, &map);
    refused("symbolic link");
}

#[test]
fn a_link_that_leads_nowhere_is_no_map_but_is_told_of() {
    let env = two_sessions();
    link(&env.path("gone.json"), &env.map_path());
    let ran = env.run("clean --format json");
    ran.exits(0).says(&["warning", "leads nowhere", env.map_path().to_str().unwrap()]);
    assert_eq!(ran.report()["warnings"][0]["code"], "dangling_map");
    assert!(env.map_path().is_symlink() && !env.path("gone.json").exists());
    assert!(env.litter().is_empty());
}

#[test]
fn a_map_that_may_not_be_read_is_an_error() {
    let env = mapped();
    let mut command = unprivileged(&env, "clean");
    {
        let _mode = with_mode(env.map_path(), 0o200);
        check_refusal(&bounded(&mut command), &env.map_path(), "permission denied");
    }
    {
        let _mode = with_mode(env.path("bridge"), 0o000);
        check_refusal(&bounded(&mut command), &env.map_path(), "permission denied");
    }
    assert_eq!(env.map_bytes(), both().as_bytes());
}

#[test]
fn the_map_is_read_where_it_is_named() {
    let env = two_sessions();
    fs::create_dir(env.path("elsewhere")).unwrap();
    env.map("{}");
    fs::write(env.path("elsewhere/session_map.json"), both()).unwrap();
    fs::write(env.path("elsewhere/m"), both()).unwrap();
    for line in ["-n --session-dir elsewhere", "-n --map elsewhere/m"] {
        let report = env.json(line);
        assert_eq!(state(&report, "idle"), "idle");
        assert_eq!(row(&report, "active")["action"], "kept");
    }
    assert_eq!(env.json("-n")["summary"]["checked"], 0);
}
