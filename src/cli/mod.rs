//! What was typed, and the one place that prints errors and decides how the process ends.

mod args;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::time::Instant;

use args::{Command, UndoArgs};

use crate::commands::{clean, demo, history, undo};
use crate::config::{self, Environment, Format, Verbosity};
use crate::disk::interrupt::Interrupt;
use crate::disk::words;
use crate::domain::{Exit, Failure, Timestamp, Warning};
use crate::report::escape::escape;
use crate::report::{Look, write_json, write_text};

pub use args::Cli;

/// Runs the command that was typed; the failure is printed by [`fail`].
///
/// # Errors
/// Whatever keeps the command from its work.
pub fn run(cli: Cli, environment: Environment, now: Timestamp) -> Result<Exit, Failure> {
    let interrupt = Interrupt::listen()
        .map_err(|error| Failure::new(format!("cannot listen for signals: {}", words(&error))))?;
    match cli.command {
        Some(Command::Demo) => demo::run(&interrupt),
        Some(Command::Undo(args)) => undo(args, &environment, now, &interrupt),
        Some(Command::History(args)) => {
            history::run(&args.journal(&environment)?, now, &mut io::stdout().lock())
        }
        Some(Command::Clean(args)) => clean(&args.into_config(environment)?, now, &interrupt),
        None => clean(&cli.clean.into_config(environment)?, now, &interrupt),
    }
}

fn undo(
    args: UndoArgs,
    environment: &Environment,
    now: Timestamp,
    interrupt: &Interrupt,
) -> Result<Exit, Failure> {
    let journal = args.state.journal(environment)?;
    let named = args.map.or_else(|| Some(args.session_dir?.join(config::MAP_NAME)));
    let map = named.map(|map| config::absolute(&map)).transpose()?;
    let bridge = args.bridge.choice(false, environment)?;
    let options =
        undo::Options { run: args.run, chat: args.chat, map, dry_run: args.dry_run, bridge };
    let mut out = io::stdout().lock();
    let (exit, warnings) = undo::run(&options, &journal, now, interrupt, &mut out)?;
    warn(&warnings);
    Ok(exit)
}

fn clean(config: &config::Clean, now: Timestamp, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let started = Instant::now();
    let mut run = clean::run(config, now, interrupt).inspect_err(|failure| {
        // What cannot be written down of a failed run is no news beside its failure.
        let _ = clean::write_down_failure(config, failure, now, started.elapsed());
    })?;
    run.write_down(config, started.elapsed());
    let mut exit = run.exit();
    if config.verbosity != Verbosity::Quiet || exit != Exit::Done {
        if let Err(error) = write_report(&run, config)
            // Whoever closed the pipe has seen enough; that is no trouble of ours.
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            complain(&format!("warning: cannot write the report: {}", words(&error)));
            exit = Exit::Partly;
        }
        warn(run.warnings());
    }
    if interrupt.asked() && run.has_changed_the_map() && exit != Exit::Partly {
        complain("warning: stopped by a signal after the map was changed");
        exit = Exit::Partly;
    }
    Ok(exit)
}

fn write_report(run: &clean::Run, config: &config::Clean) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    let report = run.report();
    match config.format {
        Format::Json => write_json(&report, &mut out)?,
        Format::Text => {
            let all = config.dry_run || config.verbosity == Verbosity::Verbose;
            write_text(&report, Look { color: config.color, all }, &mut out)?;
        }
    }
    out.flush()
}

/// How many warnings of one kind are printed; the JSON report has them all.
const SHOWN_OF_A_KIND: usize = 5;

fn warn(warnings: &[Warning]) {
    let mut kinds: BTreeMap<_, usize> = BTreeMap::new();
    for warning in warnings {
        let seen = kinds.entry(warning.code).or_default();
        *seen += 1;
        if *seen <= SHOWN_OF_A_KIND {
            let place = warning.path.as_ref();
            let place = place.map(|path| format!(": {}", path.display())).unwrap_or_default();
            complain(&format!("warning: {}{place}", warning.message));
        }
    }
    let more: usize = kinds.values().map(|seen| seen.saturating_sub(SHOWN_OF_A_KIND)).sum();
    if more > 0 {
        complain(&format!("warning: and {more} more like these; --format json shows all"));
    }
}

/// Prints why a run failed, and what to do about it.
pub fn fail(failure: &Failure) {
    complain(&failure.message);
    if let Some(hint) = &failure.hint {
        // There is nowhere left to report to if standard error is closed.
        let _ = writeln!(io::stderr(), "hint: {}", escape(hint));
    }
}

fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "session-warden: {}", escape(message));
}

/// Prints help, the version, or what is wrong with what was typed.
pub fn no_run(answer: &clap::Error) -> Exit {
    if answer.use_stderr() {
        // What was typed is in there, and may hold anything.
        let text = answer.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let lines: Vec<String> = text.lines().map(escape).collect();
        let _ = writeln!(io::stderr(), "session-warden: {}", lines.join("\n"));
        return Exit::Usage;
    }
    match answer.print() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Exit::Failed,
        _ => Exit::Done,
    }
}
