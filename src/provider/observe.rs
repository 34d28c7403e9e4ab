//! Looks at the disk for what a map asks for: one pass for each provider, and none for a provider
//! that no mapping asks for.

use std::path::{Path, PathBuf};

use super::by_two::by_two;
use super::findings::is_gone;
use super::{Findings, Memory, PROVIDERS, Place, Provider, Wanted};
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
/// says so. What is used at its provider's `cutoff` or later is looked for no further. `base` tells a
/// provider's folder, and is asked only where it is needed.
///
/// Each provider is looked at on its own, by two threads unless the map is large. What `memories` knows from an earlier look
/// need not be listed again; that one must have been for these sessions and maybe more.
///
/// # Errors
/// Only those of `base`; what goes wrong on disk is in the observations.
pub fn observe(
    map: &SessionMap,
    places: impl Fn(u32, &str) -> bool,
    owners: Owners,
    cutoff: impl Fn(usize) -> Timestamp,
    clock: Clock,
    mut memories: Option<&mut Memories>,
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
    let mut looks = Vec::new();
    for (place, (provider, wanted)) in PROVIDERS.iter().zip(&wanted).enumerate() {
        if !wanted.ids().is_empty() {
            let base = base(provider)?;
            let memory = memories.as_mut().and_then(|all| all.0[place].take());
            looks.push(Look { provider, base, wanted, owners, clock, memory });
        }
    }
    let looked = if map.bytes().len() <= MOST_FOR_TWO {
        by_two(looks, Look::take)
    } else {
        looks.into_iter().map(Look::take).collect()
    };
    let mut looked = looked.into_iter();
    for (place, wanted) in wanted.iter().enumerate() {
        let looked = if wanted.ids().is_empty() { None } else { looked.next() };
        seen.providers.push(looked.map(|looked| {
            seen.warnings.extend(looked.warnings);
            if let Some(all) = &mut memories {
                all.0[place] = looked.memory;
            }
            looked.observation
        }));
    }
    Ok(seen)
}

/// Up to how many bytes of a map two threads look. Another thread has a heap of its own, of 64 MiB of
/// addresses: beside a larger map, that is too much where `ulimit -v` allows six times the map (R3).
const MOST_FOR_TWO: usize = 8 << 20;

/// What the looks at each provider leave to later ones.
#[derive(Debug)]
pub struct Memories([Option<Memory>; PROVIDERS.len()]);

impl Memories {
    /// Nothing yet, of a run that began at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(std::array::from_fn(|_| Some(Memory::new(now))))
    }
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
    let mut found = Findings::new(&nothing, None, None);
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
    let place = Place { base: base.clone(), root: folder, owners };
    let mut ids = (provider.all)(&place, &mut found);
    ids.retain(|id| provider.ids.allows(SessionId(id)) && !is_mapped(id));
    ids.sort_unstable();
    ids.dedup();
    let mut wanted = Wanted::new(provider.ids, cutoff);
    for id in &ids {
        wanted.add(SessionId(id));
    }
    let look = Look { provider, base, wanted: &wanted, owners, clock, memory: None };
    let Looked { observation, warnings: seen, .. } = look.take();
    warnings.extend(seen);
    // Where there is nothing to look for, only the search for ids has met what cannot be read.
    for warning in found.warnings.into_iter().map(|warning| named(provider, warning)) {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    let all = wanted.ids().iter().map(|id| id.0.to_owned()).zip(observation.activities);
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

/// A look at one provider's folder of sessions.
struct Look<'w> {
    provider: &'w Provider,
    base: PathBuf,
    wanted: &'w Wanted<'w>,
    owners: Owners,
    clock: Clock,
    memory: Option<Memory>,
}

/// What was seen there.
struct Looked {
    observation: Observation,
    warnings: Vec<Warning>,
    memory: Option<Memory>,
}

impl Look<'_> {
    fn take(self) -> Looked {
        let Self { provider, base, wanted, owners, clock, memory } = self;
        let root = base.join(provider.sessions);
        let folder = match open(&root, owners) {
            Ok(folder) => folder,
            Err((reading, code, why)) => {
                let message = format!("{}: {why}; its mappings are kept", provider.name);
                let warnings = vec![Warning::at(code, &root, message)];
                let activities = vec![Activity::default(); wanted.ids().len()];
                return Looked {
                    observation: Observation { root, reading, activities },
                    warnings,
                    memory,
                };
            }
        };
        let exact = (clock == Clock::Record).then_some(provider.records);
        let mut found = Findings::new(wanted, exact, memory);
        (provider.find)(&Place { base, root: folder, owners }, wanted, &mut found);
        found.settle();
        let warnings = found.warnings.drain(..).map(|warning| named(provider, warning)).collect();
        let mut memory = found.memory;
        if let Some(memory) = &mut memory {
            memory.seal();
        }
        let observation =
            Observation { root, reading: found.reading, activities: found.activities };
        Looked { observation, warnings, memory }
    }
}

fn named(provider: &Provider, warning: Warning) -> Warning {
    Warning { message: format!("{}: {}", provider.name, warning.message), ..warning }
}
