//! `schedule install`, `print` and `uninstall`: timers come and go.

pub mod args;
mod clean_timer;
#[cfg(feature = "keepalive")]
pub(crate) mod keepalive_timer;
pub mod status;

use std::io::{self, Write};
use std::path::PathBuf;

use crate::commands::schedule::clean_timer::{check_name, job, prepare};
#[cfg(feature = "keepalive")]
use crate::commands::schedule::keepalive_timer::keepalive_timer;
use crate::commands::schedule::status::all_installed;
use crate::config::{Environment, Layer};
use crate::model::escape::escape;
use crate::model::{Exit, Failure, describe};
use crate::process;
use crate::schedule::systemd::{Systemd, service};
use crate::schedule::{
    Account, Installed, Job, KEEP_NAME, Method, Step, When, Work, cron, launchd, lingers, name,
};

/// The method that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// The best that is there.
    Auto,
    /// That one.
    One(Method),
}

/// What is to be installed.
#[derive(Debug, Clone)]
pub struct Wish {
    /// How.
    pub method: Chosen,
    /// Whether it is keep-alive, and no clean.
    pub keep: bool,
    /// When, where that was said.
    pub when: Option<When>,
    /// As whom, for the system's systemd.
    pub user: Option<String>,
    /// What the options of the clean say.
    pub flags: Layer,
    /// The profile that it is for.
    pub profile: Option<String>,
    /// Whether it is for all of them.
    pub all_profiles: bool,
    /// The configuration file that was named.
    pub config: Option<PathBuf>,
    /// Whether it was said how much is to be printed.
    pub says_how_much: bool,
    /// The options of the clean, as they were typed.
    pub arguments: Vec<String>,
}

pub(super) fn usage(message: impl Into<String>) -> Failure {
    Failure::usage(message)
}

/// Installs it, or where `prints` shows what would be.
///
/// # Errors
/// Exit code 2 where it makes no sense; else where it cannot be done, and then nothing is left of it.
pub fn install(
    wish: &Wish,
    environment: &Environment,
    prints: bool,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let sudo = sudo_user(environment);
    let method = method_of(wish.method, environment, sudo.as_deref())?;
    if wish.user.is_some() && method != Method::SystemdSystem {
        return Err(usage(format!("--user cannot be used with {}", method.name()))
            .hint("add --method systemd-system, or remove --user")
            .into());
    }
    if let (Some(sudo), Method::SystemdUser | Method::Cron | Method::Launchd) = (&sudo, method) {
        let message = format!("with sudo, {} would run as root and use root's home", method.name());
        return Err(Failure::new(message)
            .hint(format!("run it without sudo, or use --method systemd-system to run as {sudo}"))
            .into());
    }
    if method == Method::SystemdSystem && !prints && process::user() != 0 {
        return Err(Failure::new("only root can install system units")
            .hint("run it with sudo; schedule print shows what it would install")
            .into());
    }
    #[cfg(feature = "keepalive")]
    let make = if wish.keep { keepalive_timer } else { job };
    #[cfg(not(feature = "keepalive"))]
    let make = job;
    let job = make(wish, method, environment, sudo)?;
    if matches!(method, Method::SystemdUser | Method::SystemdSystem) {
        Systemd::check(&job)?;
    }
    if prints {
        return said(print(&job, method, environment, out));
    }
    let mut steps = match method {
        Method::SystemdUser => systemd_of_user(environment)?.install(&job)?,
        Method::SystemdSystem => {
            prepare(&job)?;
            Systemd::of_system().install(&job)?
        }
        Method::Cron => cron::install(&job)?,
        Method::Launchd => launchd::install(&job, &home(environment)?)?,
    };
    steps.extend(hints(&job, method, environment));
    said(Ok(show(&steps, out)))
}

/// The user behind sudo, for root.
fn sudo_user(environment: &Environment) -> Option<String> {
    let name = environment.get("SUDO_USER")?.into_string().ok()?;
    (process::user() == 0 && name != "root").then_some(name)
}

