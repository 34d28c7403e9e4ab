//! What a clean looks at the disk with, and the guard that records what is about to be removed and
//! looks once more right before it is.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::held::held;
use crate::config::Clean;
use crate::journal::{Journal, RemovalRecord, RestoreRecord};
use crate::map::map_file::stopped;
use crate::map::{MANY, Rechecked, Removal, RemovalGuard};
use crate::model::plan::Observations;
use crate::model::{
    Activity, Failure, HeldFor, KeepReason, Mapping, Plan, Policies, SessionMap, Timestamp,
    Verdict, Warning, WarningCode,
};
use crate::os::interrupt::Interrupt;
use crate::os::progress::Phase;
use crate::process::{self, Processes};
use crate::provider::{LookOptions, Memories, Owners, Provider, Work, observe, work};

/// How old what is known of processes, locks and holds may be when a mapping is removed.
const OLDEST_WORK: Duration = Duration::from_secs(2);

/// What a run looks at the disk with.
pub(super) struct Observer<'a> {
    pub(super) config: &'a Clean,
    pub(super) map: &'a SessionMap,
    pub(super) map_owner: Option<u32>,
    pub(super) now: Timestamp,
    pub(super) policies: &'a Policies,
    pub(super) interrupt: &'a Interrupt,
}

impl Observer<'_> {
    /// Returns the evidence of those mappings on disk. A real run has `memories` of it, for its second
    /// look.
    ///
    /// # Errors
    /// If a signal ends it, or a provider has no place.
    pub(super) fn look(
        &self,
        places: impl Fn(u32, &str) -> bool,
        memories: Option<&mut Memories>,
        interrupt: Interrupt,
    ) -> Result<Observations, Failure> {
        let base = |provider: &Provider| self.config.base(provider, self.map_owner);
        let (owners, clock) = (self.owners(), self.config.clock);
        let options = LookOptions { owners, clock, interrupt };
        let cutoff = |of| self.policies.of(of).cutoff;
        let seen = observe(self.map, places, &options, cutoff, memories, base)?;
        // What was seen until then is not all there is.
        if options.interrupt.asked() { Err(stopped()) } else { Ok(seen) }
    }

    /// Returns the processes that may use a session, or hold the map: those of our own user and of the
    /// map's owner.
    pub(super) fn processes(&self) -> Processes {
        let Owners { us, map } = self.owners();
        Processes::of_users(&[us].into_iter().chain(map).collect::<Vec<u32>>())
    }

    /// Returns the mappings at these positions that one of those processes works on or has open, or
    /// that are held.
    pub(super) fn work(
        &self,
        places: impl Iterator<Item = u32> + Clone,
        processes: &Processes,
    ) -> Result<(Work, HashMap<u32, HeldFor>), Failure> {
        let base = |provider: &Provider| self.config.base(provider, self.map_owner);
        let ignored = &self.config.ignore_processes;
        let mut work = work(self.map, places.clone(), processes, ignored, self.now, base)?;
        let held = held(self.config, self.map_owner, self.map, places.clone(), self.now);
        work.kept.extend(held.by.keys().map(|place| (*place, KeepReason::Held)));
        for place in places.filter(|_| held.is_untold) {
            let kept = work.kept.entry(place).or_insert(KeepReason::InUseUnknown);
            // A hold that cannot be read may protect the session, so it is not only resident.
            if matches!(kept, KeepReason::Resident(_)) {
                *kept = KeepReason::InUseUnknown;
            }
        }
        work.warnings.extend(held.warnings);
        Ok((work, held.by))
    }

    fn owners(&self) -> Owners {
        Owners { us: process::user(), map: self.map_owner }
    }
}

/// Records what is about to be removed, and looks at it once more.
pub(super) struct SecondLook<'a> {
    pub(super) observer: &'a Observer<'a>,
    pub(super) journal: &'a Journal,
    pub(super) run: &'a str,
    pub(super) map_path: Option<PathBuf>,
    pub(super) url: Option<String>,
    pub(super) plan: &'a Plan,
    pub(super) observations: &'a Observations,
    pub(super) memories: Memories,
    /// Why those are held that are.
    pub(super) held: HashMap<u32, HeldFor>,
    /// What the processes are called that mappings are kept for.
    pub(super) processes: HashMap<u32, String>,
    /// The mappings that are not to be removed after all, with what was seen.
    pub(super) stayed: Vec<(u32, Verdict, Activity)>,
    pub(super) warnings: Vec<Warning>,
    /// For each position in the map that was judged: true if it is in the journal already. A map may
    /// be large, and this lives while everything is looked at again.
    pub(super) recorded: Vec<bool>,
    /// True if the mappings were named: then only a session that is in use is not removed.
    pub(super) is_by_hand: bool,
    /// True once all of those were looked at again.
    pub(super) is_rechecked: bool,
    /// True once one of them is in use: then nothing more is removed.
    pub(super) is_refused: bool,
}

