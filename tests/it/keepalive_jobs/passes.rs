//! Passes that meet others, are ended or find what is broken, and configurations that make no sense.

use serde_json::json;
use session_warden::keepalive::job::{Action, Cli, Job, When, Zone};
#[cfg(feature = "openclaw")]
use session_warden::keepalive::openclaw::Surroundings;
use session_warden::keepalive::store::Store;
use session_warden::keepalive::web::KeySources;
use session_warden::keepalive::{self, Keeper, Limits, Options};
use session_warden::model::{Exit, Timestamp};
use session_warden::os::interrupt::Interrupt;
use session_warden::process::Processes;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::child::{finish, pid, start, wait_until};
use crate::env::TestEnv;

use super::*;

#[test]
fn of_two_passes_at_once_one_runs_and_the_other_says_so() {
    let env = home(&format!("{OWN}command = \"touch $HOME/begun; sleep 5\"\n"));
    let first = start(&mut command(&env, "run"));
    wait_until(|| env.home("begun").exists());
    run(&env, "run").exits(75).says(&["another pass holds the lock"]);
    run(&env, "enable own").exits(75);
    // Whoever only looks is not kept from it, and takes nothing for killed.
    assert_eq!(status(&env)["failures"], 0);
    finish(first).exits(0);
    assert_eq!(status(&env)["result"], "done");
}

#[test]
fn a_killed_pass_is_known_to_the_next() {
    let env = home(&format!("{OWN}command = \"touch $HOME/begun; sleep 60\"\n"));
    let child = start(&mut command(&env, "run"));
    wait_until(|| env.home("begun").exists());
    rustix::process::kill_process(pid(&child), rustix::process::Signal::KILL).unwrap();
    finish(child);
    let ran = run(&env, "run");
    ran.exits(0);
    assert!(ran.out.starts_with("own: not due before "), "{ran:?}");
    let status = status(&env);
    assert_eq!(
        (&status["failures"], &status["result"]),
        (&json!(1), &json!("failed: the pass was killed"))
    );
}

#[test]
fn a_job_that_was_killed_too_often_is_disabled_and_its_user_told() {
    let notify = "notify = \"echo $SESSION_WARDEN_STATE $SESSION_WARDEN_REASON >> $HOME/told\"";
    let does = "command = \"touch $HOME/begun; sleep 60\"\ndisable_after = 1";
    let env = home(&format!("{OWN}{does}\n{notify}\n"));
    let child = start(&mut command(&env, "run"));
    wait_until(|| env.home("begun").exists());
    rustix::process::kill_process(pid(&child), rustix::process::Signal::KILL).unwrap();
    finish(child);
    run(&env, "run -n").exits(0);
    assert!(!env.home("told").exists(), "a dry run tells nobody");
    for _ in 0..2 {
        let ran = run(&env, "run");
        assert_eq!(ran.exits(0).out, "own: disabled: failed once: the pass was killed\n");
        let told = fs::read_to_string(env.home("told")).unwrap();
        assert_eq!(told, "disabled failed once: the pass was killed\n");
    }
}

#[test]
fn a_signal_ends_a_pass_and_what_it_runs_and_is_no_failure() {
    let env = home(&format!("{OWN}command = \"echo $$ > $HOME/pid; exec sleep 60\"\n"));
    let child = start(&mut command(&env, "run"));
    wait_until(|| fs::read_to_string(env.home("pid")).is_ok_and(|text| text.ends_with('\n')));
    rustix::process::kill_process(pid(&child), rustix::process::Signal::TERM).unwrap();
    let ran = finish(child);
    ran.exits(3);
    assert_eq!(ran.out, "own: later: stopped by a signal\n", "{ran:?}");
    let process = fs::read_to_string(env.home("pid")).unwrap();
    assert!(!Path::new("/proc").join(process.trim()).exists());
    assert_eq!(status(&env)["failures"], 0);
}

