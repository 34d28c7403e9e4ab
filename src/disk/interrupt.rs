//! A request to stop, from a signal: looked at between steps, so that a run ends with the map
//! whole and its temporary files gone (X5).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether somebody asked the run to stop.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

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
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&this.0))?;
            signal_hook::flag::register(signal, Arc::clone(&this.0))?;
        }
        Ok(this)
    }

    /// Asks for the run to stop, as a signal would.
    pub fn ask(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether somebody has asked.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
