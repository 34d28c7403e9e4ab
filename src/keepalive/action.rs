//! What jobs do: commands of the user's, and turns of the vendors' own CLIs. No login is read but for
//! when it expires, and none is ever written: the CLI that owns it renews it.

use std::cell::Cell;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::{Keeper, touch};
use crate::keepalive::job::{Action, Cli, Job, Outcome, When, retry_pause};
use crate::keepalive::store::Jobs;
use crate::keepalive::vendor::{Answer, Expiry, credential_hash, expiry, is_at_work, judge, turn};
use crate::keepalive::web_ping;
use crate::model::{Timestamp, describe};
use crate::os::create;
use crate::process::{Ended, run_bounded};

/// What a turn is about.
const TEXT: &str = "Reply with OK and nothing else.";

/// How long a command that tells the user of something may take once a signal has ended the pass.
const AFTER_A_SIGNAL: Duration = Duration::from_secs(5);

/// A command says with this exit code that it wants to be tried later (`EX_TEMPFAIL`).
const TRY_LATER: i32 = 75;

/// What tells the login that a job uses from another one; nothing where it uses none.
pub(super) fn credential(keeper: &Keeper<'_>, job: &Job) -> Option<String> {
    if let Action::ClaudeWebPing(ping) = &job.action {
        return web_ping::credential(keeper, ping);
    }
    let cli = cli_of(job)?;
    credential_hash(cli, &(keeper.base)(cli).ok()?)
}

pub(super) fn cli_of(job: &Job) -> Option<Cli> {
    match job.action {
        Action::CliPing(cli) | Action::Refresh(cli) => Some(cli),
        Action::Command { .. } | Action::OpenclawTouch(_) | Action::ClaudeWebPing(_) => None,
    }
}

/// When expires what the job goes by; nothing where it does not go by that.
///
/// # Errors
/// How the run ends where that cannot be told.
pub(super) fn expires(keeper: &Keeper<'_>, job: &Job) -> Result<Option<Timestamp>, Outcome> {
    if !matches!(job.when, When::BeforeExpiry(_)) {
        return Ok(None);
    }
    match &job.action {
        Action::CliPing(cli) | Action::Refresh(cli) => {
            let skipped = |why| Outcome::Skipped { why };
            let base = (keeper.base)(*cli).map_err(|failure| skipped(failure.message))?;
            match expiry(*cli, &base, keeper.now()) {
                Expiry::At(time) => Ok(Some(time)),
                Expiry::LogInAgain => Err(Outcome::Refused { why: "log in again".to_owned() }),
                Expiry::Unknown(why) => Err(skipped(why)),
            }
        }
        Action::Command { expiry_command, .. } => {
            let line = expiry_command.as_deref().unwrap_or_default();
            told_by(keeper, job, line).map(Some)
        }
        // The configuration has no such jobs.
        Action::OpenclawTouch(_) | Action::ClaudeWebPing(_) => Ok(None),
    }
}

/// Whether it takes a command of the user's to tell when the job is due.
pub(super) fn asks_a_command(job: &Job) -> bool {
    matches!((&job.action, job.when), (Action::Command { .. }, When::BeforeExpiry(_)))
}

/// The time that a command of the user's prints: RFC 3339, or seconds since 1970.
fn told_by(keeper: &Keeper<'_>, job: &Job, line: &str) -> Result<Timestamp, Outcome> {
    // What it complains of is no part of the answer.
    let line = format!("exec 2>/dev/null\n{line}");
    let ended = bounded(keeper, &mut shell(job, &line), keeper.limits.telling)
        .map_err(|why| Outcome::Failed { why: format!("expiry_command: {why}") })?;
    if keeper.interrupt.asked() {
        return Err(stopped());
    }
    if ended.code != Some(0) {
        let why = format!("expiry_command {}", how(&ended));
        return Err(Outcome::Failed { why });
    }
    let text = ended.said.trim();
    let seconds = || text.parse().ok().map(|seconds| Timestamp::new(seconds, 0));
    let time = Timestamp::parse(text).or_else(seconds);
    // Milliseconds are no seconds: that year has more than four digits.
    time.filter(|time| time.rfc3339().is_some()).ok_or_else(|| Outcome::Skipped {
        why: "expiry_command must print a time, as RFC 3339 or as seconds since 1970".to_owned(),
    })
}

