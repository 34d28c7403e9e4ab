//! The job of a timer that cleans: the clean that was asked for, in the environment of this run.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::context::RunContext;
use super::paths::Paths;
use super::program::{self, own_program};
use super::request::InstallRequest;
use crate::config::{CONFIG, Environment, Layer, absolute};
use crate::model::Failure;
use crate::os::links::target;
use crate::process;
use crate::provider::PROVIDERS;
use crate::schedule::{Account, Job, Method, When, Work};

/// How often a clean runs by default, in seconds.
const HOUR: u64 = 3600;

/// Makes the job, and checks that it makes sense.
pub(super) fn clean_timer(
    request: &InstallRequest,
    method: Method,
    environment: &Environment,
    context: RunContext,
) -> anyhow::Result<Job> {
    let mut paths = Paths::default();
    let (run, flags) = (&request.args.run, request.args.run.layer());
    for profile in profiles(request, &flags, &context)? {
        let (clean, _) = context.settings.resolve(&flags, profile)?;
        let state = context.state_dir(&clean)?;
        paths.add(&clean, state);
    }

    let config = run.config.config.clone();
    let config = config.or_else(|| context.environment.get(CONFIG).map(PathBuf::from));
    if let Some(config) = config {
        paths.add_read(&absolute(&config)?);
    }
    let variables = context.variables()?;
    for (_, folder) in variables.iter().filter(|(name, _)| is_of_cli(name)) {
        paths.add_read(Path::new(folder));
    }
    let binary = own_program(environment)?;
    paths.add_read(&binary);
    let Paths { reads, states, writes } = paths.sorted();

    let mut arguments = vec!["clean".to_owned()];
    // cron mails all output.
    if method == Method::Cron && run.settings.verbosity().is_none() {
        arguments.push("-q".to_owned());
    }
    arguments.extend(request.arguments.iter().cloned());

    Ok(Job {
        work: Work::Clean { profile: request.profile.clone() },
        remarks: program::warning(&binary).into_iter().collect(),
        binary,
        arguments,
        variables,
        when: request.args.when().unwrap_or(When::Every(HOUR)),
        user: context.user,
        reads,
        states,
        writes,
    })
}

/// The profiles that the timer cleans; `None` is the configuration without a profile.
fn profiles<'a>(
    request: &'a InstallRequest,
    flags: &Layer,
    context: &'a RunContext,
) -> Result<Vec<Option<&'a str>>, Failure> {
    if !request.args.run.all_profiles {
        return Ok(vec![request.profile.as_deref()]);
    }
    if flags.ask.bridge.names_one() {
        return Err(Failure::usage("--all-profiles and --bridge URL cannot be used together")
            .hint("set bridge in each [[profile]] of the configuration"));
    }

    let profiles = &context.settings.file.profiles;
    if profiles.is_empty() {
        return Err(Failure::usage("the configuration has no profile")
            .hint("a profile begins with [[profile]] and name = \"dev\""));
    }
    Ok(profiles.iter().map(|(name, _)| Some(name.as_str())).collect())
}

/// Returns true if that variable names the folder of a CLI.
fn is_of_cli(name: &str) -> bool {
    PROVIDERS.iter().any(|provider| provider.variable.is_some_and(|(own, _)| own == name))
}

/// Checks that the user of a system timer can run the program, and creates the state folders, which must
/// exist before the unit may write to them. Both is done as that user: root must not follow links in their home.
pub(super) fn prepare(job: &Job) -> anyhow::Result<()> {
    let Some(user) = &job.user else { return Ok(()) };
    if !succeeds_as(user, "test", &["-x".as_ref(), job.binary.as_os_str()]) {
        let message = format!("user {} may not run {}", user.name, job.binary.display());
        return Err(Failure::new(message)
            .hint("install the program in /usr/local/bin; no timer was installed")
            .into());
    }

    for folder in job.states.iter().map(|folder| target(folder)) {
        let [p, m, mode, end] = ["-p", "-m", "0700", "--"].map(OsStr::new);
        let path = folder.as_os_str();
        let is_writable = succeeds_as(user, "test", &["-w".as_ref(), path]);
        if !is_writable && !succeeds_as(user, "mkdir", &[p, m, mode, end, path]) {
            let message = format!("cannot create {} as user {}", folder.display(), user.name);
            return Err(Failure::new(message)
                .hint("create it and give it to that user; no timer was installed")
                .into());
        }
    }
    Ok(())
}

fn succeeds_as(user: &Account, command: &str, arguments: &[&OsStr]) -> bool {
    let status = Command::new(command)
        .args(arguments)
        .uid(user.id)
        .gid(process::group_of(user.id).unwrap_or(user.id))
        .current_dir("/")
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
