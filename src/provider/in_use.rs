//! Which sessions a live process uses, however old their files: a session at work is not idle.
//!
//! Looked at only for what would go otherwise.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::findings::is_gone;
use super::{PROVIDERS, Provider, Wanted};
use crate::disk::folder::Folder;
use crate::disk::words;
use crate::domain::{Failure, KeepReason, SessionMap, Timestamp, Warning, WarningCode};
use crate::process::Processes;

/// Which of a provider's wanted sessions are in use, as far as that can be told.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// The process that uses a session, by the session's place; 0 where only that there is one can
    /// be told.
    pub(super) by: HashMap<u32, u32>,
    /// What could not be read: any session may be in use then.
    unread: Vec<Warning>,
}

impl Uses {
    /// Whether anything was found that keeps a mapping.
    fn tells(&self) -> bool {
        !self.by.is_empty() || !self.unread.is_empty()
    }

    /// Notes that something could not be read which may say that a session is in use.
    pub(super) fn unread(&mut self, path: &Path, why: &str) {
        let message = format!("cannot tell which sessions are in use, so all are kept: {why}");
        self.unread.push(Warning::at(WarningCode::UseUnread, path, message));
    }

    /// Opens a folder in which a CLI says what it uses. Nothing where there is none.
    pub(super) fn open(&mut self, path: &Path) -> Option<Folder> {
        match Folder::open(path) {
            Ok(folder) => Some(folder),
            // A link that leads nowhere may lead to a disk that is not there now.
            Err(error) if is_gone(&error) && !path.is_symlink() => None,
            Err(error) => {
                self.unread(path, &words(&error));
                None
            }
        }
    }
}

/// For a provider whose CLI leaves no trace of running but its arguments.
pub(super) fn no_trace(_: &Path, _: &Wanted<'_>, _: &Processes) -> Uses {
    Uses::default()
}

/// What is in use of a map, and so stays.
#[derive(Debug, Default)]
pub struct InUse {
    /// Why the mapping at that place stays.
    pub kept: HashMap<u32, KeepReason>,
    /// What could not be read.
    pub warnings: Vec<Warning>,
}

/// The mappings at `places` of `map` whose session a process uses, or may use for all that can be
/// told. `base` tells a provider's folder.
///
/// `processes` are those of our own user and of the map's owner.
///
/// # Errors
/// Only those of `base`.
pub fn in_use(
    map: &SessionMap,
    places: impl Iterator<Item = u32> + Clone,
    processes: &Processes,
    mut base: impl FnMut(&Provider) -> Result<PathBuf, Failure>,
) -> Result<InUse, Failure> {
    let mut wanted = PROVIDERS.each_ref().map(|provider| Wanted::new(provider.ids, Timestamp::MAX));
    let of = |place: u32| {
        let mapping = map.get(place)?;
        let provider = PROVIDERS.iter().position(|provider| provider.model == mapping.model);
        Some((provider?, mapping.session?))
    };
    let mut is_asked = false;
    for (provider, session) in places.clone().filter_map(of) {
        wanted[provider].add(session);
        is_asked = true;
    }
    let mut found = InUse::default();
    if !is_asked {
        return Ok(found);
    }
    let mut uses = Vec::new();
    for (provider, wanted) in PROVIDERS.iter().zip(&wanted) {
        let mut of_provider = Uses::default();
        if !wanted.ids().is_empty() {
            of_provider = (provider.in_use)(&base(provider)?, wanted, processes);
            if let Some(why) = processes.unread() {
                of_provider.unread(Path::new("/proc"), why);
            }
            let named = processes.naming(|word| wanted.find(word));
            for (session, process) in named {
                of_provider.by.entry(session).or_insert(process);
            }
        }
        uses.push(of_provider);
    }
    // What is asked for may be as much as a map holds, so it is walked once more, not kept.
    for place in places.filter(|_| uses.iter().any(Uses::tells)) {
        let Some((provider, session)) = of(place) else { continue };
        let Uses { by, unread } = &uses[provider];
        let id = wanted[provider].find(session.0.as_bytes());
        let process = id.and_then(|id| by.get(&id));
        let untold = (!unread.is_empty()).then_some(KeepReason::UseUntold);
        let why = process.map(|process| KeepReason::InUse(*process)).or(untold);
        found.kept.extend(why.map(|why| (place, why)));
    }
    for (provider, uses) in PROVIDERS.iter().zip(uses) {
        found.warnings.extend(uses.unread.into_iter().map(|warning| Warning {
            message: format!("{}: {}", provider.name, warning.message),
            ..warning
        }));
    }
    Ok(found)
}
