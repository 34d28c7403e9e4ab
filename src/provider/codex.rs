//! Codex: one rollout file for each session, in a folder for the local day it was made.
//!
//! Seen in Codex 0.169.0 and 0.77.0. A version 7 id tells the day in UTC, so its file lies in one
//! of three folders unless somebody moved it; only for what is not seen there to be active, and for
//! ids of other kinds, all of `sessions/` is listed. Files are matched by name alone: inside, `session_id`
//! may be a parent's.

use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

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

fn find(place: &Place, wanted: &Wanted<'_>, found: &mut Findings) {
    let listed = list_days(&place.root, wanted, found);
    // A session may stand in a second file elsewhere, which somebody has copied or moved there.
    if !wanted.all_active(found) {
        let take = &mut |found: &mut Findings, folder: &Folder, entry: &Entry<'_>| {
            take(folder, entry, wanted, found)
        };
        list_whole(place, &listed, found, take);
    }
    if found.activities.iter().any(|activity| activity.own.is_none()) {
        list_archive(place, wanted, found);
    }
}

fn all(place: &Place, found: &mut Findings) -> Vec<String> {
    let mut ids = Vec::new();
    list_whole(place, &HashSet::new(), found, &mut |_, _, entry| {
        let Some(stem) = stem(entry.name()) else { return Taken::No };
        let uuid = stem.len().checked_sub(36).and_then(|at| std::str::from_utf8(&stem[at..]).ok());
        ids.extend(uuid.filter(|uuid| is_uuid(uuid.as_bytes())).map(str::to_owned));
        Taken::Wanted
    });
    ids
}

/// What an entry is to the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// The file of a wanted session, which was taken in.
    Wanted,
    /// The file of another one.
    Other,
    /// No session's file.
    No,
}

/// Takes in an entry, if it is the file of a wanted session.
type Take<'t> = &'t mut dyn FnMut(&mut Findings, &Folder, &Entry<'_>) -> Taken;

/// Lists the whole tree, but for the folders that were `listed` before.
fn list_whole(place: &Place, listed: &HashSet<PathBuf>, found: &mut Findings, take: Take<'_>) {
    found.list(&place.root, |found, entry| match take(found, &place.root, entry) {
        Taken::No => {
            let folder = found.open_right_in_root(&place.root, entry);
            if let Some(folder) = &folder {
                list_below(folder, DEEPEST, listed, found, take);
            }
            folder.is_some()
        }
        taken => taken == Taken::Wanted,
    });
}

/// The days whose folders can hold the wanted sessions, in order: the local date of creation lies
/// within one day of the UTC date.
fn days(wanted: &Wanted<'_>) -> BTreeSet<NaiveDate> {
    let seconds = wanted.ids().iter().filter_map(|id| uuid7_seconds(id.0));
    let made: BTreeSet<i64> = seconds.map(|seconds| seconds / SECONDS_PER_DAY).collect();
    let dates = made.iter().filter_map(|day| DateTime::from_timestamp(day * SECONDS_PER_DAY, 0));
    let around = |date: DateTime<Utc>| {
        let day = date.date_naive();
        [day.checked_sub_days(Days::new(1)), Some(day), day.checked_add_days(Days::new(1))]
    };
    dates.flat_map(around).flatten().collect()
}

const SECONDS_PER_DAY: i64 = 86_400;

/// Lists the folders of those days. The paths of those in which there was nothing but files, so that
/// the whole listing need not come there again.
fn list_days(root: &Folder, wanted: &Wanted<'_>, found: &mut Findings) -> HashSet<PathBuf> {
    let mut listed = HashSet::new();
    let mut month = None;
    for day in days(wanted) {
        let of = (day.year(), day.month());
        if month.as_ref().is_none_or(|(open, _)| *open != of) {
            month = Some((of, open_month(root, of, found)));
        }
        let Some((_, Some(month))) = &month else { continue };
        let name = format!("{:02}", day.day());
        let Some(day) = found.open_deeper(month, OsStr::new(&name)) else { continue };
        let mut is_flat = true;
        found.list(&day, |found, entry| {
            let taken = take(&day, entry, wanted, found);
            let may_lead_on = taken == Taken::No && entry.kind() != Kind::File;
            is_flat &= !may_lead_on;
            taken == Taken::Wanted || may_lead_on
        });
        if is_flat {
            listed.insert(day.path().to_owned());
        }
    }
    listed
}

fn open_month(root: &Folder, (year, month): (i32, u32), found: &mut Findings) -> Option<Folder> {
    let year = found.open_named_right_in_root(root, OsStr::new(&format!("{year:04}")))?;
    found.open_deeper(&year, OsStr::new(&format!("{month:02}")))
}

fn list_below(
    folder: &Folder,
    depth: usize,
    listed: &HashSet<PathBuf>,
    found: &mut Findings,
    take: Take<'_>,
) {
    found.list(folder, |found, entry| {
        let taken = take(found, folder, entry);
        if taken != Taken::No {
            return taken == Taken::Wanted;
        }
        let path = || folder.path().join(entry.name());
        match found.kind(folder, entry) {
            Some(Kind::Folder) if depth == 0 => found.not_whole(&path(), "too many folders deep"),
            Some(Kind::Folder) if !listed.is_empty() && listed.contains(&path()) => {}
            Some(Kind::Folder) => {
                if let Some(below) = found.open_deeper(folder, entry.name()) {
                    list_below(&below, depth - 1, listed, found, take);
                }
            }
            Some(Kind::Link) => found.not_whole(&path(), "a link here is not followed"),
            Some(Kind::File | Kind::Other | Kind::Untold) | None => return false,
        }
        true
    });
}

/// Takes in `entry` where it has the name of a wanted session's file.
fn take(folder: &Folder, entry: &Entry<'_>, wanted: &Wanted<'_>, found: &mut Findings) -> Taken {
    let Some(stem) = stem(entry.name()) else { return Taken::No };
    let Some(session) = wanted.find_uuid_at_end(stem) else { return Taken::Other };
    found.own(folder, entry.name(), session);
    Taken::Wanted
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
    let archive = match Folder::open(&path) {
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
    found.list(&archive, |found, entry| {
        let Some(session) = stem(entry.name()).and_then(|stem| wanted.find_uuid_at_end(stem))
        else {
            return false;
        };
        if let Some(status) = found.own_status(&archive, entry.name(), session)
            && let Some(activity) = found.activities.get_mut(session as usize)
        {
            let path = archive.path().join(entry.name());
            activity.saw_archived(SessionFile::by_mtime(path, status.written));
        }
        true
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
    let Some(folder) = uses.open(&base.join("thread-writer-locks")) else { return uses };
    let mut locks = Vec::new();
    let listed = folder.list(|entry| {
        let session = entry.name().as_bytes().strip_suffix(b".lock");
        if let Some(session) = session.and_then(|session| wanted.find(session)) {
            match folder.status(entry.name()) {
                Ok(status) => locks.push((session, status.inode)),
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(ControlFlow::Continue(()))
    });
    if let Err(error) = listed {
        uses.unread(folder.path(), &words(&error));
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
