//! The release of idle CLI processes: which facts are read, whether a process may be ended, and how it is ended.
//!
//! [`look`] finds out, with [`record`], [`schedules`] and [`crate::process::facts`], and [`cpu`] measures;
//! [`conditions`] decides, and [`kept`] has its reasons; `run` plans and `ending` carries out, through
//! [`signal`].

pub mod by_hand;
pub mod conditions;
pub mod cpu;
mod ending;
pub mod kept;
pub mod look;
pub mod record;
mod restarts;
pub(super) mod run;
pub mod schedules;
mod sessions;
pub mod signal;

use std::collections::HashMap;

use super::cli_processes::LiveProcesses;
use super::observer::Observer;
use crate::journal::{Journal, JournalPath, PastReleases, ReleaseEvent, ReleaseRecord, RunKind};
use crate::map::{BridgeReaction, MapFormat, MapStore};
use crate::model::{
    CliProcess, Failure, MappingIdx, Plan, ProviderIdx, SessionMap, Timestamp, Warning, WarningCode,
};
use crate::process::facts::Machine;
use crate::provider::{PROVIDERS, Provider, RecordedProcess, recorded_processes};

use conditions::{Bridge, Claim};
use look::Candidate;
use run::{Place, ReleaseRun, Subject};

/// Claude Code's place in the table: the only CLI whose processes are ended.
pub(super) const CLAUDE: ProviderIdx = ProviderIdx(0);

/// Returns the live processes of Claude Code, by their records.
fn live(observer: &Observer<'_>) -> Vec<RecordedProcess> {
    let provider = &PROVIDERS[CLAUDE.get()];
    let base = observer.config.base(provider, observer.map_owner);
    base.map(|base| recorded_processes(provider, &base, observer.now)).unwrap_or_default()
}

/// A release for the mappings of a clean.
pub(super) struct CleanRelease<'a> {
    pub(super) run: ReleaseRun<'a>,
    /// The journal's line about a bridge that was seen to restart sessions.
    restart: Option<ReleaseRecord>,
}

impl<'a> CleanRelease<'a> {
    /// Finds the candidates: the live processes of judged mappings.
    pub(super) fn new(
        observer: Observer<'a>,
        store: &'a dyn MapStore,
        id: &str,
        live: &LiveProcesses,
        plan: &Plan,
        journal: Option<&Journal>,
    ) -> Result<Self, Failure> {
        let place = place(&observer, store)?;
        let subjects = of_mappings(&observer, &place, live, plan);
        let past = journal.map(Journal::releases).transpose()?.unwrap_or_default();

        let mut warnings = Vec::new();
        let restart = restart(&observer, &place, &past);
        let restarts = match &restart {
            Some(record) => {
                warnings.push(restart_warning(&record.session));
                true
            }
            None => is_flagged(&place, &past, journal)?,
        };
        if restarts && restart.is_none() && !subjects.is_empty() {
            let message =
                "an earlier run saw that the bridge of this map restarts released sessions";
            warnings.push(Warning::new(WarningCode::BridgeRestarts, message));
        }

        let bridge = bridge(&observer, &place, restarts);
        let mut run = ReleaseRun::new(observer, store, id, place, subjects, bridge, past);
        run.warnings = warnings;
        Ok(Self { run, restart })
    }

    /// Adds the outcomes to the processes of a plan.
    pub(super) fn show_in(&self, plan: &mut Plan) {
        for subject in self.run.subjects() {
            for mapping in &subject.mappings {
                let shown = plan.cli_processes.get_mut(mapping);
                if let Some(process) = shown.and_then(|it| it.of_mut(subject.candidate.pid())) {
                    process.release.clone_from(&subject.outcome);
                }
            }
        }
    }

    /// Records that the bridge restarts sessions, for later runs.
    pub(super) fn record_restart(&self, journal: &Journal) -> Result<(), Failure> {
        journal.record_releases(self.restart.iter().cloned())
    }
}

fn place(observer: &Observer<'_>, store: &dyn MapStore) -> Result<Place, Failure> {
    let provider = &PROVIDERS[CLAUDE.get()];
    let home = observer.config.base(provider, observer.map_owner)?.folder;
    Ok(Place { map: store.real_path(), url: store.source().url, home })
}

/// Returns how the bridge reacts to the end of its CLI. One that has answered over its API is of that format; of a
/// file alone nothing is known.
fn bridge(observer: &Observer<'_>, place: &Place, restarts: bool) -> Bridge {
    let settings = &observer.config.release;
    let of_api = place.url.as_ref().map(|_| MapFormat::OF_API);
    let known = of_api.into_iter().chain(settings.format).map(|format| format.reaction).max();
    Bridge {
        reaction: known.unwrap_or(BridgeReaction::Breaks),
        accepted: settings.accepts,
        restarts,
    }
}

