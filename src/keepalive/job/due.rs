//! Whether a job is to run now.

use std::time::Duration;

use super::{Action, Job, JobState, When};
use crate::model::Timestamp;

/// How long after the end of a usage window the next ping comes: clocks differ, and one that comes too
/// early opens no new window.
const JUST_AFTER: Duration = Duration::from_secs(30);

/// No usage window is longer than its five hours. A clock that was set back makes one look so, and then
/// it does not count.
const LONGEST_WINDOW: Duration = Duration::from_secs(5 * 3600 + 600);

/// Whether a job is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Now.
    Due,
    /// Not before that time.
    NotYet {
        /// When it is, if nothing happens until then: no sooner, and outside its silence.
        at: Timestamp,
    },
    /// It would be, but it is silent now.
    Silent {
        /// The end of the silence.
        until: Timestamp,
    },
    /// Not until it is enabled, or its credential changes.
    Disabled {
        /// Why.
        why: String,
    },
}

/// Whether the job is to run at `now`, by a state that has been settled at `now`.
///
/// `expires` matters to a job that runs before an expiry only. Where it is not known, such a job is
/// not due before [`Timestamp::MAX`]: whoever asks has to say that nobody knows when it expires.
pub fn due(job: &Job, state: &JobState, expires: Option<Timestamp>, now: Timestamp) -> Due {
    if let Some(why) = state.disabled_why(job) {
        return Due::Disabled { why };
    }
    let wanted = match job.when {
        // One that has never been done is wanted at once.
        When::Every(span) => {
            window_over(job, state, now).or_else(|| state.last_done.map(|done| done.after(span)))
        }
        When::Daily(minute) => {
            // A new job waits for its next slot; only what it has missed since is made up for,
            // and that once. Jobs that had no slots before go by when they were done.
            let done = state.slot.or(state.last_done).max(state.seen).unwrap_or(now);
            let latest = job.zone.latest_slot(minute, now).filter(|slot| *slot > done);
            latest.or_else(|| Some(job.zone.next_slot(minute, now.max(done))))
        }
        When::BeforeExpiry(span) => {
            Some(expires.map_or(Timestamp::MAX, |expires| expires.earlier(span)))
        }
    };
    let gap_over = state.last_run.map(|run| run.after(job.gap()));
    let at = wanted.max(state.not_before).max(gap_over).unwrap_or(now);
    if at > now {
        return Due::NotYet { at: job.silent_until(at).unwrap_or(at) };
    }
    job.silent_until(now).map_or(Due::Due, |until| Due::Silent { until })
}

/// When the usage window is over that the last ping was in, where it is known.
fn window_over(job: &Job, state: &JobState, now: Timestamp) -> Option<Timestamp> {
    let is_ping = matches!(job.action, Action::ClaudeWebPing(_));
    let ends = state.window_ends.filter(|ends| is_ping && *ends <= now.after(LONGEST_WINDOW))?;
    Some(ends.after(JUST_AFTER))
}
