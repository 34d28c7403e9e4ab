//! Lists the sessions on disk that no mapping asks for.

use super::descriptor::{Base, Folders, Provider};
use super::evidence::EvidenceCollector;
use super::look::{Look, LookOptions, Looked};
use super::roots::Roots;
use super::session_index::SessionIndex;
use crate::model::{Activity, Reading, SessionId, Timestamp, Warning, WarningCode};

/// Returns every session of that provider on disk whose id `is_mapped` does not know, with its evidence,
/// in the order of ids; and warnings. A file written before `cutoff` is not opened to see when it was
/// used.
pub fn unmapped(
    provider: &Provider,
    base: Base,
    options: &LookOptions,
    cutoff: Timestamp,
    is_mapped: impl Fn(&str) -> bool,
) -> (Vec<(String, Activity)>, Vec<Warning>) {
    let nothing = SessionIndex::new(Timestamp::MAX);
    let mut found = EvidenceCollector::new(&nothing, None, None).heeding(options.interrupt.clone());
    let owners = options.owners;
    let roots = Roots::open(provider, &base, owners);
    let mut warnings = roots.warnings(provider, "its sessions are not listed");
    // A CLI that was never used has no folder. That is no problem if nothing is asked of it.
    if roots.open.is_empty() && (roots.reading != Reading::Absent || !provider.files_in_home) {
        return (Vec::new(), warnings);
    }

    let folders = Folders { base: base.folder.clone(), roots: roots.open, owners };
    let mut ids = (provider.all)(&folders, &mut found);
    ids.retain(|id| provider.ids.allows(SessionId(id)) && !is_mapped(id));
    ids.sort_unstable();
    ids.dedup();

    let mut index = SessionIndex::new(cutoff);
    for id in &ids {
        index.add(SessionId(id));
    }

    let look = Look {
        provider,
        base,
        index: &index,
        others: &nothing,
        options,
        memory: None,
        checks_doubt: false,
        may_share: true,
    };

    let Looked { observation, warnings: seen, .. } = look.take();
    warnings.extend(seen.into_iter().filter(|warning| warning.code != WarningCode::RootAbsent));
    // A path that only the search for ids could not read is missing from the list as well.
    for warning in found.warnings.into_iter().map(|warning| provider.named(warning)) {
        if warnings.iter().all(|known| known.path != warning.path) {
            warnings.push(warning);
        }
    }

    let all = index.ids().iter().map(|id| id.0.to_owned()).zip(observation.activities);
    (all.filter(|(_, activity)| activity.own.is_some()).collect(), warnings)
}
