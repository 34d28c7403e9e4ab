//! One look at all candidates: their records, their processes, their temporary files, and their schedules.
//!
//! The same look plans a release and precedes the signal. Evidence of use, holds and pins are looked up
//! elsewhere, as for a removal.

use std::io;
use std::path::{Path, PathBuf};

use super::kept::KeptReason;
use super::record::{Record, RecordReading};
use super::schedules::{Schedules, TranscriptScan, transcripts};
use crate::model::Timestamp;
use crate::os::interrupt::Interrupt;
use crate::process::facts::{Facts, OpenElsewhere, ProcessReading, TemporaryFiles, open_elsewhere};
use crate::process::tree::Tree;

/// A process that may be released.
#[derive(Debug, Clone)]
pub struct Candidate {
    pid: u32,
    /// The folder of its CLI, such as `~/.claude`.
    home: PathBuf,
    /// Its session's transcripts as far as they were scanned.
    scans: Vec<TranscriptScan>,
}

/// The result of a look at one candidate.
#[derive(Debug, Clone)]
pub struct Seen {
    pub record: RecordReading,
    pub process: ProcessReading,
    pub open_elsewhere: OpenElsewhere,
    pub schedules: Schedules,
}

impl Candidate {
    /// Process `pid`, a Claude Code that has its files in `home`.
    pub fn new(pid: u32, home: PathBuf) -> Self {
        Self { pid, home, scans: Vec::new() }
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    fn records(&self) -> PathBuf {
        self.home.join("sessions")
    }

    /// Since when the process is idle, by its record; nothing if it is not.
    pub fn idle_since(&self) -> Option<Timestamp> {
        let reading = RecordReading::read(&self.records(), self.pid);
        reading.record().filter(|record| record.is_idle())?.status_updated
    }

    /// Reads the input and last of all the record once more, right before the signal, since both may change at any
    /// moment. Whatever is not exactly as it was seen keeps the process.
    pub fn recheck(&self, seen: &Seen) -> Option<KeptReason> {
        let Some(facts) = seen.process.facts() else { return Some(KeptReason::Ended) };
        if facts.input_now() != facts.input {
            return Some(KeptReason::UnreadInput);
        }
        match (RecordReading::read_once(&self.records(), self.pid), &seen.record) {
            (RecordReading::Absent, _) => Some(KeptReason::NoRecord),
            (RecordReading::Torn, _) => Some(KeptReason::RecordTorn),
            (RecordReading::Unreadable, _) => Some(KeptReason::RecordUnreadable),
            (RecordReading::Whole(now), _) if !now.is_idle() => {
                Some(KeptReason::Status(now.status))
            }
            (now, seen) => (now != *seen).then_some(KeptReason::StatusChanged),
        }
    }

    /// Scans the lines added to the transcripts of the session.
    fn scan(&mut self, session: &str, interrupt: &Interrupt) -> io::Result<()> {
        for path in transcripts(&self.home.join("projects"), session)? {
            if !self.scans.iter().any(|scan| scan.path() == path) {
                self.scans.push(TranscriptScan::new(path));
            }
        }
        self.scans.iter_mut().try_for_each(|scan| scan.scan(interrupt))
    }

    fn schedules(&mut self, record: &Record, interrupt: &Interrupt, now: Timestamp) -> Schedules {
        let scanned = record.session.as_deref().map(|session| self.scan(session, interrupt));
        match scanned {
            Some(Ok(())) => Schedules::of(self.pid, record.folder.as_deref(), &self.scans, now),
            Some(Err(_)) | None => Schedules::Unreadable,
        }
    }
}

/// Looks at all candidates together. The results are in their order.
///
/// # Errors
/// If `/proc` cannot be listed.
pub fn look(
    candidates: &mut [Candidate],
    interrupt: &Interrupt,
    now: Timestamp,
) -> io::Result<Vec<Seen>> {
    let tree = Tree::read()?;
    let mut all = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let record = RecordReading::read(&candidate.records(), candidate.pid);
        let socket: Option<&Path> = record.record().and_then(|record| record.socket.as_deref());
        let process = ProcessReading::read(candidate.pid, socket, &tree);

        let schedules = record.record().map(|record| candidate.schedules(record, interrupt, now));
        let schedules = schedules.unwrap_or(Schedules::Unreadable);
        all.push(Seen { record, process, open_elsewhere: OpenElsewhere::No, schedules });
    }

    let files: Vec<TemporaryFiles<'_>> = all.iter().map(temporary_files).collect();
    let open = open_elsewhere(&tree, &files);
    for (seen, open) in all.iter_mut().zip(open) {
        seen.open_elsewhere = open;
    }
    Ok(all)
}

fn temporary_files(seen: &Seen) -> TemporaryFiles<'_> {
    let session = seen.record.record().and_then(|record| record.session.as_deref());
    let facts = seen.process.facts();
    TemporaryFiles {
        pid: facts.map_or(0, |facts| facts.pid),
        session: session.unwrap_or_default(),
        folders: facts.map(Facts::temporary_folders).unwrap_or_default(),
    }
}
