//! The lock of a store, taken as OpenClaw takes it: a file beside the store that names its process.

use serde_json::json;
use std::ffi::OsString;
use std::io;
use std::time::{Duration, Instant};

use super::model::{Life, is_stale};
use crate::keepalive::job::Outcome;
use crate::model::{Timestamp, describe};
use crate::os::interrupt::Interrupt;
use crate::os::sibling::{Identity, SiblingFile};
use crate::process;

/// How often, and how long, OpenClaw itself tries.
const POLL: Duration = Duration::from_millis(25);
const PATIENCE: Duration = Duration::from_secs(10);

/// After 30 s, others take a lock for stale. Ours is used for a much shorter time.
const MOST: Duration = Duration::from_secs(10);

const LARGEST: u64 = 64 << 10;

/// The lock of a store, held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock<'a> {
    sibling: &'a SiblingFile,
    name: OsString,
    identity: Identity,
    content: Vec<u8>,
    since: Instant,
}

impl<'a> Lock<'a> {
    /// Waits for the lock, and returns why there is none otherwise.
    pub(super) fn take(
        sibling: &'a SiblingFile,
        clock: fn() -> Timestamp,
        interrupt: &Interrupt,
    ) -> Result<Self, Outcome> {
        let mut name = sibling.name().to_owned();
        name.push(".lock");
        let path = sibling.path_of(&name);
        let start = Instant::now();

        loop {
            let taken = Self::try_take(sibling, &name, clock).map_err(|error| {
                Outcome::failed(format!("cannot lock {}: {}", path.display(), describe(&error)))
            })?;
            if let Some(lock) = taken {
                return Ok(lock);
            }
            if start.elapsed() > PATIENCE {
                return Err(Outcome::later(format!("another process holds {}", path.display())));
            }
            if !interrupt.sleep(POLL) {
                return Err(Outcome::stopped());
            }
        }
    }

    /// Takes the lock unless another process has it. A stale one is removed, so that the next try may
    /// take it.
    fn try_take(
        sibling: &'a SiblingFile,
        name: &OsString,
        clock: fn() -> Timestamp,
    ) -> io::Result<Option<Self>> {
        let since = Instant::now();
        let created = clock().rfc3339().unwrap_or_default();
        let content = json!({ "pid": std::process::id(), "createdAt": created });
        let content = content.to_string().into_bytes();
        if let Some(identity) = sibling.put(name, &content)? {
            return Ok(Some(Self { sibling, name: name.clone(), identity, content, since }));
        }
        // It may have been removed just now.
        if let Some(found) = sibling.read(name, LARGEST)?
            && is_stale(&found.bytes, found.written, clock(), life)
        {
            sibling.remove(name, found.identity, &found.bytes)?;
        }

        Ok(None)
    }

    /// Returns true if the lock is still ours, and will be for a while.
    pub(super) fn holds(&self) -> bool {
        let is_ours = self.sibling.is(&self.name, self.identity, &self.content);
        self.since.elapsed() < MOST && is_ours
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // If it cannot be removed, it is stale as soon as we have ended.
        let _ = self.sibling.remove(&self.name, self.identity, &self.content);
    }
}

fn life(id: u32) -> Life {
    if process::is_alive(id) { Life::Since(process::started(id)) } else { Life::Dead }
}
