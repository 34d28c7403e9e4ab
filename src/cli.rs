//! What was typed, and the one place that prints errors and decides how the process ends.

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Instant;

use crate::commands::{clean, demo, history, undo};
use crate::config::{self, Environment, Format, Home, Verbosity};
use crate::disk::interrupt::Interrupt;
use crate::disk::words;
use crate::domain::{Exit, Failure, IdleThreshold, Missing, Timestamp, Warning};
use crate::journal::Journal;
use crate::provider::PROVIDERS;
use crate::report::escape::escape;
use crate::report::{Look, write_json, write_text};

const AFTER_HELP: &str = "\
Exit codes:
  0   done, whether or not anything was removed; also when there is no map
  1   failed; the map is as it was
  2   wrong usage or configuration
  3   done, but not wholly; see the warnings
  75  another run holds the lock; nothing was done

Environment:
  CLAUDE_SESSION_DIR  the folder of session_map.json, as --session-dir
  CLAUDE_CONFIG_DIR, CODEX_HOME, GEMINI_CLI_HOME
                      where the CLIs keep their sessions, as they know it
  NO_COLOR            no colours";

const ABOUT: &str = "\
Lets go of idle Claude Code, Codex and Gemini CLI sessions that a chat bridge
keeps mapped.

Reads the bridge's session_map.json, asks the disk when each session was last
used, removes the mappings that have been idle past a threshold, and prints a
report. Only mappings go: no session file is ever written, moved or deleted.";

/// What was typed.
#[derive(Debug, Parser)]
#[command(
    name = "session-warden",
    version,
    about = ABOUT,
    max_term_width = 80,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = AFTER_HELP
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    clean: CleanArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Let idle mappings go (the default command)
    #[command(max_term_width = 80, after_help = AFTER_HELP)]
    Clean(CleanArgs),
    /// Put back what a run removed
    #[command(max_term_width = 80)]
    Undo(UndoArgs),
    /// The runs there were, newest first
    #[command(max_term_width = 80)]
    History(HistoryArgs),
    /// Show the whole thing in a throwaway home, in a few seconds
    #[command(max_term_width = 80)]
    Demo,
}

#[derive(Debug, Clone, Args)]
struct CleanArgs {
    /// Decide and report, change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Idle threshold in hours, fractions allowed; 1 second to 100 years [default: 2]
    #[arg(long, value_name = "H", value_parser = IdleThreshold::from_hours, allow_hyphen_values = true)]
    hours: Option<IdleThreshold>,

    /// The same as a duration: 90m, 2h, '1d 12h'
    #[arg(long, value_name = "DURATION", value_parser = IdleThreshold::from_duration, allow_hyphen_values = true, conflicts_with = "hours")]
    idle: Option<IdleThreshold>,

    #[arg(
        long,
        value_name = "DIR",
        help = "The folder of session_map.json [default: $CLAUDE_SESSION_DIR, else /tmp/claude_sessions]"
    )]
    session_dir: Option<PathBuf>,

    /// The map itself, wherever it is
    #[arg(long, value_name = "FILE", conflicts_with = "session_dir")]
    map: Option<PathBuf>,

    /// Whose CLI sessions to look at; beats the CLIs' own variables [default: the user's home]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,

    /// How to reach the map: auto or off, both its file for now
    #[arg(long, value_name = "URL|auto|off", value_parser = bridge, default_value = "auto")]
    bridge: Bridge,

    /// Where a session's file is gone [default: remove, unless all of a CLI's mappings are missing]
    #[arg(long, value_name = "remove|keep", hide_possible_values = true)]
    missing: Option<MissingArg>,

    /// Only this provider: claude, codex, gemini or vibe (repeatable)
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(PROVIDERS.iter().map(|provider| provider.name)), hide_possible_values = true)]
    provider: Vec<String>,

    #[command(flatten)]
    state: HistoryArgs,

    /// If more than N would go: exit 1, nothing changed (a dry run too)
    #[arg(long, value_name = "N", value_parser = limit, allow_hyphen_values = true)]
    max_remove: Option<u64>,

    /// The form of the report
    #[arg(long, value_name = "text|json", default_value = "text", hide_possible_values = true)]
    format: FormatArg,

    /// When to use colours: auto, always or never
    #[arg(long, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    color: ColorArg,

    /// Print nothing unless something went wrong
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,

    /// A line for every mapping, also those that stay
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Debug, Clone, Args)]
struct UndoArgs {
    /// The run [default: the newest with something left to put back]
    run: Option<String>,

