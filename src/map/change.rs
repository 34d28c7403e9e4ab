//! One change of the map's file, whatever it is, beside writers who know of no lock: tried until it
//! fits what is there, then merged with what came meanwhile.

use std::time::Instant;

use super::LAST_LOOKS;
use crate::map::map_file::{MapPlace, Snapshot, stopped};
use crate::map::replace::{Committed, Prepared};
use crate::model::{Failure, SessionMap, Warning, WarningCode};
use crate::os::interrupt::Interrupt;

/// How often a map that changes under the run is read and edited anew (W8).
const ATTEMPTS: usize = 5;

/// How often what somebody else keeps writing to a replaced file is merged.
const MERGES: usize = 50;

/// What is to become of a map. It may be asked several times, of newer and newer maps.
pub(super) trait Edit {
    /// The map's new bytes; nothing where there is nothing to change.
    fn edit(&mut self, map: &SessionMap) -> Option<Vec<u8>>;

    /// Records the change, once the new bytes are on disk beside the map.
    fn record(&mut self, map: &SessionMap) -> Result<(), Failure>;

    /// The last look, right before the new bytes take the map's place.
    fn recheck(&mut self, map: &SessionMap) -> Result<LastLook, Failure>;
}

/// What the last look says.
#[derive(Debug, Clone, Copy)]
pub(super) enum LastLook {
    /// The map must be edited anew.
    Edit,
    /// The map may be replaced, until then if that matters.
    Replace(Option<Instant>),
}

/// How a change ended.
pub(super) enum Changed {
    /// There was nothing to change.
    Nothing,
    /// There is no map any more.
    Gone,
    /// Every last look was too long before the change; the map is unchanged.
    TooSlow,
    /// The map is replaced.
    Replaced(Vec<Warning>),
}

/// One change of the map at a place.
pub(super) struct Change<'a> {
    pub(super) place: &'a MapPlace,
    /// The map as it was first read.
    pub(super) first: &'a Snapshot,
    pub(super) interrupt: &'a Interrupt,
}

/// How one attempt ended.
enum Attempt {
    Replaced(Option<Warning>),
    Nothing,
    /// Another process changed the map meanwhile.
    Changed,
    /// Every last look was too long before the change.
    TooSlow,
}

impl Change<'_> {
    /// Replaces the map, then merges what came while that was done.
    ///
    /// # Errors
    /// Where it was not replaced; it is then as it was.
    pub(super) fn apply(&self, edit: &mut dyn Edit) -> Result<Changed, Failure> {
        let mut newest: Option<Snapshot> = None;
        for _ in 0..ATTEMPTS {
            let there = newest.as_ref().unwrap_or(self.first);
            match self.attempt(there, None, self.interrupt, edit)? {
                Attempt::Changed => {}
                Attempt::Nothing => return Ok(Changed::Nothing),
                Attempt::TooSlow => return Ok(Changed::TooSlow),
                Attempt::Replaced(warning) => {
                    let mut warnings = Vec::from_iter(warning);
                    if let Err(failure) = self.merge(there, &mut warnings, edit) {
                        let message = format!("what came meanwhile was not merged: {failure}");
                        let path = self.place.path();
                        warnings.push(Warning::at(WarningCode::LateWrite, path, message));
                    }
                    return Ok(Changed::Replaced(warnings));
                }
            }
            newest = self.place.read(self.interrupt)?;
            if newest.is_none() {
                return Ok(Changed::Gone);
            }
        }
        let path = self.place.path().display();
        let message = format!("session map {path} changed under each of {ATTEMPTS} attempts");
        Err(Failure::new(message).hint("it is as its writer left it; the next run tries again"))
    }

    /// Puts `there`, or what came `late` instead of it, edited in its place.
    fn attempt(
        &self,
        there: &Snapshot,
        late: Option<&SessionMap>,
        interrupt: &Interrupt,
        edit: &mut dyn Edit,
    ) -> Result<Attempt, Failure> {
        let map = late.unwrap_or(&there.map);
        loop {
            let prepared = match (edit.edit(map), late) {
                (Some(new), _) => self.place.prepare(there, &new)?,
                (None, Some(late)) => self.place.prepare(there, late.bytes())?,
                (None, None) => return Ok(Attempt::Nothing),
            };
            edit.record(map)?;
            let Some(prepared) = prepared.ready(there)? else { return Ok(Attempt::Changed) };
            if let Some(ended) = self.commit(there, prepared, map, interrupt, edit)? {
                return Ok(ended);
            }
        }
    }

    /// Replaces the map within a moment of the last look. Returns nothing if the map must be edited
    /// anew.
    fn commit(
        &self,
        there: &Snapshot,
        mut prepared: Prepared<'_>,
        map: &SessionMap,
        interrupt: &Interrupt,
        edit: &mut dyn Edit,
    ) -> Result<Option<Attempt>, Failure> {
        for _ in 0..LAST_LOOKS {
            let LastLook::Replace(until) = edit.recheck(map)? else { return Ok(None) };
            if interrupt.asked() {
                return Err(stopped());
            }
            prepared = match prepared.commit(there, until)? {
                Committed::Replaced => {
                    return Ok(Some(Attempt::Replaced(self.place.sync_folder().err())));
                }
                Committed::Changed => return Ok(Some(Attempt::Changed)),
                Committed::Late(prepared) => prepared,
            };
        }
        Ok(Some(Attempt::TooSlow))
    }

    /// Merges what somebody put into a file that was open when it was replaced, until that has
    /// stopped. No signal ends this: the write would be lost.
    fn merge(
        &self,
        first: &Snapshot,
        warnings: &mut Vec<Warning>,
        edit: &mut dyn Edit,
    ) -> Result<(), Failure> {
        let unstopped = Interrupt::default();
        let Some(mut late) = self.place.late_write(first, &unstopped)? else { return Ok(()) };
        let mut ours = edit.edit(&first.map);
        for _ in 0..MERGES {
            let Some(there) = self.place.read(&unstopped)? else { return Ok(()) };
            // A map that somebody wrote after the replacement is newer than the late write.
            let is_ours = ours.as_deref() == Some(there.map.bytes());
            match self.attempt(&there, is_ours.then_some(&late), &unstopped, edit)? {
                Attempt::Nothing => return Ok(()),
                Attempt::TooSlow => {
                    return Err(Failure::new("the last look ended too long before the change")
                        .hint("run again when the machine is less busy"));
                }
                Attempt::Changed => ours = None,
                Attempt::Replaced(warning) => {
                    warnings.extend(warning);
                    match self.place.late_write(&there, &unstopped)? {
                        None => return Ok(()),
                        Some(later) => {
                            let merged = if is_ours { &late } else { &there.map };
                            ours = edit.edit(merged).or_else(|| Some(merged.bytes().to_vec()));
                            late = later;
                        }
                    }
                }
            }
        }
        Err(Failure::new("another process keeps writing to the map")
            .hint("run again later, or let --bridge URL ask the bridge"))
    }
}
