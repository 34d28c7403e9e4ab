//! Waiting for a call, and for a request to stop at the same time.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::answer::Trouble;

/// How often a wait checks for a signal.
const EVERY: Duration = Duration::from_millis(50);

/// Does `work`, which ends by its own time limit, and gives up on it once `stopped` says so and
/// `patience` more has passed. What was given up on goes on by itself until its limit.
pub(super) fn wait_for<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
    stopped: &dyn Fn() -> bool,
    patience: Duration,
) -> Result<T, Trouble> {
    if stopped() {
        return Err(Trouble::Stopped);
    }
    let (sender, answer) = channel();
    let started = thread::Builder::new().spawn(move || {
        // Nobody may be waiting any more.
        let _ = sender.send(work());
    });
    if let Err(error) = started {
        return Err(Trouble::failed(format!(
            "cannot start a thread: {}",
            crate::model::describe(&error)
        )));
    }
    let mut since: Option<Instant> = None;
    loop {
        match answer.recv_timeout(EVERY) {
            Ok(found) => return found,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Trouble::failed("the call broke off"));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if stopped() && since.get_or_insert_with(Instant::now).elapsed() >= patience {
            return Err(Trouble::Stopped);
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
        assert_eq!(wait_for(work, &|| true, long), Err(Trouble::Stopped));
        assert!(!begun.load(Ordering::SeqCst));
        // Asked for meanwhile, with patience and without.
        for (patience, expected) in [(long, Ok(7)), (Duration::ZERO, Err(Trouble::Stopped))] {
            let start = Instant::now();
            let stopped = || start.elapsed() > Duration::from_millis(20);
            assert_eq!(wait_for(slow, &stopped, patience), expected);
        }
    }

    #[test]
    fn a_call_that_panics_is_a_failure() {
        let work = || -> Result<(), Trouble> { panic!("as a test has it") };
        assert_eq!(
            wait_for(work, &|| false, Duration::ZERO),
            Err(Trouble::failed("the call broke off"))
        );
    }
}
