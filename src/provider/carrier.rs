//! The terms of the search for evidence, which it shares with the providers: roots, paths that carry an
//! id, the evidence of such a path, and files that name a session inside.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::evidence::{EvidenceCollector, Part};
use super::session_index::SessionIndex;
use crate::model::SessionIdx;
use crate::os::folder::{Entry, Folder, Links, Status};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RootKind {
    Sessions,
    /// Copies that the CLI has archived.
    Archive,
    /// Files beside sessions: they count for the time of use while that is within the threshold.
    Side,
}

#[derive(Debug)]
pub(super) struct Root {
    pub(super) kind: RootKind,
    pub(super) folder: Folder,
}

#[derive(Clone, Copy)]
pub(super) struct Scope<'s> {
    pub(super) index: &'s SessionIndex<'s>,
    /// The mapped sessions that are not searched for: their own files name no other session.
    pub(super) others: &'s SessionIndex<'s>,
    pub(super) roots: &'s [Root],
}

impl Scope<'_> {
    /// Returns true if `name` carries the id of a mapped session that is not searched for.
    pub(super) fn is_others(&self, name: &OsStr) -> bool {
        let mut carried = Vec::new();
        self.others.carried_by(name.as_bytes(), &mut carried);
        !carried.is_empty()
    }

    /// Opens a folder that was listed before.
    pub(super) fn open(&self, path: &FolderPath) -> io::Result<Folder> {
        let root = self.roots.iter().find(|root| root.folder.path() == path.root);
        let root = root.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        open_below(&root.folder, &path.below)
    }
}

/// Opens the folder at that path below a root. Only a link right in the root is followed.
pub(super) fn open_below(root: &Folder, below: &Path) -> io::Result<Folder> {
    let mut folder = root.reopened()?;
    for (depth, name) in below.iter().enumerate() {
        let links = if depth == 0 { Links::Follow } else { Links::Refuse };
        folder = folder.open_in(name, links)?;
    }
    Ok(folder)
}

/// The path of a folder, to open it later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FolderPath {
    root: PathBuf,
    below: PathBuf,
}

impl FolderPath {
    pub(super) fn path(&self) -> PathBuf {
        self.root.join(&self.below)
    }

    /// Returns true if it is the path of that folder.
    pub(super) fn is_of(&self, at: &At<'_>) -> bool {
        let root = at.root.folder.path();
        let below = at.folder.path().strip_prefix(root);
        self.root == root && below.is_ok_and(|below| self.below == below)
    }
}

#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) root: &'a Root,
    pub(super) folder: &'a Folder,
    /// How many components it has below the root; 0 for the root.
    pub(super) depth: usize,
}

impl At<'_> {
    pub(super) fn below_root(&self) -> PathBuf {
        let root = self.root.folder.path();
        self.folder.path().strip_prefix(root).unwrap_or(Path::new("")).to_owned()
    }

    pub(super) fn folder_path(&self) -> FolderPath {
        FolderPath { root: self.root.folder.path().to_owned(), below: self.below_root() }
    }
}

pub(super) struct Carrier<'a> {
    pub(super) root: RootKind,
    /// How many components it has below the root.
    pub(super) depth: usize,
    pub(super) name: &'a [u8],
    pub(super) status: Status,
    /// The session's id in the map.
    pub(super) id: &'a str,
    /// True if its last component carries the id; false if only a folder above it does.
    pub(super) by_name: bool,
}

impl Carrier<'_> {
    /// Returns true if the name is the id between `before` and `after`, ignoring case.
    pub(super) fn is_called(&self, before: &str, after: &str) -> bool {
        let rest = self.name.strip_prefix(before.as_bytes());
        let id = rest.and_then(|rest| rest.strip_suffix(after.as_bytes()));
        id.is_some_and(|id| id.eq_ignore_ascii_case(self.id.as_bytes()))
    }
}

/// The evidence of a path that carries a session's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shows {
    /// That the session exists, and when it was used.
    Session(Part),
    /// Only when it was used.
    Use(Part),
    Archived,
    /// The same, unless it was written within the threshold: then it counts as a session.
    ArchivedIfOld,
    Nothing,
}

/// The answer of a provider to an entry that carries no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offered {
    /// It is none of the provider's special files: a folder is entered.
    Declined,
    /// It is one, and matters to a later look.
    Taken,
    /// It is a folder that belongs to that session.
    Folder(SessionIdx),
    /// It is another session's, and is passed over.
    Passed,
}

pub(super) trait Special {
    /// Offers an entry, which may carry ids as well if a folder above it does.
    fn offer(
        &mut self,
        scope: &Scope<'_>,
        found: &mut EvidenceCollector,
        at: &At<'_>,
        entry: &Entry<'_>,
    ) -> Offered;

    /// Reads the files that name a session inside, once all is listed.
    fn read_headers(&mut self, scope: &Scope<'_>, found: &mut EvidenceCollector);
}

pub(super) struct Nothing;

impl Special for Nothing {
    fn offer(
        &mut self,
        _: &Scope<'_>,
        _: &mut EvidenceCollector,
        _: &At<'_>,
        _: &Entry<'_>,
    ) -> Offered {
        Offered::Declined
    }

    fn read_headers(&mut self, _: &Scope<'_>, _: &mut EvidenceCollector) {}
}
