//! Files that may name a session inside, and in no path: read once all is listed, and only those
//! written within the threshold.

use std::cmp::Reverse;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::carrier::{At, RootKind};
use super::compressed::Frames;
use super::evidence::{EvidenceCollector, Part};
use super::header;
use super::header_texts::{self, Texts};
use super::listing::is_gone;
use super::walk::{Search, open_below};
use crate::model::{Timestamp, describe};
use crate::os::folder::{Folder, Kind};

/// The files of one search.
#[derive(Debug)]
pub(super) struct HeaderFiles {
    places: Vec<Place>,
    files: Vec<HeaderFile>,
    /// How many files are read: those of the highest ranks.
    most: usize,
    /// No file of a lower rank is read.
    least: i64,
    /// True if a file without an id names nobody; false if it may be anybody's.
    empty_names_nobody: bool,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct HeaderFile {
    rank: Reverse<i64>,
    /// The position of its folder.
    place: usize,
    name: OsString,
}

impl Default for HeaderFiles {
    fn default() -> Self {
        Self::at_most(usize::MAX)
    }
}

/// A folder below a root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// The path of the root.
    root: PathBuf,
    below: PathBuf,
}

impl Place {
    /// Returns true if it is that folder, whose path begins with that of the root.
    fn is(&self, root: &Path, folder: &Path) -> bool {
        self.root == root && folder.strip_prefix(root).is_ok_and(|below| self.below == below)
    }
}

/// A file that was written within the threshold, and whose header was torn.
struct Torn {
    place: Place,
    name: OsString,
    written: Timestamp,
}

impl HeaderFiles {
    /// No files yet, of which at most that many are read.
    pub(super) fn at_most(most: usize) -> Self {
        let (places, files) = (Vec::new(), Vec::new());
        Self { places, files, most, least: i64::MIN, empty_names_nobody: true }
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
        let (root, folder) = (at.root.folder.path(), at.folder.path());
        let is_here = |place: &Place| place.is(root, folder);
        if !self.places.last().is_some_and(is_here) {
            self.places.push(Place { root: root.to_owned(), below: at.below_root() });
        }
        let place = self.places.len() - 1;
        self.files.push(HeaderFile { rank: Reverse(rank), place, name: name.to_owned() });
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

    /// Reads those that were written within the threshold, and adds each to the sessions that it
    /// names, as `ids` finds them among the texts under `paths`.
    pub(super) fn read(
        mut self,
        search: &Search<'_>,
        found: &mut EvidenceCollector,
        paths: &'static [&'static [&'static str]],
        ids: fn(&[(usize, String)]) -> Vec<String>,
    ) {
        self.cut();
        self.files.sort_unstable_by_key(|file| file.place);

        let named = |texts: Texts| {
            let named = texts.map(|texts| ids(&texts));
            named.filter(|named| self.empty_names_nobody || !named.is_empty())
        };
        // Any other file may begin like an object and be none, such as what a tool has printed.
        let may_be_torn = |name: &OsStr| {
            let name = name.as_bytes();
            name.ends_with(b".jsonl") || name.ends_with(b".jsonl.zst")
        };
        let mut torn = Vec::new();
        let mut open: Option<(usize, Option<Folder>)> = None;
        for HeaderFile { place: number, name, .. } in self.files {
            if !found.may_open() {
                return;
            }
            let Some(place) = self.places.get(number).filter(|_| !search.is_others(&name)) else {
                continue;
            };
            if open.as_ref().is_none_or(|(opened, _)| *opened != number) {
                open = Some((number, open_place(search, found, place)));
            }
            let Some((_, Some(folder))) = &open else { continue };

            let why = match folder.status(&name) {
                Ok(status) if status.kind == Kind::File => {
                    let names_nobody = status.size == 0 && self.empty_names_nobody;
                    if found.is_old(status.written) || names_nobody {
                        continue;
                    }
                    match read(folder, &name, paths).map(named) {
                        Ok(None) if !may_be_torn(&name) => {}
                        Ok(None) => {
                            let (place, written) = (place.clone(), status.written);
                            torn.push(Torn { place, name, written });
                        }
                        ids => add(search, found, folder, (&name, status.written), ids),
                    }
                    continue;
                }
                Ok(_) => "not a regular file".to_owned(),
                Err(error) if is_gone(&error) => continue,
                Err(error) => describe(&error),
            };
            found.add_unread_header(&folder.path().join(&name), Timestamp::MAX, &why);
        }

        let read_again = |file: &Torn| {
            let folder = folder_of(search, &file.place)?;
            read(&folder, &file.name, paths).map(named)
        };
        header::read_all(torn, read_again, |file, ids| match folder_of(search, &file.place) {
            Ok(folder) => add(search, found, &folder, (&file.name, file.written), ids),
            Err(error) if is_gone(&error) => {}
            Err(error) => {
                let path = file.place.root.join(&file.place.below).join(&file.name);
                found.add_unread_header(&path, file.written, &describe(&error));
            }
        });
    }
}

fn read(
    folder: &Folder,
    name: &OsStr,
    paths: &'static [&'static [&'static str]],
) -> io::Result<Texts> {
    header_texts::read_texts(reader(folder.open_file(name)?, name), paths)
}

/// Adds a file, with its name and its last write, to the sessions that it names.
fn add(
    search: &Search<'_>,
    found: &mut EvidenceCollector,
    folder: &Folder,
    (name, written): (&OsStr, Timestamp),
    ids: io::Result<Option<Vec<String>>>,
) {
    let path = || folder.path().join(name);
    match ids {
        Ok(Some(ids)) => {
            for session in ids.iter().filter_map(|id| search.index.get(id.as_bytes())) {
                found.add_file(session, folder, name, written, Part::Transcript);
            }
        }
        Ok(None) => {
            let why = "its first line does not name a session";
            found.add_unread_header(&path(), written, why);
        }
        Err(error) if is_gone(&error) => {}
        Err(error) => found.add_unread_header(&path(), written, &describe(&error)),
    }
}

/// All ids that a header names.
pub(super) fn every_id(texts: &[(usize, String)]) -> Vec<String> {
    texts.iter().map(|(_, id)| id.clone()).collect()
}

/// The text of a file that may be compressed.
fn reader(file: File, name: &OsStr) -> Box<dyn Read> {
    let is_compressed = Path::new(name).extension().is_some_and(|extension| extension == "zst");
    if is_compressed { Box::new(Frames::new(file)) } else { Box::new(file) }
}

fn open_place(search: &Search<'_>, found: &mut EvidenceCollector, place: &Place) -> Option<Folder> {
    match folder_of(search, place) {
        Ok(folder) => Some(folder),
        Err(error) if is_gone(&error) => None,
        Err(error) => {
            let path = place.root.join(&place.below);
            found.add_unread_header(&path, Timestamp::MAX, &describe(&error));
            None
        }
    }
}

fn folder_of(search: &Search<'_>, place: &Place) -> io::Result<Folder> {
    let is_it = |folder: &&Folder| folder.path() == place.root;
    let roots = search.roots.iter().filter(|root| root.kind != RootKind::Side);
    let root = roots.map(|root| &root.folder).find(is_it);
    let root = root.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    open_below(root, &place.below)
}
