//! The outcome of a run, its line in the state file, and the wait after a bad one.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

use crate::model::Timestamp;

const FIRST_BACKOFF: Duration = Duration::from_secs(5 * 60);
const LONGEST_BACKOFF: Duration = Duration::from_secs(6 * 3600);
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// How a run ended. `why` is stored and shown, so it must hold no secret; `until` is a time before which
/// trying again is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was successful.
    Done,
    /// It was done, but the expiry is the same.
    Unmoved { until: Timestamp },
    /// It was done, and the provider's answer may have the end of its usage window.
    Answered { window_ends: Option<Timestamp>, warning: Option<String> },
    /// It is to be tried later, as a command asks for by exit code 75. That is no failure.
    Later { why: String, until: Option<Timestamp> },
    /// It was not successful, and may be tried again.
    Failed { why: String },
    /// A usage limit of the provider is reached. That is no failure.
    RateLimited { why: String, until: Option<Timestamp> },
    /// The login is not accepted, or the job is blocked: trying again would make it worse.
    Refused { why: String },
    /// Nothing could be done, for example because an expiry is unknown.
    Skipped { why: String },
}

/// The outcome without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeKind {
    Done,
    Later,
    Failed,
    RateLimited,
    Refused,
    Skipped,
}

impl OutcomeKind {
    const ALL: [Self; 6] =
        [Self::Done, Self::Later, Self::Failed, Self::RateLimited, Self::Refused, Self::Skipped];

    pub fn name(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            other => other.words(),
        }
    }

    /// Returns the words that a line begins with.
    fn words(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Later => "later",
            Self::Failed => "failed",
            Self::RateLimited => "rate limited",
            Self::Refused => "refused",
            Self::Skipped => "skipped",
        }
    }

    /// Returns true if the user has to know of it.
    pub fn is_problem(self) -> bool {
        matches!(self, Self::Failed | Self::RateLimited | Self::Refused)
    }
}

impl Outcome {
    pub fn stopped() -> Self {
        Self::later("stopped by a signal")
    }

    pub fn later(why: impl Into<String>) -> Self {
        Self::Later { why: why.into(), until: None }
    }

    pub fn limited(until: Option<Timestamp>) -> Self {
        Self::RateLimited { why: "the usage limit was reached".to_owned(), until }
    }

    pub fn failed(why: impl Into<String>) -> Self {
        Self::Failed { why: why.into() }
    }

    pub fn skipped(why: impl Into<String>) -> Self {
        Self::Skipped { why: why.into() }
    }

    pub fn log_in_again() -> Self {
        Self::Refused { why: "log in again".to_owned() }
    }

    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Done | Self::Unmoved { .. } | Self::Answered { .. } => OutcomeKind::Done,
            Self::Later { .. } => OutcomeKind::Later,
            Self::Failed { .. } => OutcomeKind::Failed,
            Self::RateLimited { .. } => OutcomeKind::RateLimited,
            Self::Refused { .. } => OutcomeKind::Refused,
            Self::Skipped { .. } => OutcomeKind::Skipped,
        }
    }

    /// Returns why it was not done.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Done | Self::Unmoved { .. } | Self::Answered { .. } => None,
            Self::Later { why, .. }
            | Self::Failed { why }
            | Self::RateLimited { why, .. }
            | Self::Refused { why }
            | Self::Skipped { why } => Some(why),
        }
    }

    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Unmoved { until } => Some(*until),
            Self::Later { until, .. } | Self::RateLimited { until, .. } => *until,
            _ => None,
        }
    }

    /// Returns the problem of an action that was done all the same.
    pub fn warning(&self) -> Option<&str> {
        match self {
            Self::Answered { warning, .. } => warning.as_deref(),
            Self::Unmoved { .. } => Some("it still expires at the same time"),
            _ => None,
        }
    }
}

/// One line, whatever characters the reason has.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind().words())?;
        match (self, self.reason().or(self.warning())) {
            (_, None) => Ok(()),
            (Self::Unmoved { .. }, Some(why)) => write!(f, ", but {why}"),
            (_, Some(why)) => write!(f, ": {}", one_line(why)),
        }
    }
}

/// The outcome of the last run, stored as the line that is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct LastResult {
    /// Nothing for a line that another version has written.
    pub kind: Option<OutcomeKind>,
    line: String,
}

impl LastResult {
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Returns why the run failed, or the whole line if it did not.
    pub(super) fn failure(&self) -> &str {
        self.line.strip_prefix("failed: ").unwrap_or(&self.line)
    }
}

impl From<&Outcome> for LastResult {
    fn from(outcome: &Outcome) -> Self {
        Self { kind: Some(outcome.kind()), line: outcome.to_string() }
    }
}

impl From<String> for LastResult {
    fn from(line: String) -> Self {
        let kind = OutcomeKind::ALL.into_iter().find(|kind| line.starts_with(kind.words()));
        Self { kind, line }
    }
}

impl From<LastResult> for String {
    fn from(result: LastResult) -> Self {
        result.line
    }
}

/// Returns the first 200 characters, on one line and without control characters.
pub(super) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    line.chars().take(200).collect()
}

/// Returns the wait after that many failed runs in a row: 5 minutes after the first, doubled with each
/// further one, and 6 hours at most.
pub fn backoff(failures: u32) -> Duration {
    doubled(FIRST_BACKOFF, failures, LONGEST_BACKOFF)
}

/// Returns the wait within a run after that many failed attempts: 2 seconds after the first, doubled
/// with each further one, and a minute at most. `random`, from 0 to 1, takes off up to a half, so that
/// machines that failed together do not try again together.
pub fn retry_pause(attempt: u32, random: f64) -> Duration {
    let half = doubled(FIRST_RETRY, attempt, LONGEST_RETRY) / 2;
    let random = if (0.0..=1.0).contains(&random) { random } else { 1.0 };
    half + half.mul_f64(random)
}

fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    let factor = 2_u32.checked_pow(times.saturating_sub(1)).unwrap_or(u32::MAX);
    first.checked_mul(factor).map_or(most, |wait| wait.min(most))
}
