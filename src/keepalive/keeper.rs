//! The context of keep-alive: its jobs, its state, and the limits and services that it works with.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::job::{Cli, Job};
#[cfg(feature = "openclaw")]
use super::openclaw::Surroundings;
use super::store::Store;
use super::web::KeySources;
#[cfg(feature = "web-ping")]
use super::web::Limits as PageLimits;
use crate::model::{Failure, Timestamp};
use crate::os::interrupt::Interrupt;
use crate::process::Processes;

pub const NO_JOB_HINT: &str =
    "add a [[keepalive]] table to the configuration file; session-warden config shows its path";

/// How long the work of jobs may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A turn of a vendor's CLI. This is long, since one that is killed while it renews a login can
    /// break it.
    pub turn: Duration,
    /// The time to end after SIGTERM, long for the same reason.
    pub grace: Duration,
    /// A command of the user's.
    pub command: Duration,
    /// A command that prints an expiry, or notifies the user.
    pub short_command: Duration,
    /// A CLI writes a renewed login within this time after its turn.
    pub login_written: Duration,
    #[cfg(feature = "web-ping")]
    pub web: PageLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            turn: Duration::from_secs(300),
            grace: Duration::from_secs(60),
            command: Duration::from_secs(600),
            short_command: Duration::from_secs(60),
            login_written: Duration::from_secs(5),
            #[cfg(feature = "web-ping")]
            web: PageLimits::default(),
        }
    }
}

pub struct Keeper<'a> {
    pub jobs: &'a [Job],
    pub store: Store,
    /// The folder in which each CLI takes its turns, in an empty one of its own.
    pub pings: PathBuf,
    /// Returns the folder of a CLI, such as `~/.claude`.
    pub base: &'a dyn Fn(Cli) -> Result<PathBuf, Failure>,
    /// The search path for the CLIs' programs.
    pub path: Option<OsString>,
    #[cfg(feature = "openclaw")]
    pub openclaw: Surroundings,
    pub keys: KeySources,
    /// Reads the processes of our own user.
    pub processes: &'a dyn Fn() -> Processes,
    /// Returns the time now: a pass may take a while.
    pub clock: fn() -> Timestamp,
    pub limits: Limits,
    pub interrupt: &'a Interrupt,
}

impl Keeper<'_> {
    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Returns the jobs of these ids, each once, or all jobs.
    pub(super) fn selected(&self, ids: &[String]) -> Result<Vec<&Job>, Failure> {
        if ids.is_empty() {
            return Ok(self.jobs.iter().collect());
        }
        let mut selected: Vec<&Job> = Vec::new();
        for id in ids {
            let job = find_job(self.jobs, id)?;
            if !selected.iter().any(|other| other.id == job.id) {
                selected.push(job);
            }
        }
        Ok(selected)
    }
}

pub(super) fn find_job<'a>(jobs: &'a [Job], id: &str) -> Result<&'a Job, Failure> {
    if let Some(job) = jobs.iter().find(|job| job.id == id) {
        return Ok(job);
    }
    let names: Vec<&str> = jobs.iter().map(|job| job.id.as_str()).collect();
    let hint = if names.is_empty() {
        NO_JOB_HINT.to_owned()
    } else {
        format!("the jobs are {}", names.join(", "))
    };
    Err(Failure::usage(format!("there is no job {id:?}")).hint(hint))
}
