//! `keepalive serve`: passes again and again, and what it tells over HTTP meanwhile.

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::child::{bounded, finish, pid, start, wait_until};
use crate::env::{Ran, TestEnv};

const OWN: &str =
    "[[keepalive]]\nid = \"own\"\naction = \"command\"\nevery = \"30s\"\nattempts = 1\n";

fn home(jobs: &str) -> TestEnv {
    let env = TestEnv::new();
    env.config(jobs);
    env
}

fn command(env: &TestEnv, line: &str) -> Command {
    let mut command = env.command(["keepalive"].into_iter().chain(line.split_whitespace()));
    command.env("PATH", format!("{}:/usr/bin:/bin", env.path("bin").display()));
    command
}

/// One that serves, and is ended with this.
struct Server {
    child: Option<Child>,
    out: BufReader<ChildStdout>,
    address: String,
}

impl Server {
    fn start(env: &TestEnv) -> Self {
        Self::of(command(env, "serve --listen 127.0.0.1:0"))
    }

    #[track_caller]
    fn of(mut command: Command) -> Self {
        let mut child = start(command.stdin(Stdio::null()));
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("serving on http://").map(str::to_owned);
        let address = address.unwrap_or_else(|| panic!("{line:?}"));
        Self { child: Some(child), out, address }
    }

