//! Which sessions a live process uses, however old their files: a session at work is not idle.
//!
//! Looked at only for what would go otherwise.

use std::collections::HashMap;
use std::path::PathBuf;

use super::{Owners, PROVIDERS, Provider, Wanted};
use crate::domain::{Failure, SessionMap, Timestamp};
use crate::process::Processes;

/// The mappings at `places` of `map` whose session a process uses, each with that process's id (0
/// where only that there is one can be told). `base` tells a provider's folder.
///
/// Only processes of our own user and of the map's owner are looked at, and neither this one nor
/// those that it descends from: whoever cleans a map may well name a session.
///
/// # Errors
/// Only those of `base`.
pub fn in_use(
    map: &SessionMap,
    places: impl Iterator<Item = u32>,
    owners: Owners,
    mut base: impl FnMut(&Provider) -> Result<PathBuf, Failure>,
) -> Result<HashMap<u32, u32>, Failure> {
    let mut wanted = PROVIDERS.each_ref().map(|provider| Wanted::new(provider.ids, Timestamp::MAX));
    let mut asked = Vec::new();
    for place in places {
        let Some(mapping) = map.get(place) else { continue };
        let provider = PROVIDERS.iter().position(|provider| provider.model == mapping.model);
        let Some((provider, session)) = provider.zip(mapping.session) else { continue };
        asked.push((place, provider, wanted[provider].add(session)));
    }
    let mut found = HashMap::new();
    if asked.is_empty() {
        return Ok(found);
    }
    let users: Vec<u32> = [owners.us].into_iter().chain(owners.map).collect();
    let processes = Processes::of_users(&users);
    for (number, (provider, wanted)) in PROVIDERS.iter().zip(&wanted).enumerate() {
        if wanted.ids().is_empty() {
            continue;
        }
        let mut used = processes.naming(|word| wanted.find(word));
        used.extend((provider.in_use)(&base(provider)?, wanted, &processes));
        let of_provider = asked.iter().filter(|(_, provider, _)| *provider == number);
        found.extend(of_provider.filter_map(|(place, _, id)| Some((*place, *used.get(id)?))));
    }
    Ok(found)
}