#[test]
fn a_broken_state_is_set_aside_and_nothing_runs_until_it_was_shown() {
    let env = home(PING);
    cli(&env, "claude", "exit 0");
    fs::create_dir_all(state(&env)).unwrap();
    // One of another version is not known either.
    for text in ["{\"schema\":2,\"jobs\":{}}", "[]", "{\"schema\":1,\"jo"] {
        fs::write(state(&env).join("keepalive.json"), text).unwrap();
        run(&env, "run -n").exits(1).says(&["damaged", "keepalive status"]);
    }
    run(&env, "run -n").exits(1).says(&["damaged", "keepalive status"]);
    assert!(state(&env).join("keepalive.json").exists(), "a dry run sets nothing aside");
    for _ in 0..2 {
        run(&env, "run").exits(1).says(&["damaged", "keepalive.json.broken", "keepalive status"]);
    }
    assert!(calls(&env).is_empty());
    let ran = run(&env, "status");
    ran.exits(3).says(&["damaged", "hint: disable jobs again if needed"]);
    assert!(ran.out.contains("p (cli-ping"), "{ran:?}");
    run(&env, "status").exits(0);
    assert_eq!(run(&env, "run").out, "p: done\n");
    let kept = fs::read_dir(state(&env)).unwrap().flatten().map(|entry| entry.file_name());
    assert!(
        kept.into_iter().any(|name| name.to_str().unwrap().starts_with("keepalive.json.broken."))
    );
}

#[test]
fn no_secret_is_in_any_output_or_state() {
    let jobs = format!("{PING}attempts = 1\n{REFRESH}");
    let env = home(&jobs);
    login(&env, 60);
    let mut said = String::new();
    for trouble in [
        format!("token {SECRET} is bad"),
        "x-api-key: notforanyeyes is bad".to_owned(),
        "Authorization: Basic Tm90notforanyeyes is bad".to_owned(),
        "{\"password\": \"my notforanyeyes\"} is bad".to_owned(),
        "password=notforanyeyes&x=1 is bad".to_owned(),
        "no proxy http://me:notforanyeyes@host:1/ is bad".to_owned(),
        "xoxb-notforanyeyes is bad".to_owned(),
        "Cookie: sessionKey=notforanyeyes is bad".to_owned(),
    ] {
        let says = "cat $HOME/.claude/.credentials.json; echo 'Error:";
        cli(&env, "claude", &format!("{says} {trouble}' >&2; exit 1"));
        for line in ["run --force", "status", "status --format json", "check", "run -n"] {
            let ran = run(&env, line);
            said += &ran.out;
            said += &ran.err;
        }
        for job in ["p", "r"] {
            run(&env, &format!("enable {job}"));
        }
    }
    assert!(said.matches("is bad").count() >= 8, "{said}");
    let mut folders = vec![state(&env)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                said += &fs::read_to_string(entry.path()).unwrap();
            }
        }
    }
    assert!(!said.contains("notforanyeyes"), "{said}");
}

#[test]
fn what_makes_no_sense_is_told_with_its_line() {
    let job = |lines: &str| format!("[[keepalive]]\nid = \"a\"\n{lines}");
    let every = "action = \"cli-ping\"\ncli = \"claude\"\nevery = \"1h\"\n";
    for (text, line, said) in [
        ("[[keepalive]]\naction = \"cli-ping\"\n".to_owned(), 1, "has no id"),
        (job(""), 1, "has no action"),
        (job("action = \"ping\"\n"), 3, "not one of command, cli-ping, refresh"),
        (job("action = \"cli-ping\"\nevery = \"1h\"\n"), 1, "needs cli"),
        (job("action = \"cli-ping\"\ncli = \"vibe\"\nevery = \"1h\"\n"), 4, "neither claude"),
        (job("action = \"command\"\nevery = \"1h\"\n"), 1, "needs command"),
        (job(&format!("{every}command = \"x\"\n")), 6, "not a setting of the action cli-ping"),
        (job("action = \"cli-ping\"\ncli = \"claude\"\n"), 1, "exactly one of"),
        (job(&format!("{every}daily = \"09:00\"\n")), 6, "exactly one of"),
        (job(&every.replace("1h", "1s")), 5, "shorter than 1m"),
        (job(&every.replace("1h", "often")), 5, "every is"),
        (job(&every.replace("every = \"1h\"", "daily = \"9 am\"")), 5, "daily is"),
        (job(&format!("{every}time_zone = \"Mars/Base\"\n")), 6, "time_zone is"),
        (job(&format!("{every}silence = [\"01:00\", \"01:00\"]\n")), 6, "silence is"),
        (job(&format!("{every}silence = [\"01:00\"]\n")), 6, "not a list of a start and an end"),
        (job(&format!("{every}attempts = 0\n")), 6, "1 to 10"),
        (job(&format!("{every}retries = 1\n")), 6, "unknown key \"retries\""),
        (job(&every.replace("cli-ping", "refresh")), 5, "needs before_expiry, not every"),
        (job(every) + &job(every), 7, "already the id of another job"),
        (
            job("action = \"command\"\ncommand = \"x\"\nbefore_expiry = \"5m\"\n"),
            5,
            "expiry_command",
        ),
    ] {
        let env = home(&text);
        let ran = run(&env, "run");
        ran.exits(2).says(&[said, &format!("config.toml:{line}: ")]);
        assert_eq!(
            ran.err.lines().filter(|line| !line.starts_with("hint: ")).count(),
            1,
            "{ran:?}"
        );
        // A clean reads the same file.
        env.run("-n").exits(2);
    }
}

