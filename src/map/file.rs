//! The map held by its file: read, locked and replaced, beside writers who know of no lock.

use std::collections::HashSet;
use std::path::PathBuf;

use super::change::{Change, Changed, Edit, LastLook};
use super::{MapStore, Removal, RemovalGuard, Source, too_slow};
use crate::map::lock::Lock;
use crate::map::map_file::{Located, MapPlace, Snapshot};
use crate::model::{Exit, Failure, Mapping, MappingIdx, SessionMap, Warning, WarningCode};
use crate::os::interrupt::Interrupt;

/// What a run may do to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read it; leave no trace.
    Read,
    /// Lock it, and change it.
    Change,
}

/// The map's file.
#[derive(Debug)]
pub struct FileMap {
    named: PathBuf,
    interrupt: Interrupt,
    held: Option<Held>,
    warnings: Vec<Warning>,
    why: String,
}

#[derive(Debug)]
struct Held {
    place: MapPlace,
    snapshot: Snapshot,
    /// A lock that cannot be had fails the run only if there is something to change: a map in a
    /// read-only folder can still be judged.
    lock: Result<Option<Lock>, Failure>,
}

impl FileMap {
    /// Finds, locks and reads the map at `path`. Where there is none, that is no error.
    pub fn open(path: PathBuf, access: Access, interrupt: Interrupt) -> Result<Self, Failure> {
        let (warnings, why) = (Vec::new(), String::new());
        let mut this = Self { named: path, interrupt, held: None, warnings, why };
        let place = match MapPlace::locate(&this.named)? {
            Located::Here(place) => place,
            Located::Nothing => return Ok(this),
            Located::Dangling => {
                let message = "the map is a link that leads nowhere";
                this.warnings.push(Warning::at(WarningCode::DanglingMap, &this.named, message));
                return Ok(this);
            }
        };
        let mut lock = Ok(None);
        if access == Access::Change {
            let Some(owner) = place.owner()? else { return Ok(this) };
            lock = match place.lock(owner) {
                Err(failure) if failure.exit == Exit::Locked => return Err(failure),
                taken => taken.map(Some),
            };
            if lock.is_ok() {
                this.warnings.extend(place.sweep());
            }
        }
        if let Some(snapshot) = place.read(&this.interrupt)? {
            this.held = Some(Held { place, snapshot, lock });
        }
        Ok(this)
    }
}

impl MapStore for FileMap {
    fn source(&self) -> Source {
        Source { map: Some(self.named.clone()), url: None, why: self.why.clone() }
    }

    fn map(&self) -> Option<&SessionMap> {
        self.held.as_ref().map(|held| &held.snapshot.map)
    }

    fn owner(&self) -> Option<u32> {
        self.held.as_ref().map(|held| held.snapshot.owner)
    }

    fn real_path(&self) -> Option<PathBuf> {
        self.held.as_ref().map(|held| held.place.path().to_owned())
    }

    fn warnings(&self) -> Vec<Warning> {
        self.warnings.clone()
    }

    fn remove(
        &self,
        going: &[MappingIdx],
        guard: &mut dyn RemovalGuard,
    ) -> Result<Removal, Failure> {
        let Some(held) = &self.held else { return Ok(Removal::default()) };
        let first = &held.snapshot.map;
        let (found, confirmed) = Default::default();
        let mut cut = Cut { first, going: going.to_vec(), found, confirmed, guard };
        let changed = self.change(&mut cut)?;
        let Cut { going, found, confirmed, .. } = cut;
        Ok(match changed {
            Changed::Gone => Removal { changed: going, ..Removal::default() },
            Changed::Nothing => Removal { changed: found.changed, ..Removal::default() },
            Changed::TooSlow => {
                let warnings = vec![too_slow(Some(held.place.path().to_owned()))];
                Removal { failed: going, warnings, ..Removal::default() }
            }
            Changed::Replaced(warnings) => {
                let went = |place: &MappingIdx| confirmed.binary_search(place).is_err();
                let removed = going.into_iter().filter(went).collect();
                Removal { removed, changed: confirmed, warnings, ..Removal::default() }
            }
        })
    }
}

