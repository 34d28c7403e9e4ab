//! Whether the lock of a store is stale, by the rules of the OpenClaw that wrote it.

use serde_json::Value;

use crate::model::Timestamp;

/// After this many seconds, any lock is stale.
const STALE: u64 = 30;

/// After this many seconds, an incomplete one is: its writer was killed just then.
const HALF: u64 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    Dead,
    /// It lives. Its start is in clock ticks since the machine's, if it is known.
    Since(Option<u64>),
}

/// Returns true if a lock with that content, last written then, may be removed.
///
/// 2026.2.12 writes `startedAt`, and goes by the file's own time alone. Later versions write `createdAt`,
/// and go by the process as well: it is dead, or another one by now. An incomplete lock gets the time that
/// 2026.4.25 gives it; earlier versions remove it at once, while its owner is still writing.
pub fn is_stale(
    content: &[u8],
    written: Timestamp,
    now: Timestamp,
    life: impl Fn(u32) -> Life,
) -> bool {
    let age = written.seconds_until(now);
    let lock: Value = serde_json::from_slice(content).unwrap_or(Value::Null);
    let created = lock.get("createdAt").and_then(Value::as_str);
    if created.is_none() && lock.get("startedAt").is_some_and(Value::is_number) {
        return age > STALE;
    }

    let pid = lock.get("pid").and_then(Value::as_u64).and_then(|pid| u32::try_from(pid).ok());
    let pid = pid.filter(|pid| *pid > 0);
    let noted = lock.get("starttime").and_then(Value::as_u64);
    match pid.map(life) {
        Some(Life::Dead) => return true,
        Some(Life::Since(Some(began))) if noted.is_some_and(|noted| noted != began) => return true,
        Some(Life::Since(_)) | None => {}
    }

    match (pid, created.and_then(Timestamp::parse)) {
        (Some(_), Some(created)) => created.seconds_until(now) > STALE,
        _ => age > HALF,
    }
}
