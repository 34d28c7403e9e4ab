//! The sessions that a provider is asked about, found by the ids that a name carries.
//!
//! Ids are cut out of a name and looked up in a table: a name is never searched for one id after
//! the other, since a map may hold thousands of ids and a home hundreds of thousands of names.

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use std::hash::BuildHasher;

use crate::model::ids::uuid;
use crate::model::{SessionId, SessionIdx, Timestamp};

const UUID: usize = 36;

/// An id shorter than this is carried only by a whole component of a path.
const LONG: usize = 16;

/// The session ids that a provider is asked about, each once. UUIDs are compared ignoring case.
#[derive(Debug)]
pub struct SessionIndex<'a> {
    ids: Vec<SessionId<'a>>,
    /// The sessions whose id is a UUID, found by its number.
    uuids: HashTable<SessionIdx>,
    hasher: DefaultHashBuilder,
    /// The other ids in lower case, each with the sessions that have it.
    words: HashMap<Box<[u8]>, Vec<SessionIdx>>,
    /// The distinct lengths of those ids that are at least [`LONG`].
    long_words: Vec<usize>,
    cutoff: Timestamp,
}

impl<'a> SessionIndex<'a> {
    /// An empty index. A session used at `cutoff` or later is active.
    pub fn new(cutoff: Timestamp) -> Self {
        Self {
            ids: Vec::new(),
            uuids: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            words: HashMap::new(),
            long_words: Vec::new(),
            cutoff,
        }
    }

    /// Gives back the room that was kept for more ids.
    pub fn shrink(&mut self) {
        self.ids.shrink_to_fit();
    }

    /// Adds an id and returns its position, which is the same for the same id.
    pub fn add(&mut self, id: SessionId<'a>) -> SessionIdx {
        // A map has fewer than 2^32 mappings: each takes more than one byte of less than 4 GiB.
        let next = SessionIdx(u32::try_from(self.ids.len()).unwrap_or(u32::MAX));

        if let Some(number) = uuid(id.0.as_bytes()) {
            let Self { ids, uuids, hasher, .. } = self;
            let number_of = |session: &SessionIdx| uuid(ids[session.get()].0.as_bytes());
            let entry = uuids.entry(
                hasher.hash_one(number),
                |known| number_of(known) == Some(number),
                |known| hasher.hash_one(number_of(known).unwrap_or_default()),
            );
            match entry {
                Entry::Occupied(known) => return *known.get(),
                Entry::Vacant(new) => new.insert(next),
            };
        } else {
            let known = self.words.get(&*id.0.to_ascii_lowercase().into_bytes());
            let mut known = known.into_iter().flatten();
            if let Some(known) = known.find(|session| self.ids[session.get()] == id) {
                return *known;
            }
            self.add_word(id.0.as_bytes(), next);

            // Gemini CLI writes `_` for the dots of an id in the names of files and folders.
            if id.0.contains('.') {
                self.add_word(id.0.replace('.', "_").as_bytes(), next);
            }
        }

        self.ids.push(id);
        next
    }

    fn add_word(&mut self, word: &[u8], session: SessionIdx) {
        self.words.entry(word.to_ascii_lowercase().into()).or_default().push(session);
        if word.len() >= LONG && !self.long_words.contains(&word.len()) {
            self.long_words.push(word.len());
        }
    }

    /// Returns the session with exactly that id.
    pub fn get(&self, id: &[u8]) -> Option<SessionIdx> {
        if let Some(number) = uuid(id) {
            return self.get_uuid(number);
        }
        let known = self.words.get(&*id.to_ascii_lowercase())?;
        known.iter().copied().find(|session| self.ids[session.get()].0.as_bytes() == id)
    }

    pub(super) fn get_uuid(&self, number: u128) -> Option<SessionIdx> {
        let found = self.uuids.find(self.hasher.hash_one(number), |session| {
            uuid(self.ids[session.get()].0.as_bytes()) == Some(number)
        });
        found.copied()
    }

    /// Adds to `carried` each session whose id `component`, a part of a path, carries: it contains
    /// the id, ignoring case, with no ASCII letter or digit immediately before or after it. An id
    /// of fewer than 16 characters is carried by a whole component only, with or without its
    /// extension.
    pub fn carried_by(&self, component: &[u8], carried: &mut Vec<SessionIdx>) {
        if !self.uuids.is_empty() {
            add_new(carried, uuids_in(component).filter_map(|number| self.get_uuid(number)));
        }

        if self.words.is_empty() {
            return;
        }

        let component = component.to_ascii_lowercase();
        let stem = component.iter().rposition(|byte| *byte == b'.').unwrap_or(component.len());
        for whole in [&component[..], &component[..stem]] {
            add_new(carried, self.words.get(whole).into_iter().flatten().copied());
        }

        for length in &self.long_words {
            for (start, word) in component.windows(*length).enumerate() {
                if is_bounded(&component, start, start + length) {
                    add_new(carried, self.words.get(word).into_iter().flatten().copied());
                }
            }
        }
    }

    /// Adds to `named` each session that `argument`, a word on a command line, names: a part
    /// between slashes carries its id, or the id is a whole word in it.
    pub fn named_by(&self, argument: &[u8], named: &mut Vec<SessionIdx>) {
        for component in argument.split(|byte| *byte == b'/') {
            self.carried_by(component, named);
        }

        if self.words.is_empty() {
            return;
        }

        let plain = argument.split(|byte| !is_word(*byte));
        let dotted = argument.split(|byte| !is_word(*byte) && *byte != b'.');
        add_new(named, plain.chain(dotted).filter_map(|word| self.get(word)));
    }

    /// Returns the time from which on a use makes a session active.
    pub fn cutoff(&self) -> Timestamp {
        self.cutoff
    }

