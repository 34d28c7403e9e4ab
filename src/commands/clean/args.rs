//! The options of `clean`, and its help.

use clap::Args;
use std::path::PathBuf;

use crate::commands::options::{
    AskArgs, ColorArgs, ConfigArgs, FormatArgs, OUTPUT, ProfileArgs, REMOVE, StateArgs, WHERE,
    verbosity,
};
use crate::config::{Color, Layer};

pub(crate) const EXIT_CODES: &str = "\
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

pub(crate) const EXAMPLES: &str = "\
Examples:
  session-warden clean -n                   Show what would be removed
  session-warden clean --hours 4            Remove mappings idle for 4 hours
  session-warden clean --pin 'team-*'       Keep chats that begin with team-
  session-warden clean --provider codex     Only sessions of Codex
  session-warden clean --max-remove 20      Change nothing if it would be more";

#[derive(Debug, Clone, Args)]
pub(crate) struct CleanArgs {
    /// Show what would be removed; change nothing
    #[arg(short = 'n', long, help_heading = REMOVE)]
    dry_run: bool,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// The options of a clean, also of one that a timer starts.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
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
    pub(crate) quiet: bool,

    /// Show every mapping, with the time of last use
    #[arg(short, long, help_heading = OUTPUT)]
    pub(crate) verbose: bool,

    /// Write Prometheus metrics to FILE
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    metrics: Option<PathBuf>,

    /// Append the report to FILE, also with -q
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    log: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) profile: ProfileArgs,

    /// Run each profile in the configuration file in turn
    #[arg(
        long,
        conflicts_with_all = ["profile", "session_dir", "map", "home"],
        help_heading = WHERE
    )]
    pub(crate) all_profiles: bool,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,
}

fn limit(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "not a whole number; for example --max-remove 10".to_owned())
}

impl CleanArgs {
    /// What the flags say.
    pub(crate) fn layer(&self) -> Layer {
        Layer { dry_run: self.dry_run.then_some(true), ..self.run.layer() }
    }
}

impl RunArgs {
    /// What the flags say.
    pub(crate) fn layer(&self) -> Layer {
        let mut layer = Layer {
            max_remove: self.max_remove,
            metrics: self.metrics.clone(),
            log: self.log.clone(),
            format: self.format.format(),
            verbosity: verbosity(self.quiet, self.verbose),
            ..Layer::default()
        };
        self.ask.say(&mut layer);
        self.color.say(&mut layer);
        self.state.say(&mut layer);
        layer
    }

    /// Returns the `--color` that was typed.
    pub(crate) fn color(&self) -> Option<Color> {
        self.color.choice()
    }

    /// Whether one bridge is named on the command line.
    pub(crate) fn names_a_bridge(&self) -> bool {
        self.ask.bridge.names_one()
    }
}
