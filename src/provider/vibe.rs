//! Mistral's vibe, in three layouts, of which none is the one where the bridge looks.
//!
//! Seen in vibe 1.3.5 (`logs/session/session_<time>_<first 8 of id>.json`) and 3.0.2
//! (`logs/session/unified/<id>/`). That of 2.7.0 is a folder named like the file of 1.3.5, with
//! `meta.json` in it. The bridge looks for `sessions/session-<id>.json`.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;

use super::carrier::{At, Carrier, Offered, Shows, Special};
use super::evidence::{EvidenceCollector, Part};
use super::header;
use super::header_files::{HeaderFiles, every_id};
use super::header_texts::{self, Texts};
use super::listing::is_gone;
use super::session_index::SessionIndex;
use super::walk::Search;
use super::work::Signs;
use super::{Place, Provider, Records};
use crate::model::SessionIdx;
use crate::model::ids::is_uuid;
use crate::model::{IdKind, Timestamp, describe};
use crate::os::folder::{Entry, Folder, Kind, Links};

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
    records: Records::Untold,
    own_id: |name| name.strip_suffix(b".json")?.strip_prefix(b"session-"),
    shows,
    special: |index, others| Box::new(Shortened::new(index, others)),
    all,
    signs: Signs { records: None, locks: Some("logs/session/active") },
};

/// How many characters of the id a name holds.
const SHOWN: usize = 8;

/// Where a file names its session.
const PATHS: &[&[&str]] = &[&["session_id"], &["metadata", "session_id"]];

fn shows(path: &Carrier<'_>) -> Shows {
    let is_file = path.status.kind == Kind::File;
    let is_own = path.is_called("session-", ".json") || path.name == b"meta.json";
    Shows::Session(if is_file && is_own { Part::Own } else { Part::Unknown })
}

/// The 8 characters of an id that end the name of a file or folder of older versions.
fn shown(name: &[u8]) -> Option<&[u8]> {
    let stem = name.strip_suffix(b".json").unwrap_or(name).strip_prefix(b"session_")?;
    let (before, shown) = stem.split_at(stem.len().checked_sub(SHOWN)?);
    before.ends_with(b"_").then_some(shown)
}

/// Files and folders whose names hold the start of an id, and files that may name one inside.
struct Shortened {
    /// The starts of ids, each with the session that has it, in order.
    starts: Vec<(Vec<u8>, SessionIdx)>,
    /// The same of mapped sessions that are not searched for.
    of_others: Vec<(Vec<u8>, SessionIdx)>,
    files: HeaderFiles,
}

impl Shortened {
    fn new(index: &SessionIndex<'_>, others: &SessionIndex<'_>) -> Self {
        let (starts, of_others) = (Self::starts(index), Self::starts(others));
        Self { starts, of_others, files: HeaderFiles::default() }
    }

    /// The starts of ids in order.
    fn starts(index: &SessionIndex<'_>) -> Vec<(Vec<u8>, SessionIdx)> {
        let starts = (0..).map(SessionIdx).zip(index.ids()).map(|(session, id)| {
            let start = id.0.get(..SHOWN).unwrap_or(id.0);
            (start.to_ascii_lowercase().into_bytes(), session)
        });
        let mut starts: Vec<_> = starts.collect();
        starts.sort_unstable();
        starts
    }
}

/// The sessions whose id starts as the name shows.
fn fitting(starts: &[(Vec<u8>, SessionIdx)], name: &[u8]) -> Vec<SessionIdx> {
    let Some(shown) = shown(name).map(<[u8]>::to_ascii_lowercase) else { return Vec::new() };
    let first = starts.partition_point(|(start, _)| *start < shown);
    let fits = starts[first..].iter().take_while(|(start, _)| *start == shown);
    fits.map(|(_, session)| *session).collect()
}

impl Special for Shortened {
    fn offer(
        &mut self,
        search: &Search<'_>,
        found: &mut EvidenceCollector,
        at: &At<'_>,
        entry: &Entry<'_>,
    ) -> Offered {
        let name = entry.name().as_bytes();
        let fits = fitting(&self.starts, name);
        if fits.is_empty() {
            if entry.kind() != Kind::Folder && !fitting(&self.of_others, name).is_empty() {
                return Offered::Passed;
            }
            if found.kind(at.folder, entry) != Some(Kind::File) {
                return Offered::Declined;
            }
            self.files.push(at, entry.name(), i64::MAX);
            return Offered::Taken;
        }

        let is_folder = found.kind(at.folder, entry) == Some(Kind::Folder);
        let header = if is_folder {
            let inside =
                || at.folder.open_in(entry.name(), Links::Refuse)?.open_file(META.as_ref());
            read(inside())
        } else {
            read(at.folder.open_file(entry.name()))
        };
        match header {
            Ok(Some(id)) => {
                let Some(session) = search.index.get(id.as_bytes()) else { return Offered::Taken };
                if is_folder {
                    search.take_folder(found, at, entry.name(), session);
                } else {
                    add(found, at.folder, entry.name(), session, &fits);
                }
            }
            Err(error) if is_gone(&error) && !is_folder => {}
            other => {
                let why =
                    other.err().map_or("its header names no session".to_owned(), |e| describe(&e));
                let path = at.folder.path().join(entry.name());
                found.add_unread(&fits, &path, Timestamp::MAX, true, &why);
            }
        }
        Offered::Taken
    }

    fn read_headers(&mut self, search: &Search<'_>, found: &mut EvidenceCollector) {
        std::mem::take(&mut self.files).read(search, found, PATHS, every_id);
    }
}

const META: &str = "meta.json";

/// The session that an open file names; a torn one is read again for a while.
fn read(file: io::Result<File>) -> io::Result<Option<String>> {
    let file = file?;
    let mut result: io::Result<Texts> = Ok(None);
    header::read_all(
        vec![file],
        |file| header_texts::read_texts(FromStart(file, 0), PATHS),
        |_, header| result = header,
    );
    Ok(result?.and_then(|texts| texts.into_iter().next()).map(|(_, id)| id))
}

/// Reads a file from its start, however often.
struct FromStart<'f>(&'f File, u64);

impl io::Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = std::os::unix::fs::FileExt::read_at(self.0, buffer, self.1)?;
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

fn all(place: &Place, found: &mut EvidenceCollector) -> Vec<String> {
    let mut ids = Vec::new();
    for root in &place.roots {
        list_sessions(&root.folder, found, &mut ids);
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
fn list_sessions(folder: &Folder, found: &mut EvidenceCollector, ids: &mut Vec<String>) {
    found.list(folder, &mut |found, entry| {
        let name = entry.name();
        let whole = name.to_str().and_then(|name| name.strip_prefix("session-"));
        let whole = whole.and_then(|name| name.strip_suffix(".json"));
        if let Some(id) = whole.filter(|id| is_uuid(id.as_bytes())) {
            ids.push(id.to_owned());
        } else if shown(name.as_bytes()).is_some() {
            let file = if found.kind(folder, entry) == Some(Kind::Folder) {
                folder.open_in(name, Links::Refuse).and_then(|inner| inner.open_file(META.as_ref()))
            } else {
                folder.open_file(name)
            };
            match read(file) {
                Ok(id) => ids.extend(id),
                Err(error) if is_gone(&error) => {}
                Err(error) => found.not_whole(&folder.path().join(name), &describe(&error)),
            }
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
