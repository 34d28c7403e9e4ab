//! The options of a run, in groups that several commands share. Each group is both: options on the command line,
//! and keys in the configuration file. A new option is a field here, and one of `Clean` in `settings.rs`.

mod idle;
mod release;

use clap::builder::{FalseyValueParser, TypedValueParser};
use clap::{ArgAction, Args};
use serde::Deserialize;
use std::path::PathBuf;

use super::values::{self, Bridge, Color, Format, Place, Verbosity};
pub use idle::AskArgs;
pub use release::{ReleaseAfterArgs, ReleaseArgs};

/// The headings of the help that several groups of options share.
pub(crate) const REMOVE: &str = "What to remove";
pub(crate) const WHERE: &str = "Where";
pub(crate) const OUTPUT: &str = "Output";

/// An option without a value: only `true` on the command line, `true` or `false` in the file. It is no `Option`
/// to clap, which would give it a value then.
type Switch = Option<bool>;

/// Settings from one source: the command line, a profile, the environment or `[clean]`.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Layer {
    /// Decide and report, change nothing.
    #[arg(skip)]
    pub dry_run: Switch,

    #[command(flatten)]
    #[serde(skip)]
    pub ask: AskArgs,

    /// Change nothing and exit with 1 if more than N mappings would be removed
    #[arg(
        long,
        value_name = "N",
        value_parser = limit,
        allow_hyphen_values = true,
        help_heading = REMOVE
    )]
    pub max_remove: Option<u64>,

    #[command(flatten)]
    #[serde(skip)]
    pub release: ReleaseArgs,

    /// The programs that never show that a session is in use.
    #[arg(skip)]
    pub ignore_processes: Option<Vec<String>>,

    #[command(flatten)]
    #[serde(skip)]
    pub format: FormatArgs,

    #[command(flatten)]
    #[serde(skip)]
    pub color: ColorArgs,

    /// Print nothing unless something went wrong
    #[arg(short, long, action = ArgAction::SetTrue, value_parser = switch(), conflicts_with = "verbose", help_heading = OUTPUT)]
    pub quiet: Switch,

    /// Show every mapping, with the time of last use
    #[arg(short, long, action = ArgAction::SetTrue, value_parser = switch(), help_heading = OUTPUT)]
    pub verbose: Switch,

    /// Write Prometheus metrics to FILE
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub metrics: Option<PathBuf>,

    /// Append the report to FILE, also with -q
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub log: Option<PathBuf>,

    /// A command has it as its last option, so it adds it itself.
    #[arg(skip)]
    #[serde(skip)]
    pub state: StateArgs,
}

#[derive(Debug, Clone, Default, Args, Deserialize)]
#[command(next_help_heading = WHERE)]
#[serde(default, deny_unknown_fields)]
pub struct MapArgs {
    #[arg(
        long,
        value_name = "DIR",
        help = "Folder of session_map.json [default: $CLAUDE_SESSION_DIR or /tmp/claude_sessions]"
    )]
    pub session_dir: Option<PathBuf>,

    /// The session map itself
    #[arg(long, value_name = "FILE", conflicts_with = "session_dir")]
    pub map: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Args, Deserialize)]
#[command(next_help_heading = WHERE)]
#[serde(default, deny_unknown_fields)]
pub struct PlaceArgs {
    #[command(flatten)]
    #[serde(skip)]
    pub map: MapArgs,

    /// Home folder of the user who runs the CLIs; overrides their variables [default: yours]
    #[arg(long, value_name = "DIR")]
    pub home: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Args, Deserialize)]
#[command(next_help_heading = "Bridge")]
#[serde(default, deny_unknown_fields)]
pub struct BridgeArgs {
    /// Ask a running bridge instead of editing its file [default: auto; off with --map]
    #[arg(long, value_name = "URL|auto|off", value_parser = bridge)]
    pub bridge: Option<Bridge>,

    /// Allow a bridge that runs on another machine
    #[arg(long, action = ArgAction::SetTrue, value_parser = switch())]
    pub allow_remote_bridge: Switch,
}

#[derive(Debug, Clone, Default, Args, Deserialize)]
#[command(next_help_heading = OUTPUT)]
#[serde(default, deny_unknown_fields)]
pub struct FormatArgs {
    /// Print text or JSON [default: text]
    #[arg(long, value_name = "text|json", hide_possible_values = true)]
    #[serde(deserialize_with = "values::word")]
    pub format: Option<Format>,

    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    #[serde(skip)]
    pub json: bool,
}

#[derive(Debug, Clone, Default, Args, Deserialize)]
#[command(next_help_heading = OUTPUT)]
#[serde(default, deny_unknown_fields)]
pub struct ColorArgs {
    /// Use colours: auto, always or never [default: auto]
    #[arg(long, value_name = "WHEN", hide_possible_values = true)]
    #[serde(deserialize_with = "values::word")]
    pub color: Option<Color>,
}

#[derive(Debug, Clone, Default, Args, Deserialize)]
#[command(next_help_heading = WHERE)]
#[serde(default, deny_unknown_fields)]
pub struct StateArgs {
    #[arg(
        long,
        value_name = "DIR",
        help = "Folder of the journal, holds and pins [default: ~/.local/state/session-warden]"
    )]
    pub state_dir: Option<PathBuf>,
}

/// The parser of a [`Switch`]: one that was not typed is not set, rather than false.
fn switch() -> impl TypedValueParser<Value = Switch> {
    FalseyValueParser::new().map(|is_typed| is_typed.then_some(true))
}

fn limit(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "not a whole number; for example --max-remove 10".to_owned())
}

fn bridge(text: &str) -> Result<Bridge, String> {
    let bridge = text.parse();
    bridge.map_err(|why: String| format!("{why}; for example --bridge http://127.0.0.1:8000"))
}

impl Layer {
    /// Returns all paths with their keys, to make those of a file whole.
    pub(super) fn paths_mut(&mut self) -> [(&'static str, &mut Option<PathBuf>); 6] {
        let place = &mut self.ask.place;
        [
            ("session_dir", &mut place.map.session_dir),
            ("map", &mut place.map.map),
            ("home", &mut place.home),
            ("metrics", &mut self.metrics),
            ("log", &mut self.log),
            ("state_dir", &mut self.state.state_dir),
        ]
    }

    /// Returns the amount of output that is asked for.
    pub(crate) fn verbosity(&self) -> Option<Verbosity> {
        match (self.quiet, self.verbose) {
            (Some(true), _) => Some(Verbosity::Quiet),
            (_, Some(true)) => Some(Verbosity::Verbose),
            (None, None) => None,
            _ => Some(Verbosity::Normal),
        }
    }
}

impl MapArgs {
    /// Returns the folder or the file that is named.
    pub(crate) fn place(&self) -> Option<Place> {
        let folder = self.session_dir.clone().map(Place::Folder);
        folder.or_else(|| self.map.clone().map(Place::File))
    }
}

impl ColorArgs {
    /// Returns the colour that was typed.
    pub(crate) fn choice(&self) -> Option<Color> {
        self.color
    }
}

impl BridgeArgs {
    /// Returns true if it is one certain bridge, which cannot have the maps of several profiles.
    pub(crate) fn names_one(&self) -> bool {
        matches!(self.bridge, Some(Bridge::Named(_)))
    }
}

impl FormatArgs {
    pub(crate) fn format(&self) -> Option<Format> {
        self.format.or_else(|| self.json.then_some(Format::Json))
    }
}
