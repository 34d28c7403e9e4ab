//! Which mappings are pinned: by a pattern, by `pin`, or since an undo restored them.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::config::{self, Clean};
use crate::journal::{Journal, PinStore, PinnedChats, RecentlyRestored};
use crate::map::MapStore;
use crate::model::{
    Failure, KeepReason, Patterns, Plan, Policies, SessionMap, Verdict, Warning, WarningCode,
};
use crate::process;
use crate::provider::PROVIDERS;

/// Keeps mappings that would be removed and match a pattern. Warns of a pattern that matches nothing in
/// the whole map, for it may be a typo.
pub(super) fn keep_matching(
    patterns: &Patterns,
    map: &SessionMap,
    plan: &mut Plan,
) -> Vec<Warning> {
    if patterns.is_empty() {
        return Vec::new();
    }
    let mut matched = HashSet::new();
    for (place, mapping) in (0..).zip(map.mappings()) {
        let matching: Vec<usize> = patterns.matching(mapping).collect();
        let is_kept = !matching.is_empty();
        matched.extend(matching);
        if is_kept && plan.verdict(place).is_some_and(Verdict::goes) {
            plan.settle(place, Verdict::Keep(KeepReason::Pinned));
        }
    }
    let unmatched = patterns.texts().enumerate().filter(|(place, _)| !matched.contains(place));
    let warning = |(_, text)| {
        let message = format!("--pin {text:?} matches no chat and no session of this map");
        Warning::new(WarningCode::KeepUnmatched, message)
    };
    unmatched.map(warning).collect()
}

/// Keeps the pinned chats of what would be removed.
pub(super) fn keep_pinned(
    config: &Clean,
    store: &dyn MapStore,
    map: &SessionMap,
    plan: &mut Plan,
) -> Result<(), Failure> {
    if plan.going().next().is_none() {
        return Ok(());
    }
    let mut pinned = PinnedChats::default();
    for state in states(config, store) {
        pinned.read(&PinStore::at(&state), store.real_path().as_deref())?;
    }
    pinned.apply(map, plan);
    Ok(())
}

/// Keeps mappings that would be removed and were recently restored by an undo.
pub(super) fn keep_restored(
    config: &Clean,
    store: &dyn MapStore,
    map: &SessionMap,
    policies: &Policies,
    plan: &mut Plan,
) -> Result<(), Failure> {
    if plan.going().next().is_none() {
        return Ok(());
    }
    let path = store.real_path();
    let cutoff = &|model: &str| {
        let provider = PROVIDERS.iter().position(|provider| provider.model == model);
        policies.of(provider.unwrap_or(usize::MAX)).cutoff
    };
    let mut restored = RecentlyRestored::default();
    for state in states(config, store) {
        restored.read(&Journal::at(&state), path.as_deref(), cutoff)?;
    }
    restored.apply(map, plan);
    Ok(())
}

/// The state folders that count: our own, and, as root on another user's map, that user's.
fn states(config: &Clean, store: &dyn MapStore) -> impl Iterator<Item = PathBuf> {
    // Without a state folder nothing was ever pinned; a real run fails for want of it later.
    let ours = config.state_dir().ok();
    let owner = store.owner().filter(|owner| process::user() == 0 && *owner != 0);
    ours.into_iter().chain(owner.and_then(config::state_dir_of))
}
