//! Which run an undo restores from: the one that is named, or the newest with something left.

use std::collections::{HashMap, hash_map};
use std::path::{Path, PathBuf};

use super::request::{Request, Target};
use crate::journal::{
    JournalPath, LATEST, RemovalRecord, RunKind, RunRemoval, RunRemovals, run_named,
};
use crate::map::{Access, FileMap, MapStore, RestoreOutcome, outcomes};
use crate::model::{Advice, Failure};

impl Request<'_> {
    /// Returns the removals to undo; none if no run is named and nothing is left to restore.
    pub(super) fn choose(&self) -> anyhow::Result<Option<Target>> {
        let runs = self.journal.removals_by_run()?;
        match self.run.filter(|run| *run != LATEST) {
            Some(typed) => self.named_run(&runs, typed).map(Some),
            None => self.newest_restorable(&runs),
        }
    }

    /// Returns all removals of that run, also those that are restored already or are of another map: the restore
    /// reports each. `runs` are oldest first.
    fn named_run(&self, runs: &[RunRemovals], typed: &str) -> anyhow::Result<Target> {
        let named = run_named(runs.iter().map(|run| run.run.as_str()), typed)?;
        let Some(position) = named else { return Err(self.removed_nothing(typed)?.into()) };

        let run = &runs[position];
        let entries = entries(run, |removal| self.asks_for(&removal.record));
        if entries.is_empty() {
            let (id, chat) = (&run.run, self.chat.unwrap_or_default());
            return Err(Failure::new(format!("run {id} removed no mapping of chat {chat:?}")))
                .hint(&format!("session-warden history {id} lists what it removed"));
        }
        self.target(runs, position, entries, true)
    }

    /// Returns why a run without removals cannot be undone.
    fn removed_nothing(&self, typed: &str) -> anyhow::Result<Failure> {
        let runs = self.journal.runs()?;
        let Some(position) = run_named(runs.iter().map(|run| run.run.as_str()), typed)? else {
            return Ok(Failure::new(format!("no run {typed:?}")).hint(
                "session-warden history lists the runs; a unique prefix of an id is enough",
            ));
        };

        let run = &runs[position];
        let id = &run.run;
        Ok(if run.command == RunKind::Undo {
            Failure::new(format!("run {id} is an undo: it removed nothing"))
                .hint(format!("session-warden history {id} lists what it restored"))
        } else {
            Failure::new(format!("run {id} removed nothing"))
                .hint("session-warden history lists the runs and what each removed")
        })
    }

    /// Returns the removals of the newest run that has something left to restore. `runs` are oldest first.
    fn newest_restorable(&self, runs: &[RunRemovals]) -> anyhow::Result<Option<Target>> {
        let mut removals = runs.iter().flat_map(|run| &run.removals);
        if let Some(chat) = self.chat
            && !removals.any(|removal| self.asks_for(&removal.record))
        {
            return Err(Failure::new(format!("no run removed a mapping of chat {chat:?}")))
                .hint("session-warden history RUN lists the chats whose mappings a run removed");
        }

        let named_map = self.named_map();
        let mut maps: HashMap<PathBuf, FileMap> = HashMap::new();
        for (position, run) in runs.iter().enumerate().rev() {
            let entries = entries(run, |removal| {
                !removal.is_restored()
                    && self.asks_for(&removal.record)
                    && is_in(named_map.as_deref(), &removal.record)
            });
            if entries.is_empty() {
                continue;
            }
            let target = self.target(runs, position, entries, false)?;

            let map = match maps.entry(target.map.clone()) {
                hash_map::Entry::Occupied(known) => known.into_mut(),
                hash_map::Entry::Vacant(new) => {
                    let path = new.key().clone();
                    new.insert(FileMap::open(path, Access::Read, self.interrupt.clone())?)
                }
            };
            // Without a map, nothing speaks against restoring.
            let is_restorable = map.map().is_none_or(|map| {
                outcomes(map, &target.entries).contains(&RestoreOutcome::Restored)
            });
            if is_restorable {
                return Ok(Some(target));
            }
        }
        Ok(None)
    }

    fn target(
        &self,
        runs: &[RunRemovals],
        position: usize,
        entries: Vec<RemovalRecord<'static>>,
        is_named: bool,
    ) -> anyhow::Result<Target> {
        let run = &runs[position];
        let its_map = entries.iter().find_map(|entry| entry.map.as_ref()).map(JournalPath::as_path);
        let Some(map) = self.map.clone().or(its_map.map(Path::to_owned)) else {
            let id = &run.run;
            let message = format!("run {id} asked a bridge, and its map's file is not known");
            return Err(Failure::new(message))
                .hint("--map FILE names it; session-warden history lists the other runs");
        };

        let named_map = self.named_map();
        let newer = runs[position + 1..].iter().rfind(|run| {
            run.removals.iter().any(|removal| is_in(named_map.as_deref(), &removal.record))
        });
        let newer = newer.map(|run| run.run.clone());
        Ok(Target { run: run.run.clone(), time: run.time, entries, map, is_named, newer })
    }

    /// Returns true unless another chat is asked for. A chat may be named with its model.
    fn asks_for(&self, removal: &RemovalRecord<'_>) -> bool {
        let Some(chat) = self.chat else { return true };
        let with_model = chat.strip_prefix(&*removal.model).and_then(|rest| rest.strip_prefix('/'));
        chat == removal.chat || with_model == Some(&*removal.chat)
    }

    /// Returns the map that is named, by its real path.
    fn named_map(&self) -> Option<PathBuf> {
        self.map.as_ref().map(|map| map.canonicalize().unwrap_or_else(|_| map.clone()))
    }
}

fn entries(
    run: &RunRemovals,
    is_asked: impl Fn(&RunRemoval) -> bool,
) -> Vec<RemovalRecord<'static>> {
    let asked = run.removals.iter().filter(|removal| is_asked(removal));
    asked.map(|removal| removal.record.clone()).collect()
}

/// Returns false only if the record names another map than that one.
fn is_in(map: Option<&Path>, removal: &RemovalRecord<'_>) -> bool {
    match (map, &removal.map) {
        (Some(map), Some(its_map)) => map == its_map.as_path(),
        _ => true,
    }
}
