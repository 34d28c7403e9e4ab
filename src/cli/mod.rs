//! The command line: the grammar, the dispatch to the commands, and the answers to wrong usage.

mod args;
mod complete;
mod feature;
mod order;
mod short_help;

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use std::ffi::OsString;

use self::args::Command;
use crate::commands::options::ConfigArgs;
use crate::commands::owner::{self, become_owner};
use crate::commands::{clean, demo, schedule};
use crate::config::{Environment, Settings};
use crate::model::{Advice, Exit, Timestamp};
use crate::os::interrupt::Interrupt;
use crate::ui;

pub use crate::ui::fail;
pub use args::Cli;

/// Runs the program with the words that were typed, of which the first is its name. A failure is for
/// [`fail`].
pub fn run(
    words: Vec<OsString>,
    environment: &Environment,
    clock: fn() -> Timestamp,
) -> anyhow::Result<Exit> {
    let words = become_owner(words)?;
    if complete::complete(&words, environment) {
        return Ok(Exit::Done);
    }

    let mut command = grammar();
    if order::asks_for_short_help(&words) {
        let help = short_help::short_help(&command);
        command = command.override_help(help);
    }
    let typed = words.clone();
    let words = order::options_last(&command, words);
    let name = order::command_named(&command, &words);
    let parsed =
        command.try_get_matches_from(words).and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(cli) => run_command(cli, &typed, environment, clock),
        Err(answer) => show(&answer, &name, environment),
    }
}

/// Returns the grammar of the command line. The description of a command after its first sentence is moved
/// below its options: clap would put every option on lines of its own otherwise.
fn grammar() -> clap::Command {
    below_the_options(Cli::command())
}

fn below_the_options(mut command: clap::Command) -> clap::Command {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    if let Some(long) = command.get_long_about().map(ToString::to_string) {
        let more = long.strip_prefix(&about).unwrap_or(&long).trim_start_matches(['.', '\n']);
        let below = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        command = command.long_about(None).after_help(format!("{more}\n\n{below}"));
    }
    command.mut_subcommands(below_the_options)
}

fn run_command(
    cli: Cli,
    words: &[OsString],
    environment: &Environment,
    clock: fn() -> Timestamp,
) -> anyhow::Result<Exit> {
    let now = clock();
    ui::set_up(cli.color(), environment);
    let command = cli.command.unwrap_or(Command::Clean(cli.clean));
    let interrupt = match &command {
        // Signals are for the command that it runs, and not for us.
        Command::Hold(_) => Interrupt::default(),
        _ => Interrupt::listen()
            .context("cannot listen for signals")
            .hint("check the limits on open files and processes")?,
    };

    if let Some(exit) = as_owner(&command, words, environment, now, &interrupt)? {
        return Ok(exit);
    }
    match command {
        Command::Demo => demo::run(&interrupt),
        Command::Completions(args) => args.run(),
        Command::Help(args) => args.run(grammar()),
        Command::Man(args) => args.run(Cli::command()),
        Command::Remove(args) => {
            let settings = settings(&args.config, environment)?;
            args.run(&settings, clock, &interrupt)
        }
        Command::Release(args) => {
            let settings = settings(&args.config, environment)?;
            args.run(&settings, clock, &interrupt)
        }
        Command::Pin(args) => args.run(&settings(&args.config, environment)?, now, &interrupt),
        Command::Undo(args) => args.run(&settings(&args.config, environment)?, now, &interrupt),
        Command::History(args) => args.run(&settings(&args.config, environment)?, now),
        Command::List(args) => {
            args.run(&settings(&args.config, environment)?, words, environment, now, &interrupt)
        }
        Command::Doctor(args) => args.run(&settings(&args.config, environment)?, now, &interrupt),
        Command::Config(args) => args.run(environment, || settings(&args.config, environment)),
        Command::Clean(args) => {
            clean::run(&args, &settings(&args.run.config, environment)?, words, now, &interrupt)
        }
        Command::Hold(args) => args.run(environment, clock),
        #[cfg(feature = "keepalive")]
        Command::Keepalive(command) => command.run(environment, clock, &interrupt),
        Command::Schedule(command) => schedule::run(command, environment, now),
    }
}

/// Runs a command about one map as the map's owner, if we are root and that is another user (S1). `clean` does so by
/// itself, since root writes its log and its metrics.
fn as_owner(
    command: &Command,
    words: &[OsString],
    environment: &Environment,
    now: Timestamp,
    interrupt: &Interrupt,
) -> anyhow::Result<Option<Exit>> {
    if !owner::may_become() {
        return Ok(None);
    }
    let (config, layer, profile) = match command {
        Command::List(args) if !args.all_profiles => {
            (&args.config, args.layer(), Some(&args.profile))
        }
        Command::Remove(args) => (&args.config, args.layer(), Some(&args.profile)),
        Command::Release(args) => (&args.config, args.layer(), Some(&args.profile)),
        Command::Pin(args) => (&args.config, args.layer(), Some(&args.profile)),
        Command::Undo(args) => (&args.config, args.layer_with_map(), Some(&args.profile)),
        Command::History(args) => (&args.config, args.layer(), None),
        Command::Doctor(args) => (&args.config, args.layer(), Some(&args.profile)),
        _ => return Ok(None),
    };

    let settings = settings(config, environment)?;
    let profile = profile.and_then(|args| args.profile.as_deref());
    let (config, _) = settings.resolve(&layer, settings.profile(profile))?;
    let Some(user) = owner::owner_of(&config)? else { return Ok(None) };
    let (settings, config) = (&settings, &config);
    let run = owner::AsOwner { user, words, settings, config, is_captured: false, may_ask: true };
    let ended = owner::run_as(&run, now, interrupt)?;
    Ok(Some(ended.exit.unwrap_or(Exit::Failed)))
}

fn settings(args: &ConfigArgs, environment: &Environment) -> anyhow::Result<Settings> {
    Ok(Settings::read(args.config.as_deref(), environment.clone(), ui::is_terminal())?)
}

/// Prints clap's answer to words that are not run: help, the version, or an error about the command `name`.
fn show(answer: &clap::Error, name: &str, environment: &Environment) -> anyhow::Result<Exit> {
    ui::set_up(None, environment);
    if let Some(failure) = feature::asked_for(answer) {
        return Err(failure.into());
    }

    let text = answer.render();
    if answer.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // The help shows the subcommands, of which one is missing.
        ui::show_help(&text);
        return Ok(Exit::Usage);
    }
    if answer.use_stderr() {
        show_wrong_usage(&text.to_string(), name);
        return Ok(Exit::Usage);
    }
    ui::print_help(&text)?;
    Ok(Exit::Done)
}

/// Prints clap's text about wrong usage of the command as an error, the usage and hints. It quotes the
/// words that were typed, which may be anything.
fn show_wrong_usage(text: &str, command: &str) {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let (error, more) = text.split_once("\n\n").unwrap_or((text, ""));
    let error: Vec<&str> = error.lines().map(str::trim).collect();
    let error = error.join(" ");
    match error.strip_suffix(']').and_then(|error| error.split_once(" [possible values: ")) {
        Some((error, values)) => ui::error(&format!("{error}; possible values: {values}")),
        None => ui::error(&error),
    }

    for line in more.lines().filter(|line| !line.is_empty()) {
        if let Some(tip) = line.trim_start().strip_prefix("tip: ") {
            ui::hint(tip);
        } else if !line.starts_with("For more information") {
            ui::note(line);
        }
    }
    ui::hint(&format!("'{command} --help' shows all options"));
}
