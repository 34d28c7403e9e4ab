//! The status of the service: for a probe, for a person, and for a monitoring system.

use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::Page;
use crate::keepalive::job::{Job, JobState, OutcomeKind, When};
use crate::keepalive::status::{JobStatus, Row};
use crate::model::Timestamp;
use crate::model::exposition::{Label, MetricType, write_metric};
use crate::model::plain_json::plain_json;

const JSON: &str = "application/json; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The shortest interval by which the service is judged: two passes may be missed, and a turn of a CLI
/// takes a while.
const SHORTEST: Duration = Duration::from_secs(60);

/// The settings in `GET /status`, as the service had them that this one replaces; nothing if no job has
/// them.
#[derive(Debug, Clone, Default)]
pub(super) struct OldSettings {
    every: Option<Duration>,
    zone: Option<&'static str>,
    silence: Option<(String, String)>,
}

impl OldSettings {
    /// Takes the settings of the first job that reaches a provider, or else of the first one.
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

/// The status as of the last pass.
#[derive(Debug)]
pub(super) struct ServiceStatus {
    settings: OldSettings,
    interval: Duration,
    started: Instant,
    last_pass: Option<Instant>,
    passes: u64,
    /// Why the last pass failed.
    problem: Option<String>,
    jobs: BTreeMap<String, JobStatus>,
    /// The jobs as JSON, in the order of the configuration.
    rows: Vec<Value>,
    prompts: u64,
    silences: u64,
    last_sent: Option<Timestamp>,
    was_done: Option<bool>,
    last_error: Option<String>,
}

impl ServiceStatus {
    pub(super) fn new(settings: OldSettings, interval: Duration, now: Instant) -> Self {
        Self {
            settings,
            interval,
            started: now,
            last_pass: None,
            passes: 0,
            problem: None,
            jobs: BTreeMap::new(),
            rows: Vec::new(),
            prompts: 0,
            silences: 0,
            last_sent: None,
            was_done: None,
            last_error: None,
        }
    }

    /// Notes the end of a pass, and why it failed, if it did.
    pub(super) fn pass_finished(&mut self, now: Instant, problem: Option<String>) {
        self.last_pass = Some(now);
        self.passes = self.passes.saturating_add(1);
        self.problem = problem;
    }

