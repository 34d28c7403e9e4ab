//! Work that an idle session will do later: schedules and wakeups, which no record shows.
//!
//! A durable schedule names its process in a lock in the working folder. One that only the session has, and a
//! wakeup, leave nothing outside the process but the call of the tool in the session's transcript, and after `/clear`
//! a note in the next one. So the transcripts of candidates are searched for two names of tools and for that note;
//! nothing else in them is looked at.

mod transcript;

use serde_json::Value;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

pub use transcript::{TranscriptScan, Transcripts, transcripts};

use crate::model::Timestamp;
use crate::os::folder::Links;
use crate::os::reading;

/// For how long after its call a schedule counts as set; Claude Code keeps a recurring one for less.
const CRON_COUNTS: Duration = Duration::from_secs(30 * 24 * 3600);

/// For how long after its call a wakeup counts as set.
const WAKEUP_COUNTS: Duration = Duration::from_secs(24 * 3600);

/// The lock is read up to here; Claude Code writes a few hundred bytes.
const LARGEST_LOCK: u64 = 1 << 20;

/// The first schedule that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedules {
    /// No schedule.
    None,
    /// A durable schedule of this process.
    Durable,
    /// A schedule of the session.
    Cron,
    /// A wakeup of the session.
    Wakeup,
    /// A file that may show a schedule cannot be read.
    Unreadable,
}

impl Schedules {
    /// The schedules of process `pid`, which works in `folder`, by its lock and by its session's transcripts as they
    /// were last scanned.
    pub fn of(
        pid: u32,
        folder: Option<&Path>,
        transcripts: &[TranscriptScan],
        now: Timestamp,
    ) -> Self {
        let Some(folder) = folder else { return Self::Unreadable };
        match durable(folder, pid) {
            Self::None => {}
            found => return found,
        }

        let (cron, wakeup) = (now.earlier(CRON_COUNTS), now.earlier(WAKEUP_COUNTS));
        if transcripts.iter().any(|scan| scan.last_cron().is_some_and(|last| last >= cron)) {
            Self::Cron
        } else if transcripts
            .iter()
            .any(|scan| scan.last_wakeup().is_some_and(|last| last >= wakeup))
        {
            Self::Wakeup
        } else {
            Self::None
        }
    }
}

/// Whether `<folder>/.claude/scheduled_tasks.lock` names process `pid`. A lock that does not show which process it
/// names may name this one.
fn durable(folder: &Path, pid: u32) -> Schedules {
    let path = folder.join(".claude/scheduled_tasks.lock");
    match reading::whole(&path, Links::Follow, LARGEST_LOCK) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Schedules::None
        }
        Err(_) => Schedules::Unreadable,
        Ok(bytes) => match process_in(&bytes) {
            Some(named) if named == u64::from(pid) => Schedules::Durable,
            Some(_) => Schedules::None,
            None => Schedules::Unreadable,
        },
    }
}

fn process_in(lock: &[u8]) -> Option<u64> {
    let lock: Value = serde_json::from_slice(lock).ok()?;
    match lock.get("pid")? {
        Value::String(digits) => digits.parse().ok(),
        pid => pid.as_u64(),
    }
}

#[cfg(test)]
mod tests;
