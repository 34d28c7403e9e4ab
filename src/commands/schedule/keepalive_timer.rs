//! The job of a keep-alive timer: a pass, often enough for every job of the configuration.

use std::time::Duration;

use super::context::{RunContext, utf8};
use super::methods::all_installed;
use super::program::{self, own_program};
use super::request::InstallRequest;
use super::timer_environment::timer_environment;
use crate::commands::feature::check_jobs;
use crate::config::{Environment, PROFILE};
use crate::keepalive::NO_JOB_HINT;
use crate::keepalive::job::{self, pace};
#[cfg(feature = "openclaw")]
use crate::keepalive::openclaw;
use crate::model::Failure;
use crate::process::{self, is_on_path};
use crate::schedule::others::Lines;
use crate::schedule::{
    Fleeting, Installed, Job, Method, SearchPath, Step, When, Work, cron, parse_installed,
};

/// The variables of a clean that a pass does not read.
const OF_CLEANS: [&str; 4] = ["CLAUDE_SESSION_DIR", "CLAUDE_BRIDGE_PORT", "NO_COLOR", PROFILE];

/// The shortest time between two passes, in seconds.
const SHORTEST: u64 = 60;

/// Makes the job, and checks that it makes sense.
pub(super) fn keepalive_timer(
    request: &InstallRequest,
    environment: &Environment,
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
    let binary = own_program(environment)?;
    let mut remarks: Vec<Step> = program::warning(&binary).into_iter().collect();
    let path = path(&context, &mut remarks)?;
    remarks.extend(missing_clis(jobs, &path));
    variables.push(("PATH".to_owned(), path));
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
        binary,
        arguments,
        variables,
        when,
        user: context.user,
        reads: Vec::new(),
        states: vec![state],
        // It may write wherever its user may: the jobs may do anything.
        writes: Vec::new(),
        remarks,
    })
}

/// Notes on the timers that run these jobs: that there is none, or that it runs too rarely. Lines that were
/// written by hand do not count.
pub(crate) fn timer_notes(environment: &Environment, jobs: &[job::Job]) -> Vec<String> {
    const INSTALL: &str = "session-warden schedule install --keepalive";
    if jobs.is_empty() {
        return Vec::new();
    }
    let Some(timer) = installed(environment) else {
        return vec![format!("no timer runs these jobs yet; install one with {INSTALL}")];
    };

    let mut notes = Vec::new();
    let needed = pace(jobs).as_secs();
    if let Some(every) = parse_installed(&timer).and_then(|command| command.every)
        && every > needed
    {
        let [every, needed] =
            [every, needed].map(|seconds| humantime::format_duration(Duration::from_secs(seconds)));
        notes.push(format!(
            "the timer runs every {every}, but these jobs need it every {needed}; run {INSTALL}"
        ));
    }

    let path = environment_of_timer(environment).and_then(|theirs| theirs.get("PATH"));
    let missing = path.iter().flat_map(|path| {
        clis(jobs).into_iter().filter(move |name| !is_on_path(path, name)).map(move |name| {
            format!(
                "the PATH of the timer, {}, does not have {name}; run {INSTALL} where it is on the PATH",
                path.display()
            )
        })
    });
    notes.extend(missing);
    notes
}

/// Returns this environment with the home, the `PATH` and the folders of the CLIs that the installed timer has;
/// nothing if there is no timer, or its environment is unknown.
pub(crate) fn environment_of_timer(environment: &Environment) -> Option<Environment> {
    let timer = installed(environment)?;
    let command = parse_installed(&timer)?;
    let crontab = match timer.method {
        Method::Cron => cron::read().ok().flatten().unwrap_or_default(),
        _ => Vec::new(),
    };
    let (theirs, _) = timer_environment(&timer, &command, environment, &Lines::of(&crontab))?;
    Some(environment.with_clis_of(&theirs))
}

/// Returns the timer that runs this user's jobs.
fn installed(environment: &Environment) -> Option<Installed> {
    let us = process::name_of(process::user());
    let is_ours =
        |timer: &Installed| timer.is_keepalive() && (timer.user.is_none() || timer.user == us);
    all_installed(environment, false).into_iter().rfind(is_ours)
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

/// The `PATH` in which the CLIs are looked up: that of this run, as far as it lasts; for another user, the usual one.
fn path(context: &RunContext, remarks: &mut Vec<Step>) -> Result<String, Failure> {
    const USUAL: &str = "/usr/local/bin:/usr/bin:/bin";
    const LASTING: &str = "to change the PATH of the timer, install again with another PATH";
    if let Some(user) = &context.user {
        return Ok(format!("{}:{USUAL}", user.home.join(".local/bin").display()));
    }
    let Some(path) = context.environment.get("PATH") else { return Ok(USUAL.to_owned()) };

    let fleeting = Fleeting::of(&context.environment);
    let path = SearchPath::lasting(&utf8("PATH", path)?, &fleeting);
    remarks.extend(path.notes.iter().cloned().map(Step::Hint));
    remarks.extend(path.warnings.iter().cloned().map(|line| Step::Warning(line, LASTING)));
    Ok(path.value().unwrap_or_else(|| USUAL.to_owned()))
}

/// Returns the names of the CLIs that these jobs run.
pub(crate) fn clis(jobs: &[job::Job]) -> Vec<&'static str> {
    let is_run = |cli: &job::Cli| jobs.iter().any(|job| job.action.cli() == Some(*cli));
    job::Cli::ALL.into_iter().filter(is_run).map(job::Cli::name).collect()
}

/// Returns a warning for each CLI of these jobs that a timer with that `PATH` does not find.
fn missing_clis(jobs: &[job::Job], path: &str) -> Vec<Step> {
    let missing = clis(jobs).into_iter().filter(|name| !is_on_path(path.as_ref(), name));
    missing
        .map(|name| {
            let message = format!("{name} is not on the PATH of the timer, {path}");
            Step::Warning(message, "install again with a PATH that has it")
        })
        .collect()
}
