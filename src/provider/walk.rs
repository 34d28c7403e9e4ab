//! The search for evidence of use: one rule for all providers.
//!
//! Every path below an evidence root that carries a session's id belongs to that session, at any depth to 16,
//! whether or not a known CLI writes such a name. A provider adds only its roots, the name of its own files,
//! and files that name a session inside.
//!
//! Names are listed, and `stat` is called only for entries that carry an id. A folder named by
//! the id of a session that was not asked for is entered in a second pass, and only if a mapping would
//! be removed otherwise.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::carrier::{At, Nothing, Offered, Root, RootKind, Special, open_below};
use super::descriptor::Folders;
use super::evidence::EvidenceCollector;
use super::memory::Entries;
use super::own_folder::Carried;
use super::parallel::in_two_threads;
use super::search::{DEEPEST, Search};
use super::session_index::names_any_id;
use crate::os::folder::{Entry, Folder, Kind};

/// Folders in one folder that are named by the ids of other sessions.
struct Deferred {
    root: usize,
    parent: PathBuf,
    depth: usize,
    names: Entries,
    /// True if they are named by mapped sessions that are not searched for.
    is_of_others: bool,
}

/// Two threads share the listing from this many folders on.
const WORTH_SHARING: usize = 64;

/// A folder that carries ids, to be walked after its parent is listed.
struct OwnFolder {
    name: OsString,
    carried: Vec<Carried>,
}

struct Listing<'l> {
    special: &'l mut dyn Special,
    root: usize,
    /// Collects folders named by other ids; `None` in the pass that enters them.
    deferred: Option<&'l mut Vec<Deferred>>,
}

