//! Commands of the user's: the work of a job, the expiry that one prints, and the notification.

use std::cell::OnceCell;
use std::process::Command;
use std::time::{Duration, Instant};

use super::job::{Job, Outcome};
use super::keeper::Keeper;
use crate::model::{Timestamp, describe};
use crate::process::{Ended, run_bounded};

/// How long a `notify` command may take after a signal has ended the pass.
const AFTER_A_SIGNAL: Duration = Duration::from_secs(5);

/// The exit code of a command that is to be tried later (`EX_TEMPFAIL`).
const TRY_LATER: i32 = 75;

/// Runs a command. Its output is not stored: it may hold secrets.
pub(super) fn run(keeper: &Keeper<'_>, job: &Job, line: &str) -> Outcome {
    let time = keeper.limits.command;
    match bounded(keeper, &mut shell(job, line), time) {
        Ok(Ended { code: Some(0), timed_out: false, .. }) => Outcome::Done,
        Ok(_) if keeper.interrupt.asked() => Outcome::stopped(),
        Ok(ended) if ended.timed_out => {
            Outcome::failed(format!("it ran for more than {} s", time.as_secs()))
        }
        Ok(Ended { code: Some(TRY_LATER), .. }) => Outcome::later(format!("exit code {TRY_LATER}")),
        Ok(ended) => Outcome::failed(how_it_ended(&ended)),
        Err(why) => Outcome::failed(why),
    }
}

/// Returns the time that a command prints: RFC 3339, or seconds since 1970.
pub(super) fn printed_expiry(
    keeper: &Keeper<'_>,
    job: &Job,
    line: &str,
) -> Result<Timestamp, Outcome> {
    // Its messages are no part of the answer.
    let line = format!("exec 2>/dev/null\n{line}");
    let ended = bounded(keeper, &mut shell(job, &line), keeper.limits.short_command)
        .map_err(|why| Outcome::failed(format!("expiry_command: {why}")))?;
    if keeper.interrupt.asked() {
        return Err(Outcome::stopped());
    }
    if ended.code != Some(0) {
        return Err(Outcome::failed(format!("expiry_command {}", how_it_ended(&ended))));
    }

    let text = ended.output.trim();
    let time = Timestamp::parse(text).or_else(|| Some(Timestamp::new(text.parse().ok()?, 0)));
    // Milliseconds taken for seconds give a year of more than four digits.
    time.filter(|time| time.rfc3339().is_some()).ok_or_else(|| {
        Outcome::skipped("expiry_command must print a time, as RFC 3339 or as seconds since 1970")
    })
}

/// Runs the `notify` command of a job, which is run once and therefore also after a signal, though not
/// for long. Returns why it failed, in one line.
pub(super) fn notify(keeper: &Keeper<'_>, job: &Job, state: &str, why: &str) -> Option<String> {
    let mut command = shell(job, job.notify.as_deref()?);
    command.env("SESSION_WARDEN_STATE", state).env("SESSION_WARDEN_REASON", why);
    let limits = &keeper.limits;
    let stopped_at = OnceCell::new();
    let ended = run_bounded(
        without_keys(&mut command),
        limits.short_command,
        limits.grace.min(AFTER_A_SIGNAL),
        || {
            keeper.interrupt.asked()
                && stopped_at.get_or_init(Instant::now).elapsed() > AFTER_A_SIGNAL
        },
    );
    match ended {
        Ok(ended) if ended.timed_out => {
            Some("the notify command did not finish in time".to_owned())
        }
        Ok(Ended { code: Some(0), .. }) => None,
        Ok(ended) => Some(format!("the notify command {}", how_it_ended(&ended))),
        Err(error) => Some(format!("cannot run the notify command: {}", describe(&error))),
    }
}

fn shell(job: &Job, line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]).env("SESSION_WARDEN_JOB", &job.id);
    command
}

/// Runs a command for that long at most, or until a signal. It does not see the key to Claude's web page.
pub(super) fn bounded(
    keeper: &Keeper<'_>,
    command: &mut Command,
    time: Duration,
) -> Result<Ended, String> {
    let interrupt = keeper.interrupt;
    run_bounded(without_keys(command), time, keeper.limits.grace, || interrupt.asked())
        .map_err(|error| describe(&error))
}

fn without_keys(command: &mut Command) -> &mut Command {
    command.env_remove("SESSION_KEY").env_remove("CREDENTIALS_DIRECTORY")
}

fn how_it_ended(ended: &Ended) -> String {
    match (ended.code, ended.signal) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "did not finish".to_owned(),
    }
}
