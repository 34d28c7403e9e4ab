//! The limits of a removal: mappings that the store cannot remove, a bridge that would undo the edit of its
//! file, and `--max-remove`.

use crate::map::MapStore;
use crate::model::{Failure, KeepReason, MappingIdx, Plan, Warning, WarningCode};
use crate::process::{self, Processes};

/// Keeps mappings that a bridge cannot be asked to remove.
pub(super) fn keep_unreachable(store: &dyn MapStore, plan: &mut Plan) -> Vec<Warning> {
    let removals: Vec<MappingIdx> = plan.removals().collect();
    let (kept, warnings) = store.out_of_reach(&removals);
    for mapping in kept {
        plan.keep(mapping, KeepReason::Failed);
    }
    warnings
}

/// Returns a warning if a process looks like the bridge of the file to be edited: it will undo the edit.
pub(super) fn bridge_beside(
    store: &dyn MapStore,
    plan: &Plan,
    processes: &Processes,
) -> Option<Warning> {
    let path = store.real_path().filter(|_| store.source().url.is_none())?;
    plan.removals().next()?;
    let bridge = process::bridge_on(path.parent()?, processes)?;
    let message = format!(
        "process {bridge} looks like this map's bridge, and its next chat will undo the edit; use --bridge URL, or stop it before you run clean"
    );
    Some(Warning::at(WarningCode::BridgeRuns, path, message))
}

/// Refuses a run that would remove more than its limit.
pub(super) fn check_limit(limit: Option<u64>, plan: &Plan) -> Result<(), Failure> {
    let Some(limit) = limit else { return Ok(()) };
    let count = plan.removals().count();
    if count as u64 <= limit {
        return Ok(());
    }
    let mappings = if count == 1 { "mapping" } else { "mappings" };
    let message = format!("{count} {mappings} would be removed, more than --max-remove {limit}");
    Err(Failure::new(message)
        .hint("nothing was changed; --dry-run with a higher --max-remove shows them"))
}
