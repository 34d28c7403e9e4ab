//! Collects the evidence of use of a search, with one rule for every error: only a file that is absent from
//! a folder that was read completely counts as gone (D1).

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::io_error::is_gone;
use super::memory::Memory;
use super::records::{self, Newest, Records};
use super::session_index::SessionIndex;
use crate::model::{
    Activity, Reading, SessionFile, SessionIdx, Timestamp, Warning, WarningCode, describe,
};
use crate::os::folder::{Folder, Kind, Status};
use crate::os::interrupt::Interrupt;
use crate::os::progress::Phase;

/// How many entries of folders are read for one provider. A larger tree is not read completely (D5).
const MOST_ENTRIES: u64 = 20_000_000;

/// The number of entries after which the progress moves on and a signal is checked.
const BATCH: u64 = 64;

#[derive(Debug)]
pub struct EvidenceCollector {
    /// One for each session of the index, in its order.
    pub activities: Vec<Activity>,
    pub reading: Reading,
    pub warnings: Vec<Warning>,
    entries_left: u64,
    /// The listings of an earlier search, or of this one for a later search.
    pub(super) memory: Option<Memory>,
    records: Option<Records>,
    /// The files with a warning about their records.
    read: HashSet<PathBuf>,
    /// True in folders whose errors matter to other sessions only.
    ignores_errors: bool,
    cutoff: Timestamp,
    interrupt: Interrupt,
}

/// The part of a session that a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The session's own file, as its CLI names it today.
    Own,
    /// A file with records, such as a subagent's.
    Transcript,
    /// A file or folder that is known to be written without a record.
    Plain,
    /// A name that no version seen so far writes.
    Unknown,
}

enum Clocked {
    Used(Timestamp),
    /// Its records were read, and none counts.
    NoRecord,
}

impl EvidenceCollector {
    /// Starts without evidence, in roots that are read completely until an error is added. Records count if
    /// it is known how to read them.
    pub(super) fn new(
        index: &SessionIndex<'_>,
        records: Option<Records>,
        memory: Option<Memory>,
    ) -> Self {
        Self { memory, records, ..Self::empty(index.ids().len(), index.cutoff()) }
    }

    fn empty(sessions: usize, cutoff: Timestamp) -> Self {
        Self {
            activities: vec![Activity::default(); sessions],
            reading: Reading::Whole,
            warnings: Vec::new(),
            entries_left: MOST_ENTRIES,
            memory: None,
            records: None,
            read: HashSet::new(),
            ignores_errors: false,
            cutoff,
            interrupt: Interrupt::default(),
        }
    }

    pub(super) fn heeding(self, interrupt: Interrupt) -> Self {
        Self { interrupt, ..self }
    }

    pub(super) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// A collector for a part of the same search, for another thread.
    pub(super) fn sibling(&self) -> Self {
        Self {
            entries_left: self.entries_left,
            records: self.records,
            ignores_errors: self.ignores_errors,
            interrupt: self.interrupt.clone(),
            ..Self::empty(self.activities.len(), self.cutoff)
        }
    }

    pub(super) fn merge(&mut self, sibling: Self) {
        self.entries_left = self.entries_left.min(sibling.entries_left);
        if sibling.reading != Reading::Whole {
            self.reading = sibling.reading;
        }
        self.warnings.extend(sibling.warnings);
        for (activity, other) in self.activities.iter_mut().zip(sibling.activities) {
            activity.merge(other);
        }
    }

    /// Returns the status of `name`, whose path carries the ids of those sessions; nothing if it is gone or
    /// must not be read. A link, a FIFO and the like may hide those sessions.
    pub(super) fn status_of(
        &mut self,
        folder: &Folder,
        name: &OsStr,
        sessions: &[SessionIdx],
    ) -> Option<Status> {
        let why = match folder.status(name) {
            Ok(status) if matches!(status.kind, Kind::File | Kind::Folder) => return Some(status),
            Ok(_) => "not a regular file".to_owned(),
            Err(error) if is_gone(&error) => return None,
            Err(error) => describe(&error),
        };
        self.add_unread(sessions, &folder.path().join(name), Timestamp::MAX, true, &why);
        None
    }

    /// Adds a file that shows that the session exists, and when it was used.
    pub(super) fn add_file(
        &mut self,
        session: SessionIdx,
        folder: &Folder,
        name: &OsStr,
        written: Timestamp,
        part: Part,
    ) {
        let is_own = part == Part::Own;
        let clocked = self.clocked(folder, name, written, part);
        let Some(activity) = self.activities.get_mut(session.get()) else { return };
        match clocked {
            // A folder may hold thousands of files, and one path is shown.
            Clocked::Used(used) if activity.has_better(is_own, used) => {
                activity.add_write(written);
                activity.add_use(used);
            }
            Clocked::Used(used) => {
                let path = folder.path().join(name);
                activity.add_file(SessionFile { path, written, used, is_own });
            }
            Clocked::NoRecord => {
                let path = folder.path().join(name);
                let used = written;
                activity.add_recordless_file(SessionFile { path, written, used, is_own });
            }
        }
    }

    /// Adds a path that shows a use, but not that the session exists.
    pub(super) fn add_use(
        &mut self,
        session: SessionIdx,
        folder: &Folder,
        name: &OsStr,
        written: Timestamp,
        part: Part,
    ) {
        let clocked = self.clocked(folder, name, written, part);
        let Some(activity) = self.activities.get_mut(session.get()) else { return };
        match clocked {
            Clocked::Used(used) => activity.add_use(used),
            Clocked::NoRecord => activity.add_recordless_use(written),
        }
    }

