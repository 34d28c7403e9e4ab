//! Putting mappings back into the map's file: at their old places, and only where the chat has no
//! mapping now.

use std::collections::HashSet;

use super::FileMap;
use super::change::{Changed, Edit, LastLook};
use crate::journal::{Layout, Removed};
use crate::model::session_map::Addition;
use crate::model::{ChatId, Failure, Form, SessionId, SessionMap, Warning};

/// What became of a mapping that was to be put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is in the map again.
    PutBack,
    /// It is in the map, and was before.
    Already,
    /// Its chat has another session now, which stays.
    Taken,
    /// The map has no place for its model: it is in legacy form, or holds something else there.
    NoPlace,
}

impl FileMap {
    /// Puts these back, and calls `about_to` right before the map changes, with a `true` for each
    /// that is to be put back. One fate for each, and what went wrong after the change.
    ///
    /// # Errors
    /// Where the map cannot be changed; it is then as it was.
    pub fn put_back(
        &self,
        entries: &[Removed<'_>],
        about_to: &mut dyn FnMut(&[Fate]) -> Result<(), Failure>,
    ) -> Result<(Vec<Fate>, Vec<Warning>), Failure> {
        let mut insert = Insert { entries, fates: Vec::new(), confirmed: Vec::new(), about_to };
        match self.change(&mut insert)? {
            Changed::Nothing | Changed::TooSlow => Ok((insert.fates, Vec::new())),
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

/// What would become of each of these in that map.
pub fn fates(map: &SessionMap, entries: &[Removed<'_>]) -> Vec<Fate> {
    let form = form(map, entries);
    let mapped: HashSet<_> = map.mappings().map(|mapping| (mapping.model, mapping.chat)).collect();
    let whole: HashSet<_> = map.mappings().collect();
    let odd: HashSet<&str> = map.other_models().collect();
    let fate = |entry: &Removed<'_>| {
        let (model, chat) = (&*entry.model, ChatId(&entry.chat));
        let session = Some(SessionId(&entry.session));
        if whole.contains(&crate::model::Mapping { model, chat, session }) {
            Fate::Already
        } else if mapped.contains(&(model, chat)) {
            Fate::Taken
        } else if odd.contains(model) || (form == Form::Legacy && model != Form::LEGACY_MODEL) {
            Fate::NoPlace
        } else {
            Fate::PutBack
        }
    };
    entries.iter().map(fate).collect()
}

/// The form to write: the map's own, but that an emptied legacy map comes back as what it was.
fn form(map: &SessionMap, entries: &[Removed<'_>]) -> Form {
    let was_legacy = entries.iter().all(|entry| entry.form == Layout::Legacy);
    if map.is_blank() && was_legacy { Form::Legacy } else { map.form() }
}

struct Insert<'a> {
    entries: &'a [Removed<'a>],
    fates: Vec<Fate>,
    /// The fates when the map was last about to be replaced.
    confirmed: Vec<Fate>,
    about_to: &'a mut dyn FnMut(&[Fate]) -> Result<(), Failure>,
}

impl Edit for Insert<'_> {
    fn edit(&mut self, map: &SessionMap) -> Option<Vec<u8>> {
        self.fates = fates(map, self.entries);
        let back = self.entries.iter().zip(&self.fates).filter(|(_, fate)| **fate == Fate::PutBack);
        let additions: Vec<Addition<'_>> = back
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
        (self.about_to)(&self.fates)?;
        self.confirmed.clone_from(&self.fates);
        Ok(())
    }

    fn recheck(&mut self, _: &SessionMap) -> Result<LastLook, Failure> {
        // What is restored needs no look at any session.
        Ok(LastLook::Replace(None))
    }
}
