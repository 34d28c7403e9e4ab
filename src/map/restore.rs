//! Restores mappings in the map's file: at their old positions, and only if the chat has no mapping
//! now.

use std::collections::HashSet;

use super::change::{Changed, Edit, LastLook};
use super::file::FileMap;
use crate::journal::{Layout, RemovalRecord};
use crate::model::session_map::Addition;
use crate::model::{ChatId, Failure, Form, Mapping, SessionId, SessionMap, Warning};

/// The outcome of an undo for one mapping, or in a dry run the expected one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreOutcome {
    Restored,
    /// It was in the map already.
    AlreadyMapped,
    /// Its chat has another session now, which is kept.
    NewerMapping,
    /// The map has no place for its model: it is in legacy form, or has something else there.
    NoPlace,
}

impl FileMap {
    /// Restores these mappings, and calls `record` with their outcomes right before the map changes.
    /// Returns an outcome for each, and the problems after the change.
    pub fn restore(
        &self,
        entries: &[RemovalRecord<'_>],
        record: &mut dyn FnMut(&[RestoreOutcome]) -> Result<(), Failure>,
    ) -> Result<(Vec<RestoreOutcome>, Vec<Warning>), Failure> {
        let mut insert = Insert { entries, outcomes: Vec::new(), confirmed: Vec::new(), record };
        match self.change(&mut insert)? {
            Changed::Nothing | Changed::TooSlow => Ok((insert.outcomes, Vec::new())),
            Changed::Replaced(warnings) => Ok((insert.confirmed, warnings)),
            Changed::Gone => Err(no_map()),
        }
    }
}

/// Returns why nothing can be restored if there is no map.
pub fn no_map() -> Failure {
    Failure::new("there is no session map to restore mappings into")
        .hint("start the bridge once, so that it writes one, and stop it again")
}

/// Returns the outcome for each of these mappings if it were restored in that map.
pub fn outcomes(map: &SessionMap, entries: &[RemovalRecord<'_>]) -> Vec<RestoreOutcome> {
    let form = form(map, entries);
    let mappings: HashSet<Mapping<'_>> = map.mappings().collect();
    let chats: HashSet<_> = map.mappings().map(|mapping| (mapping.model, mapping.chat)).collect();
    let odd_models: HashSet<&str> = map.other_models().collect();

    let outcomes = entries.iter().map(|entry| {
        let (model, chat) = (&*entry.model, ChatId(&entry.chat));
        let session = Some(SessionId(&entry.session));
        let is_of_another_form = form == Form::Legacy && model != Form::LEGACY_MODEL;
        if mappings.contains(&Mapping { model, chat, session }) {
            RestoreOutcome::AlreadyMapped
        } else if chats.contains(&(model, chat)) {
            RestoreOutcome::NewerMapping
        } else if odd_models.contains(model) || is_of_another_form {
            RestoreOutcome::NoPlace
        } else {
            RestoreOutcome::Restored
        }
    });
    outcomes.collect()
}

/// Returns the form to write: the map's own, except that an emptied legacy map is written as one again.
fn form(map: &SessionMap, entries: &[RemovalRecord<'_>]) -> Form {
    let was_legacy = entries.iter().all(|entry| entry.form == Layout::Legacy);
    if map.is_blank() && was_legacy { Form::Legacy } else { map.form() }
}

struct Insert<'a> {
    entries: &'a [RemovalRecord<'a>],
    outcomes: Vec<RestoreOutcome>,
    /// The outcomes when the map was last about to be replaced.
    confirmed: Vec<RestoreOutcome>,
    record: &'a mut dyn FnMut(&[RestoreOutcome]) -> Result<(), Failure>,
}

impl Edit for Insert<'_> {
    fn edit(&mut self, map: &SessionMap) -> Option<Vec<u8>> {
        self.outcomes = outcomes(map, self.entries);
        let restored = self.entries.iter().zip(&self.outcomes);

        let additions: Vec<Addition<'_>> = restored
            .filter(|(_, outcome)| **outcome == RestoreOutcome::Restored)
            .map(|(entry, _)| Addition {
                model: &entry.model,
                chat: ChatId(&entry.chat),
                session: SessionId(&entry.session),
                after: entry.before.as_deref().map(ChatId),
            })
            .collect();
        (!additions.is_empty()).then(|| map.with(form(map, self.entries), &additions))
    }

    fn record(&mut self, _: &SessionMap) -> Result<(), Failure> {
        (self.record)(&self.outcomes)?;
        self.confirmed.clone_from(&self.outcomes);
        Ok(())
    }

    fn recheck(&mut self) -> Result<LastLook, Failure> {
        // No session decides whether a mapping is restored.
        Ok(LastLook::Replace(None))
    }
}
