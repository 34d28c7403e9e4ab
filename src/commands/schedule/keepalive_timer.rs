//! The job of a keep-alive timer: a pass, often enough for every job of the configuration.

use std::time::Duration;

use super::context::{RunContext, own_program, utf8};
use super::methods::all_installed;
use super::request::InstallRequest;
use crate::commands::feature::check_jobs;
use crate::config::{Environment, PROFILE};
use crate::keepalive::NO_JOB_HINT;
use crate::keepalive::job::{self, pace};
#[cfg(feature = "openclaw")]
use crate::keepalive::openclaw;
use crate::model::Failure;
use crate::schedule::{Job, When, Work, parse_installed};

/// The variables of a clean that a pass does not read.
const OF_CLEANS: [&str; 4] = ["CLAUDE_SESSION_DIR", "CLAUDE_BRIDGE_PORT", "NO_COLOR", PROFILE];

/// The shortest time between two passes, in seconds.
const SHORTEST: u64 = 60;

/// Makes the job, and checks that it makes sense.
pub(super) fn keepalive_timer(
    request: &InstallRequest,
    context: RunContext,
) -> anyhow::Result<Job> {
    let jobs = &context.settings.file.keeping.jobs;
    if jobs.is_empty() {
        return Err(Failure::usage("no keep-alive job is configured").hint(NO_JOB_HINT).into());
    }
    check_jobs(jobs)?;

    let when = request.args.when().unwrap_or_else(|| When::Every(pace(jobs).as_secs()));
    if is_too_often(&when) {
        return Err(Failure::usage("keep-alive jobs run at most once a minute")
            .hint("for example --every 1m")
            .into());
    }

    let (clean, _) = context.settings.resolve(&request.args.run.layer(), None)?;
    let state = context.state_dir(&clean)?;

    let mut variables = context.variables()?;
    variables.retain(|(name, _)| !OF_CLEANS.contains(&name.as_str()));
    variables.push(("PATH".to_owned(), path(&context)?));
    // The folders of OpenClaw and of its gateway's lock.
    #[cfg(feature = "openclaw")]
    if jobs.iter().any(|job| matches!(job.action, job::Action::OpenclawTouch(_))) {
        for name in openclaw::VARIABLES {
            if let Some(value) = context.environment.get(name).filter(|_| context.user.is_none()) {
                variables.push((name.to_owned(), utf8(name, value)?));
            }
        }
    }

    let mut arguments = vec!["keepalive".to_owned(), "run".to_owned(), "-q".to_owned()];
    arguments.extend(request.arguments.iter().filter(|word| *word != "--quiet").cloned());

    Ok(Job {
        work: Work::Keepalive,
        binary: own_program()?,
        arguments,
        variables,
        when,
        user: context.user,
        reads: Vec::new(),
        states: vec![state],
        // It may write wherever its user may: the jobs may do anything.
        writes: Vec::new(),
    })
}

/// Notes on the timers that run these jobs: that there is none, or that it runs too rarely. Lines that were
/// written by hand do not count.
pub(crate) fn timer_notes(environment: &Environment, jobs: &[job::Job]) -> Vec<String> {
    const INSTALL: &str = "session-warden schedule install --keepalive";
    if jobs.is_empty() {
        return Vec::new();
    }
    let timers = all_installed(environment, false);
    let Some(timer) = timers.iter().rfind(|timer| timer.is_keepalive()) else {
        return vec![format!("no timer runs these jobs yet; install one with {INSTALL}")];
    };

    let needed = pace(jobs).as_secs();
    match parse_installed(timer).and_then(|command| command.every) {
        Some(every) if every > needed => {
            let [every, needed] = [every, needed]
                .map(|seconds| humantime::format_duration(Duration::from_secs(seconds)));
            vec![format!(
                "the timer runs every {every}, but these jobs need it every {needed}; run {INSTALL}"
            )]
        }
        _ => Vec::new(),
    }
}

/// Returns true if that is more often than once a minute.
fn is_too_often(when: &When) -> bool {
    match when {
        When::Every(seconds) => *seconds < SHORTEST,
        // The seconds of `*:*:0/5` are more than one.
        When::Calendar(expression) => expression.split_whitespace().any(|word| {
            word.split(':').nth(2).is_some_and(|seconds| seconds.contains(['*', '/', ',', '.']))
        }),
    }
}

/// The `PATH` in which the CLIs are looked up: that of this run; for another user, the usual one.
fn path(context: &RunContext) -> Result<String, Failure> {
    const USUAL: &str = "/usr/local/bin:/usr/bin:/bin";
    if let Some(user) = &context.user {
        return Ok(format!("{}:{USUAL}", user.home.join(".local/bin").display()));
    }
    context.environment.get("PATH").map_or(Ok(USUAL.to_owned()), |path| utf8("PATH", path))
}