fn method_of(
    chosen: Chosen,
    environment: &Environment,
    sudo: Option<&str>,
) -> anyhow::Result<Method> {
    match chosen {
        Chosen::One(method) => Ok(method),
        Chosen::Auto if cfg!(target_os = "macos") => Ok(Method::Launchd),
        Chosen::Auto if sudo.is_some() && Systemd::of_system().is_there() => {
            Ok(Method::SystemdSystem)
        }
        Chosen::Auto if systemd_of_user(environment).is_ok_and(|user| user.is_there()) => {
            Ok(Method::SystemdUser)
        }
        Chosen::Auto if cron::is_there() => Ok(Method::Cron),
        Chosen::Auto => Err(Failure::new("no systemd of this user and no crontab was found")
            .hint("as root, use --method systemd-system --user NAME")
            .into()),
    }
}

pub(super) fn home(environment: &Environment) -> Result<PathBuf, Failure> {
    let home = environment.get("HOME").map(PathBuf::from);
    home.map_or_else(|| process::home_of(process::user()), Ok).map_err(|why| {
        Failure::new(format!("cannot determine your home folder: {why}")).hint("set HOME")
    })
}

pub(super) fn systemd_of_user(environment: &Environment) -> anyhow::Result<Systemd> {
    let config = environment.get("XDG_CONFIG_HOME").map(PathBuf::from);
    let config = config.filter(|path| path.is_absolute());
    let config = match config {
        Some(config) => config,
        None => home(environment)?.join(".config"),
    };
    Ok(Systemd::of_user(&config))
}

fn print(
    job: &Job,
    method: Method,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<io::Result<()>, Failure> {
    let files = match method {
        Method::SystemdUser => systemd_of_user(environment)?.files(job)?,
        Method::SystemdSystem => Systemd::of_system().files(job)?,
        Method::Launchd => vec![launchd::file(job, &home(environment)?)?],
        Method::Cron => {
            let line = cron::line(job)?;
            return Ok(writeln!(out, "{line}").and_then(|()| out.flush()));
        }
    };
    let mut all = files.iter().enumerate();
    Ok(all
        .try_for_each(|(place, file)| {
            let gap = if place > 0 { "\n" } else { "" };
            writeln!(
                out,
                "{gap}# {}\n{}",
                escape(&file.path.to_string_lossy()),
                file.text.trim_end()
            )
        })
        .and_then(|()| out.flush()))
}

/// What the person should know beside.
fn hints(job: &Job, method: Method, environment: &Environment) -> Vec<Step> {
    let mut hints = Vec::new();
    if method == Method::SystemdUser
        && let Some(us) = process::name_of(process::user())
    {
        let us = Account { name: us, id: process::user(), home: PathBuf::new() };
        if lingers(&us) == Some(false) {
            hints.push(Step::Hint(format!(
                "the timer only runs while you are logged in; to change that, run loginctl \
                 enable-linger {}",
                us.name
            )));
        }
    }
    let others = all_installed(environment, false);
    let us = process::name_of(process::user());
    let whose = job.user.as_ref().map(|user| user.name.clone()).or(us);
    let is_same = |other: &&Installed| {
        other.name == job.name()
            && other.method != method
            && (other.user.is_none() || other.user == whose)
    };
    for other in others.iter().filter(is_same) {
        hints.push(Step::Hint(format!(
            "{} runs the same command; remove it with session-warden schedule uninstall --method {}",
            other.what,
            other.method.name()
        )));
    }
    let shows = match method {
        _ if job.work == Work::Keep => {
            "session-warden keepalive status shows the state of the jobs".to_owned()
        }
        Method::SystemdUser => "journalctl --user -t session-warden shows its reports".to_owned(),
        Method::SystemdSystem => {
            format!("journalctl -u {} shows its reports", service(job))
        }
        Method::Cron | Method::Launchd => "session-warden history shows its runs".to_owned(),
    };
    hints.push(Step::Hint(shows));
    hints
}

/// What is to be removed.
#[derive(Debug, Clone, Copy)]
pub enum Only<'w> {
    /// All that was installed.
    All,
    /// The timer of that profile.
    Profile(&'w str),
    /// That of keep-alive.
    Keep,
}

/// What `schedule uninstall` was asked for.
#[derive(Debug)]
pub struct Removal<'w> {
    /// Timers of that kind; with `auto`, of all kinds.
    pub method: Chosen,
    /// Which of them.
    pub what: Only<'w>,
    /// Only that user's, with systemd-system.
    pub user: Option<&'w str>,
    /// Print what would be removed, and remove nothing.
    pub is_dry: bool,
}

