//! Codex: one rollout file for each thread, in a folder for the local day it was made.
//!
//! Seen in Codex 0.171.0, 0.169.0 and 0.77.0. After a revert, a thread goes on in a second file that
//! is named by the thread and by the rollout. A subagent is a thread of its own, and names its parent
//! inside. The script that this program replaces looked for `sessions/<id>.jsonl` and `<id>.jsonl`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::carrier::{At, Carrier, Offered, RootKind, Scope, Shows, Special};
use super::descriptor::{Folders, Provider, Signs};
use super::evidence::{EvidenceCollector, Part};
use super::header_files::HeaderFiles;
use super::records::Records;
use super::search::DEEPEST;
use super::session_index::{SessionIndex, uuids_in};
use crate::model::IdKind;
use crate::model::ids::{is_uuid, uuid7_milliseconds};
use crate::os::folder::{Entry, Folder, Kind};

pub(super) const PROVIDER: Provider = Provider {
    name: "codex",
    model: "codex-cli",
    variable: Some(("CODEX_HOME", "")),
    folder: ".codex",
    roots: &["sessions"],
    archive: Some("archived_sessions"),
    side_roots: &["thread-writer-locks"],
    temporary: None,
    files_in_home: true,
    known_side_names: &[],
    resume: "codex resume",
    ids: IdKind::Uuid,
    retention: None,
    records: Records::Codex,
    own_id: |_| None,
    shows,
    special: |index, _| Box::new(Rollouts(HeaderFiles::at_most(most_headers(index)))),
    all,
    signs: Signs { records: None, locks: Some("thread-writer-locks") },
};

fn shows(path: &Carrier<'_>) -> Shows {
    let is_file = path.status.kind == Kind::File;
    let is_own = is_file && (is_rollout(path.name) || path.is_called("", ".jsonl"));
    match (path.root, is_own) {
        (RootKind::Archive, true) if path.depth == 1 => Shows::Archived,
        // No layout of the archive that was seen so far.
        (RootKind::Archive, _) => Shows::ArchivedIfOld,
        (_, true) => Shows::Session(Part::Own),
        _ => Shows::Session(Part::Unknown),
    }
}

/// Returns true for the name of a rollout file; compressed ones count as well.
fn is_rollout(name: &[u8]) -> bool {
    stem(name).is_some()
}

/// A rollout file's name between `rollout-` and its ending.
fn stem(name: &[u8]) -> Option<&[u8]> {
    let name = name.strip_suffix(b".zst").unwrap_or(name);
    name.strip_suffix(b".jsonl")?.strip_prefix(b"rollout-")
}

/// The thread that a rollout file's name names: the first UUID in it.
fn thread(name: &[u8]) -> Option<&str> {
    let stem = stem(name)?;
    let starts = 0..stem.len().saturating_sub(35);
    let text = starts.filter_map(|start| stem.get(start..start + 36)).find(|text| is_uuid(text))?;
    std::str::from_utf8(text).ok()
}

/// How many rollouts of unmapped threads are looked into: all, but beside very many mapped
/// threads the newest 256. A subagent is written while its parent waits for it, and the parent's lock is
/// held; only after both were killed does the subagent's file alone show the use.
fn most_headers(index: &SessionIndex<'_>) -> usize {
    const VERY_MANY: usize = 500;
    if index.ids().len() > VERY_MANY { 256 } else { usize::MAX }
}

struct Rollouts(HeaderFiles);

impl Special for Rollouts {
    fn offer(
        &mut self,
        _: &Scope<'_>,
        found: &mut EvidenceCollector,
        at: &At<'_>,
        entry: &Entry<'_>,
    ) -> Offered {
        let name = entry.name().as_bytes();
        let is_session = at.root.kind == RootKind::Sessions;
        if !is_session || found.kind(at.folder, entry) != Some(Kind::File) {
            return Offered::Declined;
        }
        let made = uuids_in(name).next().and_then(uuid7_milliseconds).unwrap_or(i64::MAX);
        if self.0.push(at, entry.name(), made) { Offered::Taken } else { Offered::Passed }
    }

    fn read_headers(&mut self, scope: &Scope<'_>, found: &mut EvidenceCollector) {
        std::mem::take(&mut self.0).read(scope, found, PATHS, named);
    }
}

