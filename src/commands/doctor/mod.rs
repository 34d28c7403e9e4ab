//! `doctor`: checks the installation. Each check only reads: no lock is taken, no folder made, no
//! conversation read.

pub(crate) mod args;
mod environment;
mod home;
mod map;
mod processes;
mod program;
mod retention;
mod runs;
mod setup;
mod timer;
mod timers;

use self::setup::Setup;
use crate::config::{Clean, Shown};
use crate::map::map_file::stopped;
use crate::model::Timestamp;
use crate::os::interrupt::Interrupt;
use crate::os::progress::Phase;
use crate::report::Check;

/// All checks, in the order in which they depend on each other.
const CHECKS: [fn(&Setup<'_>) -> Vec<Check>; 7] = [
    home::checks,
    map::checks,
    processes::checks,
    retention::checks,
    map::bridge_checks,
    runs::state_checks,
    timers::checks,
];

/// Runs all checks. Only a signal makes this fail.
fn run(
    config: &Clean,
    shown: &[Shown],
    clis: &[&'static str],
    now: Timestamp,
    interrupt: &Interrupt,
) -> anyhow::Result<Vec<Check>> {
    let setup = Setup::new(config, shown, clis, now, interrupt);
    let mut checks = Vec::new();
    for part in CHECKS {
        if interrupt.asked() {
            break;
        }
        interrupt.progress().begin(Phase::Checks, 0);
        checks.extend(part(&setup));
    }
    // A check that a signal ended has not seen everything.
    if interrupt.asked() { Err(stopped().into()) } else { Ok(checks) }
}
