//! The grammar of `schedule`, and what is handed on of it to a timer.

use clap::{ArgMatches, Args, FromArgMatches, Subcommand};
use std::ffi::{OsStr, OsString};
use std::io;

use super::args::RunArgs;
use super::options::{ConfigArgs, FormatArgs, ProfileArgs, StateArgs};
use crate::commands::schedule::{self, Chosen, Only};
use crate::commands::status;
use crate::config::{Environment, Format, Layer, Settings, absolute};
use crate::domain::{Exit, Failure, Timestamp};
use crate::schedule::{Method, When};

#[derive(Debug, Subcommand)]
pub(super) enum ScheduleCommand {
    /// Install a timer that cleans; what clean takes goes with it
    #[command(max_term_width = 100)]
    Install(Box<InstallArgs>),
    /// Remove what was installed, and nothing else
    #[command(max_term_width = 100)]
    Uninstall(UninstallArgs),
    /// What is installed, when it runs next, and how it ran last
    #[command(max_term_width = 100)]
    Status(StatusArgs),
    /// Print what would be installed
    #[command(max_term_width = 100)]
    Print(Box<InstallArgs>),
}

#[derive(Debug, Args)]
pub(super) struct InstallArgs {
    /// How: systemd-user, systemd-system, cron, launchd or auto [default: auto]
    #[arg(long, value_name = "METHOD", value_parser = method)]
    method: Option<Chosen>,

    /// How often: 15m, 1h, 6h, 1d [default: 1h; for keep-alive, as often as its jobs need]
    #[arg(long, value_name = "DURATION", value_parser = every)]
    every: Option<When>,

    /// When, as systemd.time(7) has it; without a random delay
    #[arg(long, value_name = "EXPR", conflicts_with = "every", allow_hyphen_values = true)]
    on_calendar: Option<String>,

    /// The user that systemd-system runs it as [default: the one behind sudo]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// Show what would be installed, change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Install a timer for the keep-alive jobs, not for clean
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
pub(super) struct UninstallArgs {
    /// Only what was installed by this method [default: by any]
    #[arg(long, value_name = "METHOD", value_parser = method)]
    method: Option<Chosen>,

    /// Only that of this user, of systemd-system
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// Only the timer of the keep-alive jobs
    #[arg(long, conflicts_with = "profile")]
    keepalive: bool,

    #[command(flatten)]
    profile: ProfileArgs,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
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
        format!("no method; the methods are {} and auto", names.join(", "))
    })
}

fn every(text: &str) -> Result<When, String> {
    When::every(text).map_err(|why| format!("{why}; a right one is --every 1h"))
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
pub(super) fn run(
    command: ScheduleCommand,
    environment: &Environment,
    now: Timestamp,
) -> Result<Exit, Failure> {
    let mut out = io::stdout().lock();
    match command {
        ScheduleCommand::Install(args) => {
            let prints = args.dry_run;
            schedule::install(&args.wish()?, environment, prints, &mut out)
        }
        ScheduleCommand::Print(args) => {
            schedule::install(&args.wish()?, environment, true, &mut out)
        }
        ScheduleCommand::Uninstall(args) => {
            let chosen = args.method.unwrap_or(Chosen::Auto);
            let profile = args.profile.profile.as_deref();
            let only = profile.map_or(Only::All, Only::Profile);
            let only = if args.keepalive { Only::Keep } else { only };
            schedule::uninstall(chosen, only, args.user.as_deref(), environment, &mut out)
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
    fn wish(self) -> Result<schedule::Wish, Failure> {
        #[cfg(feature = "keepalive")]
        let keep = self.keepalive;
        #[cfg(not(feature = "keepalive"))]
        let keep = false;
        if let Some(other) = self.typed.options.iter().find(|word| keep && !is_of_keep(word)) {
            let word = other.to_string_lossy();
            let name = word.split('=').next().unwrap_or_default();
            let message = format!("{name} is an option of clean, which --keepalive does not run");
            return Err(Failure { exit: Exit::Usage, ..Failure::new(message) }
                .hint("leave it out, or install a timer for clean without --keepalive"));
        }
        let typed = self.typed.options.into_iter().map(|word| {
            word.into_string().map_err(|word| {
                let word = word.to_string_lossy();
                Failure { exit: Exit::Usage, ..Failure::new(format!("{word} is not UTF-8")) }
            })
        });
        let arguments = typed.collect::<Result<Vec<String>, Failure>>()?;
        Ok(schedule::Wish {
            method: self.method.unwrap_or(Chosen::Auto),
            keep,
            when: self.on_calendar.map(When::Calendar).or(self.every),
            user: self.user,
            flags: self.run.layer(),
            profile: self.run.profile.profile,
            all_profiles: self.run.all_profiles,
            config: self.run.config.config,
            says_how_much: self.run.quiet || self.run.verbose,
            arguments,
        })
    }
}
