//! What is known of a job from its runs so far, and how a run changes that.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use super::outcome::one_line;
use super::{Job, Outcome, SMALLEST_GAP, When, backoff, text};
use crate::model::Timestamp;

/// How long a job waits that wants to be tried later.
const LATER: Duration = Duration::from_secs(5 * 60);

/// Why a job does not run whose user does not want it to.
const BY_USER: &str = "by the user";
const FORMERLY_BY_USER: &str = "by its user";

/// How far a daily slot that was done may lie in the future before it is forgotten.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A job's state between passes. What a file does not tell is as it is for a new job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobState {
    /// The first pass that knew the job.
    #[serde(with = "text")]
    pub seen: Option<Timestamp>,
    /// When the last run began.
    #[serde(with = "text")]
    pub last_run: Option<Timestamp>,
    /// When the last run ended that did what it should.
    #[serde(with = "text")]
    pub last_done: Option<Timestamp>,
    /// The daily slot that was done last. It stays as it is when the clock is set back by less than
    /// a day, so that no day is done twice.
    #[serde(with = "text")]
    pub slot: Option<Timestamp>,
    /// When the usage window ends that the last answer told of. The next ping comes just after it.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub window_ends: Option<Timestamp>,
    /// One line of how the last run ended.
    pub result: Option<String>,
    /// How many runs in a row have failed.
    pub failures: u32,
    /// How many runs in a row met a rate limit.
    pub rate_limits: u32,
    /// When it may run again after a run that was not done.
    #[serde(with = "text")]
    pub not_before: Option<Timestamp>,
    /// When that wait was decided upon.
    #[serde(with = "text")]
    pub waits_since: Option<Timestamp>,
    /// When it was said to expire that the job goes by, where it goes by that.
    #[serde(with = "text")]
    pub expires: Option<Timestamp>,
    /// What was known while the clock was far ahead of what it shows now.
    pub ahead: Option<Ahead>,
    /// That it must not run until something changes.
    pub disabled: Option<Disabled>,
    /// When the run began that is under way, or was when its pass was killed.
    #[serde(with = "text")]
    pub running_since: Option<Timestamp>,
    /// What a ping has made, or was about to make, and has not seen deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conversations: Vec<Conversation>,
}

/// A conversation of a ping's own on Claude's web page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// The organization that it is in.
    pub organization: String,
    /// Its id, which the ping has chosen.
    pub id: String,
}

/// Times that the clock has yet to come to again. A machine without a clock of its own begins in some
/// other year, and its first pass must not undo what was done and what a provider has said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ahead {
    /// What the clock had shown.
    #[serde(with = "text")]
    shown: Option<Timestamp>,
    #[serde(with = "text")]
    last_run: Option<Timestamp>,
    #[serde(with = "text")]
    last_done: Option<Timestamp>,
    #[serde(with = "text")]
    slot: Option<Timestamp>,
    #[serde(with = "text")]
    not_before: Option<Timestamp>,
}

/// Why a job must not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// The reason, on one line.
    pub why: String,
    /// The hash of the credential that was refused. Another one enables the job again.
    #[serde(default)]
    pub credential: Option<String>,
    /// Whether it was refused, with that credential or with none that could be read.
    #[serde(default)]
    pub refused: bool,
}

impl JobState {
    /// A run begins.
    pub fn begin(&mut self, now: Timestamp) {
        self.seen.get_or_insert(now);
        self.last_run = Some(now);
        self.running_since = Some(now);
    }

    /// The run that was begun has ended. `credential` is the hash of the one that it used.
    ///
    /// What was skipped, and what is to be tried later, leaves its interval or its day open: it is
    /// tried again after a pause, and neither adds to the failures nor ends their row.
    pub fn end(
        &mut self,
        job: &Job,
        outcome: &Outcome,
        credential: Option<String>,
        now: Timestamp,
    ) {
        let began = self.running_since.take().or(self.last_run).unwrap_or(now);
        self.result = Some(outcome.to_string());
        match outcome {
            Outcome::Done | Outcome::Unmoved { .. } | Outcome::Answered { .. } => {
                self.last_done = Some(now);
                self.window_ends = match outcome {
                    Outcome::Answered { window_ends, .. } => *window_ends,
                    _ => None,
                };
                // The slot is that of the run's beginning. One that came meanwhile is still open.
                self.slot = match job.when {
                    When::Daily(minute) => job.zone.latest_slot(minute, began),
                    When::Every(_) | When::BeforeExpiry(_) => None,
                };
                self.start_afresh();
                if let Outcome::Unmoved { until } = outcome {
                    self.wait_until(now.after(LATER).max(*until), now);
                }
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
                // A time that is over says nothing about how long to wait.
                let named = until.filter(|until| *until > now);
                self.wait_until(named.unwrap_or_else(|| now.after(backoff(self.rate_limits))), now);
            }
            Outcome::Refused { why } => {
                self.disabled = Some(Disabled { why: one_line(why), credential, refused: true });
            }
        }
    }

