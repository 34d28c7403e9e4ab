//! Holds in their folder: what lives, what is dead, what is neither.

use std::fs;
use std::time::Duration;

use super::*;
use crate::process;

fn at(seconds: u64) -> Timestamp {
    Timestamp::new(1_800_000_000, 0).after(Duration::from_secs(seconds))
}

fn hold(key: &str) -> Hold {
    Hold::new(key.into(), Subject::Session("s".into()), "tool_exec".into(), at(0))
}

/// The keys of those that live.
fn keys(holds: &Holds, now: Timestamp) -> Vec<String> {
    holds.read(now).unwrap().live(now).into_iter().map(|hold| hold.key).collect()
}

fn holds() -> (tempfile::TempDir, Holds) {
    let state = tempfile::tempdir().unwrap();
    let holds = Holds::at(&state.path().join("made/on the way"));
    (state, holds)
}

#[test]
fn without_a_process_it_lives_15_minutes_after_its_last_beat() {
    let (_state, holds) = holds();
    assert!(keys(&holds, at(0)).is_empty(), "there is no folder yet");
    holds.write(&hold("a")).unwrap();
    for (second, lives) in [(0, true), (900, true), (901, false)] {
        assert_eq!(keys(&holds, at(second)).len(), usize::from(lives), "{second}");
    }
    assert!(holds.change("a", |hold| hold.beat(at(800))).unwrap());
    assert_eq!(keys(&holds, at(1700)), ["a"]);
    assert!(keys(&holds, at(1701)).is_empty());
    // A clock that was set back is no reason to let go.
    assert_eq!(keys(&holds, Timestamp::new(0, 0)), ["a"]);
    holds.change("a", |hold| hold.live_for(Duration::from_secs(5))).unwrap();
    assert!(keys(&holds, at(806)).is_empty());
}

#[test]
fn with_processes_it_lives_as_long_as_one_of_them_however_long() {
    let (_state, holds) = holds();
    let us = std::process::id();
    let late = at(1_000_000);
    let mut ended = std::process::Command::new("true").spawn().unwrap();
    let mut both = hold("both");
    both.stand_for([us, ended.id()]);
    let mut other = hold("other");
    other.stand_for([ended.id()]);
    ended.wait().unwrap();
    // One of the same id that started at another time is another process.
    let mut reused = hold("reused");
    reused.stand_for([us]);
    reused.processes[0].started = process::started(us).map(|started| started + 1);
    // Its id means nothing here: only a beat tells.
    let mut elsewhere = hold("elsewhere");
    elsewhere.stand_for([us]);
    elsewhere.namespace = Some("pid:[1]".to_owned());
    for hold in [&both, &other, &reused, &elsewhere] {
        holds.write(hold).unwrap();
    }
    let found = holds.read(late).unwrap();
    assert_eq!(keys(&holds, late), ["both"]);
    holds.sweep(&found, late);
    assert_eq!(fs::read_dir(holds.folder()).unwrap().count(), 1);
    holds.write(&elsewhere).unwrap();
    assert_eq!(keys(&holds, at(60)).len(), 2);
}

#[test]
fn a_bound_ends_it_though_its_process_goes_on() {
    let (_state, holds) = holds();
    let mut bound = hold("a");
    bound.stand_for([std::process::id()]);
    bound.live_at_most(Duration::from_secs(3600));
    holds.write(&bound).unwrap();
    for (second, lives) in [(0, true), (3600, true), (3601, false)] {
        assert_eq!(keys(&holds, at(second)).len(), usize::from(lives), "{second}");
    }
    // A beat brings it back.
    assert!(!bound.is_over());
    holds.change("a", |hold| hold.beat(at(3601))).unwrap();
    assert_eq!(keys(&holds, at(3601)), ["a"]);
    let found = holds.read(at(9999)).unwrap();
    holds.sweep(&found, at(9999));
    assert_eq!(fs::read_dir(holds.folder()).unwrap().count(), 0);
}

#[test]
fn a_zombie_is_dead() {
    let (_state, holds) = holds();
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let mut zombie = hold("zombie");
    zombie.stand_for([child.id()]);
    holds.write(&zombie).unwrap();
    let start = std::time::Instant::now();
    while !keys(&holds, at(0)).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "a zombie lives");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait().unwrap();
}

#[test]
fn keys_of_any_kind_are_files_of_their_own_in_that_folder() {
    let (_state, holds) = holds();
    let long = format!("{}/", "\u{202e}é/-".repeat(9));
    assert_eq!(long.len(), KEY_LENGTH);
    let all = ["a", "A", "../../x", "/", ".", "..", "%2e", "a b\n", "toolu_01-X", &long];
    for key in all {
        holds.write(&hold(key)).unwrap();
    }
    let mut seen = keys(&holds, at(0));
    seen.sort_unstable();
    let mut expected = all;
    expected.sort_unstable();
    assert_eq!(seen, expected);
    for key in all {
        assert!(holds.release(key).unwrap());
        assert!(!holds.release(key).unwrap());
        assert!(!holds.change(key, |_| panic!("there is none")).unwrap());
    }
    assert_eq!(fs::read_dir(holds.folder()).unwrap().count(), 0);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what others may write is written")]
fn what_cannot_be_read_may_hold_anything_until_it_is_old() {
    let (_state, holds) = holds();
    holds.write(&hold("a")).unwrap();
    let file = |name: &str| holds.folder().join(name);
    fs::write(file("torn.json"), "{\"schema\":1,").unwrap();
    fs::write(
        file("later.json"),
        r#"{"schema":2,"key":"k","session":"s","reason":"r","since":"","last_beat":"","ttl":1}"#,
    )
    .unwrap();
    fs::create_dir(file("folder.json")).unwrap();
    std::os::unix::fs::symlink("a.json", file("link.json")).unwrap();
    fs::write(file("notes.txt"), "no hold").unwrap();
    let now = Timestamp::from(fs::metadata(file("torn.json")).unwrap().modified().unwrap());
    let found = holds.read(now).unwrap();
    let mut names: Vec<_> =
        found.unread.iter().map(|(path, _)| path.file_name().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["folder.json", "later.json", "link.json", "torn.json"]);
    // Nobody has written to the torn one for longer than a hold lives without a beat. What was not
    // read, and what another version has written, is in doubt for as long as it is there.
    let late = now.after(TTL).after(Duration::from_secs(3));
    let found = holds.read(late).unwrap();
    assert_eq!(found.unread.len(), 3, "{:?}", found.unread);
    holds.sweep(&found, late);
    assert!(!file("torn.json").exists() && file("later.json").exists());
    assert!(file("notes.txt").exists());
}

#[test]
fn a_dead_hold_that_was_begun_anew_is_not_swept() {
    let (_state, holds) = holds();
    holds.write(&hold("a")).unwrap();
    let found = holds.read(at(5000)).unwrap();
    assert!(keys(&holds, at(5000)).is_empty());
    holds.change("a", |hold| hold.beat(at(5000))).unwrap();
    holds.sweep(&found, at(5001));
    assert_eq!(keys(&holds, at(5001)), ["a"]);
}
