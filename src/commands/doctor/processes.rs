//! A process that alone keeps most of the mappings: a program that has every transcript open, such as a log
//! shipper, would keep every idle session.

use std::collections::HashMap;

use super::setup::Setup;
use crate::model::{KeepReason, MappingIdx};
use crate::process::{self, Processes};
use crate::provider::{PROVIDERS, Provider, work};
use crate::report::{Check, counted};

/// With fewer mapped sessions than this, one process may well use most of them.
const FEWEST: usize = 4;

/// Warns of a process that keeps more than half of the mappings.
pub(super) fn checks(setup: &Setup<'_>) -> Vec<Check> {
    check(setup).into_iter().collect()
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
