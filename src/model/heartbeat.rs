//! The heartbeat of work in flight: what is to be done when work begins and ends and time goes by.
//! Pure: it is told what happens and when, and answers with what to do.
//!
//! The rules are those of a CLI's own counter of session activity, numbered in the tests. Three
//! things it had wrong are mended here. Counts are counts of live work, each known by a key, so an
//! end that comes twice, or for something else, cannot make them wrong. Work beats whether or not
//! anybody has registered a call, so it can be seen. And the oldest is the oldest work that is still
//! alive, not the start of the busy period.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

/// How long after the last work it is idle (rule 5).
pub const IDLE_AFTER: Duration = Duration::from_secs(30);

/// The time between beats unless something else is said (rule 1).
pub const BEAT_EVERY: Duration = Duration::from_secs(30);

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Work begins. Work of a key that is live already takes its place.
    Begin {
        /// What tells this work from other work.
        key: String,
        /// Why, as in `api_call` and `tool_exec`.
        reason: String,
    },
    /// The work of that key ends; where there is none, nothing does.
    End {
        /// What tells this work from other work.
        key: String,
    },
    /// Time has come to what [`Heartbeat::due`] said, or not.
    Tick,
    /// From now on there is something to call at each beat.
    Register,
    /// From now on there is not.
    Unregister,
    /// Somebody asks for a call at once.
    Signal,
    /// It is over. Work may still begin and end, and is counted, but nothing is told or called any more.
    Shutdown,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Tell that work is in flight.
    Beat(Load),
    /// Make the call that was registered, if the gate is open at this moment.
    Call,
    /// Tell that there has been no work for [`IDLE_AFTER`].
    Idle,
    /// Tell what was in flight at the end.
    Last(Load),
}

/// The work in flight.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Load {
    /// How much of it there is.
    pub count: usize,
    /// How much for each reason; none is 0.
    pub reasons: BTreeMap<String, usize>,
    /// For how long the oldest that is alive has been going on.
    pub oldest: Option<Duration>,
    /// For how long there has been any work without a pause.
    pub busy: Option<Duration>,
}

/// One piece of work.
#[derive(Debug, Clone)]
struct Work {
    reason: String,
    since: Duration,
}

/// The state. Times are those since any fixed moment, and never go back.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    every: Duration,
    live: BTreeMap<String, Work>,
    busy_since: Option<Duration>,
    has_call: bool,
    is_over: bool,
    beat_at: Option<Duration>,
    idle_at: Option<Duration>,
}

impl Heartbeat {
    /// Nothing in flight and nothing to call; a beat comes `every` so often.
    pub fn new(every: Duration) -> Self {
        Self {
            every,
            live: BTreeMap::new(),
            busy_since: None,
            has_call: false,
            is_over: false,
            beat_at: None,
            idle_at: None,
        }
    }

    /// What to do now that this has happened.
    pub fn on(&mut self, event: Event, now: Duration) -> Vec<Effect> {
        match event {
            Event::Begin { key, reason } => {
                self.live.insert(key, Work { reason, since: now });
                if self.busy_since.is_none() {
                    self.busy_since = Some(now);
                    self.start(now);
                }
            }
            Event::End { key } => {
                if self.live.remove(&key).is_some() && self.live.is_empty() {
                    self.busy_since = None;
                    self.beat_at = None;
                    self.idle_at = (!self.is_over).then_some(now + IDLE_AFTER);
                }
            }
            Event::Tick => return self.tick(now),
            Event::Register => {
                self.has_call = !self.is_over;
                if !self.live.is_empty() && self.beat_at.is_none() {
                    self.start(now);
                }
            }
            Event::Unregister => {
                self.has_call = false;
                self.beat_at = None;
                self.idle_at = None;
            }
            Event::Signal => return self.call().into_iter().collect(),
            Event::Shutdown => {
                self.beat_at = None;
                self.idle_at = None;
                self.has_call = false;
                if !mem::replace(&mut self.is_over, true) {
                    return vec![Effect::Last(self.load(now))];
                }
            }
        }
        Vec::new()
    }

    /// When the next [`Event::Tick`] has something to do.
    pub fn due(&self) -> Option<Duration> {
        self.beat_at.into_iter().chain(self.idle_at).min()
    }

    /// The work in flight.
    pub fn load(&self, now: Duration) -> Load {
        let mut reasons = BTreeMap::new();
        for work in self.live.values() {
            *reasons.entry(work.reason.clone()).or_default() += 1;
        }
        let oldest = self.live.values().map(|work| work.since).min();
        let ago = |since| now.saturating_sub(since);
        let (oldest, busy) = (oldest.map(ago), self.busy_since.map(ago));
        Load { count: self.live.len(), reasons, oldest, busy }
    }

    /// The keys of the work in flight.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.live.keys().map(String::as_str)
    }

    fn start(&mut self, now: Duration) {
        self.idle_at = None;
        self.beat_at = (!self.is_over).then_some(now + self.every);
    }

    fn tick(&mut self, now: Duration) -> Vec<Effect> {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        if is_due(self.beat_at) {
            // What was slept through is not made up for.
            self.beat_at = Some(now + self.every);
            return [Effect::Beat(self.load(now))].into_iter().chain(self.call()).collect();
        }
        if is_due(self.idle_at) && mem::take(&mut self.idle_at).is_some() {
            return vec![Effect::Idle];
        }
        Vec::new()
    }

    fn call(&self) -> Option<Effect> {
        self.has_call.then_some(Effect::Call)
    }
}

#[cfg(test)]
mod tests;
