//! This machine, and how it shows its processes to us: the same for every process that is judged.

use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::model::Timestamp;
use crate::os::folder::Links;
use crate::os::reading;
use crate::process::{passed, pid_domain, user};

/// The machine and ourselves, as the conditions of a release need to know them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// True if `/proc/self` is this very process: if `/proc` numbers processes as the system calls do.
    pub has_own_proc: bool,
    /// True if the machine has an id that no other machine has: one that is neither empty nor
    /// `uninitialized`, as in an image that was never started.
    pub has_id: bool,
    /// The machine and PID namespace that we are in, as process records name them.
    pub pid_domain: Option<String>,
    /// When the machine started, by its clock of now; nothing if its clocks cannot be read.
    pub boot: Option<Timestamp>,
    /// How many clock ticks a second has.
    pub ticks_per_second: u64,
    /// The user that we act as.
    pub user: u32,
}

impl Machine {
    /// Reads all of it.
    pub fn read() -> Self {
        let id = reading::whole(Path::new("/etc/machine-id"), Links::Follow, 1 << 10);
        let id = String::from_utf8(id.unwrap_or_default()).unwrap_or_default();
        Self {
            has_own_proc: has_own_proc(),
            has_id: is_id(&id),
            pid_domain: pid_domain().map(str::to_owned),
            boot: boot(),
            ticks_per_second: ticks_per_second(),
            user: user(),
        }
    }

    /// When a process started, from field 22 of its `stat`.
    pub fn started(&self, start: u64) -> Option<Timestamp> {
        let seconds = start.checked_div(self.ticks_per_second)?;
        let nanoseconds = (start % self.ticks_per_second) * (1_000_000_000 / self.ticks_per_second);
        let since_boot = Duration::new(seconds, u32::try_from(nanoseconds).ok()?);
        Some(self.boot?.after(since_boot))
    }
}

fn is_id(text: &str) -> bool {
    !matches!(text.trim(), "" | "uninitialized")
}

fn has_own_proc() -> bool {
    let own = fs::read_link("/proc/self").ok();
    own.and_then(|own| own.to_str()?.parse().ok()) == Some(std::process::id())
}

/// The time of now less the time since the boot, by a clock that also runs while the machine sleeps.
fn boot() -> Option<Timestamp> {
    let now = clock_gettime(ClockId::Realtime);
    let since_boot = passed();

    let now = Timestamp::new(now.tv_sec, u32::try_from(now.tv_nsec).ok()?);
    Some(now.earlier(since_boot)).filter(|_| !since_boot.is_zero())
}

#[cfg(target_os = "linux")]
fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second().max(1)
}

/// Where there is no `/proc`, no ticks are counted.
#[cfg(not(target_os = "linux"))]
fn ticks_per_second() -> u64 {
    100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_was_never_started_has_no_id() {
        assert!(is_id("0123456789abcdef0123456789abcdef\n"));
        for text in ["", "\n", "uninitialized\n"] {
            assert!(!is_id(text), "{text:?}");
        }
    }

    #[test]
    fn a_process_started_as_many_ticks_after_the_boot() {
        let machine = Machine {
            has_own_proc: true,
            has_id: true,
            pid_domain: None,
            boot: Some(Timestamp::new(1_000_000, 500_000_000)),
            ticks_per_second: 100,
            user: 0,
        };
        assert_eq!(machine.started(12_345), Some(Timestamp::new(1_000_123, 950_000_000)));
        assert_eq!(machine.started(50), Some(Timestamp::new(1_000_001, 0)));
        let without = Machine { boot: None, ..machine.clone() };
        assert_eq!(without.started(50), None);
        // Whatever the number, nothing panics.
        machine.started(u64::MAX);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_started_just_now() {
        #[expect(clippy::disallowed_methods, reason = "the clock that a process starts by")]
        let before = Timestamp::from(std::time::SystemTime::now());
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let stat = crate::process::stat::Stat::read(child.id()).unwrap().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();

        let machine = Machine::read();
        assert!(machine.has_own_proc);
        let started = machine.started(stat.start).unwrap();
        // A tick is 10 ms, and the number is rounded down.
        assert!(started >= before.earlier(Duration::from_millis(30)), "{started:?} {before:?}");
        assert!(started <= before.after(Duration::from_secs(10)), "{started:?} {before:?}");
    }
}
