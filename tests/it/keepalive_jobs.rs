//! `keepalive`: jobs with stand-ins for the vendors' CLIs on PATH. No provider is ever asked.

use serde_json::{Value, json};
use session_warden::model::Timestamp;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::child::bounded;
use crate::env::{Ran, TestEnv};

mod passes;

/// What must never be seen outside of the CLI's own file.
const SECRET: &str = "sk-ant-oat01-notforanyeyes";

/// A home with these jobs.
fn home(jobs: &str) -> TestEnv {
    let env = TestEnv::new();
    env.config(jobs);
    env
}

/// A CLI of that name, which does that, with the words it was called with in `$*`.
fn cli(env: &TestEnv, name: &str, does: &str) {
    let path = env.path("bin").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let script =
        format!("#!/bin/sh\necho \"$PWD: $*\" >> {}/calls\n{does}\n", env.path("").display());
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn calls(env: &TestEnv) -> Vec<String> {
    let text = fs::read_to_string(env.path("calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn command(env: &TestEnv, line: &str) -> Command {
    let mut command = env.command(["keepalive"].into_iter().chain(line.split_whitespace()));
    command.env("PATH", format!("{}:/usr/bin:/bin", env.path("bin").display()));
    command
}

fn run(env: &TestEnv, line: &str) -> Ran {
    bounded(&mut command(env, line))
}

/// The state of the one job.
fn status(env: &TestEnv) -> Value {
    let ran = run(env, "status --format json");
    ran.exits(0);
    let all: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(all["jobs"].as_array().unwrap().len(), 1, "{all}");
    all["jobs"][0].clone()
}

fn state(env: &TestEnv) -> PathBuf {
    env.home(".local/state/session-warden")
}

/// A login of Claude Code that expires in so many seconds.
fn login(env: &TestEnv, seconds: i64) -> PathBuf {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let at = i64::try_from(now).unwrap() + 1000 * seconds;
    let login = json!({"claudeAiOauth": {
        "accessToken": SECRET, "refreshToken": format!("{SECRET}-refresh"), "expiresAt": at,
    }});
    env.file(".claude/.credentials.json", login.to_string(), 0)
}

const PING: &str =
    "[[keepalive]]\nid = \"p\"\naction = \"cli-ping\"\ncli = \"claude\"\nevery = \"1h\"\n";
const OWN: &str =
    "[[keepalive]]\nid = \"own\"\naction = \"command\"\nevery = \"1h\"\nattempts = 1\n";

#[test]
fn nothing_runs_until_somebody_has_written_a_job() {
    let env = TestEnv::new();
    cli(&env, "claude", "exit 0");
    run(&env, "run").exits(0).says(&["no keep-alive job is configured", "[[keepalive]]"]);
    let quiet = run(&env, "run -q");
    assert_eq!((quiet.code, quiet.out.as_str(), quiet.err.as_str()), (0, "", ""));
    assert!(run(&env, "status").out.contains("No keep-alive job is configured"));
    assert!(calls(&env).is_empty());
}

#[test]
fn a_ping_is_one_turn_in_an_empty_folder_of_its_own_and_then_not_before_its_time() {
    for (name, words) in [
        ("claude", "-p Reply"),
        ("codex", "exec --skip-git-repo-check Reply"),
        ("gemini", "-p Reply"),
    ] {
        let env = home(&PING.replace("claude", name));
        cli(
            &env,
            name,
            "if read -r x; then echo something to read; exit 9; fi; ls -A | wc -l >> ../ls
             echo left > CLAUDE.md",
        );
        let dry = run(&env, "run -n");
        dry.exits(0);
        assert_eq!((dry.out.as_str(), calls(&env).len()), ("p: would run\n", 0));
        assert!(!state(&env).join("keepalive.json").exists(), "a dry run writes nothing");
        let ran = run(&env, "run");
        ran.exits(0);
        assert_eq!((ran.out.as_str(), ran.err.as_str()), ("p: done\n", ""));
        let expected = format!("{}: {words}", state(&env).join("keepalive").join(name).display());
        assert!(calls(&env)[0].starts_with(&expected), "{:?}", calls(&env));
        // It is not due again, unless that is forced.
        let ran = run(&env, "run");
        assert!(ran.out.starts_with("p: not due before 20"), "{ran:?}");
        assert_eq!(calls(&env).len(), 1);
        run(&env, "run --force p").exits(0);
        assert_eq!(calls(&env).len(), 2);
        // What a turn leaves there is nothing that the next one goes by.
        let found = fs::read_to_string(state(&env).join("keepalive/ls")).unwrap();
        assert_eq!(found.split_whitespace().collect::<Vec<_>>(), ["0", "0"]);
        let status = status(&env);
        assert_eq!((&status["id"], &status["action"]), (&json!("p"), &json!("cli-ping")));
        assert_eq!((&status["result"], &status["failures"]), (&json!("done"), &json!(0)));
        assert_eq!(status["disabled"], Value::Null);
        assert!(status["next"].as_str().unwrap() > status["last"].as_str().unwrap());
        let mode = fs::metadata(state(&env).join("keepalive.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }
}

#[test]
fn a_state_file_of_the_command_keep_is_taken_over_once() {
    let env = home(PING);
    cli(&env, "claude", "");
    run(&env, "run").exits(0);
    let (new, former) = (state(&env).join("keepalive.json"), state(&env).join("keep.json"));
    fs::rename(&new, &former).unwrap();
    // A look reads it where it is, and a pass renames it.
    let before = status(&env);
    assert_eq!(before["result"], json!("done"));
    assert!(former.exists() && !new.exists());
    assert!(run(&env, "run").exits(0).out.starts_with("p: not due before 20"));
    assert!(!former.exists() && new.exists());
    assert_eq!(status(&env)["last"], before["last"]);
    // One that comes back later is left alone.
    fs::write(&former, "{").unwrap();
    assert!(run(&env, "run").exits(0).out.starts_with("p: not due before 20"));
    assert_eq!(fs::read_to_string(&former).unwrap(), "{");
}

#[test]
fn five_failed_runs_disable_a_job_which_is_told_once_and_can_be_enabled() {
    let notify =
        "echo \"$SESSION_WARDEN_JOB $SESSION_WARDEN_STATE $SESSION_WARDEN_REASON\" >> told";
    let env = home(&format!("{PING}attempts = 1\nnotify = '''cd {}; {notify}'''\n", "$HOME"));
    cli(&env, "claude", "echo something broke >&2; exit 1");
    for count in 1..=5 {
        let ran = run(&env, "run --force");
        ran.exits(3);
        assert!(ran.out.starts_with("p: failed: "), "{ran:?}");
        assert!(ran.out.contains("something broke"), "{ran:?}");
        let status = status(&env);
        assert_eq!(status["failures"], count, "{status}");
        assert_eq!(status["disabled"].is_string(), count == 5, "{status}");
        // Without force it waits: 5 minutes, then 10, and so on.
        assert_eq!(run(&env, "run").out.contains("not due before"), count < 5);
    }
    let told = fs::read_to_string(env.home("told")).unwrap();
    assert!(told.starts_with("p disabled failed 5 times in a row: "), "{told}");
    let ran = run(&env, "run --force");
    ran.exits(0);
    assert!(ran.out.starts_with("p: disabled: failed 5 times in a row"), "{ran:?}");
    assert_eq!((calls(&env).len(), told.lines().count()), (5, 1));
    cli(&env, "claude", "exit 0");
    run(&env, "enable p").exits(0);
    assert_eq!(run(&env, "run --force").out, "p: done\n");
    run(&env, "disable p").exits(0);
    assert_eq!(status(&env)["disabled"], "by the user");
    assert_eq!(run(&env, "run --force").out, "p: disabled: by the user\n");
    run(&env, "enable other").exits(2).says(&["there is no job \"other\"", "hint: the jobs are p"]);
}

#[test]
fn one_run_is_tried_as_often_as_it_may_be() {
    let env = home(&format!("{PING}attempts = 2\n"));
    cli(&env, "claude", "[ -e ../tried ] || { touch ../tried; exit 1; }");
    assert_eq!(run(&env, "run").out, "p: done\n");
    assert_eq!((calls(&env).len(), status(&env)["failures"].clone()), (2, json!(0)));
}

#[test]
fn a_refused_login_disables_at_once_until_it_is_another_one() {
    let env = home(PING);
    login(&env, 9999);
    cli(&env, "claude", "echo 'Invalid API key · Please run /login'; exit 1");
    let ran = run(&env, "run");
    ran.exits(3);
    assert!(ran.out.starts_with("p: refused: "), "{ran:?}");
    assert_eq!(calls(&env).len(), 1, "it is not tried again");
    assert!(status(&env)["disabled"].as_str().unwrap().contains("login"));
    cli(&env, "claude", "exit 0");
    assert!(run(&env, "run --force").out.starts_with("p: disabled: "));
    login(&env, 19999);
    assert_eq!(run(&env, "run --force").out, "p: done\n");
}

#[test]
fn a_login_that_comes_where_there_was_none_or_during_the_turn_is_another_one() {
    for comes in ["before", "during"] {
        let env = home(PING);
        let written = login(&env, 9999);
        fs::rename(&written, env.path("new")).unwrap();
        let copy = format!("cp {} {}", env.path("new").display(), written.display());
        let during = if comes == "during" { copy } else { String::new() };
        cli(&env, "claude", &format!("{during}\necho 'Not logged in · Please run /login'; exit 1"));
        run(&env, "run").exits(3);
        fs::copy(env.path("new"), &written).unwrap();
        cli(&env, "claude", "exit 0");
        assert_eq!(run(&env, "run --force").out, "p: done\n", "{comes}");
    }
}

#[test]
fn a_rate_limit_waits_until_the_time_that_it_names_and_is_no_failure() {
    let env = home(&format!("{PING}disable_after = 1\n"));
    let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 3 * 3600;
    cli(&env, "claude", &format!("echo 'Claude AI usage limit reached|{at}'; exit 1"));
    run(&env, "run").exits(3);
    let status = status(&env);
    assert_eq!((&status["failures"], &status["disabled"]), (&json!(0), &Value::Null), "{status}");
    let next = Timestamp::parse(status["next"].as_str().unwrap()).unwrap();
    assert_eq!(next.since_1970().as_secs(), at, "{status}");
}

const REFRESH: &str = "[[keepalive]]\nid = \"r\"\naction = \"refresh\"\ncli = \"claude\"\nbefore_expiry = \"5m\"\nattempts = 1\n";

#[test]
fn a_refresh_is_the_clis_own_and_is_done_when_the_login_expires_later() {
    let env = home(REFRESH);
    // Nothing is known yet.
    let ran = run(&env, "run");
    ran.exits(0);
    assert!(ran.out.starts_with("r: skipped: "), "{ran:?}");
    let file = login(&env, 3600);
    cli(&env, "claude", "exit 0");
    run(&env, "enable r").exits(0);
    assert!(run(&env, "run").out.starts_with("r: not due before "));
    // Close to its end, and renewed by the CLI.
    login(&env, 60);
    let later = fs::read_to_string(&file).unwrap().replace("\"expiresAt\":1", "\"expiresAt\":2");
    fs::write(env.path("later"), later).unwrap();
    let renew = format!("cp {} {}", env.path("later").display(), file.display());
    cli(&env, "claude", &renew);
    assert_eq!(run(&env, "run --force").out, "r: done\n");
    assert_eq!(calls(&env).len(), 1);
    // It ran, and nothing was renewed.
    login(&env, 60);
    cli(&env, "claude", "exit 0");
    let ran = run(&env, "run --force");
    ran.exits(0);
    assert!(ran.out.starts_with("r: later: claude ran, but its login still expires"), "{ran:?}");
    login(&env, -60);
    run(&env, "run --force").exits(3).says(&[]);
    // Whatever else it says, a login that expires later is renewed.
    login(&env, 60);
    cli(&env, "claude", &format!("{renew}; echo boom; exit 1"));
    assert_eq!(run(&env, "run --force").out, "r: done\n");
    login(&env, 60);
    cli(&env, "claude", "exit 0");
    // A lost race leaves empty tokens: only the user can mend that.
    let empty = json!({"claudeAiOauth": {"accessToken": "", "refreshToken": "", "expiresAt": 0}});
    fs::write(&file, empty.to_string()).unwrap();
    let before = calls(&env).len();
    let ran = run(&env, "run --force");
    ran.exits(3);
    assert_eq!((ran.out.as_str(), calls(&env).len()), ("r: refused: log in again\n", before));
    assert_eq!(status(&env)["disabled"], "log in again");
    run(&env, "check").exits(3);
    assert_eq!(run(&env, "check").out, "problem  r: disabled: log in again\n");
    login(&env, 3600);
    assert!(run(&env, "run").out.starts_with("r: not due before "), "the new login enables it");
}

#[test]
fn a_login_that_is_being_written_is_read_again_and_not_judged() {
    let env = home(REFRESH);
    let file = login(&env, 3600);
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..40]).unwrap();
    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        fs::write(&file, whole).unwrap();
    });
    assert!(run(&env, "run").out.starts_with("r: not due before "));
    writer.join().unwrap();
}

#[test]
fn a_command_of_the_users_is_done_later_or_failed_by_its_exit_code() {
    for (line, code, said) in [
        ("true", 0, "own: done\n"),
        ("exit 75", 0, "own: later: exit code 75\n"),
        ("echo secret; exit 7", 3, "own: failed: ended with exit code 7\n"),
        ("kill -9 $$", 3, "own: failed: was killed by signal 9\n"),
        ("test $SESSION_WARDEN_JOB = own", 0, "own: done\n"),
    ] {
        let env = home(&format!("{OWN}command = \"{line}\"\n"));
        let ran = run(&env, "run");
        ran.exits(code);
        assert_eq!(ran.out, said);
        assert_eq!(status(&env)["failures"], u8::from(code == 3));
    }
}

#[test]
fn a_commands_expiry_is_what_another_command_prints() {
    let job = OWN.replace("every = \"1h\"", "before_expiry = \"1h\"");
    let renews = "command = \"date -d '+9 hours' +%s > $HOME/expiry\"";
    for (expires, prints, said) in [
        ("30 minutes", "cat $HOME/expiry", "own: done\n"),
        ("30 minutes", "date -u -d @$(cat $HOME/expiry) +%FT%TZ", "own: done\n"),
        // What it complains of is no part of the answer.
        ("30 minutes", "echo trouble >&2; cat $HOME/expiry", "own: done\n"),
        ("-30 minutes", "cat $HOME/expiry", "own: done\n"),
        ("3 hours", "cat $HOME/expiry", "own: not due before "),
        ("3 hours", "echo soon", "own: skipped: expiry_command must print a time"),
        ("3 hours", "exit 3", "own: failed: expiry_command ended with exit code 3"),
    ] {
        let env = home(&format!("{job}{renews}\nexpiry_command = \"{prints}\"\n"));
        expires_in(&env, expires);
        // A dry run runs nothing of the user's.
        let dry = run(&env, "run -n");
        assert_eq!(dry.exits(0).out, "own: would run expiry_command to see if it is due\n");
        let ran = run(&env, "run");
        assert!(ran.out.starts_with(said), "{prints}: {ran:?}");
    }
}

/// Writes down that something expires then, as `date -d` takes it.
fn expires_in(env: &TestEnv, expires: &str) {
    let seconds = Command::new("date").args(["-d", expires, "+%s"]).output().unwrap().stdout;
    fs::write(env.home("expiry"), seconds).unwrap();
}

#[test]
fn what_is_done_and_expires_when_it_did_before_is_not_done_again_and_again() {
    let ping = PING.replace("every = \"1h\"", "before_expiry = \"1h\"");
    let own = OWN.replace("every = \"1h\"", "before_expiry = \"1h\"")
        + "command = \"true\"\nexpiry_command = \"cat $HOME/expiry\"\n";
    for (job, id) in [(ping, "p"), (own, "own")] {
        let env = home(&job);
        cli(&env, "claude", "exit 0");
        login(&env, 40 * 60);
        expires_in(&env, "40 minutes");
        let ran = run(&env, "run");
        ran.exits(0);
        assert_eq!(ran.out, format!("{id}: done, but it still expires at the same time\n"));
        // Half of the time that is left goes by first.
        let known: Value =
            serde_json::from_slice(&fs::read(state(&env).join("keepalive.json")).unwrap()).unwrap();
        let time = |name: &str| {
            let time = known["jobs"][id][name].as_str().unwrap();
            Timestamp::parse(time).unwrap()
        };
        let wait = time("last_done").seconds_until(time("not_before"));
        assert!((19 * 60..=20 * 60).contains(&wait), "{wait}");
        assert!(run(&env, "run").out.contains(": not due before "));
        assert_eq!(status(&env)["failures"], 0);
        // What has expired all the same has failed.
        login(&env, -60);
        expires_in(&env, "-1 minute");
        let ran = run(&env, "run --force");
        ran.exits(3);
        assert!(ran.out.contains("failed: it succeeded, but the expiry has passed"), "{ran:?}");
    }
}

#[test]
fn what_tells_an_expiry_and_fails_waits_like_any_other_failure() {
    let job = OWN.replace("every = \"1h\"", "before_expiry = \"1h\"") + "command = \"true\"\n";
    let env = home(&format!("{job}expiry_command = \"echo x >> $HOME/asked; exit 3\"\n"));
    run(&env, "run").exits(3);
    for _ in 0..5 {
        assert!(run(&env, "run").out.starts_with("own: not due before "));
    }
    assert_eq!(fs::read_to_string(env.home("asked")).unwrap(), "x\n");
    assert_eq!(status(&env)["failures"], 1);
}

#[test]
fn jobs_go_on_where_nobody_can_read_of_them_and_none_is_run_twice() {
    let env = home(&format!(
        "{OWN}command = \"echo x >> $HOME/ran\"\n{}command = \"echo y >> $HOME/ran\"\n",
        OWN.replace("\"own\"", "\"two\"")
    ));
    let mut command = command(&env, "run");
    command.stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let ended = command.output().unwrap();
    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    assert_eq!(fs::read_to_string(env.home("ran")).unwrap(), "x\ny\n");
    run(&env, "run own own --force").exits(0);
    assert_eq!(fs::read_to_string(env.home("ran")).unwrap(), "x\ny\nx\n");
}

#[test]
fn silence_is_kept_whatever_is_forced() {
    let env = home(&format!("{OWN}command = \"true\"\nsilence = [\"00:00\", \"23:59\"]\n"));
    // One minute of the day is not silent, and tests may meet it.
    let ran = run(&env, "run --force");
    assert!(ran.out.starts_with("own: silent until 20") || ran.out == "own: done\n", "{ran:?}");
    let env = home(&format!("{OWN}command = \"true\"\nsilence = [\"12:00\", \"11:59\"]\n"));
    let ran = run(&env, "run --force");
    assert!(ran.out.starts_with("own: silent until 20") || ran.out == "own: done\n", "{ran:?}");
}

#[test]
fn a_check_looks_for_the_cli_where_a_pass_would() {
    let env = home(PING);
    login(&env, 3600);
    let ran = run(&env, "check");
    ran.exits(3);
    assert_eq!(ran.out, "problem  p: claude is not on the PATH\n");
    // Neither a folder nor what cannot be run is one.
    fs::create_dir_all(env.path("bin/claude")).unwrap();
    run(&env, "check").exits(3);
    fs::remove_dir(env.path("bin/claude")).unwrap();
    cli(&env, "claude", "exit 0");
    assert!(
        run(&env, "check").exits(0).out.starts_with("ok       p: the login of claude expires 20")
    );
    fs::set_permissions(env.path("bin/claude"), fs::Permissions::from_mode(0o644)).unwrap();
    run(&env, "check").exits(3);
    assert_eq!(calls(&env), [""; 0]);
}

#[test]
fn a_refresh_leaves_the_login_of_each_cli_alone() {
    let soon = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 60;
    let token = |expires: u64| {
        // A JWT of which only the middle is read: {"exp":…} in base64.
        let claims = format!("{{\"exp\":{expires}}}");
        let mut encode = Command::new("base64");
        let mut child = encode
            .arg("-w0")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), claims.as_bytes()).unwrap();
        let encoded = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        format!("e30.{}.c2ln", encoded.trim_end_matches('='))
    };
    let codex = |expires| {
        json!({"tokens": {"access_token": token(expires), "refresh_token": SECRET}}).to_string()
    };
    let gemini = |expires: u64| {
        let at = expires * 1000;
        json!({"access_token": SECRET, "refresh_token": SECRET, "expiry_date": at}).to_string()
    };
    for (name, file, now, later) in [
        ("codex", ".codex/auth.json", codex(soon), codex(soon + 9000)),
        ("gemini", ".gemini/oauth_creds.json", gemini(soon), gemini(soon + 9000)),
    ] {
        let env = home(&REFRESH.replace("claude", name));
        let file = env.file(file, &now, 0);
        cli(&env, name, "exit 0");
        assert!(run(&env, "run").out.starts_with("r: later: "), "{name}");
        assert_eq!(fs::read_to_string(&file).unwrap(), now, "nobody has written to it");
        env.file("later", &later, 0);
        cli(&env, name, &format!("cp $HOME/later {}", file.display()));
        assert_eq!(run(&env, "run --force").out, "r: done\n", "{name}");
        assert_eq!(fs::read_to_string(&file).unwrap(), later);
        let known = fs::read_to_string(state(&env).join("keepalive.json")).unwrap();
        assert!(!known.contains(SECRET) && !known.contains("e30."), "{known}");
    }
}

