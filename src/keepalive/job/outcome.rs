//! How a run ended, and how long to wait after one that ended badly.

use std::fmt;
use std::time::Duration;

use crate::model::Timestamp;

const FIRST_BACKOFF: Duration = Duration::from_secs(5 * 60);
const LONGEST_BACKOFF: Duration = Duration::from_secs(6 * 3600);
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// How a run ended. What `why` says is written down and shown, so no secret belongs in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was done, and yet expires when it did before: until some time, doing it again is of no use.
    Unmoved {
        /// Until when.
        until: Timestamp,
    },
    /// It was done, and the answer told more than that.
    Answered {
        /// When the usage window ends that it lies in, if that was told.
        window_ends: Option<Timestamp>,
        /// What went wrong besides, if anything.
        warning: Option<String>,
    },
    /// It wants to be tried later, as a command says with exit code 75. That is no failure.
    Later {
        /// What it waits for.
        why: String,
        /// Until when, if there is a time before which trying again is of no use.
        until: Option<Timestamp>,
    },
    /// It failed.
    Failed {
        /// What went wrong.
        why: String,
    },
    /// The provider has had enough for now. That is no failure.
    RateLimited {
        /// What it said.
        why: String,
        /// Until when, if it said so.
        until: Option<Timestamp>,
    },
    /// The login is not accepted, or the job is blocked: trying again would make it worse.
    Refused {
        /// What was said.
        why: String,
    },
    /// There was nothing that could be done, as where an expiry is unknown.
    Skipped {
        /// Why not.
        why: String,
    },
}

/// One line, whatever the reason holds.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (how, why) = match self {
            Self::Done | Self::Answered { warning: None, .. } => return f.write_str("done"),
            Self::Unmoved { .. } => {
                return f.write_str("done, but it still expires at the same time");
            }
            Self::Answered { warning: Some(why), .. } => ("done", why),
            Self::Later { why, .. } => ("later", why),
            Self::Failed { why } => ("failed", why),
            Self::RateLimited { why, .. } => ("rate limited", why),
            Self::Refused { why } => ("refused", why),
            Self::Skipped { why } => ("skipped", why),
        };
        write!(f, "{how}: {}", one_line(why))
    }
}

/// The first 200 characters, on one line and without anything that moves a cursor.
pub(super) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    line.chars().take(200).collect()
}

/// How long to wait after that many failed runs in a row: 5 minutes after the first, twice as long
/// after each further one, and 6 hours at most.
pub fn backoff(failures: u32) -> Duration {
    doubled(FIRST_BACKOFF, failures, LONGEST_BACKOFF)
}

/// How long to wait within a run after that many attempts have failed: 2 seconds after the first,
/// twice as long after each further one, and a minute at most. `random`, from 0 to 1, takes off up
/// to a half, so that many machines that failed together do not try again together.
pub fn retry_pause(attempt: u32, random: f64) -> Duration {
    let half = doubled(FIRST_RETRY, attempt, LONGEST_RETRY) / 2;
    let random = if (0.0..=1.0).contains(&random) { random } else { 1.0 };
    half + half.mul_f64(random)
}

fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    let factor = 2_u32.checked_pow(times.saturating_sub(1)).unwrap_or(u32::MAX);
    first.checked_mul(factor).map_or(most, |wait| wait.min(most))
}
