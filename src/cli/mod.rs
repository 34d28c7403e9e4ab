//! What was typed: the grammar, the dispatch to the commands, and how the process ends.

mod args;
mod complete;
mod feature;
mod order;
mod short_help;

use std::io::{self, IsTerminal};

use anyhow::Context;
use args::Command;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use std::ffi::OsString;

use crate::commands::options::ConfigArgs;
use crate::commands::{clean, demo, schedule};
use crate::config::{Environment, Settings};
use crate::model::{Advice, Exit, Failure, Timestamp, describe};
use crate::os::interrupt::Interrupt;

use crate::ui;
pub use crate::ui::fail;
pub use args::Cli;
pub use complete::complete;

/// Returns the grammar of the command line. What a command's help says beyond its first sentence is
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
    let names: Vec<String> =
        command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, below_the_options))
}

/// Parses the words that were typed, of which the first is the program.
///
/// # Errors
/// Help, the version, or what is wrong with them: for [`no_run`].
pub fn parse(words: Vec<OsString>) -> Result<Cli, NoRun> {
    let mut command = grammar();
    if order::asks_for_short_help(&words) {
        let help = short_help::short_help(&command);
        command = command.override_help(help);
    }

    let words = order::options_last(&command, words);
    let named = order::command_named(&command, &words);
    command
        .try_get_matches_from(words)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|answer| NoRun { answer: Box::new(answer), command: named })
}

/// What was typed is not run: it asks for help, or something is wrong with it.
pub struct NoRun {
    answer: Box<clap::Error>,
    /// The command, as `session-warden undo`.
    command: String,
}

/// Runs the command that was typed; the failure is printed by [`fail`].
///
/// # Errors
/// Whatever keeps the command from its work.
pub fn run(cli: Cli, environment: &Environment, clock: fn() -> Timestamp) -> anyhow::Result<Exit> {
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
    let settings = |args: &ConfigArgs| {
        let environment = environment.clone();
        Settings::read(args.config.as_deref(), environment, io::stdout().is_terminal())
    };
    match command {
        Command::Demo => demo::run(&interrupt),
        Command::Completions(args) => args.run(&mut io::stdout().lock()),
        Command::Help(args) => args.run(grammar()),
        Command::Man(args) => args.run(Cli::command(), &mut io::stdout().lock()),
        Command::Remove(args) => {
            let settings = settings(&args.config)?;
            args.run(&settings, clock, &interrupt)
        }
        Command::Pin(args) => args.run(&settings(&args.config)?, now, &interrupt),
        Command::Undo(args) => args.run(&settings(&args.config)?, now, &interrupt),
        Command::History(args) => args.run(&settings(&args.config)?, now),
        Command::List(args) => args.run(&settings(&args.config)?, environment, now, &interrupt),
        Command::Doctor(args) => args.run(&settings(&args.config)?, now, &interrupt),
        Command::Config(args) => args.run(environment, || Ok(settings(&args.config)?)),
        Command::Clean(args) => clean::run(&args, &settings(&args.run.config)?, now, &interrupt),
        Command::Hold(args) => args.run(environment, clock),
        #[cfg(feature = "keepalive")]
        Command::Keepalive(command) => command.run(environment, clock, &interrupt),
        Command::Schedule(command) => schedule::run(command, environment, now),
    }
}

/// Prints help, the version, or what is wrong with what was typed.
pub fn no_run(no_run: &NoRun, environment: &Environment) -> Exit {
    let answer = &no_run.answer;
    ui::set_up(None, environment);
    if let Some(failure) = feature::asked_for(answer) {
        fail(&failure);
        return failure.exit;
    }

    // A command that was typed without its subcommand: its help says what is missing.
    if answer.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = answer.print();
        return Exit::Usage;
    }

    if answer.use_stderr() {
        wrong_usage(&answer.render().to_string(), &no_run.command);
        return Exit::Usage;
    }

    match answer.print() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            fail(
                &Failure::new(format!("cannot write the help: {}", describe(&error)))
                    .hint("check the file or pipe that standard output leads to"),
            );
            Exit::Failed
        }
        _ => Exit::Done,
    }
}

/// Prints clap's text about wrong usage of the command as an error, the usage and hints. What was
/// typed is in it, and may hold anything.
fn wrong_usage(text: &str, command: &str) {
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
