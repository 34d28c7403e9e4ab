//! The grammar of `doctor`, and how it ends.

use clap::Args;
use std::io::{self, BufWriter, Write};

use super::options::{
    BridgeArgs, ColorArgs, ConfigArgs, FormatArgs, PlaceArgs, ProfileArgs, StateArgs,
};
use super::said;
use crate::commands::doctor;
use crate::config::{Format, Layer, Settings};
use crate::disk::interrupt::Interrupt;
use crate::domain::{Exit, Failure, Timestamp};
use crate::report::{Counts, Look, write_checks, write_checks_json};

pub(super) const AFTER_HELP: &str = "\
Exit codes:
  0   everything is in place
  1   an error: a clean would fail, or do nothing useful
  2   wrong usage or configuration
  3   a warning: something is likely not as wanted";

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
    /// Looks, and tells what was found.
    ///
    /// # Errors
    /// Where the settings make no sense, or what was found cannot be written.
    pub(super) fn run(
        &self,
        settings: &Settings,
        now: Timestamp,
        interrupt: &Interrupt,
    ) -> Result<Exit, Failure> {
        let (clean, shown) =
            settings.resolve(&self.layer(), settings.profile(self.profile.profile.as_deref()))?;
        let checks = doctor::run(&clean, &shown, now, interrupt)?;
        let mut out = BufWriter::new(io::stdout().lock());
        let look = Look { color: clean.color, all: false };
        let written = match clean.format {
            Format::Text => write_checks(&checks, look, &mut out),
            Format::Json => write_checks_json(&checks, &mut out),
        };
        said(written.and_then(|()| out.flush()), "what was found")?;
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
