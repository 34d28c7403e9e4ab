//! Observes the sessions that a map asks for: one search for each provider, and none for a provider that
//! no mapping asks for.

use super::descriptor::{Base, Provider};
use super::look::{Look, LookOptions};
use super::memory::Memory;
use super::parallel::in_two_threads;
use super::session_index::SessionIndex;
use super::table::PROVIDERS;
use crate::model::plan::{Observations, Subject};
use crate::model::{Failure, MappingIdx, ProviderIdx, SessionMap, Timestamp};

/// Up to how many bytes of a map two threads look. Another thread has a heap of its own, of 64 MiB of
/// addresses: beside a larger map, that is too much where `ulimit -v` allows six times the map (R3).
const MOST_FOR_TWO: usize = 8 << 20;

/// The listings of the searches for each provider, for later ones.
#[derive(Debug)]
pub struct Memories([Option<Memory>; PROVIDERS.len()]);

impl Memories {
    /// No listings yet, in a run that began at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(std::array::from_fn(|_| Some(Memory::new(now))))
    }
}

/// Observes the sessions of the mappings of `map` that `is_asked` selects. A session used at its
/// provider's `cutoff` or later is active. `base` returns a provider's folders, and is called only for a
/// provider that is asked about.
///
/// Two threads take the providers in turn, unless the map is large. Folders that `memories` knows from
/// an earlier look need not be listed again; that look must have been for these sessions and maybe more.
///
/// Only `base` can fail. Problems on disk are in the observations.
pub fn observe(
    map: &SessionMap,
    is_asked: impl Fn(MappingIdx, &str) -> bool,
    options: &LookOptions,
    cutoff: impl Fn(ProviderIdx) -> Timestamp,
    mut memories: Option<&mut Memories>,
    mut base: impl FnMut(&Provider) -> Result<Base, Failure>,
) -> Result<Observations, Failure> {
    let Asked { subjects, indexes, others } = Asked::sort(map, is_asked, cutoff);
    let mut seen = Observations { subjects, ..Observations::default() };
    seen.providers.resize_with(PROVIDERS.len(), || None);

    let may_share = map.bytes().len() <= MOST_FOR_TWO;
    let mut looks = Vec::new();
    for (at, (provider, index)) in PROVIDERS.iter().zip(&indexes).enumerate() {
        if !index.is_empty() {
            let memory = memories.as_mut().and_then(|all| all.0[at].take());
            let checks_doubt = !memory.as_ref().is_some_and(Memory::is_sealed);
            let (base, others) = (base(provider)?, &others[at]);
            let look =
                Look { provider, base, index, others, options, memory, checks_doubt, may_share };
            looks.push((at, look));
        }
    }

    let looked = if may_share {
        in_two_threads(looks, |(at, look)| (at, look.take()))
    } else {
        looks.into_iter().map(|(at, look)| (at, look.take())).collect()
    };
    for (at, looked) in looked {
        seen.warnings.extend(looked.warnings);
        seen.providers[at] = Some(looked.observation);
        if let Some(all) = &mut memories {
            all.0[at] = looked.memory;
        }
    }
    Ok(seen)
}

struct Asked<'m> {
    subjects: Vec<(MappingIdx, Subject)>,
    /// The sessions to look at, for each provider.
    indexes: [SessionIndex<'m>; PROVIDERS.len()],
    /// The other mapped sessions: a mapped session that is not looked at names no session but itself.
    others: [SessionIndex<'m>; PROVIDERS.len()],
}

impl<'m> Asked<'m> {
    fn sort(
        map: &'m SessionMap,
        is_asked: impl Fn(MappingIdx, &str) -> bool,
        cutoff: impl Fn(ProviderIdx) -> Timestamp,
    ) -> Self {
        let mut subjects = Vec::new();
        let mut indexes: [SessionIndex<'_>; PROVIDERS.len()] = std::array::from_fn(|index| {
            SessionIndex::new(cutoff(ProviderIdx(u8::try_from(index).unwrap_or(u8::MAX))))
        });
        let mut others = PROVIDERS.each_ref().map(|_| SessionIndex::new(Timestamp::MAX));
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
            subjects.push((index, subject));
        }

        // A map can be large, and these lists have grown by doubling.
        subjects.shrink_to_fit();
        indexes.iter_mut().chain(&mut others).for_each(SessionIndex::shrink);
        Self { subjects, indexes, others }
    }
}
