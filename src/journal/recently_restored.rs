//! Mappings that an undo has restored recently, and a clean therefore keeps: otherwise the next timer
//! would undo the undo.

use std::collections::HashSet;
use std::path::Path;

use super::files::Journal;
use super::path::JournalPath;
use crate::model::{Failure, KeepReason, Plan, SessionMap, Timestamp, Verdict};

/// Mappings that are kept because they were restored: model, chat and session.
#[derive(Debug, Default)]
pub struct RecentlyRestored(HashSet<(String, String, String)>);

impl RecentlyRestored {
    /// Adds the mappings that were restored into the map at `map` by that journal, at the `cutoff` of
    /// their model or later. After an error, any mapping may have been.
    pub fn read(
        &mut self,
        journal: &Journal,
        map: Option<&Path>,
        cutoff: impl Fn(&str) -> Timestamp,
    ) -> Result<(), Failure> {
        for record in journal.restored()? {
            let its_map = record.map.as_ref().map(JournalPath::as_path);
            let is_here = its_map.is_none() || map.is_none() || its_map == map;
            if is_here && !record.void && record.time() >= Some(cutoff(&record.model)) {
                self.0.insert((record.model, record.chat, record.session));
            }
        }
        Ok(())
    }

    /// Keeps mappings that would be removed and were restored recently.
    pub fn apply(&self, map: &SessionMap, plan: &mut Plan) {
        if self.0.is_empty() {
            return;
        }
        for decision in plan.decisions.iter_mut().filter(|decision| decision.verdict.removes()) {
            let Some(mapping) = map.get(decision.mapping) else { continue };
            let session = mapping.session.map_or("", |id| id.0);
            let key = (mapping.model.to_owned(), mapping.chat.0.to_owned(), session.to_owned());
            if self.0.contains(&key) {
                decision.verdict = Verdict::Keep(KeepReason::PutBack);
            }
        }
    }
}
