//! The methods of this machine: which of them `auto` is, and what is installed by all of them.

use std::path::PathBuf;

use crate::config::Environment;
use crate::model::Failure;
use crate::process;
use crate::schedule::systemd::Systemd;
use crate::schedule::{Installed, Method, cron, launchd};

/// The value of `--method`; nothing for `auto`.
pub(super) type MethodOrAuto = Option<Method>;

/// Parses the value of `--method`.
pub(super) fn method(text: &str) -> Result<MethodOrAuto, String> {
    let found = Method::ALL.into_iter().find(|method| method.name() == text);
    if found.is_some() || text == "auto" {
        return Ok(found);
    }
    let names = Method::ALL.map(Method::name).join(", ");
    Err(format!("not one of {names}, auto; for example --method cron"))
}

/// The method that `auto` is on this machine.
pub(super) fn best_method(environment: &Environment, sudo: Option<&str>) -> anyhow::Result<Method> {
    if cfg!(target_os = "macos") {
        return Ok(Method::Launchd);
    }
    if sudo.is_some() && Systemd::of_system().check_running().is_ok() {
        return Ok(Method::SystemdSystem);
    }
    if systemd_of_user(environment).is_ok_and(|systemd| systemd.check_running().is_ok()) {
        return Ok(Method::SystemdUser);
    }
    if cron::is_available() {
        return Ok(Method::Cron);
    }
    Err(Failure::new("no systemd of this user and no crontab was found")
        .hint("as root, use --method systemd-system --user NAME")
        .into())
}

/// The method whose files are printed where no scheduler is, to be installed on another machine.
pub(super) fn printed_method(sudo: Option<&str>) -> Method {
    if sudo.is_some() { Method::SystemdSystem } else { Method::SystemdUser }
}

/// The user who ran sudo; nothing if this is not root.
pub(super) fn sudo_user(environment: &Environment) -> Option<String> {
    let name = environment.get("SUDO_USER")?.into_string().ok()?;
    (process::user() == 0 && name != "root").then_some(name)
}

pub(super) fn home(environment: &Environment) -> Result<PathBuf, Failure> {
    let home = environment.get("HOME").map(PathBuf::from);
    home.map_or_else(|| process::home_of(process::user()), Ok).map_err(|why| {
        Failure::new(format!("cannot determine your home folder: {why}")).hint("set HOME")
    })
}

pub(crate) fn systemd_of_user(environment: &Environment) -> anyhow::Result<Systemd> {
    let config = environment.get("XDG_CONFIG_HOME").map(PathBuf::from);
    let config = match config.filter(|path| path.is_absolute()) {
        Some(config) => config,
        None => home(environment)?.join(".config"),
    };
    Ok(Systemd::of_user(&config))
}

/// The timers that are installed by any method. With `asks`, systemd is asked for their state.
pub(crate) fn all_installed(environment: &Environment, asks: bool) -> Vec<Installed> {
    let systemd = systemd_of_user(environment).ok();
    let mut all = systemd.map(|systemd| systemd.installed(asks)).unwrap_or_default();
    all.extend(Systemd::of_system().installed(asks));
    all.extend(cron::installed());
    all.extend(home(environment).map(|home| launchd::installed(&home)).unwrap_or_default());
    all
}
