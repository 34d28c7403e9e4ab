//! Codex: one rollout file for each session, in a folder for the local day it was made.
//!
//! Seen in Codex 0.169.0 and 0.77.0. A version 7 id tells the day in UTC, so its file lies in one
//! of three folders unless somebody moved it; only for what is not seen there to be active, and for
//! ids of other kinds, all of `sessions/` is listed. Files are matched by name alone: inside, `session_id`
//! may be a parent's.

use chrono::{DateTime, Datelike, Days, NaiveDate};
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::findings::is_gone;
use super::{Findings, Place, Provider, Wanted};
use crate::disk::folder::{Entry, Folder, Kind};
use crate::disk::words;
use crate::domain::ids::uuid7_seconds;
use crate::domain::{IdKind, SessionFile};
use crate::process::{Processes, lockers};

pub(super) const PROVIDER: Provider = Provider {
    name: "codex",
    model: "codex-cli",
    variable: Some(("CODEX_HOME", "")),
    folder: ".codex",
    sessions: "sessions",
    ids: IdKind::Uuid,
    find,
    in_use,
};

/// Where `codex archive` moves files to, beside the folder of sessions.
const ARCHIVE: &str = "archived_sessions";

/// How deep below the root folders are looked into; Codex makes three levels.
const DEEPEST: usize = 16;

fn find(place: &mut Place, wanted: &Wanted<'_>, found: &mut Findings) {
    for day in days(wanted) {
        list_day(&place.root, day, wanted, found);
    }
    // A session may stand in a second file elsewhere, which somebody has copied or moved there.
    if !wanted.all_active(found) {
        found.list(&mut place.root, |found, root, entry| {
            if take(root, entry, wanted, found) {
                return;
            }
            if let Some(mut folder) = found.open_right_in_root(root, entry) {
                list_below(&mut folder, DEEPEST, wanted, found);
            }
        });
    }
    if found.activities.iter().any(|activity| activity.own.is_none()) {
        list_archive(place, wanted, found);
    }
}

/// The days whose folders can hold the wanted sessions: the local date of creation lies within
/// one day of the UTC date.
fn days(wanted: &Wanted<'_>) -> BTreeSet<NaiveDate> {
    let mut days = BTreeSet::new();
    for id in wanted.ids() {
        let made = uuid7_seconds(id.0).and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let Some(day) = made.map(|made| made.date_naive()) else { continue };
        days.insert(day);
        days.extend(day.checked_sub_days(Days::new(1)));
        days.extend(day.checked_add_days(Days::new(1)));
    }
    days
}

fn list_day(root: &Folder, day: NaiveDate, wanted: &Wanted<'_>, found: &mut Findings) {
    let year = format!("{:04}", day.year());
    let Some(year) = found.open_named_right_in_root(root, OsStr::new(&year)) else { return };
    let month = format!("{:02}", day.month());
    let Some(month) = found.open_deeper(&year, OsStr::new(&month)) else { return };
    let day = format!("{:02}", day.day());
    let Some(mut day) = found.open_deeper(&month, OsStr::new(&day)) else { return };
    found.list(&mut day, |found, day, entry| {
        take(day, entry, wanted, found);
    });
}

fn list_below(folder: &mut Folder, depth: usize, wanted: &Wanted<'_>, found: &mut Findings) {
    found.list(folder, |found, folder, entry| {
        if take(folder, entry, wanted, found) {
            return;
        }
        match found.kind(folder, entry) {
            Some(Kind::Folder) if depth == 0 => {
                found.not_whole(&folder.path().join(entry.name()), "too many folders deep");
            }
            Some(Kind::Folder) => {
                if let Some(mut below) = found.open_deeper(folder, entry.name()) {
                    list_below(&mut below, depth - 1, wanted, found);
                }
            }
            Some(Kind::Link) => {
                let path = folder.path().join(entry.name());
                found.not_whole(&path, "a link here is not followed");
            }
            Some(Kind::File | Kind::Other | Kind::Untold) | None => {}
        }
    });
}

