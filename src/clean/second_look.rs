//! The guard of a removal: it records the mappings in the journal, then looks at them once more right
//! before the map changes.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::observer::Observer;
use super::removal_records::RemovalRecords;
use crate::journal::{Journal, MapOfRun, RestoreRecord};
use crate::map::{MANY, Rechecked, Removal, RemovalGuard};
use crate::model::plan::Observations;
use crate::model::{
    Activity, Exit, Failure, HeldFor, KeepReason, Mapping, MappingIdx, Plan, SessionMap, Verdict,
    Warning, WarningCode,
};
use crate::os::progress::Phase;
use crate::provider::{Memories, Work};

/// How old a look at processes, locks and holds may be when a mapping is removed.
const OLDEST_WORK: Duration = Duration::from_secs(2);

pub(super) struct SecondLook<'a> {
    pub(super) observer: &'a Observer<'a>,
    pub(super) journal: &'a Journal,
    pub(super) run: &'a str,
    pub(super) map_path: Option<PathBuf>,
    pub(super) url: Option<String>,
    pub(super) plan: &'a Plan,
    pub(super) observations: &'a Observations,
    pub(super) memories: &'a mut Memories,
    /// For each mapping of the judged map: true if it is in the journal already. A map may be large, and
    /// this lives while everything is looked at again.
    pub(super) recorded: Vec<bool>,
    /// True once the journal has the map of this run's removals.
    pub(super) has_recorded_map: bool,
    /// True if the mappings were selected by the user: then only a session in use is kept.
    pub(super) is_by_hand: bool,
    /// True once all selected mappings were looked at again.
    pub(super) is_rechecked: bool,
    pub(super) findings: Findings,
}

/// The changes of the second look to the plan.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) held: HashMap<MappingIdx, HeldFor>,
    /// The names of the processes that mappings are kept for.
    pub(super) processes: HashMap<u32, String>,
    /// The mappings that are kept after all, each with the new evidence of its session.
    pub(super) kept: Vec<(MappingIdx, Verdict, Activity)>,
    pub(super) warnings: Vec<Warning>,
}

impl SecondLook<'_> {
    /// Voids the journal's entries about mappings that were not removed, so that an undo does not offer
    /// them. If a bridge gave no answer, its mapping may be gone, and its entry stays.
    pub(super) fn void_kept(&mut self, removal: &Result<Removal, Failure>) {
        let nothing = Removal::default();
        let removal = match removal {
            Ok(removal) => removal,
            // The map may have changed, so nothing is known.
            Err(failure) if failure.exit == Exit::Partly => return,
            Err(_) => &nothing,
        };

        let removed: HashSet<MappingIdx> = removal.removed.iter().copied().collect();
        let recorded = (0..).map(MappingIdx).zip(&self.recorded).filter(|(_, recorded)| **recorded);
        let kept = recorded
            .map(|(mapping, _)| mapping)
            .filter(|mapping| !removed.contains(mapping) && removal.unanswered != Some(*mapping));
        let map = MapOfRun::new(self.run, self.map_path.as_deref(), None);
        let voided = kept.filter_map(|mapping| self.voided(mapping));
        if let Err(failure) = self.journal.record_restored(map.as_ref(), voided) {
            self.findings.warnings.push(Warning::new(WarningCode::NotWrittenDown, failure.message));
        }
    }

    fn voided(&self, mapping: MappingIdx) -> Option<RestoreRecord> {
        let mapping = self.observer.map.get(mapping)?;
        Some(RestoreRecord {
            time: self.observer.now.rfc3339().unwrap_or_default(),
            run: self.run.to_owned(),
            undo: None,
            map: None,
            model: mapping.model.to_owned(),
            chat: mapping.chat.0.to_owned(),
            session: mapping.session?.0.to_owned(),
            done: false,
            void: true,
        })
    }

    /// Checks only whether a selected session is in use now; if one is, none is removed. The first time,
    /// all of them are checked: a bridge is asked to remove one mapping after the other, and should
    /// remove all or none.
    fn recheck_selected(&mut self, removals: &[MappingIdx]) -> Result<Rechecked, Failure> {
        let all: Vec<MappingIdx> = self.plan.removals().collect();
        let is_first = !std::mem::replace(&mut self.is_rechecked, true);
        let (_, work) = self.work(if is_first { &all } else { removals })?;
        for (mapping, why) in work.kept {
            if !matches!(why, KeepReason::Resident(_)) {
                let kept = (mapping, Verdict::Keep(why), self.first_activity(mapping));
                self.findings.kept.push(kept);
            }
        }

        let is_refused = !self.findings.kept.is_empty();
        if is_refused {
            self.findings.warnings.extend(work.warnings);
        }

        let still = if is_refused { Vec::new() } else { removals.to_vec() };
        Ok(Rechecked { still, ended: Instant::now() })
    }

    /// Returns the activity that the first look has seen of that mapping's session.
    fn first_activity(&self, mapping: MappingIdx) -> Activity {
        let subject = self.plan.decision(mapping).map(|decision| decision.subject);
        subject.and_then(|of| self.observations.activity(of)).cloned().unwrap_or_default()
    }

    /// Looks at processes, locks and holds. Returns when the look began.
    fn work(&mut self, removals: &[MappingIdx]) -> Result<(Instant, Work), Failure> {
        let began = Instant::now();
        let processes = self.observer.processes();
        let (work, held) = self.observer.work(removals.iter().copied(), &processes)?;
        self.findings.held.extend(held);
        self.findings.processes.extend(work.names.clone());
        Ok((began, work))
    }
}

