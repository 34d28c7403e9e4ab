//! What is due when, and what follows from how it ended: the rules in tables here, whole years in
//! `year` and `clocks`.

use std::time::Duration;

use super::*;
use crate::model::Timestamp;

mod clocks;
mod due;
mod local;
mod outcomes;
mod pace;
mod properties;
mod window;
mod world;
mod year;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap_or_else(|| panic!("{text} is no time"))
}

fn minute(text: &str) -> Minute {
    Minute::parse(text).unwrap()
}

fn silence(start: &str, end: &str) -> Silence {
    Silence::new(minute(start), minute(end)).unwrap()
}

fn zone(name: &str) -> Zone {
    Zone::parse(name).unwrap()
}

fn job(when: When) -> Job {
    Job {
        id: "job".to_owned(),
        action: Action::Command { command: "true".to_owned(), expiry_command: None },
        when,
        zone: Zone::UTC,
        silence: None,
        min_gap: Duration::ZERO,
        attempts: 3,
        disable_after: 5,
        notify: None,
    }
}

fn failed() -> Outcome {
    Outcome::Failed { why: "no network".to_owned() }
}

fn limited(until: Option<Timestamp>) -> Outcome {
    Outcome::RateLimited { why: "5-hour limit".to_owned(), until }
}

fn run(state: &mut JobState, job: &Job, outcome: &Outcome, now: Timestamp) {
    state.settle(now);
    state.begin(now);
    state.end(job, outcome, None, now);
}
