//! `schedule uninstall`: removes timers.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use std::io::Write;

use super::context::check_name;
use super::methods::{MethodOrAuto, home, method, sudo_user, systemd_of_user};
use super::output::{finish, show};
use crate::commands::options::ProfileArgs;
use crate::config::Environment;
use crate::model::Exit;
use crate::process;
use crate::schedule::systemd::Systemd;
use crate::schedule::{KEEPALIVE_NAME, Method, Step, cron, launchd, name};

pub(super) const UNINSTALL_HELP: &str = "\
Examples:
  session-warden schedule uninstall --dry-run
  session-warden schedule uninstall --profile dev

Exit codes:
  0  done, whether or not a timer was installed
  1  failed
  2  wrong usage
  3  done, but a timer could not be stopped; see the output";

#[derive(Debug, Args)]
pub(crate) struct UninstallArgs {
    /// Remove only timers of this kind [default: all]
    #[arg(long, value_name = "METHOD", value_parser = method, default_value = "auto", hide_default_value = true)]
    method: MethodOrAuto,

    /// Remove only the timer of this user, with systemd-system
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    user: Option<String>,

    /// Remove only the timer of the keep-alive jobs
    #[arg(long, conflicts_with = "profile")]
    keepalive: bool,

    /// Show what would be removed; change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    #[command(flatten)]
    profile: ProfileArgs,
}

impl UninstallArgs {
    pub(super) fn run(
        &self,
        environment: &Environment,
        out: &mut dyn Write,
    ) -> anyhow::Result<Exit> {
        let name = match &self.profile.profile {
            _ if self.keepalive => Some(KEEPALIVE_NAME.to_owned()),
            None => None,
            profile => {
                check_name(profile.as_deref())?;
                Some(name(profile.as_deref()))
            }
        };
        let steps = self.remove(name.as_deref(), environment)?;

        if steps.is_empty() {
            let line = if self.dry_run {
                "No timer is installed, so none would be removed."
            } else {
                "No timer was installed, so none was removed."
            };
            return finish(writeln!(out, "{line}"), out);
        }
        if self.dry_run {
            finish(writeln!(out, "Dry run: nothing will be changed."), out)?;
        }
        let exit = finish(show(&steps, out), out)?;
        let has_problem = steps.iter().any(|step| matches!(step, Step::Problem(_)));
        Ok(if has_problem { Exit::Partly } else { exit })
    }

    /// Removes the timers of that name, or all of them.
    fn remove(&self, name: Option<&str>, environment: &Environment) -> anyhow::Result<Vec<Step>> {
        let is_asked = |method| self.method.is_none_or(|asked| asked == method);
        let has_all_users = self.user.is_none();
        let mut steps = Vec::new();
        if is_asked(Method::SystemdUser) && has_all_users {
            let systemd = systemd_of_user(environment)?;
            steps.extend(systemd.uninstall(name, None, self.dry_run)?);
        }
        if is_asked(Method::SystemdSystem) {
            let system = Systemd::of_system();
            if process::user() == 0 {
                // As for an installation, sudo means the timer of the user who ran it.
                let user = self.user.clone().or_else(|| sudo_user(environment));
                steps.extend(system.uninstall(name, user.as_deref(), self.dry_run)?);
            } else if !system.installed(false).is_empty() {
                steps.push(Step::Hint("system units were kept: only root can remove them".into()));
            }
        }
        if is_asked(Method::Cron)
            && has_all_users
            && (self.method.is_some() || cron::is_available())
        {
            match cron::uninstall(name, self.dry_run) {
                Ok(removed) => steps.extend(removed),
                // A user who may not use cron has no line there.
                Err(failure) if self.method.is_none() && cron::read().is_err() => {
                    steps.push(Step::Hint(failure.message));
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        if is_asked(Method::Launchd) && has_all_users {
            steps.extend(launchd::uninstall(name, &home(environment)?, self.dry_run)?);
        }
        Ok(steps)
    }
}