/// Takes in `entry` where it has the name of a session's file. Whether it has.
fn take(folder: &Folder, entry: &Entry, wanted: &Wanted<'_>, found: &mut Findings) -> bool {
    let Some(stem) = stem(entry.name()) else { return false };
    if let Some(session) = wanted.find_uuid_at_end(stem) {
        found.own(folder, entry.name(), session);
    }
    true
}

/// A rollout file's name without its ending; compressed ones count as well.
fn stem(name: &OsStr) -> Option<&[u8]> {
    let name = name.as_bytes();
    let name = name.strip_suffix(b".zst").unwrap_or(name);
    name.strip_suffix(b".jsonl").filter(|stem| stem.starts_with(b"rollout-"))
}

/// Looks for archived copies of what has no file elsewhere. The archive is part of the tree: with
/// it unread, an archived session and a missing one cannot be told apart.
fn list_archive(place: &Place, wanted: &Wanted<'_>, found: &mut Findings) {
    let path = place.base.join(ARCHIVE);
    let mut archive = match Folder::open(&path) {
        Ok(archive) => archive,
        // A link that leads nowhere may lead to a disk that is not there now.
        Err(error) if is_gone(&error) && !path.is_symlink() => return,
        Err(error) => return found.not_whole(&path, &words(&error)),
    };
    match archive.owner() {
        Ok(owner) if place.owners.include(owner) => {}
        Ok(owner) => return found.not_whole(&path, &format!("it belongs to user {owner}")),
        Err(error) => return found.not_whole(&path, &words(&error)),
    }
    found.list(&mut archive, |found, archive, entry| {
        let Some(session) = stem(entry.name()).and_then(|stem| wanted.find_uuid_at_end(stem))
        else {
            return;
        };
        if let Some(status) = found.own_status(archive, entry.name(), session)
            && let Some(activity) = found.activities.get_mut(session as usize)
        {
            let path = archive.path().join(entry.name());
            activity.saw_archived(SessionFile { path, written: status.written });
        }
    });
}

/// During a turn Codex holds a lock on a file called like the session; older versions only hold the
/// rollout open. The lock is looked up, never taken: Codex would fail.
fn in_use(base: &Path, wanted: &Wanted<'_>, processes: &Processes) -> HashMap<u32, u32> {
    let mut used =
        processes.holding(b"codex", |name| wanted.find_uuid_at_end(stem(OsStr::from_bytes(name))?));
    let Ok(mut locks) = Folder::open(&base.join("thread-writer-locks")) else { return used };
    let lockers = lockers();
    while let Some(Ok(entry)) = locks.next_entry() {
        let session = entry.name().as_bytes().strip_suffix(b".lock");
        let Some(session) = session.and_then(|session| wanted.find(session)) else { continue };
        let inode = locks.status(entry.name()).map(|status| status.inode);
        if let Some(process) = inode.ok().and_then(|inode| lockers.get(&inode)) {
            used.insert(session, *process);
        }
    }
    used
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{SessionId, Timestamp};

    #[test]
    fn a_version_7_id_names_three_days() {
        // 2024-03-01T00:30:00Z: the day before is the 29th of February.
        let mut wanted = Wanted::new(IdKind::Uuid, Timestamp::MAX);
        let id = format!("{:08x}-{:04x}-7000-8000-000000000000", 0x018d_f76a_u32, 0xfb40);
        wanted.add(SessionId(&id));
        wanted.add(SessionId("00000000-0000-4000-8000-000000000000"));
        let days: Vec<_> = days(&wanted).into_iter().map(|day| day.to_string()).collect();
        assert_eq!(days, ["2024-02-29", "2024-03-01", "2024-03-02"], "{id}");
    }

    #[test]
    fn names_of_rollouts() {
        let stem = |name: &str| stem(OsStr::new(name)).is_some();
        assert!(stem("rollout-2025-01-02T03-04-05-x.jsonl"));
        assert!(stem("rollout-2025-01-02T03-04-05-x.jsonl.zst"));
        assert!(!stem("rollout-x.jsonl.bak") && !stem("x.jsonl") && !stem("rollout-x.zst"));
    }
}
