//! The map held by its file: read, locked and replaced, beside writers who know of no lock.

use std::collections::HashSet;
use std::path::PathBuf;

use super::change::{Change, Changed, Edit, LastLook};
use super::map_file::{Located, MapPlace, Snapshot};
use super::store::{MapStore, Removal, RemovalGuard, Source, too_slow};
use crate::model::{Exit, Failure, Mapping, MappingIdx, SessionMap, Warning, WarningCode};
use crate::os::interrupt::Interrupt;
use crate::os::lock::Lock;
use crate::process;

/// The access that a run has to the file.
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
    /// The path as it was named.
    path: PathBuf,
    interrupt: Interrupt,
    held: Option<Held>,
    warnings: Vec<Warning>,
    why: String,
}

/// A file that exists and was read.
#[derive(Debug)]
struct Held {
    place: MapPlace,
    snapshot: Snapshot,
    /// A lock that cannot be had fails the run only if there is something to change: a map in a
    /// read-only folder can still be judged.
    lock: Result<Option<Lock>, Failure>,
}

impl FileMap {
    /// Finds, locks and reads the map at `path`. A map that does not exist is no error.
    pub fn open(path: PathBuf, access: Access, interrupt: Interrupt) -> Result<Self, Failure> {
        let (warnings, why) = (Vec::new(), String::new());
        let mut this = Self { path, interrupt, held: None, warnings, why };
        let place = match MapPlace::locate(&this.path)? {
            Located::Here(place) => place,
            Located::Nothing => return Ok(this),
            Located::Dangling => {
                let message = "the map is a link that leads nowhere";
                this.warnings.push(Warning::at(WarningCode::DanglingMap, &this.path, message));
                return Ok(this);
            }
        };

        let Some(owner) = place.owner()? else { return Ok(this) };
        if process::user() == 0 && owner != 0 {
            let user = process::name_of(owner).unwrap_or_else(|| owner.to_string());
            let message = format!("the map {} belongs to user {user}", this.path.display());
            return Err(Failure::new(message)
                .hint("nothing was changed; run the same command again, or as that user"));
        }

        let mut lock = Ok(None);
        if access == Access::Change {
            lock = match place.lock(owner) {
                Err(failure) if failure.exit == Exit::Locked => return Err(failure),
                taken => taken.map(Some),
            };
            if lock.is_ok() {
                this.warnings.extend(place.sweep(&this.interrupt));
            }
        }

        if let Some(snapshot) = place.read(&this.interrupt)? {
            this.held = Some(Held { place, snapshot, lock });
        }
        Ok(this)
    }

    /// Returns the same map, with the reason why it is the file that is changed.
    #[must_use]
    pub(super) fn because(mut self, why: &str, warning: Option<Warning>) -> Self {
        why.clone_into(&mut self.why);
        self.warnings.extend(warning);
        self
    }

    /// Reads the map as it is now. Returns nothing if it is gone.
    pub(super) fn read_again(&self) -> Result<Option<SessionMap>, Failure> {
        let Some(held) = &self.held else { return Ok(None) };
        Ok(held.place.read(&self.interrupt)?.map(|snapshot| snapshot.map))
    }

    /// Returns an error unless this run has the lock on the map.
    pub(super) fn check_lock(&self) -> Result<(), Failure> {
        match self.held.as_ref().map(|held| &held.lock) {
            None | Some(Ok(Some(_))) => Ok(()),
            Some(Ok(None)) => Err(Failure::new("the map was opened for reading only")
                .hint("this is a fault of session-warden; please report it")),
            Some(Err(failure)) => Err(failure.clone()),
        }
    }

    /// Changes the map by `edit`. After an error it is unchanged.
    pub(super) fn change(&self, edit: &mut dyn Edit) -> Result<Changed, Failure> {
        let Some(held) = &self.held else { return Ok(Changed::Gone) };
        self.check_lock()?;
        Change { place: &held.place, edit, interrupt: self.interrupt.clone() }.apply(&held.snapshot)
    }
}