impl SecondLook<'_> {
    /// Voids what was recorded of mappings that were then not removed: an undo has nothing to do with
    /// them. What a bridge was asked to remove without an answer may be gone, and is left.
    pub(super) fn void(&mut self, removal: &Removal) {
        let void = |place: u32| {
            let mapping = self.observer.map.get(place)?;
            Some(RestoreRecord {
                time: self.observer.now.rfc3339().unwrap_or_default(),
                run: self.run.to_owned(),
                undo: None,
                map: self.map_path.clone().map(Into::into),
                model: mapping.model.to_owned(),
                chat: mapping.chat.0.to_owned(),
                session: mapping.session?.0.to_owned(),
                done: false,
                void: true,
            })
        };
        let removed: HashSet<u32> = removal.removed.iter().copied().collect();
        let recorded = (0..).zip(&self.recorded).filter(|(_, recorded)| **recorded);
        let kept = recorded
            .map(|(place, _)| place)
            .filter(|place| !removed.contains(place) && removal.unanswered != Some(*place));
        if let Err(failure) = self.journal.record_restored(kept.filter_map(void)) {
            self.warnings.push(Warning::new(WarningCode::NotWrittenDown, failure.message));
        }
    }

    /// Looks only whether the sessions of mappings that were named are in use; if one is, none is
    /// removed. Until something is, all of them are looked at, so that a bridge, which is asked for one
    /// after the other, is asked for all or none as far as can be.
    fn recheck_named(&mut self, going: &[u32]) -> Result<Rechecked, Failure> {
        let plan = self.plan;
        let all: Vec<u32> = plan.going().collect();
        let is_first = !std::mem::replace(&mut self.is_rechecked, true);
        let (_, work) = self.work(if is_first { &all } else { going })?;
        let used = work.kept.iter().filter(|(_, why)| !matches!(why, KeepReason::Resident(_)));
        for (place, why) in used {
            self.is_refused = true;
            self.stayed.push((*place, Verdict::Keep(*why), self.seen(*place)));
        }
        if self.is_refused {
            self.warnings.extend(work.warnings);
        }
        let still = if self.is_refused { Vec::new() } else { going.to_vec() };
        Ok(Rechecked { still, ended: Instant::now() })
    }

    /// Returns what the first look has seen of that mapping's session.
    fn seen(&self, place: u32) -> Activity {
        let subject = self.plan.decision(place).map(|decision| decision.subject);
        subject.and_then(|of| self.observations.activity(of)).cloned().unwrap_or_default()
    }

    /// Looks for processes, locks and holds.
    fn work(&mut self, going: &[u32]) -> Result<(Instant, Work), Failure> {
        let began = Instant::now();
        let processes = self.observer.processes();
        let (work, held) = self.observer.work(going.iter().copied(), &processes)?;
        self.held.extend(held);
        self.processes.extend(work.names.clone());
        Ok((began, work))
    }
}

impl RemovalGuard for SecondLook<'_> {
    fn recheck(&mut self, going: &[u32]) -> Result<Rechecked, Failure> {
        // A bridge is asked for one mapping after the other, which shows its own progress.
        let progress = self.observer.interrupt.progress();
        if progress.phase() != Phase::Bridge {
            progress.begin(Phase::Recheck, 0);
        }
        if self.is_by_hand {
            return self.recheck_named(going);
        }

        let (began, mut work) = self.work(going)?;
        let is_going = |place: u32, _: &str| going.binary_search(&place).is_ok();
        // The signal is looked for right before the map changes.
        let unheeded = self.observer.interrupt.unheeded();
        let again = self.observer.look(is_going, Some(&mut self.memories), unheeded)?;
        let mut ended = Instant::now();
        // A look at a very large home takes so long that a process may have come meanwhile.
        if began.elapsed() > OLDEST_WORK {
            (_, work) = self.work(going)?;
        }

        let mut still = Vec::new();
        for decision in again.judged(self.observer.policies) {
            let verdict = match work.kept.get(&decision.mapping) {
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
        if going.len() > MANY {
            ended = Instant::now();
        }
        if still.len() < going.len() {
            self.warnings.extend(again.warnings);
            self.warnings.extend(work.warnings);
        }
        Ok(Rechecked { still, ended })
    }

    fn record(&mut self, map: &SessionMap, places: &[u32]) -> Result<(), Failure> {
        let judged = self.observer.map;
        let same = std::ptr::eq(map, judged);
        // In a newer map the places are others; what was judged is found by what it holds.
        let by_mapping: HashMap<Mapping<'_>, u32> = if same {
            HashMap::new()
        } else {
            self.plan.going().filter_map(|place| Some((judged.get(place)?, place))).collect()
        };
        let time = self.observer.now.rfc3339().unwrap_or_default();
        let map_path = self.map_path.as_deref();
        let recorded = &mut self.recorded;
        let entries = places.iter().filter_map(|place| {
            let mapping = map.get(*place)?;
            let first = if same { *place } else { *by_mapping.get(&mapping)? };
            let recorded = recorded.get_mut(first as usize)?;
            if std::mem::replace(recorded, true) {
                return None;
            }
            let before = place.checked_sub(1).and_then(|before| map.get(before));
            let before = before.filter(|before| before.model == mapping.model);
            let decision = self.plan.decision(first)?;
            let activity = self.observations.activity(decision.subject);
            let last_used = activity.and_then(Activity::last_used).and_then(Timestamp::rfc3339);
            Some(RemovalRecord {
                run: self.run.into(),
                time: time.as_str().into(),
                map: map_path.map(Into::into),
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
        self.journal.record_removals(entries)
    }
}
