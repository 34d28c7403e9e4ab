//! The environment in which an installed timer runs its command.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::methods::systemd_of_user;
use crate::config::Environment;
use crate::process;
use crate::schedule::others::Lines;
use crate::schedule::{Installed, InstalledCommand, Method};

/// Returns that environment, and the home of the user that the timer runs as; nothing if it is unknown, as with launchd.
/// The lines are those of the crontab.
pub(crate) fn timer_environment(
    timer: &Installed,
    command: &InstalledCommand,
    environment: &Environment,
    lines: &Lines,
) -> Option<(Environment, PathBuf)> {
    let user = match &timer.user {
        Some(name) => process::user_called(name).ok()??.1,
        None => process::user(),
    };
    let home = process::home_of(user).unwrap_or_default();

    let mut set = HashMap::from([("HOME".to_owned(), home.to_string_lossy().into_owned())]);
    match timer.method {
        Method::Cron => set.extend(lines.variables.iter().cloned()),
        Method::SystemdUser => set.extend(systemd_of_user(environment).ok()?.variables()),
        Method::SystemdSystem => {}
        Method::Launchd => return None,
    }
    set.extend(command.variables.iter().cloned());

    Some((Environment::from(|name| set.get(name).map(OsString::from)), home))
}
