//! `schedule`: installs, prints, shows and removes timers.

mod clean_timer;
mod context;
mod install;
#[cfg(feature = "keepalive")]
pub(crate) mod keepalive_timer;
mod methods;
mod output;
mod paths;
mod program;
mod request;
mod status;
mod timer_environment;
mod uninstall;

use clap::Subcommand;

use crate::config::Environment;
use crate::model::{Exit, Timestamp};
use crate::ui;
use install::install;
use request::{InstallArgs, help_of_print, install_help};
use status::{STATUS_HELP, StatusArgs};
use uninstall::{UNINSTALL_HELP, UninstallArgs};

pub(crate) use methods::{all_installed, systemd_of_user};
pub(crate) use timer_environment::timer_environment;

pub(crate) const AFTER_HELP: &str = "\
Examples:
  session-warden schedule install
  session-warden schedule install --every 15m --hours 4
  session-warden schedule status

Exit codes:
  0  done
  1  failed; nothing was changed
  2  wrong usage or configuration
  3  done, but not completely; see the output";

#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// Install a timer that runs clean
    ///
    /// The options of clean are accepted too. They are stored in the timer, together with the environment
    /// variables that clean reads.
    #[command(max_term_width = 100, after_help = install_help())]
    Install(Box<InstallArgs>),
    /// Remove timers that schedule install created
    #[command(max_term_width = 100, after_help = UNINSTALL_HELP)]
    Uninstall(UninstallArgs),
    /// Show installed timers, their next run and their last run
    #[command(max_term_width = 100, after_help = STATUS_HELP)]
    Status(StatusArgs),
    /// Print the files that install would write
    #[command(max_term_width = 100, after_help = help_of_print())]
    Print(Box<InstallArgs>),
}

/// Runs the command.
pub(crate) fn run(
    command: ScheduleCommand,
    environment: &Environment,
    now: Timestamp,
) -> anyhow::Result<Exit> {
    let mut out = ui::stdout();
    match command {
        ScheduleCommand::Install(args) => {
            let prints = args.dry_run;
            install(&args.request(environment)?, environment, prints, &mut out)
        }
        ScheduleCommand::Print(args) => {
            install(&args.request(environment)?, environment, true, &mut out)
        }
        ScheduleCommand::Uninstall(args) => args.run(environment, &mut out),
        ScheduleCommand::Status(args) => args.run(environment, now, &mut out),
    }
}
