//! One look at all candidates: their records, their processes, their temporary files, and their schedules.
//!
//! The same look plans a release and precedes the signal. Evidence of use, holds and pins are looked up
//! elsewhere, as for a removal.

use std::io;
use std::path::{Path, PathBuf};

use super::kept::KeptReason;
use super::record::{Record, RecordReading};
use super::schedules::{Schedules, TranscriptScan, Transcripts, transcripts};
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
    fn scan(&mut self, paths: &[PathBuf], interrupt: &Interrupt) -> io::Result<()> {
        for path in paths {
            if !self.scans.iter().any(|scan| scan.path() == path) {
                self.scans.push(TranscriptScan::new(path.clone()));
            }
        }
        self.scans.iter_mut().try_for_each(|scan| scan.scan(interrupt))
    }

    /// Everything but the files that other processes have open.
    fn see(
        &mut self,
        record: RecordReading,
        tree: &Tree,
        transcripts: Option<&Transcripts>,
        interrupt: &Interrupt,
        now: Timestamp,
    ) -> Seen {
        let socket: Option<&Path> = record.record().and_then(|record| record.socket.as_deref());
        let process = ProcessReading::read(self.pid, socket, tree);

        let schedules =
            record.record().map(|record| self.schedules(record, transcripts, interrupt, now));
        let schedules = schedules.unwrap_or(Schedules::Unreadable);
        Seen { record, process, open_elsewhere: OpenElsewhere::No, schedules }
    }

    fn schedules(
        &mut self,
        record: &Record,
        transcripts: Option<&Transcripts>,
        interrupt: &Interrupt,
        now: Timestamp,
    ) -> Schedules {
        let session = record.session.as_deref().map(str::to_ascii_lowercase);
        let paths = transcripts.and_then(|all| all.get(&session?));
        match paths.map(|paths| self.scan(paths, interrupt)) {
            Some(Ok(())) => Schedules::of(self.pid, record.folder.as_deref(), &self.scans, now),
            Some(Err(_)) | None => Schedules::Unreadable,
        }
    }
}

/// Looks at one candidate, but for files that other processes have open.
///
/// # Errors
/// If `/proc` cannot be listed.
pub fn look_closely(
    candidate: &mut Candidate,
    interrupt: &Interrupt,
    now: Timestamp,
) -> io::Result<Seen> {
    let record = RecordReading::read(&candidate.records(), candidate.pid);
    let transcripts = list(&candidate.home, [&record]);
    Ok(candidate.see(record, &Tree::read()?, transcripts.as_ref(), interrupt, now))
}

/// Lists the transcripts of the sessions in these records, all of one home. Returns nothing if they cannot be listed.
fn list<'r>(
    home: &Path,
    records: impl IntoIterator<Item = &'r RecordReading>,
) -> Option<Transcripts> {
    let sessions = records.into_iter().filter_map(|record| record.record()?.session.as_deref());
    transcripts(&home.join("projects"), sessions).ok()
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
    let records: Vec<RecordReading> = candidates
        .iter()
        .map(|candidate| RecordReading::read(&candidate.records(), candidate.pid))
        .collect();
    // All candidates of a run are of one home.
    let listed = candidates.first().and_then(|first| list(&first.home, &records));
    let mut all: Vec<Seen> = candidates
        .iter_mut()
        .zip(records)
        .map(|(candidate, record)| candidate.see(record, &tree, listed.as_ref(), interrupt, now))
        .collect();

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
