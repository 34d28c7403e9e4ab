//! The signs of use that were seen of one provider's sessions.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::io_error::is_gone;
use crate::model::{KeepReason, SessionIdx, Warning, WarningCode, describe};
use crate::os::folder::Folder;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// That process works on it; 0 if it is not known which process does.
    Work(u32),
    /// That process has it open, and is idle by its own record.
    Resident(u32),
}

#[derive(Debug, Default)]
pub(super) struct Seen {
    by: HashMap<SessionIdx, Sign>,
    /// If there are any, each session may be in use.
    pub(super) unread: Vec<Warning>,
    /// The sessions that a process has open by its own valid record: the record alone decides.
    pub(super) recorded: HashMap<u32, HashSet<SessionIdx>>,
}

impl Seen {
    pub(super) fn add(&mut self, session: SessionIdx, sign: Sign) {
        let known = self.by.entry(session).or_insert(sign);
        if matches!(known, Sign::Resident(_)) {
            *known = sign;
        }
    }

    /// Adds something unreadable that may show that a session is in use.
    pub(super) fn add_unread(&mut self, path: &Path, why: &str) {
        let message = format!("cannot tell which sessions are in use, so all are kept: {why}");
        self.unread.push(Warning::at(WarningCode::UseUnread, path, message));
    }

    /// Opens a folder of process records, locks or sessions, if there is one.
    pub(super) fn open(&mut self, path: &Path) -> Option<Folder> {
        match Folder::open(path) {
            Ok(folder) => Some(folder),
            // A link that leads nowhere may lead to a disk that is not mounted.
            Err(error) if is_gone(&error) && !path.is_symlink() => None,
            Err(error) => {
                self.add_unread(path, &describe(&error));
                None
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by.is_empty() && self.unread.is_empty()
    }

    pub(super) fn reason(&self, session: Option<SessionIdx>) -> Option<KeepReason> {
        match session.and_then(|session| self.by.get(&session)) {
            Some(Sign::Work(process)) => Some(KeepReason::InUse(*process)),
            _ if !self.unread.is_empty() => Some(KeepReason::InUseUnknown),
            Some(Sign::Resident(process)) => Some(KeepReason::Resident(*process)),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_outweighs_a_resident_process_e4() {
        let mut seen = Seen::default();
        seen.add(SessionIdx(0), Sign::Resident(1));
        assert_eq!(seen.by[&SessionIdx(0)], Sign::Resident(1));
        seen.add(SessionIdx(0), Sign::Work(2));
        seen.add(SessionIdx(0), Sign::Resident(3));
        seen.add(SessionIdx(0), Sign::Work(4));
        assert_eq!(seen.by[&SessionIdx(0)], Sign::Work(2));
    }
}
