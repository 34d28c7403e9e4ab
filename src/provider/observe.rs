//! Looks at the disk for what a map asks for: one pass for each provider, and none for a provider
//! that no mapping asks for.

use std::path::PathBuf;

use super::by_two::by_two;
use super::carrier::{Root, RootKind};
use super::doubt::is_in_doubt;
use super::evidence::EvidenceCollector;
use super::listing::{is_gone, is_not_folder};
use super::walk::Search;
use super::{Base, Memory, PROVIDERS, Place, Provider, SessionIndex};
use crate::model::plan::{Observation, Observations, Subject};
use crate::model::{
    Activity, Clock, Failure, MappingIdx, ProviderIdx, Reading, SessionId, SessionMap, Timestamp,
    Warning, WarningCode, describe,
};
use crate::os::folder::Folder;
use crate::os::interrupt::Interrupt;

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

/// How the disk is looked at.
#[derive(Debug, Clone)]
pub struct LookOptions {
    /// Whose folders are trusted.
    pub owners: Owners,
    /// What counts as a use.
    pub clock: Clock,
    /// Ends the look early, and counts its progress.
    pub interrupt: Interrupt,
}

/// Observes the sessions of the mappings of `map` that `places` selects, given their position and
/// model. A session used at its provider's `cutoff` or later is active. `base` returns a provider's
/// folders, and is called only for a provider that is asked about.
///
/// Each provider is looked at on its own, by two threads unless the map is large. Folders that
/// `memories` knows from an earlier look need not be listed again; that look must have been for these
/// sessions and maybe more.
///
/// # Errors
/// Only those of `base`; what goes wrong on disk is in the observations.
pub fn observe(
    map: &SessionMap,
    is_asked: impl Fn(MappingIdx, &str) -> bool,
    options: &LookOptions,
    cutoff: impl Fn(ProviderIdx) -> Timestamp,
    mut memories: Option<&mut Memories>,
    mut base: impl FnMut(&Provider) -> Result<Base, Failure>,
) -> Result<Observations, Failure> {
    let mut seen = Observations::default();
    let mut indexes: Vec<SessionIndex<'_>> = (0..)
        .zip(&PROVIDERS)
        .map(|(index, _)| SessionIndex::new(cutoff(ProviderIdx(index))))
        .collect();
    // A mapped session that is not looked at names nobody but itself.
    let mut others: Vec<SessionIndex<'_>> =
        PROVIDERS.iter().map(|_| SessionIndex::new(Timestamp::MAX)).collect();
    for (index, mapping) in map.indexed() {
        let provider = Provider::of_model(mapping.model);
        if !is_asked(index, mapping.model) {
            if let Some(((provider, _), id)) = provider.zip(mapping.session) {
                others[provider.get()].add(id);
            }
            continue;
        }
        let subject = match (provider, mapping.session) {
            (None, _) => Subject::UnknownModel,
            (_, None) => Subject::NotAString,
            (Some((provider, of)), Some(id)) if of.ids.allows(id) => {
                Subject::Session { provider, session: indexes[provider.get()].add(id) }
            }
            _ => Subject::ImpossibleId,
        };
        seen.subjects.push((index, subject));
    }
    // A map can be large, and these lists have grown by doubling.
    seen.subjects.shrink_to_fit();
    indexes.iter_mut().chain(&mut others).for_each(SessionIndex::shrink);

    let may_share = map.bytes().len() <= MOST_FOR_TWO;
    let mut looks = Vec::new();
    for (place, (provider, index)) in PROVIDERS.iter().zip(&indexes).enumerate() {
        if !index.is_empty() {
            let base = base(provider)?;
            let memory = memories.as_mut().and_then(|all| all.0[place].take());
            let checks_doubt = !memory.as_ref().is_some_and(Memory::is_sealed);
            let others = &others[place];
            let look =
                Look { provider, base, index, others, options, memory, checks_doubt, may_share };
            looks.push(look);
        }
    }
    let looked = if may_share {
        by_two(looks, Look::take)
    } else {
        looks.into_iter().map(Look::take).collect()
    };
    let mut looked = looked.into_iter();
    for (place, index) in indexes.iter().enumerate() {
        let looked = if index.is_empty() { None } else { looked.next() };
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

/// Returns every session of that provider on disk whose id `is_mapped` does not know, with its
/// evidence, in the order of ids; and what went wrong. A file written before `cutoff` is not opened
/// to see when it was used.
pub fn unmapped(
    provider: &Provider,
    base: Base,
    options: &LookOptions,
    cutoff: Timestamp,
    is_mapped: impl Fn(&str) -> bool,
) -> (Vec<(String, Activity)>, Vec<Warning>) {
    let mut warnings = Vec::new();
    let nothing = SessionIndex::new(Timestamp::MAX);
    let mut found = EvidenceCollector::new(&nothing, None, None).heeding(options.interrupt.clone());

    let owners = options.owners;
    let Roots { open, reading, failed } = Roots::open(provider, &base, owners);
    for (reading, path, why) in failed {
        let message = format!("{}: {why}; its sessions are not listed", provider.name);
        warnings.push(Warning::at(code_of(reading), path, message));
    }
    // A CLI that was never used has no folder; that is no problem if nothing is asked of it.
    if open.is_empty() && (reading != Reading::Absent || !provider.files_in_home) {
        return (Vec::new(), warnings);
    }

    let place = Place { base: base.folder.clone(), roots: open, owners };
    let mut ids = (provider.all)(&place, &mut found);
    ids.retain(|id| provider.ids.allows(SessionId(id)) && !is_mapped(id));
    ids.sort_unstable();
    ids.dedup();

    let mut index = SessionIndex::new(cutoff);
    for id in &ids {
        index.add(SessionId(id));
    }
    let checks_doubt = false;
    let look = Look {
        provider,
        base,
        index: &index,
        others: &nothing,
        options,
        memory: None,
        checks_doubt,
        may_share: true,
    };
    let Looked { observation, warnings: seen, .. } = look.take();
    warnings.extend(seen.into_iter().filter(|warning| warning.code != WarningCode::RootAbsent));
    // What only the search for ids could not read is missing from the list as well.
    for warning in found.warnings.into_iter().map(|warning| named(provider, warning)) {
        if warnings.iter().all(|known| known.path != warning.path) {
            warnings.push(warning);
        }
    }
    let all = index.ids().iter().map(|id| id.0.to_owned()).zip(observation.activities);
    (all.filter(|(_, activity)| activity.own.is_some()).collect(), warnings)
}

/// The roots of a provider.
struct Roots {
    open: Vec<Root>,
    /// How far they can be read as far as this is known: absent if no evidence root exists.
    reading: Reading,
    /// The evidence roots that cannot be used, and why.
    failed: Vec<(Reading, PathBuf, String)>,
}

impl Roots {
    fn open(provider: &Provider, base: &Base, owners: Owners) -> Self {
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
        // What is wrong with the folder of locks is reported when they are looked up.
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

/// A look at one provider's sessions.
struct Look<'w> {
    provider: &'w Provider,
    base: Base,
    index: &'w SessionIndex<'w>,
    /// The mapped sessions that are not looked for.
    others: &'w SessionIndex<'w>,
    options: &'w LookOptions,
    memory: Option<Memory>,
    /// False for a look at some sessions only, which cannot show that none was used.
    checks_doubt: bool,
    /// True if two threads may share the work.
    may_share: bool,
}

/// What was seen there.
struct Looked {
    observation: Observation,
    warnings: Vec<Warning>,
    memory: Option<Memory>,
}

impl Look<'_> {
    fn take(self) -> Looked {
        let Self { provider, base, index, others, options, memory, checks_doubt, may_share } = self;
        let LookOptions { owners, clock, ref interrupt } = *options;
        let Roots { open, reading, failed } = Roots::open(provider, &base, owners);
        let records = (clock == Clock::Record).then_some(provider.records);
        let mut found = EvidenceCollector::new(index, records, memory).heeding(interrupt.clone());

        let place = Place { base: base.folder.clone(), roots: open, owners };
        if !place.roots.is_empty() || provider.files_in_home {
            Search { provider, index, others, roots: &place.roots, may_share }
                .run(&place, &mut found);
        }
        super::work::add_recorded_uses(provider, &base, index, &mut found);
        found.finish();

        let has_file = found.activities.iter().any(|activity| activity.file().is_some());
        let open = place.roots.iter().find(|root| root.kind == RootKind::Sessions);
        let first = || base.folder.join(provider.roots.first().unwrap_or(&""));
        let root = open.map_or_else(first, |root| root.folder.path().to_owned());
        let mut warnings: Vec<Warning> =
            found.warnings.drain(..).map(|warning| named(provider, warning)).collect();
        for (reading, path, why) in failed {
            let message = format!("{}: {why}; its mappings are kept", provider.name);
            warnings.push(Warning::at(code_of(reading), path, message));
        }
        let mut reading = match (reading, found.reading) {
            (Reading::Absent, Reading::Whole) if has_file => Reading::Whole,
            (Reading::Whole, read) => read,
            (reading, _) => reading,
        };
        if reading == Reading::Absent {
            let message =
                format!("{}: there is no folder of sessions; its mappings are kept", provider.name);
            warnings.push(Warning::at(WarningCode::RootAbsent, &root, message));
        }
        if reading == Reading::Whole
            && checks_doubt
            && let Some(history) = is_in_doubt(&base.folder, &place, index, &found.activities)
        {
            reading = Reading::Doubtful;
            let message = format!(
                "{}: its prompt history or session index was written within the threshold, \
                 but none of its sessions was; it may keep them elsewhere, so its mappings are kept",
                provider.name
            );
            warnings.push(Warning::at(WarningCode::ProviderInDoubt, history, message));
        }

        let mut memory = found.memory;
        if let Some(memory) = &mut memory {
            memory.seal();
        }
        let observation = Observation { root, reading, activities: found.activities };
        Looked { observation, warnings, memory }
    }
}

/// The code of the warning about a root that cannot be used.
fn code_of(reading: Reading) -> WarningCode {
    match reading {
        Reading::Foreign => WarningCode::RootForeign,
        _ => WarningCode::RootUnreadable,
    }
}

fn named(provider: &Provider, warning: Warning) -> Warning {
    Warning { message: format!("{}: {}", provider.name, warning.message), ..warning }
}
