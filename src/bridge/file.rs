//! The map held by its file: read, locked and replaced, beside writers who know of no lock.

use std::collections::HashSet;
use std::path::PathBuf;

use super::{LookAgain, MapHolder, Removal, Source};
use crate::disk::interrupt::Interrupt;
use crate::disk::lock::Lock;
use crate::disk::map_file::{Located, MapPlace, Snapshot, stopped};
use crate::domain::{Exit, Failure, Mapping, SessionMap, Warning, WarningCode};

/// How often a map that changes under the run is read and cut anew (W8).
const ATTEMPTS: usize = 5;

/// How often what somebody else keeps writing to a replaced file is merged.
const MERGES: usize = 50;

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
        Change { held, interrupt: &self.interrupt, going: going.to_vec() }.apply(look_again)
    }
}

/// One change of the map, with what is left of it to do.
struct Change<'a> {
    held: &'a Held,
    interrupt: &'a Interrupt,
    /// Places in the map as it was first read, ascending.
    going: Vec<u32>,
}

/// How one attempt to replace the map ended.
enum Attempt {
    /// The map is replaced: without the mappings at these places of what was cut.
    Replaced { places: Vec<u32>, changed: Vec<u32>, warning: Option<Warning> },
    /// There is nothing to cut.
    Nothing { changed: Vec<u32> },
    /// Somebody else changed the map meanwhile.
    Changed,
}

impl Change<'_> {
    /// Replaces the map, then merges what came while that was done.
    fn apply(&mut self, look_again: &mut LookAgain<'_>) -> Result<Removal, Failure> {
        let place = &self.held.place;
        let mut newest: Option<Snapshot> = None;
        for _ in 0..ATTEMPTS {
            let there = newest.as_ref().unwrap_or(&self.held.snapshot);
            match self.attempt(there, None, self.interrupt, look_again)? {
                Attempt::Changed => {}
                Attempt::Nothing { changed } => {
                    return Ok(Removal { changed, ..Removal::default() });
                }
                Attempt::Replaced { places, changed, warning } => {
                    let mut removal = Removal { changed, ..Removal::default() };
                    removal.warnings.extend(warning);
                    self.merge(there, &places, &mut removal, look_again).unwrap_or_else(
                        |failure| {
                            let message = format!("what came meanwhile was not merged: {failure}");
                            let warning =
                                Warning::at(WarningCode::LateWrite, place.path(), message);
                            removal.warnings.push(warning);
                        },
                    );
                    let went = |place: &u32| removal.changed.binary_search(place).is_err();
                    removal.removed = self.going.iter().copied().filter(went).collect();
                    return Ok(removal);
                }
            }
            newest = place.read(self.interrupt)?;
            if newest.is_none() {
                return Ok(Removal { changed: self.going.clone(), ..Removal::default() });
            }
        }
        let path = place.path().display();
        let message = format!("session map {path} changed under each of {ATTEMPTS} attempts");
        Err(Failure::new(message).hint("it is as its writer left it; the next run tries again"))
    }

    /// Puts `there`, or what came `late` instead of it, without what goes in its place.
    fn attempt(
        &mut self,
        there: &Snapshot,
        late: Option<&SessionMap>,
        interrupt: &Interrupt,
        look_again: &mut LookAgain<'_>,
    ) -> Result<Attempt, Failure> {
        let cut = late.unwrap_or(&there.map);
        loop {
            let Found { places, held, changed } = self.find(cut);
            if places.is_empty() && late.is_none() {
                return Ok(Attempt::Nothing { changed });
            }
            let goes = |place: u32| places.binary_search(&place).is_ok();
            let prepared = self.held.place.prepare(there, &cut.without(goes))?;
            let still = look_again(&held)?;
            if still.len() < held.len() {
                let among = |places: &[u32], place: &u32| places.binary_search(place).is_ok();
                self.going.retain(|place| !among(&held, place) || among(&still, place));
                continue;
            }
            if interrupt.asked() {
                return Err(stopped());
            }
            if !prepared.commit(there)? {
                return Ok(Attempt::Changed);
            }
            let warning = self.held.place.sync_folder().err();
            return Ok(Attempt::Replaced { places, changed, warning });
        }
    }

    /// Merges what somebody put into a file that was open when it was replaced, until that has
    /// stopped. No signal ends this: the write would be lost.
    fn merge(
        &mut self,
        first: &Snapshot,
        places: &[u32],
        removal: &mut Removal,
        look_again: &mut LookAgain<'_>,
    ) -> Result<(), Failure> {
        let place = &self.held.place;
        let unstopped = Interrupt::default();
        let Some(mut late) = place.late_write(first, &unstopped)? else { return Ok(()) };
        let mut ours = first.map.without(|place| places.binary_search(&place).is_ok());
        for _ in 0..MERGES {
            let Some(there) = place.read(&unstopped)? else { return Ok(()) };
            // A map that somebody wrote after the replacement is newer than the late write.
            let is_ours = there.map.bytes() == ours;
            match self.attempt(&there, is_ours.then_some(&late), &unstopped, look_again)? {
                Attempt::Nothing { .. } => return Ok(()),
                Attempt::Changed => ours.clear(),
                Attempt::Replaced { places, changed, warning } => {
                    removal.changed = changed;
                    removal.warnings.extend(warning);
                    let cut = if is_ours { &late } else { &there.map };
                    ours = cut.without(|place| places.binary_search(&place).is_ok());
                    match place.late_write(&there, &unstopped)? {
                        None => return Ok(()),
                        Some(later) => late = later,
                    }
                }
            }
        }
        Err(Failure::new("somebody keeps writing to it"))
    }

    /// Finds what is to go in `map`, which may be newer than the one that was judged.
    fn find(&self, map: &SessionMap) -> Found {
        let first = &self.held.snapshot.map;
        if std::ptr::eq(map, first) {
            return Found { places: self.going.clone(), held: self.going.clone(), changed: vec![] };
        }
        let mapping = |place: &u32| first.get(*place);
        let mut left: HashSet<Mapping<'_>> = self.going.iter().filter_map(mapping).collect();
        let found = (0..).zip(map.mappings()).filter(|(_, mapping)| left.remove(mapping));
        let places = found.map(|(place, _)| place).collect();
        let is_gone = |place: &u32| mapping(place).is_some_and(|mapping| left.contains(&mapping));
        let (changed, held) = self.going.iter().copied().partition(is_gone);
        Found { places, held, changed }
    }
}

/// Where the mappings that are to go are found.
struct Found {
    /// Their places in the map that was searched, ascending.
    places: Vec<u32>,
    /// The same ones' places in the map that was judged, ascending.
    held: Vec<u32>,
    /// Places in the map that was judged of those that are no longer as they were.
    changed: Vec<u32>,
}
