//! The actions of jobs: their logins, when they expire, and the attempts of a run.

use std::hash::{BuildHasher, RandomState};

use super::job::{Action, Job, Outcome, When, retry_pause};
use super::keeper::Keeper;
use super::pass::Pass;
use super::turn::{login_expiry, ping, read_until, refresh, try_again_at};
use super::vendor::{Expiry, credential_hash, expiry};
use super::{command, openclaw_touch, web_ping};
use crate::model::Timestamp;
use crate::process::is_on_path;

/// Returns a hash of the login that a job uses, if it uses one.
pub(super) fn credential(keeper: &Keeper<'_>, job: &Job) -> Option<String> {
    if let Action::ClaudeWebPing(ping) = &job.action {
        return web_ping::credential(keeper, ping);
    }
    let cli = job.action.cli()?;
    credential_hash(cli, &(keeper.base)(cli).ok()?)
}

/// Returns the expiry that a job goes by, if it goes by one, or the outcome of a run if it is unknown.
pub(super) fn expires(keeper: &Keeper<'_>, job: &Job) -> Result<Option<Timestamp>, Outcome> {
    if !matches!(job.when, When::BeforeExpiry(_)) {
        return Ok(None);
    }

    match &job.action {
        Action::CliPing(cli) | Action::Refresh(cli) => {
            let base = (keeper.base)(*cli).map_err(|failure| Outcome::skipped(failure.message))?;
            match expiry(*cli, &base, keeper.now()) {
                Expiry::At(time) => Ok(Some(time)),
                Expiry::LogInAgain => Err(Outcome::log_in_again()),
                Expiry::Unknown(why) => Err(Outcome::skipped(why)),
            }
        }
        Action::Command { expiry_command, .. } => {
            let line = expiry_command.as_deref().unwrap_or_default();
            command::printed_expiry(keeper, job, line).map(Some)
        }
        // The configuration has no such jobs.
        Action::OpenclawTouch(_) | Action::ClaudeWebPing(_) => Ok(None),
    }
}

/// Returns true if only a command of the user's knows when the job is due.
pub(super) fn asks_a_command(job: &Job) -> bool {
    matches!((&job.action, job.when), (Action::Command { .. }, When::BeforeExpiry(_)))
}

/// Checks that a job can run, without a call to a provider. Returns its login and when that expires, or
/// the problem.
pub(super) fn check(keeper: &Keeper<'_>, job: &Job) -> Result<String, String> {
    let cli = match &job.action {
        Action::OpenclawTouch(touch) => return openclaw_touch::check(keeper, touch),
        Action::ClaudeWebPing(ping) => return web_ping::login(keeper, ping),
        Action::Command { .. } => {
            return match expires(keeper, job) {
                Ok(Some(time)) => Ok(format!("expires {}", time.for_people())),
                Ok(None) => Ok("a command".to_owned()),
                Err(outcome) => Err(outcome.to_string()),
            };
        }
        Action::CliPing(cli) | Action::Refresh(cli) => *cli,
    };

    let name = cli.name();
    // Without PATH, the system has a search path of its own.
    if keeper.path.as_ref().is_some_and(|path| !is_on_path(path, name)) {
        return Err(format!("{name} is not on the PATH"));
    }

    let base = (keeper.base)(cli).map_err(|failure| failure.message)?;
    match expiry(cli, &base, keeper.now()) {
        Expiry::At(time) => Ok(format!("the login of {name} expires {}", time.for_people())),
        Expiry::LogInAgain => Err(format!("log in again with {name}")),
        // A ping needs no expiry: an API key has none.
        Expiry::Unknown(why) if matches!(job.action, Action::CliPing(_)) => Ok(why),
        Expiry::Unknown(why) => Err(why),
    }
}

/// Runs the job, as often as it may be tried. `expires` is the expiry that it goes by, which must be
/// later after a successful run, or the job would be due again and again.
pub(super) fn run(pass: &mut Pass<'_>, job: &Job, expires: Option<Timestamp>) -> Outcome {
    let outcome = try_repeatedly(pass, job);
    match (&job.action, expires) {
        (Action::Command { .. } | Action::CliPing(_), Some(before)) if outcome == Outcome::Done => {
            check_moved(pass.keeper, job, before)
        }
        _ => outcome,
    }
}

fn check_moved(keeper: &Keeper<'_>, job: &Job, before: Timestamp) -> Outcome {
    // A command has finished, whereas a CLI may still be writing its login.
    let is_command = job.action.cli().is_none();
    let after = read_until(
        keeper,
        || expires(keeper, job),
        |after| is_command || after.as_ref().map_or(true, |after| *after > Some(before)),
    );
    match after {
        Err(outcome) => outcome,
        Ok(after) if after > Some(before) => Outcome::Done,
        Ok(_) => match try_again_at(keeper, before) {
            Some(until) => Outcome::Unmoved { until },
            None => Outcome::failed("it succeeded, but the expiry has passed and is unchanged"),
        },
    }
}

fn try_repeatedly(pass: &mut Pass<'_>, job: &Job) -> Outcome {
    let keeper = pass.keeper;
    let before = job.action.cli().and_then(|cli| login_expiry(keeper, cli));
    let mut attempt = 1;

    loop {
        let outcome = try_once(pass, job, before.as_ref());
        // Only a failure is tried again, and no job runs in its silence.
        let is_over = !matches!(outcome, Outcome::Failed { .. })
            || attempt >= job.attempts
            || job.silent_until(keeper.now()).is_some();
        if is_over {
            return outcome;
        }
        // A run that a signal ends between two attempts has not failed.
        if !keeper.interrupt.sleep(retry_pause(attempt, random(attempt))) {
            return Outcome::stopped();
        }
        if job.silent_until(keeper.now()).is_some() {
            return outcome;
        }
        attempt += 1;
    }
}

fn try_once(pass: &mut Pass<'_>, job: &Job, before: Option<&Expiry>) -> Outcome {
    let keeper = pass.keeper;
    match &job.action {
        Action::Command { command, .. } => command::run(keeper, job, command),
        Action::CliPing(cli) => ping(keeper, *cli),
        Action::Refresh(cli) => refresh(keeper, *cli, before),
        Action::OpenclawTouch(touch) => {
            let (outcome, lines) = openclaw_touch::run(keeper, touch);
            // Of several attempts, the last one is reported.
            pass.lines = lines;
            outcome
        }
        Action::ClaudeWebPing(ping) => web_ping::run(pass, job, ping),
    }
}

/// Returns a random number from 0 to 1.
fn random(attempt: u32) -> f64 {
    let random = RandomState::new().hash_one(attempt).to_ne_bytes()[0];
    f64::from(random) / 255.0
}
