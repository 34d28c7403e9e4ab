//! What the search for evidence and the providers have in common: roots, paths that carry an id, what
//! such a path shows, and files that name a session inside.

use std::path::{Path, PathBuf};

use super::evidence::{EvidenceCollector, Part};
use super::walk::Search;
use crate::os::folder::{Entry, Folder, Status};

/// What a root holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RootKind {
    /// Sessions.
    Sessions,
    /// Copies that the CLI has archived.
    Archive,
    /// Files beside sessions: they count for the time of use while that is within the threshold.
    Side,
}

/// A root, open.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) kind: RootKind,
    pub(super) folder: Folder,
}

/// A path that carries a session's id.
pub(super) struct Carrier<'a> {
    pub(super) root: RootKind,
    /// How many components it has below the root.
    pub(super) depth: usize,
    /// Its last component.
    pub(super) name: &'a [u8],
    pub(super) status: Status,
    /// The session's id, as the map has it.
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

/// What a path that carries a session's id shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shows {
    /// That the session exists, and when it was used.
    Session(Part),
    /// When it was used, and not that it exists.
    Use(Part),
    /// That there is an archived copy.
    Archived,
    /// The same, unless it was written within the threshold: then nobody knows.
    ArchivedIfOld,
    /// Nothing.
    Nothing,
}

/// What becomes of an entry that carries no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offered {
    /// It is none of the provider's special files: a folder is entered.
    Declined,
    /// It is one, and matters to a later look.
    Taken,
    /// It is another session's, and is passed over.
    Passed,
}

/// What is special about the files of one provider, during one search.
pub(super) trait Special {
    /// Offers an entry, which may carry ids as well if a folder above it does.
    fn offer(
        &mut self,
        search: &Search<'_>,
        found: &mut EvidenceCollector,
        at: &At<'_>,
        entry: &Entry<'_>,
    ) -> Offered;

    /// Reads the files that name a session inside, once all is listed.
    fn read_headers(&mut self, search: &Search<'_>, found: &mut EvidenceCollector);
}

/// For a provider without special files.
pub(super) struct Nothing;

impl Special for Nothing {
    fn offer(
        &mut self,
        _: &Search<'_>,
        _: &mut EvidenceCollector,
        _: &At<'_>,
        _: &Entry<'_>,
    ) -> Offered {
        Offered::Declined
    }

    fn read_headers(&mut self, _: &Search<'_>, _: &mut EvidenceCollector) {}
}

/// A folder that is listed.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) root: &'a Root,
    pub(super) folder: &'a Folder,
    /// How many components it has below the root; 0 for the root.
    pub(super) depth: usize,
}

impl At<'_> {
    /// The folder's path below its root.
    pub(super) fn below_root(&self) -> PathBuf {
        let root = self.root.folder.path();
        self.folder.path().strip_prefix(root).unwrap_or(Path::new("")).to_owned()
    }
}
