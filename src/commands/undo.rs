//! `undo`: puts back what a run removed, without touching newer mappings.

use std::collections::{BTreeSet, HashMap, HashSet, hash_map};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::bridge::{
    Access, Address, Choice, Fate, FileMap, MapHolder, bridge_process, fates, may_be_held, no_map,
};
use crate::disk::interrupt::Interrupt;
use crate::domain::{Exit, Failure, Timestamp, Warning, WarningCode};
use crate::journal::{Journal, PutBack, Removed};
use crate::process;
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
    /// Whether a bridge that is not of this machine may be asked.
    pub allow_remote_bridge: bool,
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
        let state = escape(&journal.folder().to_string_lossy());
        say(out, &format!("Nothing to put back.\nLooked at the runs in {state}."))?;
        return Ok((Exit::Done, Vec::new()));
    };
    let path = path(options, &entries)?;
    let access = if options.dry_run { Access::Read } else { Access::Change };
    let map = FileMap::open(path.clone(), access, interrupt.clone())?;
    if map.map().is_none() {
        return Err(no_map());
    }
    let beside = match beside_bridge(options, &map, &entries) {
        // A dry run says what would be put back, and that it would be refused as it is now.
        Err(failure) if options.dry_run => {
            let hint = failure.hint.unwrap_or_default();
            let message = format!("it would be refused now: {}; {hint}", failure.message);
            Some(Warning::new(WarningCode::UndoRefused, message))
        }
        beside => beside?,
    };
    let (done, mut warnings) = if options.dry_run {
        (map.map().map(|map| fates(map, &entries)).unwrap_or_default(), Vec::new())
    } else {
        put_back(&map, &entries, journal, now)?
    };
    let owner = map.owner().filter(|owner| process::user() == 0 && *owner != 0);
    if let Some(owner) = owner.filter(|_| !options.dry_run && done.contains(&Fate::PutBack)) {
        let message = format!(
            "root remembers that these are to be kept, user {owner} does not: that user's own \
             runs judge them anew. Undo as that user to keep them"
        );
        warnings.push(Warning::new(WarningCode::NotWrittenDown, message));
    }
    report(options, &path, &entries, &done, out)?;
    warnings.extend(beside.filter(|_| done.contains(&Fate::PutBack)));
    warnings.extend(map.warnings());
    let trouble = warnings.iter().any(|warning| warning.code.is_trouble());
    Ok((if trouble { Exit::Partly } else { Exit::Done }, warnings))
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
        .map(|process| format!("process {process} looks like a bridge that runs on this map"));
    let named = match &options.bridge {
        Choice::Off => {
            let message = process
                .map(|process| format!("{process}, and will undo this undo with its next chat"));
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
            return Err(Failure::new(message).hint(
                "--allow-remote-bridge looks whether it does; --bridge off if it is stopped",
            ));
        }
        if let Some(message) = may_be_held(&address, map) {
            return Err(Failure::new(message).hint(STOP_IT));
        }
    }
    match process {
        Some(process) => {
            let message = format!("{process}, and cannot be given mappings");
            Err(Failure::new(message).hint(STOP_IT))
        }
        None => Ok(None),
    }
}

const STOP_IT: &str = "stop the bridge, undo, start it again; --bridge off if it is another map's";

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
            void: false,
        })
        .collect()
    };
    // Before, so that no clean in between lets them go again; after, so that a kill in between
    // leaves them to be put back.
    let (fates, mut warnings) =
        map.put_back(entries, &mut |fates| journal.put_back(marks(fates, false).into_iter()))?;
    if let Err(failure) = journal.put_back(marks(&fates, true).into_iter()) {
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
    let marks = journal.undone()?;
    let key =
        |run: &str, model: &str, chat: &str| (run.to_owned(), model.to_owned(), chat.to_owned());
    let marked = |is_one: fn(&PutBack) -> bool| -> HashSet<_> {
        let marks = marks.iter().filter(|mark| is_one(mark));
        marks.map(|mark| key(&mark.run, &mark.model, &mark.chat)).collect()
    };
    let (void, done) = (marked(|mark| mark.void), marked(|mark| mark.done));
    // What each run has removed, each mapping once: state folders may have been merged.
    let mut seen = HashSet::new();
    let mut runs: Vec<(&str, Vec<&Removed<'_>>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for entry in &all {
        let place = *places.entry(&entry.run).or_insert_with(|| {
            runs.push((&entry.run, Vec::new()));
            runs.len() - 1
        });
        let key = key(&entry.run, &entry.model, &entry.chat);
        let is_asked = options.chat.as_ref().is_none_or(|chat| *chat == entry.chat);
        if is_asked && !void.contains(&key) && seen.insert(key) {
            runs[place].1.push(entry);
        }
    }
    let owned = |entries: Vec<&Removed<'static>>| entries.into_iter().cloned().collect::<Vec<_>>();
    if let Some(run) = &options.run {
        let known = runs.into_iter().find(|(known, _)| known == run);
        let message = match known {
            Some((_, entries)) if !entries.is_empty() => return Ok(Some(owned(entries))),
            Some(_) if options.chat.is_some() => {
                format!("run {run} removed no mapping of that chat")
            }
            _ => format!("no run {run} has removed anything"),
        };
        return Err(Failure::new(message).hint("session-warden history lists the runs"));
    }
    let named = options.map.as_ref().map(|map| map.canonicalize().unwrap_or_else(|_| map.clone()));
    let mut maps: HashMap<PathBuf, FileMap> = HashMap::new();
    for (_, mut entries) in runs.into_iter().rev() {
        // What went from another map has no place in the one that was named.
        entries.retain(|entry| {
            let is_other = |named| entry.map.as_deref().is_some_and(|map| named != Path::new(map));
            !named.as_deref().is_some_and(is_other)
                && !done.contains(&key(&entry.run, &entry.model, &entry.chat))
        });
        if entries.is_empty() {
            continue;
        }
        let entries = owned(entries);
        let path = path(options, &entries)?;
        let map = match maps.entry(path) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(new) => {
                let map = FileMap::open(new.key().clone(), Access::Read, interrupt.clone())?;
                new.insert(map)
            }
        };
        // A map that is not there has room for everything, once there is one.
        if map.map().is_none_or(|map| fates(map, &entries).contains(&Fate::PutBack)) {
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
            .hint("--map FILE names it; session-warden history lists the other runs")
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
        (
            "Put back",
            "\nThey are kept for one threshold from now, then judged as before.\n\
             clean --pin PATTERN keeps some for good.",
        )
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
