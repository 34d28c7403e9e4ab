//! The command line's grammar: the commands, and what each says of a run's settings.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

use super::doctor::{self, DoctorArgs};
use super::hold::{self, HoldArgs};
#[cfg(feature = "keepalive")]
use super::keepalive::{self, KeepaliveCommand};
use super::options::{
    AskArgs, BridgeArgs, ColorArgs, ConfigArgs, FormatArgs, ProfileArgs, StateArgs,
};
use super::schedule::ScheduleCommand;
use super::shell::{self, CompletionsArgs, ManArgs};
use crate::commands::list::Sort;
use crate::config::{Color, Layer, Place, Verbosity};
use crate::domain::State;

const AFTER_HELP: &str = "\
Exit codes:
  0   done, whether or not anything was removed; also when there is no map
  1   failed; the map is as it was
  2   wrong usage or configuration
  3   done, but not wholly; see the warnings
  75  another run holds the lock; nothing was done

Environment:
  CLAUDE_SESSION_DIR  the folder of session_map.json, as --session-dir
  CLAUDE_BRIDGE_PORT  where --bridge auto looks for a bridge, instead of 8000
  CLAUDE_CONFIG_DIR, CODEX_HOME, GEMINI_CLI_HOME, VIBE_HOME
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
    version = env!("SESSION_WARDEN_VERSION"),
    about = ABOUT,
    max_term_width = 80,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = AFTER_HELP
)]
pub struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) clean: CleanArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Let idle mappings go (the default command)
    #[command(max_term_width = 80, after_help = AFTER_HELP)]
    Clean(CleanArgs),
    /// Put back what a run removed
    #[command(max_term_width = 80)]
    Undo(UndoArgs),
    /// The runs there were, newest first
    #[command(max_term_width = 80)]
    History(HistoryArgs),
    /// Every mapping, with what it was about; reads conversations, changes nothing
    #[command(max_term_width = 80)]
    List(ListArgs),
    /// Is everything in place? A line for each check, with a hint
    #[command(max_term_width = 80, after_help = doctor::AFTER_HELP)]
    Doctor(DoctorArgs),
    /// What holds now, and where each value came from
    #[command(max_term_width = 80)]
    Config(ShowArgs),
    /// Run a clean again and again: by systemd, cron or launchd
    #[command(max_term_width = 80, subcommand)]
    Schedule(ScheduleCommand),
    /// Protect a session while its work is in flight, however long nothing is written
    #[command(
        max_term_width = 80,
        after_help = hold::AFTER_HELP,
        override_usage = "session-warden hold <--session ID|--chat ID> [OPTIONS] -- <COMMAND>...\n       session-warden hold <start|stop|beat|list> [OPTIONS]"
    )]
    Hold(Box<HoldArgs>),
    /// Keep-alive: run the jobs of the configuration that are due, and show how they stand
    #[cfg(feature = "keepalive")]
    #[command(max_term_width = 80, subcommand, after_help = keepalive::AFTER_HELP)]
    Keepalive(KeepaliveCommand),
    /// Show the whole thing in a throwaway home, in a few seconds
    #[command(max_term_width = 80)]
    Demo,
    /// Print the completion script of a shell
    #[command(max_term_width = 80, override_usage = "session-warden completions <SHELL>")]
    Completions(CompletionsArgs),
    /// Print a man page, or write all of them into a folder
    #[command(max_term_width = 80, after_help = shell::MAN_EXAMPLES)]
    Man(ManArgs),
}

#[derive(Debug, Clone, Args)]
pub(super) struct CleanArgs {
    /// Decide and report, change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    #[command(flatten)]
    pub(super) run: RunArgs,
}

