//! Whether the lock of a store counts for nothing any more, as the OpenClaw that wrote it decides.

use serde_json::Value;

use crate::model::Timestamp;

/// After this long, any lock is stale.
const STALE: u64 = 30;

/// After this long, one that is not written to its end is: whoever made it was killed just then.
const HALF: u64 = 5;

/// What is known of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// There is none of that id.
    Dead,
    /// It lives, and has begun then, where that is known: in clock ticks since the machine did.
    Since(Option<u64>),
}

/// Whether a lock with that content, last written then, may be removed.
///
/// 2026.2.12 writes `startedAt`, and goes by the file's own time alone. Later ones write `createdAt`, and go
/// by the process as well: dead, or another one by now. One that is not written to its end is given the time
/// that 2026.4.25 gives it; earlier ones remove it at once, under the hands of its maker.
pub fn is_stale(
    content: &[u8],
    written: Timestamp,
    now: Timestamp,
    life: impl Fn(u32) -> Life,
) -> bool {
    let age = written.seconds_until(now);
    let lock: Value = serde_json::from_slice(content).unwrap_or(Value::Null);
    let pid = lock.get("pid").and_then(Value::as_u64).and_then(|pid| u32::try_from(pid).ok());
    let pid = pid.filter(|pid| *pid > 0);
    let created = lock.get("createdAt").and_then(Value::as_str);
    if created.is_none() && lock.get("startedAt").is_some_and(Value::is_number) {
        return age > STALE;
    }
    let is_gone = |pid| match life(pid) {
        Life::Dead => true,
        Life::Since(began) => {
            let noted = lock.get("starttime").and_then(Value::as_u64);
            noted.is_some_and(|noted| began.is_some_and(|began| began != noted))
        }
    };
    if pid.is_some_and(is_gone) {
        return true;
    }
    match (pid, created.and_then(Timestamp::parse)) {
        (Some(_), Some(created)) => created.seconds_until(now) > STALE,
        _ => age > HALF,
    }
}
