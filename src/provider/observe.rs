//! Looks at the disk for what a map asks for: one pass for each provider, and none for a provider
//! that no mapping asks for.

use std::path::{Path, PathBuf};

use super::findings::is_gone;
use super::{Findings, PROVIDERS, Place, Provider, Wanted};
use crate::disk::folder::Folder;
use crate::disk::words;
use crate::domain::plan::{Observation, Observations, Subject};
use crate::domain::{
    Activity, Clock, Failure, Reading, SessionId, SessionMap, Timestamp, Warning, WarningCode,
};

/// Whose folders of sessions are trusted, besides root's (D2).
#[derive(Debug, Clone, Copy)]
pub struct Owners {
    /// The user id this process runs as.
    pub us: u32,
    /// The owner of the map, where it has one.
    pub map: Option<u32>,
}

impl Owners {
    /// Whether folders of that user are trusted.
    pub(super) fn include(self, user: u32) -> bool {
        user == 0 || user == self.us || Some(user) == self.map
    }
}

/// Observes the sessions of the mappings of `map` for which `places`, given their place and model,
/// says so. What is used at its provider's `cutoff` or later is looked for no further. `base` tells a provider's
/// folder, and is asked only where it is needed.
///
/// # Errors
/// Only those of `base`; what goes wrong on disk is in the observations.
pub fn observe(
    map: &SessionMap,
    places: impl Fn(u32, &str) -> bool,
    owners: Owners,
    cutoff: impl Fn(usize) -> Timestamp,
    clock: Clock,
    mut base: impl FnMut(&Provider) -> Result<PathBuf, Failure>,
) -> Result<Observations, Failure> {
    let mut seen = Observations::default();
    let mut wanted: Vec<Wanted<'_>> = PROVIDERS
        .iter()
        .enumerate()
        .map(|(place, provider)| Wanted::new(provider.ids, cutoff(place)))
        .collect();
    for (place, mapping) in (0..).zip(map.mappings()) {
        if !places(place, mapping.model) {
            continue;
        }
        let provider = PROVIDERS.iter().position(|provider| provider.model == mapping.model);
        let subject = match (provider, mapping.session) {
            (None, _) => Subject::UnknownModel,
            (_, None) => Subject::NoString,
            (Some(provider), Some(id)) if PROVIDERS[provider].ids.allows(id) => Subject::Session {
                provider: u8::try_from(provider).unwrap_or(u8::MAX),
                session: wanted[provider].add(id),
            },
            _ => Subject::ImpossibleId,
        };
        seen.subjects.push((place, subject));
    }
    for (provider, wanted) in PROVIDERS.iter().zip(&wanted) {
        seen.providers.push(if wanted.ids().is_empty() {
            None
        } else {
            let base = base(provider)?;
            Some(look(provider, base, wanted, owners, clock, &mut seen.warnings))
        });
    }
    Ok(seen)
}

/// Every session of that provider on disk whose id `is_mapped` does not know, with what was
/// observed of it, in the order of ids; and what went wrong. What was written before `cutoff` is not
/// opened to see when it was used.
pub fn unmapped(
    provider: &Provider,
    base: PathBuf,
    owners: Owners,
    cutoff: Timestamp,
    clock: Clock,
    is_mapped: impl Fn(&str) -> bool,
) -> (Vec<(String, Activity)>, Vec<Warning>) {
    let mut warnings = Vec::new();
    let nothing = Wanted::new(provider.ids, Timestamp::MAX);
    let mut found = Findings::new(&nothing, None);
    let root = base.join(provider.sessions);
    // A CLI that was never used has no folder; that is no trouble where nothing is asked of it.
    let folder = match open(&root, owners) {
        Ok(folder) => folder,
        Err((Reading::Absent, ..)) => return (Vec::new(), warnings),
        Err((_, code, why)) => {
            let message = format!("{}: {why}; its sessions are not listed", provider.name);
            return (Vec::new(), vec![Warning::at(code, root, message)]);
        }
    };
    let mut place = Place { base: base.clone(), root: folder, owners };
    let mut ids = (provider.all)(&mut place, &mut found);
    ids.retain(|id| provider.ids.allows(SessionId(id)) && !is_mapped(id));
    ids.sort_unstable();
    ids.dedup();
    let mut wanted = Wanted::new(provider.ids, cutoff);
    for id in &ids {
        wanted.add(SessionId(id));
    }
    let seen = look(provider, base, &wanted, owners, clock, &mut warnings);
    // Where there is nothing to look for, only the search for ids has met what cannot be read.
    for warning in found.warnings.into_iter().map(|warning| named(provider, warning)) {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    let all = wanted.ids().iter().map(|id| id.0.to_owned()).zip(seen.activities);
    (all.filter(|(_, activity)| activity.own.is_some()).collect(), warnings)
}

/// Opens a provider's folder of sessions, or tells how far it is read then, and why.
fn open(root: &Path, owners: Owners) -> Result<Folder, (Reading, WarningCode, String)> {
    match Folder::open(root).and_then(|folder| Ok((folder.owner()?, folder))) {
        Ok((owner, folder)) if owners.include(owner) => Ok(folder),
        Ok((owner, _)) => {
            let why = format!("the folder of sessions belongs to user {owner}");
            Err((Reading::Foreign, WarningCode::RootForeign, why))
        }
        Err(error) if is_gone(&error) => {
            let why = "there is no folder of sessions".to_owned();
            Err((Reading::Absent, WarningCode::RootAbsent, why))
        }
        Err(error) => {
            let why = format!("cannot open the folder of sessions: {}", words(&error));
            Err((Reading::Unreadable, WarningCode::RootUnreadable, why))
        }
    }
}

fn look(
    provider: &Provider,
    base: PathBuf,
    wanted: &Wanted<'_>,
    owners: Owners,
    clock: Clock,
    warnings: &mut Vec<Warning>,
) -> Observation {
    let root = base.join(provider.sessions);
    let folder = match open(&root, owners) {
        Ok(folder) => folder,
        Err((reading, code, why)) => {
            let message = format!("{}: {why}; its mappings are kept", provider.name);
            warnings.push(Warning::at(code, &root, message));
            let activities = vec![Activity::default(); wanted.ids().len()];
            return Observation { root, reading, activities };
        }
    };
    let exact = (clock == Clock::Record).then_some(provider.records);
    let mut found = Findings::new(wanted, exact);
    let mut place = Place { base, root: folder, owners };
    (provider.find)(&mut place, wanted, &mut found);
    found.settle();
    warnings.extend(found.warnings.drain(..).map(|warning| named(provider, warning)));
    Observation { root, reading: found.reading, activities: found.activities }
}

fn named(provider: &Provider, warning: Warning) -> Warning {
    Warning { message: format!("{}: {}", provider.name, warning.message), ..warning }
}
