//! `keepalive enable` and `keepalive disable`.

use std::io::Write;

use super::job::JobState;
use super::keeper::{Keeper, find_job};
use crate::model::{Exit, Failure};

/// Lets a job run again, whatever had disabled it.
pub fn enable(keeper: &Keeper<'_>, id: &str, out: &mut dyn Write) -> Result<Exit, Failure> {
    change(keeper, id, JobState::enable, "Enabled", out)
}

/// Keeps a job from running until it is enabled.
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
    let job = find_job(keeper.jobs, id)?;
    let _lock = keeper.store.begin()?;
    let mut jobs = keeper.store.read()?;
    change(jobs.state(job));
    keeper.store.write(&jobs)?;
    // It is done, whether or not this can be printed.
    let _ = writeln!(out, "{done} job {id}");
    Ok(Exit::Done)
}