/// Returns the processes of Claude Code whose session a judged mapping has.
fn of_mappings(
    observer: &Observer<'_>,
    place: &Place,
    live: &LiveProcesses,
    plan: &Plan,
) -> Vec<Subject> {
    let provider = &PROVIDERS[CLAUDE.get()];
    let mut mappings: HashMap<String, Vec<MappingIdx>> = HashMap::new();
    for decision in &plan.decisions {
        let mapping = observer.map.get(decision.mapping);
        let of_claude = mapping.filter(|mapping| mapping.model == provider.model);
        if let Some(session) = of_claude.and_then(|mapping| mapping.session) {
            let key = provider.session_key(session.0);
            mappings.entry(key).or_default().push(decision.mapping);
        }
    }
    add_other_models(observer.map, &mut mappings);

    let of_claude = live.iter().filter(|(index, _)| *index == CLAUDE).map(|(_, process)| process);
    let subjects = of_claude.filter_map(|process| {
        let mappings = mappings.get(&provider.session_key(&process.session))?.clone();
        Some(subject(process, place, Claim::Mapped, mappings, plan))
    });
    let mut subjects: Vec<Subject> = subjects.collect();
    subjects.sort_by_key(Subject::order);
    subjects
}

/// Adds the chats that have one of these sessions under a model of no known CLI: a pin or a hold on one of them
/// protects the session as well.
pub(super) fn add_other_models(map: &SessionMap, mappings: &mut HashMap<String, Vec<MappingIdx>>) {
    let provider = &PROVIDERS[CLAUDE.get()];
    for (index, mapping) in map.indexed() {
        if Provider::of_model(mapping.model).is_none()
            && let Some(session) = mapping.session
            && let Some(of_session) = mappings.get_mut(&provider.session_key(session.0))
        {
            of_session.push(index);
        }
    }
}

fn subject(
    process: &RecordedProcess,
    place: &Place,
    claim: Claim,
    mappings: Vec<MappingIdx>,
    plan: &Plan,
) -> Subject {
    let shown = mappings.first().and_then(|mapping| plan.cli_processes.get(mapping));
    let mut all = shown.into_iter().flat_map(CliProcess::all);
    let held = all.find(|shown| shown.pid == process.pid).and_then(|shown| shown.holdings);
    Subject {
        candidate: Candidate::new(process.pid, place.home.clone()),
        session: process.session.clone(),
        claim,
        mappings,
        memory_bytes: held.map(|held| held.memory.bytes),
        outcome: None,
    }
}

/// Returns the line about a session of this map that was released and has a process again without a message.
fn restart(observer: &Observer<'_>, place: &Place, past: &PastReleases) -> Option<ReleaseRecord> {
    let releases = past.newest_of_sessions(place.map.as_deref(), place.url.as_deref());
    if releases.is_empty() {
        return None;
    }

    let live = live(observer);
    let live: Vec<&RecordedProcess> = live.iter().collect();
    let machine = Machine::read();
    let (now, interrupt) = (observer.now, observer.interrupt);
    let found = restarts::restarted(&releases, &live, &place.home, &machine, now, interrupt)?;
    let time = observer.now.rfc3339().unwrap_or_default();
    Some(ReleaseRecord { event: ReleaseEvent::Restarted, time, ..found.clone() })
}

fn restart_warning(session: &str) -> Warning {
    let message = format!(
        "session {session} was released and has a process again although no message came: its bridge restarts sessions by itself"
    );
    Warning::new(WarningCode::BridgeRestarts, message)
}

/// Returns true if an earlier run saw that the bridge restarts sessions, and `release` was not run by hand since.
fn is_flagged(
    place: &Place,
    past: &PastReleases,
    journal: Option<&Journal>,
) -> Result<bool, Failure> {
    let (map, url) = (place.map.as_deref(), place.url.as_deref());
    let Some((restarted, journal)) = past.restarted(map, url).zip(journal) else {
        return Ok(false);
    };

    let by_hand = journal.runs()?.into_iter().filter(|run| {
        let is_same_map = map.is_some() && run.map.as_ref().map(JournalPath::as_path) == map;
        let is_same_url = url.is_some() && run.url.as_deref() == url;
        run.command == RunKind::Release
            && (is_same_map || is_same_url)
            && Timestamp::parse(&run.started).is_some_and(|started| started >= restarted)
    });
    Ok(by_hand.count() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claude_code_is_in_its_place() {
        assert_eq!(PROVIDERS[CLAUDE.get()].name, "claude");
    }
}
