//! The context of a timer's runs: their user, environment and settings.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::request::InstallRequest;
use crate::config::{Clean, Environment, PROFILE, Settings, absolute, state_dir_in};
use crate::model::Failure;
use crate::process;
use crate::schedule::{Account, KEEPALIVE_NAME, Method, name};

/// The context in which a timer runs its command.
pub(super) struct RunContext {
    /// The user, if it is another one.
    pub(super) user: Option<Account>,
    pub(super) environment: Environment,
    pub(super) settings: Settings,
}

impl RunContext {
    /// Reads the configuration as the runs will, so that it fails now instead of at night.
    pub(super) fn read(
        request: &InstallRequest,
        method: Method,
        environment: &Environment,
        sudo: Option<String>,
    ) -> anyhow::Result<Self> {
        check_name(request.profile.as_deref())?;
        let user = match method {
            Method::SystemdSystem => Some(account(request.args.user.clone().or(sudo))?),
            _ => None,
        };
        let environment = match &user {
            Some(user) => environment.of_home(&user.home),
            None => environment.clone(),
        };
        let settings =
            Settings::read(request.args.run.config.config.as_deref(), environment.clone(), false)?;
        Ok(Self { user, environment, settings })
    }

    pub(super) fn state_dir(&self, clean: &Clean) -> Result<PathBuf, Failure> {
        match (&clean.state_dir, &self.user) {
            (None, Some(user)) => Ok(state_dir_in(&user.home)),
            _ => clean.state_dir(),
        }
    }

    /// The variables that the timer sets. Paths are made absolute.
    pub(super) fn variables(&self) -> anyhow::Result<Vec<(String, String)>> {
        let mut variables = Vec::new();
        for (name, value) in self.environment.settings() {
            // XDG: a relative path is ignored, so it must not become an absolute one.
            if name.starts_with("XDG_") && !Path::new(&value).is_absolute() {
                continue;
            }
            let is_path = !matches!(name, "NO_COLOR" | "CLAUDE_BRIDGE_PORT" | PROFILE);
            let value = if is_path { absolute(value.as_ref())?.into_os_string() } else { value };
            variables.push((name.to_owned(), utf8(name, value)?));
        }
        Ok(variables)
    }
}

/// The user that a timer of the system's systemd runs as.
fn account(name: Option<String>) -> anyhow::Result<Account> {
    const OTHER_HINT: &str = "name another user with --user NAME";
    let name = name.ok_or_else(|| {
        Failure::usage("systemd-system needs a user to run as")
            .hint("name the owner of the sessions with --user NAME")
    })?;
    let found = process::user_called(&name).map_err(|why| Failure::new(why).hint(OTHER_HINT))?;
    let (name, id, home) =
        found.ok_or_else(|| Failure::usage(format!("there is no user {name}")).hint(OTHER_HINT))?;
    if !home.is_absolute() {
        let message = format!("user {name} has no home folder");
        return Err(Failure::new(message).hint(OTHER_HINT).into());
    }
    Ok(Account { name, id, home })
}

/// The value of that variable as text, as a timer needs it.
pub(super) fn utf8(name: &str, value: OsString) -> Result<String, Failure> {
    value.into_string().map_err(|_| {
        Failure::usage(format!("${name} is not UTF-8")).hint("change its value, or unset it")
    })
}

/// Checks that the timer of that profile has no other timer's name.
pub(super) fn check_name(profile: Option<&str>) -> Result<(), Failure> {
    if name(profile) != KEEPALIVE_NAME {
        return Ok(());
    }
    Err(Failure::usage(format!("{KEEPALIVE_NAME} is the name of the keep-alive timer"))
        .hint("give the profile another name"))
}
