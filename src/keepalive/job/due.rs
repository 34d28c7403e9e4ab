//! Decides whether a job is to run now.

use std::time::Duration;

use super::definition::{Action, Job, When};
use super::state::JobState;
use crate::model::Timestamp;

/// How long after the end of a usage window the next ping comes: clocks differ, and one that comes too
/// early opens no new window.
const JUST_AFTER: Duration = Duration::from_secs(30);

/// A usage window lasts five hours at most. If the clock was set back, one seems to be longer, and is
/// ignored.
const LONGEST_WINDOW: Duration = Duration::from_secs(5 * 3600 + 600);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// It is due now.
    Due,
    /// The time is the earliest one outside its silence, if nothing happens until then.
    NotYet { at: Timestamp },
    /// It is due, but in its silence now.
    Silent { until: Timestamp },
    /// It does not run until it is enabled, or its credential changes.
    Disabled { why: String },
}

/// Returns whether the job is due at `now`, by a state that was settled at `now`.
///
/// Only a job that runs before an expiry looks at `expires`. If that is unknown, such a job is not due
/// before [`Timestamp::MAX`], and the caller has to report that the expiry is unknown.
pub fn due(job: &Job, state: &JobState, expires: Option<Timestamp>, now: Timestamp) -> Due {
    if let Some(why) = state.disabled_why(job) {
        return Due::Disabled { why };
    }

    let scheduled = match job.when {
        // A job that has never been done is due at once.
        When::Every(span) => {
            window_over(job, state, now).or_else(|| state.last_done.map(|done| done.after(span)))
        }
        When::Daily(minute) => {
            // A new job waits for its next slot. Later, one missed slot is made up for. Jobs that had no
            // slots before go by the time when they were done.
            let done = state.slot.or(state.last_done).max(state.seen).unwrap_or(now);
            let latest = job.zone.latest_slot(minute, now).filter(|slot| *slot > done);
            latest.or_else(|| Some(job.zone.next_slot(minute, now.max(done))))
        }
        When::BeforeExpiry(span) => {
            Some(expires.map_or(Timestamp::MAX, |expires| expires.earlier(span)))
        }
    };
    let gap_over = state.last_run.map(|run| run.after(job.gap()));
    let at = scheduled.max(state.not_before).max(gap_over).unwrap_or(now);

    if at > now {
        return Due::NotYet { at: job.silent_until(at).unwrap_or(at) };
    }
    job.silent_until(now).map_or(Due::Due, |until| Due::Silent { until })
}

/// Returns when the usage window of the last ping is over, if that is known.
fn window_over(job: &Job, state: &JobState, now: Timestamp) -> Option<Timestamp> {
    let is_ping = matches!(job.action, Action::ClaudeWebPing(_));
    let ends = state.window_ends.filter(|ends| is_ping && *ends <= now.after(LONGEST_WINDOW))?;
    Some(ends.after(JUST_AFTER))
}
