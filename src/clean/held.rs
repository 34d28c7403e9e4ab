//! Finds the mappings whose session or chat a hold protects.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::config::{Clean, handed};
use crate::holds::{Found, Hold, Holds, Subject};
use crate::model::{HeldFor, Mapping, MappingIdx, SessionMap, Timestamp, Warning, WarningCode};

#[derive(Debug, Default)]
pub(super) struct Held {
    /// The oldest hold on each mapping that has one.
    pub(super) by: HashMap<MappingIdx, HeldFor>,
    /// True if a hold cannot be read: it may protect any mapping.
    pub(super) is_unknown: bool,
    pub(super) warnings: Vec<Warning>,
}

impl Held {
    fn add_unread(&mut self, path: &Path, why: &str) {
        self.is_unknown = true;
        let message =
            format!("cannot see which sessions are held, so all idle ones are kept: {why}");
        self.warnings.push(Warning::at(WarningCode::UseUnread, path, message));
    }
}

/// Returns which of these mappings are held by the holds in those state folders.
pub(super) fn held(
    state_dirs: impl Iterator<Item = PathBuf>,
    map: &SessionMap,
    mut mappings: impl Iterator<Item = MappingIdx> + Clone,
    now: Timestamp,
) -> Held {
    let mut held = Held::default();
    if mappings.clone().next().is_none() {
        return held;
    }

    let mut all = Vec::new();
    for holds in state_dirs.map(|state| Holds::at(&state)) {
        match holds.read(now) {
            Ok(found) => {
                for (path, why) in &found.unread {
                    held.add_unread(path, &format!("cannot read the holds: {why}"));
                }
                all.push(found);
            }
            Err(failure) => held.add_unread(holds.folder(), &failure.message),
        }
    }

    let of_root = handed().into_iter().flat_map(|handed| &handed.holds);
    let index = Index::new(all.iter().flat_map(Found::all).chain(of_root));
    if !index.is_empty() {
        for mapping in mappings.by_ref() {
            if let Some(hold) = map.get(mapping).and_then(|mapping| index.find(mapping, now)) {
                let (reason, since) = (hold.reason.clone(), hold.since());
                held.by.insert(mapping, HeldFor { reason, since });
            }
        }
    }

    held
}

/// Deletes the files of this user's holds that are no longer alive.
pub(super) fn sweep(config: &Clean, now: Timestamp) {
    let Ok(state) = config.state_dir() else { return };
    let holds = Holds::at(&state);
    if let Ok(found) = holds.read(now) {
        holds.sweep(&found, now);
    }
}

#[derive(Default)]
struct Index<'a> {
    /// By the session's id in lower case, since UUIDs may be written either way.
    sessions: HashMap<String, Vec<&'a Hold>>,
    chats: HashMap<&'a str, Vec<&'a Hold>>,
}

impl<'a> Index<'a> {
    fn new(all: impl Iterator<Item = &'a Hold>) -> Self {
        let mut index = Self::default();
        for hold in all {
            match &hold.subject {
                Subject::Session(id) => {
                    index.sessions.entry(id.to_ascii_lowercase()).or_default().push(hold);
                }
                Subject::Chat(id) => index.chats.entry(id.as_str()).or_default().push(hold),
            }
        }
        index
    }

    fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.chats.is_empty()
    }

    /// Returns the oldest hold on that mapping that is alive.
    fn find(&self, mapping: Mapping<'_>, now: Timestamp) -> Option<&'a Hold> {
        let by_session =
            mapping.session.and_then(|id| self.sessions.get(&id.0.to_ascii_lowercase()));
        let by_chat = self.chats.get(mapping.chat.0);
        let holds = by_session.into_iter().chain(by_chat).flatten();
        holds.copied().filter(|hold| hold.is_alive(now)).min_by_key(|hold| hold.since())
    }
}
