//! The CLI processes, and a process that alone keeps most of the mappings: a program that has every transcript open, such as a log
//! shipper, would keep every idle session.

use std::collections::HashMap;

use super::setup::Setup;
use crate::clean::all_processes;
use crate::model::{KeepReason, MappingIdx};
use crate::os::interrupt::Interrupt;
use crate::process::{self, Processes};
use crate::provider::{PROVIDERS, Provider, work};
use crate::report::{Check, counted};

/// With fewer mapped sessions than this, one process may well use most of them.
const FEWEST: usize = 4;

/// Counts the CLI processes, and warns of a process that keeps more than half of the mappings.
pub(super) fn checks(setup: &Setup<'_>) -> Vec<Check> {
    count(setup).into_iter().chain(check(setup)).collect()
}

/// Counts the CLI processes and what they hold; nothing if none runs.
fn count(setup: &Setup<'_>) -> Option<Check> {
    let all = all_processes(setup.config, setup.owner(), setup.now, &Interrupt::default()).ok()?;
    if all.is_empty() {
        return None;
    }

    let held = all.iter().filter_map(|one| one.process.holdings);
    let connections: usize = held.map(|held| held.connections.count).sum();
    let idle = all.iter().filter(|one| one.process.idle_since.is_some()).count();
    let processes = if all.len() == 1 { "process" } else { "processes" };
    let connections = counted(connections as u64, "connection");
    let message = format!("{} CLI {processes}, {connections}, {idle} idle", all.len());

    match all.iter().filter(|one| one.is_leftover).count() {
        0 => Some(Check::ok("processes", message)),
        leftovers => {
            let message = format!("{message}, {}", counted(leftovers as u64, "leftover"));
            let hint = "session-warden release --leftovers -n shows which of them can be ended";
            Some(Check::warning("processes", message).hint(hint))
        }
    }
}

fn check(setup: &Setup<'_>) -> Option<Check> {
    let map = setup.map()?;
    let mappings: Vec<MappingIdx> = map
        .indexed()
        .filter(|(_, mapping)| mapping.session.is_some() && is_asked_for(setup, mapping.model))
        .map(|(index, _)| index)
        .collect();
    if mappings.len() < FEWEST {
        return None;
    }

    let users: Vec<u32> = [process::user()].into_iter().chain(setup.owner()).collect();
    let processes = Processes::of_users(&users);
    let work = work(
        map,
        mappings.iter().copied(),
        &processes,
        &setup.config.ignore_processes,
        setup.now,
        |provider: &Provider| setup.config.base(provider, setup.owner()),
    )
    .ok()?;

    let mut kept: HashMap<u32, usize> = HashMap::new();
    for reason in work.kept.values() {
        if let KeepReason::InUse(process) = reason {
            *kept.entry(*process).or_default() += 1;
        }
    }
    let (process, number) = kept.into_iter().max_by_key(|(_, number)| *number)?;
    let is_cli = processes.all().iter().any(|one| {
        one.id == process && PROVIDERS.iter().any(|provider| one.may_be_cli(provider.name))
    });
    if is_cli || 2 * number <= mappings.len() {
        return None;
    }

    let name = work.names.get(&process).map(|name| format!(" ({name})")).unwrap_or_default();
    let kept = format!("{number} of {}", counted(mappings.len(), "mapped session"));
    let message = format!("process {process}{name} uses {kept}, and so keeps their mappings");
    let hint = "if it only reads transcripts, name it in `ignore_processes` under [clean]";
    Some(Check::warning("processes", message).hint(hint))
}

fn is_asked_for(setup: &Setup<'_>, model: &str) -> bool {
    setup.config.asks_for(model) && PROVIDERS.iter().any(|provider| provider.model == model)
}
