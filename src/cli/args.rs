//! The command line's grammar, and what it means together with the environment.

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use crate::bridge::{Address, Choice};
use crate::config::{self, Environment, Format, Home, Verbosity};
use crate::domain::{Exit, Failure, IdleThreshold, Missing};
use crate::journal::Journal;
use crate::provider::PROVIDERS;

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
    /// Show the whole thing in a throwaway home, in a few seconds
    #[command(max_term_width = 80)]
    Demo,
}

#[derive(Debug, Clone, Args)]
pub(super) struct CleanArgs {
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

    #[command(flatten)]
    bridge: BridgeArgs,

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
    pub(super) session_dir: Option<PathBuf>,

    /// The map itself [default: where the run found it]
    #[arg(long, value_name = "FILE", conflicts_with = "session_dir")]
    pub(super) map: Option<PathBuf>,

    #[command(flatten)]
    pub(super) bridge: BridgeArgs,

    #[command(flatten)]
    pub(super) state: HistoryArgs,
}

#[derive(Debug, Clone, Args)]
pub(super) struct HistoryArgs {
    #[arg(
        long,
        value_name = "DIR",
        help = "The folder of what runs remember [default: $XDG_STATE_HOME/session-warden, else ~/.local/state/session-warden]"
    )]
    state_dir: Option<PathBuf>,
}

impl HistoryArgs {
    pub(super) fn journal(&self, environment: &Environment) -> Result<Journal, Failure> {
        Ok(Journal::at(&config::state_dir(self.state_dir.as_deref(), environment)?))
    }
}

#[derive(Debug, Clone, Args)]
pub(super) struct BridgeArgs {
    /// Ask a running bridge to let go, instead of editing its file [default: auto; with --map, off]
    #[arg(long, value_name = "URL|auto|off", value_parser = bridge)]
    bridge: Option<Bridge>,

    /// Let --bridge name an address that is not loopback
    #[arg(long)]
    allow_remote_bridge: bool,
}

#[derive(Debug, Clone)]
enum Bridge {
    Off,
    Auto,
    Named(Address),
}

/// The port that a bridge listens at unless it is told otherwise.
const BRIDGE_PORT: u16 = 8000;

impl BridgeArgs {
    pub(super) fn choice(
        &self,
        is_map_named: bool,
        environment: &Environment,
    ) -> Result<Choice, Failure> {
        let usage = |message| Failure { exit: Exit::Usage, ..Failure::new(message) };
        match &self.bridge {
            Some(Bridge::Off) => Ok(Choice::Off),
            // Which map a bridge writes is told by its folder, never by a single file's name.
            None | Some(Bridge::Auto) if is_map_named => Ok(Choice::Off),
            None | Some(Bridge::Auto) => {
                let port = environment.get("CLAUDE_BRIDGE_PORT");
                let port =
                    port.map_or(Some(BRIDGE_PORT), |port| port.to_str()?.trim().parse().ok());
                let port = port.filter(|port| *port != 0).ok_or_else(|| {
                    usage("CLAUDE_BRIDGE_PORT is no port; a right one is 8000".to_owned())
                })?;
                Ok(Choice::Auto(Address::local(port)))
            }
            Some(Bridge::Named(address)) if address.is_loopback() || self.allow_remote_bridge => {
                Ok(Choice::Named(address.clone()))
            }
            Some(Bridge::Named(address)) => Err(usage(format!(
                "{} is not an address of this machine; --allow-remote-bridge lets it be",
                address.as_str()
            ))),
        }
    }
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
        "auto" => Ok(Bridge::Auto),
        "off" => Ok(Bridge::Off),
        _ => Address::parse(text).map(Bridge::Named),
    }
}

fn limit(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "not a whole number; a right one is --max-remove 10".to_owned())
}

impl CleanArgs {
    pub(super) fn into_config(self, environment: Environment) -> Result<config::Clean, Failure> {
        let bridge = self.bridge.choice(self.map.is_some(), &environment)?;
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
            bridge,
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