/// Removes what was installed.
///
/// # Errors
/// Where something cannot be removed.
pub fn uninstall(
    removal: &Removal<'_>,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let &Removal { method, what, user, is_dry } = removal;
    let only = match what {
        Only::All => None,
        Only::Profile(profile) => {
            check_name(Some(profile))?;
            Some(name(Some(profile)))
        }
        Only::Keep => Some(KEEP_NAME.to_owned()),
    };
    let only = only.as_deref();
    // As for an installation: under sudo, it is the user behind it whose timer is meant.
    let behind = sudo_user(environment);
    let of_system = user.or(behind.as_deref());
    let mut steps = Vec::new();
    let is_asked = |one| method == Chosen::Auto || method == Chosen::One(one);
    if is_asked(Method::SystemdUser) && user.is_none() {
        steps.extend(systemd_of_user(environment)?.uninstall(only, None, is_dry)?);
    }
    if is_asked(Method::SystemdSystem) {
        let system = Systemd::of_system();
        let is_root = process::user() == 0;
        if is_root {
            steps.extend(system.uninstall(only, of_system, is_dry)?);
        } else if !system.installed(false).is_empty() {
            steps.push(Step::Hint("system units were kept: only root can remove them".into()));
        }
    }
    if is_asked(Method::Cron) && user.is_none() && (method != Chosen::Auto || cron::is_there()) {
        match cron::uninstall(only, is_dry) {
            Ok(removed) => steps.extend(removed),
            // Somebody who may not use cron has no line there.
            Err(failure) if method == Chosen::Auto && cron::read().is_err() => {
                steps.push(Step::Hint(failure.message));
            }
            Err(failure) => return Err(failure.into()),
        }
    }
    if is_asked(Method::Launchd) && user.is_none() {
        steps.extend(launchd::uninstall(only, &home(environment)?, is_dry)?);
    }
    if steps.is_empty() {
        let line = if is_dry {
            "No timer is installed, so none would be removed."
        } else {
            "No timer was installed, so none was removed."
        };
        return said(Ok(writeln!(out, "{line}").and_then(|()| out.flush())));
    }
    if is_dry {
        said(Ok(writeln!(out, "Dry run: nothing will be changed.")))?;
    }
    let has_trouble = steps.iter().any(|step| matches!(step, Step::Trouble(_)));
    let exit = said(Ok(show(&steps, out)))?;
    Ok(if has_trouble { Exit::Partly } else { exit })
}

fn show(steps: &[Step], out: &mut dyn Write) -> io::Result<()> {
    steps
        .iter()
        .try_for_each(|step| {
            let (what, text) = match step {
                Step::Added(text) => ("added", text),
                Step::Replaced(text) => ("replaced", text),
                Step::Unchanged(text) => ("unchanged", text),
                Step::Removed(text) => ("removed", text),
                Step::Did(text) => ("done", text),
                Step::Would(text) => ("would", text),
                Step::Trouble(text) => ("problem", text),
                Step::Hint(text) => ("hint", text),
            };
            writeln!(out, "{what:<9}  {}", escape(text))
        })
        .and_then(|()| out.flush())
}

/// How a command ends that has written that.
pub(super) fn said(written: Result<io::Result<()>, Failure>) -> anyhow::Result<Exit> {
    written?.map_err(|error| {
        let message = format!("cannot write the output: {}", describe(&error));
        let failure = Failure::new(message).hint("session-warden schedule status shows timers");
        failure.with(Exit::Partly)
    })?;
    Ok(Exit::Done)
}