    /// What each pass does first, and writes down: the job has been seen; a run that was left under
    /// way was killed together with its pass and counts as one failed run; and what the clock says
    /// is still to come cannot have happened.
    ///
    /// Where the clock was set back, an interval begins anew, so that the job neither runs early nor
    /// waits until the clock is where it was. Where it was set forward, nothing can be seen of that:
    /// it looks as if the machine had slept.
    pub fn settle(&mut self, now: Timestamp) {
        self.come_back(now);
        let happened = [
            &mut self.seen,
            &mut self.last_run,
            &mut self.last_done,
            &mut self.running_since,
            &mut self.waits_since,
        ];
        let latest = happened.iter().filter_map(|time| **time).max().unwrap_or(now);
        if latest > now {
            if latest > now.after(DAY) && self.ahead.is_none() {
                self.ahead = Some(Ahead {
                    shown: Some(latest),
                    last_run: *happened[1],
                    last_done: *happened[2],
                    slot: self.slot,
                    not_before: self.not_before,
                });
            }
            for time in happened {
                *time = time.map(|time| time.min(now));
            }
            // A wait was counted from what happened. It is as long as it was, from now.
            let ahead = Duration::from_secs(now.seconds_until(latest));
            self.not_before = self.not_before.map(|time| time.earlier(ahead));
        }
        if self.slot.is_some_and(|slot| slot > now.after(DAY)) {
            self.slot = Some(now);
        }
        self.seen.get_or_insert(now);
        if self.running_since.take().is_some() {
            self.result = Some("failed: the pass was killed".to_owned());
            self.fail(now);
        }
    }

    /// Once the clock shows again what it did, what was known then is known again.
    fn come_back(&mut self, now: Timestamp) {
        let is_back = |ahead: &mut Ahead| ahead.shown <= Some(now);
        if let Some(ahead) = self.ahead.take_if(is_back) {
            self.last_run = self.last_run.max(ahead.last_run);
            self.last_done = self.last_done.max(ahead.last_done);
            self.slot = self.slot.max(ahead.slot);
            self.not_before = self.not_before.max(ahead.not_before);
        }
    }

    /// Lets it run again, with nothing held against it any more.
    pub fn enable(&mut self) {
        self.disabled = None;
        self.start_afresh();
    }

    /// Keeps it from running until it is enabled, since its user wants that.
    pub fn disable_for_user(&mut self) {
        self.disable(BY_USER);
    }

    /// Whether its user wants it not to run.
    pub fn is_disabled_by_user(&self) -> bool {
        let is_theirs = |why: &str| [BY_USER, FORMERLY_BY_USER].contains(&why);
        self.disabled.as_ref().is_some_and(|disabled| is_theirs(&disabled.why))
    }

    /// Keeps it from running until it is enabled.
    pub fn disable(&mut self, why: &str) {
        self.disabled = Some(Disabled { why: one_line(why), credential: None, refused: false });
    }

    /// Enables it if it is disabled because a credential was refused, and that of `credential`'s
    /// hash is another one. One that is not there any more is no other one.
    pub fn notices_change(&mut self, credential: Option<&str>) {
        let refused = self.disabled.as_ref().filter(|disabled| disabled.refused);
        if let (Some(refused), Some(credential)) = (refused, credential)
            && refused.credential.as_deref() != Some(credential)
        {
            self.enable();
        }
    }

    /// Why it must not run, if so. A pass that was killed does not know how many failures the job
    /// may have, so these are counted here as well.
    pub fn disabled_why(&self, job: &Job) -> Option<String> {
        let told = self.disabled.as_ref().map(|disabled| disabled.why.clone());
        told.or_else(|| {
            let result = self.result.as_deref().unwrap_or_default();
            let why = result.strip_prefix("failed: ").unwrap_or(result);
            job.gives_up_after(self.failures).then(|| gave_up(self.failures, why))
        })
    }

    fn fail(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.wait_until(now.after(backoff(self.failures)), now);
    }

    /// A run that was forced does not shorten what a provider has said before.
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
