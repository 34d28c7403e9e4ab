//! The command line's grammar: the commands, and what each says of a run's settings.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

use super::doctor::{self, DoctorArgs};
use super::history::{self, HistoryArgs};
use super::hold::{self, HoldArgs};
#[cfg(feature = "keepalive")]
use super::keepalive::{self, KeepaliveCommand};
use super::list::{self, ListArgs};
use super::options::{
    AskArgs, ColorArgs, ConfigArgs, FormatArgs, OUTPUT, ProfileArgs, REMOVE, StateArgs, WHERE,
};
use super::pin::{self, PinArgs};
use super::remove::{self, RemoveArgs};
use super::schedule::{self, ScheduleCommand};
use super::shell::{self, CompletionsArgs, HelpArgs, ManArgs};
use super::undo::{self, UndoArgs};
use crate::config::{Color, Layer, Verbosity};

const EXIT_CODES: &str = "\
Exit codes:
  0   done, whether or not anything was removed; also when there is no map
  1   failed; the map is unchanged. Also when the map that was named does not
      exist and never did
  2   wrong usage or configuration
  3   done, but not completely; see the warnings
  75  another run holds the lock; nothing was done

Environment:
  CLAUDE_SESSION_DIR  folder of session_map.json, as --session-dir
  CLAUDE_BRIDGE_PORT  port of the bridge for --bridge auto [default: 8000]
  CLAUDE_CONFIG_DIR, CODEX_HOME, GEMINI_CLI_HOME, VIBE_HOME
                      where the CLIs keep their sessions
  SESSION_WARDEN_CONFIG, SESSION_WARDEN_PROFILE, SESSION_WARDEN_STATE_DIR
                      as --config, --profile and --state-dir
  NO_COLOR, CLICOLOR_FORCE
                      never or always use colours";

pub(super) const EXAMPLES: &str = "\
Examples:
  session-warden -n                  Show what would be removed
  session-warden --hours 4           Remove mappings idle for 4 hours
  session-warden schedule install    Clean every hour";

const CLEAN_EXAMPLES: &str = "\
Examples:
  session-warden clean -n                   Show what would be removed
  session-warden clean --hours 4            Remove mappings idle for 4 hours
  session-warden clean --pin 'team-*'       Keep chats that begin with team-
  session-warden clean --provider codex     Only sessions of Codex
  session-warden clean --max-remove 20      Change nothing if it would be more";

const ABOUT: &str = "\
Removes idle sessions of Claude Code, Codex and Gemini CLI from a chat bridge's
session map.

Reads the bridge's session_map.json, finds out when each session was last used,
removes the mappings that have been idle past a threshold, and prints a report.
No session is deleted: its CLI can still resume it, and `session-warden undo`
restores the mapping. When in doubt, a mapping is kept.";

/// What was typed.
#[derive(Debug, Parser)]
#[command(
    name = "session-warden",
    version = env!("SESSION_WARDEN_VERSION"),
    about = ABOUT,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}")
)]
pub struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) clean: CleanArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Remove idle mappings (default)
    #[command(
        max_term_width = 100,
        after_help = format!("{CLEAN_EXAMPLES}\n\n{EXIT_CODES}")
    )]
    Clean(CleanArgs),
    /// List mappings with their state and first message
    #[command(
        max_term_width = 100,
        after_help = list::AFTER_HELP,
        mut_args(|arg| match arg.get_help_heading() {
            Some("What to remove" | "What to keep") => arg.help_heading("How to judge"),
            _ => arg,
        })
    )]
    List(ListArgs),
    /// Remove these mappings now
    #[command(max_term_width = 100, after_help = remove::AFTER_HELP)]
    Remove(RemoveArgs),
    /// Never remove these mappings; without an ID, list the pins
    #[command(max_term_width = 100, after_help = pin::AFTER_HELP)]
    Pin(PinArgs),
    /// Restore mappings that a run removed
    #[command(max_term_width = 100, after_help = undo::EXAMPLES_AND_EXIT_CODES, mut_arg("bridge", |arg| arg.help(undo::BRIDGE_HELP)))]
    Undo(UndoArgs),
    /// List past runs, newest first
    #[command(max_term_width = 100, after_help = history::EXAMPLES_AND_EXIT_CODES)]
    History(HistoryArgs),
    /// Check the installation and print hints
    #[command(
        max_term_width = 100,
        after_help = doctor::AFTER_HELP,
        mut_arg("bridge", |arg| arg.help(doctor::BRIDGE_HELP))
    )]
    Doctor(DoctorArgs),
    /// Show effective settings and where each comes from
    #[command(max_term_width = 100, after_help = shell::CONFIG_HELP)]
    Config(ShowArgs),
    /// Install or remove a timer (systemd, cron, launchd)
    #[command(
        max_term_width = 100,
        subcommand,
        disable_help_subcommand = true,
        after_help = schedule::AFTER_HELP
    )]
    Schedule(ScheduleCommand),
    /// Protect a session while a command or tool runs
    #[command(
        max_term_width = 100,
        disable_help_subcommand = true,
        arg_required_else_help = true,
        after_help = hold::help::ALL,
        override_usage = "session-warden hold <--session SESSION|--chat CHAT> [OPTIONS] -- <COMMAND>...\n       session-warden hold <start|stop|beat|list> [OPTIONS]"
    )]
    Hold(Box<HoldArgs>),
    #[cfg(feature = "keepalive")]
    /// Run keep-alive jobs that are due
    #[command(
        max_term_width = 100,
        subcommand,
        disable_help_subcommand = true,
        after_help = keepalive::help::ALL
    )]
    Keepalive(KeepaliveCommand),
    /// Demonstrate clean in a temporary home, in seconds
    #[command(max_term_width = 100)]
    Demo,
    /// Print a completion script for a shell
    #[command(max_term_width = 100, override_usage = "session-warden completions <SHELL>", after_help = shell::COMPLETIONS_HELP)]
    Completions(CompletionsArgs),
    /// Print a man page, or write all of them to a folder
    #[command(max_term_width = 100, after_help = shell::MAN_HELP)]
    Man(ManArgs),
    /// Print help for a command
    #[command(max_term_width = 100)]
    Help(HelpArgs),
}

