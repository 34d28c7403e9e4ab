//! The result of a run, and a row for each mapping of it.

use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::Path;

use super::process;
use crate::map::Source;
use crate::model::plan::Observations;
use crate::model::{
    Action, Activity, CliProcess, Clock, Decision, HeldFor, KeepReason, Mapping, Plan, Release,
    SessionMap, State, Thresholds, Timestamp, Verdict, Warning, Zone,
};

/// The result of a run.
#[derive(Debug)]
pub struct Report<'a> {
    pub run: &'a str,
    /// The profile that was asked for.
    pub profile: Option<&'a str>,
    pub started: Timestamp,
    /// True if nothing was changed.
    pub dry_run: bool,
    /// True if its mappings were named, so that none of them is kept for its state.
    pub by_hand: bool,
    pub thresholds: &'a Thresholds,
    pub clock: Clock,
    /// The time that the usual threshold means.
    pub cutoff: Timestamp,
    pub source: Source,
    /// The map as it was read, if there is one.
    pub map: Option<&'a SessionMap>,
    pub plan: &'a Plan,
    pub observations: &'a Observations,
    pub warnings: &'a [Warning],
}

/// How many mappings are in each state, and how many of them were removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub checked: u64,
    /// Used within the threshold.
    pub active: u64,
    /// Past the threshold, and used by a live process.
    pub in_use: u64,
    /// Past the threshold, and open in a process that is idle by its own record.
    pub resident: u64,
    /// The memory of these processes and their descendants.
    pub resident_bytes: u64,
    /// Their established TCP connections.
    pub resident_connections: u64,
    /// Last used before the threshold.
    pub idle: u64,
    /// Without a session file.
    pub missing: u64,
    /// With an archived copy only.
    pub archived: u64,
    /// Past the threshold, and pinned.
    pub pinned: u64,
    /// In a state that cannot be known.
    pub unknown: u64,
    pub removed: u64,
    pub would_remove: u64,
    /// Could not be removed.
    pub failed: u64,
    /// The processes that were ended.
    pub released: u64,
    pub would_release: u64,
    /// The memory that these, or those that would be ended, have held.
    pub released_bytes: u64,
}

/// One mapping in a report.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    pub mapping: Mapping<'a>,
    pub state: State,
    /// When its session was last used, if that is known.
    pub last_used: Option<Timestamp>,
    /// Whole seconds from then to the start of the run.
    pub idle_seconds: Option<u64>,
    /// The file that shows its session exists.
    pub file: Option<&'a Path>,
    pub action: Action,
    pub reason: Verdict,
    /// The hold that keeps it.
    pub held: Option<&'a HeldFor>,
    /// The name of the process that it is kept for, if one is known.
    pub process: Option<&'a str>,
    /// The live CLI process that has its session open, by its own record.
    pub cli_process: Option<&'a CliProcess>,
}

impl Row<'_> {
    /// Returns the reason of the verdict: `idle`, `process 4121 (claude)`, `process 4121 holds 212 MB, 1
    /// connection`. Where a release was asked for, it begins with the reason why the process is kept.
    pub(super) fn why(&self) -> String {
        let process = self.cli_process.filter(|process| {
            matches!(self.action, Action::Released | Action::WouldRelease)
                || (self.state == State::Resident && process.holdings.is_some())
        });
        let why = match (process, self.process) {
            (Some(process), _) => process::holders(process),
            (None, Some(name)) => format!("{} ({name})", self.reason),
            (None, None) => self.reason.to_string(),
        };
        match self.cli_process.and_then(process::release) {
            Some(release) => format!("{release}; {why}"),
            None => why,
        }
    }

    /// Returns the reason of the hold that keeps it, and its start.
    pub(super) fn held_for(&self, zone: Zone) -> Option<String> {
        let held = self.held.filter(|_| self.reason == Verdict::Keep(KeepReason::Held))?;
        let since = held.since.map(|since| format!(" since {}", since.shown(zone)));
        Some(format!("held for {}{}", held.reason, since.unwrap_or_default()))
    }
}

