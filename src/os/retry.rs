//! Reading a file again while another program is writing it.

use std::thread;
use std::time::{Duration, Instant};

use super::interrupt::Interrupt;

/// How long to read again.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For how long in all.
    pub limit: Duration,
    /// The longest wait between two reads; the first one is short.
    pub longest_wait: Duration,
}

/// Calls `read` until it succeeds. Returns its last error when the patience is over, or an interrupt came.
pub fn until_whole<T, E>(
    patience: Patience,
    interrupt: Option<&Interrupt>,
    mut read: impl FnMut() -> Result<T, E>,
) -> Result<T, E> {
    let start = Instant::now();
    let mut wait = Duration::from_millis(1);

    loop {
        let error = match read() {
            Ok(whole) => return Ok(whole),
            Err(error) => error,
        };
        let left = patience.limit.saturating_sub(start.elapsed());
        if left.is_zero() || interrupt.is_some_and(Interrupt::asked) {
            return Err(error);
        }
        thread::sleep(wait.min(left));
        wait = (wait * 2).min(patience.longest_wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Patience =
        Patience { limit: Duration::from_millis(20), longest_wait: Duration::from_millis(4) };

    #[test]
    fn it_reads_until_the_file_is_whole() {
        let mut reads = 0;
        let read = until_whole(SHORT, None, || {
            reads += 1;
            if reads < 3 { Err(reads) } else { Ok("whole") }
        });
        assert_eq!((read, reads), (Ok("whole"), 3));
    }

    #[test]
    fn the_last_error_is_that_after_the_limit_or_an_interrupt() {
        let start = Instant::now();
        let mut reads = 0;
        let mut read = || {
            reads += 1;
            Err::<(), u32>(reads)
        };
        let last = until_whole(SHORT, None, &mut read).unwrap_err();
        // On a busy machine, the only read after the first may be the one behind the limit.
        assert!(last >= 2 && start.elapsed() >= SHORT.limit);

        let interrupt = Interrupt::default();
        interrupt.ask();
        assert_eq!(until_whole(SHORT, Some(&interrupt), read), Err(last + 1));
    }
}
