//! What a pass did with one job, as a line and as JSON.

use serde_json::{Value, json};

use crate::keepalive::job::{Job, Outcome};
use crate::model::Timestamp;

/// What a pass did with one job.
#[derive(Debug)]
pub(super) struct End {
    /// In one word, for programs.
    outcome: &'static str,
    /// The same for people.
    text: String,
    reason: Option<String>,
    until: Option<Timestamp>,
    /// What went wrong besides.
    warning: Option<String>,
    /// What went wrong with its `notify`.
    pub(super) problem: Option<String>,
}

impl End {
    fn new(outcome: &'static str, text: impl Into<String>) -> Self {
        Self { outcome, text: text.into(), reason: None, until: None, warning: None, problem: None }
    }

    pub(super) fn would_run() -> Self {
        Self::new("would_run", "would run")
    }

    pub(super) fn would_check() -> Self {
        Self::new("would_check", "would run expiry_command to see if it is due")
    }

    pub(super) fn disabled(why: String) -> Self {
        let text = format!("disabled: {why}");
        Self { reason: Some(why), ..Self::new("disabled", text) }
    }

    pub(super) fn silent(until: Timestamp) -> Self {
        let text = format!("silent until {}", until.for_people());
        Self { until: Some(until), ..Self::new("silent", text) }
    }

    pub(super) fn not_due(until: Timestamp) -> Self {
        let text = format!("not due before {}", until.for_people());
        Self { until: Some(until), ..Self::new("not_due", text) }
    }

    /// Returns the end of a job that was run, or skipped.
    pub(super) fn of(outcome: &Outcome) -> Self {
        let (name, reason, until) = match outcome {
            Outcome::Done | Outcome::Answered { .. } => ("done", None, None),
            Outcome::Unmoved { until } => ("done", None, Some(*until)),
            Outcome::Later { why, until } => ("later", Some(why), *until),
            Outcome::Failed { why } => ("failed", Some(why), None),
            Outcome::RateLimited { why, until } => ("rate_limited", Some(why), *until),
            Outcome::Refused { why } => ("refused", Some(why), None),
            Outcome::Skipped { why } => ("skipped", Some(why), None),
        };
        let warning = match outcome {
            Outcome::Answered { warning, .. } => warning.clone(),
            Outcome::Unmoved { .. } => Some("it still expires at the same time".to_owned()),
            _ => None,
        };
        let text = outcome.to_string();
        Self { outcome: name, text, reason: reason.cloned(), until, warning, problem: None }
    }

    /// Returns it as a line without the job's id.
    pub(super) fn line(&self) -> String {
        match &self.problem {
            Some(problem) => format!("{}; {problem}", self.text),
            None => self.text.clone(),
        }
    }

    /// Returns it as other programs read it, with the lines that the job printed.
    pub(super) fn to_json(&self, job: &Job, details: &[String]) -> Value {
        json!({
            "id": job.id,
            "action": job.action.name(),
            "outcome": self.outcome,
            "reason": self.reason,
            "until": self.until.and_then(Timestamp::rfc3339),
            "warning": self.problem.as_ref().or(self.warning.as_ref()),
            "details": details,
        })
    }
}