#[test]
fn jobs_of_one_cli_share_what_its_provider_has_said_and_their_distance() {
    let jobs = format!("{PING}{}", PING.replace("\"p\"", "\"q\""));
    let env = home(&jobs);
    cli(&env, "claude", "exit 0");
    let ran = run(&env, "run");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines[0] == "p: done" && lines[1].starts_with("q: not due before "), "{ran:?}");
    assert_eq!(calls(&env).len(), 1);
    // A limit holds for both.
    let env = home(&jobs);
    let then = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 9000;
    cli(&env, "claude", &format!("echo 'Claude AI usage limit reached|{then}'; exit 1"));
    let ran = run(&env, "run");
    let told = ran.out.lines().nth(1).unwrap();
    let until = told.strip_prefix("q: not due before ").unwrap_or_else(|| panic!("{ran:?}"));
    let expected = Timestamp::new(i64::try_from(then).unwrap(), 0).for_people();
    assert_eq!(until, expected);
    // Another CLI has another provider.
    let other = PING.replace("\"p\"", "\"x\"").replace("claude", "codex");
    let env = home(&format!("{PING}{other}"));
    cli(&env, "claude", "exit 0");
    cli(&env, "codex", "exit 0");
    assert_eq!(run(&env, "run").out, "p: done\nx: done\n");
}

#[test]
fn milliseconds_are_no_expiry() {
    let job = OWN.replace("every = \"1h\"", "before_expiry = \"1h\"") + "command = \"true\"\n";
    let env = home(&format!("{job}expiry_command = \"date +%s000\"\n"));
    assert!(run(&env, "run").out.starts_with("own: skipped: expiry_command must print a time"));
    run(&env, "check").exits(3);
    // What it told is known without asking again.
    let env = home(&format!("{job}expiry_command = \"date -d '3 hours' +%s\"\n"));
    run(&env, "run").exits(0);
    let next = status(&env)["next"].as_str().map(str::to_owned);
    assert!(next.is_some_and(|next| next.starts_with("20")), "{}", status(&env));
}
