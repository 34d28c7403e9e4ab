//! `[[keepalive]]`: the jobs of keep-alive. There is none unless the user has written it.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::folders::ConfigPaths;
use super::table::{Table, fields};
use super::values::{self, Strings, neither, parsed};
use crate::keepalive::job::definition::is_agent_id;
use crate::keepalive::job::{
    Action, Agents, Cli, Job, JobWarning, Minute, SMALLEST_GAP, Silence, Touch, WebPing, When,
    Which, Zone,
};
use crate::keepalive::web;
use crate::model::Failure;

const MINUTE: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// How often a run is tried, and after how many failed runs in a row a job is disabled, by default.
pub(super) const ATTEMPTS: u32 = 3;
pub(super) const DISABLE_AFTER: u32 = 5;

/// The keys that say when a job runs.
const TIMES: [&str; 3] = ["every", "daily", "before_expiry"];

/// The jobs of the file.
#[derive(Debug, Clone, Default)]
pub struct Keeping {
    /// In the order of the file.
    pub jobs: Vec<Job>,
    /// The settings that were not taken as they were written.
    pub warnings: Vec<JobWarning>,
}

/// The keys that every job may have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JobKeys {
    #[serde(deserialize_with = "values::name")]
    id: String,
    #[serde(default, deserialize_with = "duration")]
    every: Option<Duration>,
    #[serde(default, deserialize_with = "minute")]
    daily: Option<Minute>,
    #[serde(default, deserialize_with = "duration")]
    before_expiry: Option<Duration>,
    #[serde(default, deserialize_with = "duration")]
    min_gap: Option<Duration>,
    #[serde(default, deserialize_with = "zone")]
    time_zone: Zone,
    #[serde(default, deserialize_with = "silence")]
    silence: Option<Silence>,
    #[serde(default, deserialize_with = "attempts")]
    attempts: Option<u32>,
    #[serde(default, deserialize_with = "disable_after")]
    disable_after: Option<u32>,
    #[serde(default, deserialize_with = "line")]
    notify: Option<String>,
}

