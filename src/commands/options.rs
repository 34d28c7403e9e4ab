//! Groups of options that several commands share, and what each says of a run's settings.

use clap::builder::NonEmptyStringValueParser;
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

use crate::config::{Bridge, Color, Format, Idle, Layer, Place, Verbosity};
use crate::map::Address;
use crate::model::{Clock, IdleThreshold, Missing, Patterns};
use crate::provider::PROVIDERS;

/// The headings of the help that several groups of options share.
pub(crate) const REMOVE: &str = "What to remove";
pub(crate) const WHERE: &str = "Where";
pub(crate) const OUTPUT: &str = "Output";

/// The variables that all commands with a configuration read, for the end of their help.
macro_rules! own_variables {
    () => {
        "  SESSION_WARDEN_CONFIG, SESSION_WARDEN_STATE_DIR
                      as --config and --state-dir"
    };
}
pub(crate) use own_variables;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = REMOVE)]
pub(crate) struct ThresholdArgs {
    /// Idle threshold in hours, such as 2 or 0.5 [default: 2]
    #[arg(long, value_name = "H", value_parser = hours, allow_hyphen_values = true)]
    hours: Option<IdleThreshold>,

    /// Idle threshold as a duration, such as 90m, 2h or '1d 12h'
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_hyphen_values = true, conflicts_with = "hours")]
    idle: Option<IdleThreshold>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = WHERE)]
pub(crate) struct MapArgs {
    #[arg(
        long,
        value_name = "DIR",
        help = "Folder of session_map.json [default: $CLAUDE_SESSION_DIR or /tmp/claude_sessions]"
    )]
    session_dir: Option<PathBuf>,

    /// The session map itself
    #[arg(long, value_name = "FILE", conflicts_with = "session_dir")]
    map: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = WHERE)]
pub(crate) struct PlaceArgs {
    #[command(flatten)]
    map: MapArgs,

    /// Home folder of the user who runs the CLIs; overrides their variables [default: yours]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Bridge")]
pub(crate) struct BridgeArgs {
    /// Ask a running bridge instead of editing its file [default: auto; off with --map]
    #[arg(long, value_name = "URL|auto|off", value_parser = bridge)]
    bridge: Option<Bridge>,

    /// Allow a bridge that runs on another machine
    #[arg(long)]
    pub(crate) allow_remote_bridge: bool,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = REMOVE)]
pub(crate) struct JudgeArgs {
    /// What to do with mappings whose session has no file [default: remove; keep if no session of a CLI has one]
    #[arg(long, value_name = "remove|keep", hide_possible_values = true)]
    missing: Option<MissingArg>,

    /// Judge last use by the mtime of the files or by their newest record [default: mtime]
    #[arg(long, value_name = "mtime|record", hide_possible_values = true)]
    clock: Option<ClockArg>,

    /// Keep mappings that match: a glob over chat, session and model/chat (repeatable)
    #[arg(long, value_name = "PATTERN", value_parser = pattern, help_heading = "What to keep")]
    pin: Vec<String>,

    /// Only mappings of this CLI: claude, codex, gemini or vibe (repeatable)
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(PROVIDERS.iter().map(|provider| provider.name)), hide_possible_values = true)]
    provider: Vec<String>,
}

/// What is judged, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct AskArgs {
    #[command(flatten)]
    threshold: ThresholdArgs,

    #[command(flatten)]
    judge: JudgeArgs,

    #[command(flatten)]
    place: PlaceArgs,

    #[command(flatten)]
    pub(crate) bridge: BridgeArgs,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = OUTPUT)]
pub(crate) struct FormatArgs {
    /// Print text or JSON [default: text]
    #[arg(long, value_name = "text|json", hide_possible_values = true)]
    format: Option<FormatArg>,

    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = OUTPUT)]
pub(crate) struct ColorArgs {
    /// Use colours: auto, always or never [default: auto]
    #[arg(long, value_name = "WHEN", hide_possible_values = true)]
    color: Option<ColorArg>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = WHERE)]
pub(crate) struct ProfileArgs {
    /// Use this profile of the configuration file
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) profile: Option<String>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = WHERE)]
pub(crate) struct ConfigArgs {
    #[arg(
        long,
        value_name = "FILE",
        help = "Configuration file [default: ~/.config/session-warden/config.toml]"
    )]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = WHERE)]
