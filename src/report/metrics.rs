//! The metrics of runs: gauges in a file, from which a collector reads them. `model::exposition` knows
//! the format.
//!
//! Counts and times only: a collector must not see who chats, or which files exist (X7).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use super::Summary;
use crate::model::exposition::{MetricType, unescape, write_metric};
use crate::model::{Exit, Timestamp};

const PREFIX: &str = "session_warden_";

/// The measurements of one run of one profile.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    /// Empty for a run without a profile.
    pub profile: String,
    /// When the run ended.
    pub at: Timestamp,
    pub took: Duration,
    /// The exit code.
    pub exit: u8,
    /// A dry run is no success.
    pub dry_run: bool,
    pub threshold_seconds: u64,
    /// Nothing if the run failed.
    pub summary: Option<Summary>,
    /// How long the longest idle process of a resident session is.
    pub oldest_idle_seconds: u64,
}

/// The gauges: the name after the prefix, the help, and the source of the value.
const METRICS: [(&str, &str, Value); 23] = {
    use Value::{Count, LastSuccess, OldestIdle, Run};
    [
        ("checked", "Mappings that the last run judged.", Count(|s| s.checked)),
        ("active", "Mappings whose session was used within the threshold.", Count(|s| s.active)),
        ("in_use", "Mappings past the threshold that a live process uses.", Count(|s| s.in_use)),
        (
            "resident_sessions",
            "Mappings past the threshold whose CLI is alive and idle by its own record.",
            Count(|s| s.resident),
        ),
        (
            "resident_bytes",
            "Memory of the CLI processes of resident sessions and their descendants.",
            Count(|s| s.resident_bytes),
        ),
        (
            "resident_connections",
            "Established TCP connections of these processes.",
            Count(|s| s.resident_connections),
        ),
        (
            "resident_oldest_idle_seconds",
            "The longest idle time among these processes.",
            OldestIdle,
        ),
        ("idle", "Mappings whose session was last used before the threshold.", Count(|s| s.idle)),
        ("missing", "Mappings whose session has no file.", Count(|s| s.missing)),
        ("archived", "Mappings whose session has an archived copy only.", Count(|s| s.archived)),
        ("pinned", "Mappings past the threshold that --pin or an undo keeps.", Count(|s| s.pinned)),
        ("unknown", "Mappings that could not be judged, and were kept.", Count(|s| s.unknown)),
        ("removed", "Mappings that the last run removed.", Count(|s| s.removed)),
        (
            "would_remove",
            "Mappings that the last run, a dry run, would have removed.",
            Count(|s| s.would_remove),
        ),
        (
            "failed",
            "Mappings that should have been removed, and could not be.",
            Count(|s| s.failed),
        ),
        ("released", "Idle CLI processes that the last run ended.", Count(|s| s.released)),
        (
            "would_release",
            "Idle CLI processes that the last run, a dry run, would have ended.",
            Count(|s| s.would_release),
        ),
        ("released_bytes", "Memory that these processes held.", Count(|s| s.released_bytes)),
        (
            "last_run_timestamp_seconds",
            "When the last run ended, in seconds since 1970.",
            Run(|run| since_1970(run.at)),
        ),
        (
            "last_success_timestamp_seconds",
            "When the last run that exited 0 ended, in seconds since 1970; 0 if none has.",
            LastSuccess,
        ),
        (
            "last_run_duration_seconds",
            "How long the last run took.",
            Run(|run| seconds(run.took.as_secs(), run.took.subsec_nanos())),
        ),
        (
            "threshold_seconds",
            "The idle threshold that the last run went by.",
            Run(|run| run.threshold_seconds.to_string()),
        ),
        (
            "last_exit_code",
            "The code that the last run exited with.",
            Run(|run| run.exit.to_string()),
        ),
    ]
};

enum Value {
    /// Left out if the run failed, since it counted nothing.
    Count(fn(&Summary) -> u64),
    OldestIdle,
    Run(fn(&Measured) -> String),
    /// The time of the newest run that exited 0, be it this one or an older one.
    LastSuccess,
}

/// The value of each metric, as text.
type Samples = [Option<String>; METRICS.len()];

/// Writes the new content of a metrics file whose content was `before`: the values of these runs, in
/// their order, and those that the file has of other profiles, unless `only_these`. Anything else in
/// the file is dropped.
pub fn write_metrics(
    before: &str,
    runs: &[Measured],
    only_these: bool,
    to: &mut dyn Write,
) -> io::Result<()> {
    let mut profiles = read(before);
    for run in runs {
        let samples = profiles.entry(run.profile.clone()).or_default();
        *samples = samples_of(run, samples);
    }
    if only_these {
        profiles.retain(|profile, _| runs.iter().any(|run| run.profile == *profile));
    }

    for (index, (name, help, _)) in METRICS.iter().enumerate() {
        let samples = profiles
            .iter()
            .filter_map(|(profile, values)| Some((profile.as_str(), values[index].as_ref()?)));
        let samples: Vec<_> =
            samples.map(|(profile, value)| (Some(("profile", profile)), value)).collect();
        if !samples.is_empty() {
            let name = format!("{PREFIX}{name}");
            write_metric(to, &name, MetricType::Gauge, help, samples)?;
        }
    }
    Ok(())
}

/// Returns the samples of a run, after those that earlier runs of its profile have left.
fn samples_of(run: &Measured, before: &Samples) -> Samples {
    std::array::from_fn(|index| match METRICS[index].2 {
        Value::Count(count) => run.summary.as_ref().map(|summary| count(summary).to_string()),
        Value::OldestIdle => run.summary.map(|_| run.oldest_idle_seconds.to_string()),
        Value::Run(value) => Some(value(run)),
        Value::LastSuccess if run.exit == Exit::Done.code() && !run.dry_run => {
            Some(since_1970(run.at))
        }
        Value::LastSuccess => Some(before[index].clone().unwrap_or_else(|| "0".to_owned())),
    })
}

/// Reads the samples of each profile, from lines exactly as they are written here. Of two samples of
/// one series, which no collector accepts, the later one counts.
fn read(text: &str) -> BTreeMap<String, Samples> {
    let mut profiles: BTreeMap<String, Samples> = BTreeMap::new();
    // A line without an end may be half of one.
    for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        if let Some((index, profile, value)) = sample(line) {
            profiles.entry(profile).or_default()[index] = Some(value.to_owned());
        }
    }
    profiles
}

/// Returns the index in [`METRICS`], the profile and the value of a line.
fn sample(line: &str) -> Option<(usize, String, &str)> {
    let (name, rest) = line.strip_prefix(PREFIX)?.split_once("{profile=\"")?;
    let index = METRICS.iter().position(|(known, ..)| *known == name)?;
    let (profile, rest) = unescape(rest)?;
    let value = rest.strip_prefix("} ")?;

    // Every parser of the format reads such a number alike.
    let is_plain =
        value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e'));
    let is_number = is_plain && value.parse::<f64>().is_ok_and(f64::is_finite);
    is_number.then_some((index, profile, value))
}

fn since_1970(time: Timestamp) -> String {
    let start = Timestamp::new(0, 0);
    let time = time.max(start);
    seconds(start.seconds_until(time), time.nanoseconds())
}

fn seconds(whole: u64, nanoseconds: u32) -> String {
    format!("{whole}.{:03}", nanoseconds / 1_000_000)
}

#[cfg(test)]
mod tests;
