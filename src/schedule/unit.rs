//! What units say: the job's command, variables and time in place of a template's own.

use super::Job;
use super::quote::{command_word, unit_word};

pub(super) fn command(job: &Job) -> String {
    let binary = job.binary.to_string_lossy();
    // Variables are not looked for in the program's own path.
    let words = job.arguments.iter().map(|word| command_word(word));
    [unit_word(&binary)].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

pub(super) fn environment(job: &Job) -> Vec<String> {
    let variables = job.variables.iter();
    variables
        .map(|(name, value)| format!("Environment={}", unit_word(&format!("{name}={value}"))))
        .collect()
}

/// A setting, and the line that takes its place; nothing where it goes.
pub(super) type Setting = (&'static str, Option<String>);

pub(super) fn settings(lines: &[(&'static str, &str)], before: &[String]) -> Vec<Setting> {
    let line = |(key, value): &(&'static str, &str)| {
        let own = format!("{key}={value}");
        let all: Vec<String> = before.iter().cloned().chain([own]).collect();
        (*key, Some(all.join("\n")))
    };
    lines.iter().map(line).collect()
}

pub(super) fn time(job: &Job, calendar: &str) -> Vec<Setting> {
    let mut settings =
        vec![("OnCalendar", Some(format!("OnCalendar={}", calendar.replace('%', "%%"))))];
    let delay = job.when.delay();
    if delay > 0 {
        settings.push(("RandomizedDelaySec", Some(format!("RandomizedDelaySec={delay}s"))));
    } else {
        settings
            .push(("RandomizedDelaySec", Some("RandomizedDelaySec=0\nAccuracySec=1s".to_owned())));
        settings.push(("FixedRandomDelay", None));
    }
    settings
}

/// The unit's text with these settings in place of its own.
pub(super) fn set(text: &str, settings: &[Setting]) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let key = line.split('=').next().unwrap_or_default();
        match settings.iter().find(|(known, _)| *known == key) {
            Some((_, Some(new))) => out.push_str(new),
            Some((_, None)) => continue,
            None => out.push_str(line),
        }
        out.push('\n');
    }
    out
}
