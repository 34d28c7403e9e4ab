//! What a timer is to run: the clean that was asked for, with what this run sees now.

use anyhow::Context;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::commands::schedule::{Wish, usage};
use crate::config::{CONFIG, Environment, Home, PROFILE, Settings, absolute, state_dir_in};
use crate::model::{Advice, Failure};
use crate::process;
use crate::provider::PROVIDERS;
use crate::schedule::{Account, Job, KEEP_NAME, Method, When, Work, name};

/// How often a clean runs unless it is told otherwise, in seconds.
const HOUR: u64 = 3600;

/// The user that a job of the system runs as.
fn account(name: Option<&str>, sudo: Option<String>) -> anyhow::Result<Account> {
    let Some(name) = name.map(str::to_owned).or(sudo) else {
        return Err(usage("systemd-system needs a user to run as")
            .hint("name the owner of the sessions with --user NAME")
            .into());
    };
    let found = process::user_called(&name)
        .map_err(|why| Failure::new(why).hint("name another user with --user NAME"))?;
    let (name, id, home) = found.ok_or_else(|| {
        usage(format!("there is no user {name}")).hint("name another user with --user NAME")
    })?;
    if !home.is_absolute() {
        return Err(Failure::new(format!("user {name} has no home folder"))
            .hint("name another user with --user NAME")
            .into());
    }
    Ok(Account { name, id, home })
}

/// As whom it runs, where that is another user; the environment that it then sees; and the configuration,
/// which is wrong now rather than in the night.
pub(super) fn seen(
    wish: &Wish,
    method: Method,
    environment: &Environment,
    sudo: Option<String>,
) -> Result<(Option<Account>, Environment, Settings), Failure> {
    let user = match method {
        Method::SystemdSystem => Some(account(wish.user.as_deref(), sudo)?),
        _ => None,
    };
    let sees =
        user.as_ref().map_or_else(|| environment.clone(), |user| environment.of_home(&user.home));
    let settings = Settings::read(wish.config.as_deref(), sees.clone(), false)?;
    Ok((user, sees, settings))
}

/// Makes the job, and checks that it makes sense.
///
/// # Errors
/// Exit code 2 where it does not.
pub(super) fn job(
    wish: &Wish,
    method: Method,
    environment: &Environment,
    sudo: Option<String>,
) -> anyhow::Result<Job> {
    check_name(wish.profile.as_deref())?;
    let (user, sees, settings) = seen(wish, method, environment, sudo)?;
    let profiles: Vec<Option<&str>> = if wish.all_profiles {
        if wish.flags.ask.bridge.names_one() {
            return Err(usage("--all-profiles and --bridge URL cannot be used together")
                .hint("set bridge in each [[profile]] of the configuration")
                .into());
        }
        if settings.file.profiles.is_empty() {
            return Err(usage("the configuration has no profile")
                .hint("a profile begins with [[profile]] and name = \"dev\"")
                .into());
        }
        settings.file.profiles.iter().map(|(name, _)| Some(name.as_str())).collect()
    } else {
        vec![wish.profile.as_deref()]
    };
    let (mut writes, mut states, mut reads) = (Vec::new(), Vec::new(), Vec::new());
    for profile in profiles {
        let (clean, _) = settings.resolve(&wish.flags, profile)?;
        writes.extend(clean.map.parent().map(Path::to_owned));
        // A map that is a link is replaced where it leads to.
        let real = clean.map.canonicalize().ok();
        writes.extend(real.and_then(|real| Some(real.parent()?.to_owned())));
        if let Home::Given(home) | Home::Usual(home) = &clean.home {
            reads.push(home.clone());
        }
        let state = match (&clean.state_dir, &user) {
            (None, Some(user)) => state_dir_in(&user.home),
            _ => clean.state_dir()?,
        };
        writes.push(state.clone());
        states.push(state);
        let others = [&clean.metrics, &clean.log].into_iter().flatten();
        writes.extend(others.filter_map(|file| file.parent()).map(Path::to_owned));
    }
    writes.sort();
    writes.dedup();
    reads.extend(wish.config.clone().or_else(|| sees.get(CONFIG).map(PathBuf::from)));
    let binary = own_program()?;
    let mut arguments = vec!["clean".to_owned()];
    // cron mails whatever is printed.
    if method == Method::Cron && !wish.says_how_much {
        arguments.push("-q".to_owned());
    }
    arguments.extend(wish.arguments.iter().cloned());
    let variables = variables(&sees)?;
    let is_of_cli = |name: &str| PROVIDERS.iter().any(|p| p.variable.is_some_and(|v| v.0 == name));
    let roots = variables.iter().filter(|(name, _)| is_of_cli(name));
    reads.extend(roots.map(|(_, value)| PathBuf::from(value)));
    reads.push(binary.clone());
    Ok(Job {
        work: Work::Clean { profile: wish.profile.clone() },
        binary,
        arguments,
        variables,
        when: wish.when.clone().unwrap_or(When::Every(HOUR)),
        user,
        reads,
        states,
        writes,
    })
}

