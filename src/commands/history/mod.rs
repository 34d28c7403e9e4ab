//! `history`: the past runs, newest first, or one of them in detail.

pub mod args;

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use crate::journal::{
    Journal, LATEST, PutBack, Removed, Restored, RunKind, RunRecord, is_old, profile_of, run_named,
};
use crate::model::{Failure, Timestamp};
use crate::report::{PastMapping, PastRun};

/// Returns the past runs, newest first.
///
/// # Errors
/// If the journal cannot be read.
pub fn all(journal: &Journal, now: Timestamp) -> anyhow::Result<Vec<PastRun>> {
    let mut runs = with_forgotten(journal)?;
    // The removals of the newest run are kept for ever, the lines of ended runs are not.
    runs.retain(|run| run.ended.is_some() || !is_old(run.started, now));
    Ok(runs)
}

/// Returns the run that is named, and the mappings that it removed or restored.
///
/// # Errors
/// If there is no such run, or several, or the journal cannot be read.
pub fn one(journal: &Journal, typed: &str) -> Result<(PastRun, Vec<PastMapping>), Failure> {
    let runs = with_forgotten(journal)?;
    let id = if typed == LATEST {
        runs.first().map(|run| run.run.as_str())
    } else {
        run_named(runs.iter().map(|run| run.run.as_str()), typed)?
    };
    let Some(run) = runs.iter().find(|run| Some(run.run.as_str()) == id) else {
        let message =
            if typed == LATEST { "no run yet".to_owned() } else { format!("no run {typed:?}") };
        return Err(Failure::new(message)
            .hint("session-warden history lists the runs; a unique prefix of an id is enough"));
    };
    let mappings = match run.command {
        RunKind::Undo => restored_by(journal, &run.run)?,
        RunKind::Clean | RunKind::Remove | RunKind::Other => removed_by(journal, &run.run)?,
    };
    Ok((run.clone(), mappings))
}

/// Returns every run that the journal has, newest first, also those of which only removals are left.
fn with_forgotten(journal: &Journal) -> anyhow::Result<Vec<PastRun>> {
    let mut runs: Vec<PastRun> = journal.runs()?.into_iter().map(of_line).collect();
    let mut known: HashSet<String> = runs.iter().map(|run| run.run.clone()).collect();
    for removed in journal.removals()? {
        if known.insert(removed.run.to_string()) {
            let map = removed.map.as_ref().map(|map| map.as_path().to_owned());
            runs.push(unended(&removed.run, RunKind::Clean, &removed.time, map));
        }
    }
    for mark in journal.undone()? {
        let Some(undo) = &mark.undo else { continue };
        if known.insert(undo.clone()) {
            let map = mark.map.as_ref().map(|map| map.as_path().to_owned());
            let undoes = Some(mark.run.clone());
            runs.push(PastRun { undoes, ..unended(undo, RunKind::Undo, &mark.time, map) });
        }
    }
    // The lines are in the order in which the runs ended.
    runs.reverse();
    runs.sort_by_key(|run| Reverse(run.started));
    Ok(runs)
}

fn of_line(ran: RunRecord) -> PastRun {
    // A run that failed has no counts.
    let known = |name| ran.summary.get(name).and_then(serde_json::Value::as_u64);
    let count = |name| (!ran.summary.is_empty()).then(|| known(name).unwrap_or(0));
    PastRun {
        command: ran.command,
        profile: ran.profile().map(str::to_owned),
        started: Timestamp::parse(&ran.started),
        ended: Timestamp::parse(&ran.ended),
        exit: Some(ran.exit),
        checked: known("checked"),
        removed: count("removed"),
        released: count("released"),
        restored: count("restored"),
        map: ran.map.map(|map| map.as_path().to_owned()),
        undoes: ran.undoes,
        warning: ran.warning,
        run: ran.run,
    }
}

/// Returns a run of which it is not known that it ended.
fn unended(run: &str, command: RunKind, time: &str, map: Option<PathBuf>) -> PastRun {
    PastRun {
        run: run.to_owned(),
        command,
        profile: profile_of(run).map(str::to_owned),
        map,
        started: Timestamp::parse(time),
        ended: None,
        exit: None,
        checked: None,
        removed: None,
        released: None,
        restored: None,
        undoes: None,
        warning: None,
    }
}

/// Returns what that run removed.
fn removed_by(journal: &Journal, run: &str) -> anyhow::Result<Vec<PastMapping>> {
    let of_run = journal.removals_by_run()?.into_iter().filter(|removals| removals.run == run);
    let mapping = |removed: Removed<'_>, restored| PastMapping {
        model: removed.model.into_owned(),
        chat: removed.chat.into_owned(),
        session: removed.session.into_owned(),
        reason: Some(removed.reason.into_owned()),
        last_used: removed.last_used.as_deref().and_then(Timestamp::parse),
        restored,
    };
    let entries = of_run.flat_map(|removals| removals.entries);
    Ok(entries.map(|entry| mapping(entry.removed, entry.restored)).collect())
}

/// Returns what that undo restored.
fn restored_by(journal: &Journal, undo: &str) -> anyhow::Result<Vec<PastMapping>> {
    let removals = journal.removals()?;
    let key = |removed: &Removed<'_>| {
        [&removed.run, &removed.model, &removed.chat].map(ToString::to_string)
    };
    let removals: HashMap<[String; 3], &Removed<'_>> =
        removals.iter().map(|removed| (key(removed), removed)).collect();
    let mut positions: HashMap<[String; 3], usize> = HashMap::new();
    let mut mappings: Vec<PastMapping> = Vec::new();
    let marks = journal.undone()?.into_iter().filter(|mark| mark.undo.as_deref() == Some(undo));
    for mark in marks {
        let restored = if mark.done { Restored::At(mark.time()) } else { Restored::Unknown };
        let PutBack { run, model, chat, session, .. } = mark;
        let key = [run, model.clone(), chat.clone()];
        // A mapping is marked before the change, and again after it.
        if let Some(known) = positions.get(&key).and_then(|position| mappings.get_mut(*position)) {
            known.restored = restored;
            continue;
        }
        let removed = removals.get(&key);
        positions.insert(key, mappings.len());
        mappings.push(PastMapping {
            model,
            chat,
            session,
            reason: removed.map(|removed| removed.reason.to_string()),
            last_used: removed
                .and_then(|removed| removed.last_used.as_deref())
                .and_then(Timestamp::parse),
            restored,
        });
    }
    Ok(mappings)
}