/// The keys of each action.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ActionKeys {
    Command(CommandKeys),
    CliPing(CliKeys),
    Refresh(CliKeys),
    OpenclawTouch(TouchKeys),
    ClaudeWebPing(WebPingKeys),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandKeys {
    #[serde(deserialize_with = "required_line")]
    command: String,
    #[serde(default, deserialize_with = "line")]
    expiry_command: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CliKeys {
    #[serde(deserialize_with = "cli")]
    cli: Cli,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TouchKeys {
    #[serde(deserialize_with = "agents")]
    agents: Agents,
    #[serde(default, deserialize_with = "sessions")]
    sessions: Vec<String>,
    #[serde(default, deserialize_with = "active_within")]
    active_within: Option<Duration>,
    #[serde(default)]
    while_gateway: bool,
    #[serde(default)]
    same_container: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebPingKeys {
    #[serde(default, deserialize_with = "origin")]
    base_url: Option<String>,
    #[serde(default, deserialize_with = "key_file")]
    key_file: Option<PathBuf>,
}

impl From<ActionKeys> for Action {
    fn from(keys: ActionKeys) -> Self {
        match keys {
            ActionKeys::Command(CommandKeys { command, expiry_command }) => {
                Self::Command { command, expiry_command }
            }
            ActionKeys::CliPing(keys) => Self::CliPing(keys.cli),
            ActionKeys::Refresh(keys) => Self::Refresh(keys.cli),
            ActionKeys::OpenclawTouch(keys) => Self::OpenclawTouch(Touch {
                agents: keys.agents,
                which: keys.active_within.map_or(Which::Named(keys.sessions), Which::ActiveWithin),
                while_gateway: keys.while_gateway,
                same_container: keys.same_container,
            }),
            ActionKeys::ClaudeWebPing(keys) => Self::ClaudeWebPing(WebPing {
                origin: keys.base_url.unwrap_or_else(|| web::CLAUDE.to_owned()),
                key_file: keys.key_file,
            }),
        }
    }
}

impl Keeping {
    /// Adds the job of that table.
    pub(super) fn add(
        &mut self,
        table: &mut Table<'_>,
        paths: &ConfigPaths<'_>,
    ) -> Result<(), Failure> {
        let keys: JobKeys = table.read()?;
        if self.jobs.iter().any(|job| job.id == keys.id) {
            return Err(table.wrong_value("id", "already the id of another job"));
        }
        let mut action = action(table)?;
        if let Action::ClaudeWebPing(WebPing { key_file: Some(path), .. }) = &mut action {
            *path = paths.expand(path).map_err(|why| table.wrong_value("key_file", &why))?;
        }
        let when = when(table, &keys, &action)?;

        let smallest = if action.reaches_provider() { SMALLEST_GAP } else { Duration::ZERO };
        if let Some(gap) = keys.min_gap.filter(|gap| *gap < smallest) {
            let [gap, smallest] = [gap, smallest].map(humantime::format_duration);
            let id = &keys.id;
            self.warnings.push(JobWarning {
                message: format!("job {id}: min_gap {gap} is too short; {smallest} is used"),
                hint: format!(
                    "set min_gap = \"{smallest}\" or more: the job sends requests to a provider"
                ),
            });
        }
        // A command that prints an expiry may ask a provider as well.
        let usual = if matches!(when, When::BeforeExpiry(_)) { SMALLEST_GAP } else { smallest };
        self.jobs.push(Job {
            id: keys.id,
            action,
            when,
            zone: keys.time_zone,
            silence: keys.silence,
            min_gap: keys.min_gap.unwrap_or(usual).max(smallest),
            attempts: keys.attempts.unwrap_or(ATTEMPTS),
            disable_after: keys.disable_after.unwrap_or(DISABLE_AFTER),
            notify: keys.notify,
        });
        Ok(())
    }
}

/// Reads the action of a job, with its keys.
fn action(table: &mut Table<'_>) -> Result<Action, Failure> {
    let actions = [
        ("command", fields::<CommandKeys>()),
        ("cli-ping", fields::<CliKeys>()),
        ("refresh", fields::<CliKeys>()),
        ("openclaw-touch", fields::<TouchKeys>()),
        ("claude-web-ping", fields::<WebPingKeys>()),
    ];
    if !table.has("action") {
        let names = actions.map(|(name, _)| name).join(", ");
        let failure = table.wrong("action", "this [[keepalive]] has no action");
        return Err(failure.hint(format!("the actions are {names}")));
    }
    let named = table.text("action");
    if let Some((name, own)) = actions.iter().find(|(name, _)| named == Some(*name)) {
        let mut keys = actions.iter().flat_map(|(_, keys)| *keys);
        if let Some(key) = keys.find(|key| table.has(key) && !own.contains(key)) {
            let what = format!("{key} is not a setting of the action {name}");
            let hint = format!("remove it; the settings of {name} are {}", own.join(", "));
            return Err(table.wrong(key, &what).hint(hint));
        }
    }

    let keys: ActionKeys = table.read_tagged("action")?;
    if matches!(keys, ActionKeys::OpenclawTouch(_))
        && table.has("sessions") == table.has("active_within")
    {
        let what = "an openclaw-touch job needs exactly one of sessions and active_within";
        return Err(table.wrong("active_within", what).hint("for example active_within = \"10m\""));
    }
    Ok(keys.into())
}

/// Returns when a job runs.
fn when(table: &Table<'_>, keys: &JobKeys, action: &Action) -> Result<When, Failure> {
    let found: Vec<&str> = TIMES.into_iter().filter(|key| table.has(key)).collect();
    let [key] = found[..] else {
        let second = found.get(1).copied().unwrap_or_default();
        let what = "a job needs exactly one of every, daily and before_expiry";
        return Err(table.wrong(second, what).hint("for example every = \"1h\""));
    };
    let before_expiry = keys.before_expiry.is_some();
    let (what, hint) = match action {
        Action::Refresh(_) if !before_expiry => {
            let what = format!("a refresh job needs before_expiry, not {key}");
            return Err(table.wrong(key, &what).hint("for example before_expiry = \"5m\""));
        }
        Action::OpenclawTouch(_) if before_expiry => (
            "an openclaw-touch job needs every or daily: a session has no expiry",
            "for example every = \"10m\"",
        ),
        Action::ClaudeWebPing(_) if before_expiry => (
            "a claude-web-ping job needs every or daily: the expiry of its key is unknown",
            "for example every = \"1h\"",
        ),
        Action::Command { expiry_command: None, .. } if before_expiry => (
            "a command job with before_expiry needs expiry_command",
            "for example expiry_command = \"cat ~/expiry\", which prints a time",
        ),
        _ => {
            let shortest = if action.reaches_provider() { MINUTE } else { MINUTE / 2 };
            if keys.every.is_some_and(|every| every < shortest) {
                let why = format!("shorter than {}", humantime::format_duration(shortest));
                return Err(table.wrong_value("every", &why));
            }
            let every = keys.every.map(When::Every).or(keys.daily.map(When::Daily));
            let before = keys.before_expiry.map(When::BeforeExpiry);
            // One of them was there.
            return Ok(every.or(before).unwrap_or(When::Every(Duration::MAX)));
        }
    };
    Err(table.wrong(key, what).hint(hint))
}

fn duration<'de, D: Deserializer<'de>>(text: D) -> Result<Option<Duration>, D::Error> {
    let span = parsed(text, |text| {
        let span =
            humantime::parse_duration(text).map_err(|error| format!("not a duration ({error})"))?;
        if span > LONGEST { Err("longer than a year".to_owned()) } else { Ok(span) }
    });
    span.map(Some)
}

fn active_within<'de, D: Deserializer<'de>>(text: D) -> Result<Option<Duration>, D::Error> {
    match duration(text)? {
        Some(Duration::ZERO) => Err(D::Error::custom("zero")),
        span => Ok(span),
    }
}

fn minute<'de, D: Deserializer<'de>>(text: D) -> Result<Option<Minute>, D::Error> {
    parsed(text, Minute::parse).map(Some)
}

fn zone<'de, D: Deserializer<'de>>(text: D) -> Result<Zone, D::Error> {
    parsed(text, Zone::parse)
}

fn silence<'de, D: Deserializer<'de>>(list: D) -> Result<Option<Silence>, D::Error> {
    let times = list.deserialize_any(Strings::each(|time| Minute::parse(time).map(|_| ())))?;
    let [start, end] = &times[..] else {
        return Err(D::Error::custom("not a list of a start and an end"));
    };
    let silence = Silence::new(
        Minute::parse(start).map_err(D::Error::custom)?,
        Minute::parse(end).map_err(D::Error::custom)?,
    );
    silence.map(Some).map_err(D::Error::custom)
}

fn attempts<'de, D: Deserializer<'de>>(number: D) -> Result<Option<u32>, D::Error> {
    whole(number, 1..=10)
}

fn disable_after<'de, D: Deserializer<'de>>(number: D) -> Result<Option<u32>, D::Error> {
    whole(number, 1..=1000)
}

fn whole<'de, D>(number: D, range: RangeInclusive<u32>) -> Result<Option<u32>, D::Error>
where
    D: Deserializer<'de>,
{
    let number = u32::try_from(i64::deserialize(number)?).ok();
    let number = number.filter(|number| range.contains(number)).map(Some);
    number.ok_or_else(|| {
        D::Error::custom(format!("not a whole number from {} to {}", range.start(), range.end()))
    })
}

fn line<'de, D: Deserializer<'de>>(text: D) -> Result<Option<String>, D::Error> {
    required_line(text).map(Some)
}

fn required_line<'de, D: Deserializer<'de>>(text: D) -> Result<String, D::Error> {
    parsed(text, |line| {
        if line.trim().is_empty() || line.contains('\0') {
            return Err("empty, or contains a NUL character".to_owned());
        }
        Ok(line.to_owned())
    })
}

fn cli<'de, D: Deserializer<'de>>(name: D) -> Result<Cli, D::Error> {
    parsed(name, |name| {
        let found = Cli::ALL.into_iter().find(|cli| cli.name() == name);
        found.ok_or_else(|| neither(&Cli::ALL.map(|cli| cli.name().to_owned())))
    })
}

fn origin<'de, D: Deserializer<'de>>(url: D) -> Result<Option<String>, D::Error> {
    parsed(url, web::origin).map(Some)
}

fn key_file<'de, D: Deserializer<'de>>(path: D) -> Result<Option<PathBuf>, D::Error> {
    let path = parsed(path, |path| {
        if web::SessionKey::may_be_in(path) {
            return Err("not a path: it looks like the key itself".to_owned());
        }
        Ok(path.into())
    });
    path.map(Some)
}

/// `"all"`, one agent, or a list of agents.
fn agents<'de, D: Deserializer<'de>>(value: D) -> Result<Agents, D::Error> {
    let single = |name: &str| if name == "all" { Ok(()) } else { agent(name) };
    let names = value.deserialize_any(Strings { single: Some(single), each: agent })?;
    if names == ["all"] {
        return Ok(Agents::All);
    }
    let mut names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    // One that is named twice is touched once.
    names.sort();
    names.dedup();
    Ok(Agents::These(names))
}

/// An agent's id becomes a folder's name, so it must be one as OpenClaw makes them.
fn agent(id: &str) -> Result<(), String> {
    if !is_agent_id(id) {
        return Err(format!("not a list of agents: {id:?} may only have letters, digits, - and _"));
    }
    if id == "all" {
        return Err("a list with \"all\"; for every agent, write agents = \"all\"".to_owned());
    }
    Ok(())
}

/// One session key, or a list of them.
fn sessions<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    value.deserialize_any(Strings { single: Some(session), each: session })
}

fn session(key: &str) -> Result<(), String> {
    if key.trim().is_empty() {
        return Err("not a list of session keys: one is empty".to_owned());
    }
    Ok(())
}