/// What a clean takes, whoever starts it.
#[derive(Debug, Clone, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    ask: AskArgs,

    /// If more than N would go: exit 1, nothing changed (a dry run too)
    #[arg(long, value_name = "N", value_parser = limit, allow_hyphen_values = true)]
    max_remove: Option<u64>,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    color: ColorArgs,

    /// Print nothing unless something went wrong
    #[arg(short, long, conflicts_with = "verbose")]
    pub(super) quiet: bool,

    /// A line for every mapping, also those that stay
    #[arg(short, long)]
    pub(super) verbose: bool,

    /// Also write Prometheus text to FILE, atomically
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,

    /// Also append the report to FILE as text, whatever -q says
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    #[command(flatten)]
    pub(super) profile: ProfileArgs,

    /// Every profile of the configuration file, one after the other
    #[arg(long, conflicts_with_all = ["profile", "session_dir", "map", "home"])]
    pub(super) all_profiles: bool,

    #[command(flatten)]
    pub(super) config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ListArgs {
    #[arg(
        long,
        value_name = "STATE",
        value_parser = state,
        help = "Only mappings in this state: active, idle, missing, archived, pinned, in_use or unknown (repeatable)"
    )]
    pub(super) state: Vec<State>,

    /// By age, model or size [default: age, the longest unused first]
    #[arg(long, value_name = "age|model|size", hide_possible_values = true)]
    sort: Option<SortArg>,

    /// Sessions on disk that no mapping names, with their sizes
    #[arg(long, conflicts_with = "state")]
    pub(super) unmapped: bool,

    #[command(flatten)]
    ask: AskArgs,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    color: ColorArgs,

    /// With session, size, times and file of each
    #[arg(short, long)]
    pub(super) verbose: bool,

    #[command(flatten)]
    pub(super) profile: ProfileArgs,

    #[command(flatten)]
    pub(super) config: ConfigArgs,

    #[command(flatten)]
    state_dir: StateArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SortArg {
    Age,
    Model,
    Size,
}

#[derive(Debug, Clone, Args)]
pub(super) struct UndoArgs {
    /// The run [default: the newest with something left to put back]
    pub(super) run: Option<String>,

    /// Put back this chat only
    #[arg(long, value_name = "ID")]
    pub(super) chat: Option<String>,

    /// Say what would be put back, change nothing
    #[arg(short = 'n', long)]
    pub(super) dry_run: bool,

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
    bridge: BridgeArgs,

    #[command(flatten)]
    pub(super) profile: ProfileArgs,

    #[command(flatten)]
    pub(super) config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,
}

#[derive(Debug, Clone, Args)]
pub(super) struct HistoryArgs {
    #[command(flatten)]
    pub(super) config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ShowArgs {
    /// Write an example to the configuration file, if there is none
    #[arg(long, conflicts_with_all = ["profile", "format", "json"])]
    pub(super) init: bool,

    #[command(flatten)]
    pub(super) format: FormatArgs,

    #[command(flatten)]
    pub(super) profile: ProfileArgs,

    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

fn state(text: &str) -> Result<State, String> {
    State::ALL
        .into_iter()
        .find(|state| state.name() == text || state.to_string() == text)
        .ok_or_else(|| {
            let names: Vec<&str> = State::ALL.iter().map(|state| state.name()).collect();
            format!("no state; the states are {}", names.join(", "))
        })
}

fn limit(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "not a whole number; a right one is --max-remove 10".to_owned())
}

impl Cli {
    /// Returns what `--color` says, for messages.
    pub(super) fn color(&self) -> Option<Color> {
        match &self.command {
            None => self.clean.run.color.choice(),
            Some(Command::Clean(args)) => args.run.color.choice(),
            Some(Command::List(args)) => args.color.choice(),
            Some(Command::Doctor(args)) => args.color.choice(),
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

impl ListArgs {
    /// What the flags say.
    pub(super) fn layer(&self) -> Layer {
        let mut layer = Layer { format: self.format.format(), ..Layer::default() };
        self.ask.say(&mut layer);
        self.color.say(&mut layer);
        self.state_dir.say(&mut layer);
        layer
    }

    /// The order that was asked for.
    pub(super) fn sort(&self) -> Sort {
        match self.sort {
            None | Some(SortArg::Age) => Sort::Age,
            Some(SortArg::Model) => Sort::Model,
            Some(SortArg::Size) => Sort::Size,
        }
    }
}

impl UndoArgs {
    /// What the flags say. A file that is named means its bridge all the same: no edit is safe beside
    /// one that runs.
    pub(super) fn layer(&self) -> Layer {
        let mut layer = Layer::default();
        self.bridge.say(&mut layer);
        self.state.say(&mut layer);
        layer
    }

    /// Where the map is, if that is said.
    pub(super) fn place(&self) -> Option<Place> {
        let folder = self.session_dir.clone().map(Place::Folder);
        folder.or_else(|| self.map.clone().map(Place::File))
    }
}

impl HistoryArgs {
    /// What the flags say.
    pub(super) fn layer(&self) -> Layer {
        let mut layer = Layer::default();
        self.state.say(&mut layer);
        layer
    }
}
