//! How much CPU time the candidates use, measured for all of them at once over two intervals.
//!
//! A CLI that is idle uses some 0.3 % of a CPU, and now and then 3 % for a moment, so one quiet interval of two is
//! enough. Its own process alone counts: its children are judged by another condition. This shows no work that waits,
//! and is one condition among many.

use std::time::{Duration, Instant};

use crate::model::Timestamp;
use crate::os::interrupt::Interrupt;
use crate::process::stat::Stat;

/// How long one of the two intervals is at least.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// How often a signal is looked for.
const SLICE: Duration = Duration::from_millis(100);

/// The use of CPU time over two intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cpu {
    /// It used less than 1 % of a CPU in at least one of them.
    Quiet,
    /// It used more in both.
    AtWork,
    /// Its status was not the same idle one before, between and after them.
    StatusChanged,
    /// It has ended, or cannot be read, or a signal asked to stop.
    Unknown,
}

/// A process that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    pub pid: u32,
    /// When it started, as [`Stat::start`].
    pub start: u64,
}

/// One look at a process.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    ticks: u64,
    /// Since when it is idle.
    idle_since: Option<Timestamp>,
}

/// Measures all `processes` over two intervals of at least [`INTERVAL`]. The answers are in their order.
///
/// `idle_since` reads the record of the process at that index: since when it is idle, or nothing if it is not.
pub fn measure(
    processes: &[Measured],
    ticks_per_second: u64,
    interrupt: &Interrupt,
    idle_since: impl FnMut(usize) -> Option<Timestamp>,
) -> Vec<Cpu> {
    measure_over(INTERVAL, processes, ticks_per_second, interrupt, idle_since)
}

fn measure_over(
    interval: Duration,
    processes: &[Measured],
    ticks_per_second: u64,
    interrupt: &Interrupt,
    mut idle_since: impl FnMut(usize) -> Option<Timestamp>,
) -> Vec<Cpu> {
    let before = samples(processes, &mut idle_since);
    wait(interval, interrupt);
    let between = samples(processes, &mut idle_since);
    wait(interval, interrupt);
    let after = samples(processes, &mut idle_since);

    let of_process = before.into_iter().zip(between).zip(after);
    of_process
        .map(|((before, between), after)| match (before, between, after) {
            (Some(before), Some(between), Some(after)) if !interrupt.asked() => {
                judge([before, between, after], ticks_per_second)
            }
            _ => Cpu::Unknown,
        })
        .collect()
}

fn samples(
    processes: &[Measured],
    idle_since: &mut impl FnMut(usize) -> Option<Timestamp>,
) -> Vec<Option<Sample>> {
    let mut samples = Vec::with_capacity(processes.len());
    for (index, process) in processes.iter().enumerate() {
        let stat = Stat::read(process.pid).ok().flatten();
        let stat = stat.filter(|stat| stat.start == process.start && !stat.is_zombie());
        samples.push(stat.map(|stat| Sample {
            at: Instant::now(),
            ticks: stat.cpu_ticks,
            idle_since: idle_since(index),
        }));
    }
    samples
}

fn judge(samples: [Sample; 3], ticks_per_second: u64) -> Cpu {
    let [before, between, after] = samples;
    let is_idle = before.idle_since.is_some()
        && before.idle_since == between.idle_since
        && between.idle_since == after.idle_since;
    if !is_idle {
        Cpu::StatusChanged
    } else if is_quiet(before, between, ticks_per_second)
        || is_quiet(between, after, ticks_per_second)
    {
        Cpu::Quiet
    } else {
        Cpu::AtWork
    }
}

/// Returns true if less than 1 % of a CPU was used between two samples.
fn is_quiet(first: Sample, second: Sample, ticks_per_second: u64) -> bool {
    let ticks = u128::from(second.ticks.saturating_sub(first.ticks));
    let elapsed = second.at.duration_since(first.at).as_nanos();
    ticks * 100 * 1_000_000_000 < elapsed * u128::from(ticks_per_second)
}

/// Waits that long, or until a signal asks to stop.
fn wait(interval: Duration, interrupt: &Interrupt) {
    let until = Instant::now() + interval;
    while !interrupt.asked() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        std::thread::sleep(left.min(SLICE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    const IDLE: Option<Timestamp> = Some(Timestamp::MAX);

    fn samples_of(ticks: [u64; 3], idle_since: [Option<Timestamp>; 3]) -> [Sample; 3] {
        let start = Instant::now();
        [0, 1, 2].map(|index| Sample {
            at: start + Duration::from_secs(2) * u32::try_from(index).unwrap(),
            ticks: ticks[index],
            idle_since: idle_since[index],
        })
    }

    #[test]
    fn one_quiet_interval_of_two_is_enough() {
        // In two seconds, 2 of 200 ticks are exactly 1 %.
        for (ticks, expected) in [
            ([100, 100, 100], Cpu::Quiet),
            ([100, 101, 102], Cpu::Quiet),
            ([100, 107, 108], Cpu::Quiet),
            ([100, 101, 300], Cpu::Quiet),
            ([100, 102, 104], Cpu::AtWork),
            ([100, 300, 500], Cpu::AtWork),
        ] {
            assert_eq!(judge(samples_of(ticks, [IDLE; 3]), 100), expected, "{ticks:?}");
        }
    }

    #[test]
    fn the_status_must_be_the_same_idle_one_throughout() {
        let other = Some(Timestamp::new(5, 0));
        for statuses in [
            [None, IDLE, IDLE],
            [IDLE, None, IDLE],
            [IDLE, IDLE, None],
            [None, None, None],
            [IDLE, other, other],
            [IDLE, other, IDLE],
        ] {
            assert_eq!(
                judge(samples_of([0; 3], statuses), 100),
                Cpu::StatusChanged,
                "{statuses:?}"
            );
        }
    }

    fn start(program: &str, arguments: &[&str]) -> (Child, Measured) {
        let child = Command::new(program).args(arguments).stdin(Stdio::null()).spawn().unwrap();
        let pid = child.id();
        let start = Stat::read(pid).unwrap().unwrap().start;
        (child, Measured { pid, start })
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn processes_are_measured_together() {
        let (mut sleeping, quiet) = start("sleep", &["60"]);
        let (mut spinning, at_work) = start("sh", &["-c", "while :; do :; done"]);
        let reused = Measured { start: quiet.start + 1, ..quiet };
        let interval = Duration::from_millis(500);
        let interrupt = Interrupt::default();
        let found = measure_over(interval, &[quiet, at_work, reused], 100, &interrupt, |_| IDLE);
        for child in [&mut sleeping, &mut spinning] {
            child.kill().unwrap();
        }
        while !Stat::read(quiet.pid).unwrap().unwrap().is_zombie() {}
        let zombie = measure_over(Duration::ZERO, &[quiet], 100, &interrupt, |_| IDLE);
        for child in [&mut sleeping, &mut spinning] {
            child.wait().unwrap();
        }
        assert_eq!(found, [Cpu::Quiet, Cpu::AtWork, Cpu::Unknown]);
        assert_eq!(zombie, [Cpu::Unknown]);
    }

    #[test]
    fn a_signal_ends_the_wait() {
        let interrupt = Interrupt::default();
        interrupt.ask();
        let started = Instant::now();
        let us = Measured { pid: std::process::id(), start: 0 };
        assert_eq!(measure(&[us], 100, &interrupt, |_| IDLE), [Cpu::Unknown]);
        assert!(started.elapsed() < INTERVAL);
    }
}
