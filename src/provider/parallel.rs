//! Shares work between two threads, which halves the time spent waiting for the kernel.

use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, ScopedJoinHandle, scope};

/// The stack of the second thread: a quarter of the usual one, of which listing folders and reading headers
/// need little (JSON is read at most 128 levels deep).
const STACK: usize = 512 << 10;

/// Returns the results of `work` for each item, in their order. Two threads take the items in turn, if
/// there is more than one and the system has another thread to give.
pub(super) fn in_two_threads<T: Send, R: Send>(
    items: Vec<T>,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let has_more = items.len() > 1;
    let queue = Mutex::new(items.into_iter().enumerate());
    let mut done = scope(|scope| {
        let thread = Builder::new().stack_size(STACK);
        let other = if has_more {
            thread.spawn_scoped(scope, || take_turns(&queue, &work)).ok()
        } else {
            None
        };
        let mut done = take_turns(&queue, &work);
        match other.map(ScopedJoinHandle::join) {
            Some(Ok(more)) => done.extend(more),
            Some(Err(panic)) => resume_unwind(panic),
            None => {}
        }
        done
    });

    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Takes items from the queue until it is empty. Returns the results with the items' positions.
fn take_turns<T, R>(
    queue: &Mutex<impl Iterator<Item = (usize, T)>>,
    work: &impl Fn(T) -> R,
) -> Vec<(usize, R)> {
    let mut done = Vec::new();
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some((index, item)) = next else { return done };
        done.push((index, work(item)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        for count in 0..40 {
            let doubled = in_two_threads((0..count).collect(), |item: u32| 2 * item);
            assert_eq!(doubled, (0..count).map(|item| 2 * item).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_panic_is_passed_on() {
        let work = |item: u32| assert_ne!(item, 7);
        assert!(std::panic::catch_unwind(|| in_two_threads((0..20).collect(), work)).is_err());
    }
}
