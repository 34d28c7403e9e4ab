//! What runs tell a monitoring system: gauges in Prometheus' text format, version 0.0.4, for a
//! collector that reads them from a file.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>
//!
//! Counts and times only: who chats, and which files there are, is nobody's business there (X7).

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use super::run::Summary;
use crate::model::{Exit, Timestamp};

/// What one run of one profile has to tell.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The profile's name; empty for a run without one.
    pub profile: String,
    /// When the run ended.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// The code it ended with.
    pub exit: u8,
    /// Whether it only said what it would do: that is no success.
    pub dry_run: bool,
    /// The threshold it went by.
    pub threshold_seconds: u64,
    /// What it found and did; nothing where it failed.
    pub summary: Option<Summary>,
}

/// A gauge: its whole name, what it tells, and where its value is from.
struct Metric {
    name: &'static str,
    help: &'static str,
    value: Value,
}

enum Value {
    /// Left out where a run failed, since it counted nothing.
    Count(fn(&Summary) -> u64),
    Run(fn(&Measured) -> String),
    /// The time of the newest run that exited 0, which an older one may have been.
    LastSuccess,
}

const METRICS: [Metric; 17] = {
    use Value::{Count, LastSuccess, Run};
    const fn metric(name: &'static str, help: &'static str, value: Value) -> Metric {
        Metric { name, help, value }
    }
    [
        metric(
            "session_warden_checked",
            "Mappings that the last run judged.",
            Count(|s| s.checked),
        ),
        metric(
            "session_warden_active",
            "Mappings whose session was used within the threshold.",
            Count(|s| s.active),
        ),
        metric(
            "session_warden_in_use",
            "Mappings past the threshold that a live process uses.",
            Count(|s| s.in_use),
        ),
        metric(
            "session_warden_resident",
            "Mappings past the threshold whose CLI is alive and idle by its own record.",
            Count(|s| s.resident),
        ),
        metric(
            "session_warden_idle",
            "Mappings whose session was last used before the threshold.",
            Count(|s| s.idle),
        ),
        metric(
            "session_warden_missing",
            "Mappings whose session has no file.",
            Count(|s| s.missing),
        ),
        metric(
            "session_warden_archived",
            "Mappings whose session has an archived copy only.",
            Count(|s| s.archived),
        ),
        metric(
            "session_warden_pinned",
            "Mappings past the threshold that --pin or an undo keeps.",
            Count(|s| s.pinned),
        ),
        metric(
            "session_warden_unknown",
            "Mappings that could not be judged, and were kept.",
            Count(|s| s.unknown),
        ),
        metric(
            "session_warden_removed",
            "Mappings that the last run let go.",
            Count(|s| s.removed),
        ),
        metric(
            "session_warden_would_remove",
            "Mappings that the last run, a dry run, would have removed.",
            Count(|s| s.would_remove),
        ),
        metric(
            "session_warden_failed",
            "Mappings that should have gone, and could not be let go.",
            Count(|s| s.failed),
        ),
        metric(
            "session_warden_last_run_timestamp_seconds",
            "When the last run ended, in seconds since 1970.",
            Run(|run| since_1970(run.at)),
        ),
        metric(
            "session_warden_last_success_timestamp_seconds",
            "When the last run that exited 0 ended, in seconds since 1970; 0 if none has.",
            LastSuccess,
        ),
        metric(
            "session_warden_last_run_duration_seconds",
            "How long the last run took.",
            Run(|run| seconds(run.took.as_secs(), run.took.subsec_nanos())),
        ),
        metric(
            "session_warden_threshold_seconds",
            "The idle threshold that the last run went by.",
            Run(|run| run.threshold_seconds.to_string()),
        ),
        metric(
            "session_warden_last_exit_code",
            "The code that the last run exited with.",
            Run(|run| run.exit.to_string()),
        ),
    ]
};

/// The value of each metric, as it is written.
type Samples = [Option<String>; METRICS.len()];

/// Writes the new content of a file of metrics, whose content was `before`: what these runs, in
/// their order, have to tell, and of other profiles what was there, unless `only_these`. Whatever
/// else there was goes.
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
    for (place, Metric { name, help, .. }) in METRICS.iter().enumerate() {
        let mut samples = profiles
            .iter()
            .filter_map(|(profile, samples)| Some((profile, samples[place].as_ref()?)))
            .peekable();
        if samples.peek().is_some() {
            write!(to, "# HELP {name} {help}\n# TYPE {name} gauge\n")?;
        }
        for (profile, value) in samples {
            writeln!(to, "{name}{{profile=\"{}\"}} {value}", escape(profile))?;
        }
    }
    Ok(())
}

/// What `run` has to tell, after what its profile's runs have told before.
fn samples_of(run: &Measured, before: &Samples) -> Samples {
    std::array::from_fn(|place| match METRICS[place].value {
        Value::Count(count) => run.summary.as_ref().map(|summary| count(summary).to_string()),
        Value::Run(value) => Some(value(run)),
        Value::LastSuccess if run.exit == Exit::Done.code() && !run.dry_run => {
            Some(since_1970(run.at))
        }
        Value::LastSuccess => Some(before[place].clone().unwrap_or_else(|| "0".to_owned())),
    })
}

/// The samples of each profile, out of the lines that are just as they are written here. Where
/// there are two of one series, which no collector takes, the later one.
fn read(text: &str) -> BTreeMap<String, Samples> {
    let mut profiles: BTreeMap<String, Samples> = BTreeMap::new();
    // A line without an end may be half of one.
    for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        if let Some((place, profile, value)) = sample(line) {
            profiles.entry(profile).or_default()[place] = Some(value.to_owned());
        }
    }
    profiles
}

/// The metric's place, the profile and the value that a line tells.
fn sample(line: &str) -> Option<(usize, String, &str)> {
    let (name, rest) = line.split_once("{profile=\"")?;
    let place = METRICS.iter().position(|metric| metric.name == name)?;
    let (profile, rest) = unescape(rest)?;
    let value = rest.strip_prefix("} ")?;
    // Every parser of the format takes such a number for the same.
    let is_plain =
        value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e'));
    let is_number = is_plain && value.parse::<f64>().is_ok_and(f64::is_finite);
    is_number.then_some((place, profile, value))
}

/// A label's value as the format has it.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The label's value at the start of `text`, and what comes after its closing quote.
fn unescape(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.chars();
    loop {
        value.push(match letters.next()? {
            '"' => return Some((value, letters.as_str())),
            '\\' => match letters.next()? {
                'n' => '\n',
                itself @ ('\\' | '"') => itself,
                _ => return None,
            },
            letter => letter,
        });
    }
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
