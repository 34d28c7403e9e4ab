//! Scripts that hang, that do not hear, that say too much, and that leave something behind.

use super::*;
use std::cell::Cell;
use std::fs;

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_secs(1);

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    command
}

#[track_caller]
fn run(script: &str, timeout: Duration, grace: Duration) -> (Ended, Duration) {
    let start = Instant::now();
    let ended = run_bounded(&mut shell(script), timeout, grace, || false).unwrap();
    (ended, start.elapsed())
}

#[test]
fn what_ends_by_itself_tells_its_code_and_all_that_it_said_in_order() {
    let (ended, took) = run("echo out; echo err >&2; cat; echo last; exit 7", LONG, LONG);
    let said = "out\nerr\nlast\n".to_owned();
    assert_eq!(ended, Ended { code: Some(7), signal: None, timed_out: false, output: said });
    assert!(took < LONG / 2, "{took:?}");
    let (ended, _) = run("kill -9 $$", LONG, LONG);
    assert_eq!((ended.code, ended.signal, ended.timed_out), (None, Some(9), false));
}

#[test]
fn what_is_not_there_is_an_error() {
    let failed = run_bounded(&mut Command::new("/no/such/program"), LONG, LONG, || false);
    assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn what_hangs_is_asked_to_end() {
    let (ended, took) = run("trap 'echo bye; exit 3' TERM; echo hi; sleep 60 & wait", SHORT, LONG);
    assert_eq!((ended.code, ended.timed_out, &ended.output[..]), (Some(3), true, "hi\nbye\n"));
    assert!(took >= SHORT && took < LONG / 2, "{took:?}");
}

#[test]
fn what_does_not_hear_is_made_to_end_with_all_of_its_group() {
    let (ended, took) = run("trap '' TERM; echo $$; sleep 60 & sleep 60", SHORT, SHORT);
    assert_eq!((ended.signal, ended.timed_out), (Some(9), true));
    assert!(took >= 2 * SHORT && took < LONG / 2, "{took:?}");
    // Nothing of the group is left, not even as a zombie of ours.
    let group = Pid::from_raw(ended.output.trim().parse().unwrap()).unwrap();
    let gone = (0..100).any(|_| {
        thread::sleep(Duration::from_millis(20));
        test_kill_process_group(group).is_err()
    });
    assert!(gone, "{group:?} is still there");
}

#[test]
fn one_that_is_stopped_hears_as_well() {
    let (ended, took) = run("kill -STOP $$", SHORT, LONG);
    assert_eq!((ended.signal, ended.timed_out), (Some(15), true));
    assert!(took < LONG / 2, "{took:?}");
}

#[test]
fn a_launcher_that_ends_first_leaves_its_program_the_grace() {
    let temporary = tempfile::tempdir().unwrap();
    let mark = temporary.path().join("mark");
    let program = format!("trap 'sleep 1; echo renewed > {}; exit' TERM", mark.display());
    let script =
        format!("sh -c \"{program}; echo up; sleep 60 & wait\" & trap 'exit 0' TERM; wait");
    let (ended, _) = run(&script, Duration::from_secs(2), LONG);
    assert_eq!((ended.code, ended.timed_out), (Some(0), true));
    assert_eq!(fs::read_to_string(mark).unwrap(), "renewed\n");
}

#[test]
fn one_that_writes_elsewhere_has_the_grace_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    // The launcher has ended, and no process holds the pipe any more.
    let program =
        "trap 'sleep 0.5; echo finished; exit' TERM; echo begun; while :; do sleep 0.05; done";
    let script = format!("(trap - INT; {program}) >{0} 2>&1 & wait", log.display());
    let (ended, _) = run(&script, Duration::from_millis(300), Duration::from_secs(30));
    assert!(ended.timed_out, "{ended:?}");
    // The shell may say as well that what it waited for was ended.
    assert!(fs::read_to_string(log).unwrap().ends_with("finished\n"));
}

#[test]
fn what_is_left_behind_neither_delays_nor_is_ended() {
    let temporary = tempfile::tempdir().unwrap();
    let mark = temporary.path().join("mark");
    let script = format!("(sleep 3; echo too late; echo done > {}) & echo started", mark.display());
    let (ended, took) = run(&script, LONG, LONG);
    assert_eq!((ended.code, &ended.output[..]), (Some(0), "started\n"));
    assert!(took < Duration::from_millis(2500), "{took:?}");
    let lives_on = (0..400).any(|_| {
        thread::sleep(Duration::from_millis(25));
        fs::read_to_string(&mark).is_ok_and(|text| text == "done\n")
    });
    assert!(lives_on, "it was ended");
}

#[test]
fn of_much_only_the_end_is_kept() {
    let (ended, _) = run("yes ä | head -c 9000000; echo; echo end", LONG, LONG);
    assert_eq!(ended.code, Some(0));
    // The first of its letters was cut in two, and is left out.
    assert_eq!(ended.output.len(), KEPT - 1);
    assert!(ended.output.starts_with("\nä\n") && ended.output.ends_with("ä\n\nend\n"));
}

#[test]
fn whoever_is_interrupted_asks_it_to_end() {
    let polls = Cell::new(0);
    let interrupted = || polls.replace(polls.get() + 1) >= 3;
    let start = Instant::now();
    let ended = run_bounded(&mut shell("exec sleep 60"), LONG, LONG, interrupted).unwrap();
    assert_eq!((ended.code, ended.signal, ended.timed_out), (None, Some(15), false));
    assert!(start.elapsed() < LONG / 2);
}
