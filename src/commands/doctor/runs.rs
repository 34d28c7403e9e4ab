//! The state folder, and how the last runs ended.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::setup::Setup;
use crate::config::state_dir_of;
use crate::holds::Holds;
use crate::journal::{Journal, PinStore, RunKind, RunRecord};
use crate::model::{Exit, Failure, Timestamp, describe};
use crate::os::may_write;
use crate::report::{Check, Health, age, counted};

/// What to do about a hold that cannot be read.
const UNREAD_HOLD: &str =
    "until it can be read, idle mappings are kept; delete the file if its command has ended";

/// How old the last run may be if the timer's interval is not known, in seconds.
const USUAL_LIMIT: u64 = 3 * 3600;

/// However short the interval, a run may take two minutes.
const SHORTEST_LIMIT: u64 = 300;

/// Checks the state folder.
pub(super) fn state_checks(setup: &Setup<'_>) -> Vec<Check> {
    let folder = match setup.config.state_dir() {
        Ok(folder) => folder,
        Err(failure) => return vec![Check::failed("state", &failure)],
    };
    match state(&folder) {
        Ok(message) => {
            let broken = broken(&folder, setup.now);
            if broken.is_empty() { vec![Check::ok("state", message)] } else { broken }
        }
        Err((path, why)) => {
            let message = format!("cannot write to {}: {why}", path.display());
            vec![
                Check::error("state", message)
                    .hint("use another state folder with --state-dir DIR"),
            ]
        }
    }
}

/// Returns that the folder is writable, or the path that is not, with the reason.
fn state(folder: &Path) -> Result<String, (PathBuf, String)> {
    let shown = folder.display();
    let existing = folder.ancestors().find(|above| above.symlink_metadata().is_ok());
    let Some(existing) = existing else {
        return Err((folder.to_owned(), "it cannot be there".to_owned()));
    };
    if !existing.is_dir() {
        return Err((existing.to_owned(), "not a folder".to_owned()));
    }
    may_write(existing).map_err(|error| (existing.to_owned(), describe(&error)))?;
    if existing != folder {
        return Ok(format!("{shown}: not there yet; the first run makes it"));
    }

    for file in Journal::at(folder).files() {
        match file.symlink_metadata() {
            Err(_) => {}
            Ok(metadata) if !metadata.is_file() => {
                return Err((file, "not a regular file".to_owned()));
            }
            Ok(_) => may_write(&file).map_err(|error| (file, describe(&error)))?,
        }
    }
    Ok(format!("{shown}: writable"))
}

/// Checks the content of the state folder that cannot be read: the journal, the pins, the holds.
fn broken(folder: &Path, now: Timestamp) -> Vec<Check> {
    let unread = Journal::at(folder).unread();
    let mut checks: Vec<Check> =
        unread.iter().map(|failure| Check::failed("state", failure)).collect();
    for damage in Journal::at(folder).damage() {
        let path = damage.path.unwrap_or_default();
        let message = format!("{}: {}", path.display(), damage.message);
        checks.push(Check::warning("state", message).hint(damage.code.hint()));
    }
    if let Err(failure) = PinStore::at(folder).read() {
        checks.push(Check::failed("state", &failure));
    }
    match Holds::at(folder).read(now) {
        Err(failure) => checks.push(Check::failed("state", &failure)),
        Ok(found) => checks.extend(found.unread.iter().map(|(path, why)| {
            let message = format!("{}: cannot read the hold: {why}", path.display());
            Check::warning("state", message).hint(UNREAD_HOLD)
        })),
    }
    checks
}

/// Checks how the runs ended, of which timers start one at this interval in seconds, and which are also recorded
/// in these state folders.
pub(super) fn check(
    setup: &Setup<'_>,
    states: &[PathBuf],
    interval: Option<u64>,
    was_started: bool,
) -> Check {
    match all(setup, states) {
        Ok(runs) => {
            let runs = of_profile(runs, setup.config.profile.as_deref());
            judge(&runs, setup.now, interval, was_started)
        }
        Err(failure) => Check { state: Health::Warning, ..Check::failed("runs", &failure) }
            .or_hint("correct the file's permissions, or move it away"),
    }
}

/// Returns all cleans that have ended, oldest first; as root on another user's map, that user's too.
fn all(setup: &Setup<'_>, states: &[PathBuf]) -> Result<Vec<RunRecord>, Failure> {
    let ours = setup.config.state_dir().into_iter();
    let theirs = setup.other_owner().and_then(state_dir_of);
    let folders: BTreeSet<PathBuf> = ours.chain(theirs).chain(states.iter().cloned()).collect();

    let mut all = Vec::new();
    for folder in folders {
        let journal = Journal::at(&folder);
        // Anything but a file could keep a reader waiting.
        if let Some(odd) = journal.files().iter().find(|file| is_no_file(file)) {
            let why = format!("cannot read the runs: {} is not a regular file", odd.display());
            return Err(Failure::new(why));
        }
        all.extend(journal.runs()?.into_iter().filter(|run| run.command == RunKind::Clean));
    }
    all.sort_by_key(|run| Timestamp::parse(&run.started));
    Ok(all)
}