#[derive(Debug, Clone, Args)]
pub(super) struct CleanArgs {
    /// Show what would be removed; change nothing
    #[arg(short = 'n', long, help_heading = REMOVE)]
    dry_run: bool,

    #[command(flatten)]
    pub(super) run: RunArgs,
}

/// What a clean takes, whoever starts it.
#[derive(Debug, Clone, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    ask: AskArgs,

    /// Change nothing and exit with 1 if more than N mappings would be removed
    #[arg(
        long,
        value_name = "N",
        value_parser = limit,
        allow_hyphen_values = true,
        help_heading = REMOVE
    )]
    max_remove: Option<u64>,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    color: ColorArgs,

    /// Print nothing unless something went wrong
    #[arg(short, long, conflicts_with = "verbose", help_heading = OUTPUT)]
    pub(super) quiet: bool,

    /// Show every mapping, with the time of last use
    #[arg(short, long, help_heading = OUTPUT)]
    pub(super) verbose: bool,

    /// Write Prometheus metrics to FILE
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    metrics: Option<PathBuf>,

    /// Append the report to FILE, also with -q
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    log: Option<PathBuf>,

    #[command(flatten)]
    pub(super) profile: ProfileArgs,

    /// Run each profile in the configuration file in turn
    #[arg(
        long,
        conflicts_with_all = ["profile", "session_dir", "map", "home"],
        help_heading = WHERE
    )]
    pub(super) all_profiles: bool,

    #[command(flatten)]
    pub(super) config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ShowArgs {
    /// Create an example configuration file, if there is none
    #[arg(long, conflicts_with_all = ["profile", "format", "json"])]
    pub(super) init: bool,

    #[command(flatten)]
    pub(super) format: FormatArgs,

    #[command(flatten)]
    pub(super) profile: ProfileArgs,

    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

fn limit(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "not a whole number; for example --max-remove 10".to_owned())
}

impl Cli {
    /// Returns what `--color` says, for messages.
    pub(super) fn color(&self) -> Option<Color> {
        match &self.command {
            None => self.clean.run.color.choice(),
            Some(Command::Clean(args)) => args.run.color.choice(),
            Some(Command::List(args)) => args.color.choice(),
            Some(Command::Remove(args)) => args.color.choice(),
            Some(Command::Doctor(args)) => args.color.choice(),
            Some(Command::Undo(args)) => args.color(),
            Some(Command::History(args)) => args.color(),
            Some(_) => None,
        }
    }
}

impl CleanArgs {
    /// What the flags say.
    pub(super) fn layer(&self) -> Layer {
        Layer { dry_run: self.dry_run.then_some(true), ..self.run.layer() }
    }
}

impl RunArgs {
    /// What the flags say.
    pub(super) fn layer(&self) -> Layer {
        let mut layer = Layer {
            max_remove: self.max_remove,
            metrics: self.metrics.clone(),
            log: self.log.clone(),
            format: self.format.format(),
            verbosity: match (self.quiet, self.verbose) {
                (true, _) => Some(Verbosity::Quiet),
                (false, true) => Some(Verbosity::Verbose),
                (false, false) => None,
            },
            ..Layer::default()
        };
        self.ask.say(&mut layer);
        self.color.say(&mut layer);
        self.state.say(&mut layer);
        layer
    }

    /// Whether one bridge is named on the command line.
    pub(super) fn names_a_bridge(&self) -> bool {
        self.ask.bridge.names_one()
    }
}
