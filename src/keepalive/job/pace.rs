//! How often a pass has to come so that no job is late.

use std::time::Duration;

use super::definition::{Job, When};

const MINUTE: Duration = Duration::from_secs(60);

/// How late a daily job may begin.
const DAILY: Duration = Duration::from_secs(5 * 60);

/// The divisors of an hour that timers and crontabs can express, in minutes. The longest is how late a
/// job may be that waits for something else, such as the end of a usage limit.
const MINUTES: [u32; 9] = [15, 12, 10, 6, 5, 4, 3, 2, 1];

/// Returns the time between two passes for these jobs: whole minutes that divide an hour, at most 15.
///
/// A pass that came as seldom as a job's interval would find it due a second later, and leave it to the
/// next one. So it comes six times in each interval, and at least twice in the time before an expiry.
pub fn pace(jobs: &[Job]) -> Duration {
    let needs = jobs.iter().map(|job| match job.when {
        When::Every(span) => span / 6,
        When::Daily(_) => DAILY,
        When::BeforeExpiry(span) => span / 3,
    });
    let shortest = needs.min().unwrap_or(Duration::MAX);
    let fits = MINUTES.iter().map(|minutes| MINUTE * *minutes).find(|pace| *pace <= shortest);
    fits.unwrap_or(MINUTE)
}
