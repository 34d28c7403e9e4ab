//! Files that may name a session inside, and in no path: read once all is listed, and only those
//! written within the threshold.

use std::cmp::Reverse;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::carrier::{At, FolderPath, Scope};
use super::compressed::Frames;
use super::evidence::{EvidenceCollector, Part};
use super::header;
use super::header_texts;
use super::io_error::is_gone;
use crate::model::{Timestamp, describe};
use crate::os::folder::{Folder, Kind, Status};
use crate::os::interrupt::Interrupt;

#[derive(Debug)]
pub(super) struct HeaderFiles {
    folders: Vec<FolderPath>,
    files: Vec<HeaderFile>,
    /// How many files are read: those of the highest ranks.
    most: usize,
    /// No file of a lower rank is read.
    least: i64,
    /// True if a file without an id names no session; false if it may name any.
    empty_names_nobody: bool,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct HeaderFile {
    rank: Reverse<i64>,
    folder: usize,
    name: OsString,
}

impl Default for HeaderFiles {
    fn default() -> Self {
        Self::at_most(usize::MAX)
    }
}

/// A file that was written within the threshold, and whose header was torn.
struct Torn {
    folder: FolderPath,
    name: OsString,
    written: Timestamp,
}

impl HeaderFiles {
    /// No files yet, of which at most that many are read.
    pub(super) fn at_most(most: usize) -> Self {
        let (folders, files) = (Vec::new(), Vec::new());
        Self { folders, files, most, least: i64::MIN, empty_names_nobody: true }
    }

    /// The same, but that a file without an id may be anybody's.
    pub(super) fn of_anybody() -> Self {
        Self { empty_names_nobody: false, ..Self::default() }
    }

    /// Adds the file called `name`; those of higher ranks are read first. Returns false for one that
    /// is not read, since there are enough of higher ranks.
    pub(super) fn push(&mut self, at: &At<'_>, name: &OsStr, rank: i64) -> bool {
        if rank < self.least {
            return false;
        }

        if !self.folders.last().is_some_and(|folder| folder.is_of(at)) {
            self.folders.push(at.folder_path());
        }
        let folder = self.folders.len() - 1;
        self.files.push(HeaderFile { rank: Reverse(rank), folder, name: name.to_owned() });
        if self.files.len() / 2 > self.most {
            self.cut();
        }
        true
    }

    fn cut(&mut self) {
        if self.files.len() > self.most {
            let (_, first_cut, _) = self.files.select_nth_unstable(self.most);
            self.least = first_cut.rank.0;
            self.files.truncate(self.most);
        }
    }