pub(crate) struct StateArgs {
    #[arg(
        long,
        value_name = "DIR",
        help = "Folder of the journal, holds and pins [default: ~/.local/state/session-warden]"
    )]
    state_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MissingArg {
    Remove,
    Keep,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ClockArg {
    Mtime,
    Record,
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

fn hours(text: &str) -> Result<IdleThreshold, String> {
    IdleThreshold::from_hours(text)
        .map_err(|why| format!("{why}; for example --hours 2 or --hours 0.5"))
}

fn duration(text: &str) -> Result<IdleThreshold, String> {
    IdleThreshold::from_duration(text)
        .map_err(|why| format!("{why}; for example --idle 90m, --idle 2h or --idle '1d 12h'"))
}

fn bridge(text: &str) -> Result<Bridge, String> {
    match text {
        "auto" => Ok(Bridge::Auto),
        "off" => Ok(Bridge::Off),
        _ => Address::parse(text)
            .map(Bridge::Named)
            .map_err(|why| format!("{why}; for example --bridge http://127.0.0.1:8000")),
    }
}

fn pattern(text: &str) -> Result<String, String> {
    let checked = Patterns::default().add(text);
    checked.map_err(|why| format!("{why}; for example --pin 'team-*'"))?;
    Ok(text.to_owned())
}

impl AskArgs {
    pub(crate) fn say(&self, layer: &mut Layer) {
        self.threshold.say(layer);
        self.place.say(layer);
        self.bridge.say(layer);
        self.judge.say(layer);
    }
}

impl ThresholdArgs {
    pub(crate) fn say(&self, layer: &mut Layer) {
        layer.idle = self.hours.clone().or_else(|| self.idle.clone()).map(Idle::from);
    }
}

impl MapArgs {
    /// Returns the folder or the file that was typed.
    pub(crate) fn place(&self) -> Option<Place> {
        let folder = self.session_dir.clone().map(Place::Folder);
        folder.or_else(|| self.map.clone().map(Place::File))
    }
}

impl PlaceArgs {
    pub(crate) fn say(&self, layer: &mut Layer) {
        layer.place = self.map.place();
        layer.home.clone_from(&self.home);
    }
}

impl BridgeArgs {
    pub(crate) fn say(&self, layer: &mut Layer) {
        layer.bridge.clone_from(&self.bridge);
        layer.allow_remote_bridge = self.allow_remote_bridge.then_some(true);
    }

    /// Whether one bridge is named, which cannot hold the maps of several profiles.
    pub(crate) fn names_one(&self) -> bool {
        matches!(self.bridge, Some(Bridge::Named(_)))
    }
}

impl JudgeArgs {
    pub(crate) fn say(&self, layer: &mut Layer) {
        layer.missing = self.missing.map(|missing| match missing {
            MissingArg::Remove => Missing::Remove,
            MissingArg::Keep => Missing::Keep,
        });
        layer.clock = self.clock.map(|clock| match clock {
            ClockArg::Mtime => Clock::Mtime,
            ClockArg::Record => Clock::Record,
        });
        layer.pin.clone_from(&self.pin);
        layer.providers = (!self.provider.is_empty()).then(|| self.provider.clone());
    }
}

/// Returns what `--quiet` and `--verbose` ask for.
pub(crate) fn verbosity(quiet: bool, verbose: bool) -> Option<Verbosity> {
    match (quiet, verbose) {
        (true, _) => Some(Verbosity::Quiet),
        (false, true) => Some(Verbosity::Verbose),
        (false, false) => None,
    }
}

impl FormatArgs {
    pub(crate) fn format(&self) -> Option<Format> {
        let format = self.format.map(|format| match format {
            FormatArg::Text => Format::Text,
            FormatArg::Json => Format::Json,
        });
        format.or_else(|| self.json.then_some(Format::Json))
    }
}

impl ColorArgs {
    pub(crate) fn say(&self, layer: &mut Layer) {
        layer.color = self.choice();
    }

    /// Returns what was typed.
    pub(crate) fn choice(&self) -> Option<Color> {
        self.color.map(|color| match color {
            ColorArg::Auto => Color::Auto,
            ColorArg::Always => Color::Always,
            ColorArg::Never => Color::Never,
        })
    }
}

impl StateArgs {
    /// The folder that was named.
    pub(crate) fn named(&self) -> Option<&Path> {
        self.state_dir.as_deref()
    }

    pub(crate) fn say(&self, layer: &mut Layer) {
        layer.state_dir.clone_from(&self.state_dir);
    }
}
