//! What bounds a removal: mappings that their store cannot be asked for, a bridge that would undo the edit
//! of its file, and `--max-remove`.

use crate::map::MapStore;
use crate::model::{Failure, KeepReason, Plan, Verdict, Warning, WarningCode};
use crate::process::{self, Processes};

/// Keeps mappings that would be removed and that the bridge cannot be asked to remove.
pub(super) fn keep_unreachable(store: &dyn MapStore, plan: &mut Plan) -> Vec<Warning> {
    let going: Vec<u32> = plan.going().collect();
    let (kept, warnings) = store.out_of_reach(&going);
    for place in kept {
        if let Some(Verdict::Remove(reason)) = plan.verdict(place) {
            plan.settle(place, Verdict::Keep(KeepReason::Failed(reason)));
        }
    }
    warnings
}

/// A process that looks like a bridge on the map whose file is edited: it will undo that.
pub(super) fn bridge_beside(
    store: &dyn MapStore,
    plan: &Plan,
    running: &Processes,
) -> Option<Warning> {
    let path = store.real_path().filter(|_| store.source().url.is_none())?;
    plan.going().next()?;
    let bridge = process::bridge_on(path.parent()?, running)?;
    let message = format!(
        "process {bridge} looks like this map's bridge, and its next chat will undo the edit; use --bridge URL, or stop it before you run clean"
    );
    Some(Warning::at(WarningCode::BridgeRuns, path, message))
}

/// Refuses a run that would remove more than its limit.
pub(super) fn check_limit(limit: Option<u64>, plan: &Plan) -> Result<(), Failure> {
    let Some(limit) = limit else { return Ok(()) };
    let count = plan.going().count();
    if count as u64 <= limit {
        return Ok(());
    }
    let mappings = if count == 1 { "mapping" } else { "mappings" };
    let message = format!("{count} {mappings} would be removed, more than --max-remove {limit}");
    Err(Failure::new(message)
        .hint("nothing was changed; --dry-run without --max-remove shows them"))
}
