//! A turn of a vendor's CLI, as a ping or to renew its login. The login is read only for its expiry and
//! never written: the CLI that owns it renews it.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::command::bounded;
use super::job::{Cli, Outcome};
use super::keeper::Keeper;
use super::vendor::{Expiry, expiry, is_at_work, judge, turn};
use crate::model::{Timestamp, describe};
use crate::os::create;

const PROMPT: &str = "Reply with OK and nothing else.";

/// How often a login is read that a CLI may still be writing.
const EVERY: Duration = Duration::from_millis(100);

/// Has a CLI take one turn, in its own empty folder, unless it is running already.
pub(super) fn ping(keeper: &Keeper<'_>, cli: Cli) -> Outcome {
    if let Some(process) = is_at_work(cli, &(keeper.processes)()) {
        let name = cli.name();
        return Outcome::later(format!("{name} is already running as process {process}"));
    }

    let folder = keeper.pings.join(cli.name());
    if let Err(error) = make_empty(&folder) {
        let (folder, error) = (folder.display(), describe(&error));
        return Outcome::failed(format!("cannot create an empty folder {folder}: {error}"));
    }

    let mut command = turn(cli, PROMPT);
    if let Some(path) = &keeper.path {
        command.env("PATH", path);
    }

    let time = keeper.limits.turn;
    let ended = match bounded(keeper, command.current_dir(&folder), time) {
        Ok(ended) => ended,
        Err(why) => return Outcome::failed(format!("cannot run {}: {why}", cli.name())),
    };
    match judge(cli, &ended, keeper.now()) {
        Outcome::Done => Outcome::Done,
        _ if keeper.interrupt.asked() => Outcome::stopped(),
        Outcome::Failed { .. } if ended.timed_out => {
            Outcome::failed(format!("{} ran for more than {} s", cli.name(), time.as_secs()))
        }
        outcome => outcome,
    }
}

/// Makes an empty folder, and removes what was in it: a turn is to find nothing to work on.
#[expect(clippy::disallowed_methods, reason = "it is our own, and links in it are not followed")]
fn make_empty(folder: &Path) -> io::Result<()> {
    match fs::symlink_metadata(folder) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(folder)?,
        Ok(_) => fs::remove_file(folder)?,
        Err(_) => {}
    }
    create::create_private_folders(folder)
}

/// Has a CLI take one turn, after which its login must expire later than before the first attempt. Then
/// it is done, whatever else the CLI has printed.
pub(super) fn refresh(keeper: &Keeper<'_>, cli: Cli, before: Option<&Expiry>) -> Outcome {
    let outcome = ping(keeper, cli);
    if matches!(outcome, Outcome::Later { .. }) {
        return outcome;
    }

    let has_moved = |after: &Option<Expiry>| match (before, after) {
        (Some(Expiry::At(before)), Some(Expiry::At(after))) => after > before,
        _ => false,
    };
    let after = read_until(
        keeper,
        || login_expiry(keeper, cli),
        |after| {
            outcome != Outcome::Done
                || matches!(after, Some(Expiry::LogInAgain) | None)
                || has_moved(after)
        },
    );

    match (before, after) {
        (_, after) if has_moved(&after) => Outcome::Done,
        (_, Some(Expiry::LogInAgain)) => Outcome::log_in_again(),
        _ if outcome != Outcome::Done => outcome,
        (_, None) => Outcome::skipped("the folder of its login is unknown"),
        (Some(Expiry::At(before)), _) => {
            let why = format!("{} ran, but its login still expires at the same time", cli.name());
            match try_again_at(keeper, *before) {
                Some(until) => Outcome::Later { why, until: Some(until) },
                None => Outcome::Failed { why },
            }
        }
        _ => Outcome::skipped("the expiry of its login is unknown"),
    }
}

/// Returns when the login of that CLI expires, if its folder is known.
pub(super) fn login_expiry(keeper: &Keeper<'_>, cli: Cli) -> Option<Expiry> {
    Some(expiry(cli, &(keeper.base)(cli).ok()?, keeper.now()))
}

/// Reads something again and again until it `is_final`, or a CLI must have written its login.
pub(super) fn read_until<T>(
    keeper: &Keeper<'_>,
    read: impl Fn() -> T,
    is_final: impl Fn(&T) -> bool,
) -> T {
    let start = Instant::now();

    loop {
        let found = read();
        if is_final(&found) || start.elapsed() > keeper.limits.login_written {
            return found;
        }
        thread::sleep(EVERY);
    }
}

/// Returns when to try again after a run that did not move an expiry, unless it has passed: half way to
/// it. A CLI renews its login when it decides to; until then each further turn is wasted.
pub(super) fn try_again_at(keeper: &Keeper<'_>, expires: Timestamp) -> Option<Timestamp> {
    let now = keeper.now();
    let half = Duration::from_secs(now.seconds_until(expires) / 2);
    (expires > now).then(|| now.after(half))
}
