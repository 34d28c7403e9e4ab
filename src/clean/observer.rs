//! Looks at sessions, processes and holds, for the first look and the second.

use std::collections::HashMap;
use std::path::PathBuf;

use super::held::held;
use crate::config::Clean;
use crate::map::map_file::stopped;
use crate::model::plan::Observations;
use crate::model::{Failure, HeldFor, KeepReason, MappingIdx, Policies, SessionMap, Timestamp};
use crate::os::interrupt::Interrupt;
use crate::process::{self, Processes};
use crate::provider::{LookOptions, Memories, Owners, Provider, Work, observe, work};

#[derive(Clone, Copy)]
pub(super) struct Observer<'a> {
    pub(super) config: &'a Clean,
    pub(super) map: &'a SessionMap,
    pub(super) map_owner: Option<u32>,
    pub(super) now: Timestamp,
    pub(super) policies: &'a Policies,
    pub(super) interrupt: &'a Interrupt,
}

impl Observer<'_> {
    /// Returns the evidence on disk of the mappings that `is_asked` selects. A run with a second look
    /// hands over `memories` to save listing. A signal is an error: the evidence is incomplete then.
    pub(super) fn look(
        &self,
        is_asked: impl Fn(MappingIdx, &str) -> bool,
        memories: Option<&mut Memories>,
        interrupt: Interrupt,
    ) -> Result<Observations, Failure> {
        let base = |provider: &Provider| self.config.base(provider, self.map_owner);
        let options = LookOptions { owners: self.owners(), clock: self.config.clock, interrupt };
        let cutoff = |provider| self.policies.of(provider).cutoff;
        let seen = observe(self.map, is_asked, &options, cutoff, memories, base)?;
        if options.interrupt.asked() { Err(stopped()) } else { Ok(seen) }
    }

    /// Returns the processes of our own user and of the map's owner.
    pub(super) fn processes(&self) -> Processes {
        let Owners { us, map } = self.owners();
        Processes::of_users(&[us].into_iter().chain(map).collect::<Vec<u32>>())
    }

    /// Returns which of these mappings a process uses or a hold protects.
    pub(super) fn work(
        &self,
        mappings: impl Iterator<Item = MappingIdx> + Clone,
        processes: &Processes,
    ) -> Result<(Work, HashMap<MappingIdx, HeldFor>), Failure> {
        let base = |provider: &Provider| self.config.base(provider, self.map_owner);
        let ignored = &self.config.ignore_processes;
        let mut work = work(self.map, mappings.clone(), processes, ignored, self.now, base)?;

        let held = held(self.state_dirs(), self.map, mappings.clone(), self.now);
        work.kept.extend(held.by.keys().map(|mapping| (*mapping, KeepReason::Held)));
        for mapping in mappings.filter(|_| held.is_unknown) {
            let kept = work.kept.entry(mapping).or_insert(KeepReason::InUseUnknown);
            // A hold that cannot be read may protect the session, so it is not only resident.
            if matches!(kept, KeepReason::Resident(_)) {
                *kept = KeepReason::InUseUnknown;
            }
        }

        work.warnings.extend(held.warnings);
        Ok((work, held.by))
    }

    /// The state folder whose pins and holds count.
    pub(super) fn state_dirs(&self) -> impl Iterator<Item = PathBuf> {
        // Without a state folder there are no pins and holds. A real run fails later without it.
        self.config.state_dir().ok().into_iter()
    }

    fn owners(&self) -> Owners {
        Owners { us: process::user(), map: self.map_owner }
    }
}
