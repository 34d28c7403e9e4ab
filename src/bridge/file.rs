//! The map held by its file: read, locked and replaced, beside writers who know of no lock.

use std::collections::HashSet;
use std::path::PathBuf;

use super::{LookAgain, MapHolder, Removal, Source};
use crate::disk::interrupt::Interrupt;
use crate::disk::lock::Lock;
use crate::disk::map_file::{Located, MapPlace, Snapshot, stopped};
use crate::disk::words;
use crate::domain::{Exit, Failure, Mapping, SessionMap, Warning, WarningCode};

/// How often a map that changes under the run is read and cut anew (W8).
const ATTEMPTS: usize = 5;

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
        let mut this = Self { named: path, interrupt, held: None, warnings: Vec::new() };
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

impl MapHolder for FileMap {
    fn source(&self) -> Source {
        Source { map: Some(self.named.clone()), url: None }
    }

    fn map(&self) -> Option<&SessionMap> {
        self.held.as_ref().map(|held| &held.snapshot.map)
    }

    fn owner(&self) -> Option<u32> {
        self.held.as_ref().map(|held| held.snapshot.owner)
    }

    fn warnings(&self) -> Vec<Warning> {
        self.warnings.clone()
    }

    fn remove(&self, going: &[u32], look_again: &mut LookAgain<'_>) -> Result<Removal, Failure> {
        let Some(held) = &self.held else { return Ok(Removal::default()) };
        match &held.lock {
            Ok(Some(_)) => {}
            Ok(None) => return Err(Failure::new("the map was opened for reading only")),
            Err(failure) => return Err(failure.clone()),
        }
        let mut change = Change { held, interrupt: &self.interrupt, going: going.to_vec() };
        let mut done = None;
        match change.apply(look_again, &mut done) {
            Ok(removal) => Ok(removal),
            // Once the map was replaced, what fails afterwards no longer makes that undone.
            Err(failure) => done.map_or(Err(failure.clone()), |removal: Removal| {
                let message = format!("the map changed while it was replaced: {failure}");
                let warning = Warning::at(WarningCode::LateWrite, held.place.path(), message);
                let warnings = removal.warnings.into_iter().chain([warning]).collect();
                Ok(Removal { warnings, ..removal })
            }),
        }
    }
}

/// One change of the map, with what is left of it to do.
struct Change<'a> {
    held: &'a Held,
    interrupt: &'a Interrupt,
    /// Places in the map as it was first read, ascending.
    going: Vec<u32>,
}

/// What the next attempt starts from, where that is not the map as it was first read.
struct Base {
    /// What is at the map's path.
    there: Snapshot,
    /// What to cut instead of that: what a writer put into the file that was replaced.
    late: Option<SessionMap>,
}

impl Change<'_> {
    fn apply(
        &mut self,
        look_again: &mut LookAgain<'_>,
        done: &mut Option<Removal>,
    ) -> Result<Removal, Failure> {
        let place = &self.held.place;
        let mut base: Option<Base> = None;
        let mut attempts = 0;
        while attempts < ATTEMPTS {
            let there = base.as_ref().map_or(&self.held.snapshot, |base| &base.there);
            let cut = base.as_ref().and_then(|base| base.late.as_ref()).unwrap_or(&there.map);
            let (places, changed) = self.still_held(cut, base.is_some());
            let is_late = base.as_ref().is_some_and(|base| base.late.is_some());
            if places.is_empty() && !is_late {
                let nothing = || Removal { changed, ..Removal::default() };
                return Ok(done.take().unwrap_or_else(nothing));
            }
            let new = cut.without(|place| places.binary_search(&place).is_ok());
            let prepared = place.prepare(there, &new)?;
            let still = look_again(&self.going)?;
            if still.len() < self.going.len() {
                self.going = still;
                continue;
            }
            if self.interrupt.asked() {
                return Err(stopped());
            }
            attempts += 1;
            let unchanged = place.still_holds(there).map_err(|error| {
                let path = place.path().display();
                Failure::new(format!("cannot read session map {path}: {}", words(&error)))
            })?;
            if !unchanged {
                match place.read(self.interrupt)? {
                    Some(snapshot) => base = Some(Base { there: snapshot, late: None }),
                    None => return Ok(done.take().unwrap_or_else(|| self.nothing_left())),
                }
                continue;
            }
            prepared.commit()?;
            let mut removal = done.take().unwrap_or_default();
            let stayed: HashSet<u32> = changed.iter().copied().collect();
            removal.removed =
                self.going.iter().copied().filter(|place| !stayed.contains(place)).collect();
            removal.changed = changed;
            removal.warnings.extend(place.sync_folder().err());
            *done = Some(removal);
            match place.late_write(there, self.interrupt)? {
                None => return Ok(done.take().unwrap_or_default()),
                Some(late) => {
                    let Some(there) = place.read(self.interrupt)? else {
                        return Ok(done.take().unwrap_or_default());
                    };
                    // A map that was written after the rename is newer than the late write.
                    let late = (there.map.bytes() == new).then_some(late);
                    base = Some(Base { there, late });
                }
            }
        }
        let path = place.path().display();
        let message = format!("session map {path} changed under each of {ATTEMPTS} attempts");
        Err(Failure::new(message).hint("it is as its writer left it; the next run tries again"))
    }

    /// The places in `map` of what is to go, and which of `going` it no longer holds so.
    fn still_held(&self, map: &SessionMap, is_newer: bool) -> (Vec<u32>, Vec<u32>) {
        if !is_newer {
            return (self.going.clone(), Vec::new());
        }
        let first = &self.held.snapshot.map;
        let mapping = |place: &u32| first.get(*place);
        let mut left: HashSet<Mapping<'_>> = self.going.iter().filter_map(mapping).collect();
        let held = (0..).zip(map.mappings()).filter(|(_, mapping)| left.remove(mapping));
        let places = held.map(|(place, _)| place).collect();
        let gone = |place: &&u32| mapping(place).is_some_and(|mapping| left.contains(&mapping));
        (places, self.going.iter().filter(gone).copied().collect())
    }

    fn nothing_left(&self) -> Removal {
        Removal { changed: self.going.clone(), ..Removal::default() }
    }
}
