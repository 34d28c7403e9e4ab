//! The status of the service: for a probe, for a person, and for a monitoring system.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::Answer;
use crate::keepalive::job::{Job, When};
use crate::keepalive::status::{Row, row_json};
use crate::model::Timestamp;

/// Two passes may be missed, and an interval is taken for no shorter than this: a turn of a CLI takes a
/// while.
const SHORTEST: Duration = Duration::from_secs(60);

/// The settings of the service that told these fields first (`GET /status`); nothing where no job has
/// them.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    /// How often a prompt is sent.
    pub(super) every: Option<Duration>,
    /// The zone of its silence.
    pub(super) zone: Option<&'static str>,
    /// When its silence begins and ends.
    pub(super) silence: Option<(String, String)>,
}

/// How it goes, as of the last pass.
#[derive(Debug)]
pub(super) struct Board {
    told: Told,
    interval: Duration,
    started: Instant,
    last_pass: Option<Instant>,
    passes: u64,
    /// What kept the last pass from its work.
    trouble: Option<String>,
    jobs: BTreeMap<String, Standing>,
    /// In the order of the configuration.
    rows: Vec<Value>,
    prompts: u64,
    silences: u64,
    last_sent: Option<Timestamp>,
    was_done: Option<bool>,
    last_error: Option<String>,
}

/// One job, as of the last pass.
#[derive(Debug, Clone)]
struct Standing {
    last: Option<Timestamp>,
    next: Option<Timestamp>,
    failures: u32,
    /// Why it is disabled, unless its user wanted that.
    given_up: Option<String>,
    is_disabled: bool,
    silent_until: Option<Timestamp>,
}

impl Told {
    /// Those of the first job that reaches a provider, or else of the first one.
    pub(super) fn of(jobs: &[Job]) -> Self {
        let first = jobs.iter().find(|job| job.action.reaches_provider()).or(jobs.first());
        let Some(job) = first else { return Self::default() };
        let every = match job.when {
            When::Every(span) => Some(span),
            When::Daily(_) | When::BeforeExpiry(_) => None,
        };
        let silence = job.silence.map(|it| (it.start().to_string(), it.end().to_string()));
        Self { every, zone: Some(job.zone.name()), silence }
    }
}

impl Board {
    pub(super) fn new(told: Told, interval: Duration, now: Instant) -> Self {
        Self {
            told,
            interval,
            started: now,
            last_pass: None,
            passes: 0,
            trouble: None,
            jobs: BTreeMap::new(),
            rows: Vec::new(),
            prompts: 0,
            silences: 0,
            last_sent: None,
            was_done: None,
            last_error: None,
        }
    }

    /// A pass has ended, and this is what kept it from its work.
    pub(super) fn passed(&mut self, now: Instant, trouble: Option<String>) {
        self.last_pass = Some(now);
        self.passes = self.passes.saturating_add(1);
        self.trouble = trouble;
    }

