//! Handles an entry whose path carries a session's id: its status is read and, if it is a folder, everything
//! below it is handled as well.

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;

use super::carrier::{At, Carrier, Nothing, Offered, RootKind, Shows, Special};
use super::evidence::{EvidenceCollector, Part};
use super::search::{DEEPEST, Search};
use crate::model::{SessionIdx, Timestamp, describe};
use crate::os::folder::{Entry, Folder, Kind, Links, Status};

#[derive(Debug, Clone, Copy)]
pub(super) struct Carried {
    session: SessionIdx,
    by_name: bool,
    /// False within a folder that holds only known side files.
    shows_session: bool,
}

impl Carried {
    /// A session that the last component of a path carries.
    pub(super) fn by_name(session: SessionIdx) -> Self {
        Self { session, by_name: true, shows_session: true }
    }
}

impl Search<'_> {
    /// Adds all that `folder` holds for that session, which is named inside and by no path.
    pub(super) fn take_folder(
        &self,
        found: &mut EvidenceCollector,
        at: &At<'_>,
        name: &OsStr,
        session: SessionIdx,
    ) {
        let carried = [Carried { session, by_name: false, shows_session: true }];
        self.take(found, at, &Entry::new(name, Kind::Folder), &carried, &mut Nothing);
    }

    /// Adds an entry whose path carries those ids, and all below it.
    pub(super) fn take(
        &self,
        found: &mut EvidenceCollector,
        at: &At<'_>,
        entry: &Entry<'_>,
        carried: &[Carried],
        special: &mut dyn Special,
    ) {
        let sessions: Vec<SessionIdx> = carried.iter().map(|owner| owner.session).collect();
        let kind = found.kind(at.folder, entry);
        if kind == Some(Kind::Link)
            && at.depth == 0
            && let Some(folder) = at.folder.open_in(entry.name(), Links::Follow).ok()
        {
            let at = At { folder: &folder, depth: 1, ..*at };
            self.list_carried(found, &at, carried, special);
            return;
        }

        let is_named = carried.iter().any(|owner| owner.by_name);
        if kind == Some(Kind::Link) && (at.root.kind == RootKind::Side || !is_named) {
            Self::take_link(found, at, entry.name(), &sessions);
            return;
        }

        let Some(status) = found.status_of(at.folder, entry.name(), &sessions) else { return };
        if status.kind != Kind::Folder {
            for owner in carried {
                self.show(found, at, entry.name(), status, *owner);
            }
            return;
        }

        let folder = if at.depth + 1 < DEEPEST {
            found.open_of(at.folder, entry.name(), &sessions)
        } else {
            let path = at.folder.path().join(entry.name());
            found.add_unread(&sessions, &path, Timestamp::MAX, true, "too many folders deep");
            None
        };

        let carried = self.mark_side_folders(found, folder.as_ref(), entry.name(), carried);
        for owner in &carried {
            self.show(found, at, entry.name(), status, *owner);
        }

        if let Some(folder) = folder {
            let at = At { folder: &folder, depth: at.depth + 1, ..*at };
            self.list_carried(found, &at, &carried, special);
        }
    }

    /// Marks the sessions for which `folder`, called `name`, is named by the id alone and holds only
    /// known side files.
    fn mark_side_folders(
        &self,
        found: &mut EvidenceCollector,
        folder: Option<&Folder>,
        name: &OsStr,
        carried: &[Carried],
    ) -> Vec<Carried> {
        let mut marked = carried.to_vec();
        let Some(folder) = folder.filter(|_| !self.provider.known_side_names.is_empty()) else {
            return marked;
        };

        for owner in marked.iter_mut().filter(|owner| owner.by_name) {
            let id = self.id(owner.session);
            let is_named_alone = name.as_bytes().eq_ignore_ascii_case(id.as_bytes());
            if is_named_alone && self.holds_known_names(found, folder) {
                owner.shows_session = false;
            }
        }
        marked
    }

    /// Adds a link below a folder that carries an id: its target is not opened, only its mtime is read.
    fn take_link(
        found: &mut EvidenceCollector,
        at: &At<'_>,
        name: &OsStr,
        sessions: &[SessionIdx],
    ) {
        let why = match at.folder.status_of_target(name) {
            Ok(status) if status.kind == Kind::File => {
                for session in sessions {
                    found.add_recent_use(*session, status.written);
                }
                return;
            }
            _ if at.root.kind == RootKind::Side => return,
            Ok(_) => "a link here is not followed".to_owned(),
            Err(error) => describe(&error),
        };

        let path = at.folder.path().join(name);
        found.add_unread(sessions, &path, Timestamp::MAX, true, &why);
    }

    fn show(
        &self,
        found: &mut EvidenceCollector,
        at: &At<'_>,
        name: &OsStr,
        status: Status,
        owner: Carried,
    ) {
        let session = owner.session;
        if at.root.kind == RootKind::Side {
            found.add_recent_use(session, status.written);
            return;
        }

        let carrier = Carrier {
            root: at.root.kind,
            depth: at.depth + 1,
            name: name.as_bytes(),
            status,
            id: self.id(session),
            by_name: owner.by_name,
        };

        let shows = match (self.provider.shows)(&carrier) {
            Shows::ArchivedIfOld if found.is_old(status.written) => Shows::Archived,
            Shows::ArchivedIfOld => Shows::Session(Part::Unknown),
            // A folder has no record. Its mtime is the time when an entry came or went.
            Shows::Session(_) if status.kind == Kind::Folder => Shows::Session(Part::Plain),
            other => other,
        };

        let shows = match shows {
            Shows::Session(part) if !owner.shows_session => Shows::Use(part),
            other => other,
        };

        let written = status.written;
        match shows {
            Shows::Session(part) => found.add_file(session, at.folder, name, written, part),
            Shows::Use(part) => found.add_use(session, at.folder, name, written, part),
            Shows::Archived | Shows::ArchivedIfOld => {
                found.add_archived(session, at.folder.path().join(name), written);
            }
            Shows::Nothing => {}
        }
    }

    /// Lists a folder whose path carries those ids: all in it belongs to their sessions.
    fn list_carried(
        &self,
        found: &mut EvidenceCollector,
        at: &At<'_>,
        above: &[Carried],
        special: &mut dyn Special,
    ) {
        let sessions: Vec<SessionIdx> = above.iter().map(|owner| owner.session).collect();
        let mut named = Vec::new();
        let listed = at.folder.list(|entry| {
            if !found.spend(at.folder) {
                return Ok(ControlFlow::Break(()));
            }
            self.carried_by(entry.name().as_bytes(), &mut named);
            let mut carried: Vec<Carried> = above
                .iter()
                .map(|owner| Carried { by_name: named.contains(&owner.session), ..*owner })
                .collect();
            for session in &named {
                if carried.iter().all(|owner| owner.session != *session) {
                    let shows_session = true;
                    carried.push(Carried { session: *session, by_name: true, shows_session });
                }
            }
            // A file here may be another session's, which only its content shows.
            if let Offered::Folder(session) = special.offer(&self.scope, found, at, entry) {
                self.take_folder(found, at, entry.name(), session);
            }
            self.take(found, at, entry, &carried, special);
            Ok(ControlFlow::Continue(()))
        });

        if let Err(error) = listed {
            found.add_unread(&sessions, at.folder.path(), Timestamp::MAX, true, &describe(&error));
        }
    }

    /// Returns true if every name in `folder` is owner of a known side file.
    fn holds_known_names(&self, found: &mut EvidenceCollector, folder: &Folder) -> bool {
        let known = self.provider.known_side_names;
        let mut all_known = true;
        let listed = folder.reopened().and_then(|folder| {
            folder.list(|entry| {
                all_known &= known.iter().any(|name| entry.name() == *name);
                let go_on = all_known && found.spend(&folder);
                Ok(if go_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            })
        });
        listed.is_ok() && all_known
    }
}
