//! Bridges that start a released session again by themselves: a release frees nothing there, and costs a start.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::record::RecordReading;
use super::schedules::transcripts;
use crate::journal::ReleaseRecord;
use crate::model::Timestamp;
use crate::os::folder::Links;
use crate::os::interrupt::Interrupt;
use crate::os::reading;
use crate::process::facts::Machine;
use crate::process::stat::Stat;
use crate::provider::RecordedProcess;
use crate::provider::records::{Newest, Records, newest};

/// A process that is younger may have been started for a message that it has not read yet.
const GRACE: Duration = Duration::from_secs(2);

/// Returns the first of these releases whose session has a process again, though its files show no message
/// since. `home` is the CLI's folder.
pub(super) fn restarted<'r>(
    releases: &[&'r ReleaseRecord],
    live: &[&RecordedProcess],
    home: &Path,
    machine: &Machine,
    now: Timestamp,
    interrupt: &Interrupt,
) -> Option<&'r ReleaseRecord> {
    let sessions: HashSet<String> =
        live.iter().map(|process| process.session.to_ascii_lowercase()).collect();
    let records = home.join("sessions");
    releases.iter().copied().find(|release| {
        let session = release.session.to_ascii_lowercase();
        sessions.contains(&session)
            && release.time().is_some_and(|released| {
                has_process_since(live, &session, released..=now.earlier(GRACE), &records, machine)
                    && !has_message_since(home, &release.session, released, interrupt)
            })
    })
}

fn has_process_since(
    live: &[&RecordedProcess],
    session: &str,
    period: RangeInclusive<Timestamp>,
    records: &Path,
    machine: &Machine,
) -> bool {
    live.iter().any(|process| {
        let is_of_session = process.session.eq_ignore_ascii_case(session);
        // A process that is busy has a message, which may not be in a file yet. One that a person started is not the
        // bridge's.
        let is_idle = process.status.as_deref() == Some("idle");
        let stat = Stat::read(process.pid).ok().flatten();
        let started = stat.and_then(|stat| machine.started(stat.start));
        let is_of_sdk = RecordReading::read(records, process.pid).record().is_some_and(|record| {
            record.entrypoint.as_deref().is_some_and(|entrypoint| entrypoint.starts_with("sdk-"))
        });
        is_of_session
            && is_idle
            && is_of_sdk
            && started.is_some_and(|started| period.contains(&started))
    })
}

/// Returns true if a transcript has a record since then, or cannot be read: whether the bridge restarts sessions
/// is not known then.
fn has_message_since(home: &Path, session: &str, since: Timestamp, interrupt: &Interrupt) -> bool {
    let Ok(paths) = transcripts(&home.join("projects"), [session]) else { return true };
    paths.values().flatten().any(|path| {
        let (Ok(file), Some(name)) = (reading::open(path, Links::Refuse), path.file_name()) else {
            return true;
        };
        match newest(file, name, Records::Claude, since, interrupt) {
            Newest::At(newest) => newest >= since,
            Newest::NoRecord => false,
            Newest::Unread(_) => true,
        }
    })
}
