//! Mistral's vibe, in three layouts, of which none is the one where the bridge looks.
//!
//! Seen in vibe 1.3.5 (`logs/session/session_<time>_<first 8 of id>.json`) and 3.0.2
//! (`logs/session/unified/<id>/`). That of 2.7.0 is a folder named like the file of 1.3.5, with
//! `meta.json` in it. The bridge looks for `sessions/session-<id>.json`.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use super::carrier::{At, Carrier, Offered, Scope, Shows, Special};
use super::descriptor::{Folders, Provider, Signs};
use super::evidence::{EvidenceCollector, Part};
use super::header;
use super::header_files::{HeaderFiles, every_id};
use super::header_texts::{self, Texts};
use super::io_error::is_gone;
use super::records::Records;
use super::session_index::SessionIndex;
use super::short_ids::{SHOWN, ShortIds};
use crate::model::ids::is_uuid;
use crate::model::{IdKind, SessionIdx, Timestamp, describe};
use crate::os::folder::{Entry, Folder, Kind, Links};
use crate::os::interrupt::Interrupt;

pub(super) const PROVIDER: Provider = Provider {
    name: "vibe",
    model: "devstral-small-2",
    variable: Some(("VIBE_HOME", "")),
    folder: ".vibe",
    roots: &["logs/session", "sessions"],
    archive: None,
    side_roots: &[],
    temporary: None,
    files_in_home: false,
    known_side_names: &[],
    resume: "vibe --resume",
    ids: IdKind::Uuid,
    retention: None,
    records: Records::Unknown,
    own_id: |name| name.strip_suffix(b".json")?.strip_prefix(b"session-"),
    shows,
    special: |index, others| Box::new(Shortened::new(index, others)),
    all,
    signs: Signs { records: None, locks: Some("logs/session/active") },
};

const PATHS: &[&[&str]] = &[&["session_id"], &["metadata", "session_id"]];

const META: &str = "meta.json";

fn shows(path: &Carrier<'_>) -> Shows {
    let is_file = path.status.kind == Kind::File;
    let is_own = path.is_called("session-", ".json") || path.name == META.as_bytes();
    Shows::Session(if is_file && is_own { Part::Own } else { Part::Unknown })
}

/// The 8 characters of an id that end the name of a file or folder of older versions.
fn shown(name: &[u8]) -> Option<&[u8]> {
    let stem = name.strip_suffix(b".json").unwrap_or(name).strip_prefix(b"session_")?;
    let (before, shown) = stem.split_at(stem.len().checked_sub(SHOWN)?);
    before.ends_with(b"_").then_some(shown)
}

fn fitting(ids: &ShortIds, name: &[u8]) -> Vec<SessionIdx> {
    shown(name).map(|shown| ids.get(shown).collect()).unwrap_or_default()
}

/// Files and folders whose names end in the start of an id, and files that may name one inside.
struct Shortened {
    ids: ShortIds,
    of_others: ShortIds,
    headers: HeaderFiles,
}

impl Shortened {
    fn new(index: &SessionIndex<'_>, others: &SessionIndex<'_>) -> Self {
        let (ids, of_others) = (ShortIds::new(index), ShortIds::new(others));
        Self { ids, of_others, headers: HeaderFiles::default() }
    }
}

impl Special for Shortened {
    fn offer(
        &mut self,
        scope: &Scope<'_>,
        found: &mut EvidenceCollector,
        at: &At<'_>,
        entry: &Entry<'_>,
    ) -> Offered {
        let name = entry.name();
        let fits = fitting(&self.ids, name.as_bytes());
        if fits.is_empty() {
            let is_others = !fitting(&self.of_others, name.as_bytes()).is_empty();
            if entry.kind() != Kind::Folder && is_others {
                return Offered::Passed;
            }
            if found.kind(at.folder, entry) != Some(Kind::File) {
                return Offered::Declined;
            }
            self.headers.push(at, name, i64::MAX);
            return Offered::Taken;
        }

        let is_folder = found.kind(at.folder, entry) == Some(Kind::Folder);
        let why = match read_id(at.folder, name, is_folder, found.interrupt()) {
            Ok(Some(id)) => {
                match scope.index.get(id.as_bytes()) {
                    Some(session) if is_folder => return Offered::Folder(session),
                    Some(session) => add(found, at.folder, name, session, &fits),
                    None => {}
                }
                return Offered::Taken;
            }
            Err(error) if is_gone(&error) && !is_folder => return Offered::Taken,
            Ok(None) => "its header names no session".to_owned(),
            Err(error) => describe(&error),
        };

        found.add_unread(&fits, &at.folder.path().join(name), Timestamp::MAX, true, &why);
        Offered::Taken
    }

