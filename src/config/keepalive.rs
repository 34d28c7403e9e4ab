//! `[[keepalive]]`: the jobs of keep-alive. None is there unless the user has written it.

use std::time::Duration;
use toml::de::DeValue;

use super::file::Paths;
use super::reader::{NOT_A_NAME, Section, Wrong, number, text, texts};
use super::touch;
use crate::keepalive::job::{
    Action, Cli, Job, JobWarning, Minute, SMALLEST_GAP, Silence, WebPing, When, Zone,
};
use crate::keepalive::web;
use crate::model::Failure;

const MINUTE: Duration = Duration::from_secs(60);

/// How often a run is tried, and after how many failed runs in a row a job is disabled, unless the
/// job says something else.
pub(super) const ATTEMPTS: u32 = 3;
pub(super) const DISABLE_AFTER: u32 = 5;

/// The jobs, and what is to be warned of.
#[derive(Debug, Clone, Default)]
pub struct Keeping {
    /// In the order of the file.
    pub jobs: Vec<Job>,
    /// The settings that were not taken as they were written.
    pub warnings: Vec<JobWarning>,
}

/// Reads every `[[keepalive]]` of that document.
///
/// # Errors
/// Where one makes no sense, with its line.
pub(super) fn keeping(document: &mut Section<'_>, paths: &Paths<'_>) -> Result<Keeping, Failure> {
    let mut keeping = Keeping::default();
    for mut section in document.sections("keepalive")? {
        let id = id(&mut section, &keeping.jobs)?;
        let action = action(&mut section, paths)?;
        let when = when(&mut section, &action)?;
        let gap = section.take("min_gap", "min_gap = \"2m\"", duration)?;
        let smallest = if action.reaches_provider() { SMALLEST_GAP } else { Duration::ZERO };
        if let Some(gap) = gap.filter(|gap| *gap < smallest) {
            let (gap, smallest) =
                (humantime::format_duration(gap), humantime::format_duration(smallest));
            keeping.warnings.push(JobWarning {
                message: format!("job {id}: min_gap {gap} is too short; {smallest} is used"),
                hint: format!(
                    "set min_gap = \"{smallest}\" or more: the job sends requests to a provider"
                ),
            });
        }
        let job = Job {
            when,
            zone: section
                .take("time_zone", "time_zone = \"Europe/Berlin\"", |value| {
                    Zone::parse(&text(value)?)
                })?
                .unwrap_or_default(),
            silence: section.take("silence", "silence = [\"01:00\", \"07:00\"]", silence)?,
            // What tells an expiry stands for a provider.
            min_gap: gap.unwrap_or(usual(when, smallest)).max(smallest),
            attempts: section
                .take("attempts", "attempts = 3", |value| whole(value, 1..=10))?
                .unwrap_or(ATTEMPTS),
            disable_after: section
                .take("disable_after", "disable_after = 5", |value| whole(value, 1..=1000))?
                .unwrap_or(DISABLE_AFTER),
            notify: section.take("notify", "notify = \"notify-send\"", line)?,
            id,
            action,
        };
        section.end()?;
        keeping.jobs.push(job);
    }
    Ok(keeping)
}

fn usual(when: When, smallest: Duration) -> Duration {
    if matches!(when, When::BeforeExpiry(_)) { SMALLEST_GAP } else { smallest }
}

fn id(section: &mut Section<'_>, others: &[Job]) -> Result<String, Failure> {
    if !section.has("id") {
        return Err(section
            .wrong("id", "this [[keepalive]] has no id")
            .hint("for example id = \"claude\""));
    }
    let id = section.take("id", "id = \"claude\"", |value| -> Result<_, String> {
        let id = text(value)?;
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        if id.is_empty() || !id.chars().all(fits) || id.starts_with(['.', '-']) {
            return Err(NOT_A_NAME.to_owned());
        }
        if others.iter().any(|job| job.id == id) {
            return Err("already the id of another job".into());
        }
        Ok(id)
    })?;
    Ok(id.unwrap_or_default())
}

