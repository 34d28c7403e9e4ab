//! The arguments and help of `pin`.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use crate::commands::options::{ConfigArgs, FormatArgs, MapArgs, ProfileArgs, StateArgs};
use crate::commands::pin;
use crate::config::{Format, Layer, Settings};
use crate::model::{Exit, Timestamp};
use crate::os::interrupt::Interrupt;
use crate::ui;

pub(crate) const AFTER_HELP: &str = "\
Examples:
  session-warden pin website
  session-warden pin claude-cli/new-chat
  session-warden pin
  session-warden pin --remove website

Exit codes:
  0   done; an ID without a mapping is pinned as a chat, with a warning
  1   failed: an ID is ambiguous or not pinned, or the pins cannot be read or
      written; no pin was changed
  2   wrong usage or configuration";

#[derive(Debug, Clone, Args)]
pub(crate) struct PinArgs {
    #[arg(
        value_name = "ID",
        value_parser = NonEmptyStringValueParser::new(),
        help = "A chat, its session, or a unique prefix; model/chat if several models have the chat. The pin is kept when the chat's session changes"
    )]
    ids: Vec<String>,

    /// Unpin these chats
    #[arg(long, requires = "ids")]
    remove: bool,

    #[command(flatten)]
    map: MapArgs,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    pub(crate) profile: ProfileArgs,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,
}

impl PinArgs {
    /// Pins, unpins or lists. If it fails, no pin is changed.
    pub(crate) fn run(
        &self,
        settings: &Settings,
        now: Timestamp,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Exit> {
        let profile = settings.profile(self.profile.profile.as_deref());
        let is_map_named = self.map.place().is_some() || profile.is_some();
        let (config, _) = settings.resolve(&self.layer(), profile)?;

        let done = match (self.ids.is_empty(), self.remove) {
            (true, _) => pin::list(&config, is_map_named)?,
            (false, true) => pin::unpin(&config, &self.ids, interrupt)?,
            (false, false) => pin::pin(&config, &self.ids, now, interrupt)?,
        };
        ui::print("the pins", |out| match config.format {
            Format::Json => pin::write_json(&done, out),
            Format::Text => pin::write(&done, ui::zone(), out),
        })?;
        ui::warnings(&done.warnings, "");
        Ok(Exit::Done)
    }

    pub(crate) fn layer(&self) -> Layer {
        let (format, state) = (self.format.clone(), self.state.clone());
        let mut layer = Layer { format, state, ..Layer::default() };
        layer.ask.place.map = self.map.clone();
        layer
    }
}