impl MapStore for FileMap {
    fn source(&self) -> Source {
        Source { map: Some(self.path.clone()), url: None, why: self.why.clone() }
    }

    fn map(&self) -> Option<&SessionMap> {
        self.held.as_ref().map(|held| &held.snapshot.map)
    }

    fn map_now(&self) -> Result<Option<SessionMap>, Failure> {
        self.read_again()
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
        let judged = &held.snapshot.map;
        let (found, confirmed) = Default::default();
        let mut cut = Cut { judged, going: going.to_vec(), found, confirmed, guard };
        let changed = self.change(&mut cut)?;

        let Cut { going, found, confirmed, .. } = cut;
        Ok(match changed {
            Changed::Gone => Removal { changed: going, ..Removal::default() },
            Changed::Nothing => Removal { changed: found.changed, ..Removal::default() },
            Changed::TooSlow => {
                let warnings = vec![too_slow(self.real_path())];
                Removal { failed: going, warnings, ..Removal::default() }
            }
            Changed::Replaced(warnings) => {
                let mut removed = going;
                removed.retain(|position| confirmed.binary_search(position).is_err());
                Removal { removed, changed: confirmed, warnings, ..Removal::default() }
            }
        })
    }
}

/// The edit that removes mappings.
struct Cut<'a> {
    judged: &'a SessionMap,
    /// Positions in the map that was judged, ascending.
    going: Vec<MappingIdx>,
    /// Where they were in the map that was edited last.
    found: Found,
    /// Which of them had changed when the map was last about to be replaced.
    confirmed: Vec<MappingIdx>,
    guard: &'a mut dyn RemovalGuard,
}

/// Where the mappings that are to be removed were found. All positions ascend.
#[derive(Default)]
struct Found {
    /// Positions in the map that was searched.
    here: Vec<MappingIdx>,
    /// Positions of the same mappings in the map that was judged.
    judged: Vec<MappingIdx>,
    /// Positions, in the map that was judged, of mappings that are no longer the same.
    changed: Vec<MappingIdx>,
}

impl Edit for Cut<'_> {
    fn edit(&mut self, map: &SessionMap) -> Option<Vec<u8>> {
        self.found = self.find(map);
        let going = &self.found.here;
        (!going.is_empty()).then(|| map.without(|position| going.binary_search(&position).is_ok()))
    }

    fn record(&mut self, map: &SessionMap) -> Result<(), Failure> {
        self.guard.record(map, &self.found.here)
    }

    fn recheck(&mut self) -> Result<LastLook, Failure> {
        let found = &self.found.judged;
        let rechecked = self.guard.recheck(found)?;
        if rechecked.still.len() < found.len() {
            let still = &rechecked.still;
            self.going.retain(|position| {
                found.binary_search(position).is_err() || still.binary_search(position).is_ok()
            });
            return Ok(LastLook::Edit);
        }
        self.confirmed.clone_from(&self.found.changed);
        Ok(LastLook::Replace(Some(rechecked.until())))
    }
}

impl Cut<'_> {
    /// Finds the mappings to remove in `map`, which may be newer than the one that was judged.
    fn find(&self, map: &SessionMap) -> Found {
        let going = self.going.clone();
        if std::ptr::eq(map, self.judged) {
            return Found { here: going.clone(), judged: going, changed: Vec::new() };
        }

        let mappings = going.iter().filter_map(|position| self.judged.get(*position));
        let mut missing: HashSet<Mapping<'_>> = mappings.collect();
        let found = map.indexed().filter(|(_, mapping)| missing.remove(mapping));
        let here = found.map(|(position, _)| position).collect();
        let (changed, judged) = going.into_iter().partition(|position| {
            self.judged.get(*position).is_some_and(|mapping| missing.contains(&mapping))
        });
        Found { here, judged, changed }
    }
}
