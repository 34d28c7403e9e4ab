//! `--release` and the other options about idle CLI processes.

use clap::{ArgAction, Args};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::{Switch, switch};
use crate::config::values;
use crate::map::{BridgeReaction, MapFormat};
use crate::model::IdleThreshold;

const HEADING: &str = "Idle processes";

/// Which idle CLI processes a run ends.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[command(next_help_heading = HEADING)]
#[serde(default, deny_unknown_fields)]
pub struct ReleaseArgs {
    /// Also end idle CLI processes of mapped sessions; their mappings are kept
    #[arg(long, action = ArgAction::SetTrue, value_parser = switch())]
    pub release: Switch,

    #[command(flatten)]
    #[serde(skip)]
    pub after: ReleaseAfterArgs,

    /// The worst reaction of the bridge that the user accepts.
    #[arg(skip)]
    #[serde(deserialize_with = "values::word")]
    pub release_accepts: Option<BridgeReaction>,

    /// The format of the map, which determines how its bridge reacts.
    #[arg(skip)]
    #[serde(deserialize_with = "format")]
    pub map_format: Option<&'static MapFormat>,
}

/// The limits of a release.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[command(next_help_heading = HEADING)]
#[serde(default, deny_unknown_fields)]
pub struct ReleaseAfterArgs {
    /// Only processes idle for at least this long [default: the idle threshold]
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_hyphen_values = true)]
    pub release_after: Option<IdleThreshold>,

    /// Change nothing and exit with 1 if more than N processes would be ended
    #[arg(long, value_name = "N", value_parser = limit, allow_hyphen_values = true)]
    pub max_release: Option<u64>,
}

fn duration(text: &str) -> Result<IdleThreshold, String> {
    IdleThreshold::from_duration(text)
        .map_err(|why| format!("{why}; for example --release-after 90m or --release-after 2h"))
}

fn limit(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "not a whole number; for example --max-release 5".to_owned())
}

fn format<'de, D: Deserializer<'de>>(name: D) -> Result<Option<&'static MapFormat>, D::Error> {
    let name = String::deserialize(name)?;
    MapFormat::named(&name).map(Some).map_err(D::Error::custom)
}
