//! Ending processes: one SIGTERM to each, through a descriptor that can only mean that very process.
//!
//! A process id may be used again at any moment, a pidfd (`pidfd_open(2)`) never: after it was opened, the start time
//! of the process is compared, and from then on the signal cannot reach another one. It goes to one process and
//! never to a group. There is no second signal, and no SIGKILL: [`Target::terminate`] takes the target, and
//! returns a value that can only be waited for.

use std::time::Duration;

/// How long to wait for processes to end.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Why a process cannot be signalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotOpened {
    /// It has ended.
    Ended,
    /// Its id was used again.
    OtherProcess,
    /// The system has no such descriptors, or does not give one.
    Unsupported,
}

/// How a process reacted to the signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It has ended.
    Ended,
    /// It still runs, and was asked to end: it will not be signalled again.
    Ending,
}

#[cfg(target_os = "linux")]
pub use linux::{Signalled, Target, wait};

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{Signalled, Target, wait};

#[cfg(target_os = "linux")]
mod linux {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    use std::os::fd::OwnedFd;
    use std::time::{Duration, Instant};

    use super::{NotOpened, Outcome};
    use crate::os::interrupt::Interrupt;
    use crate::process::stat::Stat;

    /// How often a signal to ourselves is looked for.
    const SLICE: Duration = Duration::from_millis(100);

    /// A process that can be asked to end.
    #[derive(Debug)]
    pub struct Target {
        pid: u32,
        descriptor: OwnedFd,
    }

    /// A process that was asked to end.
    #[derive(Debug)]
    pub struct Signalled {
        pid: u32,
        descriptor: OwnedFd,
        outcome: Outcome,
    }

    impl Target {
        /// Opens process `pid`, if it started at `start` (field 22 of its `stat`).
        pub fn open(pid: u32, start: u64) -> Result<Self, NotOpened> {
            let id = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(NotOpened::Ended)?;
            let descriptor = match pidfd_open(id, PidfdFlags::empty()) {
                Ok(descriptor) => descriptor,
                Err(Errno::SRCH) => return Err(NotOpened::Ended),
                Err(_) => return Err(NotOpened::Unsupported),
            };

            // Only now: whatever has that id from here on, the descriptor means the process that was opened. Had
            // that ended before the start time was read, the time would be another one.
            match Stat::read(pid) {
                Ok(Some(found)) if found.is_zombie() => Err(NotOpened::Ended),
                Ok(Some(found)) if found.start == start => Ok(Self { pid, descriptor }),
                Ok(Some(_)) => Err(NotOpened::OtherProcess),
                Ok(None) => Err(NotOpened::Ended),
                Err(_) => Err(NotOpened::Unsupported),
            }
        }

        /// The process.
        pub fn pid(&self) -> u32 {
            self.pid
        }

        /// Asks it to end, by SIGTERM. Returns nothing if it had ended already.
        ///
        /// # Errors
        /// If the system does not allow it; nothing was sent then.
        pub fn terminate(self) -> std::io::Result<Option<Signalled>> {
            match pidfd_send_signal(&self.descriptor, Signal::TERM) {
                Ok(()) => {
                    let Self { pid, descriptor } = self;
                    Ok(Some(Signalled { pid, descriptor, outcome: Outcome::Ending }))
                }
                Err(Errno::SRCH) => Ok(None),
                Err(error) => Err(error.into()),
            }
        }
    }

    /// Waits until all of them have ended, at most for `patience` or until a signal asks us to stop. Returns the
    /// outcome of each, in their order.
    pub fn wait(
        mut signalled: Vec<Signalled>,
        patience: Duration,
        interrupt: &Interrupt,
    ) -> Vec<(u32, Outcome)> {
        let until = Instant::now() + patience;
        while signalled.iter().any(|one| one.outcome == Outcome::Ending) {
            let left = until.saturating_duration_since(Instant::now());
            poll_all(&mut signalled, left.min(SLICE));
            if left.is_zero() || interrupt.asked() {
                break;
            }
        }
        signalled.iter().map(|one| (one.pid, one.outcome)).collect()
    }

    /// Waits until one more has ended, at most for `timeout`.
    fn poll_all(signalled: &mut [Signalled], timeout: Duration) {
        let Ok(timeout) = Timespec::try_from(timeout) else { return };
        let mut pending: Vec<&mut Signalled> =
            signalled.iter_mut().filter(|one| one.outcome == Outcome::Ending).collect();

        // A pidfd becomes readable when its process ends.
        let mut polled: Vec<PollFd<'_>> =
            pending.iter().map(|one| PollFd::new(&one.descriptor, PollFlags::IN)).collect();
        if poll(&mut polled, Some(&timeout)).is_err() {
            return;
        }
        let has_ended: Vec<bool> =
            polled.iter().map(|one| one.revents().contains(PollFlags::IN)).collect();
        for (one, _) in pending.iter_mut().zip(has_ended).filter(|(_, has_ended)| *has_ended) {
            one.outcome = Outcome::Ended;
        }
    }
}

