//! The heartbeat of work in flight: a state machine that gets each event with its time, and returns the
//! effects. It reads no clock and does nothing itself.
//!
//! The rules are those of a CLI's own counter of session activity, numbered in the tests, with three
//! faults fixed. Counts are counts of live work, each known by a key, so an end that comes twice, or of
//! other work, cannot make them wrong. Work beats with and without a registered call, so it can be seen.
//! And the oldest is the oldest work that is alive, not the start of the busy period.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

/// How long after the last work it is idle (rule 5).
pub const IDLE_AFTER: Duration = Duration::from_secs(30);

/// The usual time between beats (rule 1).
pub const BEAT_EVERY: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Work begins, in place of live work with the same key. A reason is for example `api_call`.
    Begin { key: String, reason: String },
    /// The work of that key ends, if there is any.
    End { key: String },
    /// The time of [`Heartbeat::due`] has come, or not.
    Tick,
    /// From now on there is a call to make at each beat.
    Register,
    /// From now on there is none.
    Unregister,
    /// A call is asked for at once.
    Signal,
    /// It is over. Work may still begin and end, and is counted, but there are no more effects.
    Shutdown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Report that work is in flight.
    Beat(Load),
    /// Make the registered call, if it is allowed at this moment.
    Call,
    /// Report that there has been no work for [`IDLE_AFTER`].
    Idle,
    /// Report the work in flight at the end.
    Last(Load),
}

/// The work in flight.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Load {
    pub count: usize,
    /// The count for each reason.
    pub reasons: BTreeMap<String, usize>,
    /// How long the oldest live work has been going on.
    pub oldest: Option<Duration>,
    /// For how long there has been any work without a pause.
    pub busy: Option<Duration>,
}

#[derive(Debug, Clone)]
struct Work {
    reason: String,
    since: Duration,
}

/// Times are those since any fixed moment, and never go back.
#[derive(Debug, Clone, Default)]
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
    /// Returns a heartbeat without any work, with that time between beats.
    pub fn new(every: Duration) -> Self {
        Self { every, ..Self::default() }
    }

    /// Takes in an event, and returns its effects.
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
            Event::Unregister => self.stop(),
            Event::Signal => return self.call().into_iter().collect(),
            Event::Shutdown => {
                self.stop();
                if !mem::replace(&mut self.is_over, true) {
                    return vec![Effect::Last(self.load(now))];
                }
            }
        }
        Vec::new()
    }

    /// Returns the time of the next [`Event::Tick`] that has an effect.
    pub fn due(&self) -> Option<Duration> {
        self.beat_at.into_iter().chain(self.idle_at).min()
    }

    pub fn load(&self, now: Duration) -> Load {
        let mut reasons = BTreeMap::new();
        for work in self.live.values() {
            *reasons.entry(work.reason.clone()).or_default() += 1;
        }

        let oldest = self.live.values().map(|work| work.since).min();
        Load {
            count: self.live.len(),
            reasons,
            oldest: oldest.map(|since| now.saturating_sub(since)),
            busy: self.busy_since.map(|since| now.saturating_sub(since)),
        }
    }

    /// Returns the keys of the work in flight.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.live.keys().map(String::as_str)
    }

    fn start(&mut self, now: Duration) {
        self.idle_at = None;
        self.beat_at = (!self.is_over).then_some(now + self.every);
    }

    fn stop(&mut self) {
        self.has_call = false;
        self.beat_at = None;
        self.idle_at = None;
    }

    fn tick(&mut self, now: Duration) -> Vec<Effect> {
        if self.beat_at.is_some_and(|at| at <= now) {
            // Beats that were slept through are not made up for.
            self.beat_at = Some(now + self.every);
            return [Effect::Beat(self.load(now))].into_iter().chain(self.call()).collect();
        }

        match self.idle_at.take_if(|at| *at <= now) {
            Some(_) => vec![Effect::Idle],
            None => Vec::new(),
        }
    }

    fn call(&self) -> Option<Effect> {
        self.has_call.then_some(Effect::Call)
    }
}

#[cfg(test)]
mod tests;
