//! What a provider looks for: session ids, each once, found by their bytes.

use hashbrown::HashTable;
use std::hash::{BuildHasher, RandomState};

use super::Findings;
use crate::domain::ids::is_uuid;
use crate::domain::{Activity, IdKind, SessionId, Timestamp};

/// The session ids that a provider is asked for, each once. UUIDs are compared without regard to
/// case.
#[derive(Debug)]
pub struct Wanted<'a> {
    kind: IdKind,
    ids: Vec<SessionId<'a>>,
    /// The places of the ids, found by their hash: there may be as many as mappings.
    places: HashTable<u32>,
    hasher: RandomState,
    cutoff: Timestamp,
}

impl<'a> Wanted<'a> {
    /// Nothing yet, of that kind. A session used at `cutoff` or later needs no further search.
    pub fn new(kind: IdKind, cutoff: Timestamp) -> Self {
        let hasher = RandomState::new();
        Self { kind, ids: Vec::new(), places: HashTable::new(), hasher, cutoff }
    }

    /// Asks for one more; its place, the same for the same id.
    pub fn add(&mut self, id: SessionId<'a>) -> u32 {
        if let Some(place) = self.find(id.0.as_bytes()) {
            return place;
        }
        // A map has fewer than 2^32 mappings: each takes more than one byte of less than 4 GiB.
        let place = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        self.ids.push(id);
        let (kind, hasher, ids) = (self.kind, &self.hasher, &self.ids);
        let hash = |place: &u32| hash(kind, hasher, ids[*place as usize].0.as_bytes());
        self.places.insert_unique(hash(&place), place, hash);
        place
    }

    /// The place of that id, if it is wanted.
    pub fn find(&self, id: &[u8]) -> Option<u32> {
        let same = |place: &u32| {
            let wanted = self.ids[*place as usize].0.as_bytes();
            match self.kind {
                IdKind::Uuid => wanted.eq_ignore_ascii_case(id),
                IdKind::Word => wanted == id,
            }
        };
        self.places.find(hash(self.kind, &self.hasher, id), same).copied()
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
        let uuid = stem.get(stem.len().checked_sub(36)?..)?;
        if is_uuid(uuid) { self.find(uuid) } else { None }
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

fn hash(kind: IdKind, hasher: &RandomState, id: &[u8]) -> u64 {
    match kind {
        IdKind::Uuid => {
            let mut lower = [0; 36];
            let length = id.len().min(36);
            lower[..length].copy_from_slice(&id[..length]);
            lower.make_ascii_lowercase();
            hasher.hash_one(lower)
        }
        IdKind::Word => hasher.hash_one(id),
    }
}
