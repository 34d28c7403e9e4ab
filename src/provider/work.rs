//! Finds the sessions that a live process works on, for mappings that would be removed: such a session is not
//! idle, however old its files are.
//!
//! The signs of work are a process record with a status other than `idle`, a lock that is held, an open file
//! or an argument that carries the id, and a Claude Code without a record. A record with the status `idle`
//! is the sign of a resident process.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::descriptor::{Base, Provider};
use super::evidence::EvidenceCollector;
use super::io_error::is_gone;
use super::process_records::{Liveness, Record, Records};
use super::seen::{Seen, Sign};
use super::session_index::{SessionIndex, uuids_in};
use super::table::PROVIDERS;
use super::working_folder::{has_no_session, sessions_of_folder};
use crate::model::{Failure, KeepReason, MappingIdx, SessionMap, Timestamp, Warning, describe};
use crate::os::folder::Folder;
use crate::process::{Process, Processes, is_claude, lockers, may_have_folder};

/// Programs whose open files and arguments never count, such as a log shipper.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignored(pub Vec<String>);

impl Ignored {
    fn includes(&self, process: &Process) -> bool {
        self.0.iter().any(|name| process.is_called(name.as_bytes()))
    }
}

#[derive(Debug, Default)]
pub struct Work {
    pub kept: HashMap<MappingIdx, KeepReason>,
    pub names: HashMap<u32, String>,
    pub warnings: Vec<Warning>,
}

/// Returns which of these mappings a process uses or may use, and why. `processes` are those of our own user
/// and of the map's owner. `base` returns a provider's folders, and only it can fail.
pub fn work(
    map: &SessionMap,
    mappings: impl Iterator<Item = MappingIdx> + Clone,
    processes: &Processes,
    ignored: &Ignored,
    now: Timestamp,
    mut base: impl FnMut(&Provider) -> Result<Base, Failure>,
) -> Result<Work, Failure> {
    let mut indexes = PROVIDERS.each_ref().map(|_| SessionIndex::new(Timestamp::MAX));
    let of = |mapping: MappingIdx| {
        let mapping = map.get(mapping)?;
        let (provider, _) = Provider::of_model(mapping.model)?;
        Some((provider.get(), mapping.session?))
    };

    for (provider, session) in mappings.clone().filter_map(of) {
        indexes[provider].add(session);
    }
    let mut work = Work::default();
    if indexes.iter().all(SessionIndex::is_empty) {
        return Ok(work);
    }

    let mut seen: [Seen; PROVIDERS.len()] = std::array::from_fn(|_| Seen::default());
    for ((provider, index), seen) in PROVIDERS.iter().zip(&indexes).zip(&mut seen) {
        if index.is_empty() {
            continue;
        }
        if let Some(why) = processes.unread() {
            seen.add_unread(Path::new("/proc"), why);
        }
        let look = Look { provider, base: base(provider)?, index, processes, ignored };
        look.add_locks(seen);
        look.add_records(now, seen);
    }

    add_files_and_arguments(processes, ignored, &indexes, &mut seen);

    if !seen.iter().all(Seen::is_empty) {
        for mapping in mappings {
            let Some((provider, id)) = of(mapping) else { continue };
            let session = indexes[provider].get(id.0.as_bytes());
            work.kept.extend(seen[provider].reason(session).map(|why| (mapping, why)));
        }
    }

    let named: HashSet<u32> = work.kept.values().filter_map(|why| why.process()).collect();
    work.names = processes.names(&named);
    for (provider, seen) in PROVIDERS.iter().zip(seen) {
        work.warnings.extend(seen.unread.into_iter().map(|warning| provider.named(warning)));
    }

    Ok(work)
}

/// The look at the locks and records of one provider.
struct Look<'l> {
    provider: &'l Provider,
    base: Base,
    index: &'l SessionIndex<'l>,
    processes: &'l Processes,
    ignored: &'l Ignored,
}