    /// The status, the head and the text of a page.
    fn ask(&self, request: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        write!(stream, "{request} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_owned(), text.to_owned())
    }

    fn json(&self, path: &str) -> (u16, Value) {
        let (status, head, text) = self.ask(&format!("GET {path}"));
        assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
        (status, serde_json::from_str(&text).unwrap())
    }

    /// Ends it by that signal.
    fn end(&mut self, signal: Signal) -> Ran {
        let child = self.child.take().unwrap();
        kill_process(pid(&child), signal).unwrap();
        let mut ran = finish(child);
        self.out.read_to_string(&mut ran.out).unwrap();
        ran
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn it_runs_what_is_due_and_tells_how_it_goes() {
    let env = home(&format!("{OWN}command = \"echo x >> $HOME/ran\"\n"));
    let mut server = Server::start(&env);
    wait_until(|| server.json("/status").1["promptCount"] == 1);
    assert_eq!(fs::read_to_string(env.home("ran")).unwrap(), "x\n");
    let (status, health) = server.json("/health");
    assert_eq!(status, 200);
    let healthy = json!({
        "status": "healthy", "isRunning": true, "hasError": false, "reason": null,
    });
    assert_eq!(health, healthy);
    let (_, told) = server.json("/status");
    for (name, value) in [
        ("isRunning", json!(true)),
        ("isInSilenceHours", json!(false)),
        ("skippedDueToSilence", json!(0)),
        ("lastPromptSuccess", json!(true)),
        ("lastError", json!(null)),
    ] {
        assert_eq!(told[name], value, "{name}");
    }
    assert!(told["lastPromptSent"].as_str().unwrap().ends_with('Z'));
    let keep = bounded(&mut command(&env, "status --format json"));
    let jobs: Value = serde_json::from_str(&keep.out).unwrap();
    assert_eq!(told["jobs"], jobs["jobs"], "as keepalive status tells them");
    let config =
        ["promptIntervalMs", "promptIntervalHours", "timezone", "silenceStart", "silenceEnd"];
    let named: Vec<&String> = told["config"].as_object().unwrap().keys().collect();
    assert_eq!(named.len(), config.len());
    assert!(config.iter().all(|name| told["config"].get(name).is_some()), "{told}");
    let (status, head, metrics) = server.ask("GET /metrics");
    assert!(status == 200 && head.contains("text/plain; version=0.0.4"), "{head}");
    for line in [
        "session_warden_keepalive_healthy 1",
        "session_warden_keepalive_prompts_total 1",
        "session_warden_keepalive_job_failures{job=\"own\"} 0",
        "session_warden_keepalive_job_disabled{job=\"own\"} 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
    assert!(
        metrics.contains("session_warden_keepalive_job_last_run_timestamp_seconds{job=\"own\"} 1")
    );
    // Each name has its help and its type, once.
    for name in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = name.split(' ').next().unwrap();
        assert_eq!(metrics.matches(&format!("# HELP {name} ")).count(), 1, "{name}");
    }
    let ran = server.end(Signal::TERM);
    assert_eq!((ran.exits(0).out.as_str(), ran.err.as_str()), ("own: done\n", ""));
}

#[test]
fn only_pages_that_are_there_are_read_and_nothing_is_written() {
    let env = home(&format!("{OWN}command = \"true\"\n"));
    let mut server = Server::start(&env);
    for (request, status) in [
        ("GET /", 404),
        ("GET /status/x", 404),
        ("GET /status?x=1", 200),
        ("HEAD /health", 200),
        ("POST /health", 405),
        ("DELETE /status", 405),
    ] {
        assert_eq!(server.ask(request).0, status, "{request}");
    }
    assert_eq!(server.ask("HEAD /health").2, "");
    // Neither who says nothing nor who says nonsense keeps others from an answer.
    let silent: Vec<TcpStream> =
        (0..200).map(|_| TcpStream::connect(&server.address).unwrap()).collect();
    for nonsense in [&b"\x16\x03\x01\0\0"[..], b"GET / HTTP/9\r\n\r\n", &vec![b'x'; 100_000]] {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        let _ = stream.write_all(nonsense);
    }
    assert_eq!(server.json("/health").0, 200);
    drop(silent);
    server.end(Signal::INT).exits(0);
}

#[test]
fn a_web_page_that_makes_its_name_stand_for_this_machine_reads_nothing() {
    let env = home(&format!("{OWN}command = \"true\"\n"));
    let status = |server: &Server, host: &str| {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        write!(stream, "GET /status HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer.contains("\"own\""), answer.starts_with("HTTP/1.1 200 "), "{answer}");
        answer.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    let server = Server::start(&env);
    let port = server.address.rsplit_once(':').unwrap().1;
    for host in [&server.address, "localhost", "[::1]:3000", "192.0.2.7"] {
        assert_eq!(status(&server, host), 200, "{host}");
    }
    for host in ["evil.example", &format!("evil.example:{port}"), "box.lan", ""] {
        assert_eq!(status(&server, host), 421, "{host}");
    }
    drop(server);
    // A name that it listens on, and that needs no table of names: a short form of 127.0.0.1.
    let server = Server::of(command(&env, "serve --listen 127.1:0"));
    assert_eq!(status(&server, "127.1:3000"), 200);
    assert_eq!(status(&server, "localhost"), 200);
    assert_eq!(status(&server, "evil.example"), 421);
}

#[test]
fn a_pass_has_files_to_open_whatever_clients_do() {
    let waits = "echo x > $HOME/waits; until test -e $HOME/go; do sleep 0.05; done";
    let second = OWN.replace("own", "second");
    let env =
        home(&format!("{OWN}command = \"{waits}\"\n{second}command = \"echo x > $HOME/ran\"\n"));
    let serve = command(&env, "serve --listen 127.0.0.1:0");
    let mut limited = Command::new("/bin/sh");
    limited.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""]).arg(serve.get_program());
    limited.args(serve.get_args()).env_clear();
    limited.envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut server = Server::of(limited);
    wait_until(|| env.home("waits").exists());
    // A request that never ends keeps a connection for longer than silence does.
    let many: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(&server.address).unwrap();
            let _ = stream.write_all(b"GET / HTTP/1.1\r\n");
            stream
        })
        .collect();
    fs::write(env.home("go"), "").unwrap();
    wait_until(|| env.home("ran").exists());
    wait_until(|| server.json("/status").1["promptCount"] == 2);
    assert_eq!(server.json("/health").0, 200);
    drop(many);
    let ran = server.end(Signal::TERM);
    assert_eq!((ran.exits(0).out.as_str(), ran.err.as_str()), ("own: done\nsecond: done\n", ""));
}

