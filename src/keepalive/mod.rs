//! `keepalive`: keep-alive. What is due is computed from what is remembered, done, and written down.

mod action;
mod check;
mod end;
pub mod job;
#[cfg(not(all(feature = "openclaw", feature = "web-ping")))]
mod lacking;
#[cfg(feature = "openclaw")]
pub mod openclaw;
mod pass;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "web-ping")]
mod set_key;
mod status;
pub mod store;
#[cfg(feature = "openclaw")]
mod touch;
pub mod vendor;
pub mod web;
#[cfg(feature = "web-ping")]
mod web_ping;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use crate::keepalive::job::{Cli, Job, JobState};
#[cfg(feature = "openclaw")]
use crate::keepalive::openclaw::Surroundings;
use crate::keepalive::store::Store;
use crate::keepalive::web::KeySources;
#[cfg(feature = "web-ping")]
use crate::keepalive::web::Limits as PageLimits;
use crate::model::{Exit, Failure, Timestamp};
use crate::os::interrupt::Interrupt;
use crate::process::Processes;
#[cfg(not(feature = "openclaw"))]
use lacking::touch;
#[cfg(not(feature = "web-ping"))]
use lacking::web_ping;

pub use check::check;
pub use pass::{Options, Output, run};
#[cfg(feature = "serve")]
pub use serve::{Log, Serve, serve};
#[cfg(feature = "web-ping")]
pub use set_key::{key_file, set_key};
pub use status::status;

/// How to begin where there is no job.
pub const NO_JOB_HINT: &str =
    "add a [[keepalive]] table to the configuration file; session-warden config shows its path";

/// How long what jobs run may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A turn of a vendor's CLI. One that is killed while it renews a login can break it, so this is
    /// long.
    pub turn: Duration,
    /// What is over its time has this long to end by itself, for the same reason.
    pub grace: Duration,
    /// A command of the user's.
    pub command: Duration,
    /// A command that prints an expiry, or notifies the user.
    pub telling: Duration,
    /// A renewed login is written within this time.
    pub written: Duration,
    /// The calls of a message on Claude's web page.
    #[cfg(feature = "web-ping")]
    pub web: PageLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            turn: Duration::from_secs(300),
            grace: Duration::from_secs(60),
            command: Duration::from_secs(600),
            telling: Duration::from_secs(60),
            written: Duration::from_secs(5),
            #[cfg(feature = "web-ping")]
            web: PageLimits::default(),
        }
    }
}

/// What keep-alive works with.
pub struct Keeper<'a> {
    /// The jobs of the configuration.
    pub jobs: &'a [Job],
    /// What is remembered of them.
    pub store: Store,
    /// The folder in which each CLI takes its turns, in an empty one of its own.
    pub pings: PathBuf,
    /// Returns the folder of a CLI, such as `~/.claude`.
    pub base: &'a dyn Fn(Cli) -> Result<PathBuf, Failure>,
    /// Where the CLIs' programs are looked for.
    pub path: Option<OsString>,
    /// What says where OpenClaw is.
    #[cfg(feature = "openclaw")]
    pub openclaw: Surroundings,
    /// Where the key to Claude's web page may come from.
    pub keys: KeySources,
    /// Reads the processes of our own user.
    pub processes: &'a dyn Fn() -> Processes,
    /// The time now: a pass may take a while.
    pub clock: fn() -> Timestamp,
    /// How long what is run may take.
    pub limits: Limits,
    /// Asked to stop by a signal.
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
        // One that is named twice is run once.
        let mut asked: Vec<&Job> = Vec::new();
        for id in ids {
            let job = self.job(id)?;
            if !asked.iter().any(|other| other.id == job.id) {
                asked.push(job);
            }
        }
        Ok(asked)
    }

    fn job(&self, id: &str) -> Result<&Job, Failure> {
        let found = self.jobs.iter().find(|job| job.id == id);
        found.ok_or_else(|| no_job(self.jobs, id))
    }
}

/// That there is no job of that id.
fn no_job(jobs: &[Job], id: &str) -> Failure {
    let names: Vec<&str> = jobs.iter().map(|job| job.id.as_str()).collect();
    let hint = if names.is_empty() {
        NO_JOB_HINT.to_owned()
    } else {
        format!("the jobs are {}", names.join(", "))
    };
    Failure::usage(format!("there is no job {id:?}")).hint(hint)
}

/// Lets a job run again, whatever had disabled it.
///
/// # Errors
/// Where there is no such job, or that cannot be written down.
pub fn enable(keeper: &Keeper<'_>, id: &str, out: &mut dyn Write) -> Result<Exit, Failure> {
    change(keeper, id, JobState::enable, "Enabled", out)
}

/// Keeps a job from running until it is enabled.
///
/// # Errors
/// As [`enable`].
pub fn disable(keeper: &Keeper<'_>, id: &str, out: &mut dyn Write) -> Result<Exit, Failure> {
    change(keeper, id, JobState::disable_for_user, "Disabled", out)
}

fn change(
    keeper: &Keeper<'_>,
    id: &str,
    change: impl FnOnce(&mut JobState),
    done: &str,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let job = keeper.job(id)?;
    let _pass = keeper.store.begin()?;
    let mut known = keeper.store.read()?;
    change(known.jobs.entry(job.id.clone()).or_default());
    keeper.store.write(&known)?;
    // It is done, whether or not anybody can read of it.
    let _ = writeln!(out, "{done} job {id}");
    Ok(Exit::Done)
}