impl Look<'_> {
    /// Adds the sessions whose lock a process holds. The lock is looked up and never taken: the CLI would
    /// fail to take it.
    fn add_locks(&self, seen: &mut Seen) {
        let Some(name) = self.provider.signs.locks else { return };
        let Some(folder) = seen.open(&self.base.folder.join(name)) else { return };
        let (mut locks, mut carried) = (Vec::new(), Vec::new());
        let listed = folder.list(|entry| {
            carried.clear();
            self.index.carried_by(entry.name().as_bytes(), &mut carried);
            if !carried.is_empty() {
                match folder.status(entry.name()) {
                    Ok(status) => {
                        locks.extend(carried.iter().map(|session| (*session, status.inode)));
                    }
                    Err(error) if is_gone(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(ControlFlow::Continue(()))
        });
        if let Err(error) = listed {
            seen.add_unread(folder.path(), &describe(&error));
        }
        if locks.is_empty() {
            return;
        }

        match lockers() {
            Ok(lockers) => {
                for (session, inode) in locks {
                    if let Some(process) = lockers.get(&inode) {
                        seen.add(session, Sign::Work(*process));
                    }
                }
            }
            Err(why) => seen.add_unread(folder.path(), &why),
        }
    }

    /// Adds the sessions of the CLI's own process records, and those that a Claude Code without a record
    /// may use.
    fn add_records(&self, now: Timestamp, seen: &mut Seen) {
        let Some(name) = self.provider.signs.records else { return };
        let Some(folder) = seen.open(&self.base.folder.join(name)) else { return };
        let records = match Records::read(&folder) {
            Ok(records) => records,
            Err(error) => return seen.add_unread(folder.path(), &describe(&error)),
        };

        let mut recorded = HashSet::new();
        for record in &records.whole {
            let liveness = record.liveness(now);
            if liveness == Liveness::Here {
                recorded.insert(record.pid);
            }
            let Some(session) = self.index.get(record.session_id.as_bytes()) else { continue };
            match liveness {
                Liveness::Here => {
                    seen.recorded.entry(record.pid).or_default().insert(session);
                    let is_idle = record.status.as_deref() == Some("idle");
                    let sign = if is_idle { Sign::Resident } else { Sign::Work };
                    seen.add(session, sign(record.pid));
                }
                Liveness::Elsewhere => seen.add(session, Sign::Work(0)),
                Liveness::Ended => {}
            }
        }

        for process in self.processes.all() {
            let torn = records.torn.get(&process.id);
            // The sessions in a torn record may be in use, wherever its process works.
            for number in torn.into_iter().flat_map(|record| uuids_in(record)) {
                if let Some(session) = self.index.get_uuid(number) {
                    seen.add(session, Sign::Work(process.id));
                }
            }
            let is_ignored = recorded.contains(&process.id) || self.ignored.includes(process);
            if !is_ignored && (torn.is_some() || self.may_work(process)) {
                self.add_working_folder(process, seen);
            }
        }
    }

    /// Returns true for a Claude Code process that may work on a session in our folder.
    fn may_work(&self, process: &Process) -> bool {
        let Provider { variable, folder, .. } = self.provider;
        is_claude(process)
            && !has_no_session(process)
            && may_have_folder(process.id, *variable, folder, &self.base.folder)
    }

    /// Adds the sessions of the folder that a process works in.
    fn add_working_folder(&self, process: &Process, seen: &mut Seen) {
        let cwd = match process.working_folder() {
            Ok(Some(cwd)) => cwd,
            Ok(None) => return,
            Err(error) => {
                let why = describe(&error);
                let why = format!("cannot tell where process {} works: {why}", process.id);
                return seen.add_unread(Path::new("/proc"), &why);
            }
        };

        let mut carried = Vec::new();
        for root in self.provider.roots {
            let root = self.base.folder.join(root);
            sessions_of_folder(&root, &cwd, self.index, &mut carried, seen);
        }
        for session in carried {
            seen.add(session, Sign::Work(process.id));
        }
    }
}

/// Adds the sessions that processes name in their arguments, or have a file of open.
fn add_files_and_arguments(
    processes: &Processes,
    ignored: &Ignored,
    indexes: &[SessionIndex<'_>; PROVIDERS.len()],
    seen: &mut [Seen; PROVIDERS.len()],
) {
    let mut named = Vec::new();
    for process in processes.all() {
        // Another run of ours names a session to keep or restore it.
        if process.is_ours() || ignored.includes(process) {
            continue;
        }
        let files = process.open_files();
        for ((index, seen), provider) in indexes.iter().zip(&mut *seen).zip(&PROVIDERS) {
            if index.is_empty() {
                continue;
            }
            named.clear();
            for argument in process.arguments.split(|byte| *byte == 0) {
                index.named_by(argument, &mut named);
            }
            match &files {
                Ok(files) => {
                    for component in files.iter().flatten() {
                        index.carried_by(component.as_bytes(), &mut named);
                    }
                }
                // An agent that guards its memory hides its files as well, and is no CLI.
                Err(error) if process.may_be_cli(provider.name) => {
                    let why = describe(error);
                    let why = format!("cannot tell what process {} has open: {why}", process.id);
                    seen.add_unread(Path::new("/proc"), &why);
                }
                Err(_) => {}
            }
            let by_record = seen.recorded.get(&process.id).cloned().unwrap_or_default();
            for session in named.iter().filter(|session| !by_record.contains(session)) {
                seen.add(*session, Sign::Work(process.id));
            }
        }
    }
}

/// Adds the time at which a process record last changed its status, for each session that one names.
pub(super) fn add_recorded_uses(
    provider: &Provider,
    base: &Base,
    index: &SessionIndex<'_>,
    found: &mut EvidenceCollector,
) {
    let Some(name) = provider.signs.records else { return };
    // An unreadable record is reported by the look at processes.
    let records = Folder::open(&base.folder.join(name)).and_then(|folder| Records::read(&folder));
    for Record { session_id, status_updated, .. } in records.into_iter().flat_map(|all| all.whole) {
        let session = index.get(session_id.as_bytes());
        if let Some((session, updated)) = session.zip(status_updated) {
            found.add_recent_use(session, updated);
        }
    }
}
