//! What runs remember: whether it can be written down, and how the last runs ended.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Patient, count};
use crate::config::state_dir_of;
use crate::holds::Holds;
use crate::journal::{Journal, PinStore, RunKind, RunRecord};
use crate::model::{Exit, Failure, Timestamp, describe};
use crate::os::may_write;
use crate::process;
use crate::report::{Check, age};

/// The state folder.
pub(super) fn state_checks(patient: &Patient<'_>) -> Vec<Check> {
    let folder = match patient.config.state_dir() {
        Ok(folder) => folder,
        Err(failure) => {
            let hint = failure.hint.unwrap_or_default();
            return vec![Check::error("state", failure.message).hint(hint)];
        }
    };
    match state(&folder) {
        Ok(check) => {
            let mut checks = broken(&folder, patient.now);
            if checks.is_empty() {
                checks.push(check);
            }
            checks
        }
        Err(why) => {
            vec![Check::error("state", why).hint("use another state folder with --state-dir DIR")]
        }
    }
}

fn state(folder: &Path) -> Result<Check, String> {
    let shown = folder.display();
    let cannot = |path: &Path, why: &str| format!("cannot write to {}: {why}", path.display());
    let Some(there) = folder.ancestors().find(|above| above.symlink_metadata().is_ok()) else {
        return Err(cannot(folder, "it cannot be there"));
    };
    if !there.is_dir() {
        return Err(cannot(there, "not a folder"));
    }
    may_write(there).map_err(|error| cannot(there, &describe(&error)))?;
    if there != folder {
        return Ok(Check::ok("state", format!("{shown}: not there yet; the first run makes it")));
    }
    for file in Journal::at(folder).files() {
        match file.symlink_metadata() {
            Err(_) => {}
            Ok(about) if !about.is_file() => return Err(cannot(&file, "not a regular file")),
            Ok(_) => may_write(&file).map_err(|error| cannot(&file, &describe(&error)))?,
        }
    }
    Ok(Check::ok("state", format!("{shown}: writable")))
}

/// What is kept in the state folder and cannot be read: the journal, the pins, the holds.
fn broken(folder: &Path, now: Timestamp) -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    for damage in Journal::at(folder).damage() {
        let path = damage.path.unwrap_or_default();
        let message = format!("{}: {}", path.display(), damage.message);
        checks.push(Check::warning("state", message).hint(damage.code.hint()));
    }
    if let Err(failure) = PinStore::at(folder).read() {
        let hint = failure.hint.unwrap_or_default();
        checks.push(Check::error("state", failure.message).hint(hint));
    }
    match Holds::at(folder).read(now) {
        Err(failure) => {
            let hint = failure.hint.unwrap_or_default();
            checks.push(Check::error("state", failure.message).hint(hint));
        }
        Ok(found) => checks.extend(found.unread.iter().map(|(path, why)| {
            let message = format!("{}: cannot read the hold: {why}", path.display());
            Check::warning("state", message).hint(UNREAD_HOLD)
        })),
    }
    checks
}

/// What to do about a hold that cannot be read.
const UNREAD_HOLD: &str =
    "until it can be read, idle mappings are kept; delete the file if its command has ended";

/// How the runs went, of which a timer starts one every so many seconds, and which remember in these
/// folders as well.
pub(super) fn check(
    patient: &Patient<'_>,
    states: &[PathBuf],
    every: Option<u64>,
    was_started: bool,
) -> Check {
    let runs = match all(patient, states) {
        Ok(runs) => runs,
        Err(failure) => {
            let hint = failure.hint.as_deref();
            let hint = hint.unwrap_or("correct the file's permissions, or move it away");
            return Check::warning("runs", failure.message).hint(hint);
        }
    };
    judge(&of_profile(runs, patient.config.profile.as_deref()), patient.now, every, was_started)
}

/// All runs but undos that have ended, oldest first; as root on another user's map, that user's too.
fn all(patient: &Patient<'_>, states: &[PathBuf]) -> Result<Vec<RunRecord>, Failure> {
    let owner = patient.owner().filter(|owner| process::user() == 0 && *owner != 0);
    let theirs = owner.and_then(state_dir_of);
    let mut all = Vec::new();
    let ours = patient.config.state_dir().into_iter();
    let folders: BTreeSet<PathBuf> = ours.chain(theirs).chain(states.iter().cloned()).collect();
    for folder in folders {
        // What is no file could keep a reader waiting.
        let journal = Journal::at(&folder);
        let is_odd = |file: &Path| file.metadata().is_ok_and(|about| !about.is_file());
        if let Some(odd) = journal.files().iter().find(|file| is_odd(file)) {
            let why = format!("cannot read the runs: {} is not a regular file", odd.display());
            return Err(Failure::new(why));
        }
        // An undo is no run of a timer's.
        all.extend(journal.runs()?.into_iter().filter(|ran| ran.command == RunKind::Clean));
    }
    all.sort_by_key(|ran| Timestamp::parse(&ran.started));
    Ok(all)
}

/// The runs of that profile; without one, those of none, or else all.
fn of_profile(mut runs: Vec<RunRecord>, profile: Option<&str>) -> Vec<RunRecord> {
    if profile.is_some() || runs.iter().any(|ran| ran.profile().is_none()) {
        runs.retain(|ran| ran.profile() == profile);
    }
    runs
}

/// How old the last run may be where it is not known how often there is one.
const USUALLY: u64 = 3 * 3600;

/// However often there is one, a run may take two minutes.
const AT_LEAST: u64 = 300;

fn judge(runs: &[RunRecord], now: Timestamp, every: Option<u64>, was_started: bool) -> Check {
    // One that found another at work is neither good nor bad.
    let told: Vec<&RunRecord> = runs.iter().filter(|ran| ran.exit != Exit::Locked.code()).collect();
    let since = |ran: &RunRecord| Timestamp::parse(&ran.ended).map(|then| then.seconds_until(now));
    let ago = |ran: &RunRecord| since(ran).map_or("-".to_owned(), age);
    let Some(last) = told.last() else {
        if was_started {
            return Check::warning("runs", "a timer has started one, and none has ended")
                .hint("journalctl shows its output; session-warden --dry-run tries it");
        }
        return Check::ok("runs", "none yet");
    };
    let done = Exit::Done.code();
    let success = told.iter().rposition(|ran| ran.exit == done);
    let failures = told.len() - success.map_or(0, |place| place + 1);
    let first = match success.and_then(|place| told.get(place)) {
        Some(ran) => format!("last success {} ago", ago(ran)),
        None => "no success".to_owned(),
    };
    if last.exit != done {
        let exit = last.exit;
        let failures = count(failures, "failure");
        let why = last.warning.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let message =
            format!("{first}, {failures} since, the last {} ago with exit {exit}{why}", ago(last));
        return Check::warning("runs", message)
            .hint("session-warden --dry-run shows what is wrong; history shows all runs");
    }
    let limit = every.map_or(USUALLY, |every| every.saturating_mul(3).max(AT_LEAST));
    if since(last).is_none_or(|seconds| seconds > limit) {
        let message =
            format!("{first}, none since; there should have been one within {}", age(limit));
        return Check::warning("runs", message)
            .hint("session-warden schedule status shows whether the timer runs");
    }
    Check::ok("runs", format!("{first}, no failure since"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Health;

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
        check(&[(60, 1)], None, Warning, "no success, 1 failure since");
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
