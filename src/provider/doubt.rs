//! Whether a CLI may keep its sessions in an unknown place: its prompt history was written within the
//! threshold, and nothing below its evidence roots was (E6).

use std::fs;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

use super::carrier::RootKind;
use super::descriptor::Folders;
use super::search::DEEPEST;
use super::session_index::SessionIndex;
use crate::model::{Activity, Timestamp};

const HISTORIES: [&str; 2] = ["history.jsonl", "session_index.jsonl"];

/// Returns the prompt history that puts the provider in doubt, if it is in doubt.
pub(super) fn is_in_doubt(
    folders: &Folders,
    index: &SessionIndex<'_>,
    activities: &[Activity],
) -> Option<PathBuf> {
    let cutoff = index.cutoff();
    let mut removable = activities.iter().filter(|activity| {
        !activity.is_used_since(cutoff) && (activity.own.is_some() || activity.archived.is_none())
    });

    removable.next()?;
    let mut histories = HISTORIES.iter().map(|name| folders.base.join(name));
    let history = histories
        .find(|path| fs::metadata(path).is_ok_and(|it| it.is_file() && is_recent(&it, cutoff)))?;

    // A session that was written shows that the CLI still writes there.
    let mut own = activities.iter().filter_map(|activity| activity.own.as_ref());
    if own.any(|own| own.written >= cutoff) {
        return None;
    }

    let mut roots = folders.roots.iter().filter(|root| root.kind != RootKind::Side);
    let is_written = roots.any(|root| has_recent(root.folder.path(), cutoff));
    (!is_written).then_some(history)
}

fn is_recent(status: &fs::Metadata, cutoff: Timestamp) -> bool {
    status.modified().is_ok_and(|written| Timestamp::from(written) >= cutoff)
}

/// Returns true if a file below `root` was written at `cutoff` or later. Links are followed right in the
/// root and nowhere else, and folders that cannot be read were reported by the search.
fn has_recent(root: &Path, cutoff: Timestamp) -> bool {
    let entries = WalkDir::new(root).min_depth(1).max_depth(1).into_iter().flatten();
    // Each of them is the root of a walk, which follows it if it is a link.
    let mut files = entries
        .flat_map(|entry| WalkDir::new(entry.path()).max_depth(DEEPEST - 1).into_iter().flatten());
    files.any(|file| {
        // A folder's mtime moves as well when old sessions are deleted, and a start that failed leaves an
        // empty file.
        let status = file.metadata().ok().filter(|it| it.is_file() && it.len() > 0);
        status.is_some_and(|status| is_recent(&status, cutoff))
    })
}
