//! `undo`: puts back what a run removed, without touching newer mappings.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::bridge::{Access, Choice, Fate, FileMap, MapHolder, fates, may_be_held};
use crate::disk::interrupt::Interrupt;
use crate::domain::{Exit, Failure, Timestamp, Warning, WarningCode};
use crate::journal::{Journal, PutBack, Removed};
use crate::report::escape::escape;

/// What to put back.
#[derive(Debug)]
pub struct Options {
    /// The run; without it, the newest with something left to put back.
    pub run: Option<String>,
    /// Only this chat.
    pub chat: Option<String>,
    /// The map, where it was named; else where the run found it.
    pub map: Option<PathBuf>,
    /// Say what would be put back, and change nothing.
    pub dry_run: bool,
    /// Where a bridge might run that holds the map.
    pub bridge: Choice,
}

/// Puts mappings back, and says which. What went wrong after the map was changed is handed on.
///
/// # Errors
/// Where nothing could be put back that should have been; the map is then as it was.
pub fn run(
    options: &Options,
    journal: &Journal,
    now: Timestamp,
    interrupt: &Interrupt,
    out: &mut dyn Write,
) -> Result<(Exit, Vec<Warning>), Failure> {
    let Some(entries) = choose(options, journal, interrupt)? else {
        say(out, "Nothing to put back.")?;
        return Ok((Exit::Done, Vec::new()));
    };
    let path = path(options, &entries)?;
    let access = if options.dry_run { Access::Read } else { Access::Change };
    let map = FileMap::open(path.clone(), access, interrupt.clone())?;
    if !options.dry_run {
        refuse_beside_bridge(&options.bridge, &map)?;
    }
    let (done, mut warnings) = if options.dry_run {
        (map.map().map(|map| fates(map, &entries)).unwrap_or_default(), Vec::new())
    } else {
        put_back(&map, &entries, journal, now)?
    };
    report(options, &path, &entries, &done, out)?;
    warnings.extend(map.warnings());
    let trouble = warnings.iter().any(|warning| warning.code.is_trouble());
    Ok((if trouble { Exit::Partly } else { Exit::Done }, warnings))
}

/// No call of a bridge adds a mapping, and one that runs would write its own map over ours.
fn refuse_beside_bridge(choice: &Choice, map: &FileMap) -> Result<(), Failure> {
    let (Choice::Auto(address) | Choice::Named(address)) = choice else { return Ok(()) };
    if !may_be_held(address, map) {
        return Ok(());
    }
    let message = format!("a bridge runs at {}, and cannot be given mappings", address.as_str());
    Err(Failure::new(message)
        .hint("stop the bridge, undo, start it again; --bridge off if it is another map's"))
}

