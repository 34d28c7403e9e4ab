//! The runs there were: one line for each real one.

use serde::{Deserialize, Serialize};

pub(super) const RUNS: &str = "runs.jsonl";

/// A run that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// Its id.
    pub run: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// When it ended, RFC 3339.
    pub ended: String,
    /// Its exit code.
    pub exit: u8,
    /// The counts of its summary, by name; empty where it failed.
    pub summary: serde_json::Map<String, serde_json::Value>,
    /// The first of its warnings, or why it failed.
    pub warning: Option<String>,
}

impl Ran {
    /// The profile it was of: what stands in its id behind the time, its milliseconds and the process.
    pub fn profile(&self) -> Option<&str> {
        self.run.splitn(4, '-').nth(3)
    }
}
