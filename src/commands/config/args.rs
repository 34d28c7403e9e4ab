//! The options of `config`, and its help.

use clap::Args;

use crate::commands::config;
use crate::commands::options::{ConfigArgs, FormatArgs, ProfileArgs};
use crate::config::{Environment, Format, Layer, Settings};
use crate::model::Exit;
use crate::ui;

pub(crate) const CONFIG_HELP: &str = "\
Examples:
  session-warden config
  session-warden config --profile dev --json
  session-warden config --init

Exit codes:
  0  done
  1  failed: the example cannot be written, or the file already exists
  2  wrong usage or configuration

Environment:
  SESSION_WARDEN_PROFILE
                      as --profile
  SESSION_WARDEN_CONFIG
                      as --config";

#[derive(Debug, Clone, Args)]
pub(crate) struct ShowArgs {
    /// Create an example configuration file, if there is none
    #[arg(long, conflicts_with_all = ["profile", "format", "json"])]
    pub(crate) init: bool,

    #[command(flatten)]
    pub(crate) format: FormatArgs,

    #[command(flatten)]
    pub(crate) profile: ProfileArgs,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

impl ShowArgs {
    /// Prints the settings, or creates the example.
    ///
    /// # Errors
    /// If the configuration cannot be read, the example cannot be written, or there is a file already.
    pub(crate) fn run(
        &self,
        environment: &Environment,
        settings: impl FnOnce() -> anyhow::Result<Settings>,
    ) -> anyhow::Result<Exit> {
        if self.init {
            return config::init(self.config.config.as_deref(), environment);
        }
        show(self, &settings()?)
    }
}

fn show(args: &ShowArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let named = args.profile.profile.as_deref();
    let (clean, shown) = settings.resolve(&Layer::default(), settings.profile(named))?;
    let chosen = config::Chosen { name: clean.profile.as_deref(), is_typed: named.is_some() };
    ui::print("the configuration", |out| match args.format.format().unwrap_or(Format::Text) {
        Format::Text => config::write_text(&settings.file, &chosen, &shown, out),
        Format::Json => config::write_json(&settings.file, &chosen, &shown, out),
    })?;
    Ok(Exit::Done)
}
