//! The options that choose a profile and a configuration; those that are settings themselves are in
//! `config/options/`.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use std::path::PathBuf;

pub(crate) use crate::config::options::{OUTPUT, REMOVE, WHERE};
pub(crate) use crate::config::{
    AskArgs, BridgeArgs, ColorArgs, FormatArgs, MapArgs, PlaceArgs, ReleaseAfterArgs, ReleaseArgs,
    StateArgs,
};

/// The variables that all commands with a configuration read, for the end of their help.
macro_rules! own_variables {
    () => {
        "  SESSION_WARDEN_CONFIG, SESSION_WARDEN_STATE_DIR
                      as --config and --state-dir"
    };
}
pub(crate) use own_variables;

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
