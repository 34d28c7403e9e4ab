//! Looks at the disk for what a map asks for: one pass for each provider, and none for a provider
//! that no mapping asks for.

use std::path::PathBuf;

use super::findings::is_gone;
use super::{Findings, PROVIDERS, Place, Provider, Wanted};
use crate::disk::folder::Folder;
use crate::disk::words;
use crate::domain::plan::{Observation, Observations, Subject};
use crate::domain::{Activity, Failure, Reading, SessionMap, Timestamp, Warning, WarningCode};

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
/// says so. What is used at `cutoff` or later is looked for no further. `base` tells a provider's
/// folder, and is asked only where it is needed.
///
/// # Errors
/// Only those of `base`; what goes wrong on disk is in the observations.
pub fn observe(
    map: &SessionMap,
    places: impl Fn(u32, &str) -> bool,
    owners: Owners,
    cutoff: Timestamp,
    mut base: impl FnMut(&Provider) -> Result<PathBuf, Failure>,
) -> Result<Observations, Failure> {
    let mut seen = Observations::default();
    let mut wanted = PROVIDERS.each_ref().map(|provider| Wanted::new(provider.ids, cutoff));
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
            Some(look(provider, base, wanted, owners, &mut seen.warnings))
        });
    }
    Ok(seen)
}

fn look(
    provider: &Provider,
    base: PathBuf,
    wanted: &Wanted<'_>,
    owners: Owners,
    warnings: &mut Vec<Warning>,
) -> Observation {
    let root = base.join(provider.sessions);
    let unread = |reading, code, why: String, warnings: &mut Vec<Warning>| {
        let message = format!("{}: {why}; its mappings are kept", provider.name);
        warnings.push(Warning::at(code, &root, message));
        let activities = vec![Activity::default(); wanted.ids().len()];
        Observation { root: root.clone(), reading, activities }
    };
    let opened = Folder::open(&root).and_then(|folder| Ok((folder.owner()?, folder)));
    let folder = match opened {
        Ok((owner, folder)) if owners.include(owner) => folder,
        Ok((owner, _)) => {
            let why = format!("the folder of sessions belongs to user {owner}");
            return unread(Reading::Foreign, WarningCode::RootForeign, why, warnings);
        }
        Err(error) if is_gone(&error) => {
            let why = "there is no folder of sessions".to_owned();
            return unread(Reading::Absent, WarningCode::RootAbsent, why, warnings);
        }
        Err(error) => {
            let why = format!("cannot open the folder of sessions: {}", words(&error));
            return unread(Reading::Unreadable, WarningCode::RootUnreadable, why, warnings);
        }
    };
    let mut found = Findings::new(wanted);
    let mut place = Place { base, root: folder, owners };
    (provider.find)(&mut place, wanted, &mut found);
    warnings.extend(found.warnings.drain(..).map(|warning| Warning {
        message: format!("{}: {}", provider.name, warning.message),
        ..warning
    }));
    Observation { root, reading: found.reading, activities: found.activities }
}
