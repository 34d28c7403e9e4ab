//! The grammar of the command line: the commands. Their arguments and help are in `commands`.

use clap::{Parser, Subcommand};

use crate::commands::completions::{self, CompletionsArgs};
use crate::commands::help::HelpArgs;
#[cfg(feature = "keepalive")]
use crate::commands::keepalive::{self, KeepaliveCommand};
use crate::commands::man::{self, ManArgs};
use crate::commands::release::{self, ReleaseCommandArgs};
use crate::commands::remove::{self, RemoveArgs};
use crate::commands::{clean, config, doctor, history, hold, list, pin, schedule, undo};
use crate::config::Color;

pub(super) const EXAMPLES: &str = "\
Examples:
  session-warden -n                  Show what would be removed
  session-warden --hours 4           Remove mappings idle for 4 hours
  session-warden schedule install    Clean every hour";

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
    after_help = format!("{EXAMPLES}\n\n{}", clean::args::EXIT_CODES)
)]
pub struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) clean: clean::args::CleanArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Remove idle mappings (default)
    #[command(
        after_help = format!("{}\n\n{}", clean::args::EXAMPLES, clean::args::EXIT_CODES)
    )]
    Clean(clean::args::CleanArgs),
    /// List mappings with their state and first message
    #[command(
        after_help = list::args::AFTER_HELP,
        mut_args(|arg| match arg.get_help_heading() {
            Some("What to remove" | "What to keep") => arg.help_heading("How to judge"),
            _ => arg,
        })
    )]
    List(list::args::ListArgs),
    /// Remove these mappings now
    #[command(after_help = remove::AFTER_HELP)]
    Remove(RemoveArgs),
    /// End idle Claude Code processes; chats and mappings are kept
    ///
    /// Ends only processes that are idle by their own record, have no terminal, and show no work: background shell,
    /// schedule, hold or unread input. The next message in the chat resumes the session. By default, processes of a
    /// bridge that is not known to survive this are kept.
    #[command(after_help = release::AFTER_HELP)]
    Release(ReleaseCommandArgs),
    /// Never remove these mappings; without an ID, list the pins
    #[command(after_help = pin::args::AFTER_HELP)]
    Pin(pin::args::PinArgs),
    /// Restore mappings that a run removed
    #[command(
        after_help = undo::args::EXAMPLES_AND_EXIT_CODES,
        mut_arg("session_dir", |arg| arg.help(undo::args::SESSION_DIR_HELP)),
        mut_arg("map", |arg| arg.help(undo::args::MAP_HELP)),
        mut_arg("bridge", |arg| arg.help(undo::args::BRIDGE_HELP))
    )]
    Undo(undo::args::UndoArgs),
    /// List past runs, newest first
    #[command(after_help = history::args::EXAMPLES_AND_EXIT_CODES)]
    History(history::args::HistoryArgs),
    /// Check the installation and print hints
    #[command(
        after_help = doctor::args::AFTER_HELP,
        mut_arg("bridge", |arg| arg.help(doctor::args::BRIDGE_HELP))
    )]
    Doctor(doctor::args::DoctorArgs),
    /// Show effective settings and where each comes from
    #[command(after_help = config::args::CONFIG_HELP)]
    Config(config::args::ShowArgs),
    /// Install or remove a timer (systemd, cron, launchd)
    #[command(
        subcommand,
        disable_help_subcommand = true,
        after_help = schedule::AFTER_HELP
    )]
    Schedule(schedule::ScheduleCommand),
    /// Protect a session while a command or tool runs
    #[command(
        disable_help_subcommand = true,
        arg_required_else_help = true,
        after_help = hold::help::ALL,
        override_usage = "session-warden hold <--session SESSION|--chat CHAT> [OPTIONS] -- <COMMAND>...\n       session-warden hold <start|stop|beat|list> [OPTIONS]"
    )]
    Hold(Box<hold::args::HoldArgs>),
    #[cfg(feature = "keepalive")]
    /// Run keep-alive jobs that are due
    #[command(
        subcommand,
        disable_help_subcommand = true,
        after_help = keepalive::help::ALL
    )]
    Keepalive(KeepaliveCommand),
    /// Demonstrate clean in a temporary home, in seconds
    Demo,
    /// Print a completion script for a shell
    #[command(override_usage = "session-warden completions <SHELL>", after_help = completions::HELP)]
    Completions(CompletionsArgs),
    /// Print a man page, or write all of them to a folder
    #[command(after_help = man::HELP)]
    Man(ManArgs),
    /// Print help for a command
    Help(HelpArgs),
}

impl Cli {
    /// Returns the `--color` that was typed, for messages.
    pub(super) fn color(&self) -> Option<Color> {
        match &self.command {
            None => self.clean.run.settings.color.choice(),
            Some(Command::Clean(args)) => args.run.settings.color.choice(),
            Some(Command::List(args)) => args.color.choice(),
            Some(Command::Remove(args)) => args.color.choice(),
            Some(Command::Release(args)) => args.color.choice(),
            Some(Command::Doctor(args)) => args.color.choice(),
            Some(Command::Undo(args)) => args.color(),
            Some(Command::History(args)) => args.color(),
            Some(_) => None,
        }
    }
}
