//! What a provider looks for: session ids, each once, found by their bytes.

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

use super::Findings;
use crate::domain::ids::uuid;
use crate::domain::{Activity, IdKind, SessionId, Timestamp};

/// The session ids that a provider is asked for, each once. UUIDs are compared without regard to
/// case.
#[derive(Debug)]
pub struct Wanted<'a> {
    kind: IdKind,
    ids: Vec<SessionId<'a>>,
    /// The places of the ids, found by their hash: there may be as many as mappings.
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
    cutoff: Timestamp,
}

impl<'a> Wanted<'a> {
    /// Nothing yet, of that kind. A session used at `cutoff` or later needs no further search.
    pub fn new(kind: IdKind, cutoff: Timestamp) -> Self {
        let hasher = DefaultHashBuilder::default();
        Self { kind, ids: Vec::new(), places: HashTable::new(), hasher, cutoff }
    }

    /// Asks for one more; its place, the same for the same id.
    pub fn add(&mut self, id: SessionId<'a>) -> u32 {
        // A map has fewer than 2^32 mappings: each takes more than one byte of less than 4 GiB.
        let next = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        let Self { kind, ids, places, hasher, .. } = self;
        let entry = match kind {
            IdKind::Uuid => {
                let number = |id: SessionId<'_>| uuid(id.0.as_bytes());
                let wanted = number(id);
                places.entry(
                    hasher.hash_one(wanted),
                    |place| number(ids[*place as usize]) == wanted,
                    |place| hasher.hash_one(number(ids[*place as usize])),
                )
            }
            IdKind::Word => places.entry(
                hasher.hash_one(id.0),
                |place| ids[*place as usize] == id,
                |place| hasher.hash_one(ids[*place as usize].0),
            ),
        };
        match entry {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                new.insert(next);
                ids.push(id);
                next
            }
        }
    }

    /// The place of that id, if it is wanted.
    pub fn find(&self, id: &[u8]) -> Option<u32> {
        let found = match self.kind {
            IdKind::Uuid => {
                // What is no UUID is nobody's; the numbers are not kept, for memory's sake.
                let wanted = Some(uuid(id)?);
                let same = |place: &u32| uuid(self.ids[*place as usize].0.as_bytes()) == wanted;
                self.places.find(self.hasher.hash_one(wanted), same)
            }
            IdKind::Word => {
                let id = std::str::from_utf8(id).ok()?;
                let same = |place: &u32| self.ids[*place as usize].0 == id;
                self.places.find(self.hasher.hash_one(id), same)
            }
        };
        found.copied()
    }

    /// Since when a use makes a session active.
    pub(super) fn cutoff(&self) -> Timestamp {
        self.cutoff
    }

    /// Whether a write at that time makes a session active.
    pub fn is_active_at(&self, written: Timestamp) -> bool {
        written >= self.cutoff
    }

    /// The place of the UUID at the end of `stem`, if it is wanted.
    pub fn find_uuid_at_end(&self, stem: &[u8]) -> Option<u32> {
        self.find(stem.get(stem.len().checked_sub(36)?..)?)
    }

    /// Whether every wanted session was already seen to be active, so that nothing which is found
    /// elsewhere can change what becomes of it.
    pub fn all_active(&self, found: &Findings) -> bool {
        let is_active = |activity: &Activity| {
            activity.own.is_some()
                && activity.last_used().is_some_and(|used| self.is_active_at(used))
        };
        found.activities.iter().all(is_active)
    }

    /// Every id, in the order of places.
    pub fn ids(&self) -> &[SessionId<'a>] {
        &self.ids
    }
}
