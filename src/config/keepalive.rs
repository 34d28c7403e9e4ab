//! `[[keepalive]]`: the jobs of keep-alive. There is none unless the user has written it.

use serde::Deserialize;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::folders::ConfigPaths;
use super::table::Table;
use super::values::{name, neither};
use crate::keepalive::job::definition::is_agent_id;
use crate::keepalive::job::{
    Action, Agents, Cli, Job, JobWarning, Minute, SMALLEST_GAP, Silence, Touch, WebPing, When,
    Which, Zone,
};
use crate::keepalive::web;
use crate::model::Failure;

const MINUTE: Duration = Duration::from_secs(60);
pub(super) const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// How often a run is tried, and after how many failed runs in a row a job is disabled, by default.
pub(super) const ATTEMPTS: u32 = 3;
pub(super) const DISABLE_AFTER: u32 = 5;

const ACTIONS: &str = "command, cli-ping, refresh, openclaw-touch, claude-web-ping";

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
    id: String,
    every: Option<String>,
    daily: Option<String>,
    before_expiry: Option<String>,
    min_gap: Option<String>,
    time_zone: Option<String>,
    silence: Option<Vec<String>>,
    attempts: Option<i64>,
    disable_after: Option<i64>,
    notify: Option<String>,
}

/// The keys of each action.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ActionKeys {
    Command {
        command: String,
        expiry_command: Option<String>,
    },
    CliPing {
        cli: String,
    },
    Refresh {
        cli: String,
    },
    OpenclawTouch {
        agents: OneOrMore,
        sessions: Option<OneOrMore>,
        active_within: Option<String>,
        while_gateway: Option<bool>,
        same_container: Option<bool>,
    },
    ClaudeWebPing {
        base_url: Option<String>,
        key_file: Option<String>,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl Keeping {
    /// Adds the job of that table.
    pub(super) fn add(
        &mut self,
        table: &mut Table<'_>,
        paths: &ConfigPaths<'_>,
    ) -> Result<(), Failure> {
        let keys: JobKeys = table.read()?;
        let id = table.parse("id", &*keys.id, name)?;
        if self.jobs.iter().any(|job| job.id == id) {
            return Err(table.wrong_value("id", "already the id of another job"));
        }

        let action = action(table, paths)?;
        let every = table.parse_some("every", keys.every.as_deref(), duration)?.map(When::Every);
        let daily = table.parse_some("daily", keys.daily.as_deref(), Minute::parse)?;
        let before = table.parse_some("before_expiry", keys.before_expiry.as_deref(), duration)?;
        let when = every.or(daily.map(When::Daily)).or(before.map(When::BeforeExpiry));
        let when = check_when(table, when, &action)?;

        let min_gap = table.parse_some("min_gap", keys.min_gap.as_deref(), duration)?;
        let zone = table.parse_some("time_zone", keys.time_zone.as_deref(), Zone::parse)?;
        let silence = table.parse_some("silence", keys.silence.as_deref(), silence)?;
        let attempts = table.parse_some("attempts", keys.attempts, |n| whole(n, 1..=10))?;
        let disable_after =
            table.parse_some("disable_after", keys.disable_after, |n| whole(n, 1..=1000))?;
        let notify = table.parse_some("notify", keys.notify.as_deref(), line)?;

        let smallest = if action.reaches_provider() { SMALLEST_GAP } else { Duration::ZERO };
        if let Some(gap) = min_gap.filter(|gap| *gap < smallest) {
            let [gap, smallest] = [gap, smallest].map(humantime::format_duration);
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
            id,
            action,
            when,
            zone: zone.unwrap_or_default(),
            silence,
            min_gap: min_gap.unwrap_or(usual).max(smallest),
            attempts: attempts.unwrap_or(ATTEMPTS),
            disable_after: disable_after.unwrap_or(DISABLE_AFTER),
            notify,
        });
        Ok(())
    }
}

/// Reads the action of a job, with its keys.
fn action(table: &mut Table<'_>, paths: &ConfigPaths<'_>) -> Result<Action, Failure> {
    if !table.has("action") {
        let failure = table.wrong("action", "this [[keepalive]] has no action");
        return Err(failure.hint(format!("the actions are {ACTIONS}")));
    }

    Ok(match table.read_tagged("action")? {
        ActionKeys::Command { command, expiry_command } => Action::Command {
            command: table.parse("command", &*command, line)?,
            expiry_command: table.parse_some("expiry_command", expiry_command.as_deref(), line)?,
        },
        ActionKeys::CliPing { cli } => Action::CliPing(table.parse("cli", &*cli, cli_named)?),
        ActionKeys::Refresh { cli } => Action::Refresh(table.parse("cli", &*cli, cli_named)?),
        ActionKeys::OpenclawTouch {
            agents,
            sessions,
            active_within,
            while_gateway,
            same_container,
        } => Action::OpenclawTouch(Touch {
            agents: agents_of(table, agents)?,
            which: sessions_of(table, sessions, active_within.as_deref())?,
            while_gateway: while_gateway.unwrap_or(false),
            same_container: same_container.unwrap_or(false),
        }),
        ActionKeys::ClaudeWebPing { base_url, key_file } => {
            let origin = table.parse_some("base_url", base_url.as_deref(), web::origin)?;
            let key_file = table.parse_some("key_file", key_file.as_deref(), |path| {
                if web::SessionKey::may_be_in(path) {
                    return Err("not a path: it looks like the key itself".to_owned());
                }
                paths.expand(path.as_ref())
            })?;
            let origin = origin.unwrap_or_else(|| web::CLAUDE.to_owned());
            Action::ClaudeWebPing(WebPing { origin, key_file })
        }
    })
}

