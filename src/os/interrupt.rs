//! A request to stop, from a signal. Runs check for it between steps, so that they end with the map whole and
//! their temporary files removed (X5). The progress of the run goes with it, the other way.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::progress::Progress;

/// How often a sleep checks for a signal.
const POLL: Duration = Duration::from_millis(50);

/// A flag that a signal sets, and the progress of the run, with the time for which it has read files.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
    progress: Progress,
    /// In nanoseconds.
    spent: Arc<AtomicU64>,
}

impl Interrupt {
    /// Listens for SIGTERM and SIGINT. The second one ends the process at once.
    pub fn listen() -> io::Result<Self> {
        let this = Self::default();
        // With a handler, a write past RLIMIT_FSIZE fails as any write does, and does not kill the process.
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

    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Waits for that time, or until a signal asks to stop. Returns false then.
    pub fn sleep(&self, time: Duration) -> bool {
        let start = Instant::now();
        while !self.asked() {
            let left = time.saturating_sub(start.elapsed());
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(POLL));
        }
        false
    }

    /// Returns an interrupt for work that no signal ends, with the same progress.
    #[must_use]
    pub fn unheeded(&self) -> Self {
        Self { asked: Arc::default(), ..self.clone() }
    }

    /// Returns the same for a run that has read nothing yet.
    #[must_use]
    pub fn of_a_run(&self) -> Self {
        Self { spent: Arc::default(), ..self.clone() }
    }

    /// Adds to the time for which the run has read files. Returns all of it.
    pub(crate) fn spend(&self, time: Duration) -> Duration {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2);
        Duration::from_nanos(self.spent.fetch_add(time, Ordering::Relaxed).saturating_add(time))
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
