//! The live CLI processes of a map: which mappings they belong to, what they hold, and which are leftovers.
//! Nothing here signals them.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::observer::Observer;
use crate::config::Clean;
use crate::model::plan::Subject;
use crate::model::{
    CliProcess, Failure, MappingIdx, Plan, Policies, ProcessDetails, ProviderIdx, SessionMap,
    Timestamp, Verdict, Warning, WarningCode,
};
use crate::os::interrupt::Interrupt;
use crate::process::facts::{Facts, ProcessReading};
use crate::process::holdings::{AllHoldings, holdings};
use crate::process::tree::Tree;
use crate::process::{Process, Processes, is_claude, may_have_folder, program_name};
use crate::provider::{PROVIDERS, Provider, RecordedProcess, recorded_processes};

/// The live processes of all providers, by their own records.
pub(super) struct LiveProcesses {
    all: Vec<(ProviderIdx, RecordedProcess)>,
}

impl LiveProcesses {
    /// Reads the records of the providers that the run asks for.
    pub(super) fn read(
        config: &Clean,
        map_owner: Option<u32>,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let mut all = Vec::new();
        for (index, provider) in (0..).map(ProviderIdx).zip(&PROVIDERS) {
            if provider.has_records() && config.asks_for(provider.model) {
                let base = config.base(provider, map_owner)?;
                let recorded = recorded_processes(provider, &base, now);
                all.extend(recorded.into_iter().map(|process| (index, process)));
            }
        }
        Ok(Self { all })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(ProviderIdx, RecordedProcess)> {
        self.all.iter()
    }

    /// Returns the processes of each session, by provider and session.
    fn by_session(&self) -> HashMap<(ProviderIdx, String), Vec<&RecordedProcess>> {
        let mut sessions: HashMap<_, Vec<&RecordedProcess>> = HashMap::new();
        for (provider, process) in &self.all {
            let key = (*provider, PROVIDERS[provider.get()].session_key(&process.session));
            sessions.entry(key).or_default().push(process);
        }
        sessions
    }

    /// Returns the processes whose session no mapping of the map has.
    pub(super) fn unmapped<'l>(
        &'l self,
        map: &SessionMap,
    ) -> impl Iterator<Item = &'l (ProviderIdx, RecordedProcess)> {
        let mapped = mapped_sessions(map);
        self.all.iter().filter(move |(provider, process)| {
            let key = (*provider, PROVIDERS[provider.get()].session_key(&process.session));
            !mapped.contains(&key)
        })
    }
}

pub(super) fn mapped_sessions(map: &SessionMap) -> HashSet<(ProviderIdx, String)> {
    let sessions = map.mappings().filter_map(|mapping| {
        let (index, provider) = Provider::of_model(mapping.model)?;
        Some((index, provider.session_key(mapping.session?.0)))
    });
    sessions.collect()
}

/// Adds to the plan the live process of each mapping, and the leftovers. Returns a warning for each session that
/// several processes have open.
pub(super) fn add(observer: &Observer<'_>, live: &LiveProcesses, plan: &mut Plan) -> Vec<Warning> {
    if live.is_empty() {
        return Vec::new();
    }

    let sessions = live.by_session();
    let mut warnings = Vec::new();
    let mut warned = HashSet::new();
    let mut of_mappings: Vec<(MappingIdx, &RecordedProcess, &[&RecordedProcess])> = Vec::new();
    for decision in &plan.decisions {
        let Subject::Session { provider, .. } = decision.subject else { continue };
        let session = observer.map.get(decision.mapping).and_then(|mapping| mapping.session);
        let Some(session) = session.map(|id| PROVIDERS[provider.get()].session_key(id.0)) else {
            continue;
        };
        let key = (provider, session);
        let Some(processes) = sessions.get(&key) else { continue };

        let reason = match decision.verdict {
            Verdict::Keep(reason) => reason.process(),
            Verdict::Remove(_) => None,
        };
        let named = processes.iter().find(|process| Some(process.pid) == reason);
        if let Some(process) = named.or(processes.first()) {
            of_mappings.push((decision.mapping, process, processes));
        }
        if processes.len() > 1 && warned.insert(key) {
            warnings.push(two_processes(processes));
        }
    }

    let Ok(tree) = Tree::read() else { return warnings };
    let leftovers: Vec<(Facts, ProviderIdx, &RecordedProcess)> = live
        .unmapped(observer.map)
        .filter_map(|(provider, process)| Some((facts(process.pid, &tree)?, *provider, process)))
        .filter(|(facts, ..)| facts.is_leftover())
        .collect();

    let of_mapped =
        of_mappings.iter().flat_map(|(_, _, all)| all.iter().map(|process| process.pid));
    let pids: Vec<u32> = of_mapped.chain(leftovers.iter().map(|(facts, ..)| facts.pid)).collect();
    let held = holdings(&tree, &pids);

    plan.cli_processes = of_mappings
        .into_iter()
        .map(|(mapping, process, all)| {
            let others = all.iter().filter(|other| other.pid != process.pid);
            let others = others.map(|other| cli_process(other, &held)).collect();
            (mapping, CliProcess { others, ..cli_process(process, &held) })
        })
        .collect();
    plan.leftovers = leftovers
        .into_iter()
        .map(|(facts, provider, process)| {
            details_of(PROVIDERS[provider.get()].name, &facts, Some(process), &held)
        })
        .collect();
    warnings
}

fn two_processes(processes: &[&RecordedProcess]) -> Warning {
    let pids: Vec<String> = processes.iter().map(|process| process.pid.to_string()).collect();
    let session = processes.first().map_or("", |process| process.session.as_str());
    let message = format!(
        "session {session} is open in several processes ({}), and each may answer its messages",
        pids.join(", ")
    );
    Warning::new(WarningCode::TwoProcesses, message)
}

