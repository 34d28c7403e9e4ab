//! What was typed, and the one place that prints errors and decides how the process ends.

mod args;
mod clean;
mod complete;
mod confirm;
mod doctor;
mod feature;
mod history;
mod hold;
#[cfg(feature = "keepalive")]
mod keepalive;
mod list;
mod options;
mod order;
mod pin;
mod profiles;
mod progress;
mod remove;
mod schedule;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "web-ping")]
mod set_key;
mod shell;
mod short_help;
pub(crate) mod ui;
mod undo;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, IsTerminal, Write};

use args::{Command, ShowArgs};
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use options::ConfigArgs;
use std::ffi::OsString;

use crate::commands::{config, demo};
use crate::config::{Environment, Format, Layer, Settings};
use crate::disk::interrupt::Interrupt;
use crate::disk::words;
use crate::domain::{Exit, Failure, Timestamp, Warning};

pub use args::Cli;
pub use complete::complete;
pub use ui::fail;

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
pub fn run(cli: Cli, environment: &Environment, clock: fn() -> Timestamp) -> Result<Exit, Failure> {
    let now = clock();
    ui::set_up(cli.color(), environment);
    let command = cli.command.unwrap_or(Command::Clean(cli.clean));
    let interrupt = match &command {
        // Signals are for the command that it runs, and not for us.
        Command::Hold(_) => Interrupt::default(),
        _ => Interrupt::listen().map_err(|error| {
            Failure::new(format!("cannot listen for signals: {}", words(&error)))
                .hint("check the limits on open files and processes")
        })?,
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
        Command::Config(args) if args.init => {
            let mut out = io::stdout().lock();
            config::init(args.config.config.as_deref(), environment, &mut out)
        }
        Command::Config(args) => show(&args, &settings(&args.config)?),
        Command::Clean(args) => clean::run(&args, &settings(&args.run.config)?, now, &interrupt),
        Command::Hold(args) => args.run(environment, clock),
        #[cfg(feature = "keepalive")]
        Command::Keepalive(command) => command.run(environment, clock, &interrupt),
        Command::Schedule(command) => schedule::run(command, environment, now),
    }
}

fn show(args: &ShowArgs, settings: &Settings) -> Result<Exit, Failure> {
    let named = args.profile.profile.as_deref();
    let (clean, shown) = settings.resolve(&Layer::default(), settings.profile(named))?;
    let chosen = config::Chosen { name: clean.profile.as_deref(), is_typed: named.is_some() };
    let mut out = BufWriter::new(io::stdout().lock());
    let written = match args.format.format().unwrap_or(Format::Text) {
        Format::Text => config::write_text(&settings.file, &chosen, &shown, &mut out),
        Format::Json => config::write_json(&settings.file, &chosen, &shown, &mut out),
    };
    said(written.and_then(|()| out.flush()), "the configuration")
}

/// Returns how a command ends whose last act is to write `what`.
fn said(written: io::Result<()>, what: &str) -> Result<Exit, Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write {what}: {}", words(&error)))
                .hint("check the file or pipe that standard output leads to"))
        }
        _ => Ok(Exit::Done),
    }
}

/// A warning with its path.
fn one_line(warning: &Warning) -> String {
    let place = warning.path.as_ref();
    let place = place.map(|path| format!(": {}", path.display())).unwrap_or_default();
    format!("{}{place}", warning.message)
}

/// How many warnings of one kind are printed; the JSON report has them all.
const SHOWN_OF_A_KIND: usize = 5;

/// Prints warnings, each line beginning with `whose`; the hint follows the last one of a kind.
fn warn(warnings: &[Warning], whose: &str) {
    let mut kinds: BTreeMap<_, Vec<&Warning>> = BTreeMap::new();
    for warning in warnings {
        kinds.entry(warning.code).or_default().push(warning);
    }

    for of_a_kind in kinds.values() {
        for warning in of_a_kind.iter().take(SHOWN_OF_A_KIND) {
            ui::warn(&format!("{whose}{}", one_line(warning)));
        }
        let more = of_a_kind.len().saturating_sub(SHOWN_OF_A_KIND);
        if more > 0 {
            ui::warn(&format!("{whose}and {more} more like these; --json shows all"));
        }
        if let Some(warning) = of_a_kind.first() {
            ui::hint(warning.code.hint());
        }
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
                &Failure::new(format!("cannot write the help: {}", words(&error)))
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