#[test]
fn a_job_that_hangs_hangs_no_answer_and_ends_with_it() {
    let env = home(&format!("{OWN}command = \"echo $$ > $HOME/pid; exec sleep 600\"\n"));
    let mut server = Server::start(&env);
    wait_until(|| fs::read_to_string(env.home("pid")).is_ok_and(|text| text.ends_with('\n')));
    // Before its first pass has ended it is healthy for a minute.
    assert_eq!(server.json("/health").0, 200);
    assert_eq!(server.json("/status").1["promptCount"], 0);
    let start = Instant::now();
    let ran = server.end(Signal::TERM);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(ran.exits(0).out, "own: later: stopped by a signal\n");
    let process = fs::read_to_string(env.home("pid")).unwrap();
    assert!(!std::path::Path::new("/proc").join(process.trim()).exists());
}

#[test]
fn what_is_given_up_is_ill_and_what_its_user_has_disabled_is_not() {
    let env = home(&format!("{OWN}command = \"exit 3\"\ndisable_after = 1\n"));
    let server = Server::start(&env);
    wait_until(|| server.json("/health").0 == 503);
    let (_, health) = server.json("/health");
    assert_eq!((&health["status"], &health["hasError"]), (&json!("unhealthy"), &json!(true)));
    assert_eq!(health["reason"], "job own is disabled: failed once: ended with exit code 3");
    let (_, told) = server.json("/status");
    assert_eq!((&told["lastPromptSuccess"], &told["promptCount"]), (&json!(false), &json!(0)));
    assert_eq!(told["lastError"], "failed: ended with exit code 3");
    assert!(server.ask("GET /metrics").2.contains("session_warden_keepalive_healthy 0\n"));
    bounded(&mut command(&env, "disable own")).exits(0);
    wait_until(|| server.json("/health").0 == 200);
    assert!(server.ask("GET /metrics").2.contains("job_disabled{job=\"own\"} 1\n"));
}