    /// Adds a use if it is within the threshold: an older one beside the roots is no evidence.
    pub(super) fn add_recent_use(&mut self, session: SessionIdx, used: Timestamp) {
        if used >= self.cutoff
            && let Some(activity) = self.activities.get_mut(session.get())
        {
            activity.add_use(used);
        }
    }

    pub(super) fn add_archived(&mut self, session: SessionIdx, path: PathBuf, written: Timestamp) {
        if let Some(activity) = self.activities.get_mut(session.get()) {
            activity.add_archived(SessionFile::by_mtime(path, written));
        }
    }

    /// Returns true if every session was seen to be active, so that nothing found elsewhere can change
    /// its verdict.
    pub(super) fn all_active(&self) -> bool {
        self.activities.iter().all(|activity| activity.is_used_since(self.cutoff))
    }

    /// Returns true if nothing written at that time makes a session active.
    pub(super) fn is_old(&self, written: Timestamp) -> bool {
        written < self.cutoff
    }

    /// Returns when a file was last used, by the records if they count. A file written before the cutoff
    /// was used before it, and is not opened.
    fn clocked(
        &mut self,
        folder: &Folder,
        name: &OsStr,
        written: Timestamp,
        part: Part,
    ) -> Clocked {
        let Some(records) = self.records.filter(|_| written >= self.cutoff) else {
            return Clocked::Used(written);
        };

        match part {
            Part::Own | Part::Transcript => {}
            Part::Plain => return Clocked::NoRecord,
            // It is not known which program writes it. In doubt, it is a use.
            Part::Unknown => return Clocked::Used(written),
        }

        self.interrupt.progress().add_opened();
        let newest = match folder.open_file(name) {
            Ok(file) => records::newest(file, name, records, self.cutoff, &self.interrupt),
            Err(error) => Newest::Unread(describe(&error)),
        };

        match newest {
            Newest::At(newest) => Clocked::Used(newest.min(written)),
            Newest::NoRecord => Clocked::NoRecord,
            Newest::Unread(why) => {
                // A folder may be listed twice.
                let path = folder.path().join(name);
                if self.read.insert(path.clone()) {
                    self.no_record_time(&path, &why);
                }
                Clocked::Used(written)
            }
        }
    }

    fn no_record_time(&mut self, path: &Path, why: &str) {
        let message = format!("its records show no last use; its mtime is used: {why}");
        self.warnings.push(Warning::at(WarningCode::NoRecordTime, path, message));
    }

    /// Ends the search: a session without any record is judged by its mtime, and old files beside a session
    /// that does not exist are forgotten.
    pub(super) fn finish(&mut self) {
        let mut unclear = Vec::new();
        for activity in &mut self.activities {
            unclear.extend(activity.settle_recordless().map(|file| file.path.clone()));
            activity.forget_old_uses(self.cutoff);
        }
        for path in unclear {
            self.no_record_time(&path, "there is none");
        }
    }

    /// Adds a path that could not be read, may belong to any of those sessions, and was written at `newest`
    /// at the latest.
    pub(super) fn add_unread(
        &mut self,
        sessions: &[SessionIdx],
        path: &Path,
        newest: Timestamp,
        may_be_own: bool,
        why: &str,
    ) {
        for session in sessions {
            if let Some(activity) = self.activities.get_mut(session.get()) {
                activity.add_unread(newest, may_be_own);
            }
        }
        let message = format!("cannot read a file of a mapped session: {why}");
        self.warnings.push(Warning::at(WarningCode::FileUnread, path, message));
    }

    /// Adds a file that could not be read, may name any session, and was written at `newest`.
    pub(super) fn add_unread_header(&mut self, path: &Path, newest: Timestamp, why: &str) {
        for activity in &mut self.activities {
            activity.add_unread(newest, false);
        }
        self.add_unread(&[], path, newest, false, why);
    }

    /// Counts an entry that is not listed by [`Self::list`]. Returns false if there were too many.
    pub(super) fn spend(&mut self, folder: &Folder) -> bool {
        let enough = self.spend_one();
        if !enough {
            self.not_whole(folder.path(), "too many files");
        }
        enough
    }

    pub(super) fn spend_one(&mut self) -> bool {
        let enough = self.entries_left > 0;
        self.entries_left = self.entries_left.saturating_sub(1);
        if self.entries_left.is_multiple_of(BATCH) {
            self.interrupt.progress().add(Phase::Listing, BATCH);
            return enough && !self.is_stopped();
        }
        enough
    }

    /// Counts a file to be opened. Returns false if a signal has asked for the end.
    pub(super) fn may_open(&mut self) -> bool {
        self.interrupt.progress().add_opened();
        !self.is_stopped()
    }

    /// Returns true if a signal has asked for the end of the run, which then uses nothing that was found.
    pub(super) fn is_stopped(&mut self) -> bool {
        let is_stopped = self.interrupt.asked();
        if is_stopped {
            self.reading = Reading::Partly;
        }
        is_stopped
    }

    pub(super) fn set_ignores_errors(&mut self, ignores_errors: bool) {
        self.ignores_errors = ignores_errors;
    }

    /// Adds a folder or file that could not be read, so that not all sessions were seen.
    pub fn not_whole(&mut self, path: &Path, why: &str) {
        if self.ignores_errors {
            return;
        }
        self.reading = Reading::Partly;
        let message = format!("cannot list all sessions, so the idle ones are kept: {why}");
        self.warnings.push(Warning::at(WarningCode::NotReadWhole, path, message));
    }
}

#[cfg(test)]
mod tests;
