//! The arguments and help of `schedule`, and the options of `clean` that its timer gets.

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgMatches, Args, FromArgMatches, Subcommand};
use std::ffi::{OsStr, OsString};

use crate::commands::clean::args::RunArgs;
use crate::commands::options::{ConfigArgs, FormatArgs, ProfileArgs, StateArgs, own_variables};
use crate::commands::schedule::status;
use crate::commands::schedule::{self, Chosen, Only};
use crate::config::{Environment, Format, Layer, PROFILE, Settings, absolute};
use crate::model::{Exit, Failure, Timestamp};
use crate::schedule::{Method, When};
use crate::ui;

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

/// What a timer and its configuration are read from.
macro_rules! timer_variables {
    () => {
        concat!(
            "\
Environment:
  SESSION_WARDEN_PROFILE
                      as --profile
",
            own_variables!()
        )
    };
}

#[cfg(feature = "keepalive")]
macro_rules! keepalive_example {
    () => {
        "  session-warden schedule install --keepalive\n"
    };
}
#[cfg(not(feature = "keepalive"))]
macro_rules! keepalive_example {
    () => {
        ""
    };
}

const INSTALL_HELP: &str = concat!(
    "\
Examples:
  session-warden schedule install
  session-warden schedule install --every 15m --hours 4
",
    keepalive_example!(),
    "  sudo session-warden schedule install --method systemd-system --user NAME

Exit codes:
  0  the timer is installed and started
  1  failed; nothing was changed
  2  wrong usage or configuration

",
    timer_variables!()
);

const PRINT_HELP: &str = concat!(
    "\
Examples:
  session-warden schedule print
  session-warden schedule print --method cron --every 6h

Exit codes:
  0  done
  1  failed
  2  wrong usage or configuration

",
    timer_variables!()
);

const UNINSTALL_HELP: &str = "\
Examples:
  session-warden schedule uninstall --dry-run
  session-warden schedule uninstall --profile dev

Exit codes:
  0  done, whether or not a timer was installed
  1  failed
  2  wrong usage
  3  done, but a timer could not be stopped; see the output";

const STATUS_HELP: &str = concat!(
    "\
Examples:
  session-warden schedule status
  session-warden schedule status --json

Exit codes:
  0  done, whether or not a timer is installed
  1  failed: past runs cannot be read
  2  wrong usage or configuration

Environment:
",
    own_variables!()
);

#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// Install a timer that runs clean
    ///
    /// The options of clean are accepted too. They are stored in the timer, together with the environment
    /// variables that clean reads.
    #[command(max_term_width = 100, after_help = INSTALL_HELP)]
    Install(Box<InstallArgs>),
    /// Remove timers that schedule install created
    #[command(max_term_width = 100, after_help = UNINSTALL_HELP)]
    Uninstall(UninstallArgs),
    /// Show installed timers, their next run and their last run
    #[command(max_term_width = 100, after_help = STATUS_HELP)]
    Status(StatusArgs),
    /// Print the files that install would write
    #[command(max_term_width = 100, after_help = PRINT_HELP)]
    Print(Box<InstallArgs>),
}

#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// The kind of timer: systemd-user, systemd-system, cron, launchd or auto [default: auto]
    #[arg(long, value_name = "METHOD", value_parser = method)]
    method: Option<Chosen>,

    #[cfg_attr(
        feature = "keepalive",
        doc = "How often to run: 15m, 1h, 6h, 1d [default: 1h; with --keepalive, as often as the jobs need]"
    )]
    #[cfg_attr(
        not(feature = "keepalive"),
        doc = "How often to run: 15m, 1h, 6h, 1d [default: 1h]"
    )]
    #[arg(long, value_name = "DURATION", value_parser = every)]
    every: Option<When>,

    /// When to run, as a systemd calendar expression (systemd.time(7)); without a random delay
    #[arg(long, value_name = "EXPR", conflicts_with = "every", allow_hyphen_values = true)]
    on_calendar: Option<String>,

    /// The user to run as, with systemd-system [default: the user who ran sudo]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    user: Option<String>,

    /// Show what would be installed; change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Install a timer for the keep-alive jobs instead of clean
    #[cfg(feature = "keepalive")]
    #[arg(long)]
    keepalive: bool,

    // Before what takes the values out of what was typed.
    #[command(flatten)]
    typed: Typed,

    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UninstallArgs {
    /// Remove only timers of this kind [default: all]
    #[arg(long, value_name = "METHOD", value_parser = method)]
    method: Option<Chosen>,

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

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,
}

/// Whether a pass of keep-alive takes that option as well.
fn is_of_keep(word: &OsStr) -> bool {
    let word = word.to_string_lossy();
    word == "--quiet" || ["--config=", "--state-dir="].iter().any(|name| word.starts_with(name))
}