impl RemovalGuard for SecondLook<'_> {
    fn recheck(&mut self, removals: &[MappingIdx]) -> Result<Rechecked, Failure> {
        // A bridge is asked for one mapping after the other, which shows its own progress.
        let progress = self.observer.interrupt.progress();
        if progress.phase() != Phase::Bridge {
            progress.begin(Phase::Recheck, 0);
        }

        if self.is_by_hand {
            return self.recheck_selected(removals);
        }

        let (began, mut work) = self.work(removals)?;
        let is_asked = |mapping, _: &str| removals.binary_search(&mapping).is_ok();
        // The signal is looked for right before the map changes.
        let unheeded = self.observer.interrupt.unheeded();
        let again = self.observer.look(is_asked, Some(&mut *self.memories), unheeded)?;
        let mut ended = Instant::now();
        // The look at a very large home may take so long that a process has started meanwhile.
        if began.elapsed() > OLDEST_WORK {
            (_, work) = self.work(removals)?;
        }

        let mut still = Vec::new();
        for decision in again.judged(self.observer.policies) {
            let verdict = match work.kept.get(&decision.mapping) {
                Some(why) if decision.verdict.removes() => Verdict::Keep(*why),
                _ => decision.verdict,
            };
            if verdict.removes() {
                still.push(decision.mapping);
            } else {
                let activity = again.activity(decision.subject).cloned().unwrap_or_default();
                self.findings.kept.push((decision.mapping, verdict, activity));
            }
        }

        if removals.len() > MANY {
            ended = Instant::now();
        }
        if still.len() < removals.len() {
            self.findings.warnings.extend(again.warnings);
            self.findings.warnings.extend(work.warnings);
        }

        Ok(Rechecked { still, ended })
    }

    fn record(&mut self, map: &SessionMap, removals: &[MappingIdx]) -> Result<(), Failure> {
        let judged = self.observer.map;
        let is_same = std::ptr::eq(map, judged);
        // In a newer map the positions differ, so judged mappings are found by their content.
        let by_mapping: HashMap<Mapping<'_>, MappingIdx> = if is_same {
            HashMap::new()
        } else {
            self.plan.removals().filter_map(|index| Some((judged.get(index)?, index))).collect()
        };

        let time = self.observer.now.rfc3339().unwrap_or_default();
        let (run, plan, observations) = (self.run, self.plan, self.observations);
        let records = RemovalRecords { run, time, plan, observations };
        let recorded = &mut self.recorded;
        let entries = removals.iter().filter_map(|index| {
            let judged = if is_same { *index } else { *by_mapping.get(&map.get(*index)?)? };
            let is_recorded = std::mem::replace(recorded.get_mut(judged.get())?, true);
            if is_recorded { None } else { records.record(map, *index, judged) }
        });

        let of_run = MapOfRun::new(self.run, self.map_path.as_deref(), self.url.as_deref());
        let of_run = of_run.filter(|_| !self.has_recorded_map);
        self.journal.record_removals(of_run.as_ref(), entries)?;
        self.has_recorded_map = true;
        Ok(())
    }
}
