//! The past runs: a record for each that has ended, except dry runs.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::path::JournalPath;
use crate::model::{Failure, Timestamp};

pub(super) const RUNS: &str = "runs.jsonl";

/// The name of the newest run, where a run is asked for.
pub const LATEST: &str = "latest";

/// The command that a run was of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunKind {
    /// `clean`, which all runs were of before lines had this field.
    #[default]
    Clean,
    /// `remove`.
    Remove,
    /// `release`.
    Release,
    /// `undo`.
    Undo,
    /// A command of a newer version.
    #[serde(other)]
    Other,
}

impl RunKind {
    /// Returns the command of a run that removes named mappings, or idle ones.
    pub fn of(is_by_hand: bool) -> Self {
        if is_by_hand { Self::Remove } else { Self::Clean }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Remove => "remove",
            Self::Release => "release",
            Self::Undo => "undo",
            Self::Other => "other",
        }
    }
}

/// A run that has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    pub run: String,
    #[serde(default)]
    pub command: RunKind,
    pub started: String,
    pub ended: String,
    pub exit: u8,
    #[serde(default)]
    pub map: Option<JournalPath>,
    /// The bridge's address, if a release asked one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The run that an undo restored from.
    #[serde(default)]
    pub undoes: Option<String>,
    /// The counts of its summary, by name; empty where it failed.
    pub summary: serde_json::Map<String, serde_json::Value>,
    /// The first of its warnings, or why it failed.
    pub warning: Option<String>,
}

impl RunRecord {
    pub fn profile(&self) -> Option<&str> {
        profile_of(&self.run)
    }
}

/// Returns an id that no other run has: when it started, as which process, and for which profile,
/// since one process may run for several.
pub fn run_id(started: Timestamp, profile: Option<&str>) -> String {
    let profile = profile.map(|name| format!("-{name}")).unwrap_or_default();
    let milliseconds = started.nanoseconds() / 1_000_000;
    format!("{}-{milliseconds:03}-{}{profile}", started.compact(), std::process::id())
}

/// Returns the profile in a run's id, which is behind the time, its milliseconds and the process.
pub fn profile_of(run: &str) -> Option<&str> {
    run.splitn(4, '-').nth(3)
}

/// How many of the runs that begin alike are listed in the message.
const CANDIDATES: usize = 5;

/// Returns the position of the first id that is `typed`, or of the only one that begins with it. Returns
/// an error if several ids begin with it.
pub fn run_named<'a>(
    ids: impl Iterator<Item = &'a str>,
    typed: &str,
) -> Result<Option<usize>, Failure> {
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for (position, id) in ids.enumerate().filter(|(_, id)| id.starts_with(typed)) {
        found.entry(id).or_insert(position);
    }
    if let Some(exact) = found.get(typed) {
        return Ok(Some(*exact));
    }
    if found.len() < 2 {
        return Ok(found.into_values().next());
    }

    // The newest are most likely meant.
    let candidates: Vec<&str> = found.keys().rev().take(CANDIDATES).copied().collect();
    let more = match found.len() - candidates.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message =
        format!("{} runs begin with {typed:?}: {}{more}", found.len(), candidates.join(", "));
    Err(Failure::new(message).hint("type more of the id, or latest for the newest run"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_by_its_id_or_by_a_prefix_of_its_own() {
        let ids = ["2026-1", "2026-10", "2026-2", "2025-1", "2026-2"];
        let named = |typed| {
            run_named(ids.into_iter(), typed).map(|position| position.map(|position| ids[position]))
        };
        assert_eq!(named("2026-1"), Ok(Some("2026-1")), "an exact match wins");
        assert_eq!(named("2026-10"), Ok(Some("2026-10")));
        assert_eq!(named("2026-2"), Ok(Some("2026-2")), "each counts once");
        assert_eq!(named("2025"), Ok(Some("2025-1")));
        assert_eq!(named("x"), Ok(None));
        let failure = named("2026").unwrap_err();
        assert_eq!(failure.message, "3 runs begin with \"2026\": 2026-2, 2026-10, 2026-1");
        assert!(failure.hint.is_some());
        let many: Vec<String> = (0..9).map(|number| format!("r{number}")).collect();
        let failure = run_named(many.iter().map(String::as_str), "r").unwrap_err();
        assert_eq!(failure.message, "9 runs begin with \"r\": r8, r7, r6, r5, r4 and 4 more");
    }

    #[test]
    fn old_lines_and_those_of_newer_versions_are_read() {
        let old = r#"{"run":"r","started":"s","ended":"e","exit":0,"summary":{},"warning":null}"#;
        let ran: RunRecord = serde_json::from_str(old).unwrap();
        assert_eq!((ran.command, ran.map, ran.undoes), (RunKind::Clean, None, None));
        let newer = old.replace("{\"run\"", "{\"command\":\"swap\",\"run\"");
        assert_eq!(serde_json::from_str::<RunRecord>(&newer).unwrap().command, RunKind::Other);
        let undo = old.replace("{\"run\"", "{\"command\":\"undo\",\"run\"");
        assert_eq!(serde_json::from_str::<RunRecord>(&undo).unwrap().command, RunKind::Undo);
    }
}