/// Returns all CLI processes of a home, mapped or not.
pub fn all_processes(
    config: &Clean,
    map_owner: Option<u32>,
    now: Timestamp,
    interrupt: &Interrupt,
) -> Result<Vec<ProcessDetails>, Failure> {
    unmapped_in(&no_map()?, &Plan::default(), config, map_owner, now, interrupt)
}

/// Returns the CLI processes whose session no mapping of that map has.
pub(super) fn unmapped_in(
    map: &SessionMap,
    plan: &Plan,
    config: &Clean,
    map_owner: Option<u32>,
    now: Timestamp,
    interrupt: &Interrupt,
) -> Result<Vec<ProcessDetails>, Failure> {
    let policies = Policies::new(now, &config.idle, PROVIDERS.len(), config.missing);
    let policies = &policies;
    unmapped_processes(&Observer { config, map, map_owner, now, policies, interrupt }, plan)
}

/// Returns a map without mappings.
pub(super) fn no_map() -> Result<SessionMap, Failure> {
    SessionMap::parse(b"{}".to_vec()).map_err(|_| Failure::new("an empty map cannot be read"))
}

fn unmapped_processes(
    observer: &Observer<'_>,
    plan: &Plan,
) -> Result<Vec<ProcessDetails>, Failure> {
    let live = LiveProcesses::read(observer.config, observer.map_owner, observer.now)?;
    let processes = observer.processes();
    let Ok(tree) = Tree::read() else { return Ok(Vec::new()) };

    let recorded: Vec<(&'static str, u32, Option<&RecordedProcess>)> = live
        .unmapped(observer.map)
        .map(|(provider, process)| (PROVIDERS[provider.get()].name, process.pid, Some(process)))
        .collect();
    let mut known: HashSet<u32> = live.iter().map(|(_, process)| process.pid).collect();
    known.extend(plan.decisions.iter().filter_map(|decision| match decision.verdict {
        Verdict::Keep(reason) => reason.process(),
        Verdict::Remove(_) => None,
    }));

    let others = without_record(observer, &processes, &tree, &known);
    let all: Vec<_> = recorded.into_iter().chain(others).collect();
    let pids: Vec<u32> = all.iter().map(|(_, pid, _)| *pid).collect();
    let held = holdings(&tree, &pids);

    let shown = all.into_iter().filter_map(|(cli, pid, process)| {
        Some(details_of(cli, &facts(pid, &tree)?, process, &held))
    });
    Ok(shown.collect())
}

/// Returns the processes of CLIs that have no record and are in no other list. A program that a wrapper of the
/// same CLI has started counts with its wrapper.
fn without_record(
    observer: &Observer<'_>,
    processes: &Processes,
    tree: &Tree,
    known: &HashSet<u32>,
) -> Vec<(&'static str, u32, Option<&'static RecordedProcess>)> {
    let mut found: HashMap<u32, &'static Provider> = HashMap::new();
    for provider in PROVIDERS.iter().filter(|it| observer.config.asks_for(it.model)) {
        let Ok(base) = observer.config.base(provider, observer.map_owner) else { continue };
        let of_home = processes.all().iter().filter(|process| {
            is_of(process, provider)
                && may_have_folder(process.id, provider.variable, provider.folder, &base.folder)
        });
        found.extend(of_home.map(|process| (process.id, provider)));
    }

    let is_shown = |pid: &u32| {
        let parent = tree.stat(*pid).map_or(0, |stat| stat.parent);
        !known.contains(pid) && !known.contains(&parent) && !found.contains_key(&parent)
    };
    let mut all: Vec<(&'static str, u32, Option<&RecordedProcess>)> = found
        .iter()
        .filter(|(pid, _)| is_shown(pid))
        .map(|(pid, provider)| (provider.name, *pid, None))
        .collect();
    all.sort_unstable_by_key(|(_, pid, _)| *pid);
    all
}

/// Returns true if the process may be one of that CLI.
fn is_of(process: &Process, provider: &Provider) -> bool {
    process.may_be_cli(provider.name) || (provider.has_records() && is_claude(process))
}

pub(super) fn facts(pid: u32, tree: &Tree) -> Option<Facts> {
    match ProcessReading::read(pid, None::<&Path>, tree) {
        ProcessReading::Seen(facts) => Some(*facts),
        ProcessReading::Ended | ProcessReading::Unreadable => None,
    }
}

pub(super) fn cli_process(process: &RecordedProcess, held: &AllHoldings) -> CliProcess {
    let is_idle = process.status.as_deref() == Some("idle");
    CliProcess {
        pid: process.pid,
        status: process.status.clone(),
        idle_since: process.status_updated.filter(|_| is_idle),
        holdings: held.by_process.get(&process.pid).copied(),
        release: None,
        others: Vec::new(),
    }
}

pub(super) fn details_of(
    cli: &'static str,
    facts: &Facts,
    recorded: Option<&RecordedProcess>,
    held: &AllHoldings,
) -> ProcessDetails {
    let nothing = RecordedProcess {
        pid: facts.pid,
        session: String::new(),
        status: None,
        status_updated: None,
    };
    let parent = facts.stat.parent;
    ProcessDetails {
        cli,
        process: cli_process(recorded.unwrap_or(&nothing), held),
        has_record: recorded.is_some(),
        session: recorded.map(|process| process.session.clone()),
        parent: (parent, program_name(parent)),
        is_leftover: facts.is_leftover(),
        has_terminal: facts.stat.terminal != 0,
    }
}