#[test]
fn a_gap_that_is_too_small_for_a_provider_is_raised_and_told() {
    let env = home(&format!("{PING}min_gap = \"5s\"\n"));
    cli(&env, "claude", "exit 0");
    run(&env, "run").exits(0).says(&["warning: job p: min_gap 5s is too short; 2m is used"]);
    let quiet = run(&env, "run -q");
    assert_eq!((quiet.code, quiet.err.as_str()), (0, ""));
    run(&env, "check").exits(3);
    run(&env, "check").says(&["warning: job p: min_gap", "hint: set min_gap"]);
}

#[test]
fn what_hangs_is_asked_to_end_and_then_made_to() {
    let env = TestEnv::new();
    cli(&env, "claude", "trap 'echo asked >> asked' TERM; while :; do sleep 0.05; done");
    let job = Job {
        id: "p".into(),
        action: Action::Command {
            command: format!("cd {}; exec bin/claude", env.path("").display()),
            expiry_command: None,
        },
        when: When::Every(Duration::from_secs(3600)),
        zone: Zone::default(),
        silence: None,
        min_gap: Duration::ZERO,
        attempts: 1,
        disable_after: 5,
        notify: None,
    };
    let limits = Limits {
        command: Duration::from_millis(300),
        grace: Duration::from_millis(300),
        ..Limits::default()
    };
    let now: fn() -> Timestamp = || SystemTime::now().into();
    let base = |_: Cli| Ok(env.home(".claude"));
    let processes = || Processes::of_users(&[]);
    let keeper = Keeper {
        jobs: &[job],
        store: Store::at(&env.path("state")),
        pings: env.path("state/keepalive"),
        base: &base,
        path: None,
        #[cfg(feature = "openclaw")]
        openclaw: Surroundings::default(),
        keys: KeySources::default(),
        processes: &processes,
        clock: now,
        limits,
        interrupt: &Interrupt::default(),
    };
    let mut said = Vec::new();
    let exit = keepalive::run(&keeper, &Options::default(), &mut said).unwrap();
    assert_eq!(exit, Exit::Partly);
    assert!(String::from_utf8(said).unwrap().starts_with("p: failed: it ran for more than"));
    assert_eq!(fs::read_to_string(env.path("asked")).unwrap(), "asked\n");
}

#[test]
fn a_cli_that_is_at_work_is_not_started_beside_itself() {
    let env = home(PING);
    cli(&env, "claude", "[ \"$1\" = work ] && sleep 60");
    let mut working = Command::new(env.path("bin/claude"));
    working
        .arg("work")
        .env_clear()
        // By another path to it.
        .env("HOME", env.home("../home/./"));
    working.env("PATH", "/usr/bin:/bin");
    let mut working = start(&mut working);
    wait_until(|| !calls(&env).is_empty());
    let ran = run(&env, "run");
    ran.exits(0);
    assert_eq!(
        ran.out,
        format!("p: later: claude is already running as process {}\n", working.id())
    );
    assert_eq!(calls(&env).len(), 1);
    working.kill().unwrap();
    working.wait().unwrap();
}

#[test]
fn a_turn_that_hangs_is_asked_to_end_and_has_failed() {
    assert!(Limits::default().turn >= Duration::from_secs(120));
    assert!(Limits::default().grace >= Duration::from_secs(30), "a login is being renewed");
    for (action, when) in [
        (Action::CliPing(Cli::Claude), When::Every(Duration::from_secs(3600))),
        (Action::Refresh(Cli::Claude), When::BeforeExpiry(Duration::from_secs(3600))),
    ] {
        let env = TestEnv::new();
        login(&env, 60);
        cli(
            &env,
            "claude",
            "trap 'echo asked >> $0.asked; exit 0' TERM; while :; do sleep 0.05; done",
        );
        let job = Job {
            id: "p".into(),
            action,
            when,
            zone: Zone::default(),
            silence: None,
            min_gap: Duration::ZERO,
            attempts: 1,
            disable_after: 5,
            notify: None,
        };
        let limits = Limits { turn: Duration::from_millis(400), ..Limits::default() };
        let now: fn() -> Timestamp = || SystemTime::now().into();
        let base = |_: Cli| Ok(env.home(".claude"));
        let path = format!("{}:/usr/bin:/bin", env.path("bin").display());
        let keeper = Keeper {
            jobs: &[job],
            store: Store::at(&env.path("state")),
            pings: env.path("state/keepalive"),
            base: &base,
            path: Some(path.into()),
            #[cfg(feature = "openclaw")]
            openclaw: Surroundings::default(),
            keys: KeySources::default(),
            processes: &|| Processes::of_users(&[]),
            clock: now,
            limits,
            interrupt: &Interrupt::default(),
        };
        let mut said = Vec::new();
        let exit = keepalive::run(&keeper, &Options::default(), &mut said).unwrap();
        let said = String::from_utf8(said).unwrap();
        assert_eq!(exit, Exit::Partly, "{said}");
        assert!(said.starts_with("p: failed: claude ran for more than"), "{said}");
        assert_eq!(fs::read_to_string(env.path("bin/claude.asked")).unwrap(), "asked\n");
    }
}

