//! What is known of a job from its runs so far, and how a run changes that.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use super::definition::{Job, SMALLEST_GAP, When};
use super::outcome::{LastResult, Outcome, backoff, one_line};
use crate::model::Timestamp;

/// How long a job waits that is to be tried later.
const LATER: Duration = Duration::from_secs(5 * 60);

const BY_USER: &str = "by the user";
const FORMERLY_BY_USER: &str = "by its user";

/// How far in the future a daily slot that was done may be before it is forgotten.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A job's state between passes. What a file leaves out is as for a new job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobState {
    /// The first pass that knew the job.
    pub seen: Option<Timestamp>,
    pub last_run: Option<Timestamp>,
    /// The end of the last successful run.
    pub last_done: Option<Timestamp>,
    /// The daily slot that was done last. It stays the same when the clock is set back by less than a
    /// day, so that no day is done twice.
    pub slot: Option<Timestamp>,
    /// The end of the usage window in the last answer. The next ping comes just after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_ends: Option<Timestamp>,
    pub result: Option<LastResult>,
    pub failures: u32,
    pub rate_limits: u32,
    /// When it may run again after a run that was not successful.
    pub not_before: Option<Timestamp>,
    /// When that wait began.
    pub waits_since: Option<Timestamp>,
    /// The expiry that the job goes by, as it was last read.
    pub expires: Option<Timestamp>,
    /// The state from a time when the clock was far ahead of now.
    pub ahead: Option<Ahead>,
    pub disabled: Option<Disabled>,
    /// The start of the run that is under way, or was when its pass was killed.
    pub running_since: Option<Timestamp>,
    /// Conversations that a ping has made, or was about to make, and has not seen deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conversations: Vec<Conversation>,
}

/// A ping's own conversation on Claude's web page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    pub organization: String,
    pub id: String,
}

/// Times that the clock has yet to reach again. A machine without a battery-backed clock starts in some
/// other year, and its first pass must not undo successful runs and the waits of a provider.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ahead {
    /// The time that the clock had shown.
    shown: Option<Timestamp>,
    last_run: Option<Timestamp>,
    last_done: Option<Timestamp>,
    slot: Option<Timestamp>,
    not_before: Option<Timestamp>,
}

/// Why a job must not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    pub why: DisabledReason,
    /// The hash of the credential that was refused. Another one enables the job again.
    #[serde(default)]
    pub credential: Option<String>,
    /// True if it was refused, with that credential or with none that could be read.
    #[serde(default)]
    pub refused: bool,
}

/// Who disabled a job, with the line that is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum DisabledReason {
    User(String),
    Result(String),
}

impl From<String> for DisabledReason {
    fn from(line: String) -> Self {
        match &*line {
            BY_USER | FORMERLY_BY_USER => Self::User(line),
            _ => Self::Result(line),
        }
    }
}

impl From<DisabledReason> for String {
    fn from(reason: DisabledReason) -> Self {
        match reason {
            DisabledReason::User(line) | DisabledReason::Result(line) => line,
        }
    }
}

impl JobState {
    pub fn begin(&mut self, now: Timestamp) {
        self.seen.get_or_insert(now);
        self.last_run = Some(now);
        self.running_since = Some(now);
    }

    /// Ends the run that was begun. `credential` is the hash of the one that it used.
    ///
    /// A run that was skipped or is to be tried later leaves its interval or its day open: it is tried
    /// again after a pause, and neither adds to the failures nor ends their row.
    pub fn end(
        &mut self,
        job: &Job,
        outcome: &Outcome,
        credential: Option<String>,
        now: Timestamp,
    ) {
        let began = self.running_since.take().or(self.last_run).unwrap_or(now);
        self.result = Some(outcome.into());

        match outcome {
            Outcome::Done => self.succeed(job, began, None, now),
            Outcome::Answered { window_ends, .. } => self.succeed(job, began, *window_ends, now),
            Outcome::Unmoved { until } => {
                self.succeed(job, began, None, now);
                self.wait_until(now.after(LATER).max(*until), now);
            }
            Outcome::Later { until, .. } => {
                self.wait_until(now.after(LATER).max(until.unwrap_or(now)), now);
            }
            Outcome::Skipped { .. } => {
                self.wait_until(now.after(job.gap().max(SMALLEST_GAP)), now);
            }
            Outcome::Failed { why } => {
                self.fail(now);
                if job.gives_up_after(self.failures) {
                    self.disable(&gave_up(self.failures, why));
                }
            }
            Outcome::RateLimited { until, .. } => {
                self.rate_limits = self.rate_limits.saturating_add(1);
                // A time in the past does not say how long to wait.
                let named = until.filter(|until| *until > now);
                self.wait_until(named.unwrap_or_else(|| now.after(backoff(self.rate_limits))), now);
            }
            Outcome::Refused { why } => {
                let why = DisabledReason::Result(one_line(why));
                self.disabled = Some(Disabled { why, credential, refused: true });
            }
        }
    }

