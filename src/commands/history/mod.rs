//! `history`: the past runs, newest first, or one of them in detail.

pub mod args;

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use crate::journal::{
    Journal, JournalPath, LATEST, MappingKey, RemovalRecord, RestoreRecord, RunKind, RunRecord,
    is_old, profile_of, run_named,
};
use crate::model::{Failure, Timestamp};
use crate::report::{PastMapping, PastRelease, PastRun};

/// Returns the past runs, newest first.
pub fn all(journal: &Journal, now: Timestamp) -> anyhow::Result<Vec<PastRun>> {
    let mut runs = with_forgotten(journal)?;
    // The removals of the newest run are kept for good, the records of ended runs are not.
    runs.retain(|run| run.ended.is_some() || !is_old(run.started, now));
    Ok(runs)
}

/// A run with the mappings that it removed or restored, and the processes that it released.
type Detail = (PastRun, Vec<PastMapping>, Vec<PastRelease>);

/// Returns the run that is named.
pub fn one(journal: &Journal, typed: &str) -> anyhow::Result<Detail> {
    let mut runs = with_forgotten(journal)?;
    let position = if typed == LATEST {
        (!runs.is_empty()).then_some(0)
    } else {
        run_named(runs.iter().map(|run| run.run.as_str()), typed)?
    };
    let Some(position) = position else {
        let message =
            if typed == LATEST { "no run yet".to_owned() } else { format!("no run {typed:?}") };
        return Err(Failure::new(message)
            .hint("session-warden history lists the runs; a unique prefix of an id is enough")
            .into());
    };

    let run = runs.swap_remove(position);
    let mappings = match run.command {
        RunKind::Undo => restored_by(journal, &run.run)?,
        RunKind::Clean | RunKind::Remove | RunKind::Release | RunKind::Other => {
            removed_by(journal, &run.run)?
        }
    };
    let past = journal.releases()?;
    let releases = past.of_run(&run.run).into_iter().map(PastRelease::from).collect();
    Ok((run, mappings, releases))
}

/// Returns every run that the journal has, newest first, also those of which only removals are left.
fn with_forgotten(journal: &Journal) -> anyhow::Result<Vec<PastRun>> {
    let mut runs: Vec<PastRun> = journal.runs()?.into_iter().map(ended).collect();
    let mut known: HashSet<String> = runs.iter().map(|run| run.run.clone()).collect();

    for removal in journal.removals()? {
        if known.insert(removal.run.to_string()) {
            runs.push(unended(&removal.run, &removal.time, removal.map.as_ref()));
        }
    }

    for restore in journal.restored()? {
        let Some(undo) = &restore.undo else { continue };
        if known.insert(undo.clone()) {
            let run = unended(undo, &restore.time, restore.map.as_ref());
            runs.push(PastRun { command: RunKind::Undo, undoes: Some(restore.run), ..run });
        }
    }

    for (run, time, map) in journal.releases()?.runs() {
        if known.insert(run.to_owned()) {
            runs.push(unended(run, time, map));
        }
    }

    // The records are in the order in which the runs ended.
    runs.reverse();
    runs.sort_by_key(|run| Reverse(run.started));
    Ok(runs)
}

fn ended(record: RunRecord) -> PastRun {
    // A run that failed has no counts.
    let zero = if record.summary.is_empty() { None } else { Some(0) };
    PastRun {
        command: record.command,
        profile: record.profile().map(str::to_owned),
        started: Timestamp::parse(&record.started),
        ended: Timestamp::parse(&record.ended),
        exit: Some(record.exit),
        checked: count(&record, "checked"),
        removed: count(&record, "removed").or(zero),
        released: count(&record, "released").or(zero),
        restored: count(&record, "restored").or(zero),
        map: record.map.map(|map| map.as_path().to_owned()),
        undoes: record.undoes,
        warning: record.warning,
        run: record.run,
    }
}

fn count(record: &RunRecord, name: &str) -> Option<u64> {
    record.summary.get(name)?.as_u64()
}

/// Returns a run that is not known to have ended.
fn unended(run: &str, time: &str, map: Option<&JournalPath>) -> PastRun {
    PastRun {
        run: run.to_owned(),
        profile: profile_of(run).map(str::to_owned),
        map: map.map(|map| map.as_path().to_owned()),
        started: Timestamp::parse(time),
        ..PastRun::default()
    }
}

fn removed_by(journal: &Journal, run: &str) -> anyhow::Result<Vec<PastMapping>> {
    let of_run = journal.removals_by_run()?.into_iter().filter(|removals| removals.run == run);
    let mappings = of_run.flat_map(|removals| removals.removals).map(|removal| {
        let record = &removal.record;
        PastMapping::new(record.key(), record.session.to_string(), Some(record), removal.restored)
    });
    Ok(mappings.collect())
}

fn restored_by(journal: &Journal, undo: &str) -> anyhow::Result<Vec<PastMapping>> {
    let mut positions: HashMap<MappingKey, usize> = HashMap::new();
    let mut records: Vec<RestoreRecord> = Vec::new();
    for record in journal.restored()?.into_iter().filter(|it| it.undo.as_deref() == Some(undo)) {
        // A mapping is recorded before the change, and again after it.
        let position = *positions.entry(record.key()).or_insert(records.len());
        match records.get_mut(position) {
            Some(known) => *known = record,
            None => records.push(record),
        }
    }

    let removals = journal.removals()?.into_iter().map(|removal| (removal.key(), removal));
    let removals: HashMap<MappingKey, RemovalRecord<'_>> = removals.collect();
    let mappings = records.into_iter().map(|record| {
        let (key, restored) = (record.key(), record.restored());
        let removal = removals.get(&key);
        PastMapping::new(key, record.session, removal, restored)
    });
    Ok(mappings.collect())
}
