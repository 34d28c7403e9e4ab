//! The lock of a store, taken as OpenClaw takes it: a file beside the store that names its process.

use serde_json::json;
use std::ffi::OsString;
use std::thread;
use std::time::{Duration, Instant};

use crate::keepalive::openclaw::model::{Life, is_stale};
use crate::model::{Timestamp, describe};
use crate::os::interrupt::Interrupt;
use crate::os::sibling::{Identity, SiblingFile};
use crate::process;

/// How often, and how long, OpenClaw itself tries.
const POLL: Duration = Duration::from_millis(25);
const PATIENCE: Duration = Duration::from_secs(10);

/// After 30 s, others take a lock for stale. Long before that, ours is not relied on any more.
const MOST: Duration = Duration::from_secs(10);

const LARGEST: u64 = 64 << 10;

/// The lock of a store, until it is dropped.
#[derive(Debug)]
pub(super) struct Lock<'a> {
    beside: &'a SiblingFile,
    name: OsString,
    identity: Identity,
    content: Vec<u8>,
    since: Instant,
}

/// Why there is no lock.
#[derive(Debug)]
pub(super) enum NoLock {
    /// Somebody else has had it all the time.
    Busy(String),
    /// It cannot be had.
    Failed(String),
}

impl<'a> Lock<'a> {
    /// Waits for the lock.
    pub(super) fn take(
        beside: &'a SiblingFile,
        clock: fn() -> Timestamp,
        interrupt: &Interrupt,
    ) -> Result<Self, NoLock> {
        let mut name = beside.name().to_owned();
        name.push(".lock");
        let path = beside.path_of(&name);
        let failed = |error: std::io::Error| {
            NoLock::Failed(format!("cannot lock {}: {}", path.display(), describe(&error)))
        };
        let start = Instant::now();
        loop {
            let since = Instant::now();
            let created = clock().rfc3339().unwrap_or_default();
            let content = json!({ "pid": std::process::id(), "createdAt": created }).to_string();
            let content = content.into_bytes();
            if let Some(identity) = beside.put(&name, &content).map_err(failed)? {
                return Ok(Self { beside, name, identity, content, since });
            }
            // It may have gone just now.
            if let Some(there) = beside.read(&name, LARGEST).map_err(failed)?
                && is_stale(&there.bytes, there.written, clock(), life)
            {
                beside.remove(&name, there.identity, &there.bytes).map_err(failed)?;
            }
            if interrupt.asked() {
                return Err(NoLock::Busy("stopped by a signal".to_owned()));
            }
            if start.elapsed() > PATIENCE {
                return Err(NoLock::Busy(format!("another process holds {}", path.display())));
            }
            thread::sleep(POLL);
        }
    }

    /// Whether it is still ours, and will be for a while.
    pub(super) fn holds(&self) -> bool {
        let is_ours = self.beside.is(&self.name, self.identity, &self.content);
        self.since.elapsed() < MOST && is_ours
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // One that cannot be removed is stale as soon as we have ended.
        let _ = self.beside.remove(&self.name, self.identity, &self.content);
    }
}

fn life(id: u32) -> Life {
    if process::is_alive(id) { Life::Since(process::started(id)) } else { Life::Dead }
}
