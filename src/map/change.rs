//! One change of the map's file, beside writers who know of no lock: tried until it fits the file as it
//! is, then merged with late writes. The edit itself is up to a clean or an undo.

use std::time::Instant;

use super::map_file::{MapPlace, Snapshot, stopped};
use super::replace::{Committed, Prepared};
use super::store::LAST_LOOKS;
use crate::model::{Failure, SessionMap, Warning, WarningCode};
use crate::os::interrupt::Interrupt;

/// How often a map that changes under the run is read and edited again (W8).
const ATTEMPTS: usize = 5;

/// How often late writes to a replaced file are merged.
const MERGES: usize = 50;

/// An edit of a map. It may be made several times, of newer and newer maps.
pub(super) trait Edit {
    /// Returns the map's new bytes; none if there is nothing to change.
    fn edit(&mut self, map: &SessionMap) -> Option<Vec<u8>>;

    /// Records the change, once the new bytes are on disk beside the map.
    fn record(&mut self, map: &SessionMap) -> Result<(), Failure>;

    /// Takes the last look, right before the new bytes take the map's place.
    fn recheck(&mut self) -> Result<LastLook, Failure>;
}

/// The result of the last look.
#[derive(Debug, Clone, Copy)]
pub(super) enum LastLook {
    /// The map must be edited again.
    Edit,
    /// The map may be replaced, up to that time if there is one.
    Replace(Option<Instant>),
}

/// How a change ended.
pub(super) enum Changed {
    /// There was nothing to change.
    Nothing,
    /// The map no longer exists.
    Gone,
    /// Every last look was too long before the change; the map is unchanged.
    TooSlow,
    Replaced(Vec<Warning>),
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

/// One change of the map.
pub(super) struct Change<'a> {
    pub(super) place: &'a MapPlace,
    pub(super) edit: &'a mut dyn Edit,
    pub(super) interrupt: Interrupt,
}

impl Change<'_> {
    /// Replaces the map, which was first read as `first`, then merges late writes. After an error, the
    /// map was not replaced.
    pub(super) fn apply(mut self, first: &Snapshot) -> Result<Changed, Failure> {
        let mut newest: Option<Snapshot> = None;
        for _ in 0..ATTEMPTS {
            let current = newest.as_ref().unwrap_or(first);
            match self.attempt(current, None)? {
                Attempt::Changed => {}
                Attempt::Nothing => return Ok(Changed::Nothing),
                Attempt::TooSlow => return Ok(Changed::TooSlow),
                Attempt::Replaced(warning) => {
                    let mut warnings = Vec::from_iter(warning);
                    // No signal ends the merge: the late write would be lost.
                    self.interrupt = Interrupt::default();
                    if let Err(failure) = self.merge(current, &mut warnings) {
                        let message = format!("what came meanwhile was not merged: {failure}");
                        let path = self.place.path();
                        warnings.push(Warning::at(WarningCode::LateWrite, path, message));
                    }
                    return Ok(Changed::Replaced(warnings));
                }
            }

            newest = self.place.read(&self.interrupt)?;
            if newest.is_none() {
                return Ok(Changed::Gone);
            }
        }

        let path = self.place.path().display();
        let message = format!("session map {path} changed under each of {ATTEMPTS} attempts");
        Err(Failure::new(message).hint("it is as its writer left it; the next run tries again"))
    }

    /// Edits `current`, or the `late` write to the file before it, and replaces `current` by the result.
    fn attempt(
        &mut self,
        current: &Snapshot,
        late: Option<&SessionMap>,
    ) -> Result<Attempt, Failure> {
        let map = late.unwrap_or(&current.map);
        loop {
            let prepared = match (self.edit.edit(map), late) {
                (Some(new), _) => self.place.prepare(current, &new)?,
                (None, Some(late)) => self.place.prepare(current, late.bytes())?,
                (None, None) => return Ok(Attempt::Nothing),
            };

            self.edit.record(map)?;
            let Some(prepared) = prepared.ready(current)? else { return Ok(Attempt::Changed) };
            if let Some(ended) = self.commit(current, prepared)? {
                return Ok(ended);
            }
        }
    }

    /// Replaces the map right after the last look. Returns nothing if the map must be edited again.
    fn commit(
        &mut self,
        current: &Snapshot,
        mut prepared: Prepared<'_>,
    ) -> Result<Option<Attempt>, Failure> {
        for _ in 0..LAST_LOOKS {
            let LastLook::Replace(until) = self.edit.recheck()? else { return Ok(None) };
            if self.interrupt.asked() {
                return Err(stopped());
            }

            prepared = match prepared.commit(current, until)? {
                Committed::Replaced => {
                    return Ok(Some(Attempt::Replaced(self.place.sync_folder().err())));
                }
                Committed::Changed => return Ok(Some(Attempt::Changed)),
                Committed::Late(prepared) => prepared,
            };
        }
        Ok(Some(Attempt::TooSlow))
    }

    /// Merges the writes of another process to the file `first`, which it had open when that was
    /// replaced, until no more come.
    fn merge(&mut self, first: &Snapshot, warnings: &mut Vec<Warning>) -> Result<(), Failure> {
        let Some(mut late) = self.place.late_write(first, &self.interrupt)? else { return Ok(()) };

        let mut ours = self.edit.edit(&first.map);
        for _ in 0..MERGES {
            let Some(current) = self.place.read(&self.interrupt)? else { return Ok(()) };

            // A map that was written after the replacement is newer than the late write.
            let is_ours = ours.as_deref() == Some(current.map.bytes());
            match self.attempt(&current, is_ours.then_some(&late))? {
                Attempt::Nothing => return Ok(()),
                Attempt::TooSlow => {
                    return Err(Failure::new("the last look ended too long before the change")
                        .hint("run again when the machine is less busy"));
                }
                Attempt::Changed => ours = None,
                Attempt::Replaced(warning) => {
                    warnings.extend(warning);
                    let later = self.place.late_write(&current, &self.interrupt)?;
                    let Some(later) = later else { return Ok(()) };
                    let merged = if is_ours { &late } else { &current.map };
                    ours = self.edit.edit(merged).or_else(|| Some(merged.bytes().to_vec()));
                    late = later;
                }
            }
        }
        Err(Failure::new("another process keeps writing to the map")
            .hint("run again later, or let --bridge URL ask the bridge"))
    }
}