fn put_back(
    map: &FileMap,
    entries: &[Removed<'_>],
    journal: &Journal,
    now: Timestamp,
) -> Result<(Vec<Fate>, Vec<Warning>), Failure> {
    let marks = |fates: &[Fate], done: bool| -> Vec<PutBack> {
        let back = entries.iter().zip(fates).filter(|(_, fate)| **fate == Fate::PutBack);
        back.map(|(entry, _)| PutBack {
            time: now.rfc3339().unwrap_or_default(),
            run: entry.run.to_string(),
            map: map.real_path().map(|path| path.to_string_lossy().into_owned()),
            model: entry.model.to_string(),
            chat: entry.chat.to_string(),
            session: entry.session.to_string(),
            done,
        })
        .collect()
    };
    // Before, so that no clean in between lets them go again; after, so that a kill in between
    // leaves them to be put back.
    let (fates, mut warnings) =
        map.put_back(entries, &mut |fates| journal.put_back(&marks(fates, false)))?;
    if let Err(failure) = journal.put_back(&marks(&fates, true)) {
        warnings.push(Warning::new(WarningCode::NotWrittenDown, failure.message));
    }
    Ok((fates, warnings))
}

/// The removals to put back, in the map's order.
fn choose(
    options: &Options,
    journal: &Journal,
    interrupt: &Interrupt,
) -> Result<Option<Vec<Removed<'static>>>, Failure> {
    let all = journal.removals()?;
    let asked = |entry: &Removed<'_>| options.chat.as_ref().is_none_or(|chat| *chat == entry.chat);
    let of_run = |run: &str| -> Vec<Removed<'static>> {
        all.iter().filter(|entry| entry.run == run && asked(entry)).cloned().collect()
    };
    if let Some(run) = &options.run {
        let entries = of_run(run);
        if !entries.is_empty() {
            return Ok(Some(entries));
        }
        let message = if all.iter().any(|entry| entry.run == *run) {
            format!("run {run} removed no mapping of that chat")
        } else {
            format!("no run {run} has removed anything")
        };
        return Err(Failure::new(message).hint("session-warden history lists the runs"));
    }
    let done: HashSet<_> = journal
        .undone()?
        .into_iter()
        .filter(|mark| mark.done)
        .map(|mark| (mark.run, mark.model, mark.chat))
        .collect();
    let mut seen = HashSet::new();
    let named = options.map.as_ref().map(|map| map.canonicalize().unwrap_or_else(|_| map.clone()));
    for entry in all.iter().rev() {
        // What went from another map has no place in the one that was named.
        let is_other =
            |named: &PathBuf| entry.map.as_deref().is_some_and(|map| named != Path::new(map));
        if named.as_ref().is_some_and(is_other) {
            continue;
        }
        if !seen.insert(&entry.run) {
            continue;
        }
        let mut entries = of_run(&entry.run);
        entries.retain(|entry| {
            !done.contains(&(
                entry.run.to_string(),
                entry.model.to_string(),
                entry.chat.to_string(),
            ))
        });
        if entries.is_empty() {
            continue;
        }
        let path = path(options, &entries)?;
        let map = FileMap::open(path, Access::Read, interrupt.clone())?;
        let has_left = |map| fates(map, &entries).contains(&Fate::PutBack);
        if map.map().is_some_and(has_left) {
            return Ok(Some(entries));
        }
    }
    Ok(None)
}

/// Where the map of that run is.
fn path(options: &Options, entries: &[Removed<'_>]) -> Result<PathBuf, Failure> {
    let known = entries.iter().find_map(|entry| entry.map.as_deref()).map(PathBuf::from);
    options.map.clone().or(known).ok_or_else(|| {
        let run = entries.first().map_or("", |entry| &*entry.run);
        Failure::new(format!("run {run} asked a bridge, and does not know where its map lies"))
            .hint("--map FILE names it")
    })
}

fn report(
    options: &Options,
    path: &Path,
    entries: &[Removed<'_>],
    fates: &[Fate],
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let run = entries.first().map_or("", |entry| &*entry.run);
    say(out, &format!("Run {}, map {}", escape(run), escape(&path.to_string_lossy())))?;
    for (entry, fate) in entries.iter().zip(fates) {
        let what = match fate {
            Fate::PutBack if options.dry_run => "would be put back",
            Fate::PutBack => "put back",
            Fate::Already => "is there already",
            Fate::Taken => "has a newer mapping, which stays",
            Fate::NoPlace => "has no place in this map",
        };
        say(out, &format!("  {}  {}: {what}", escape(&entry.model), escape(&entry.chat)))?;
    }
    let count = fates.iter().filter(|fate| **fate == Fate::PutBack).count();
    let (words, note) = if options.dry_run {
        ("Would put back", "")
    } else {
        ("Put back", "\nThey are kept for one threshold from now, then judged as before.")
    };
    say(out, &format!("{words}: {count} mappings{}", if count > 0 { note } else { "" }))
}

fn say(out: &mut dyn Write, line: &str) -> Result<(), Failure> {
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let why = crate::disk::words(&error);
            Err(Failure { exit: Exit::Partly, ..Failure::new(format!("cannot report: {why}")) })
        }
        _ => Ok(()),
    }
}
