//! Pings that are cut short, meet another pass, or cannot delete what they have made.

use rustix::process::Signal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::page::hang;
use super::*;
use crate::child::{finish, pid, start, wait_until};

/// One that answers calls of that kind never.
fn hanging(kind: &'static str) -> Page {
    Page::hostile(move |call, stream| {
        if call.kind() != kind {
            return Some(stream);
        }
        hang(stream);
        None
    })
}

#[test]
fn a_conversation_that_cannot_be_deleted_is_a_warning_and_goes_with_the_next_run() {
    let fails = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&fails);
    let page = Page::hostile(move |call, mut stream| {
        if call.kind() != "delete" || !still.load(Ordering::SeqCst) {
            return Some(stream);
        }
        let _ = answer(&mut stream, 500, "", "");
        None
    });
    let env = check(&page, 0, "done: its conversation could not be deleted", false, &ALL);
    assert_eq!(status(&env)["result"].as_str().unwrap().split(": ").last(), Some("HTTP 500"));
    let first = left(&env);
    assert_eq!((first.len(), page.conversations()), (1, first.clone()));
    // While it cannot be deleted, it keeps no ping from being done.
    assert!(run(&env, "run --force").exits(0).out.starts_with("web: done: "));
    let both = left(&env);
    assert_eq!((both.len(), &both[..1]), (2, &first[..]));
    assert_eq!(page.kinds()[4..], ["delete", "list", "begin", "say", "delete"]);
    fails.store(false, Ordering::SeqCst);
    assert_eq!(run(&env, "run --force").out, "web: done\n");
    assert_eq!(page.kinds()[9..], ["delete", "delete", "list", "begin", "say", "delete"]);
    assert!(page.conversations().is_empty() && left(&env).is_empty());
}

#[test]
fn a_second_pass_does_not_overlap_a_hanging_answer_and_a_signal_leaves_no_conversation() {
    for signal in [Signal::TERM, Signal::INT] {
        let page = hanging("say");
        let env = home(&page);
        let child = start(&mut command(&env, "run"));
        wait_until(|| page.kinds().len() == 3);
        run(&env, "run").exits(75).says(&["another pass holds the lock"]);
        assert_eq!(
            (page.calls().len(), page.conversations(), left(&env)),
            (3, left(&env), left(&env))
        );
        let asked = Instant::now();
        rustix::process::kill_process(pid(&child), signal).unwrap();
        let ran = finish(child);
        ran.exits(3);
        assert_eq!(ran.out, "web: later: stopped by a signal\n");
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
        assert!(page.conversations().is_empty() && left(&env).is_empty());
        assert_eq!(status(&env)["failures"], 0);
    }
}

#[test]
fn a_signal_while_a_conversation_is_being_made_waits_for_it_and_deletes_it() {
    let page = Page::hostile(|call, stream| {
        if call.kind() == "begin" {
            thread::sleep(Duration::from_secs(1));
        }
        Some(stream)
    });
    let env = home(&page);
    let child = start(&mut command(&env, "run"));
    wait_until(|| page.kinds().len() == 2);
    rustix::process::kill_process(pid(&child), Signal::TERM).unwrap();
    assert_eq!(finish(child).out, "web: later: stopped by a signal\n");
    assert_eq!(page.kinds(), ["list", "begin", "delete"]);
    assert!(page.conversations().is_empty() && left(&env).is_empty());
}

#[test]
fn after_a_signal_a_page_that_hangs_is_left_within_seconds_and_asked_again_next_time() {
    let hangs = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&hangs);
    let page = Page::hostile(move |call, stream| {
        if still.load(Ordering::SeqCst) && ["say", "delete"].contains(&&*call.kind()) {
            hang(stream);
            return None;
        }
        Some(stream)
    });
    let env = home(&page);
    let child = start(&mut command(&env, "run"));
    wait_until(|| page.kinds().len() == 3);
    let asked = Instant::now();
    rustix::process::kill_process(pid(&child), Signal::TERM).unwrap();
    assert_eq!(finish(child).out, "web: later: stopped by a signal\n");
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    assert_eq!((left(&env).len(), page.conversations()), (1, left(&env)));
    hangs.store(false, Ordering::SeqCst);
    assert_eq!(run(&env, "run --force").out, "web: done\n");
    assert!(page.conversations().is_empty() && left(&env).is_empty());
}

#[test]
fn after_a_kill_the_next_run_deletes_what_was_left_before_anything_else() {
    for kind in ["begin", "say"] {
        // The conversation is made, though nobody hears of it any more.
        let count = Arc::new(AtomicUsize::new(0));
        let page = Page::hostile(move |call, stream| {
            if call.kind() != kind || count.fetch_add(1, Ordering::SeqCst) > 0 {
                return Some(stream);
            }
            if kind == "begin" {
                thread::sleep(Duration::from_millis(500));
                return Some(stream);
            }
            hang(stream);
            None
        });
        let env = home(&page);
        let child = start(&mut command(&env, "run"));
        let calls = if kind == "begin" { 2 } else { 3 };
        wait_until(|| page.kinds().len() == calls);
        rustix::process::kill_process(pid(&child), Signal::KILL).unwrap();
        finish(child);
        wait_until(|| page.conversations().len() == 1);
        assert_eq!(left(&env), page.conversations(), "it was written down before it was made");
        // A kill counts as a failure, and is waited for.
        assert!(run(&env, "run").out.starts_with("web: not due before "));
        assert_eq!(status(&env)["result"], "failed: the pass was killed");
        assert_eq!(run(&env, "run --force").out, "web: done\n");
        assert_eq!(page.kinds()[calls..], ["delete", "list", "begin", "say", "delete"]);
        assert!(page.conversations().is_empty() && left(&env).is_empty());
    }
}

#[test]
fn what_is_refused_while_tidying_up_is_asked_no_further() {
    let page = Page::answering("delete", 401, "", "");
    let env = check(&page, 0, "done: its conversation could not be deleted", false, &ALL);
    assert!(run(&env, "run --force").exits(3).out.starts_with("web: refused: the session key"));
    assert_eq!(page.kinds()[4..], ["delete"]);
    assert_eq!(left(&env).len(), 1);
}

#[cfg(feature = "serve")]
#[test]
fn who_serves_and_is_ended_in_a_ping_leaves_no_conversation() {
    for signal in [Signal::TERM, Signal::INT] {
        let page = hanging("say");
        let env = home(&page);
        let child = start(&mut command(&env, "serve --listen 127.0.0.1:0"));
        wait_until(|| page.kinds().len() == 3);
        let asked = Instant::now();
        rustix::process::kill_process(pid(&child), signal).unwrap();
        let ran = finish(child);
        assert!(ran.exits(0).out.ends_with("web: later: stopped by a signal\n"), "{ran:?}");
        assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
        assert!(page.conversations().is_empty() && left(&env).is_empty());
    }
}

#[test]
fn a_conversation_of_another_account_keeps_nothing_else_from_being_done() {
    let page = Page::answering("delete", 403, "content-type: application/json", "{\"error\":{}}");
    let env = check(&page, 0, "done: its conversation could not be deleted", false, &ALL);
    let first = left(&env);
    assert!(run(&env, "run --force").exits(0).out.starts_with("web: done: "));
    assert_eq!(page.kinds()[4..], ["delete", "list", "begin", "say", "delete"]);
    let both = left(&env);
    assert!(both.len() == 2 && both.contains(&first[0]), "{both:?}");
    // What could not be deleted comes last the next time.
    run(&env, "run --force").exits(0);
    assert_eq!(left(&env).len(), 3);
}