/// Where this program lies.
pub(super) fn own_program() -> anyhow::Result<PathBuf> {
    let binary = std::env::current_exe()
        .context("cannot determine the path of this program")
        .hint("run it by its full path")?;
    if binary.to_str().is_none() {
        return Err(usage(format!("the path of this program, {}, is not UTF-8", binary.display()))
            .hint("move the program to another folder")
            .into());
    }
    Ok(binary)
}

/// The variables that a timer is to see, paths from the root.
pub(super) fn variables(sees: &Environment) -> anyhow::Result<Vec<(String, String)>> {
    // XDG: a relative path there is ignored, and must not become one that counts.
    let counts = |(name, value): &(&str, OsString)| {
        !name.starts_with("XDG_") || Path::new(value).is_absolute()
    };
    let variables = sees.settings().into_iter().filter(counts).map(|(name, value)| {
        let is_path = !matches!(name, "NO_COLOR" | "CLAUDE_BRIDGE_PORT" | PROFILE);
        let value = if is_path { absolute(value.as_ref())?.into_os_string() } else { value };
        let value = value.into_string();
        let value = value.map_err(|_| {
            usage(format!("${name} is not UTF-8")).hint("change its value, or unset it")
        })?;
        Ok((name.to_owned(), value))
    });
    variables.collect()
}

/// That no timer of that profile would have the name of another one.
///
/// # Errors
/// Exit code 2 where it would.
pub(super) fn check_name(profile: Option<&str>) -> anyhow::Result<()> {
    if name(profile) != KEEP_NAME {
        return Ok(());
    }
    Err(usage(format!("{KEEP_NAME} is the name of the keep-alive timer"))
        .hint("give the profile another name")
        .into())
}

/// Sees to it that the user whom the system is to run it as can: they must be able to run the program,
/// and the state folder must be there before the unit may write to it. They make it themselves, since
/// their home is no place for root to follow links in.
pub(super) fn prepare(job: &Job) -> anyhow::Result<()> {
    let Some(user) = &job.user else { return Ok(()) };
    let binary = job.binary.display();
    if !done_as(user, "test", &["-x".as_ref(), job.binary.as_os_str()]) {
        return Err(Failure::new(format!("user {} may not run {binary}", user.name))
            .hint("install the program in /usr/local/bin; no timer was installed")
            .into());
    }
    for folder in &job.states {
        let shown = folder.display();
        let words = ["-p", "-m", "0700", "--"].map(OsStr::new);
        let is_there = done_as(user, "test", &["-w".as_ref(), folder.as_os_str()]);
        if !is_there && !done_as(user, "mkdir", &[&words[..], &[folder.as_os_str()]].concat()) {
            return Err(Failure::new(format!("cannot create {shown} as user {}", user.name))
                .hint("create it and give it to that user; no timer was installed")
                .into());
        }
    }
    Ok(())
}

/// Whether that command ends well as that user.
fn done_as(user: &Account, command: &str, words: &[&OsStr]) -> bool {
    use std::os::unix::process::CommandExt;
    let ended = std::process::Command::new(command)
        .args(words)
        .uid(user.id)
        .gid(process::group_of(user.id).unwrap_or(user.id))
        .current_dir("/")
        .stderr(std::process::Stdio::null())
        .status();
    ended.is_ok_and(|status| status.success())
}
