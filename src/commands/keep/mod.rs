//! `keep`: keep-alive. What is due is computed from what is remembered, done, and written down.

mod action;
mod pass;
mod status;

use std::path::PathBuf;

use crate::disk::interrupt::Interrupt;
use crate::domain::keep::{Cli, Job};
use crate::domain::{Exit, Failure, Timestamp};
use crate::keep::Store;
use crate::process::Processes;

pub use pass::{Options, run};
pub use status::{check, status};

/// What keep-alive works with.
pub struct Keeper<'a> {
    /// The jobs of the configuration.
    pub jobs: &'a [Job],
    /// What is remembered of them.
    pub store: Store,
    /// The folder in which each CLI takes its turns, in an empty one of its own.
    pub pings: PathBuf,
    /// Tells the folder of a CLI, such as `~/.claude`.
    pub base: &'a dyn Fn(Cli) -> Result<PathBuf, Failure>,
    /// Reads the processes of our own user.
    pub processes: &'a dyn Fn() -> Processes,
    /// The time now: a pass may take a while.
    pub clock: fn() -> Timestamp,
    /// Whether somebody has asked to stop.
    pub interrupt: &'a Interrupt,
}

impl Keeper<'_> {
    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The jobs of these ids, or all.
    fn asked(&self, ids: &[String]) -> Result<Vec<&Job>, Failure> {
        if ids.is_empty() {
            return Ok(self.jobs.iter().collect());
        }
        ids.iter().map(|id| self.job(id)).collect()
    }

    fn job(&self, id: &str) -> Result<&Job, Failure> {
        let found = self.jobs.iter().find(|job| job.id == id);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.jobs.iter().map(|job| job.id.as_str()).collect();
            let hint = match names.is_empty() {
                true => "a job begins with [[keep]] in the configuration".to_owned(),
                false => format!("the jobs are {}", names.join(", ")),
            };
            Failure { exit: Exit::Usage, ..Failure::new(format!("no job {id:?}")) }.hint(hint)
        })
    }
}

/// Lets a job run again, whatever had disabled it.
///
/// # Errors
/// Where there is no such job, or that cannot be written down.
pub fn enable(keeper: &Keeper<'_>, id: &str) -> Result<Exit, Failure> {
    change(keeper, id, |state| state.enable())
}

/// Keeps a job from running until it is enabled.
///
/// # Errors
/// As [`enable`].
pub fn disable(keeper: &Keeper<'_>, id: &str) -> Result<Exit, Failure> {
    change(keeper, id, |state| state.disable("by its user"))
}

fn change(
    keeper: &Keeper<'_>,
    id: &str,
    change: impl FnOnce(&mut crate::domain::keep::JobState),
) -> Result<Exit, Failure> {
    let job = keeper.job(id)?;
    let _pass = keeper.store.begin()?;
    let mut known = keeper.store.read()?;
    change(known.jobs.entry(job.id.clone()).or_default());
    keeper.store.write(&known)?;
    Ok(Exit::Done)
}
