//! Whether a CLI may keep its sessions in an unknown place: its prompt history was written
//! within the threshold, and nothing below its evidence roots was (E6).

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::carrier::RootKind;
use super::{Place, SessionIndex};
use crate::model::{Activity, Timestamp};
use crate::os::folder::{Folder, Kind, Links};

/// What CLIs call their prompt history and their index of sessions.
const HISTORIES: [&str; 2] = ["history.jsonl", "session_index.jsonl"];

/// How deep below a root entries count.
const DEEPEST: usize = 16;

/// Returns the prompt history that puts the provider with that folder in doubt.
pub(super) fn is_in_doubt(
    base: &Path,
    place: &Place,
    index: &SessionIndex<'_>,
    activities: &[Activity],
) -> Option<PathBuf> {
    let cutoff = index.cutoff();
    let is_removable = |activity: &Activity| {
        !activity.is_used_since(cutoff) && (activity.own.is_some() || activity.archived.is_none())
    };
    if !activities.iter().any(is_removable) {
        return None;
    }
    let history = HISTORIES.iter().map(|name| base.join(name)).find(|path| {
        let written = fs::metadata(path).ok().filter(fs::Metadata::is_file);
        let written = written.and_then(|history| history.modified().ok());
        written.is_some_and(|written| Timestamp::from(written) >= cutoff)
    })?;

    // A session that was written shows that the CLI still writes there.
    let is_seen =
        |activity: &Activity| activity.own.as_ref().is_some_and(|own| own.written >= cutoff);
    if activities.iter().any(is_seen) {
        return None;
    }
    let roots = place.roots.iter().filter(|root| root.kind != RootKind::Side);
    let is_written = roots.map(|root| &root.folder).any(|folder| {
        // A folder that cannot be read was reported by the listing.
        folder.reopened().and_then(|folder| has_recent(&folder, cutoff, 1)).unwrap_or(true)
    });
    (!is_written).then_some(history)
}

/// Returns true if anything in `folder`, or below it, was written at `cutoff` or later.
fn has_recent(folder: &Folder, cutoff: Timestamp, depth: usize) -> io::Result<bool> {
    let mut found = false;
    let mut folders = Vec::new();
    folder.list(|entry| {
        let links = if depth == 1 { Links::Follow } else { Links::Refuse };
        if let Ok(status) = folder.status(entry.name()) {
            // A folder's mtime moves as well when old sessions are deleted.
            // A start that failed leaves an empty file.
            let is_session = status.kind == Kind::File && status.size > 0;
            found |= is_session && status.written >= cutoff;
            if status.kind == Kind::Folder || (status.kind == Kind::Link && depth == 1) {
                folders.push((entry.name().to_owned(), links));
            }
        }
        Ok(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;

    for (name, links) in folders.into_iter().filter(|_| depth < DEEPEST) {
        if found {
            break;
        }
        if let Ok(below) = folder.open_in(&name, links) {
            found = has_recent(&below, cutoff, depth + 1)?;
        }
    }
    Ok(found)
}