impl FileMap {
    /// The same, and why it is the file that is changed.
    #[must_use]
    pub(super) fn because(mut self, why: &str, warning: Option<Warning>) -> Self {
        why.clone_into(&mut self.why);
        self.warnings.extend(warning);
        self
    }

    /// The map as it is now; nothing where it has gone.
    pub(super) fn read_anew(&self) -> Result<Option<SessionMap>, Failure> {
        let Some(held) = &self.held else { return Ok(None) };
        Ok(held.place.read(&self.interrupt)?.map(|snapshot| snapshot.map))
    }

    /// Whether the map may be changed.
    ///
    /// # Errors
    /// Where the lock was not asked for, or could not be had.
    pub(super) fn check_lock(&self) -> Result<(), Failure> {
        match self.held.as_ref().map(|held| &held.lock) {
            None | Some(Ok(Some(_))) => Ok(()),
            Some(Ok(None)) => Err(Failure::new("the map was opened for reading only")
                .hint("this is a fault of session-warden; please report it")),
            Some(Err(failure)) => Err(failure.clone()),
        }
    }

    /// Changes the map by `edit`, which the run must have opened it for.
    ///
    /// # Errors
    /// Where it cannot be changed; it is then as it was.
    pub(super) fn change(&self, edit: &mut dyn Edit) -> Result<Changed, Failure> {
        let Some(held) = &self.held else { return Ok(Changed::Gone) };
        self.check_lock()?;
        Change { place: &held.place, first: &held.snapshot, interrupt: &self.interrupt }.apply(edit)
    }
}

/// Lets mappings go.
struct Cut<'a> {
    /// The map that was judged.
    first: &'a SessionMap,
    /// Places in that, ascending.
    going: Vec<MappingIdx>,
    /// Where these were in the map that was edited last.
    found: Found,
    /// Which were no longer as they were when the map was last about to be replaced.
    confirmed: Vec<MappingIdx>,
    guard: &'a mut dyn RemovalGuard,
}

/// Where the mappings that are to go are found.
#[derive(Default)]
struct Found {
    /// Their places in the map that was searched, ascending.
    places: Vec<MappingIdx>,
    /// The same ones' places in the map that was judged, ascending.
    held: Vec<MappingIdx>,
    /// Places in the map that was judged of those that are no longer as they were.
    changed: Vec<MappingIdx>,
}

impl Edit for Cut<'_> {
    fn edit(&mut self, map: &SessionMap) -> Option<Vec<u8>> {
        self.found = self.find(map);
        let places = &self.found.places;
        let goes = |place: MappingIdx| places.binary_search(&place).is_ok();
        (!places.is_empty()).then(|| map.without(goes))
    }

    fn record(&mut self, map: &SessionMap) -> Result<(), Failure> {
        self.guard.record(map, &self.found.places)
    }

    fn recheck(&mut self, _: &SessionMap) -> Result<LastLook, Failure> {
        let held = &self.found.held;
        let rechecked = self.guard.recheck(held)?;
        if rechecked.still.len() < held.len() {
            let among =
                |places: &[MappingIdx], place: &MappingIdx| places.binary_search(place).is_ok();
            let still = &rechecked.still;
            self.going.retain(|place| !among(held, place) || among(still, place));
            return Ok(LastLook::Edit);
        }
        self.confirmed.clone_from(&self.found.changed);
        Ok(LastLook::Replace(Some(rechecked.until())))
    }
}

impl Cut<'_> {
    /// Finds what is to go in `map`, which may be newer than the one that was judged.
    fn find(&self, map: &SessionMap) -> Found {
        if std::ptr::eq(map, self.first) {
            return Found { places: self.going.clone(), held: self.going.clone(), changed: vec![] };
        }
        let mapping = |place: &MappingIdx| self.first.get(*place);
        let mut left: HashSet<Mapping<'_>> = self.going.iter().filter_map(mapping).collect();
        let found = map.indexed().filter(|(_, mapping)| left.remove(mapping));
        let places = found.map(|(place, _)| place).collect();
        let is_gone =
            |place: &MappingIdx| mapping(place).is_some_and(|mapping| left.contains(&mapping));
        let (changed, held) = self.going.iter().copied().partition(is_gone);
        Found { places, held, changed }
    }
}
