//! Keeps pinned mappings: by a pattern, by `pin`, or because an undo restored them recently.

use std::collections::HashSet;
use std::path::Path;

use super::observer::Observer;
use crate::config::handed;
use crate::journal::{Journal, PinStore, PinnedChats, RecentlyRestored};
use crate::model::{
    Failure, KeepReason, Patterns, Plan, SessionMap, Verdict, Warning, WarningCode,
};
use crate::provider::Provider;

/// Keeps mappings that match a pattern. Returns a warning for each pattern that matches nothing in the
/// whole map, since it may be a typo.
pub(super) fn keep_matching(
    patterns: &Patterns,
    map: &SessionMap,
    plan: &mut Plan,
) -> Vec<Warning> {
    if patterns.is_empty() {
        return Vec::new();
    }

    let mut matched = HashSet::new();
    for (index, mapping) in map.indexed() {
        let matching: Vec<usize> = patterns.matching(mapping).collect();
        if !matching.is_empty() && plan.verdict(index).is_some_and(Verdict::removes) {
            plan.settle(index, Verdict::Keep(KeepReason::Pinned));
        }
        matched.extend(matching);
    }

    let unmatched = patterns.texts().enumerate().filter(|(index, _)| !matched.contains(index));
    unmatched
        .map(|(_, text)| {
            let message = format!("--pin {text:?} matches no chat and no session of this map");
            Warning::new(WarningCode::KeepUnmatched, message)
        })
        .collect()
}

pub(super) fn keep_pinned(
    observer: &Observer<'_>,
    map_path: Option<&Path>,
    plan: &mut Plan,
) -> Result<(), Failure> {
    if plan.removals().next().is_none() {
        return Ok(());
    }
    let mut pinned = PinnedChats::default();
    for state in observer.state_dirs() {
        pinned.read(&PinStore::at(&state), map_path)?;
    }
    if let Some(handed) = handed() {
        pinned.add(&handed.pins, map_path);
    }
    pinned.apply(observer.map, plan);
    Ok(())
}

/// Keeps mappings that an undo has restored less than one threshold ago.
pub(super) fn keep_restored(
    observer: &Observer<'_>,
    map_path: Option<&Path>,
    plan: &mut Plan,
) -> Result<(), Failure> {
    if plan.removals().next().is_none() {
        return Ok(());
    }

    let policies = observer.policies;
    let cutoff = &|model: &str| {
        let provider = Provider::of_model(model);
        provider.map_or(policies.usual(), |(provider, _)| policies.of(provider).cutoff)
    };

    let mut restored = RecentlyRestored::default();
    for state in observer.state_dirs() {
        restored.read(&Journal::at(&state), map_path, cutoff)?;
    }

    restored.apply(observer.map, plan);
    Ok(())
}
