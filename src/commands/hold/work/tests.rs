//! The holder without its command: what it counts, and which time it goes by.

use std::cell::{Cell, RefCell};

use super::*;

fn span(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::new(1_800_000_000, 0).after(span(seconds))
}

/// A machine whose clock can be set, a folder of holds, and what was told.
struct Desk {
    clock: Cell<Timestamp>,
    passed: Cell<Duration>,
    lines: RefCell<Vec<String>>,
    state: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self {
            clock: Cell::new(at(0)),
            passed: Cell::new(span(7)),
            lines: RefCell::default(),
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

    /// A hold by somebody else of the same session, begun now.
    fn other(&self, key: &str, reason: &str) {
        let subject = Subject::Session("s".to_owned());
        let hold = Hold::new(key.to_owned(), subject, reason.to_owned(), self.clock.get());
        self.holds().write(&hold).unwrap();
    }

    /// Has a holder go through that, from the start of its work.
    fn hold(&self, work: impl FnOnce(&mut Holder<'_>)) {
        let around = Around {
            command: &[],
            subject: Subject::Session("s".to_owned()),
            reason: "tool_exec".to_owned(),
            every: span(30),
            beat_command: None,
            gate: &|| None,
            tell: Some(&|line| self.lines.borrow_mut().push(line.to_owned())),
            log: None,
            warn: &|line, _| panic!("{line}"),
            clock: &|| self.clock.get(),
            passed: &|| self.passed.get(),
        };
        let holds = self.holds();
        let hold = hold(&around, "run-1".to_owned(), self.clock.get());
        let mut holder = Holder::new(Some(&holds), &around, hold);
        holder.on(Event::Begin { key: "run-1".to_owned(), reason: "tool_exec".to_owned() });
        work(&mut holder);
    }

    /// The only line that was told since the last time.
    #[track_caller]
    fn line(&self) -> String {
        let lines = self.lines.take();
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines[0].clone()
    }
}

#[test]
fn a_clock_that_is_set_neither_silences_the_beat_nor_makes_it_come_early() {
    let desk = Desk::new();
    desk.hold(|holder| {
        let mut now = 0;
        // Set back by hours or to where no clock was yet, ahead, and back again.
        let clocks = [at(0), at(0).earlier(span(9000)), Timestamp::new(5, 0), at(9000), at(0)];
        for clock in clocks {
            desk.clock.set(clock);
            desk.pass(29);
            holder.beat_if_due();
            assert_eq!(desk.lines.borrow().len(), 0, "{clock:?}");
            desk.pass(1);
            holder.beat_if_due();
            now += 30;
            let line = desk.line();
            assert!(line.contains(&format!("oldest_activity_ms={now}000")), "{clock:?}: {line}");
            // What is shown is of the clock as it is.
            let since = desk.clock.get().earlier(span(now)).rfc3339().unwrap();
            assert!(line.contains(&format!("busy_since=\"{since}\"")), "{clock:?}: {line}");
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
    desk.hold(|holder| {
        holder.see_others();
        desk.clock.set(at(0).earlier(span(9000)));
        desk.pass(30);
        holder.beat_if_due();
        let line = desk.line();
        assert!(line.contains("oldest_activity_ms=130000 refcount=2"), "{line}");
        // Of what begins ahead of the clock nothing has passed yet.
        desk.clock.set(at(500));
        desk.other("b", "api_call");
        desk.clock.set(at(0));
        holder.see_others();
        assert_eq!(holder.heart.load(holder.now()).oldest, Some(span(130)));
        assert_eq!(holder.heart.load(holder.now()).count, 3);
    });
}

#[test]
fn a_key_that_is_begun_anew_is_other_work() {
    let desk = Desk::new();
    desk.other("a", "api_call");
    desk.pass(100);
    desk.hold(|holder| {
        let load = |holder: &mut Holder<'_>| {
            holder.see_others();
            let load = holder.heart.load(holder.now());
            (load.reasons.into_iter().collect::<Vec<_>>(), load.oldest.unwrap().as_secs())
        };
        let reason = |name: &str, count| (name.to_owned(), count);
        let both = vec![reason("api_call", 1), reason("tool_exec", 1)];
        assert_eq!(load(holder), (both.clone(), 100));
        desk.pass(10);
        assert_eq!(load(holder), (both.clone(), 110), "it goes on");
        // The same reason, another start; and the other way round.
        desk.other("a", "api_call");
        assert_eq!(load(holder), (both, 10));
        desk.other("a", "tool_exec");
        assert_eq!(load(holder), (vec![reason("tool_exec", 2)], 10));
        // A beat is not a start.
        desk.holds().change("a", |hold| hold.beat(at(1000))).unwrap();
        assert_eq!(holder.heart.keys().count(), 2);
        desk.pass(10);
        assert_eq!(load(holder), (vec![reason("tool_exec", 2)], 20));
        desk.holds().release("a").unwrap();
        assert_eq!(load(holder), (vec![reason("tool_exec", 1)], 20));
    });
}
