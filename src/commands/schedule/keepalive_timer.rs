//! What a timer is to run for keep-alive: a pass, often enough for every job of the configuration.

use std::path::Path;
use std::time::Duration;

use super::status::all_installed;
use crate::commands::feature::check_jobs;
use crate::commands::schedule::clean_timer::{own_program, seen, variables};
use crate::commands::schedule::{Wish, usage};
use crate::config::{Environment, PROFILE, state_dir_in};
use crate::keepalive::NO_JOB_HINT;
use crate::keepalive::job::{self, pace};
#[cfg(feature = "openclaw")]
use crate::keepalive::openclaw;
use crate::model::Failure;
use crate::schedule::{Installed, Job, Method, When, Work, parse_installed};

/// The variables of a clean that a pass does not look at.
const OF_CLEANS: [&str; 4] = ["CLAUDE_SESSION_DIR", "CLAUDE_BRIDGE_PORT", "NO_COLOR", PROFILE];

/// The shortest time between two passes, in seconds.
const SHORTEST: u64 = 60;

/// Makes the job, and checks that it makes sense.
///
/// # Errors
/// Exit code 2 where it does not.
pub(super) fn keepalive_timer(
    wish: &Wish,
    method: Method,
    environment: &Environment,
    sudo: Option<String>,
) -> anyhow::Result<Job> {
    let (user, sees, settings) = seen(wish, method, environment, sudo)?;
    let jobs = &settings.file.keeping.jobs;
    if jobs.is_empty() {
        return Err(usage("no keep-alive job is configured").hint(NO_JOB_HINT).into());
    }
    check_jobs(jobs)?;
    let when = match &wish.when {
        Some(when) if is_too_often(when) => {
            return Err(usage("keep-alive jobs run at most once a minute")
                .hint("for example --every 1m")
                .into());
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
    // Where OpenClaw is, and where its gateway says that it runs.
    #[cfg(feature = "openclaw")]
    if jobs.iter().any(|job| matches!(job.action, job::Action::OpenclawTouch(_))) {
        for name in openclaw::VARIABLES {
            let Some(value) = environment.get(name).filter(|_| user.is_none()) else { continue };
            let value = value.into_string().map_err(|_| {
                usage(format!("${name} is not UTF-8")).hint("change its value, or unset it")
            })?;
            variables.push((name.to_owned(), value));
        }
    }
    let mut arguments = vec!["keepalive".to_owned(), "run".to_owned(), "-q".to_owned()];
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

/// What a person should know of the timers that are to run these jobs: that there is none, or one that
/// comes too seldom. One that was written by hand is not looked for.
pub(crate) fn timer_notes(environment: &Environment, jobs: &[job::Job]) -> Vec<String> {
    let timers = all_installed(environment, false).into_iter().filter(Installed::is_keep);
    let mut every: Vec<Option<u64>> =
        timers.map(|timer| parse_installed(&timer).and_then(|handed| handed.every)).collect();
    let needed = pace(jobs).as_secs();
    let again = "session-warden schedule install --keepalive";
    match every.pop() {
        _ if jobs.is_empty() => Vec::new(),
        None => vec![format!("no timer runs these jobs yet; install one with {again}")],
        Some(Some(seconds)) if seconds > needed => {
            let [found, needed] = [seconds, needed]
                .map(|seconds| humantime::format_duration(Duration::from_secs(seconds)));
            vec![format!(
                "the timer runs every {found}, but these jobs need it every {needed}; run {again}"
            )]
        }
        Some(_) => Vec::new(),
    }
}

/// Whether that is more often than once a minute.
fn is_too_often(when: &When) -> bool {
    match when {
        When::Every(seconds) => *seconds < SHORTEST,
        // The seconds of `*:*:0/5` are more than one.
        When::Calendar(expression) => expression.split_whitespace().any(|word| {
            word.split(':').nth(2).is_some_and(|seconds| seconds.contains(['*', '/', ',', '.']))
        }),
    }
}

/// Where the vendors' CLIs are looked for: as now; for another user, in the usual places.
fn path(home: Option<&Path>, sees: &Environment) -> Result<String, Failure> {
    const USUAL: &str = "/usr/local/bin:/usr/bin:/bin";
    if let Some(home) = home {
        return Ok(format!("{}:{USUAL}", home.join(".local/bin").display()));
    }
    match sees.get("PATH") {
        None => Ok(USUAL.to_owned()),
        Some(path) => {
            path.into_string().map_err(|_| usage("$PATH is not UTF-8").hint("change its value"))
        }
    }
}