    /// Every id, in the order of positions.
    pub fn ids(&self) -> &[SessionId<'a>] {
        &self.ids
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Returns true if an id is not a UUID.
    pub fn has_words(&self) -> bool {
        !self.words.is_empty()
    }
}

/// Adds those of `sessions` that are not in `to` yet.
fn add_new(to: &mut Vec<SessionIdx>, sessions: impl Iterator<Item = SessionIdx>) {
    for session in sessions {
        if !to.contains(&session) {
            to.push(session);
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-".contains(&byte)
}

/// The numbers of the UUIDs that `name` holds between characters that are not letters or digits.
pub(super) fn uuids_in(name: &[u8]) -> impl Iterator<Item = u128> {
    let starts = 0..(name.len() + 1).saturating_sub(UUID);
    starts.filter_map(|start| {
        let text = name.get(start..start + UUID)?;
        // Most names are looked at in vain, so their dashes come first.
        let is_shaped = text[8] == b'-' && text[13] == b'-' && text[18] == b'-';
        if !is_shaped || !is_bounded(name, start, start + UUID) {
            return None;
        }
        uuid(text)
    })
}

/// Returns true if `name` holds a UUID: the id of any session, mapped or not.
pub(super) fn names_any_id(name: &[u8]) -> bool {
    uuids_in(name).next().is_some()
}

/// Returns true if there is no ASCII letter or digit right before `start` and right after `end`.
fn is_bounded(name: &[u8], start: usize, end: usize) -> bool {
    let before = start.checked_sub(1).and_then(|before| name.get(before));
    let after = name.get(end);
    !before.is_some_and(u8::is_ascii_alphanumeric) && !after.is_some_and(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0192f3a4-5b6c-7d8e-9f00-112233445566";
    const B: &str = "bbbbbbbb-0a1b-4c2d-8e3f-000000000002";

    fn index<'a>(ids: &[&'a str]) -> SessionIndex<'a> {
        let mut index = SessionIndex::new(Timestamp::MAX);
        for id in ids {
            index.add(SessionId(id));
        }
        index
    }

    #[track_caller]
    fn check(index: &SessionIndex<'_>, name: &str, expected: &[u32]) {
        let mut carried = Vec::new();
        index.carried_by(name.as_bytes(), &mut carried);
        carried.sort_unstable();
        assert_eq!(carried, expected.iter().copied().map(SessionIdx).collect::<Vec<_>>(), "{name}");
    }

    #[test]
    fn a_name_carries_a_uuid_between_characters_that_are_in_no_id_e1() {
        let index = index(&[A, B]);
        for name in [
            A.to_owned(),
            A.to_uppercase(),
            format!("{A}.jsonl"),
            format!("rollout-2026-01-05T10-00-00-{A}.jsonl.zst"),
            format!("{A}_part"),
            format!(".{A}.db-wal"),
            format!("x-{A}-y"),
        ] {
            check(&index, &name, &[0]);
        }
        check(&index, &format!("rollout-{A}_{B}.jsonl"), &[0, 1]);
        check(&index, &format!("{B}{A}"), &[]);
        for name in [format!("x{A}"), format!("{A}0"), A[1..].to_owned(), A.replace('-', "")] {
            check(&index, &name, &[]);
        }
    }

    #[test]
    fn a_short_id_is_carried_by_a_whole_component_only_e1() {
        let index = index(&["foo_bar", "v1.2", "my-long-session-name", "Foo_Bar"]);
        check(&index, "foo_bar", &[0, 3]);
        check(&index, "FOO_BAR.jsonl", &[0, 3]);
        check(&index, "session-foo_bar.jsonl", &[]);
        check(&index, "foo_bar.jsonl.bak", &[]);
        check(&index, "v1.2", &[1]);
        check(&index, "v1_2", &[1]);
        check(&index, "v1.2.json", &[1]);
        check(&index, "x-My-Long-Session-Name.jsonl", &[2]);
        check(&index, "xmy-long-session-name.jsonl", &[]);
    }

    #[test]
    fn an_id_is_known_once_and_found_exactly() {
        let upper = A.to_uppercase();
        let mut index = index(&[A, "foo", "Foo"]);
        assert_eq!(index.add(SessionId(&upper)), SessionIdx(0));
        assert_eq!(index.add(SessionId("Foo")), SessionIdx(2));
        assert_eq!(index.ids().len(), 3);
        assert_eq!(index.get(b"foo"), Some(SessionIdx(1)));
        assert_eq!(index.get(A.to_uppercase().as_bytes()), Some(SessionIdx(0)));
        assert_eq!(index.get(b"FOO"), None);
    }

    #[test]
    fn an_argument_names_a_session_by_a_part_of_a_path_or_a_whole_word_e4() {
        let index = index(&[A, "foo"]);
        let named = |argument: &str| {
            let mut named = Vec::new();
            index.named_by(argument.as_bytes(), &mut named);
            named.into_iter().map(|session| session.0).collect::<Vec<_>>()
        };
        assert_eq!(named(&format!("--resume={A}")), [0]);
        assert_eq!(named(&format!("/p/{A}.jsonl")), [0]);
        assert_eq!(named("--session=foo"), [1]);
        assert_eq!(named("foo.json"), [1]);
        assert_eq!(named("food"), [0_u32; 0]);
        assert_eq!(named(&format!("x{A}")), [0_u32; 0]);
    }

    #[test]
    fn only_a_name_with_a_uuid_names_a_session() {
        assert!(names_any_id(B.as_bytes()));
        assert!(names_any_id(format!("sub-{B}.d").as_bytes()));
        for name in ["memory", "2026", "-home-u-site", &"a".repeat(64)] {
            assert!(!names_any_id(name.as_bytes()), "{name}");
        }
    }
}
