//! What a clean looks at the disk with, and who looks once more and writes down right before
//! mappings go.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::held::held;
use crate::bridge::Witness;
use crate::config::Clean;
use crate::domain::plan::Observations;
use crate::domain::{
    Activity, Failure, HeldFor, KeepReason, Mapping, Plan, Policies, SessionMap, Timestamp,
    Verdict, Warning, WarningCode,
};
use crate::journal::{Journal, PutBack, Removed};
use crate::process::{self, Processes};
use crate::provider::{InUse, Memories, Owners, Provider, in_use, observe};

/// What a run looks at the disk with.
pub(super) struct Eyes<'a> {
    pub(super) config: &'a Clean,
    pub(super) map: &'a SessionMap,
    pub(super) map_owner: Option<u32>,
    pub(super) now: Timestamp,
    pub(super) policies: &'a Policies,
}

impl Eyes<'_> {
    /// What of those mappings is on disk. A real run has `memories` of it, for its second look.
    pub(super) fn look(
        &self,
        places: impl Fn(u32, &str) -> bool,
        memories: Option<&mut Memories>,
    ) -> Result<Observations, Failure> {
        let base = |provider: &Provider| self.config.base(provider, self.map_owner);
        observe(
            self.map,
            places,
            self.owners(),
            |of| self.policies.of(of).cutoff,
            self.config.clock,
            memories,
            base,
        )
    }

    /// What runs now and may use a session, or hold the map: processes of our own user and of the
    /// map's owner.
    pub(super) fn processes(&self) -> Processes {
        let Owners { us, map } = self.owners();
        Processes::of_users(&[us].into_iter().chain(map).collect::<Vec<u32>>())
    }

    /// The mappings at these places that one of those processes uses, or that somebody holds.
    pub(super) fn in_use(
        &self,
        places: impl Iterator<Item = u32> + Clone,
        processes: &Processes,
    ) -> Result<(InUse, HashMap<u32, HeldFor>), Failure> {
        let base = |provider: &Provider| self.config.base(provider, self.map_owner);
        let mut used = in_use(self.map, places.clone(), processes, base)?;
        let held = held(self.config, self.map_owner, self.map, places.clone(), self.now);
        used.kept.extend(held.by.keys().map(|place| (*place, KeepReason::Held)));
        for place in places.filter(|_| held.is_untold) {
            used.kept.entry(place).or_insert(KeepReason::UseUntold);
        }
        used.warnings.extend(held.warnings);
        Ok((used, held.by))
    }

    fn owners(&self) -> Owners {
        Owners { us: process::user(), map: self.map_owner }
    }
}

/// Looks again at what is about to go, and writes it down.
pub(super) struct Clerk<'a> {
    pub(super) eyes: &'a Eyes<'a>,
    pub(super) journal: &'a Journal,
    pub(super) run: &'a str,
    pub(super) map_path: Option<PathBuf>,
    pub(super) url: Option<String>,
    pub(super) plan: &'a Plan,
    pub(super) observations: &'a Observations,
    pub(super) memories: Memories,
    /// Why those are held that are.
    pub(super) held: HashMap<u32, HeldFor>,
    /// What is not to go after all, with what was seen.
    pub(super) stayed: Vec<(u32, Verdict, Activity)>,
    pub(super) warnings: Vec<Warning>,
    /// Places in the map that was judged of what is in the journal already.
    pub(super) written: HashSet<u32>,
}

impl Clerk<'_> {
    /// Takes back what was written down of mappings that were then not removed, since somebody else
    /// had changed them: an undo has nothing to do with them.
    pub(super) fn take_back(&mut self, changed: &[u32]) {
        let void = |place: &u32| {
            let mapping = self.eyes.map.get(*place)?;
            Some(PutBack {
                time: self.eyes.now.rfc3339().unwrap_or_default(),
                run: self.run.to_owned(),
                map: self.map_path.as_ref().map(|path| path.to_string_lossy().into_owned()),
                model: mapping.model.to_owned(),
                chat: mapping.chat.0.to_owned(),
                session: mapping.session?.0.to_owned(),
                done: false,
                void: true,
            })
        };
        let written = changed.iter().filter(|place| self.written.contains(place));
        let marks: Vec<PutBack> = written.filter_map(void).collect();
        if let Err(failure) = self.journal.put_back(&marks) {
            self.warnings.push(Warning::new(WarningCode::NotWrittenDown, failure.message));
        }
    }
}

impl Witness for Clerk<'_> {
    fn look_again(&mut self, going: &[u32]) -> Result<Vec<u32>, Failure> {
        let is_going = |place: u32, _: &str| going.binary_search(&place).is_ok();
        let again = self.eyes.look(is_going, Some(&mut self.memories))?;
        let (used, held) = self.eyes.in_use(going.iter().copied(), &self.eyes.processes())?;
        self.held.extend(held);
        let mut still = Vec::new();
        for decision in again.judged(self.eyes.policies) {
            let verdict = match used.kept.get(&decision.mapping) {
                Some(why) if decision.verdict.goes() => Verdict::Keep(*why),
                _ => decision.verdict,
            };
            if verdict.goes() {
                still.push(decision.mapping);
            } else {
                let seen = again.activity(decision.subject).cloned().unwrap_or_default();
                self.stayed.push((decision.mapping, verdict, seen));
            }
        }
        if still.len() < going.len() {
            self.warnings.extend(again.warnings);
            self.warnings.extend(used.warnings);
        }
        Ok(still)
    }

    fn write_down(&mut self, map: &SessionMap, places: &[u32]) -> Result<(), Failure> {
        let judged = self.eyes.map;
        let same = std::ptr::eq(map, judged);
        // In a newer map the places are others; what was judged is found by what it holds.
        let by_mapping: HashMap<Mapping<'_>, u32> = if same {
            HashMap::new()
        } else {
            self.plan.going().filter_map(|place| Some((judged.get(place)?, place))).collect()
        };
        let time = self.eyes.now.rfc3339().unwrap_or_default();
        let map_path = self.map_path.as_ref().map(|path| path.to_string_lossy());
        let written = &mut self.written;
        let entries = places.iter().filter_map(|place| {
            let mapping = map.get(*place)?;
            let first = if same { *place } else { *by_mapping.get(&mapping)? };
            if !written.insert(first) {
                return None;
            }
            let before = place.checked_sub(1).and_then(|before| map.get(before));
            let before = before.filter(|before| before.model == mapping.model);
            let decision = self.plan.decision(first)?;
            let activity = self.observations.activity(decision.subject);
            let last_used = activity.and_then(Activity::last_used).and_then(Timestamp::rfc3339);
            Some(Removed {
                run: self.run.into(),
                time: time.as_str().into(),
                map: map_path.as_deref().map(Into::into),
                url: self.url.as_deref().map(Into::into),
                form: map.form().into(),
                model: mapping.model.into(),
                chat: mapping.chat.0.into(),
                before: before.map(|before| before.chat.0.into()),
                session: mapping.session?.0.into(),
                last_used: last_used.map(Into::into),
                reason: decision.verdict.to_string().into(),
            })
        });
        self.journal.about_to_remove(entries)
    }
}
