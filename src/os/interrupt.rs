//! A request to stop, from a signal: looked at between steps, so that a run ends with the map
//! whole and its temporary files gone (X5). How far the run is goes the other way, beside it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::progress::Progress;

/// How often a wait checks for a signal.
const EVERY: Duration = Duration::from_millis(50);

/// Whether a signal asked the run to stop, and how far the run is.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
    progress: Progress,
}

impl Interrupt {
    /// Listens for SIGTERM and SIGINT. The second one ends the process at once.
    pub fn listen() -> io::Result<Self> {
        let this = Self::default();
        // Without somebody who listens, a write past RLIMIT_FSIZE would kill the process; so it
        // fails as any write does.
        signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default())?;
        for signal in
            [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT, signal_hook::consts::SIGHUP]
        {
            // The order matters: the first signal must find the flag not yet set.
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&this.asked))?;
            signal_hook::flag::register(signal, Arc::clone(&this.asked))?;
        }
        Ok(this)
    }

    /// Asks for the run to stop, as a signal would.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
    }

    /// Returns true if a signal has asked to stop.
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits that long, or until a signal asks to stop. Returns true if none has.
    pub fn sleep(&self, time: Duration) -> bool {
        let start = Instant::now();
        while !self.asked() {
            let left = time.saturating_sub(start.elapsed());
            if left.is_zero() {
                return true;
            }
            thread::sleep(EVERY.min(left));
        }
        false
    }

    /// Returns where the run notes how far it is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Returns the same for work that no signal ends: its progress is that of the run.
    #[must_use]
    pub fn unheeded(&self) -> Self {
        Self { asked: Arc::default(), progress: self.progress.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_with_its_time_or_with_a_request_to_stop() {
        let interrupt = Interrupt::default();
        let start = Instant::now();
        assert!(interrupt.sleep(Duration::from_millis(80)));
        assert!(start.elapsed() >= Duration::from_millis(80));
        interrupt.ask();
        let start = Instant::now();
        assert!(!interrupt.sleep(Duration::from_secs(60)));
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}
