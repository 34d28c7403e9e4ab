//! `undo`: restores what a run removed, without touching newer mappings. It is a run of its own.

pub mod args;
mod choose;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use crate::config::Format;
use crate::journal::{Journal, PutBack, Removed, RunKind, RunRecord, run_id};
use crate::map::{
    Access, Address, Choice, Fate, FileMap, MapStore, bridge_process, fates, may_be_held, no_map,
};
use crate::model::{Exit, Failure, Timestamp, Warning, WarningCode, describe};
use crate::os::interrupt::Interrupt;
use crate::os::progress::Phase;
use crate::process;
use crate::report::{Look, Undo, write_undo, write_undo_json};
use crate::ui;

pub use choose::{Target, choose};

/// What to restore, and how.
#[derive(Debug)]
pub struct Options {
    /// The run as it was typed: a prefix of its id, or `latest`, the default.
    pub run: Option<String>,
    /// Only this chat.
    pub chat: Option<String>,
    /// The map, if it was named; otherwise it is where the run found it.
    pub map: Option<PathBuf>,
    /// The profile, if one was named.
    pub profile: Option<String>,
    /// Show what would be restored, and change nothing.
    pub dry_run: bool,
    /// Where a bridge might run that holds the map.
    pub bridge: Choice,
    /// True if a bridge on another machine may be asked.
    pub allow_remote_bridge: bool,
    /// How the report is written.
    pub format: Format,
    /// How its text looks.
    pub look: Look,
}

/// Restores mappings, prints which, and records the run. Returns what went wrong after the map was
/// changed.
///
/// # Errors
/// If nothing could be restored that should have been; the map is unchanged then.
pub fn run(
    options: &Options,
    target: Target,
    journal: &Journal,
    now: Timestamp,
    interrupt: &Interrupt,
    out: &mut dyn Write,
) -> Result<(Exit, Vec<Warning>), Failure> {
    let began = Instant::now();
    let id = run_id(now, options.profile.as_deref());
    let mut ran = RunRecord {
        run: id.clone(),
        command: RunKind::Undo,
        started: now.rfc3339().unwrap_or_default(),
        map: Some(target.map.clone().into()),
        undoes: Some(target.run.clone()),
        ..RunRecord::default()
    };
    let result = restore(options, target, journal, &id, now, interrupt).and_then(|undo| {
        ran.summary.insert("restored".to_owned(), undo.count(Fate::PutBack).into());
        write(options, &undo, out)?;
        let is_partial = undo.warnings.iter().any(|warning| warning.code.is_trouble());
        Ok((if is_partial { Exit::Partly } else { Exit::Done }, undo.warnings))
    });
    if options.dry_run {
        return result;
    }

    ran.ended = now.after(began.elapsed()).rfc3339().unwrap_or_default();
    ran.exit = result.as_ref().map_or_else(|failure| failure.exit, |(exit, _)| *exit).code();
    ran.warning = match &result {
        Ok((_, warnings)) => warnings.first().map(|warning| warning.message.clone()),
        Err(failure) => Some(failure.message.clone()),
    };
    let recorded = journal.record_run(&ran);
    result.map(|(exit, mut warnings)| {
        let unrecorded = recorded.err();
        warnings.extend(
            unrecorded.map(|failure| Warning::new(WarningCode::NotWrittenDown, failure.message)),
        );
        (exit, warnings)
    })
}

/// Prints that no run has left anything to restore. Returns what may have hidden such a run.
///
/// # Errors
/// If it cannot be written.
pub fn nothing(
    options: &Options,
    journal: &Journal,
    now: Timestamp,
    out: &mut dyn Write,
) -> Result<(Exit, Vec<Warning>), Failure> {
    let undo = Undo {
        undo: None,
        started: now,
        dry_run: options.dry_run,
        run: None,
        map: options.map.clone(),
        state: journal.folder().to_owned(),
        rows: Vec::new(),
        warnings: journal.damage(),
    };
    write(options, &undo, out)?;
    let exit = if undo.warnings.is_empty() { Exit::Done } else { Exit::Partly };
    Ok((exit, undo.warnings))
}

fn write(options: &Options, undo: &Undo, out: &mut dyn Write) -> Result<(), Failure> {
    let written = match options.format {
        Format::Text => write_undo(undo, options.look, out),
        Format::Json => write_undo_json(undo, out),
    };
    written.and_then(|()| out.flush()).map_err(|error| {
        let failure = Failure::new(format!("cannot write the report: {}", describe(&error)));
        // A dry run has changed nothing.
        if options.dry_run {
            return failure.hint(ui::CHECK_OUTPUT);
        }
        let hint = "session-warden history latest shows what was restored";
        failure.with(Exit::Partly).hint(hint)
    })
}

