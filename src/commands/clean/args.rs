//! The options of `clean`, and its help.

use clap::Args;

use crate::commands::options::{ConfigArgs, ProfileArgs, REMOVE, StateArgs, WHERE};
use crate::config::Layer;

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
    pub(crate) settings: Layer,

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

impl CleanArgs {
    /// Returns the settings that were typed.
    pub(crate) fn layer(&self) -> Layer {
        Layer { dry_run: self.dry_run.then_some(true), ..self.run.layer() }
    }
}

impl RunArgs {
    /// Returns the settings that were typed.
    pub(crate) fn layer(&self) -> Layer {
        Layer { state: self.state.clone(), ..self.settings.clone() }
    }
}