/// What there is for a job to run with: a login and when it expires, or a command. Nothing is asked of a
/// provider.
///
/// # Errors
/// What is wrong.
pub(super) fn login(keeper: &Keeper<'_>, job: &Job) -> Result<String, String> {
    if let Action::OpenclawTouch(touch) = &job.action {
        return touch::check(keeper, touch);
    }
    if let Action::ClaudeWebPing(ping) = &job.action {
        return web_ping::login(keeper, ping);
    }
    let Some(cli) = cli_of(job) else {
        return match expires(keeper, job) {
            Ok(Some(time)) => Ok(format!("expires {}", time.for_people())),
            Ok(None) => Ok("a command".to_owned()),
            Err(outcome) => Err(outcome.to_string()),
        };
    };
    if !is_on_path(keeper, cli.name()) {
        return Err(format!("{} is not on the PATH", cli.name()));
    }
    let base = (keeper.base)(cli).map_err(|failure| failure.message)?;
    match expiry(cli, &base, keeper.now()) {
        Expiry::At(time) => {
            Ok(format!("the login of {} expires {}", cli.name(), time.for_people()))
        }
        Expiry::LogInAgain => Err(format!("log in again with {}", cli.name())),
        // A ping needs no expiry: an API key has none.
        Expiry::Unknown(why) if matches!(job.action, Action::CliPing(_)) => Ok(why),
        Expiry::Unknown(why) => Err(why),
    }
}

/// Whether that program is where it would be looked for.
fn is_on_path(keeper: &Keeper<'_>, name: &str) -> bool {
    // Without PATH, the system looks in places of its own.
    let Some(path) = &keeper.path else { return true };
    std::env::split_paths(path).any(|folder| {
        let may_run = |of: fs::Metadata| of.is_file() && of.permissions().mode() & 0o111 != 0;
        fs::metadata(folder.join(name)).is_ok_and(may_run)
    })
}

/// Runs the job, as often as it may be tried. `expires` is what it goes by, as it was told before;
/// what it must not lose
/// meanwhile is written to `known`, and what it has to tell besides is put into `said`.
pub(super) fn run(
    keeper: &Keeper<'_>,
    job: &Job,
    expires: Option<Timestamp>,
    known: &mut Jobs,
    said: &mut Vec<String>,
) -> Outcome {
    let outcome = run_at_all(keeper, job, known, said);
    match (&job.action, expires) {
        (Action::Command { .. } | Action::CliPing(_), Some(before)) if outcome == Outcome::Done => {
            moved(keeper, job, before)
        }
        _ => outcome,
    }
}