    /// Takes over the status of each job.
    pub(super) fn update(&mut self, rows: &[Row<'_>]) {
        self.rows = rows.iter().map(|(job, status)| status.to_json(job)).collect();
        let before = mem::take(&mut self.jobs);
        for (job, status) in rows {
            let state = &status.state;
            let old = before.get(&job.id);
            match old {
                Some(old)
                    if state.running_since.is_none() && state.last_run != old.state.last_run =>
                {
                    self.add_run(state);
                    self.prompts = self.prompts.saturating_add(u64::from(is_done(state)));
                }
                // A run before the start of this process is shown, but not counted.
                None if state.last_run > self.last_sent => self.add_run(state),
                Some(_) | None => {}
            }

            let was_silent = old.and_then(|old| old.silent_until);
            if status.silent_until.is_some() && status.silent_until != was_silent {
                self.silences = self.silences.saturating_add(1);
            }
            self.jobs.insert(job.id.clone(), status.clone());
        }
    }

    fn add_run(&mut self, state: &JobState) {
        self.last_sent = state.last_run;
        let Some(result) = &state.result else { return };
        // A run that is to be tried later, or was skipped, was neither done nor wrong.
        if is_done(state) {
            self.was_done = Some(true);
            self.last_error = None;
        } else if result.kind.is_some_and(OutcomeKind::is_problem) {
            self.was_done = Some(false);
            self.last_error = Some(result.line().to_owned());
        }
    }

    pub(super) fn page(&self, path: &str, now: Instant, time: Timestamp) -> Option<Page> {
        let (is_healthy, content_type, text) = match path {
            "/health" => {
                let why = self.unhealthy_reason(now);
                let health = json!({
                    "status": if why.is_none() { "healthy" } else { "unhealthy" },
                    "isRunning": true,
                    "hasError": self.has_error(),
                    "reason": why,
                });
                (why.is_none(), JSON, plain_json(&health))
            }
            "/status" => (true, JSON, plain_json(&self.to_json())),
            "/metrics" => (true, PROMETHEUS, self.metrics(now, time)),
            _ => return None,
        };
        Some(Page { is_healthy, content_type, text })
    }

    fn unhealthy_reason(&self, now: Instant) -> Option<String> {
        let interval = self.interval.max(SHORTEST);
        let is_late = match self.last_pass {
            Some(last) => now.saturating_duration_since(last) >= 2 * interval,
            None => now.saturating_duration_since(self.started) >= interval,
        };
        if is_late {
            return Some("no pass has finished for too long".to_owned());
        }

        self.problem.clone().or_else(|| {
            self.jobs
                .iter()
                .find_map(|(id, job)| Some(format!("job {id} is disabled: {}", given_up(job)?)))
        })
    }

    fn has_error(&self) -> bool {
        self.problem.is_some()
            || self.was_done == Some(false)
            || self.jobs.values().any(|job| job.state.failures > 0 || given_up(job).is_some())
    }

    fn to_json(&self) -> Value {
        let OldSettings { every, zone, silence } = &self.settings;
        let (start, end) = silence.clone().unzip();
        json!({
            "isRunning": true,
            "isInSilenceHours": self.jobs.values().any(|job| job.silent_until.is_some()),
            "promptCount": self.prompts,
            "skippedDueToSilence": self.silences,
            "lastPromptSent": self.last_sent.and_then(Timestamp::rfc3339),
            "lastPromptSuccess": self.was_done,
            "lastError": self.last_error,
            "config": {
                "promptIntervalMs": every.map(|span| span.as_millis()),
                "promptIntervalHours": every.map(|span| span.as_secs_f64() / 3600.0),
                "timezone": zone,
                "silenceStart": start,
                "silenceEnd": end,
            },
            "jobs": self.rows,
        })
    }

    fn metrics(&self, now: Instant, time: Timestamp) -> String {
        let mut text = Vec::new();
        // Writing to memory cannot fail.
        let _ = self.write_metrics(&mut text, now, time);
        String::from_utf8(text).unwrap_or_default()
    }

    fn write_metrics(&self, to: &mut Vec<u8>, now: Instant, time: Timestamp) -> io::Result<()> {
        let healthy = number(self.unhealthy_reason(now).is_none());
        gauge(to, "healthy", "1 if /health reports healthy, else 0.", [(None, healthy)])?;
        if let Some(last) = self.last_pass {
            let at = seconds(time.earlier(now.saturating_duration_since(last)));
            gauge(to, "last_pass_timestamp_seconds", "When the last pass finished.", [(None, at)])?;
        }

        for (name, help, count) in [
            ("passes_total", "Passes since the start of this process.", self.passes),
            ("prompts_total", "Successful runs since the start of this process.", self.prompts),
            ("silences_total", "Silent periods that jobs have entered.", self.silences),
        ] {
            let name = format!("{PREFIX}{name}");
            write_metric(to, &name, MetricType::Counter, help, [(None, count)])?;
        }

        self.job_gauge(to, "job_failures", "Failed runs in a row.", |job| {
            Some(f64::from(job.state.failures))
        })?;
        self.job_gauge(to, "job_disabled", "1 if the job is disabled, else 0.", |job| {
            Some(number(job.disabled.is_some()))
        })?;
        self.job_gauge(to, "job_last_run_timestamp_seconds", "When the last run began.", |job| {
            job.state.last_run.map(seconds)
        })?;
        self.job_gauge(to, "job_next_run_timestamp_seconds", "When the job is due next.", |job| {
            job.next.map(seconds)
        })
    }

    /// Writes a gauge with a sample for each job that has a value.
    fn job_gauge(
        &self,
        to: &mut Vec<u8>,
        name: &str,
        help: &str,
        value: impl Fn(&JobStatus) -> Option<f64>,
    ) -> io::Result<()> {
        let samples = self
            .jobs
            .iter()
            .filter_map(|(id, job)| Some((Some(("job", id.as_str())), value(job)?)));
        gauge(to, name, help, samples)
    }
}

const PREFIX: &str = "session_warden_keepalive_";

fn gauge<'a>(
    to: &mut Vec<u8>,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (Label<'a>, f64)>,
) -> io::Result<()> {
    write_metric(to, &format!("{PREFIX}{name}"), MetricType::Gauge, help, samples)
}

fn number(is_so: bool) -> f64 {
    if is_so { 1.0 } else { 0.0 }
}

fn seconds(time: Timestamp) -> f64 {
    time.since_1970().as_secs_f64()
}

/// Returns why a job is disabled, unless its user did that.
fn given_up(job: &JobStatus) -> Option<&str> {
    job.disabled.as_deref().filter(|_| !job.state.is_disabled_by_user())
}

fn is_done(state: &JobState) -> bool {
    state.result.as_ref().and_then(|result| result.kind) == Some(OutcomeKind::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn is_healthy(status: &ServiceStatus, now: Instant) -> bool {
        let page = status.page("/health", now, Timestamp::new(0, 0)).unwrap();
        assert_eq!(page.is_healthy, page.text.contains("\"healthy\""), "{}", page.text);
        page.is_healthy
    }

    #[test]
    fn it_is_well_for_one_interval_before_the_first_pass_and_for_two_after_each() {
        for (interval, counts) in [(10 * MINUTE, 10 * MINUTE), (MINUTE / 6, MINUTE)] {
            let start = Instant::now();
            let mut status = ServiceStatus::new(OldSettings::default(), interval, start);
            let nearly = counts.mul_f64(0.99);
            assert!(is_healthy(&status, start) && is_healthy(&status, start + nearly));
            assert!(!is_healthy(&status, start + counts), "stuck in its first pass");
            let passed = start + 2 * counts;
            status.pass_finished(passed, None);
            assert!(is_healthy(&status, passed + 2 * nearly));
            assert!(!is_healthy(&status, passed + 2 * counts), "stuck");
            status.pass_finished(passed + 3 * counts, None);
            assert!(is_healthy(&status, passed + 3 * counts));
            status.pass_finished(passed + 3 * counts, Some("no".to_owned()));
            assert!(!is_healthy(&status, passed + 3 * counts));
        }
    }

    #[test]
    fn a_page_has_nothing_raw_that_a_terminal_acts_on_s3() {
        const POISON: &str = "\u{1b}[2J\u{9b}31m\u{202e}x\u{7f}";
        let now = Instant::now();
        let mut status = ServiceStatus::new(OldSettings::default(), MINUTE, now);
        status.pass_finished(now, Some(POISON.to_owned()));
        status.last_error = Some(POISON.to_owned());
        for (path, field) in [("/health", "reason"), ("/status", "lastError")] {
            let page = status.page(path, now, Timestamp::new(0, 0)).unwrap();
            assert!(!page.text.contains(is_unsafe_in_page), "{path}: {:?}", page.text);
            let read: Value = serde_json::from_str(&page.text).unwrap();
            assert_eq!(read[field], POISON, "and it reads back the same");
        }
    }

    fn is_unsafe_in_page(letter: char) -> bool {
        letter != '\n' && crate::model::escape::is_unsafe(letter)
    }
}