impl Report<'_> {
    /// Returns a row for each judged mapping, in the map's order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let mut mappings = self.map.into_iter().flat_map(SessionMap::indexed);
        self.plan.decisions.iter().filter_map(move |decision| {
            // Both are in the map's order, so one walk finds every mapping.
            let (_, mapping) = mappings.find(|(index, _)| *index == decision.mapping)?;
            Some(self.about(mapping, *decision))
        })
    }

    /// Returns the row with that number.
    pub fn row(&self, number: usize) -> Option<Row<'_>> {
        let decision = self.plan.decisions.get(number)?;
        Some(self.about(self.map?.get(decision.mapping)?, *decision))
    }

    fn about<'a>(&'a self, mapping: Mapping<'a>, decision: Decision) -> Row<'a> {
        let activity = self.observations.activity(decision.subject);
        let last_used = activity.and_then(Activity::last_used);
        Row {
            mapping,
            state: decision.verdict.state(),
            last_used,
            idle_seconds: last_used.map(|used| used.seconds_until(self.started)),
            file: activity.and_then(|activity| Some(activity.file()?.path.as_path())),
            action: self.action(decision),
            reason: decision.verdict,
            held: self.plan.held.get(&decision.mapping),
            cli_process: self.plan.cli_processes.get(&decision.mapping),
            process: match decision.verdict {
                Verdict::Keep(reason) => {
                    reason.process().and_then(|id| self.plan.processes.get(&id)).map(String::as_str)
                }
                Verdict::Remove(_) => None,
            },
        }
    }

    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for decision in &self.plan.decisions {
            summary.checked += 1;
            *match decision.verdict.state() {
                State::Active => &mut summary.active,
                State::Idle => &mut summary.idle,
                State::Missing => &mut summary.missing,
                State::Archived => &mut summary.archived,
                State::Pinned => &mut summary.pinned,
                State::InUse => &mut summary.in_use,
                State::Resident => &mut summary.resident,
                State::Unknown => &mut summary.unknown,
            } += 1;
            match self.action(*decision) {
                Action::Kept | Action::Released | Action::WouldRelease => {}
                Action::Removed => summary.removed += 1,
                Action::WouldRemove => summary.would_remove += 1,
                Action::Failed => summary.failed += 1,
            }
        }
        self.add_processes(&mut summary);
        summary
    }

    /// Returns how long the longest idle process of a resident session is, in seconds; 0 if there is none.
    pub fn oldest_idle_seconds(&self) -> u64 {
        let resident =
            self.plan.decisions.iter().filter(|it| it.verdict.state() == State::Resident);
        let processes = resident.filter_map(|it| self.plan.cli_processes.get(&it.mapping));
        let processes = processes.flat_map(CliProcess::all).filter(|process| !is_gone(process));
        let idle = processes.filter_map(|process| process.idle_since);
        idle.map(|since| since.seconds_until(self.started)).max().unwrap_or(0)
    }

    /// Adds the live CLI processes, each once, though several chats may have its session.
    fn add_processes(&self, summary: &mut Summary) {
        let mut counted = HashSet::new();
        for decision in &self.plan.decisions {
            let Some(process) = self.plan.cli_processes.get(&decision.mapping) else { continue };
            let is_resident = decision.verdict.state() == State::Resident;
            for process in process.all().filter(|process| counted.insert(process.pid)) {
                add_process(summary, process, is_resident);
            }
        }
    }

    /// Returns the providers that were searched, each with its folder of sessions.
    pub fn roots(&self) -> impl Iterator<Item = (usize, &Path)> {
        let looked = self.observations.providers.iter().enumerate();
        looked.filter_map(|(provider, seen)| Some((provider, seen.as_ref()?.root.as_path())))
    }

    fn action(&self, decision: Decision) -> Action {
        let processes = self.plan.cli_processes.get(&decision.mapping);
        let mut releases =
            processes.into_iter().flat_map(CliProcess::all).filter_map(|it| it.release.as_ref());
        let release = releases.find(|it| matches!(it, Release::Released | Release::WouldRelease));
        match decision.verdict {
            Verdict::Keep(KeepReason::Failed(_)) => Action::Failed,
            Verdict::Keep(_) => match release {
                Some(Release::Released) => Action::Released,
                Some(Release::WouldRelease) => Action::WouldRelease,
                Some(Release::Kept(_) | Release::Ending) | None => Action::Kept,
            },
            Verdict::Remove(_) if self.dry_run => Action::WouldRemove,
            Verdict::Remove(_) => Action::Removed,
        }
    }
}

/// Adds one process. One that has ended holds nothing any more.
fn add_process(summary: &mut Summary, process: &CliProcess, is_resident: bool) {
    let holdings = process.holdings.as_ref();
    let bytes = holdings.map_or(0, |held| held.memory.bytes);
    if is_resident && !is_gone(process) {
        summary.resident_bytes += bytes;
        summary.resident_connections += holdings.map_or(0, |held| held.connections.count) as u64;
    }

    let count = match process.release {
        Some(Release::Released) => &mut summary.released,
        Some(Release::WouldRelease) => &mut summary.would_release,
        Some(Release::Kept(_) | Release::Ending) | None => return,
    };
    *count += 1;
    summary.released_bytes += bytes;
}

fn is_gone(process: &CliProcess) -> bool {
    process.release == Some(Release::Released)
}
