//! Which mappings are held: what would go otherwise, and work in flight protects.

use std::collections::HashMap;

use crate::config::{self, Clean};
use crate::domain::{Failure, HeldFor, Mapping, SessionMap, Timestamp, Warning, WarningCode};
use crate::holds::{Found, Hold, Holds, Subject};
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
    let mut live = Vec::new();
    for holds in ours.iter().chain(&theirs) {
        match holds.read(now) {
            Ok(found) => {
                held.is_untold |= !found.unread.is_empty();
                held.warnings.extend(unread(&found));
                live.extend(found.live);
            }
            Err(Failure { message, .. }) => {
                held.is_untold = true;
                held.warnings.push(warning(holds.folder(), &message));
            }
        }
    }
    if live.is_empty() {
        return held;
    }
    live.sort_by_key(Hold::since);
    let index = Index::new(&live);
    for place in places {
        if let Some(hold) = map.get(place).and_then(|mapping| index.find(mapping)) {
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

/// Holds by what they hold; of several the first, which is the oldest.
struct Index<'a> {
    /// By the session's id in small letters, since UUIDs may be written either way.
    sessions: HashMap<String, &'a Hold>,
    chats: HashMap<&'a str, &'a Hold>,
}

impl<'a> Index<'a> {
    fn new(live: &'a [Hold]) -> Self {
        let (mut sessions, mut chats) = (HashMap::new(), HashMap::new());
        for hold in live {
            match &hold.subject {
                Subject::Session(id) => {
                    sessions.entry(id.to_ascii_lowercase()).or_insert(hold);
                }
                Subject::Chat(id) => {
                    chats.entry(id.as_str()).or_insert(hold);
                }
            }
        }
        Self { sessions, chats }
    }

    fn find(&self, mapping: Mapping<'_>) -> Option<&'a Hold> {
        let by_session =
            mapping.session.and_then(|id| self.sessions.get(&id.0.to_ascii_lowercase()));
        let by_chat = self.chats.get(mapping.chat.0);
        by_session.into_iter().chain(by_chat).min_by_key(|hold| hold.since()).copied()
    }
}

fn unread(found: &Found) -> impl Iterator<Item = Warning> {
    found
        .unread
        .iter()
        .map(|(path, why)| warning(path, &format!("cannot read what is held: {why}")))
}

fn warning(path: &std::path::Path, why: &str) -> Warning {
    let message = format!("cannot tell which sessions are held, so all idle ones are kept: {why}");
    Warning::at(WarningCode::UseUnread, path, message)
}