/// Systems on which no process is ever signalled.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::convert::Infallible;
    use std::time::Duration;

    use super::{NotOpened, Outcome};
    use crate::os::interrupt::Interrupt;

    /// A process that can be asked to end; there is none.
    #[derive(Debug)]
    pub struct Target(Infallible);

    /// A process that was asked to end; there is none.
    #[derive(Debug)]
    pub struct Signalled(Infallible);

    impl Target {
        /// Returns that this system does not support it.
        pub fn open(_: u32, _: u64) -> Result<Self, NotOpened> {
            Err(NotOpened::Unsupported)
        }

        /// The process.
        pub fn pid(&self) -> u32 {
            match self.0 {}
        }

        /// Asks it to end.
        pub fn terminate(self) -> std::io::Result<Option<Signalled>> {
            match self.0 {}
        }
    }

    /// Waits for none of them.
    pub fn wait(signalled: Vec<Signalled>, _: Duration, _: &Interrupt) -> Vec<(u32, Outcome)> {
        signalled.into_iter().map(|one| match one.0 {}).collect()
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::os::interrupt::Interrupt;
    use crate::process::stat::Stat;
    use std::io::Read;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command, Stdio};
    use std::time::Instant;

    const TERM: i32 = 15;

    fn sleeping() -> (Child, u64) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let start = Stat::read(child.id()).unwrap().unwrap().start;
        (child, start)
    }

    /// A shell that runs `script`, once it is ready.
    fn shell(script: &str) -> (Child, u64) {
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
        let start = Stat::read(child.id()).unwrap().unwrap().start;
        (child, start)
    }

    fn end(pid: u32, start: u64) -> Signalled {
        Target::open(pid, start).unwrap().terminate().unwrap().unwrap()
    }

    #[test]
    fn all_are_signalled_and_waited_for_together() {
        let mut children: Vec<(Child, u64)> = (0..5).map(|_| sleeping()).collect();
        let started = Instant::now();
        let signalled = children.iter().map(|(child, start)| end(child.id(), *start)).collect();
        let outcomes = wait(signalled, PATIENCE, &Interrupt::default());
        assert!(started.elapsed() < PATIENCE);
        let expected: Vec<(u32, Outcome)> =
            children.iter().map(|(child, _)| (child.id(), Outcome::Ended)).collect();
        assert_eq!(outcomes, expected);
        for (child, _) in &mut children {
            assert_eq!(child.wait().unwrap().signal(), Some(TERM));
        }
    }

    #[test]
    fn one_that_ignores_the_signal_is_ending_and_lives() {
        let (mut stubborn, start) = shell("trap '' TERM; echo ready; read x");
        let (mut other, other_start) = sleeping();
        let signalled = vec![end(stubborn.id(), start), end(other.id(), other_start)];
        let outcomes = wait(signalled, Duration::from_millis(300), &Interrupt::default());
        let is_alive = stubborn.try_wait().unwrap().is_none();
        stubborn.kill().unwrap();
        for child in [&mut stubborn, &mut other] {
            child.wait().unwrap();
        }
        assert_eq!(outcomes, [(stubborn.id(), Outcome::Ending), (other.id(), Outcome::Ended)]);
        assert!(is_alive);
    }

    #[test]
    fn a_process_group_is_never_signalled() {
        // The child in the background is in the group of its shell.
        let (mut child, start) = shell(
            "trap 'echo ended; exit 0' TERM; sleep 60 & echo ready; while :; do read x; wait; done",
        );
        let tree = crate::process::tree::Tree::read().unwrap();
        let grandchild = tree.children(child.id())[0];
        let outcomes = wait(vec![end(child.id(), start)], PATIENCE, &Interrupt::default());
        child.wait().unwrap();
        let is_alive = Stat::read(grandchild).unwrap().is_some_and(|stat| !stat.is_zombie());
        let pid = rustix::process::Pid::from_raw(i32::try_from(grandchild).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        assert_eq!(outcomes[0].1, Outcome::Ended);
        assert!(is_alive);
    }

    #[test]
    fn another_process_of_the_same_id_is_not_opened_p2() {
        let (mut child, start) = sleeping();
        let pid = child.id();
        for other in [start + 1, start - 1, 0] {
            assert_eq!(Target::open(pid, other).unwrap_err(), NotOpened::OtherProcess);
        }
        let target = Target::open(pid, start).unwrap();
        assert!(child.try_wait().unwrap().is_none());

        child.kill().unwrap();
        while Stat::read(pid).unwrap().is_some_and(|stat| !stat.is_zombie()) {}
        assert_eq!(Target::open(pid, start).unwrap_err(), NotOpened::Ended, "not yet waited for");
        child.wait().unwrap();
        assert_eq!(Target::open(pid, start).unwrap_err(), NotOpened::Ended);
        // Whatever has its id by now, the target is the process that was opened.
        assert!(target.terminate().unwrap().is_none());
        assert_eq!(Target::open(u32::MAX, 0).unwrap_err(), NotOpened::Ended);
        assert_eq!(Target::open(0, 0).unwrap_err(), NotOpened::Ended);
    }

    #[test]
    fn a_signal_to_us_ends_the_wait() {
        let (mut child, start) = shell("trap '' TERM; echo ready; read x");
        let interrupt = Interrupt::default();
        interrupt.ask();
        let started = Instant::now();
        let outcomes = wait(vec![end(child.id(), start)], PATIENCE, &interrupt);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(outcomes, [(child.id(), Outcome::Ending)]);
        assert!(started.elapsed() < PATIENCE);
        assert!(wait(vec![], PATIENCE, &interrupt).is_empty());
    }
}