fn is_no_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| !metadata.is_file())
}

/// Returns the runs of that profile. Without a profile, these are the runs without one, or all if every run had
/// one.
fn of_profile(mut runs: Vec<RunRecord>, profile: Option<&str>) -> Vec<RunRecord> {
    if profile.is_some() || runs.iter().any(|run| run.profile().is_none()) {
        runs.retain(|run| run.profile() == profile);
    }
    runs
}

fn judge(runs: &[RunRecord], now: Timestamp, interval: Option<u64>, was_started: bool) -> Check {
    // A run that found another one at work is neither a success nor a failure.
    let runs: Vec<&RunRecord> = runs.iter().filter(|run| run.exit != Exit::Locked.code()).collect();
    let Some(last) = runs.last() else {
        if was_started {
            return Check::warning("runs", "a timer has started one, and none has ended")
                .hint("journalctl shows its output; session-warden --dry-run tries it");
        }
        return Check::ok("runs", "none yet");
    };

    let success = runs.iter().rposition(|run| run.exit == Exit::Done.code());
    let summary = match success.and_then(|index| runs.get(index)) {
        Some(run) => format!("last success {} ago", since(run, now).map_or("-".to_owned(), age)),
        None => "no success".to_owned(),
    };
    if last.exit != Exit::Done.code() {
        let failures = counted(runs.len() - success.map_or(0, |index| index + 1), "failure");
        let ago = since(last, now).map_or("-".to_owned(), age);
        let why = last.warning.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let exit = last.exit;
        let since = if success.is_some() { " since" } else { "" };
        let message =
            format!("{summary}, {failures}{since}, the last {ago} ago with exit {exit}{why}");
        return Check::warning("runs", message)
            .hint("session-warden --dry-run shows what is wrong; history shows all runs");
    }
    let limit =
        interval.map_or(USUAL_LIMIT, |interval| interval.saturating_mul(3).max(SHORTEST_LIMIT));
    if since(last, now).is_none_or(|seconds| seconds > limit) {
        let limit = age(limit);
        let message = format!("{summary}, none since; there should have been one within {limit}");
        return Check::warning("runs", message)
            .hint("session-warden schedule status shows whether the timer runs");
    }
    Check::ok("runs", format!("{summary}, no failure since"))
}

/// Returns the seconds since that run ended.
fn since(run: &RunRecord, now: Timestamp) -> Option<u64> {
    Some(Timestamp::parse(&run.ended)?.seconds_until(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    const NOW: i64 = 1_800_000_000;

    fn ran(run: &str, ago: i64, exit: u8) -> RunRecord {
        let time = Timestamp::new(NOW - ago, 0).rfc3339().unwrap();
        RunRecord {
            run: run.to_owned(),
            started: time.clone(),
            ended: time,
            exit,
            warning: (exit != 0).then(|| "it broke".to_owned()),
            ..RunRecord::default()
        }
    }

    #[track_caller]
    fn check(runs: &[(i64, u8)], every: Option<u64>, state: Health, says: &str) {
        let runs: Vec<RunRecord> = runs.iter().map(|(ago, exit)| ran("x", *ago, *exit)).collect();
        let check = judge(&runs, Timestamp::new(NOW, 0), every, false);
        assert_eq!(check.state, state, "{check:?}");
        assert!(check.message.contains(says), "{check:?}");
    }

    #[test]
    fn the_last_runs_are_judged() {
        use Health::{Ok, Warning};
        check(&[], None, Ok, "none yet");
        check(&[(60, 0)], None, Ok, "last success 1m ago, no failure since");
        check(&[(9000, 1), (60, 0)], None, Ok, "no failure since");
        check(&[(9000, 0), (7000, 1), (60, 3)], None, Warning, "2 failures since, the last 1m ago");
        check(&[(60, 1)], None, Warning, "no success, 1 failure, the last 1m ago");
        check(&[(60, 1)], None, Warning, "exit 1: it broke");
        check(&[(900, 0), (60, 75)], None, Ok, "last success 15m ago");
        for (every, limit) in
            [(None, 10_800), (Some(900), 2700), (Some(86_400), 259_200), (Some(1), 300)]
        {
            check(&[(limit, 0)], every, Ok, "no failure");
            check(&[(limit + 1, 0)], every, Warning, "there should have been one within");
        }
        let started = judge(&[], Timestamp::new(NOW, 0), None, true);
        assert_eq!(started.state, Warning);
    }

    #[test]
    fn runs_are_those_of_the_profile() {
        let runs =
            || vec![ran("20261121T035507Z-123-42", 9, 0), ran("20261121T035507Z-123-42-a-b", 9, 1)];
        let exits = |runs, profile| -> Vec<u8> {
            of_profile(runs, profile).iter().map(|ran| ran.exit).collect()
        };
        assert_eq!(exits(runs(), None), [0]);
        assert_eq!(exits(runs(), Some("a-b")), [1]);
        assert!(exits(runs(), Some("a")).is_empty());
        assert_eq!(exits(runs().split_off(1), None), [1]);
    }
}