/// Where a rollout's first line names threads.
const PATHS: &[&[&str]] = &[
    &["payload", "id"],
    &["payload", "session_id"],
    &["payload", "parent_thread_id"],
    &["payload", "forked_from_id"],
    &["payload", "source", "subagent", "thread_spawn", "parent_thread_id"],
];

/// The threads that a rollout counts for: its own and its parent, but not the one it was forked from.
fn named(texts: &[(usize, String)]) -> Vec<String> {
    let [own, top, parent, origin, spawning] = [0, 1, 2, 3, 4]
        .map(|path| texts.iter().find(|(found, _)| *found == path).map(|(_, id)| id));
    let parent = parent.or(spawning);
    let ids = [own, top, parent].into_iter().flatten();
    // A subagent that begins with its parent's history has an origin as well.
    ids.filter(|id| parent.is_some() || origin != Some(*id)).cloned().collect()
}

fn all(folders: &Folders, found: &mut EvidenceCollector) -> Vec<String> {
    let mut ids = Vec::new();
    for root in folders.roots.iter().filter(|root| root.kind == RootKind::Sessions) {
        list_threads(&root.folder, 0, found, &mut ids);
    }

    if let Ok(home) = Folder::open(&folders.base) {
        found.list(&home, &mut |_, entry| {
            ids.extend(own_thread(entry.name()));
            true
        });
    }
    ids
}

/// Adds the threads that have a file of their own in `folder` or below it.
fn list_threads(
    folder: &Folder,
    depth: usize,
    found: &mut EvidenceCollector,
    ids: &mut Vec<String>,
) {
    found.list(folder, &mut |found, entry| {
        if let Some(id) = own_thread(entry.name()) {
            ids.push(id);
            return true;
        }
        let below = match found.kind(folder, entry) {
            Some(Kind::Folder | Kind::Link) if depth == 0 => {
                found.open_right_in_root(folder, entry)
            }
            Some(Kind::Folder) if depth < DEEPEST => found.open_deeper(folder, entry.name()),
            _ => None,
        };
        if let Some(below) = below {
            list_threads(&below, depth + 1, found, ids);
        }
        true
    });
}

/// The thread whose own file has that name.
fn own_thread(name: &OsStr) -> Option<String> {
    let name = name.as_bytes();
    let id = match thread(name) {
        Some(id) => id,
        None => std::str::from_utf8(name.strip_suffix(b".jsonl")?).ok()?,
    };
    is_uuid(id.as_bytes()).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREAD: &str = "019ac000-0000-7000-8000-00000000000a";

    #[test]
    fn a_rollout_belongs_to_the_thread_that_its_name_names_first() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(thread(name.as_bytes()), expected, "{name}");
        };
        let segment = "019ac000-7777-7000-8000-0000000000aa";
        check(&format!("rollout-2026-01-02T03-04-05-{THREAD}.jsonl"), Some(THREAD));
        check(&format!("rollout-2026-01-02T03-04-05-{THREAD}_{segment}.jsonl.zst"), Some(THREAD));
        check(&format!("{THREAD}.jsonl"), None);
        check("rollout-2026.jsonl", None);
        assert_eq!(own_thread(OsStr::new(&format!("{THREAD}.jsonl"))).as_deref(), Some(THREAD));
        assert_eq!(own_thread(OsStr::new(&format!("{THREAD}.sqlite"))), None);
    }

    #[test]
    fn a_subagent_counts_for_its_parent_and_a_fork_not_for_its_origin_e3() {
        let check = |texts: &[(usize, &str)], expected: &[&str]| {
            let texts: Vec<_> = texts.iter().map(|(path, id)| (*path, (*id).to_owned())).collect();
            assert_eq!(named(&texts), expected);
        };
        check(&[(0, "own")], &["own"]);
        check(&[(0, "own"), (1, "parent")], &["own", "parent"]);
        check(&[(0, "own"), (1, "top"), (2, "parent")], &["own", "top", "parent"]);
        check(&[(0, "fork"), (1, "origin"), (3, "origin")], &["fork"]);
        check(&[(0, "fork"), (1, "fork"), (3, "origin")], &["fork", "fork"]);
        // A subagent that begins with its parent's history is still one.
        check(&[(0, "own"), (2, "parent"), (3, "parent")], &["own", "parent"]);
        check(&[(0, "own"), (1, "own"), (4, "parent")], &["own", "own", "parent"]);
    }
}
