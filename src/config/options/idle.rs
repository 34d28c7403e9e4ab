//! `--idle`, `--hours` and the other options that say which mappings are judged, and by which rules.

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Deserialize;

use super::{BridgeArgs, PlaceArgs, REMOVE};
use crate::config::values::{self, Idle};
use crate::model::{Clock, IdleThreshold, Missing, Patterns};
use crate::provider::PROVIDERS;

/// The mappings that are judged, and the rules for it.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[command(next_help_heading = REMOVE)]
#[serde(default, deny_unknown_fields)]
pub struct AskArgs {
    /// Idle threshold in hours, such as 2 or 0.5 [default: 2]
    #[arg(long, value_name = "H", value_parser = hours, allow_hyphen_values = true)]
    #[serde(deserialize_with = "values::hours")]
    pub hours: Option<IdleThreshold>,

    /// Idle threshold as a duration, such as 90m, 2h or '1d 12h'
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_hyphen_values = true, conflicts_with = "hours")]
    pub idle: Option<Idle>,

    /// What to do with mappings whose session has no file [default: remove; keep if no session of a CLI has one]
    #[arg(long, value_name = "remove|keep", hide_possible_values = true)]
    #[serde(deserialize_with = "values::word")]
    pub missing: Option<Missing>,

    /// Judge last use by the mtime of the files or by their newest record [default: mtime]
    #[arg(long, value_name = "mtime|record", hide_possible_values = true)]
    #[serde(deserialize_with = "values::word")]
    pub clock: Option<Clock>,

    /// Keep mappings that match: a glob over chat, session and model/chat (repeatable)
    #[arg(long, value_name = "PATTERN", value_parser = pattern, help_heading = "What to keep")]
    pub pin: Vec<String>,

    /// Only mappings of this CLI: claude, codex, gemini or vibe (repeatable)
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(PROVIDERS.iter().map(|provider| provider.name)), hide_possible_values = true)]
    pub provider: Option<Vec<String>>,

    #[command(flatten)]
    #[serde(skip)]
    pub place: PlaceArgs,

    #[command(flatten)]
    #[serde(skip)]
    pub bridge: BridgeArgs,
}

impl AskArgs {
    pub(in crate::config) fn idle(&self) -> Option<Idle> {
        self.idle.clone().or_else(|| self.hours.clone().map(Idle::from))
    }
}

fn hours(text: &str) -> Result<IdleThreshold, String> {
    IdleThreshold::from_hours(text)
        .map_err(|why| format!("{why}; for example --hours 2 or --hours 0.5"))
}

fn duration(text: &str) -> Result<Idle, String> {
    IdleThreshold::from_duration(text)
        .map(Idle::from)
        .map_err(|why| format!("{why}; for example --idle 90m, --idle 2h or --idle '1d 12h'"))
}

fn pattern(text: &str) -> Result<String, String> {
    let checked = Patterns::default().add(text);
    checked.map_err(|why| format!("{why}; for example --pin 'team-*'"))?;
    Ok(text.to_owned())
}
