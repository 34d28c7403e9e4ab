//! Answers that never come to an end, with limits that a test can wait for.

use session_warden::keepalive::job::{Action, Cli, Job, WebPing, When, Zone};
#[cfg(feature = "openclaw")]
use session_warden::keepalive::openclaw::Surroundings;
use session_warden::keepalive::store::Store;
use session_warden::keepalive::web::{self, KeySources};
use session_warden::keepalive::{self, Keeper, Limits, Options};
use session_warden::model::{Exit, Timestamp};
use session_warden::os::interrupt::Interrupt;
use session_warden::process::Processes;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime};

use super::page::hang;
use super::*;

/// A pass over one job that pings that page, and its output.
fn pass(env: &TestEnv, page: &Page) -> (Exit, String) {
    let ping = WebPing { origin: page.url(), key_file: Some(env.home("key")) };
    let job = Job {
        id: "web".into(),
        action: Action::ClaudeWebPing(ping),
        when: When::Every(Duration::from_secs(3600)),
        zone: Zone::default(),
        silence: None,
        min_gap: Duration::ZERO,
        attempts: 1,
        disable_after: 5,
        notify: None,
    };
    let short = Duration::from_millis(400);
    let web = web::Limits {
        connect: short,
        call: short,
        answer: 2 * short,
        all: 3 * short,
        delete: short,
    };
    let now: fn() -> Timestamp = || SystemTime::now().into();
    let (base, processes) = (|_: Cli| Ok(env.home(".claude")), || Processes::of_users(&[]));
    let keeper = Keeper {
        jobs: &[job],
        store: Store::at(&state_folder(env)),
        pings: env.path("pings"),
        base: &base,
        path: None,
        #[cfg(feature = "openclaw")]
        openclaw: Surroundings::default(),
        keys: KeySources::default(),
        processes: &processes,
        clock: now,
        limits: Limits { web, ..Limits::default() },
        interrupt: &Interrupt::default(),
    };
    let mut said = Vec::new();
    let exit = keepalive::run(&keeper, &Options::default(), &mut said).unwrap();
    (exit, String::from_utf8(said).unwrap())
}

/// Says a little, again and again, for as long as anybody listens.
fn drip(mut stream: TcpStream, head: &str, piece: &str) {
    let _ = write!(stream, "HTTP/1.1 200 X\r\n{head}");
    for _ in 0..1000 {
        if stream.write_all(piece.as_bytes()).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn every_call_ends_in_time_however_its_answer_hangs() {
    for kind in ALL {
        for manner in ["silent", "slow head", "slow body"] {
            let page = Page::hostile(move |call, stream| {
                if call.kind() != kind {
                    return Some(stream);
                }
                match manner {
                    "silent" => hang(stream),
                    "slow head" => drip(stream, "", "x-header: 1\r\n"),
                    _ => drip(stream, "\r\n", "event: ping\ndata: {}\n\n"),
                }
                None
            });
            let env = home(&page);
            let begun = Instant::now();
            let (exit, said) = pass(&env, &page);
            assert!(
                begun.elapsed() < Duration::from_secs(5),
                "{kind}, {manner}: {:?}",
                begun.elapsed()
            );
            if kind == "delete" {
                // A status is an answer; nobody waits for what stands behind it.
                let is_done = manner == "slow body";
                assert_eq!((exit, said.starts_with("web: done")), (Exit::Done, true), "{said}");
                assert_eq!(left(&env).is_empty(), is_done, "{manner}: {said}");
                continue;
            }
            assert_eq!(
                (exit, said.as_str()),
                (Exit::Partly, "web: failed: no complete answer came in time\n")
            );
            assert_eq!(status(&env)["failures"], 1);
            if kind == "begin" {
                // It may yet be made, so it is remembered.
                assert_eq!(
                    (page.kinds(), left(&env).len()),
                    (["list", "begin", "delete"].map(str::to_owned).to_vec(), 1)
                );
            } else {
                assert!(page.conversations().is_empty() && left(&env).is_empty());
            }
        }
    }
}

#[test]
fn all_calls_together_have_a_limit_of_their_own() {
    // Each is in time, and all are not.
    let page = Page::hostile(|call, stream| {
        let pause = if call.kind() == "say" { 700 } else { 300 };
        std::thread::sleep(Duration::from_millis(pause));
        Some(stream)
    });
    let env = home(&page);
    let (exit, said) = pass(&env, &page);
    assert_eq!(
        (exit, said.as_str()),
        (Exit::Partly, "web: failed: no complete answer came in time\n")
    );
    assert_eq!(page.kinds(), ALL);
    assert!(page.conversations().is_empty() && left(&env).is_empty());
}