/// What to make of a job that did what it should, and goes by an expiry: that must be later now, or it
/// would be due again and again.
fn moved(keeper: &Keeper<'_>, job: &Job, before: Timestamp) -> Outcome {
    let start = Instant::now();
    loop {
        match expires(keeper, job) {
            Ok(Some(after)) if after > before => return Outcome::Done,
            Err(outcome) => return outcome,
            // A command has told, whereas a CLI may still be writing.
            Ok(_) if cli_of(job).is_none() || start.elapsed() > keeper.limits.written => {
                let now = keeper.now();
                if before > now {
                    return Outcome::Unmoved { until: half_way(now, before) };
                }
                let why = "it succeeded, but the expiry has passed and is unchanged".to_owned();
                return Outcome::Failed { why };
            }
            Ok(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// When to try again what did not move an expiry. A CLI renews its login when it thinks that it is time;
/// until then each further turn is spent for nothing, so there are few.
fn half_way(now: Timestamp, expires: Timestamp) -> Timestamp {
    now.after(Duration::from_secs(now.seconds_until(expires) / 2))
}

fn run_at_all(keeper: &Keeper<'_>, job: &Job, known: &mut Jobs, said: &mut Vec<String>) -> Outcome {
    let before = cli_of(job).and_then(|cli| told(keeper, cli));
    let mut attempt = 1;
    loop {
        let outcome = match &job.action {
            Action::Command { command, .. } => own(keeper, job, command),
            Action::CliPing(cli) => ping(keeper, *cli),
            Action::Refresh(cli) => refresh(keeper, *cli, before.as_ref()),
            Action::OpenclawTouch(touch) => touch::run(keeper, touch, said),
            Action::ClaudeWebPing(ping) => web_ping::run(keeper, job, ping, known),
        };
        // What a provider or a user has said is not asked for a second time.
        let is_over = !matches!(outcome, Outcome::Failed { .. })
            || attempt >= job.attempts
            || job.silent_until(keeper.now()).is_some();
        if is_over {
            return outcome;
        }
        // What was to be tried again has not failed yet.
        if !keeper.interrupt.sleep(retry_pause(attempt, random(attempt))) {
            return stopped();
        }
        if job.silent_until(keeper.now()).is_some() {
            return outcome;
        }
        attempt += 1;
    }
}

/// When the login of that CLI expires, where its folder is known.
fn told(keeper: &Keeper<'_>, cli: Cli) -> Option<Expiry> {
    Some(expiry(cli, &(keeper.base)(cli).ok()?, keeper.now()))
}

/// A command of the user's. What it says is not written down: it may hold secrets.
fn own(keeper: &Keeper<'_>, job: &Job, line: &str) -> Outcome {
    match bounded(keeper, &mut shell(job, line), keeper.limits.command) {
        Ok(Ended { code: Some(0), timed_out: false, .. }) => Outcome::Done,
        Ok(_) if keeper.interrupt.asked() => stopped(),
        Ok(ended) if ended.timed_out => Outcome::Failed {
            why: format!("it ran for more than {} s", keeper.limits.command.as_secs()),
        },
        Ok(Ended { code: Some(TRY_LATER), .. }) => {
            Outcome::Later { why: format!("exit code {TRY_LATER}"), until: None }
        }
        Ok(ended) => Outcome::Failed { why: how(&ended) },
        Err(why) => Outcome::Failed { why },
    }
}

/// One turn of that CLI, in its own empty folder, and never beside another one.
fn ping(keeper: &Keeper<'_>, cli: Cli) -> Outcome {
    if let Some(process) = is_at_work(cli, &(keeper.processes)()) {
        let why = format!("{} is already running as process {process}", cli.name());
        return Outcome::Later { why, until: None };
    }
    let folder = keeper.pings.join(cli.name());
    if let Err(error) = empty(&folder) {
        let why =
            format!("cannot create an empty folder {}: {}", folder.display(), describe(&error));
        return Outcome::Failed { why };
    }
    let mut command = turn(cli, TEXT);
    without_keys(&mut command);
    if let Some(path) = &keeper.path {
        command.env("PATH", path);
    }
    match bounded(keeper, command.current_dir(&folder), keeper.limits.turn) {
        Ok(ended) if judge(cli, &ended, keeper.now()) == Answer::Done => Outcome::Done,
        Ok(_) if keeper.interrupt.asked() => stopped(),
        Ok(ended) if ended.timed_out => match judge(cli, &ended, keeper.now()) {
            Answer::Limited { until } => limited(until),
            Answer::Refused(why) => Outcome::Refused { why },
            _ => Outcome::Failed {
                why: format!("{} ran for more than {} s", cli.name(), keeper.limits.turn.as_secs()),
            },
        },
        Ok(ended) => match judge(cli, &ended, keeper.now()) {
            Answer::Done => Outcome::Done,
            Answer::Limited { until } => limited(until),
            Answer::Refused(why) => Outcome::Refused { why },
            Answer::Failed(why) => Outcome::Failed { why },
        },
        Err(why) => Outcome::Failed { why: format!("cannot run {}: {why}", cli.name()) },
    }
}

/// Makes an empty folder, in place of what was left there: a turn is to find nothing to go by.
#[expect(clippy::disallowed_methods, reason = "it is our own, and links in it are not followed")]
fn empty(folder: &Path) -> io::Result<()> {
    match fs::symlink_metadata(folder) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(folder)?,
        Ok(_) => fs::remove_file(folder)?,
        Err(_) => {}
    }
    create::create_private_folders(folder)
}

/// One turn, after which the login must expire later than before the first one: then it is done, whatever
/// else the CLI has said.
fn refresh(keeper: &Keeper<'_>, cli: Cli, before: Option<&Expiry>) -> Outcome {
    let outcome = ping(keeper, cli);
    if matches!(outcome, Outcome::Later { .. }) {
        return outcome;
    }
    let start = Instant::now();
    loop {
        match (before, told(keeper, cli)) {
            (Some(Expiry::At(before)), Some(Expiry::At(after))) if after > *before => {
                return Outcome::Done;
            }
            (_, Some(Expiry::LogInAgain)) => {
                return Outcome::Refused { why: "log in again".to_owned() };
            }
            _ if outcome != Outcome::Done => return outcome,
            (Some(Expiry::At(before)), _) if start.elapsed() > keeper.limits.written => {
                let why =
                    format!("{} ran, but its login still expires at the same time", cli.name());
                let now = keeper.now();
                return if *before > now {
                    Outcome::Later { why, until: Some(half_way(now, *before)) }
                } else {
                    Outcome::Failed { why }
                };
            }
            (None | Some(_), None) => {
                return Outcome::Skipped { why: "the folder of its login is unknown".into() };
            }
            _ if start.elapsed() > keeper.limits.written => {
                return Outcome::Skipped { why: "the expiry of its login is unknown".into() };
            }
            _ => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Tells the user's command that a job does not run any more, also where a signal ends the pass, though then in
/// little time: it is told once. What went wrong with that, in one line.
pub(super) fn notify(keeper: &Keeper<'_>, job: &Job, state: &str, why: &str) -> Option<String> {
    let mut command = shell(job, job.notify.as_deref()?);
    command.env("SESSION_WARDEN_STATE", state).env("SESSION_WARDEN_REASON", why);
    let limits = &keeper.limits;
    let asked = Cell::new(None);
    let is_over = || {
        let since = asked.get().or_else(|| keeper.interrupt.asked().then(Instant::now));
        asked.set(since);
        since.is_some_and(|since| since.elapsed() > AFTER_A_SIGNAL)
    };
    match run_bounded(&mut command, limits.telling, limits.grace.min(AFTER_A_SIGNAL), is_over) {
        Ok(ended) if ended.timed_out => {
            Some("the notify command did not finish in time".to_owned())
        }
        Ok(Ended { code: Some(0), .. }) => None,
        Ok(ended) => Some(format!("the notify command {}", how(&ended))),
        Err(error) => Some(format!("cannot run the notify command: {}", describe(&error))),
    }
}

fn shell(job: &Job, line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]).env("SESSION_WARDEN_JOB", &job.id);
    without_keys(&mut command);
    command
}

/// What is run sees no key to Claude's web page, which is none of its business.
fn without_keys(command: &mut Command) {
    command.env_remove("SESSION_KEY").env_remove("CREDENTIALS_DIRECTORY");
}

fn bounded(keeper: &Keeper<'_>, command: &mut Command, time: Duration) -> Result<Ended, String> {
    let interrupted = || keeper.interrupt.asked();
    run_bounded(command, time, keeper.limits.grace, interrupted).map_err(|error| describe(&error))
}

pub(super) fn limited(until: Option<Timestamp>) -> Outcome {
    Outcome::RateLimited { why: "the usage limit was reached".to_owned(), until }
}

pub(super) fn stopped() -> Outcome {
    Outcome::Later { why: "stopped by a signal".to_owned(), until: None }
}

fn how(ended: &Ended) -> String {
    match (ended.code, ended.signal) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "did not finish".to_owned(),
    }
}

/// Any number from 0 to 1.
fn random(attempt: u32) -> f64 {
    let random = RandomState::new().hash_one(attempt).to_ne_bytes()[0];
    f64::from(random) / 255.0
}
