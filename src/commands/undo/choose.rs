//! Which run an undo restores from: the one that is named, or the newest with something left.

use std::collections::{HashMap, hash_map};
use std::path::{Path, PathBuf};

use super::Options;
use crate::journal::{
    Journal, JournalPath, LATEST, Removal, Removed, RunKind, RunRemovals, run_named,
};
use crate::map::{Access, Fate, FileMap, MapStore, fates};
use crate::model::{Failure, Timestamp};
use crate::os::interrupt::Interrupt;

/// The removals to undo.
#[derive(Debug)]
pub struct Target {
    /// The run that removed them.
    pub run: String,
    /// When it did.
    pub time: Option<Timestamp>,
    /// The removals, in the map's order.
    pub entries: Vec<Removed<'static>>,
    /// Where the map is.
    pub map: PathBuf,
    /// True if that run was named.
    pub is_named: bool,
    /// The newest run that removed something, if that is another one.
    pub newer: Option<String>,
}

/// Returns the removals to undo; none if no run is named and nothing is left to restore.
///
/// # Errors
/// If the run or the chat that is named is unknown, or the journal or a map cannot be read.
pub fn choose(
    options: &Options,
    journal: &Journal,
    interrupt: &Interrupt,
) -> anyhow::Result<Option<Target>> {
    let runs = journal.removals_by_run()?;
    match options.run.as_deref().filter(|run| *run != LATEST) {
        Some(typed) => named_run(options, journal, &runs, typed).map(Some),
        None => newest_restorable(options, &runs, interrupt),
    }
}

/// Returns what the named run removed.
fn named_run(
    options: &Options,
    journal: &Journal,
    runs: &[RunRemovals],
    typed: &str,
) -> anyhow::Result<Target> {
    let id = run_named(runs.iter().map(|run| run.run.as_str()), typed)?;
    let Some(position) = runs.iter().position(|run| Some(run.run.as_str()) == id) else {
        return Err(removed_nothing(journal, typed)?.into());
    };
    let run = &runs[position];
    let entries = entries_of(run, |removal| is_asked(options, &removal.removed));
    if entries.is_empty() {
        let chat = options.chat.as_deref().unwrap_or_default();
        let id = &run.run;
        return Err(Failure::new(format!("run {id} removed no mapping of chat {chat:?}"))
            .hint(format!("session-warden history {id} lists what it removed"))
            .into());
    }
    target(options, runs, position, entries, true)
}

/// Returns why a run that is in no removal cannot be undone.
fn removed_nothing(journal: &Journal, typed: &str) -> anyhow::Result<Failure> {
    let runs = journal.runs()?;
    let id = run_named(runs.iter().map(|run| run.run.as_str()), typed)?;
    let known = runs.iter().find(|run| Some(run.run.as_str()) == id);
    Ok(match known {
        Some(run) if run.command == RunKind::Undo => {
            let id = &run.run;
            Failure::new(format!("run {id} is an undo: it removed nothing"))
                .hint(format!("session-warden history {id} lists what it restored"))
        }
        Some(run) => Failure::new(format!("run {} removed nothing", run.run))
            .hint("session-warden history lists the runs and what each removed"),
        None => Failure::new(format!("no run {typed:?}"))
            .hint("session-warden history lists the runs; a unique prefix of an id is enough"),
    })
}

/// Returns what the newest run removed that has something left to restore.
fn newest_restorable(
    options: &Options,
    runs: &[RunRemovals],
    interrupt: &Interrupt,
) -> anyhow::Result<Option<Target>> {
    if let Some(chat) = &options.chat
        && !removals(runs).any(|removal| is_asked(options, &removal.removed))
    {
        return Err(Failure::new(format!("no run removed a mapping of chat {chat:?}"))
            .hint("session-warden history RUN lists the chats whose mappings a run removed")
            .into());
    }
    let named = named_map(options);
    let mut maps: HashMap<PathBuf, FileMap> = HashMap::new();
    for (position, run) in runs.iter().enumerate().rev() {
        let entries = entries_of(run, |removal| {
            !removal.is_restored()
                && is_asked(options, &removal.removed)
                && is_in(named.as_deref(), &removal.removed)
        });
        if entries.is_empty() {
            continue;
        }
        let target = target(options, runs, position, entries, false)?;
        let map = match maps.entry(target.map.clone()) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(new) => {
                let map = FileMap::open(new.key().clone(), Access::Read, interrupt.clone())?;
                new.insert(map)
            }
        };
        // A map that is not there has room for everything once there is one.
        let is_restorable = |map| fates(map, &target.entries).contains(&Fate::PutBack);
        if map.map().is_none_or(is_restorable) {
            return Ok(Some(target));
        }
    }
    Ok(None)
}

fn target(
    options: &Options,
    runs: &[RunRemovals],
    position: usize,
    entries: Vec<Removed<'static>>,
    is_named: bool,
) -> anyhow::Result<Target> {
    let run = &runs[position];
    let known = entries.iter().find_map(|entry| entry.map.as_ref()).map(JournalPath::as_path);
    let Some(map) = options.map.clone().or(known.map(Path::to_owned)) else {
        let message = format!("run {} asked a bridge, and its map's file is not known", run.run);
        return Err(Failure::new(message)
            .hint("--map FILE names it; session-warden history lists the other runs")
            .into());
    };
    let named = named_map(options);
    let removed_here = |run: &&RunRemovals| {
        run.entries.iter().any(|removal| is_in(named.as_deref(), &removal.removed))
    };
    let newer = runs[position + 1..].iter().rfind(removed_here).map(|run| run.run.clone());
    Ok(Target { run: run.run.clone(), time: run.time, entries, map, is_named, newer })
}

fn entries_of(run: &RunRemovals, is_wanted: impl Fn(&Removal) -> bool) -> Vec<Removed<'static>> {
    let wanted = run.entries.iter().filter(|removal| is_wanted(removal));
    wanted.map(|removal| removal.removed.clone()).collect()
}

fn removals(runs: &[RunRemovals]) -> impl Iterator<Item = &Removal> {
    runs.iter().flat_map(|run| &run.entries)
}

/// Returns true unless another chat is asked for. A chat may be named with its model.
fn is_asked(options: &Options, removed: &Removed<'_>) -> bool {
    let Some(chat) = options.chat.as_deref() else { return true };
    let with_model = chat.strip_prefix(&*removed.model).and_then(|rest| rest.strip_prefix('/'));
    chat == removed.chat || with_model == Some(&*removed.chat)
}

/// Returns the map that is named, by its real path.
fn named_map(options: &Options) -> Option<PathBuf> {
    options.map.as_ref().map(|map| map.canonicalize().unwrap_or_else(|_| map.clone()))
}

/// Returns true unless the mapping is known to be from another map than that one.
fn is_in(map: Option<&Path>, removed: &Removed<'_>) -> bool {
    match (map, &removed.map) {
        (Some(map), Some(its_map)) => map == its_map.as_path(),
        _ => true,
    }
}
