//! The connections that are open at once: so many that the passes have enough files left to open. If
//! there are too many, the oldest ones are closed, so that a new one never waits for clients that are slow or
//! silent.

use std::collections::VecDeque;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Resource, getrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, yield_now};

/// The most connections, whatever the limit on open files.
const MOST: usize = 2048;

/// How many files a pass and this service may have open, besides those at its start.
const RESERVED: usize = 32;

/// Returns how many connections the limit on open files allows. If it is so low that little would be left,
/// a quarter of what is left is for connections.
pub(super) fn allowed() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let open = fs::read_dir("/dev/fd").map_or(RESERVED, Iterator::count);
    allowed_by(usize::try_from(limit).unwrap_or(usize::MAX), open)
}

fn allowed_by(limit: usize, open: usize) -> usize {
    let free = limit.saturating_sub(open);
    free.saturating_sub(RESERVED).max(free / 4).clamp(1, MOST)
}

pub(super) struct Connections {
    slots: Arc<Semaphore>,
    at_once: usize,
    /// The oldest first. Those that have ended are removed now and then.
    open: Mutex<VecDeque<AbortHandle>>,
}

impl Connections {
    pub(super) fn new(at_once: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(at_once)), at_once, open: Mutex::default() }
    }

    /// Serves a connection in a task of its own, once there is room for it.
    pub(super) async fn add(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let slot = self.slot().await;
        let task = tokio::spawn(async move {
            connection.await;
            drop(slot);
        });
        self.with_open(|open| {
            if open.len() >= 2 * self.at_once {
                open.retain(|task| !task.is_finished());
            }
            open.push_back(task.abort_handle());
        });
    }

    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
                return Some(slot);
            }
            self.close_oldest().await;
        }
    }

    /// Closes the oldest connections: a quarter of all at once, which is cheaper than one by one.
    pub(super) async fn close_oldest(&self) {
        // Requests that are there are answered first: a look for what has come, and a turn of the tasks.
        yield_now().await;
        yield_now().await;
        let mut oldest = Vec::new();
        self.with_open(|open| {
            while oldest.len() < self.at_once.div_ceil(4) {
                let Some(task) = open.pop_front() else { break };
                if !task.is_finished() {
                    oldest.push(task);
                }
            }
        });
        for task in oldest {
            task.abort();
        }
        // They are closed by their own tasks.
        yield_now().await;
    }

    fn with_open<T>(&self, work: impl FnOnce(&mut VecDeque<AbortHandle>) -> T) -> T {
        work(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_passes_always_have_files_left() {
        for (limit, open, expected) in [
            (64, 16, 16),
            (256, 16, 208),
            (1024, 16, 976),
            (20_000, 16, 2048),
            (1024, 1000, 6),
            (32, 16, 4),
            (16, 16, 1),
            (0, 16, 1),
        ] {
            assert_eq!(allowed_by(limit, open), expected, "{limit} with {open} open");
        }
        assert!((1..=MOST).contains(&allowed()));
    }
}