    /// Reads the files that were written within the threshold, and adds each to the sessions that it
    /// names, as `ids` finds them among the texts under `paths`.
    pub(super) fn read(
        mut self,
        scope: &Scope<'_>,
        found: &mut EvidenceCollector,
        paths: &'static [&'static [&'static str]],
        ids: fn(&[(usize, String)]) -> Vec<String>,
    ) {
        self.cut();
        self.files.sort_unstable_by_key(|file| file.folder);

        let interrupt = found.interrupt().clone();
        let reader = Reader { paths, ids, empty_names_nobody: self.empty_names_nobody, interrupt };
        let mut torn = Vec::new();
        let mut open: Option<(usize, Option<Folder>)> = None;
        for HeaderFile { folder: number, name, .. } in self.files {
            if !found.may_open() {
                return;
            }
            let Some(path) = self.folders.get(number).filter(|_| !scope.is_others(&name)) else {
                continue;
            };
            if open.as_ref().is_none_or(|(opened, _)| *opened != number) {
                open = Some((number, open_folder(scope, found, path)));
            }
            if let Some((_, Some(folder))) = &open
                && let Some(written) = reader.read_first(scope, found, folder, &name)
            {
                torn.push(Torn { folder: path.clone(), name, written });
            }
        }

        header::read_all(
            torn,
            &reader.interrupt,
            |file| reader.again(scope, file),
            |file, ids| match scope.open(&file.folder) {
                Ok(folder) => add(scope, found, &folder, (&file.name, file.written), ids),
                Err(error) if is_gone(&error) => {}
                Err(error) => {
                    let path = file.folder.path().join(&file.name);
                    found.add_unread_header(&path, file.written, &describe(&error));
                }
            },
        );
    }
}

struct Reader {
    paths: &'static [&'static [&'static str]],
    ids: fn(&[(usize, String)]) -> Vec<String>,
    empty_names_nobody: bool,
    interrupt: Interrupt,
}

impl Reader {
    /// Reads the file called `name`, and adds it to the sessions that it names. Returns when it was
    /// written if its header is torn.
    fn read_first(
        &self,
        scope: &Scope<'_>,
        found: &mut EvidenceCollector,
        folder: &Folder,
        name: &OsStr,
    ) -> Option<Timestamp> {
        let why = match folder.status(name) {
            Ok(Status { kind: Kind::File, written, size, .. }) => {
                if found.is_old(written) || (size == 0 && self.empty_names_nobody) {
                    return None;
                }
                match self.named(folder, name) {
                    Ok(None) => return Some(written).filter(|_| may_be_torn(name)),
                    ids => add(scope, found, folder, (name, written), ids),
                }
                return None;
            }
            Ok(_) => "not a regular file".to_owned(),
            Err(error) if is_gone(&error) => return None,
            Err(error) => describe(&error),
        };

        found.add_unread_header(&folder.path().join(name), Timestamp::MAX, &why);
        None
    }

    fn again(&self, scope: &Scope<'_>, file: &Torn) -> io::Result<Option<Vec<String>>> {
        self.named(&scope.open(&file.folder)?, &file.name)
    }

    /// Returns the ids that a file names; nothing if its header is torn.
    fn named(&self, folder: &Folder, name: &OsStr) -> io::Result<Option<Vec<String>>> {
        let file = reader(folder.open_file(name)?, name, &self.interrupt);
        let named = header_texts::read_texts(file, self.paths)?.map(|texts| (self.ids)(&texts));
        Ok(named.filter(|named| self.empty_names_nobody || !named.is_empty()))
    }
}

/// Any other file may begin like an object and be none, such as the output of a tool.
fn may_be_torn(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.ends_with(b".jsonl") || name.ends_with(b".jsonl.zst")
}

/// Adds a file, with its name and its last write, to the sessions that it names.
fn add(
    scope: &Scope<'_>,
    found: &mut EvidenceCollector,
    folder: &Folder,
    (name, written): (&OsStr, Timestamp),
    ids: io::Result<Option<Vec<String>>>,
) {
    let path = folder.path().join(name);
    match ids {
        Ok(Some(ids)) => {
            for session in ids.iter().filter_map(|id| scope.index.get(id.as_bytes())) {
                found.add_file(session, folder, name, written, Part::Transcript);
            }
        }
        Ok(None) => {
            let why = "its first line does not name a session";
            found.add_unread_header(&path, written, why);
        }
        Err(error) if is_gone(&error) => {}
        Err(error) => found.add_unread_header(&path, written, &describe(&error)),
    }
}

pub(super) fn every_id(texts: &[(usize, String)]) -> Vec<String> {
    texts.iter().map(|(_, id)| id.clone()).collect()
}

fn reader(file: File, name: &OsStr, interrupt: &Interrupt) -> Box<dyn Read> {
    let is_compressed = Path::new(name).extension().is_some_and(|extension| extension == "zst");
    if is_compressed { Box::new(Frames::new(file, interrupt)) } else { Box::new(file) }
}

fn open_folder(
    scope: &Scope<'_>,
    found: &mut EvidenceCollector,
    path: &FolderPath,
) -> Option<Folder> {
    match scope.open(path) {
        Ok(folder) => Some(folder),
        Err(error) if is_gone(&error) => None,
        Err(error) => {
            found.add_unread_header(&path.path(), Timestamp::MAX, &describe(&error));
            None
        }
    }
}