fn action(section: &mut Section<'_>, paths: &Paths<'_>) -> Result<Action, Failure> {
    const RIGHT: &str = "action = \"cli-ping\"";
    /// What each action asks for; it cannot do without the first of them, if that is marked.
    const KEYS: [(&str, &[&str], bool); 5] = [
        ("command", &["command", "expiry_command"], true),
        ("cli-ping", &["cli"], true),
        ("refresh", &["cli"], true),
        (touch::NAME, &touch::KEYS, false),
        ("claude-web-ping", &["base_url", "key_file"], false),
    ];
    if !section.has("action") {
        return Err(section
            .wrong("action", "this [[keepalive]] has no action")
            .hint(format!("the actions are {}", KEYS.map(|(name, ..)| name).join(", "))));
    }
    let found = section.take("action", RIGHT, |value| {
        let name = text(value)?;
        let found = KEYS.into_iter().find(|(known, ..)| *known == name);
        found.ok_or_else(|| format!("not one of {}", KEYS.map(|(name, ..)| name).join(", ")))
    })?;
    // It was there.
    let (name, of, needs_first) = found.unwrap_or(KEYS[0]);
    for key in KEYS.iter().flat_map(|(_, keys, _)| *keys) {
        if section.has(key) && !of.contains(key) {
            return Err(section
                .wrong(key, &format!("{key} is not a setting of the action {name}"))
                .hint(format!("remove it; the settings of {name} are {}", of.join(", "))));
        }
    }
    if name == touch::NAME {
        return touch::read(section).map(Action::OpenclawTouch);
    }
    if needs_first && !section.has(of[0]) {
        let example = if of[0] == "cli" { "cli = \"claude\"" } else { "command = \"make ping\"" };
        return Err(section
            .wrong("action", &format!("the action {name} needs {}", of[0]))
            .hint(format!("for example {example}")));
    }
    if name == "claude-web-ping" {
        let origin = section.take("base_url", "base_url = \"https://claude.ai\"", |value| {
            web::origin(&text(value)?)
        })?;
        let origin = origin.unwrap_or_else(|| web::CLAUDE.to_owned());
        let key_file =
            section.take("key_file", "key_file = \"~/.claude-session-key\"", |value| {
                if web::SessionKey::may_be_in(&text(value)?) {
                    return Err("not a path: it looks like the key itself".to_owned());
                }
                paths.read(value)
            })?;
        return Ok(Action::ClaudeWebPing(WebPing { origin, key_file }));
    }
    let command = section.take("command", "command = \"make ping\"", line)?;
    let expiry_command = section.take("expiry_command", "expiry_command = \"date\"", line)?;
    let cli = section.take("cli", "cli = \"claude\"", |value| {
        let name = text(value)?;
        let found = Cli::ALL.into_iter().find(|cli| cli.name() == name);
        found.ok_or_else(|| "neither claude, codex nor gemini".to_owned())
    })?;
    Ok(match (name, cli, command) {
        ("cli-ping", Some(cli), _) => Action::CliPing(cli),
        (_, Some(cli), _) => Action::Refresh(cli),
        (_, None, command) => {
            Action::Command { command: command.unwrap_or_default(), expiry_command }
        }
    })
}

fn when(section: &mut Section<'_>, action: &Action) -> Result<When, Failure> {
    const KEYS: [&str; 3] = ["every", "daily", "before_expiry"];
    let mut said = KEYS.into_iter().filter(|key| section.has(key));
    let (Some(key), None) = (said.next(), said.next()) else {
        let second = KEYS.into_iter().filter(|key| section.has(key)).nth(1).unwrap_or("id");
        let what = "a job needs exactly one of every, daily and before_expiry";
        return Err(section.wrong(second, what).hint("for example every = \"1h\""));
    };
    if matches!(action, Action::Refresh(_)) && key != "before_expiry" {
        return Err(section
            .wrong(key, &format!("a refresh job needs before_expiry, not {key}"))
            .hint("for example before_expiry = \"5m\""));
    }
    if matches!(action, Action::OpenclawTouch(_)) && key == "before_expiry" {
        let what = "an openclaw-touch job needs every or daily: a session has no expiry";
        return Err(section.wrong(key, what).hint("for example every = \"10m\""));
    }
    if matches!(action, Action::ClaudeWebPing(_)) && key == "before_expiry" {
        let what = "a claude-web-ping job needs every or daily: the expiry of its key is unknown";
        return Err(section.wrong(key, what).hint("for example every = \"1h\""));
    }
    if matches!(action, Action::Command { expiry_command: None, .. }) && key == "before_expiry" {
        return Err(section
            .wrong(key, "a command job with before_expiry needs expiry_command")
            .hint("for example expiry_command = \"cat ~/expiry\", which prints a time"));
    }
    let shortest = if action.reaches_provider() { MINUTE } else { MINUTE / 2 };
    let every = section.take("every", "every = \"1h\"", |value| match duration(value)? {
        span if span < shortest => {
            Err(format!("shorter than {}", humantime::format_duration(shortest)))
        }
        span => Ok(When::Every(span)),
    })?;
    let daily = section.take("daily", "daily = \"09:00\"", |value| {
        Minute::parse(&text(value)?).map(When::Daily)
    })?;
    let before = section.take("before_expiry", "before_expiry = \"5m\"", |value| {
        duration(value).map(When::BeforeExpiry)
    })?;
    // One of them was there.
    Ok(every.or(daily).or(before).unwrap_or(When::Every(Duration::MAX)))
}

fn silence(value: &DeValue<'_>) -> Result<Silence, Wrong> {
    let times = texts(value, |time| Minute::parse(time).map(|_| ()))?;
    let [start, end] = &times[..] else {
        return Err("not a list of a start and an end".to_owned().into());
    };
    Ok(Silence::new(Minute::parse(start)?, Minute::parse(end)?)?)
}

pub(super) fn duration(value: &DeValue<'_>) -> Result<Duration, String> {
    let span = humantime::parse_duration(&text(value)?)
        .map_err(|error| format!("not a duration ({error})"))?;
    let longest = Duration::from_secs(366 * 24 * 3600);
    if span > longest { Err("longer than a year".to_owned()) } else { Ok(span) }
}

fn line(value: &DeValue<'_>) -> Result<String, String> {
    let line = text(value)?;
    if line.trim().is_empty() || line.contains('\0') {
        return Err("empty, or contains a NUL character".to_owned());
    }
    Ok(line)
}

fn whole(value: &DeValue<'_>, range: std::ops::RangeInclusive<u32>) -> Result<u32, String> {
    let found = number(value)?.parse().ok().filter(|number| range.contains(number));
    found.ok_or_else(|| format!("not a whole number from {} to {}", range.start(), range.end()))
}