    /// Put back this chat only
    #[arg(long, value_name = "ID")]
    chat: Option<String>,

    /// Say what would be put back, change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    #[arg(
        long,
        value_name = "DIR",
        help = "The folder of session_map.json [default: where the run found it]"
    )]
    session_dir: Option<PathBuf>,

    /// The map itself [default: where the run found it]
    #[arg(long, value_name = "FILE", conflicts_with = "session_dir")]
    map: Option<PathBuf>,

    #[command(flatten)]
    state: HistoryArgs,
}

#[derive(Debug, Clone, Args)]
struct HistoryArgs {
    #[arg(
        long,
        value_name = "DIR",
        help = "The folder of what runs remember [default: $XDG_STATE_HOME/session-warden, else ~/.local/state/session-warden]"
    )]
    state_dir: Option<PathBuf>,
}

impl HistoryArgs {
    fn journal(&self, environment: &Environment) -> Result<Journal, Failure> {
        Ok(Journal::at(&config::state_dir(self.state_dir.as_deref(), environment)?))
    }
}

#[derive(Debug, Clone, Copy)]
enum Bridge {
    File,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MissingArg {
    Remove,
    Keep,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ColorArg {
    Auto,
    Always,
    Never,
}

fn bridge(text: &str) -> Result<Bridge, String> {
    match text {
        "auto" | "off" => Ok(Bridge::File),
        _ if text.contains("://") => {
            Err("asking a running bridge is not there yet; a right one is --bridge off".to_owned())
        }
        _ => Err("neither auto nor off; a right one is --bridge off".to_owned()),
    }
}

fn limit(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "not a whole number; a right one is --max-remove 10".to_owned())
}

impl CleanArgs {
    fn into_config(self, environment: Environment) -> Result<config::Clean, Failure> {
        let map = match (self.map, self.session_dir) {
            (Some(map), _) => map,
            (None, Some(folder)) => folder.join(config::MAP_NAME),
            (None, None) => {
                let folder = environment.get("CLAUDE_SESSION_DIR").map(PathBuf::from);
                folder.unwrap_or_else(|| config::SESSION_DIR.into()).join(config::MAP_NAME)
            }
        };
        let home = match self.home {
            Some(home) => Home::Given(config::absolute(&home)?),
            None => Home::User(environment.get("HOME").map(PathBuf::from)),
        };
        let color = match self.color {
            ColorArg::Always => true,
            ColorArg::Never => false,
            ColorArg::Auto => {
                io::stdout().is_terminal()
                    && environment.get("NO_COLOR").is_none()
                    && environment.get("TERM").is_none_or(|term| term != "dumb")
            }
        };
        Ok(config::Clean {
            dry_run: self.dry_run,
            threshold: self.hours.or(self.idle).unwrap_or_default(),
            map: config::absolute(&map)?,
            home,
            missing: match self.missing {
                None => Missing::RemoveGuarded,
                Some(MissingArg::Remove) => Missing::Remove,
                Some(MissingArg::Keep) => Missing::Keep,
            },
            environment,
            state_dir: self.state.state_dir,
            providers: self.provider,
            max_remove: self.max_remove,
            format: match self.format {
                FormatArg::Text => Format::Text,
                FormatArg::Json => Format::Json,
            },
            color,
            verbosity: match (self.quiet, self.verbose) {
                (true, _) => Verbosity::Quiet,
                (false, true) => Verbosity::Verbose,
                (false, false) => Verbosity::Normal,
            },
        })
    }
}

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
    let options = undo::Options { run: args.run, chat: args.chat, map, dry_run: args.dry_run };
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
