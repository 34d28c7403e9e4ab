//! The watcher without its command: which work it counts, and which clock it goes by.

use std::cell::{Cell, RefCell};
use std::fs;

use super::*;

fn span(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::new(1_800_000_000, 0).after(span(seconds))
}

/// A machine whose clock can be set, a folder of holds, and diagnostics.
struct Desk {
    clock: Cell<Timestamp>,
    passed: Cell<Duration>,
    /// How many lines of the diagnostics were looked at.
    seen: RefCell<usize>,
    state: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self {
            clock: Cell::new(at(0)),
            passed: Cell::new(span(7)),
            seen: RefCell::default(),
            state: tempfile::tempdir().unwrap(),
        }
    }

    fn holds(&self) -> Holds {
        Holds::at(self.state.path())
    }

    /// So much time goes by.
    fn pass(&self, seconds: u64) {
        self.passed.set(self.passed.get() + span(seconds));
        self.clock.set(self.clock.get().after(span(seconds)));
    }

    /// A hold with that key on the same session, begun now.
    fn other(&self, key: &str, reason: &str) {
        self.holds().write(&self.begun(key, reason)).unwrap();
    }

    fn begun(&self, key: &str, reason: &str) -> Hold {
        let subject = Subject::Session("s".to_owned());
        Hold::new(key.to_owned(), subject, reason.to_owned(), self.clock.get())
    }

    /// Has a watcher go through that, from the start of its work.
    fn hold(&self, work: impl FnOnce(&mut Watcher<'_>)) {
        let log = Some(self.state.path().join("log"));
        let options = BeatOptions { beat: Some(span(30)), log, ..BeatOptions::default() };
        let (holds, hold) = (self.holds(), self.begun("run-1", "tool_exec"));
        let (clock, passed) = (|| self.clock.get(), || self.passed.get());
        let mut watcher = Watcher::new(Some(&holds), &options, hold, &clock, &passed);
        watcher.begin();
        work(&mut watcher);
    }

    /// The lines of diagnostics that are new.
    fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.state.path().join("log")).unwrap_or_default();
        let seen = self.seen.replace(text.lines().count());
        text.lines().skip(seen).map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The only new line.
    #[track_caller]
    fn line(&self) -> Value {
        let lines = self.lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines[0].clone()
    }
}

#[test]
fn a_clock_that_is_set_neither_silences_the_beat_nor_makes_it_come_early() {
    let desk = Desk::new();
    desk.hold(|watcher| {
        let mut now = 0;
        // Set back by hours or to where no clock was yet, ahead, and back again.
        let clocks = [at(0), at(0).earlier(span(9000)), Timestamp::new(5, 0), at(9000), at(0)];
        for clock in clocks {
            desk.clock.set(clock);
            desk.pass(29);
            watcher.beat_if_due();
            assert_eq!(desk.lines(), [json!(null); 0], "{clock:?}");
            desk.pass(1);
            watcher.beat_if_due();
            now += 30;
            let line = desk.line();
            assert_eq!(line["oldest_activity_ms"], now * 1000, "{clock:?}: {line}");
            // What is shown is of the clock as it is.
            let since = desk.clock.get().earlier(span(now)).rfc3339().unwrap();
            assert_eq!(line["busy_since"], since, "{clock:?}: {line}");
            let written = desk.holds().read(clock).unwrap();
            let beat = written.all().next().and_then(Hold::last_beat);
            assert_eq!(beat, Some(desk.clock.get()), "{clock:?}");
        }
    });
}

#[test]
fn work_of_others_is_as_old_as_it_was_when_it_was_seen_first_whatever_becomes_of_the_clock() {
    let desk = Desk::new();
    desk.other("a", "api_call");
    desk.pass(100);
    desk.hold(|watcher| {
        watcher.count_others();
        desk.clock.set(at(0).earlier(span(9000)));
        desk.pass(30);
        watcher.beat_if_due();
        let line = desk.line();
        assert_eq!(line["oldest_activity_ms"], 130_000, "{line}");
        assert_eq!(line["refcount"], 2, "{line}");
        // Of what begins ahead of the clock nothing has passed yet.
        desk.clock.set(at(500));
        desk.other("b", "api_call");
        desk.clock.set(at(0));
        watcher.count_others();
        assert_eq!(watcher.heart.load(watcher.now()).oldest, Some(span(130)));
        assert_eq!(watcher.heart.load(watcher.now()).count, 3);
    });
}

#[test]
fn a_key_that_is_begun_anew_is_other_work() {
    let desk = Desk::new();
    desk.other("a", "api_call");
    desk.pass(100);
    desk.hold(|watcher| {
        let load = |watcher: &mut Watcher<'_>| {
            watcher.count_others();
            let load = watcher.heart.load(watcher.now());
            (load.reasons.into_iter().collect::<Vec<_>>(), load.oldest.unwrap().as_secs())
        };
        let reason = |name: &str, count| (name.to_owned(), count);
        let both = vec![reason("api_call", 1), reason("tool_exec", 1)];
        assert_eq!(load(watcher), (both.clone(), 100));
        desk.pass(10);
        assert_eq!(load(watcher), (both.clone(), 110), "it goes on");
        // The same reason, another start; and the other way round.
        desk.other("a", "api_call");
        assert_eq!(load(watcher), (both, 10));
        desk.other("a", "tool_exec");
        assert_eq!(load(watcher), (vec![reason("tool_exec", 2)], 10));
        // A beat is not a start.
        desk.holds().change("a", |hold| hold.beat(at(1000))).unwrap();
        assert_eq!(watcher.heart.keys().count(), 2);
        desk.pass(10);
        assert_eq!(load(watcher), (vec![reason("tool_exec", 2)], 20));
        desk.holds().release("a").unwrap();
        assert_eq!(load(watcher), (vec![reason("tool_exec", 1)], 20));
    });
}