#[test]
fn silence_is_healthy_and_counted_once() {
    let now = Command::new("date").args(["-u", "-d", "1 hour ago", "+%H:%M"]).output().unwrap();
    let then = Command::new("date").args(["-u", "-d", "3 hours", "+%H:%M"]).output().unwrap();
    let [start, end] = [now, then].map(|at| String::from_utf8(at.stdout).unwrap());
    let silence = format!("silence = [\"{}\", \"{}\"]\n", start.trim(), end.trim());
    let env = home(&format!("{OWN}command = \"echo x >> $HOME/ran\"\n{silence}"));
    let server = Server::start(&env);
    wait_until(|| {
        server.ask("GET /metrics").2.contains("session_warden_keepalive_passes_total 2\n")
    });
    let (_, told) = server.json("/status");
    assert_eq!(
        (&told["isInSilenceHours"], &told["skippedDueToSilence"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(server.json("/health").0, 200);
    assert!(!env.home("ran").exists());
}

#[test]
fn one_serves_and_another_says_which() {
    let env = home(&format!("{OWN}command = \"true\"\n"));
    let mut server = Server::start(&env);
    let process = server.child.as_ref().unwrap().id();
    let second = bounded(&mut command(&env, "serve --listen 127.0.0.1:0"));
    second.exits(75).says(&["another keepalive serve uses", &format!("as process {process}")]);
    assert_eq!(second.out, "");
    // A timer's pass beside it is none of its troubles.
    let pass = bounded(&mut command(&env, "run"));
    assert!(pass.code == 0 || pass.code == 75, "{pass:?}");
    server.end(Signal::TERM).exits(0);
    Server::start(&env).end(Signal::TERM).exits(0);
}

#[test]
fn a_state_that_was_broken_is_told_until_somebody_has_looked() {
    let env = home(&format!("{OWN}command = \"true\"\n"));
    let state = env.home(".local/state/session-warden");
    fs::create_dir_all(&state).unwrap();
    fs::write(state.join("keepalive.json"), "{").unwrap();
    let mut server = Server::start(&env);
    wait_until(|| server.json("/health").0 == 503);
    assert!(server.json("/health").1["reason"].as_str().unwrap().contains("damaged"));
    bounded(&mut command(&env, "status")).exits(3);
    wait_until(|| server.json("/status").1["promptCount"] == 1);
    assert_eq!(server.json("/health").0, 200);
    let ran = server.end(Signal::TERM);
    assert_eq!(ran.exits(0).err.matches("damaged").count(), 1, "{ran:?}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let env = home(&format!("{OWN}command = \"true\"\n"));
    bounded(&mut command(&env, "serve --listen here")).exits(2).says(&["--listen here", "3000"]);
    let mut wrong = command(&env, "serve");
    bounded(wrong.env("PORT", "http")).exits(2).says(&["PORT is not a port", "PORT=3000"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    bounded(&mut command(&env, &format!("serve --listen {address}")))
        .exits(1)
        .says(&[&format!("cannot listen on {address}"), "--listen"]);
    let none = TestEnv::new();
    bounded(&mut command(&none, "serve"))
        .exits(2)
        .says(&["no keep-alive job is configured", "[[keepalive]]"]);
}

#[cfg(feature = "web-ping")]
#[test]
fn the_environment_of_the_service_it_takes_the_place_of_is_a_job() {
    // Silent always, so that nobody is asked.
    let env = TestEnv::new();
    let with = |more: &[(&str, &str)]| {
        let mut command = command(&env, "serve --listen 127.0.0.1:0");
        command.env("SESSION_KEY", "sk-ant-sid01-notforanyeyes").env("PROMPT_INTERVAL_MS", "60000");
        command.env("TIMEZONE", "Asia/Tokyo").env("SILENCE_START", "03:00");
        command.env("SILENCE_END", "03:00").envs(more.iter().copied());
        command
    };
    let mut server = Server::of(with(&[]));
    wait_until(|| server.json("/status").1["isInSilenceHours"] == true);
    let (_, told) = server.json("/status");
    let config = json!({
        "promptIntervalMs": 120_000, "promptIntervalHours": 120.0 / 3600.0,
        "timezone": "Asia/Tokyo", "silenceStart": "03:00", "silenceEnd": "03:00",
    });
    assert_eq!(told["config"], config);
    assert_eq!((&told["promptCount"], &told["skippedDueToSilence"]), (&json!(0), &json!(1)));
    assert_eq!(told["jobs"][0]["action"], "claude-web-ping");
    assert_eq!(server.json("/health").0, 200, "silence is healthy");
    let pages = ["/status", "/health", "/metrics"].map(|path| server.ask(&format!("GET {path}")).2);
    let ran = server.end(Signal::TERM);
    ran.exits(0);
    assert!(
        ran.err.contains("no ping is ever sent") && ran.err.contains("120000 is used"),
        "{ran:?}"
    );
    let state = fs::read_to_string(env.home(".local/state/session-warden/keepalive.json"));
    let all = format!("{pages:?} {ran:?} {state:?}");
    assert!(!all.contains("notforanyeyes"), "{all}");
    for (name, value) in [
        ("PROMPT_INTERVAL_MS", "29999"),
        ("PROMPT_INTERVAL_MS", "soon"),
        ("TIMEZONE", "Mars/Olympus"),
        ("SILENCE_START", "1"),
        ("PORT", "99999"),
    ] {
        let ran = bounded(with(&[(name, value)]).arg("--state-dir").arg(env.path("other")));
        ran.exits(2).says(&[name, "for example"]);
    }
    // Where a job is written, the environment is none.
    env.config(&format!("{OWN}command = \"true\"\n"));
    let server = Server::of(with(&[("PROMPT_INTERVAL_MS", "1")]));
    assert_eq!(server.json("/status").1["jobs"][0]["id"], "own");
}

#[cfg(feature = "web-ping")]
#[test]
fn the_job_of_the_environment_is_looked_after_like_any_other() {
    let env = TestEnv::new();
    let run = |line: &str| {
        let mut command = command(&env, line);
        bounded(command.env("SESSION_KEY", "sk-ant-sid01-notforanyeyes"))
    };
    assert!(run("status").exits(0).out.contains("claude-web-ping (claude-web-ping, every 1h)"));
    run("disable claude-web-ping").exits(0);
    assert!(run("status").out.contains("disabled  by the user"));
    run("enable claude-web-ping").exits(0);
    assert!(!run("status").out.contains("disabled"));
    // Nothing but serve runs it: a pass takes what is written.
    assert!(run("run").exits(0).err.contains("no keep-alive job is configured"));
}

#[test]
fn what_is_run_sees_no_key() {
    let seen = "env > $HOME/seen; test -e $HOME/seen";
    let env = home(&format!("{OWN}command = \"{seen}\"\n"));
    let mut pass = command(&env, "run");
    pass.env("SESSION_KEY", "sk-ant-sid01-notforanyeyes").env("CREDENTIALS_DIRECTORY", "/nowhere");
    bounded(&mut pass).exits(0);
    let seen = fs::read_to_string(env.home("seen")).unwrap();
    assert!(seen.contains("SESSION_WARDEN_JOB=own"), "{seen}");
    assert!(!seen.contains("notforanyeyes") && !seen.contains("CREDENTIALS_DIRECTORY"), "{seen}");
}

#[test]
fn what_is_tried_later_is_no_error_and_what_ran_before_is_told() {
    let env = home(&format!("{OWN}command = \"exit 75\"\n"));
    let mut server = Server::start(&env);
    wait_until(|| !server.json("/status").1["lastPromptSent"].is_null());
    let (_, told) = server.json("/status");
    assert_eq!((&told["lastError"], &told["lastPromptSuccess"]), (&json!(null), &json!(null)));
    assert_eq!(server.json("/health").1["hasError"], false);
    server.end(Signal::TERM).exits(0);
    // The next one knows it, and has not counted it.
    let server = Server::start(&env);
    let (_, again) = server.json("/status");
    assert_eq!(
        (&again["lastPromptSent"], &again["promptCount"]),
        (&told["lastPromptSent"], &json!(0))
    );
}

#[test]
fn it_ends_where_its_state_folder_is_no_longer_there() {
    let env = home(&format!("{OWN}command = \"true\"\n"));
    let mut server = Server::start(&env);
    wait_until(|| server.json("/status").1["promptCount"] == 1);
    fs::rename(env.home(".local/state/session-warden"), env.home("moved")).unwrap();
    let ran = finish(server.child.take().unwrap());
    ran.exits(1).says(&["the state folder was removed or replaced", "start keepalive serve again"]);
}

#[test]
fn nobody_who_reads_its_output_is_no_trouble() {
    // One that takes nothing, and one that is full and that nobody empties.
    let (reader, mut full) = std::io::pipe().unwrap();
    full.write_all(&vec![b'x'; 64 << 10]).unwrap();
    let taken = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for stdout in [Stdio::from(taken), Stdio::from(full)] {
        let env = home(&format!("{OWN}command = \"echo x >> $HOME/ran\"\n"));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = command(&env, &format!("serve --listen {port}"));
        command.stdout(stdout).stdin(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        wait_until(|| env.home("ran").exists());
        std::thread::sleep(Duration::from_millis(300));
        let mut stream = TcpStream::connect(port).unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let asked = Instant::now();
        kill_process(pid(&child), Signal::TERM).unwrap();
        finish(child).exits(0);
        assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    }
    drop(reader);
}
