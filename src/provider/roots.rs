//! A provider's roots: which of them are there, and whose they are.

use std::path::PathBuf;

use super::carrier::{Root, RootKind};
use super::descriptor::{Base, Owners, Provider};
use super::io_error::{is_gone, is_not_folder};
use crate::model::{Reading, Warning, WarningCode, describe};
use crate::os::folder::Folder;

pub(super) struct Roots {
    pub(super) open: Vec<Root>,
    /// [`Reading::Whole`] if all evidence roots that exist are open.
    pub(super) reading: Reading,
    /// The roots that cannot be used, and why.
    failed: Vec<(Reading, PathBuf, String)>,
}

impl Roots {
    pub(super) fn open(provider: &Provider, base: &Base, owners: Owners) -> Self {
        let mut this = Self { open: Vec::new(), reading: Reading::Absent, failed: Vec::new() };
        let sessions = provider.roots.iter().map(|name| (RootKind::Sessions, name));
        let archive = provider.archive.iter().map(|name| (RootKind::Archive, name));
        for (kind, name) in sessions.chain(archive) {
            this.add(kind, base.folder.join(name), owners);
        }

        let sides = provider.side_roots.iter().map(|name| base.folder.join(name));
        for path in sides.chain(base.temporary.clone()) {
            this.add(RootKind::Side, path, owners);
        }

        // An error of the folder of locks is reported when they are looked up.
        if let Some(locks) = provider.signs.locks.map(|name| base.folder.join(name)) {
            this.failed.retain(|(_, path, _)| *path != locks);
        }

        for (reading, ..) in &this.failed {
            if this.reading != Reading::Foreign {
                this.reading = *reading;
            }
        }

        this
    }

    /// Returns a warning for each root that cannot be used.
    pub(super) fn warnings(&self, provider: &Provider, outcome: &str) -> Vec<Warning> {
        let failed = self.failed.iter().map(|(reading, path, why)| {
            let code = match reading {
                Reading::Foreign => WarningCode::RootForeign,
                _ => WarningCode::RootUnreadable,
            };
            Warning::at(code, path, format!("{}: {why}; {outcome}", provider.name))
        });
        failed.collect()
    }

    fn add(&mut self, kind: RootKind, path: PathBuf, owners: Owners) {
        let opened = Folder::open(&path).and_then(|folder| Ok((folder.owner()?, folder)));
        let (reading, why) = match opened {
            Ok((owner, folder)) if owners.include(owner) => {
                if kind != RootKind::Side && self.reading == Reading::Absent {
                    self.reading = Reading::Whole;
                }
                self.open.push(Root { kind, folder });
                return;
            }
            // Another user may have made a folder of that name, to keep everything from removal.
            Ok(_) if kind == RootKind::Side => return,
            Ok((owner, _)) => {
                let why = format!("the folder of sessions belongs to user {owner}");
                (Reading::Foreign, why)
            }
            // A link that leads nowhere may lead to a disk that is not mounted.
            Err(error) if is_gone(&error) && !path.is_symlink() => return,
            // A file in the place of a side root hides nothing.
            Err(error) if kind == RootKind::Side && is_not_folder(&error) => return,
            Err(error) => {
                let why = format!("cannot open the folder of sessions: {}", describe(&error));
                (Reading::Unreadable, why)
            }
        };

        self.failed.push((reading, path, why));
    }
}
