//! What one place says of a run's settings: the flags, a profile, the environment or the file. Each
//! says little; [`super::resolve`] puts them together.

use std::fmt;
use std::path::PathBuf;

use super::{Format, Verbosity};
use crate::map::Address;
use crate::model::{Clock, IdleThreshold, Missing, ProviderIdx};

/// Where a value came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origin {
    /// An option on the command line.
    Flag,
    /// The profile of that name, which was asked for.
    Profile(String),
    /// That environment variable.
    Environment(&'static str),
    /// The configuration file.
    File,
    /// Nobody said anything.
    #[default]
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("command line"),
            Self::Profile(name) => write!(f, "profile {name}"),
            Self::Environment(name) => write!(f, "${name}"),
            Self::File => f.write_str("[clean]"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Where the map is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In that folder, under its usual name.
    Folder(PathBuf),
    /// At that path.
    File(PathBuf),
}

/// How the map is to be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bridge {
    /// By its file.
    Off,
    /// By the bridge at the usual port, if that is the map's.
    Auto,
    /// By that bridge.
    Named(Address),
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Thresholds, as far as they are said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Idle {
    /// The usual one.
    pub usual: Option<IdleThreshold>,
    /// Those of some providers, each by its place in the table.
    pub special: Vec<(ProviderIdx, IdleThreshold)>,
}

impl From<IdleThreshold> for Idle {
    fn from(usual: IdleThreshold) -> Self {
        Self { usual: Some(usual), special: Vec::new() }
    }
}

/// What one place says.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    /// Decide and report, change nothing.
    pub dry_run: Option<bool>,
    /// How long sessions may rest.
    pub idle: Option<Idle>,
    /// Where the map is.
    pub place: Option<Place>,
    /// Whose CLI sessions are looked at.
    pub home: Option<PathBuf>,
    /// How the map is to be reached.
    pub bridge: Option<Bridge>,
    /// Whether a bridge may be one of another machine.
    pub allow_remote_bridge: Option<bool>,
    /// What to do where a session's file is gone.
    pub missing: Option<Missing>,
    /// What counts as last use.
    pub clock: Option<Clock>,
    /// What is never let go. These add up over all places.
    pub pin: Vec<String>,
    /// The only providers to judge, by name.
    pub providers: Option<Vec<String>>,
    /// The programs that never show that a session is in use.
    pub ignore_processes: Option<Vec<String>>,
    /// The most mappings that may go in one run.
    pub max_remove: Option<u64>,
    /// How the report is written.
    pub format: Option<Format>,
    /// When it has colours.
    pub color: Option<Color>,
    /// How much of it is written.
    pub verbosity: Option<Verbosity>,
    /// Where metrics are written to.
    pub metrics: Option<PathBuf>,
    /// Where reports are appended to.
    pub log: Option<PathBuf>,
    /// The folder of what runs remember.
    pub state_dir: Option<PathBuf>,
}
