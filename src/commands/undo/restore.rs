//! Restores mappings, or in a dry run finds out which could be, prints that, and records the run.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Instant;

use super::request::{Request, Target};
use crate::config::Format;
use crate::journal::{MapOfRun, RemovalRecord, RestoreRecord, RunKind, RunRecord, run_id};
use crate::map::{
    Access, Address, Choice, FileMap, MapStore, RestoreOutcome, bridge_process, may_be_held,
    no_map, outcomes,
};
use crate::model::{Exit, Failure, Warning, WarningCode, describe};
use crate::os::progress::Phase;
use crate::report::{Undo, write_undo, write_undo_json};
use crate::ui;

const STOP_IT: &str = "stop it, run undo, start it again; if it has another map, use --bridge off";

impl Request<'_> {
    /// Restores mappings, prints which, and records the run. Returns the problems after the map was
    /// changed; after an error, it is unchanged.
    pub(super) fn run(
        &self,
        target: Target,
        out: &mut dyn Write,
    ) -> Result<(Exit, Vec<Warning>), Failure> {
        let began = Instant::now();
        let id = run_id(self.now, self.profile);
        let mut record = RunRecord {
            run: id.clone(),
            command: RunKind::Undo,
            started: self.now.rfc3339().unwrap_or_default(),
            map: Some(target.map.clone().into()),
            undoes: Some(target.run.clone()),
            ..RunRecord::default()
        };

        let result = self.restore(target, &id).and_then(|undo| {
            record.summary.insert("restored".to_owned(), undo.restored().into());
            self.write(&undo, out)?;
            let is_partial = undo.warnings.iter().any(|warning| warning.code.is_trouble());
            Ok((if is_partial { Exit::Partly } else { Exit::Done }, undo.warnings))
        });
        if self.dry_run {
            return result;
        }

        record.ended = self.now.after(began.elapsed()).rfc3339().unwrap_or_default();
        record.exit = result.as_ref().map_or_else(|failure| failure.exit, |(exit, _)| *exit).code();
        record.warning = match &result {
            Ok((_, warnings)) => warnings.first().map(|warning| warning.message.clone()),
            Err(failure) => Some(failure.message.clone()),
        };

        let recorded = self.journal.record_run(&record);
        let (exit, mut warnings) = result?;
        warnings.extend(recorded.err().map(not_recorded));
        Ok((exit, warnings))
    }

    /// Prints that no run has left anything to restore. Returns the damage that may have hidden one.
    pub(super) fn nothing(&self, out: &mut dyn Write) -> Result<(Exit, Vec<Warning>), Failure> {
        let undo = self.empty();
        self.write(&undo, out)?;
        let exit = if undo.warnings.is_empty() { Exit::Done } else { Exit::Partly };
        Ok((exit, undo.warnings))
    }

    /// Returns the report of an undo that restores nothing.
    fn empty(&self) -> Undo {
        Undo {
            undo: None,
            started: self.now,
            dry_run: self.dry_run,
            run: None,
            map: self.map.clone(),
            state: self.journal.folder().to_owned(),
            rows: Vec::new(),
            warnings: self.journal.damage(),
        }
    }

    fn write(&self, undo: &Undo, out: &mut dyn Write) -> Result<(), Failure> {
        let written = match self.format {
            Format::Text => write_undo(undo, self.look, out),
            Format::Json => write_undo_json(undo, out),
        };
        written.and_then(|()| out.flush()).map_err(|error| {
            let failure = Failure::new(format!("cannot write the report: {}", describe(&error)));
            if self.dry_run {
                return failure.hint(ui::CHECK_OUTPUT);
            }
            failure.with(Exit::Partly).hint("session-warden history latest shows what was restored")
        })
    }

    /// Restores the mappings that can be restored, or in a dry run only finds them.
    fn restore(&self, target: Target, id: &str) -> Result<Undo, Failure> {
        let Target { run, entries, map: path, .. } = target;
        let access = if self.dry_run { Access::Read } else { Access::Change };
        let map = FileMap::open(path.clone(), access, self.interrupt.clone())?;
        let Some(mappings) = map.map() else { return Err(no_map()) };

        self.interrupt.progress().begin(Phase::Bridge, 0);
        let bridge_warning = match self.check_bridges(&map, &entries) {
            // A dry run shows the mappings all the same, and warns that it would be refused now.
            Err(failure) if self.dry_run => {
                let hint = failure.hint.unwrap_or_default();
                let message = format!("it would be refused now: {}; {hint}", failure.message);
                Some(Warning::new(WarningCode::UndoRefused, message))
            }
            checked => checked?,
        };

        self.interrupt.progress().begin(Phase::Restoring, 0);
        let (outcomes, mut warnings) = if self.dry_run {
            (outcomes(mappings, &entries), Vec::new())
        } else {
            self.restore_in(&map, &entries, id)?
        };

        if outcomes.contains(&RestoreOutcome::Restored) {
            warnings.extend(bridge_warning);
        }
        warnings.extend(map.warnings());

        let mut undo = self.empty();
        undo.undo = (!self.dry_run).then(|| id.to_owned());
        undo.run = Some(run);
        undo.map = Some(path);
        undo.rows = entries.into_iter().zip(outcomes).collect();
        warnings.append(&mut undo.warnings);
        undo.warnings = warnings;
        Ok(undo)
    }

    /// Checks that no bridge runs, since no call of one adds a mapping, and it would write its own map
    /// over ours: not at the address that was named or is usual, not where the run found one, and no
    /// process that looks like one. With `--bridge off`, only that process is looked for, and only
    /// warned of.
    fn check_bridges(
        &self,
        map: &FileMap,
        entries: &[RemovalRecord<'_>],
    ) -> Result<Option<Warning>, Failure> {
        let process = bridge_process(map)
            .map(|process| format!("process {process} looks like this map's bridge"));
        let named = match &self.bridge {
            Choice::Off => {
                let message = process.map(|process| {
                    format!("{process}, and its next chat will overwrite this undo")
                });
                return Ok(message.map(|message| Warning::new(WarningCode::BridgeRuns, message)));
            }
            Choice::Auto(address) | Choice::Named(address) => address,
        };

        let urls: BTreeSet<&str> =
            entries.iter().filter_map(|entry| entry.url.as_deref()).collect();
        let asked = urls.into_iter().filter_map(|url| Address::parse(url).ok());
        for address in asked.filter(|address| address != named).chain([named.clone()]) {
            let url = address.as_str();
            if !address.is_loopback() && !self.allow_remote_bridge {
                let message = format!("the run asked the bridge at {url}, which may still run");
                return Err(Failure::new(message)
                    .hint("use --allow-remote-bridge to check, or --bridge off if it is stopped"));
            }
            if let Some(message) = may_be_held(&address, map) {
                return Err(Failure::new(message).hint(STOP_IT));
            }
        }

        match process {
            Some(process) => {
                let message = format!("{process}, which cannot add mappings");
                Err(Failure::new(message).hint(STOP_IT))
            }
            None => Ok(None),
        }
    }

    /// Restores these mappings in the map's file, and records them twice: before the change, so that no
    /// clean in between removes them again; and after it, so that a kill in between leaves them to be
    /// restored.
    fn restore_in(
        &self,
        map: &FileMap,
        entries: &[RemovalRecord<'_>],
        id: &str,
    ) -> Result<(Vec<RestoreOutcome>, Vec<Warning>), Failure> {
        let records = entries.iter().map(|entry| RestoreRecord {
            time: self.now.rfc3339().unwrap_or_default(),
            run: entry.run.to_string(),
            undo: Some(id.to_owned()),
            map: None,
            model: entry.model.to_string(),
            chat: entry.chat.to_string(),
            session: entry.session.to_string(),
            done: false,
            void: false,
        });
        let path = map.real_path();
        let run = entries.first().map_or("", |entry| &entry.run);
        let of_run = MapOfRun::new(run, path.as_deref(), None);
        let (outcomes, mut warnings) = map.restore(entries, &mut |outcomes| {
            self.journal.record_restored(of_run.as_ref(), restored(records.clone(), outcomes))
        })?;

        let done =
            restored(records, &outcomes).map(|record| RestoreRecord { done: true, ..record });
        warnings.extend(self.journal.record_restored(None, done).err().map(not_recorded));
        Ok((outcomes, warnings))
    }
}

/// Returns the records of the mappings whose outcome it is to be restored.
fn restored(
    records: impl Iterator<Item = RestoreRecord>,
    outcomes: &[RestoreOutcome],
) -> impl Iterator<Item = RestoreRecord> {
    let records = records.zip(outcomes);
    records.filter(|(_, outcome)| **outcome == RestoreOutcome::Restored).map(|(record, _)| record)
}

fn not_recorded(failure: Failure) -> Warning {
    Warning::new(WarningCode::NotWrittenDown, failure.message)
}