    /// This is how jobs stand now.
    pub(super) fn post(&mut self, rows: &[Row<'_>]) {
        self.rows = rows.iter().map(row_json).collect();
        let before = std::mem::take(&mut self.jobs);
        for row in rows {
            let state = &row.state;
            let old = before.get(&row.job.id);
            match old {
                // What ran before this process did is not counted.
                None => self.ran_before(row),
                Some(old) if state.running_since.is_none() && state.last_run != old.last => {
                    self.ran(row);
                }
                Some(_) => {}
            }
            let silent_until = row.silent_until;
            let was_silent = old.and_then(|old| old.silent_until);
            if silent_until.is_some() && silent_until != was_silent {
                self.silences = self.silences.saturating_add(1);
            }
            let job = Standing {
                last: state.last_run,
                next: row.next,
                failures: state.failures,
                given_up: row.disabled.clone().filter(|_| !state.is_disabled_by_user()),
                is_disabled: row.disabled.is_some(),
                silent_until,
            };
            self.jobs.insert(row.job.id.clone(), job);
        }
    }

    /// A job has run since it was looked at last.
    fn ran(&mut self, row: &Row<'_>) {
        let state = &row.state;
        let result = state.result.as_deref().unwrap_or_default();
        let is_done = result.starts_with("done");
        let is_wrong =
            ["failed", "refused", "rate limited"].iter().any(|how| result.starts_with(how));
        self.prompts = self.prompts.saturating_add(u64::from(is_done));
        self.last_sent = state.last_run;
        // What is to be tried later, or was skipped, is neither.
        if is_done || is_wrong {
            self.was_done = Some(is_done);
            self.last_error = is_wrong.then(|| result.to_owned());
        }
    }

    /// This is the last that a job did before this process served.
    fn ran_before(&mut self, row: &Row<'_>) {
        if row.state.last_run > self.last_sent {
            let prompts = self.prompts;
            self.ran(row);
            self.prompts = prompts;
        }
    }

    /// The page of that path.
    pub(super) fn answer(&self, path: &str, now: Instant, time: Timestamp) -> Option<Answer> {
        const JSON: &str = "application/json; charset=utf-8";
        Some(match path {
            "/health" => {
                let why = self.ill(now);
                let text = json!({
                    "status": if why.is_none() { "healthy" } else { "unhealthy" },
                    "isRunning": true,
                    "hasError": self.has_error(),
                    "reason": why,
                });
                Answer { is_well: why.is_none(), kind: JSON, text: format!("{text}\n") }
            }
            "/status" => Answer { is_well: true, kind: JSON, text: self.status() },
            "/metrics" => {
                const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
                Answer { is_well: true, kind: PROMETHEUS, text: self.metrics(now, time) }
            }
            _ => return None,
        })
    }

    /// Why it is not healthy; nothing where it is.
    fn ill(&self, now: Instant) -> Option<String> {
        let interval = self.interval.max(SHORTEST);
        let is_late = match self.last_pass {
            Some(last) => now.saturating_duration_since(last) >= 2 * interval,
            None => now.saturating_duration_since(self.started) >= interval,
        };
        if is_late {
            return Some("no pass has finished for too long".to_owned());
        }
        if let Some(trouble) = &self.trouble {
            return Some(trouble.clone());
        }
        self.jobs.iter().find_map(|(id, job)| {
            job.given_up.as_ref().map(|why| format!("job {id} is disabled: {why}"))
        })
    }

    fn has_error(&self) -> bool {
        let has_failed = |job: &Standing| job.failures > 0 || job.given_up.is_some();
        self.trouble.is_some() || self.was_done == Some(false) || self.jobs.values().any(has_failed)
    }

    fn status(&self) -> String {
        let text = |time: Option<Timestamp>| time.and_then(Timestamp::rfc3339);
        let (start, end) = self.told.silence.clone().unzip();
        let status = json!({
            "isRunning": true,
            "isInSilenceHours": self.jobs.values().any(|job| job.silent_until.is_some()),
            "promptCount": self.prompts,
            "skippedDueToSilence": self.silences,
            "lastPromptSent": text(self.last_sent),
            "lastPromptSuccess": self.was_done,
            "lastError": self.last_error,
            "config": {
                "promptIntervalMs": self.told.every.map(|span| span.as_millis()),
                "promptIntervalHours": self.told.every.map(|span| span.as_secs_f64() / 3600.0),
                "timezone": self.told.zone,
                "silenceStart": start,
                "silenceEnd": end,
            },
            "jobs": self.rows,
        });
        format!("{status}\n")
    }

    fn metrics(&self, now: Instant, time: Timestamp) -> String {
        let mut text = String::new();
        let mut metric = |name: &str, kind: &str, help: &str, values: &[(String, f64)]| {
            let _ = writeln!(text, "# HELP session_warden_keepalive_{name} {help}");
            let _ = writeln!(text, "# TYPE session_warden_keepalive_{name} {kind}");
            for (labels, value) in values {
                let _ = writeln!(text, "session_warden_keepalive_{name}{labels} {value}");
            }
        };
        let one = |value: f64| [(String::new(), value)];
        let is = |is: bool| if is { 1.0 } else { 0.0 };
        metric(
            "healthy",
            "gauge",
            "1 if /health reports healthy, else 0.",
            &one(is(self.ill(now).is_none())),
        );
        let seconds = |time: Timestamp| time.since_1970().as_secs_f64();
        if let Some(last) = self.last_pass {
            let at = time.earlier(now.saturating_duration_since(last));
            let help = "When the last pass finished.";
            metric("last_pass_timestamp_seconds", "gauge", help, &one(seconds(at)));
        }
        #[expect(clippy::cast_precision_loss, reason = "nobody counts so far")]
        for (name, help, count) in [
            ("passes_total", "Passes since the start of this process.", self.passes),
            ("prompts_total", "Successful runs since the start of this process.", self.prompts),
            ("silences_total", "Silent periods that jobs have entered.", self.silences),
        ] {
            metric(name, "counter", help, &one(count as f64));
        }
        // An id is made of letters, digits, `.`, `-` and `_`.
        let mut each = |name: &str, help: &str, value: &dyn Fn(&Standing) -> Option<f64>| {
            let values: Vec<(String, f64)> = self
                .jobs
                .iter()
                .filter_map(|(id, job)| Some((format!("{{job=\"{id}\"}}"), value(job)?)))
                .collect();
            metric(name, "gauge", help, &values);
        };
        each("job_failures", "Failed runs in a row.", &|job| Some(f64::from(job.failures)));
        each("job_disabled", "1 if the job is disabled, else 0.", &|job| Some(is(job.is_disabled)));
        each("job_last_run_timestamp_seconds", "When the last run began.", &|job| {
            job.last.map(seconds)
        });
        each("job_next_run_timestamp_seconds", "When the job is due next.", &|job| {
            job.next.map(seconds)
        });
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn is_well(board: &Board, now: Instant) -> bool {
        let answer = board.answer("/health", now, Timestamp::new(0, 0)).unwrap();
        assert_eq!(answer.is_well, answer.text.contains("\"healthy\""), "{}", answer.text);
        answer.is_well
    }

    #[test]
    fn it_is_well_for_one_interval_before_the_first_pass_and_for_two_after_each() {
        for (interval, counts) in [(10 * MINUTE, 10 * MINUTE), (MINUTE / 6, MINUTE)] {
            let start = Instant::now();
            let mut board = Board::new(Told::default(), interval, start);
            let nearly = counts.mul_f64(0.99);
            assert!(is_well(&board, start) && is_well(&board, start + nearly));
            assert!(!is_well(&board, start + counts), "stuck in its first pass");
            let passed = start + 2 * counts;
            board.passed(passed, None);
            assert!(is_well(&board, passed + 2 * nearly));
            assert!(!is_well(&board, passed + 2 * counts), "stuck");
            board.passed(passed + 3 * counts, None);
            assert!(is_well(&board, passed + 3 * counts));
            board.passed(passed + 3 * counts, Some("no".to_owned()));
            assert!(!is_well(&board, passed + 3 * counts));
        }
    }
}
