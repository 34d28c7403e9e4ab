//! Codex: one rollout file for each session, in a folder for the local day it was made.
//!
//! Seen in Codex 0.169.0 and 0.77.0. A version 7 id tells the day in UTC, so its file lies in one
//! of three folders unless somebody moved it; only for what is not seen there to be active, and for
//! ids of other kinds, all of `sessions/` is listed. Files are matched by name alone: inside, `session_id`
//! may be a parent's.

use chrono::{DateTime, Datelike, Days, NaiveDate};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::findings::is_gone;
use super::{Findings, Place, Provider, Records, Uses, Wanted};
use crate::disk::folder::{Entry, Folder, Kind};
use crate::disk::words;
use crate::domain::ids::{is_uuid, uuid7_seconds};
use crate::domain::{IdKind, SessionFile};
use crate::process::{Processes, lockers};

pub(super) const PROVIDER: Provider = Provider {
    name: "codex",
    model: "codex-cli",
    variable: Some(("CODEX_HOME", "")),
    folder: ".codex",
    sessions: "sessions",
    ids: IdKind::Uuid,
    records: Records::Codex,
    find,
    all,
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
        list_whole(place, found, &mut |found, folder, entry| take(folder, entry, wanted, found));
    }
    if found.activities.iter().any(|activity| activity.own.is_none()) {
        list_archive(place, wanted, found);
    }
}

fn all(place: &mut Place, found: &mut Findings) -> Vec<String> {
    let mut ids = Vec::new();
    list_whole(place, found, &mut |_, _, entry| {
        let Some(stem) = stem(entry.name()) else { return false };
        let uuid = stem.len().checked_sub(36).and_then(|at| std::str::from_utf8(&stem[at..]).ok());
        ids.extend(uuid.filter(|uuid| is_uuid(uuid.as_bytes())).map(str::to_owned));
        true
    });
    ids
}

/// Takes in an entry, if it is a session's file. Whether it is.
type Take<'t> = &'t mut dyn FnMut(&mut Findings, &Folder, &Entry) -> bool;

fn list_whole(place: &mut Place, found: &mut Findings, take: Take<'_>) {
    found.list(&mut place.root, |found, root, entry| {
        if take(found, root, entry) {
            return;
        }
        if let Some(mut folder) = found.open_right_in_root(root, entry) {
            list_below(&mut folder, DEEPEST, found, take);
        }
    });
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

fn list_below(folder: &mut Folder, depth: usize, found: &mut Findings, take: Take<'_>) {
    found.list(folder, |found, folder, entry| {
        if take(found, folder, entry) {
            return;
        }
        match found.kind(folder, entry) {
            Some(Kind::Folder) if depth == 0 => {
                found.not_whole(&folder.path().join(entry.name()), "too many folders deep");
            }
            Some(Kind::Folder) => {
                if let Some(mut below) = found.open_deeper(folder, entry.name()) {
                    list_below(&mut below, depth - 1, found, take);
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
            activity.saw_archived(SessionFile::by_mtime(path, status.written));
        }
    });
}

/// During a turn Codex holds a lock on a file called like the session; older versions only hold the
/// rollout open. The lock is looked up, never taken: Codex would fail.
fn in_use(base: &Path, wanted: &Wanted<'_>, processes: &Processes) -> Uses {
    let mut uses = Uses::default();
    let rollout = |name: &[u8]| wanted.find_uuid_at_end(stem(OsStr::from_bytes(name))?);
    match processes.holding(b"codex", rollout) {
        Ok(held) => uses.by = held,
        Err(why) => uses.unread(Path::new("/proc"), &why),
    }
    let Some(mut folder) = uses.open(&base.join("thread-writer-locks")) else { return uses };
    let mut locks = Vec::new();
    while let Some(entry) = folder.next_entry() {
        let told = entry.and_then(|entry| {
            let session = entry.name().as_bytes().strip_suffix(b".lock");
            let session = session.and_then(|session| wanted.find(session));
            let inode = |session| Ok((session, folder.status(entry.name())?.inode));
            session.map(inode).transpose()
        });
        match told {
            Ok(lock) => locks.extend(lock),
            Err(error) if is_gone(&error) => {}
            Err(error) => {
                uses.unread(folder.path(), &words(&error));
                break;
            }
        }
    }
    if locks.is_empty() {
        return uses;
    }
    match lockers() {
        Ok(lockers) => {
            let held = |(session, inode)| Some((session, *lockers.get(&inode)?));
            uses.by.extend(locks.into_iter().filter_map(held));
        }
        Err(why) => uses.unread(folder.path(), &why),
    }
    uses
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
