//! The end of a job in a pass, as a line and as JSON.

use serde_json::{Value, json};

use super::job::{Job, Outcome};
use crate::model::Timestamp;

/// What a pass did with one job. A dry run runs no command, not even one that prints an expiry:
/// `WouldCheck`. A job that was skipped counts as one that ran.
#[derive(Debug)]
pub(super) enum End {
    WouldRun,
    WouldCheck,
    Disabled { why: String },
    Silent { until: Timestamp },
    NotDue { until: Timestamp },
    Ran { outcome: Outcome, notify_problem: Option<String> },
}

impl End {
    fn name(&self) -> &'static str {
        match self {
            Self::WouldRun => "would_run",
            Self::WouldCheck => "would_check",
            Self::Disabled { .. } => "disabled",
            Self::Silent { .. } => "silent",
            Self::NotDue { .. } => "not_due",
            Self::Ran { outcome, .. } => outcome.kind().name(),
        }
    }

    /// Returns the line that is printed after the job's id.
    pub(super) fn line(&self) -> String {
        match self {
            Self::WouldRun => "would run".to_owned(),
            Self::WouldCheck => "would run expiry_command to see if it is due".to_owned(),
            Self::Disabled { why } => format!("disabled: {why}"),
            Self::Silent { until } => format!("silent until {}", until.for_people()),
            Self::NotDue { until } => format!("not due before {}", until.for_people()),
            Self::Ran { outcome, notify_problem: None } => outcome.to_string(),
            Self::Ran { outcome, notify_problem: Some(problem) } => format!("{outcome}; {problem}"),
        }
    }

    /// Returns it for programs, with the lines that the job printed.
    pub(super) fn to_json(&self, job: &Job, details: &[String]) -> Value {
        let (reason, until, warning) = match self {
            Self::WouldRun | Self::WouldCheck => (None, None, None),
            Self::Disabled { why } => (Some(why.as_str()), None, None),
            Self::Silent { until } | Self::NotDue { until } => (None, Some(*until), None),
            Self::Ran { outcome, notify_problem } => {
                let warning = notify_problem.as_deref().or(outcome.warning());
                (outcome.reason(), outcome.until(), warning)
            }
        };
        json!({
            "id": job.id,
            "action": job.action.name(),
            "outcome": self.name(),
            "reason": reason,
            "until": until.and_then(Timestamp::rfc3339),
            "warning": warning,
            "details": details,
        })
    }
}
