//! Which mappings are held: what would go otherwise, and work in flight protects.

use std::collections::HashMap;

use crate::config::{self, Clean};
use crate::holds::{Found, Hold, Holds, Subject};
use crate::model::{Failure, HeldFor, Mapping, SessionMap, Timestamp, Warning, WarningCode};
use crate::process;

/// What is held of a map.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Why the mapping at that place stays.
    pub(super) by: HashMap<u32, HeldFor>,
    /// Whether there are holds that cannot be read: they may hold anything.
    pub(super) is_untold: bool,
    pub(super) warnings: Vec<Warning>,
}

/// The mappings at these places that are held, or may be for all that can be told. As root on another
/// user's map, that user's holds count too (X2).
pub(super) fn held(
    config: &Clean,
    owner: Option<u32>,
    map: &SessionMap,
    places: impl Iterator<Item = u32> + Clone,
    now: Timestamp,
) -> Held {
    let mut held = Held::default();
    if places.clone().next().is_none() {
        return held;
    }
    let theirs = owner.filter(|owner| process::user() == 0 && *owner != 0);
    let theirs = theirs.and_then(config::state_dir_of).map(|state| Holds::at(&state));
    // Without a state folder nothing was ever held.
    let ours = config.state_dir().ok().map(|state| Holds::at(&state));
    let mut all = Vec::new();
    for holds in ours.iter().chain(&theirs) {
        match holds.read(now) {
            Ok(found) => {
                held.is_untold |= !found.unread.is_empty();
                held.warnings.extend(unread(&found));
                all.push(found);
            }
            Err(Failure { message, .. }) => {
                held.is_untold = true;
                held.warnings.push(warning(holds.folder(), &message));
            }
        }
    }
    let index = Index::new(all.iter().flat_map(Found::all));
    if index.is_empty() {
        return held;
    }
    for place in places {
        if let Some(hold) = map.get(place).and_then(|mapping| index.find(mapping, now)) {
            let (reason, since) = (hold.reason.clone(), hold.since());
            held.by.insert(place, HeldFor { reason, since });
        }
    }
    held
}

/// Removes what this user's dead holds have left, whether or not anything would go.
pub(super) fn sweep(config: &Clean, now: Timestamp) {
    let holds = config.state_dir().ok().map(|state| Holds::at(&state));
    if let Some((holds, Ok(found))) = holds.map(|holds| (holds.clone(), holds.read(now))) {
        holds.sweep(&found, now);
    }
}

/// Holds by what they hold.
struct Index<'a> {
    /// By the session's id in small letters, since UUIDs may be written either way.
    sessions: HashMap<String, Vec<&'a Hold>>,
    chats: HashMap<&'a str, Vec<&'a Hold>>,
}

impl<'a> Index<'a> {
    fn new(all: impl Iterator<Item = &'a Hold>) -> Self {
        let mut index = Self { sessions: HashMap::new(), chats: HashMap::new() };
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

    /// The oldest hold on that mapping that is alive.
    fn find(&self, mapping: Mapping<'_>, now: Timestamp) -> Option<&'a Hold> {
        let by_session =
            mapping.session.and_then(|id| self.sessions.get(&id.0.to_ascii_lowercase()));
        let by_chat = self.chats.get(mapping.chat.0);
        let on_it = by_session.into_iter().chain(by_chat).flatten();
        on_it.copied().filter(|hold| hold.is_alive(now)).min_by_key(|hold| hold.since())
    }
}

fn unread(found: &Found) -> impl Iterator<Item = Warning> {
    found.unread.iter().map(|(path, why)| warning(path, &format!("cannot read the holds: {why}")))
}

fn warning(path: &std::path::Path, why: &str) -> Warning {
    let message = format!("cannot see which sessions are held, so all idle ones are kept: {why}");
    Warning::at(WarningCode::UseUnread, path, message)
}