#[test]
fn a_signal_between_two_attempts_is_no_failure_and_keeps_nobody_from_being_told() {
    let env = home(&format!(
        "{}command = \"touch $HOME/begun; false\"\ndisable_after = 1\n",
        OWN.replace("attempts = 1", "attempts = 10")
    ));
    let child = start(&mut command(&env, "run"));
    wait_until(|| env.home("begun").exists());
    std::thread::sleep(Duration::from_millis(300));
    rustix::process::kill_process(pid(&child), rustix::process::Signal::TERM).unwrap();
    assert_eq!(finish(child).exits(3).out, "own: later: stopped by a signal\n");
    assert_eq!(status(&env)["failures"], 0);
    // What tells its user is not ended by the signal that came meanwhile.
    let env = home(&format!(
        "{OWN}command = \"false\"\ndisable_after = 1\nnotify = \"touch $HOME/begun; sleep 1; touch $HOME/told\"\n"
    ));
    let child = start(&mut command(&env, "run"));
    wait_until(|| env.home("begun").exists());
    rustix::process::kill_process(pid(&child), rustix::process::Signal::TERM).unwrap();
    finish(child).exits(3);
    assert!(env.home("told").exists());
}

#[test]
fn what_tells_an_expiry_is_ended_by_a_signal_and_the_pass_says_so() {
    let job = OWN.replace("every = \"1h\"", "before_expiry = \"1h\"");
    let tells = "expiry_command = \"touch $HOME/begun; sleep 60\"\ncommand = \"true\"\n";
    let env = home(&format!("{job}{tells}"));
    let child = start(&mut command(&env, "run"));
    wait_until(|| env.home("begun").exists());
    rustix::process::kill_process(pid(&child), rustix::process::Signal::HUP).unwrap();
    assert_eq!(finish(child).exits(3).out, "own: later: stopped by a signal\n");
}

#[test]
fn a_telling_that_fails_is_told() {
    let env = home(&format!("{OWN}command = \"false\"\ndisable_after = 1\nnotify = \"exit 7\"\n"));
    let ran = run(&env, "run");
    assert_eq!(
        ran.exits(3).out,
        "own: failed: ended with exit code 1; the notify command ended with exit code 7\n"
    );
    // And a check tells of what is disabled.
    let ran = run(&env, "check");
    assert_eq!(ran.exits(3).out, "problem  own: disabled: failed once: ended with exit code 1\n");
}

#[test]
fn a_pass_in_which_nothing_is_due_writes_nothing() {
    use std::os::unix::fs::MetadataExt;
    let env = home(&format!("{OWN}command = \"true\"\n"));
    run(&env, "run").exits(0);
    let file = state(&env).join("keepalive.json");
    let inode = || fs::metadata(&file).unwrap().ino();
    let before = inode();
    for _ in 0..3 {
        run(&env, "run").exits(0);
    }
    assert_eq!(inode(), before);
}

#[test]
fn a_broken_state_is_shown_to_people_and_not_to_programs() {
    let env = home(PING);
    fs::create_dir_all(state(&env)).unwrap();
    fs::write(state(&env).join("keepalive.json"), "{").unwrap();
    run(&env, "status --format json").exits(3).says(&["damaged", "without --json"]);
    let mut unread = command(&env, "status");
    unread.stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    assert_eq!(unread.output().unwrap().status.code(), Some(1));
    run(&env, "run").exits(1).says(&["damaged"]);
    run(&env, "status").exits(3);
    run(&env, "status").exits(0);
}