    /// Brings the state up to date at the start of a pass: the job has been seen; a run that was left
    /// under way was killed together with its pass and counts as one failed run; and times in the
    /// future cannot have happened.
    ///
    /// If the clock was set back, an interval begins anew, so that the job neither runs early nor waits
    /// until the clock is where it was. A clock that was set forward cannot be detected: it looks as if
    /// the machine had slept.
    pub fn settle(&mut self, now: Timestamp) {
        self.come_back(now);
        let happened =
            [self.seen, self.last_run, self.last_done, self.running_since, self.waits_since];
        if let Some(latest) = happened.into_iter().flatten().max().filter(|latest| *latest > now) {
            self.set_back(latest, now);
        }
        if self.slot.is_some_and(|slot| slot > now.after(DAY)) {
            self.slot = Some(now);
        }

        self.seen.get_or_insert(now);
        if self.running_since.take().is_some() {
            self.result = Some((&Outcome::Failed { why: "the pass was killed".to_owned() }).into());
            self.fail(now);
        }
    }

    /// Moves all times to `now` that the clock, which had shown `latest`, has yet to reach again.
    fn set_back(&mut self, latest: Timestamp, now: Timestamp) {
        if latest > now.after(DAY) && self.ahead.is_none() {
            self.ahead = Some(Ahead {
                shown: Some(latest),
                last_run: self.last_run,
                last_done: self.last_done,
                slot: self.slot,
                not_before: self.not_before,
            });
        }

        for time in [
            &mut self.seen,
            &mut self.last_run,
            &mut self.last_done,
            &mut self.running_since,
            &mut self.waits_since,
        ] {
            *time = time.map(|time| time.min(now));
        }

        // A wait began at one of these times. It is as long as before, from now on.
        let ahead = Duration::from_secs(now.seconds_until(latest));
        self.not_before = self.not_before.map(|time| time.earlier(ahead));
    }

    /// Restores the state from before the clock was set back, once the clock is there again.
    fn come_back(&mut self, now: Timestamp) {
        if let Some(ahead) = self.ahead.take_if(|ahead| ahead.shown <= Some(now)) {
            self.last_run = self.last_run.max(ahead.last_run);
            self.last_done = self.last_done.max(ahead.last_done);
            self.slot = self.slot.max(ahead.slot);
            self.not_before = self.not_before.max(ahead.not_before);
        }
    }

    /// Enables the job, without its former failures and waits.
    pub fn enable(&mut self) {
        self.disabled = None;
        self.start_afresh();
    }

    /// Disables the job as its user wants, until it is enabled.
    pub fn disable_for_user(&mut self) {
        self.disable(BY_USER);
    }

    pub fn is_disabled_by_user(&self) -> bool {
        matches!(self.disabled, Some(Disabled { why: DisabledReason::User(_), .. }))
    }

    pub fn disable(&mut self, why: &str) {
        self.disabled =
            Some(Disabled { why: one_line(why).into(), credential: None, refused: false });
    }

    /// Enables the job if it is disabled because a credential was refused, and `credential` is the hash
    /// of another one. A credential that is gone is not another one.
    pub fn notices_change(&mut self, credential: Option<&str>) {
        let refused = self.disabled.as_ref().filter(|disabled| disabled.refused);
        if let (Some(refused), Some(credential)) = (refused, credential)
            && refused.credential.as_deref() != Some(credential)
        {
            self.enable();
        }
    }

    /// Returns why the job must not run, if so. A pass that was killed does not know how many failures
    /// the job may have, so these are counted here as well.
    pub fn disabled_why(&self, job: &Job) -> Option<String> {
        if let Some(disabled) = &self.disabled {
            return Some(disabled.why.clone().into());
        }
        let why = self.result.as_ref().map_or("", LastResult::failure);
        job.gives_up_after(self.failures).then(|| gave_up(self.failures, why))
    }

    fn succeed(
        &mut self,
        job: &Job,
        began: Timestamp,
        window_ends: Option<Timestamp>,
        now: Timestamp,
    ) {
        self.last_done = Some(now);
        self.window_ends = window_ends;
        // The slot is the one at the start of the run. One that came meanwhile is still open.
        self.slot = match job.when {
            When::Daily(minute) => job.zone.latest_slot(minute, began),
            When::Every(_) | When::BeforeExpiry(_) => None,
        };
        self.start_afresh();
    }

    fn fail(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.wait_until(now.after(backoff(self.failures)), now);
    }

    /// A forced run does not shorten a wait that a provider has asked for.
    fn wait_until(&mut self, time: Timestamp, now: Timestamp) {
        self.waits_since = Some(now);
        self.not_before = self.not_before.max(Some(time));
    }

    fn start_afresh(&mut self) {
        if let Some(ahead) = &mut self.ahead {
            ahead.not_before = None;
        }
        self.failures = 0;
        self.rate_limits = 0;
        self.not_before = None;
    }
}

fn gave_up(failures: u32, why: &str) -> String {
    let times =
        if failures == 1 { "once".to_owned() } else { format!("{failures} times in a row") };
    one_line(&format!("failed {times}: {why}"))
}
