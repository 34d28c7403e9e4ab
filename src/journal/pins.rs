//! What an undo has restored recently, and a clean therefore keeps: otherwise the next timer would
//! undo the undo.

use std::collections::HashSet;
use std::path::Path;

use super::{Journal, JournalPath};
use crate::model::{Failure, KeepReason, Plan, SessionMap, Timestamp, Verdict};

/// Mappings that are kept because they were restored: model, chat and session.
#[derive(Debug, Default)]
pub struct Pins(HashSet<(String, String, String)>);

impl Pins {
    /// Adds what was restored into the map at `map` by that journal, at the `cutoff` of its model
    /// or later.
    ///
    /// # Errors
    /// If it cannot be read: then it is not known what must be kept.
    pub fn read(
        &mut self,
        journal: &Journal,
        map: Option<&Path>,
        cutoff: impl Fn(&str) -> Timestamp,
    ) -> Result<(), Failure> {
        for put_back in journal.undone()? {
            let its_map = put_back.map.as_ref().map(JournalPath::as_path);
            let is_here = its_map.is_none() || map.is_none() || its_map == map;
            if is_here && !put_back.void && put_back.time() >= Some(cutoff(&put_back.model)) {
                self.0.insert((put_back.model, put_back.chat, put_back.session));
            }
        }
        Ok(())
    }

    /// Keeps what would be removed and is pinned.
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