impl Search<'_> {
    /// Searches the roots, and the files right in the provider's folder if those count.
    pub(super) fn run(&self, folders: &Folders, found: &mut EvidenceCollector) {
        let mut special = (self.provider.special)(self.scope.index, self.scope.others);
        let mut deferred = Vec::new();
        for (number, root) in self.scope.roots.iter().enumerate() {
            let at = At { root, folder: &root.folder, depth: 0 };
            let deferred = Some(&mut deferred);
            let mut listing = Listing { special: &mut *special, root: number, deferred };
            // A side root can only add a more recent use, so one that cannot be read is no reason for doubt.
            found.set_ignores_errors(root.kind == RootKind::Side);
            self.list(found, &at, &mut listing);
            found.set_ignores_errors(false);
        }

        if self.provider.files_in_home {
            self.list_home(folders, &mut *special, found);
        }

        // The rest is needed only if a mapping would be removed.
        if !found.all_active() {
            self.enter_deferred(&deferred, &mut *special, found);
        }

        if !found.all_active() {
            special.read_headers(&self.scope, found);
        }
    }

    /// Lists a folder whose path carries no id. The closure returns true for an entry that matters to a session, so
    /// that the last look finds it again.
    fn list(&self, found: &mut EvidenceCollector, at: &At<'_>, listing: &mut Listing<'_>) {
        let mut carried = Vec::new();
        let mut own_folders = Vec::new();
        let (mut unknown, mut of_others) = (Entries::default(), Entries::default());
        found.list(at.folder, &mut |found, entry| {
            self.carried_by(entry.name().as_bytes(), &mut carried);
            if !carried.is_empty() {
                let carried: Vec<Carried> = carried.iter().copied().map(Carried::by_name).collect();
                if entry.kind() == Kind::Folder && self.can_share(at) {
                    own_folders.push(OwnFolder { name: entry.name().to_owned(), carried });
                } else {
                    self.take(found, at, entry, &carried, listing.special);
                }
                return true;
            }
            match listing.special.offer(&self.scope, found, at, entry) {
                Offered::Taken => return true,
                Offered::Folder(session) => {
                    self.take_folder(found, at, entry.name(), session);
                    return true;
                }
                Offered::Passed => return false,
                Offered::Declined => {}
            }
            // An error in another mapped session's folder matters to that session only.
            if self.scope.is_others(entry.name()) {
                if entry.kind() != Kind::File && listing.deferred.is_some() {
                    of_others.push(entry);
                }
                return true;
            }
            match found.kind(at.folder, entry) {
                Some(Kind::Folder) => {}
                Some(Kind::Link) if at.depth == 0 => {}
                Some(Kind::Link) => {
                    check_link(found, at.folder, entry.name());
                    return true;
                }
                _ => return false,
            }
            if listing.deferred.is_some() && names_any_id(entry.name().as_bytes()) {
                unknown.push(entry);
                return true;
            }
            self.enter(found, at, entry, listing)
        });

        self.share(found, &own_folders, |found, own: &OwnFolder| {
            let entry = Entry::new(&own.name, Kind::Folder);
            self.take(found, at, &entry, &own.carried, &mut Nothing);
        });

        let Some(deferred) = &mut listing.deferred else { return };
        for (names, is_of_others) in [(unknown, false), (of_others, true)] {
            if !names.is_empty() {
                let (root, parent, depth) = (listing.root, at.below_root(), at.depth);
                deferred.push(Deferred { root, parent, depth, names, is_of_others });
            }
        }
    }

    /// Returns true if the folders in that one may be walked independently. Only Claude Code has known side names,
    /// and the files that it treats specially are all in the root.
    fn can_share(&self, at: &At<'_>) -> bool {
        self.may_share && at.depth > 0 && !self.provider.known_side_names.is_empty()
    }

    /// Does that work for each item; two threads share very many.
    fn share<T: Sync>(
        &self,
        found: &mut EvidenceCollector,
        items: &[T],
        work: impl Fn(&mut EvidenceCollector, &T) + Sync,
    ) {
        if !self.may_share || items.len() < WORTH_SHARING {
            for item in items {
                work(found, item);
            }
            return;
        }

        let (first, second) = items.split_at(items.len() / 2);
        let halves = vec![(found.sibling(), first), (found.sibling(), second)];
        let done = in_two_threads(halves, |(mut found, items)| {
            for item in items {
                work(&mut found, item);
            }
            found
        });

        for sibling in done {
            found.merge(sibling);
        }
    }

    /// Lists the folder `entry`; directly in the root, a link to a folder as well. Returns false for anything else.
    fn enter(
        &self,
        found: &mut EvidenceCollector,
        at: &At<'_>,
        entry: &Entry<'_>,
        listing: &mut Listing<'_>,
    ) -> bool {
        if at.depth + 1 >= DEEPEST {
            found.not_whole(&at.folder.path().join(entry.name()), "too many folders deep");
            return true;
        }

        let folder = if at.depth == 0 {
            found.open_right_in_root(at.folder, entry)
        } else {
            found.open_deeper(at.folder, entry.name())
        };

        let Some(folder) = folder else { return false };
        self.list(found, &At { folder: &folder, depth: at.depth + 1, ..*at }, listing);
        true
    }

    /// Enters the folders that are named by the ids of other sessions.
    fn enter_deferred(
        &self,
        deferred: &[Deferred],
        special: &mut dyn Special,
        found: &mut EvidenceCollector,
    ) {
        for Deferred { root: number, parent, depth, names, is_of_others } in deferred {
            let Some(root) = self.scope.roots.get(*number) else { continue };
            let path = root.folder.path().join(parent);
            let Some(folder) = found.whole(&path, open_below(&root.folder, parent)) else {
                continue;
            };
            let at = At { root, folder: &folder, depth: *depth };
            let mut listing = Listing { special: &mut *special, root: *number, deferred: None };
            found.set_ignores_errors(*is_of_others || root.kind == RootKind::Side);
            if self.can_share(&at) {
                let entries: Vec<Entry<'_>> = names.iter().collect();
                self.share(found, &entries, |found, entry| {
                    let (special, deferred) = (&mut Nothing, None);
                    let mut listing = Listing { special, root: *number, deferred };
                    self.enter(found, &at, entry, &mut listing);
                });
            } else {
                for entry in names.iter() {
                    self.enter(found, &at, &entry, &mut listing);
                }
            }
            found.set_ignores_errors(false);
        }
    }

    /// Looks at the files right in the provider's folder whose name carries an id.
    fn list_home(
        &self,
        folders: &Folders,
        special: &mut dyn Special,
        found: &mut EvidenceCollector,
    ) {
        let opened = Folder::open(&folders.base);
        let Some(folder) = found.whole(&folders.base, opened) else { return };

        // A folder of another user is no evidence (D2).
        if !folder.owner().is_ok_and(|owner| folders.owners.include(owner)) {
            return;
        }

        let root = Root { kind: RootKind::Sessions, folder };
        let at = At { root: &root, folder: &root.folder, depth: 0 };
        let mut carried = Vec::new();
        found.list(at.folder, &mut |found, entry| {
            self.carried_by(entry.name().as_bytes(), &mut carried);
            if carried.is_empty() || found.kind(at.folder, entry) == Some(Kind::Folder) {
                return false;
            }
            let carried: Vec<Carried> = carried.iter().copied().map(Carried::by_name).collect();
            self.take(found, &at, entry, &carried, special);
            true
        });
    }
}

/// Reports a link as unread unless it leads to something else than a folder: only a folder could hide sessions.
fn check_link(found: &mut EvidenceCollector, folder: &Folder, name: &OsStr) {
    match folder.status_of_target(name) {
        Ok(status) if status.kind != Kind::Folder => {}
        _ => found.not_whole(&folder.path().join(name), "a link here is not followed"),
    }
}
