//! Whether one process alone keeps most of the mappings: a program that keeps every transcript open,
//! such as a log shipper, would keep every idle session.

use std::collections::HashMap;

use super::{Patient, count};
use crate::model::KeepReason;
use crate::process::{self, Processes};
use crate::provider::{PROVIDERS, Provider, work};
use crate::report::Check;

/// With fewer mapped sessions than this, one process may well use most of them.
const FEWEST: usize = 4;

/// A warning for a process that keeps more than half of the mappings; nothing if there is none.
pub(super) fn checks(patient: &Patient<'_>) -> Vec<Check> {
    check(patient).into_iter().collect()
}

fn check(patient: &Patient<'_>) -> Option<Check> {
    let map = patient.map()?;
    let is_asked_for =
        |model: &str| patient.config.asks_for(model) && Provider::of_model(model).is_some();
    let mappings = map.indexed();
    let places: Vec<_> = mappings
        .filter(|(_, mapping)| is_asked_for(mapping.model) && mapping.session.is_some())
        .map(|(place, _)| place)
        .collect();
    if places.len() < FEWEST {
        return None;
    }

    let users: Vec<u32> = [process::user()].into_iter().chain(patient.owner()).collect();
    let processes = Processes::of_users(&users);
    let base = |provider: &Provider| patient.config.base(provider, patient.owner());
    let ignored = &patient.config.ignore_processes;
    let places = places.iter().copied();
    let work = work(map, places.clone(), &processes, ignored, patient.now, base).ok()?;

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
    if is_cli || 2 * number <= places.len() {
        return None;
    }

    let name = work.names.get(&process).map(|name| format!(" ({name})")).unwrap_or_default();
    let kept = format!("{number} of {}", count(places.len(), "mapped session"));
    let message = format!("process {process}{name} uses {kept}, and so keeps their mappings");
    let hint = "if it only reads transcripts, name it in `ignore_processes` under [clean]";
    Some(Check::warning("processes", message).hint(hint))
}