/// Restores what can be restored, or in a dry run finds out what that is.
fn restore(
    options: &Options,
    target: Target,
    journal: &Journal,
    id: &str,
    now: Timestamp,
    interrupt: &Interrupt,
) -> Result<Undo, Failure> {
    let Target { run, entries, map: path, .. } = target;
    let access = if options.dry_run { Access::Read } else { Access::Change };
    let map = FileMap::open(path.clone(), access, interrupt.clone())?;
    let Some(mappings) = map.map() else { return Err(no_map()) };
    interrupt.progress().begin(Phase::Bridge, 0);
    let beside = match beside_bridge(options, &map, &entries) {
        // A dry run shows what would be restored, and warns that it would be refused now.
        Err(failure) if options.dry_run => {
            let hint = failure.hint.unwrap_or_default();
            let message = format!("it would be refused now: {}; {hint}", failure.message);
            Some(Warning::new(WarningCode::UndoRefused, message))
        }
        beside => beside?,
    };
    interrupt.progress().begin(Phase::Restoring, 0);
    let (fates, mut warnings) = if options.dry_run {
        (fates(mappings, &entries), Vec::new())
    } else {
        put_back(&map, &entries, journal, id, now)?
    };

    if fates.contains(&Fate::PutBack) {
        let owner = map.owner().filter(|owner| process::user() == 0 && *owner != 0);
        if let Some(owner) = owner.filter(|_| !options.dry_run) {
            let message = format!(
                "only root's runs keep the restored mappings; to keep them in runs of user {owner}, run undo as that user"
            );
            warnings.push(Warning::new(WarningCode::OfRootOnly, message));
        }
        warnings.extend(beside);
    }
    warnings.extend(map.warnings());
    warnings.extend(journal.damage());
    Ok(Undo {
        undo: (!options.dry_run).then(|| id.to_owned()),
        started: now,
        dry_run: options.dry_run,
        run: Some(run),
        map: Some(path),
        state: journal.folder().to_owned(),
        rows: entries.into_iter().zip(fates).collect(),
        warnings,
    })
}

/// No call of a bridge adds a mapping, and one that runs would write its own map over ours. So none
/// may run: not at the address that was named or is usual, not where the run found one, and no
/// process that looks like one. With `--bridge off`, the last is only warned of.
fn beside_bridge(
    options: &Options,
    map: &FileMap,
    entries: &[Removed<'_>],
) -> Result<Option<Warning>, Failure> {
    let process = bridge_process(map)
        .map(|process| format!("process {process} looks like this map's bridge"));
    let named = match &options.bridge {
        Choice::Off => {
            let message = process
                .map(|process| format!("{process}, and its next chat will overwrite this undo"));
            return Ok(message.map(|message| Warning::new(WarningCode::BridgeRuns, message)));
        }
        Choice::Auto(address) | Choice::Named(address) => address,
    };
    let urls: BTreeSet<&str> = entries.iter().filter_map(|entry| entry.url.as_deref()).collect();
    let asked = urls.into_iter().filter_map(|url| Address::parse(url).ok());
    for address in asked.filter(|address| address != named).chain([named.clone()]) {
        let url = address.as_str();
        if !address.is_loopback() && !options.allow_remote_bridge {
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

const STOP_IT: &str = "stop it, run undo, start it again; if it has another map, use --bridge off";

fn put_back(
    map: &FileMap,
    entries: &[Removed<'_>],
    journal: &Journal,
    id: &str,
    now: Timestamp,
) -> Result<(Vec<Fate>, Vec<Warning>), Failure> {
    let marks = |fates: &[Fate], done: bool| -> Vec<PutBack> {
        let restored = entries.iter().zip(fates).filter(|(_, fate)| **fate == Fate::PutBack);
        let mark = |entry: &Removed<'_>| PutBack {
            time: now.rfc3339().unwrap_or_default(),
            run: entry.run.to_string(),
            undo: Some(id.to_owned()),
            map: map.real_path().map(Into::into),
            model: entry.model.to_string(),
            chat: entry.chat.to_string(),
            session: entry.session.to_string(),
            done,
            void: false,
        };
        restored.map(|(entry, _)| mark(entry)).collect()
    };
    // Before the change, so that no clean in between removes them again; and after it, so that a
    // kill in between leaves them to be restored.
    let (fates, mut warnings) =
        map.put_back(entries, &mut |fates| journal.put_back(marks(fates, false).into_iter()))?;
    if let Err(failure) = journal.put_back(marks(&fates, true).into_iter()) {
        warnings.push(Warning::new(WarningCode::NotWrittenDown, failure.message));
    }
    Ok((fates, warnings))
}