fn method(text: &str) -> Result<Chosen, String> {
    if text == "auto" {
        return Ok(Chosen::Auto);
    }
    let found = Method::ALL.into_iter().find(|method| method.name() == text);
    found.map(Chosen::One).ok_or_else(|| {
        let names: Vec<&str> = Method::ALL.iter().map(|method| method.name()).collect();
        format!("not one of {}, auto; for example --method cron", names.join(", "))
    })
}

fn every(text: &str) -> Result<When, String> {
    When::every(text).map_err(|why| format!("{why}; for example --every 1h"))
}

/// The options of a clean as they were typed, so that a timer can be told the same; paths from the root.
#[derive(Debug, Clone, Default)]
struct Typed {
    options: Vec<OsString>,
}

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
            let was_typed =
                matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine);
            let (Some(long), true) = (option.get_long(), was_typed) else { continue };
            if !option.get_action().takes_values() {
                typed.push(format!("--{long}").into());
                continue;
            }
            let names = option.get_value_names().unwrap_or_default();
            let is_path = names.iter().any(|name| matches!(name.as_str(), "DIR" | "FILE"));
            for value in matches.get_raw(id).into_iter().flatten() {
                let value = match absolute(value.as_ref()) {
                    Ok(path) if is_path => path.into_os_string(),
                    _ => value.to_owned(),
                };
                let mut word = OsString::from(format!("--{long}="));
                word.push(value);
                typed.push(word);
            }
        }
        Ok(Self { options: typed })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Runs the command.
///
/// # Errors
/// Whatever keeps it from its work.
pub(crate) fn run(
    command: ScheduleCommand,
    environment: &Environment,
    now: Timestamp,
) -> anyhow::Result<Exit> {
    let mut out = ui::stdout();
    match command {
        ScheduleCommand::Install(args) => {
            let prints = args.dry_run;
            schedule::install(&args.wish(environment)?, environment, prints, &mut out)
        }
        ScheduleCommand::Print(args) => {
            schedule::install(&args.wish(environment)?, environment, true, &mut out)
        }
        ScheduleCommand::Uninstall(args) => {
            let profile = args.profile.profile.as_deref();
            let only = profile.map_or(Only::All, Only::Profile);
            let removal = schedule::Removal {
                method: args.method.unwrap_or(Chosen::Auto),
                what: if args.keepalive { Only::Keep } else { only },
                user: args.user.as_deref(),
                is_dry: args.dry_run,
            };
            schedule::uninstall(&removal, environment, &mut out)
        }
        ScheduleCommand::Status(args) => {
            let mut flags = Layer::default();
            args.state.say(&mut flags);
            let settings =
                Settings::read(args.config.config.as_deref(), environment.clone(), false)?;
            let state = settings.resolve(&flags, None)?.0.state_dir()?;
            let is_json = args.format.format() == Some(Format::Json);
            status::status(environment, &state, now, is_json, &mut out)
        }
    }
}

impl InstallArgs {
    fn wish(self, environment: &Environment) -> anyhow::Result<schedule::Wish> {
        #[cfg(feature = "keepalive")]
        let keep = self.keepalive;
        #[cfg(not(feature = "keepalive"))]
        let keep = false;
        if let Some(other) = self.typed.options.iter().find(|word| keep && !is_of_keep(word)) {
            let word = other.to_string_lossy();
            let name = word.split('=').next().unwrap_or_default();
            let message =
                format!("{name} is an option of clean and has no effect with --keepalive");
            return Err(Failure::usage(message)
                .hint("remove it, or remove --keepalive to install a timer for clean")
                .into());
        }
        let typed = self.typed.options.into_iter().map(|word| {
            word.into_string().map_err(|word| {
                let word = word.to_string_lossy();
                let failure = Failure::new(format!("{word} is not UTF-8"));
                failure.with(Exit::Usage).hint("a timer needs UTF-8 options")
            })
        });
        let mut arguments = typed.collect::<Result<Vec<String>, Failure>>()?;
        let mut profile = self.run.profile.profile.clone();
        if profile.is_none() && !keep && !self.run.all_profiles {
            // As if it had been typed, so that the timer has its name.
            profile = environment.get(PROFILE).and_then(|name| name.into_string().ok());
            arguments.extend(profile.iter().map(|name| format!("--profile={name}")));
        }
        Ok(schedule::Wish {
            method: self.method.unwrap_or(Chosen::Auto),
            keep,
            when: self.on_calendar.map(When::Calendar).or(self.every),
            user: self.user,
            flags: self.run.layer(),
            profile,
            all_profiles: self.run.all_profiles,
            config: self.run.config.config,
            says_how_much: self.run.quiet || self.run.verbose,
            arguments,
        })
    }
}
