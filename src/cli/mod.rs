//! What was typed, and the one place that prints errors and decides how the process ends.

mod args;
mod clean;
mod doctor;
mod feature;
mod hold;
#[cfg(feature = "keepalive")]
mod keepalive;
mod options;
mod schedule;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "web-ping")]
mod set_key;
mod shell;
pub(crate) mod ui;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, IsTerminal, Write};

use args::{Command, ListArgs, ShowArgs, UndoArgs};
use clap::CommandFactory;
use options::ConfigArgs;

use crate::commands::{config, demo, history, list, undo};
use crate::config::{Environment, Format, Layer, Settings};
use crate::disk::interrupt::Interrupt;
use crate::disk::words;
use crate::domain::{Exit, Failure, Timestamp, Warning};
use crate::journal::Journal;
use crate::report::{Look, write_list, write_list_json};

pub use args::Cli;
pub use ui::fail;

/// Runs the command that was typed; the failure is printed by [`fail`].
///
/// # Errors
/// Whatever keeps the command from its work.
pub fn run(cli: Cli, environment: &Environment, clock: fn() -> Timestamp) -> Result<Exit, Failure> {
    let now = clock();
    ui::set_color(cli.color(), environment);
    let command = cli.command.unwrap_or(Command::Clean(cli.clean));
    let interrupt = match &command {
        // Signals are for the command that it runs, and not for us.
        Command::Hold(_) => Interrupt::default(),
        _ => Interrupt::listen().map_err(|error| {
            Failure::new(format!("cannot listen for signals: {}", words(&error)))
        })?,
    };
    let settings = |args: &ConfigArgs| {
        let environment = environment.clone();
        Settings::read(args.config.as_deref(), environment, io::stdout().is_terminal())
    };
    match command {
        Command::Demo => demo::run(&interrupt),
        Command::Completions(args) => args.run(Cli::command(), &mut io::stdout().lock()),
        Command::Man(args) => args.run(Cli::command(), &mut io::stdout().lock()),
        Command::Undo(args) => undo(&args, &settings(&args.config)?, now, &interrupt),
        Command::History(args) => {
            let journal = journal(&settings(&args.config)?, &args.layer(), None)?;
            history::run(&journal, now, &mut io::stdout().lock())
        }
        Command::List(args) => list(&args, &settings(&args.config)?, environment, now, &interrupt),
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

fn journal(settings: &Settings, flags: &Layer, profile: Option<&str>) -> Result<Journal, Failure> {
    let (clean, _) = settings.resolve(flags, profile)?;
    Ok(Journal::at(&clean.state_dir()?))
}

fn undo(
    args: &UndoArgs,
    settings: &Settings,
    now: Timestamp,
    interrupt: &Interrupt,
) -> Result<Exit, Failure> {
    let profile = args.profile.profile.as_deref();
    let flags = args.layer();
    let (clean, _) = settings.resolve(&flags, profile)?;
    let journal = Journal::at(&clean.state_dir()?);
    // The map that was named, or the profile's; else where the run found it.
    let named = Layer { place: args.place(), ..flags.clone() };
    let map = if named.place.is_some() || profile.is_some() {
        Some(settings.resolve(&named, profile)?.0.map)
    } else {
        None
    };
    let (bridge, allow_remote_bridge) = settings.bridge_beside(&flags, profile)?;
    let options = undo::Options {
        run: args.run.clone(),
        chat: args.chat.clone(),
        map,
        dry_run: args.dry_run,
        bridge,
        allow_remote_bridge,
    };
    let mut out = io::stdout().lock();
    let (exit, warnings) = undo::run(&options, &journal, now, interrupt, &mut out)?;
    warn(&warnings, "");
    Ok(exit)
}

/// How wide a table is where nobody says how wide the terminal is.
const WIDE: usize = 200;

fn list(
    args: &ListArgs,
    settings: &Settings,
    environment: &Environment,
    now: Timestamp,
    interrupt: &Interrupt,
) -> Result<Exit, Failure> {
    let (clean, _) = settings.resolve(&args.layer(), args.profile.profile.as_deref())?;
    let options =
        list::Options { states: args.state.clone(), unmapped: args.unmapped, sort: args.sort() };
    let (all, exit) = list::run(&clean, &options, now, interrupt)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let written = match clean.format {
        Format::Json => write_list_json(&all, &mut out),
        Format::Text => {
            let columns = environment.get("COLUMNS").and_then(|text| text.to_str()?.parse().ok());
            let terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
            let width = columns.or_else(terminal).unwrap_or(WIDE);
            let home = environment.get("HOME").and_then(|home| home.into_string().ok());
            let look = Look { color: clean.color, all: args.verbose };
            write_list(&all, look, width, home.as_deref(), &mut out)
        }
    };
    said(written.and_then(|()| out.flush()), "the list")?;
    warn(&all.warnings, "");
    Ok(exit)
}

fn show(args: &ShowArgs, settings: &Settings) -> Result<Exit, Failure> {
    let (_, shown) = settings.resolve(&Layer::default(), args.profile.profile.as_deref())?;
    let mut out = BufWriter::new(io::stdout().lock());
    let written = match args.format.format().unwrap_or(Format::Text) {
        Format::Text => config::write_text(&settings.file, &shown, &mut out),
        Format::Json => config::write_json(&settings.file, &shown, &mut out),
    };
    said(written.and_then(|()| out.flush()), "the configuration")
}

/// How a command ends that has nothing to do but to write that.
fn said(written: io::Result<()>, what: &str) -> Result<Exit, Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write {what}: {}", words(&error))))
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
pub fn no_run(answer: &clap::Error, environment: &Environment) -> Exit {
    ui::set_color(None, environment);
    if let Some(failure) = feature::asked_for(answer) {
        fail(&failure);
        return failure.exit;
    }
    if answer.use_stderr() {
        // What was typed is in there, and may hold anything.
        let text = answer.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        // One error, one line; usage and tips come below.
        let (error, more) = text.split_once("\n\n").unwrap_or((text, ""));
        let error: Vec<&str> = error.lines().map(str::trim).collect();
        ui::error(&error.join(" "));
        for line in more.lines() {
            ui::note(line);
        }
        return Exit::Usage;
    }
    match answer.print() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Exit::Failed,
        _ => Exit::Done,
    }
}
