//! The arguments and help of `schedule install` and `print`, and the options of `clean` that a timer gets.

use clap::builder::NonEmptyStringValueParser;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches};
use std::ffi::{OsStr, OsString};

use super::methods::{MethodOrAuto, method};
use crate::commands::clean::args::RunArgs;
use crate::commands::options::own_variables;
use crate::config::{Environment, PROFILE, absolute};
use crate::model::Failure;
use crate::schedule::When;

/// The variables that a timer and its configuration are read from.
const VARIABLES: &str = concat!(
    "\
Environment:
  SESSION_WARDEN_PROFILE
                      as --profile
",
    own_variables!()
);

const EVERY_HELP: &str = if cfg!(feature = "keepalive") {
    "How often to run: 15m, 1h, 6h, 1d [default: 1h; with --keepalive, as often as the jobs need]"
} else {
    "How often to run: 15m, 1h, 6h, 1d [default: 1h]"
};

pub(super) fn install_help() -> String {
    let keepalive = if cfg!(feature = "keepalive") {
        "\n  session-warden schedule install --keepalive"
    } else {
        ""
    };
    format!(
        "\
Examples:
  session-warden schedule install
  session-warden schedule install --every 15m --hours 4{keepalive}
  sudo session-warden schedule install --method systemd-system --user NAME

Exit codes:
  0  the timer is installed and started
  1  failed; nothing was changed
  2  wrong usage or configuration

{VARIABLES}"
    )
}

pub(super) fn help_of_print() -> String {
    format!(
        "\
Examples:
  session-warden schedule print
  session-warden schedule print --method cron --every 6h

Exit codes:
  0  done
  1  failed
  2  wrong usage or configuration

{VARIABLES}"
    )
}

#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// The kind of timer: systemd-user, systemd-system, cron, launchd or auto [default: auto]
    #[arg(long, value_name = "METHOD", value_parser = method, default_value = "auto", hide_default_value = true)]
    pub(super) method: MethodOrAuto,

    #[arg(long, value_name = "DURATION", value_parser = every, help = EVERY_HELP)]
    every: Option<When>,

    /// When to run, as a systemd calendar expression (systemd.time(7)); without a random delay
    #[arg(long, value_name = "EXPR", conflicts_with = "every", allow_hyphen_values = true)]
    on_calendar: Option<String>,

    /// The user to run as, with systemd-system [default: the user who ran sudo]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(super) user: Option<String>,

    /// Show what would be installed; change nothing
    #[arg(short = 'n', long)]
    pub(super) dry_run: bool,

    /// Install a timer for the keep-alive jobs instead of clean
    #[cfg(feature = "keepalive")]
    #[arg(long)]
    keepalive: bool,

    // Before the field that takes the values out of the matches.
    #[command(flatten)]
    typed: Typed,

    #[command(flatten)]
    pub(super) run: RunArgs,
}

/// The timer that is to be installed.
#[derive(Debug)]
pub(super) struct InstallRequest {
    pub(super) args: InstallArgs,
    /// True if the timer runs keep-alive instead of a clean.
    #[cfg(feature = "keepalive")]
    pub(super) is_keepalive: bool,
    /// The profile, by its option or its variable.
    pub(super) profile: Option<String>,
    /// The options of the clean for the timer's command.
    pub(super) arguments: Vec<String>,
}

impl InstallArgs {
    pub(super) fn request(self, environment: &Environment) -> Result<InstallRequest, Failure> {
        #[cfg(feature = "keepalive")]
        let is_keepalive = self.keepalive;
        #[cfg(not(feature = "keepalive"))]
        let is_keepalive = false;
        let options = &self.typed.0;
        if let Some(word) = options.iter().find(|word| is_keepalive && !is_of_keepalive(word)) {
            let word = word.to_string_lossy();
            let name = word.split('=').next().unwrap_or_default();
            let message =
                format!("{name} is an option of clean and has no effect with --keepalive");
            return Err(Failure::usage(message)
                .hint("remove it, or remove --keepalive to install a timer for clean"));
        }

        let mut arguments = options.iter().map(utf8).collect::<Result<Vec<String>, Failure>>()?;
        let mut profile = self.run.profile.profile.clone();
        if profile.is_none() && !is_keepalive && !self.run.all_profiles {
            // As if it had been typed, so that the timer has its name.
            profile = environment.get(PROFILE).and_then(|name| name.into_string().ok());
            arguments.extend(profile.iter().map(|name| format!("--profile={name}")));
        }
        Ok(InstallRequest {
            args: self,
            #[cfg(feature = "keepalive")]
            is_keepalive,
            profile,
            arguments,
        })
    }

    pub(super) fn when(&self) -> Option<When> {
        self.on_calendar.clone().map(When::Calendar).or_else(|| self.every.clone())
    }
}

/// Returns true if a pass of keep-alive takes that option as well.
fn is_of_keepalive(word: &OsStr) -> bool {
    let word = word.to_string_lossy();
    word == "--quiet" || ["--config=", "--state-dir="].iter().any(|name| word.starts_with(name))
}

fn utf8(word: &OsString) -> Result<String, Failure> {
    word.clone().into_string().map_err(|word| {
        let message = format!("{} is not UTF-8", word.to_string_lossy());
        Failure::usage(message).hint("a timer needs UTF-8 options")
    })
}

fn every(text: &str) -> Result<When, String> {
    When::every(text).map_err(|why| format!("{why}; for example --every 1h"))
}

/// The options of a clean as they were typed, for the timer's command. Paths are made absolute.
#[derive(Debug, Clone, Default)]
struct Typed(Vec<OsString>);

impl Args for Typed {
    fn augment_args(command: clap::Command) -> clap::Command {
        command
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        command
    }
}

impl FromArgMatches for Typed {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut typed = Vec::new();
        for option in RunArgs::augment_args(clap::Command::new("clean")).get_arguments() {
            let id = option.get_id().as_str();
            let is_typed = matches.value_source(id) == Some(ValueSource::CommandLine);
            let (Some(long), true) = (option.get_long(), is_typed) else { continue };
            if !option.get_action().takes_values() {
                typed.push(format!("--{long}").into());
                continue;
            }

            let names = option.get_value_names().unwrap_or_default();
            let is_path = names.iter().any(|name| matches!(name.as_str(), "DIR" | "FILE"));
            for value in matches.get_raw(id).into_iter().flatten() {
                let mut word = OsString::from(format!("--{long}="));
                match absolute(value.as_ref()) {
                    Ok(path) if is_path => word.push(path),
                    _ => word.push(value),
                }
                typed.push(word);
            }
        }
        Ok(Self(typed))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
