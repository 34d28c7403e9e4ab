//! Groups of options that several commands share, and what each says of a run's settings.

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

use crate::bridge::Address;
use crate::config::{Bridge, Color, Format, Idle, Layer, Place};
use crate::domain::{Clock, IdleThreshold, Missing, Patterns};
use crate::provider::PROVIDERS;

/// The variables that all commands with a configuration read, for the end of their help.
macro_rules! own_variables {
    () => {
        "  SESSION_WARDEN_CONFIG, SESSION_WARDEN_STATE_DIR
                      as --config and --state-dir"
    };
}
pub(super) use own_variables;

#[derive(Debug, Clone, Args)]
pub(super) struct ThresholdArgs {
    /// Idle threshold in hours, fractions allowed; 1 second to 100 years [default: 2]
    #[arg(long, value_name = "H", value_parser = hours, allow_hyphen_values = true)]
    hours: Option<IdleThreshold>,

    /// The same as a duration: 90m, 2h, '1d 12h'
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_hyphen_values = true, conflicts_with = "hours")]
    idle: Option<IdleThreshold>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct PlaceArgs {
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
}

#[derive(Debug, Clone, Args)]
pub(super) struct BridgeArgs {
    /// Ask a running bridge to let go, instead of editing its file [default: auto; with --map, off]
    #[arg(long, value_name = "URL|auto|off", value_parser = bridge)]
    bridge: Option<Bridge>,

    /// Let --bridge name an address that is not loopback
    #[arg(long)]
    pub(super) allow_remote_bridge: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct JudgeArgs {
    /// Where a session's file is gone [default: remove, unless all of a CLI's mappings are missing]
    #[arg(long, value_name = "remove|keep", hide_possible_values = true)]
    missing: Option<MissingArg>,

    /// What counts as last use: the files' mtime, or the newest record in them [default: mtime]
    #[arg(long, value_name = "mtime|record", hide_possible_values = true)]
    clock: Option<ClockArg>,

    /// Never let go what matches: a glob over chat id, session id and model/chat (repeatable)
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    pin: Vec<String>,

    /// Only this provider: claude, codex, gemini or vibe (repeatable)
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(PROVIDERS.iter().map(|provider| provider.name)), hide_possible_values = true)]
    provider: Vec<String>,
}

/// What is judged, and how.
#[derive(Debug, Clone, Args)]
pub(super) struct AskArgs {
    #[command(flatten)]
    threshold: ThresholdArgs,

    #[command(flatten)]
    place: PlaceArgs,

    #[command(flatten)]
    pub(super) bridge: BridgeArgs,

    #[command(flatten)]
    judge: JudgeArgs,
}

#[derive(Debug, Clone, Args)]
pub(super) struct FormatArgs {
    /// Print text or JSON [default: text]
    #[arg(long, value_name = "text|json", hide_possible_values = true)]
    format: Option<FormatArg>,

    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ColorArgs {
    /// When to use colours: auto, always or never [default: auto]
    #[arg(long, value_name = "WHEN", hide_possible_values = true)]
    color: Option<ColorArg>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ProfileArgs {
    /// The bridge of that name in the configuration file
    #[arg(long, value_name = "NAME")]
    pub(super) profile: Option<String>,
}

#[derive(Debug, Clone, Default, Args)]
pub(super) struct ConfigArgs {
    #[arg(
        long,
        value_name = "FILE",
        help = "The configuration file [default: $XDG_CONFIG_HOME/session-warden/config.toml, else ~/.config/session-warden/config.toml]"
    )]
    pub(super) config: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Args)]
pub(super) struct StateArgs {
    #[arg(
        long,
        value_name = "DIR",
        help = "The folder for the journal, holds and other state [default: $XDG_STATE_HOME/session-warden, else ~/.local/state/session-warden]"
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
    pub(super) fn say(&self, layer: &mut Layer) {
        self.threshold.say(layer);
        self.place.say(layer);
        self.bridge.say(layer);
        self.judge.say(layer);
    }
}

impl ThresholdArgs {
    pub(super) fn say(&self, layer: &mut Layer) {
        layer.idle = self.hours.or(self.idle).map(Idle::from);
    }
}

impl PlaceArgs {
    pub(super) fn say(&self, layer: &mut Layer) {
        let folder = self.session_dir.clone().map(Place::Folder);
        layer.place = folder.or_else(|| self.map.clone().map(Place::File));
        layer.home.clone_from(&self.home);
    }
}

impl BridgeArgs {
    pub(super) fn say(&self, layer: &mut Layer) {
        layer.bridge.clone_from(&self.bridge);
        layer.allow_remote_bridge = self.allow_remote_bridge.then_some(true);
    }

    /// Whether one bridge is named, which cannot hold the maps of several profiles.
    pub(super) fn names_one(&self) -> bool {
        matches!(self.bridge, Some(Bridge::Named(_)))
    }
}

impl JudgeArgs {
    pub(super) fn say(&self, layer: &mut Layer) {
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

impl FormatArgs {
    pub(super) fn format(&self) -> Option<Format> {
        let format = self.format.map(|format| match format {
            FormatArg::Text => Format::Text,
            FormatArg::Json => Format::Json,
        });
        format.or_else(|| self.json.then_some(Format::Json))
    }
}

impl ColorArgs {
    pub(super) fn say(&self, layer: &mut Layer) {
        layer.color = self.choice();
    }

    /// Returns what was typed.
    pub(super) fn choice(&self) -> Option<Color> {
        self.color.map(|color| match color {
            ColorArg::Auto => Color::Auto,
            ColorArg::Always => Color::Always,
            ColorArg::Never => Color::Never,
        })
    }
}

impl StateArgs {
    /// The folder that was named.
    pub(super) fn named(&self) -> Option<&Path> {
        self.state_dir.as_deref()
    }

    pub(super) fn say(&self, layer: &mut Layer) {
        layer.state_dir.clone_from(&self.state_dir);
    }
}
