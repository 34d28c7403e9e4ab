//! The settings of a run: flags, a profile, the environment, the configuration file and defaults, in this order,
//! turned into one typed value.

mod decisions;
#[cfg(feature = "keepalive")]
mod drop_in;
mod environment;
mod file;
mod folders;
mod handed;
#[cfg(feature = "keepalive")]
mod keepalive;
mod layers;
pub(crate) mod options;
mod settings;
mod table;
mod values;

#[cfg(feature = "keepalive")]
pub use drop_in::DropIn;
pub use environment::Environment;
pub(crate) use environment::{CONFIG, PROFILE, STATE_DIR};
pub use file::ConfigFile;
#[cfg(feature = "keepalive")]
pub use folders::key_sources;
pub use folders::{
    Home, MAP_NAME, SESSION_DIR, absolute, pings_in, session_key_in, state_dir_in, state_dir_of,
};
pub use handed::{Handed, handed};
#[cfg(feature = "keepalive")]
pub use keepalive::Keeping;
pub use layers::{Origin, Shown};
pub use options::{
    AskArgs, BridgeArgs, ColorArgs, FormatArgs, Layer, MapArgs, PlaceArgs, ReleaseAfterArgs,
    ReleaseArgs, StateArgs,
};
pub use settings::{Clean, ReleaseSettings, Settings};
pub(crate) use table::EXAMPLE;
pub use values::{Bridge, Color, Format, Idle, Place, Verbosity};
