//! The grammar of `doctor`, and how it ends.

use clap::Args;
use std::io::{self, BufWriter, Write};

use super::options::{
    BridgeArgs, ColorArgs, ConfigArgs, FormatArgs, PlaceArgs, ProfileArgs, StateArgs,
};
use super::{progress, said, ui};
use crate::commands::doctor;
use crate::config::{Format, Layer, Settings};
use crate::disk::interrupt::Interrupt;
use crate::domain::{Exit, Failure, Timestamp};
use crate::report::{Counts, write_checks, write_checks_json};

pub(super) const BRIDGE_HELP: &str =
    "The bridge that a clean would ask [default: auto; off with --map]";

pub(super) const AFTER_HELP: &str = "\
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
pub(super) struct DoctorArgs {
    #[command(flatten)]
    place: PlaceArgs,

    #[command(flatten)]
    bridge: BridgeArgs,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    pub(super) color: ColorArgs,

    #[command(flatten)]
    profile: ProfileArgs,

    #[command(flatten)]
    pub(super) config: ConfigArgs,

    #[command(flatten)]
    state: StateArgs,
}

impl DoctorArgs {
    /// Checks everything and prints the results.
    ///
    /// # Errors
    /// If the settings make no sense, or the results cannot be written.
    pub(super) fn run(
        &self,
        settings: &Settings,
        now: Timestamp,
        interrupt: &Interrupt,
    ) -> Result<Exit, Failure> {
        let (clean, shown) =
            settings.resolve(&self.layer(), settings.profile(self.profile.profile.as_deref()))?;
        let progress = progress::show(interrupt, false);
        let checks = doctor::run(&clean, &shown, now, interrupt)?;
        drop(progress);
        let mut out = BufWriter::new(io::stdout().lock());
        let look = ui::look(clean.color, false, false);
        let written = match clean.format {
            Format::Text => write_checks(&checks, look, ui::columns(), &mut out),
            Format::Json => write_checks_json(&checks, &mut out),
        };
        said(written.and_then(|()| out.flush()), "the results")?;
        Ok(Counts::of(&checks).exit())
    }

    fn layer(&self) -> Layer {
        let mut layer = Layer { format: self.format.format(), ..Layer::default() };
        self.place.say(&mut layer);
        self.bridge.say(&mut layer);
        self.color.say(&mut layer);
        self.state.say(&mut layer);
        layer
    }
}