    fn read_headers(&mut self, scope: &Scope<'_>, found: &mut EvidenceCollector) {
        std::mem::take(&mut self.headers).read(scope, found, PATHS, every_id);
    }
}

/// Returns the session that a file, or the `meta.json` in a folder, names. A torn header is read again
/// for a while.
fn read_id(
    at: &Folder,
    name: &OsStr,
    is_folder: bool,
    interrupt: &Interrupt,
) -> io::Result<Option<String>> {
    let file = if is_folder {
        at.open_in(name, Links::Refuse)?.open_file(META.as_ref())?
    } else {
        at.open_file(name)?
    };

    let mut result: io::Result<Texts> = Ok(None);
    header::read_all(
        vec![file],
        interrupt,
        |file| header_texts::read_texts(FromStart(file, 0), PATHS),
        |_, header| result = header,
    );
    Ok(result?.and_then(|texts| texts.into_iter().next()).map(|(_, id)| id))
}

/// Reads a file from its start, however often.
struct FromStart<'f>(&'f File, u64);

impl io::Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read_at(buffer, self.1)?;
        self.1 += count as u64;
        Ok(count)
    }
}

fn add(
    found: &mut EvidenceCollector,
    folder: &Folder,
    name: &OsStr,
    session: SessionIdx,
    fits: &[SessionIdx],
) {
    if let Some(status) = found.status_of(folder, name, fits) {
        found.add_file(session, folder, name, status.written, Part::Own);
    }
}

fn all(folders: &Folders, found: &mut EvidenceCollector) -> Vec<String> {
    let mut ids = Vec::new();
    for root in &folders.roots {
        list_older(&root.folder, found, &mut ids);
        let Ok(unified) = root.folder.open_in("unified".as_ref(), Links::Refuse) else { continue };
        found.list(&unified, &mut |_, entry| {
            let name = entry.name().to_str().filter(|name| is_uuid(name.as_bytes()));
            ids.extend(name.map(str::to_owned));
            true
        });
    }
    ids
}

/// Adds the sessions of the older layouts.
fn list_older(folder: &Folder, found: &mut EvidenceCollector, ids: &mut Vec<String>) {
    found.list(folder, &mut |found, entry| {
        let name = entry.name();
        let whole = name.to_str().and_then(|name| name.strip_prefix("session-"));
        let whole = whole.and_then(|name| name.strip_suffix(".json"));
        if let Some(id) = whole.filter(|id| is_uuid(id.as_bytes())) {
            ids.push(id.to_owned());
        } else if shown(name.as_bytes()).is_some() {
            let is_folder = found.kind(folder, entry) == Some(Kind::Folder);
            let id = read_id(folder, name, is_folder, found.interrupt());
            ids.extend(found.whole(&folder.path().join(name), id).flatten());
        }
        true
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_older_versions_hold_the_start_of_an_id() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(shown(name.as_bytes()), expected.map(str::as_bytes), "{name}");
        };
        check("session_20261127_205824_a5c25c8b.json", Some("a5c25c8b"));
        check("session_20261127_205824_a5c25c8b", Some("a5c25c8b"));
        check("session_a5c25c8b", None);
        check("session-a5c25c8b-0000-4000-8000-000000000000.json", None);
        check("meta.json", None);
    }
}
