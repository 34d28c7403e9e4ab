//! Waits for a call, and for a signal to stop at the same time.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::answer::CallError;
use crate::model::describe;

const EVERY: Duration = Duration::from_millis(50);

/// Does `work`, which has a time limit of its own, in another thread. If `stopped` returns true, it is
/// waited for a further `patience` and then given up; it goes on by itself until its limit.
pub(super) fn wait_for<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CallError> + Send + 'static,
    stopped: &dyn Fn() -> bool,
    patience: Duration,
) -> Result<T, CallError> {
    if stopped() {
        return Err(CallError::Stopped);
    }

    let (sender, answer) = channel();
    let started = thread::Builder::new().spawn(move || {
        // The receiver may have given up.
        let _ = sender.send(work());
    });
    started.map_err(|error| {
        CallError::failed(format!("cannot start a thread: {}", describe(&error)))
    })?;

    let mut since: Option<Instant> = None;
    loop {
        match answer.recv_timeout(EVERY) {
            Ok(found) => return found,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(CallError::failed("the call broke off"));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if stopped() && since.get_or_insert_with(Instant::now).elapsed() >= patience {
            return Err(CallError::Stopped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn an_answer_is_waited_for_and_a_request_to_stop_is_heeded() {
        let slow = || {
            thread::sleep(Duration::from_millis(300));
            Ok(7)
        };
        let long = Duration::from_secs(60);
        assert_eq!(wait_for(slow, &|| false, Duration::ZERO), Ok(7));
        // Asked for before, nothing begins.
        let begun = std::sync::Arc::new(AtomicBool::new(false));
        let begins = std::sync::Arc::clone(&begun);
        let work = move || {
            begins.store(true, Ordering::SeqCst);
            Ok(())
        };
        assert_eq!(wait_for(work, &|| true, long), Err(CallError::Stopped));
        assert!(!begun.load(Ordering::SeqCst));
        // Asked for meanwhile, with patience and without.
        for (patience, expected) in [(long, Ok(7)), (Duration::ZERO, Err(CallError::Stopped))] {
            let start = Instant::now();
            let stopped = || start.elapsed() > Duration::from_millis(20);
            assert_eq!(wait_for(slow, &stopped, patience), expected);
        }
    }

    #[test]
    fn a_call_that_panics_is_a_failure() {
        let work = || -> Result<(), CallError> { panic!("as a test has it") };
        assert_eq!(
            wait_for(work, &|| false, Duration::ZERO),
            Err(CallError::failed("the call broke off"))
        );
    }
}
