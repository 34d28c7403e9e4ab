//! What a timer is to run for keep-alive: a pass, often enough for every job of the configuration.

use std::path::Path;

use super::job::{account, own_program, variables};
use super::schedule::{Wish, usage};
use crate::config::{Environment, Settings, state_dir_in};
use crate::domain::Failure;
use crate::domain::keep::pace;
use crate::schedule::{Job, Method, When, Work};

/// The variables of a clean that a pass does not look at.
const OF_CLEANS: [&str; 3] = ["CLAUDE_SESSION_DIR", "CLAUDE_BRIDGE_PORT", "NO_COLOR"];

/// The shortest time between two passes, in seconds.
const SHORTEST: u64 = 60;

/// Makes the job, and checks that it makes sense.
///
/// # Errors
/// Exit code 2 where it does not.
pub(super) fn keep_job(
    wish: &Wish,
    method: Method,
    environment: &Environment,
    sudo: Option<String>,
) -> Result<Job, Failure> {
    let user = match method {
        Method::SystemdSystem => Some(account(wish.user.as_deref(), sudo)?),
        _ => None,
    };
    let sees =
        user.as_ref().map_or_else(|| environment.clone(), |user| environment.of_home(&user.home));
    let settings = Settings::read(wish.config.as_deref(), sees.clone(), false)?;
    let jobs = &settings.file.keeping.jobs;
    if jobs.is_empty() {
        let hint = "a job begins with [[keep]] in the configuration";
        return Err(usage("no job is configured, so there is nothing to run").hint(hint));
    }
    let when = match &wish.when {
        Some(When::Every(seconds)) if *seconds < SHORTEST => {
            return Err(usage("keep-alive runs once a minute at most; a right one is --every 1m"));
        }
        Some(when) => when.clone(),
        None => When::Every(pace(jobs).as_secs()),
    };
    let (clean, _) = settings.resolve(&wish.flags, None)?;
    let state = match (&clean.state_dir, &user) {
        (None, Some(user)) => state_dir_in(&user.home),
        _ => clean.state_dir()?,
    };
    let mut variables = variables(&sees)?;
    variables.retain(|(name, _)| !OF_CLEANS.contains(&name.as_str()));
    variables.push(("PATH".to_owned(), path(user.as_ref().map(|user| &*user.home), &sees)?));
    let mut arguments = vec!["keep".to_owned(), "run".to_owned(), "-q".to_owned()];
    arguments.extend(wish.arguments.iter().filter(|word| *word != "--quiet").cloned());
    Ok(Job {
        work: Work::Keep,
        binary: own_program()?,
        arguments,
        variables,
        when,
        user,
        reads: Vec::new(),
        states: vec![state],
        // It may write wherever its user may: nobody knows what the jobs do.
        writes: Vec::new(),
    })
}

/// Where the vendors' CLIs are looked for: as now; for another user, in the usual places.
fn path(home: Option<&Path>, sees: &Environment) -> Result<String, Failure> {
    const USUAL: &str = "/usr/local/bin:/usr/bin:/bin";
    if let Some(home) = home {
        return Ok(format!("{}:{USUAL}", home.join(".local/bin").display()));
    }
    match sees.get("PATH") {
        None => Ok(USUAL.to_owned()),
        Some(path) => path.into_string().map_err(|_| usage("$PATH is not UTF-8")),
    }
}
