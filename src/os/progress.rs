//! The progress of a run. The work counts its steps here, which costs next to nothing, whether or not they are
//! shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// The part of its work that a run is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// The map is read.
    #[default]
    Map,
    /// A bridge is asked for its map, or to remove mappings.
    Bridge,
    /// Folders of sessions are listed.
    Listing,
    /// Processes, locks and holds are looked up.
    Processes,
    /// The mappings to be removed are checked once more.
    Recheck,
    /// Sessions are opened, to show their first message.
    Conversations,
    /// Removed mappings are restored.
    Restoring,
    /// The installation is checked.
    Checks,
    /// The CPU time of processes is measured.
    Cpu,
    /// Processes are asked to end.
    Ending,
}

impl Phase {
    /// All of them, in the order of their numbers.
    const ALL: [Self; 10] = [
        Self::Map,
        Self::Bridge,
        Self::Listing,
        Self::Processes,
        Self::Recheck,
        Self::Conversations,
        Self::Restoring,
        Self::Checks,
        Self::Cpu,
        Self::Ending,
    ];
}

/// The progress of a run, shared by all that work on it.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    /// The number of the phase.
    phase: AtomicU8,
    /// Each phase has counters of its own, so that none is shown with those of another.
    steps: [Steps; Phase::ALL.len()],
    /// The files that were opened while folders were listed.
    opened: AtomicU64,
}

#[derive(Debug, Default)]
struct Steps {
    done: AtomicU64,
    /// How many there will be; 0 if that is not known.
    total: AtomicU64,
}

/// A snapshot of the progress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Now {
    pub phase: Phase,
    /// How many steps of the phase are done.
    pub done: u64,
    /// How many there will be, if that is known.
    pub total: Option<u64>,
    /// How many files were opened while folders were listed.
    pub opened: u64,
}

impl Progress {
    /// Begins a phase of that many steps; 0 if their number is not known.
    pub fn begin(&self, phase: Phase, total: usize) {
        let steps = self.steps(phase);
        steps.done.store(0, Ordering::Relaxed);
        steps.total.store(total as u64, Ordering::Relaxed);
        if phase == Phase::Listing {
            self.0.opened.store(0, Ordering::Relaxed);
        }
        self.0.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Counts steps of that phase. They are shown only while the run is in it.
    pub fn add(&self, phase: Phase, count: u64) {
        self.steps(phase).done.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts a file that was opened while folders were listed.
    pub fn add_opened(&self) {
        self.0.opened.fetch_add(1, Ordering::Relaxed);
    }

    pub fn phase(&self) -> Phase {
        let number = usize::from(self.0.phase.load(Ordering::Relaxed));
        Phase::ALL.get(number).copied().unwrap_or_default()
    }

    pub fn now(&self) -> Now {
        let phase = self.phase();
        let steps = self.steps(phase);
        let total = steps.total.load(Ordering::Relaxed);
        Now {
            phase,
            done: steps.done.load(Ordering::Relaxed),
            total: (total > 0).then_some(total),
            opened: self.0.opened.load(Ordering::Relaxed),
        }
    }

    fn steps(&self, phase: Phase) -> &Steps {
        &self.0.steps[phase as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_numbered_as_they_are_listed() {
        for (number, phase) in Phase::ALL.into_iter().enumerate() {
            assert_eq!(phase as usize, number);
        }
    }

    #[test]
    fn each_phase_counts_for_itself() {
        let progress = Progress::default();
        let theirs = progress.clone();
        assert_eq!(progress.now(), Now::default());

        theirs.begin(Phase::Bridge, 3);
        theirs.add(Phase::Bridge, 2);
        theirs.add(Phase::Listing, 64);
        let bridge = Now { phase: Phase::Bridge, done: 2, total: Some(3), opened: 0 };
        assert_eq!(progress.now(), bridge);

        theirs.begin(Phase::Listing, 0);
        theirs.add(Phase::Listing, 7);
        theirs.add_opened();
        let listing = Now { phase: Phase::Listing, done: 7, total: None, opened: 1 };
        assert_eq!(progress.now(), listing);
    }
}
