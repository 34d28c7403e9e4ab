//! The arguments and help of `doctor`, and how it ends.

use clap::Args;

use crate::commands::doctor;
use crate::commands::options::{
    AskArgs, BridgeArgs, ColorArgs, ConfigArgs, FormatArgs, PlaceArgs, ProfileArgs, StateArgs,
};
#[cfg(feature = "keepalive")]
use crate::commands::schedule::keepalive_timer;
use crate::config::{Format, Layer, Settings};
use crate::model::{Exit, Timestamp};
use crate::os::interrupt::Interrupt;
use crate::report::{Counts, write_checks, write_checks_json};
use crate::ui;
use crate::ui::progress;

pub(crate) const BRIDGE_HELP: &str =
    "The bridge that a clean would ask [default: auto; off with --map]";

pub(crate) const AFTER_HELP: &str = "\
Examples:
  session-warden doctor
  session-warden doctor --profile work
  session-warden doctor --json | jq '.checks[] | select(.state != \"ok\")'

Exit codes:
  0   no problem found
  1   an error: a clean would fail or have no effect
  2   wrong usage or configuration
  3   a warning: something may not be as intended";

#[derive(Debug, Clone, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    place: PlaceArgs,

    #[command(flatten)]
    bridge: BridgeArgs,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    pub(crate) color: ColorArgs,

    #[command(flatten)]
    pub(crate) profile: ProfileArgs,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,
}

impl DoctorArgs {
    /// Checks everything and prints the results.
    pub(crate) fn run(
        &self,
        settings: &Settings,
        now: Timestamp,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Exit> {
        let (clean, shown) =
            settings.resolve(&self.layer(), settings.profile(self.profile.profile.as_deref()))?;
        let progress = progress::show(interrupt, false);
        let checks = doctor::run(&clean, &shown, &clis(settings), now, interrupt)?;
        drop(progress);

        let look = ui::look(clean.color, false, false);
        ui::print("the results", |out| match clean.format {
            Format::Text => write_checks(&checks, look, ui::columns(), out),
            Format::Json => write_checks_json(&checks, out),
        })?;
        Ok(Counts::of(&checks).exit())
    }

    pub(crate) fn layer(&self) -> Layer {
        let (place, bridge) = (self.place.clone(), self.bridge.clone());
        Layer {
            ask: AskArgs { place, bridge, ..AskArgs::default() },
            format: self.format.clone(),
            color: self.color.clone(),
            state: self.state.clone(),
            ..Layer::default()
        }
    }
}

/// Returns the names of the CLIs that keep-alive jobs run.
#[cfg(feature = "keepalive")]
fn clis(settings: &Settings) -> Vec<&'static str> {
    keepalive_timer::clis(&settings.file.keeping.jobs)
}

#[cfg(not(feature = "keepalive"))]
fn clis(_settings: &Settings) -> Vec<&'static str> {
    Vec::new()
}