fn agents_of(table: &Table<'_>, agents: OneOrMore) -> Result<Agents, Failure> {
    if matches!(&agents, OneOrMore::One(name) if name == "all") {
        return Ok(Agents::All);
    }

    let names = strings(table, "agents", agents, agent)?;
    let mut names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    // One that is named twice is touched once.
    names.sort();
    names.dedup();
    Ok(Agents::These(names))
}

fn sessions_of(
    table: &Table<'_>,
    sessions: Option<OneOrMore>,
    active_within: Option<&str>,
) -> Result<Which, Failure> {
    match (sessions, table.parse_some("active_within", active_within, duration)?) {
        (Some(sessions), None) => Ok(Which::Named(strings(table, "sessions", sessions, session)?)),
        (None, Some(Duration::ZERO)) => Err(table.wrong_value("active_within", "zero")),
        (None, Some(within)) => Ok(Which::ActiveWithin(within)),
        _ => {
            let what = "an openclaw-touch job needs exactly one of sessions and active_within";
            let hint = "for example active_within = \"10m\"";
            Err(table.wrong("active_within", what).hint(hint))
        }
    }
}

/// Returns the strings of a list that must not be empty, or the only one.
fn strings(
    table: &Table<'_>,
    key: &str,
    found: OneOrMore,
    check: fn(&str) -> Result<(), String>,
) -> Result<Vec<String>, Failure> {
    let strings = match found {
        OneOrMore::One(string) => vec![string],
        OneOrMore::More(strings) => strings,
    };
    if strings.is_empty() {
        return Err(table.wrong_value(key, "an empty list"));
    }

    table.check_each(key, &strings, check)?;
    Ok(strings)
}

/// Returns when a job runs, if it is the only time of that job and its action can have it.
fn check_when(table: &Table<'_>, when: Option<When>, action: &Action) -> Result<When, Failure> {
    let keys = ["every", "daily", "before_expiry"].into_iter().filter(|key| table.has(key));
    let (Some(when), [key]) = (when, &keys.clone().collect::<Vec<_>>()[..]) else {
        let second = keys.clone().nth(1).unwrap_or_default();
        let what = "a job needs exactly one of every, daily and before_expiry";
        return Err(table.wrong(second, what).hint("for example every = \"1h\""));
    };

    let shortest = if action.reaches_provider() { MINUTE } else { MINUTE / 2 };
    let (what, hint) = match (action, when) {
        (Action::Refresh(_), When::Every(_) | When::Daily(_)) => (
            &*format!("a refresh job needs before_expiry, not {key}"),
            "for example before_expiry = \"5m\"",
        ),
        (Action::OpenclawTouch(_), When::BeforeExpiry(_)) => (
            "an openclaw-touch job needs every or daily: a session has no expiry",
            "for example every = \"10m\"",
        ),
        (Action::ClaudeWebPing(_), When::BeforeExpiry(_)) => (
            "a claude-web-ping job needs every or daily: the expiry of its key is unknown",
            "for example every = \"1h\"",
        ),
        (Action::Command { expiry_command: None, .. }, When::BeforeExpiry(_)) => (
            "a command job with before_expiry needs expiry_command",
            "for example expiry_command = \"cat ~/expiry\", which prints a time",
        ),
        (_, When::Every(span)) if span < shortest => {
            let why = format!("shorter than {}", humantime::format_duration(shortest));
            return Err(table.wrong_value(key, &why));
        }
        _ => return Ok(when),
    };
    Err(table.wrong(key, what).hint(hint))
}

// The error of each of the following is for the middle of a sentence.

fn duration(text: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(text);
    let span = span.map_err(|error| format!("not a duration ({error})"))?;
    if span > LONGEST { Err("longer than a year".to_owned()) } else { Ok(span) }
}

fn silence(times: &[String]) -> Result<Silence, String> {
    let [start, end] = times else {
        return Err("not a list of a start and an end".to_owned());
    };
    Silence::new(Minute::parse(start)?, Minute::parse(end)?)
}

fn whole(number: i64, range: RangeInclusive<u32>) -> Result<u32, String> {
    let found = u32::try_from(number).ok().filter(|number| range.contains(number));
    found.ok_or_else(|| format!("not a whole number from {} to {}", range.start(), range.end()))
}

fn line(line: &str) -> Result<String, String> {
    if line.trim().is_empty() || line.contains('\0') {
        return Err("empty, or contains a NUL character".to_owned());
    }
    Ok(line.to_owned())
}

fn cli_named(name: &str) -> Result<Cli, String> {
    let found = Cli::ALL.into_iter().find(|cli| cli.name() == name);
    found.ok_or_else(|| neither(&Cli::ALL.map(|cli| cli.name().to_owned())))
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

fn session(key: &str) -> Result<(), String> {
    if key.trim().is_empty() {
        return Err("not a list of session keys: one is empty".to_owned());
    }
    Ok(())
}
