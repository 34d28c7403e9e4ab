//! The layers of settings: flags, a profile, the environment and the file. The first layer that has a setting
//! decides, and each decision is kept for `config`, with where it comes from.

use std::fmt::{self, Display};
use std::path::PathBuf;

use super::environment::{Environment, STATE_DIR};
use super::folders::{PROGRAM, absolute};
use super::options::{AskArgs, ColorArgs, Layer, MapArgs, PlaceArgs, StateArgs};
use super::values::Color;
use crate::model::Failure;

/// Where a value came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origin {
    /// An option on the command line.
    Flag,
    /// The selected profile, which has that name.
    Profile(String),
    /// That environment variable.
    Environment(&'static str),
    /// `[clean]` in the configuration file.
    File,
    #[default]
    Default,
}

impl Display for Origin {
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

/// One effective setting, as `config` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its key in the configuration file.
    pub name: &'static str,
    pub value: String,
    pub origin: Origin,
}

/// Returns the settings of the environment.
pub(super) fn of_environment(environment: &Environment) -> Layer {
    // XDG: a relative path there is to be ignored.
    let state = environment.get("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.filter(|path| path.is_absolute()).map(|path| path.join(PROGRAM));
    let state_dir = environment.get(STATE_DIR).map(PathBuf::from).or(state);

    // What the terminal is decides only where the environment says neither.
    let color = match (environment.wants_color(true), environment.wants_color(false)) {
        (false, _) => Some(Color::Never),
        (_, true) => Some(Color::Always),
        _ => None,
    };
    let session_dir = environment.get("CLAUDE_SESSION_DIR").map(PathBuf::from);
    let place = PlaceArgs { map: MapArgs { session_dir, map: None }, home: None };
    Layer {
        ask: AskArgs { place, ..AskArgs::default() },
        color: ColorArgs { color },
        state: StateArgs { state_dir },
        ..Layer::default()
    }
}

/// All layers, and the settings that were decided so far.
pub(super) struct Layers<'l> {
    pub(super) flags: &'l Layer,
    pub(super) profile: Option<(&'l str, &'l Layer)>,
    pub(super) environment: Layer,
    pub(super) file: &'l Layer,
    pub(super) shown: Vec<Shown>,
}

impl Layers<'_> {
    /// Returns what each layer has, the first to decide first. `variable` is the one in the environment.
    pub(super) fn each<T>(
        &self,
        variable: &'static str,
        get: impl Fn(&Layer) -> T,
    ) -> Vec<(T, Origin)> {
        let profile = self.profile.as_ref();
        let profile =
            profile.map(|(name, layer)| (get(layer), Origin::Profile((*name).to_owned())));
        let below = [
            (get(&self.environment), Origin::Environment(variable)),
            (get(self.file), Origin::File),
        ];
        [(get(self.flags), Origin::Flag)].into_iter().chain(profile).chain(below).collect()
    }

    /// Returns the value of the first layer that has one.
    pub(super) fn first<T>(
        &self,
        variable: &'static str,
        get: impl Fn(&Layer) -> Option<T>,
    ) -> Option<(T, Origin)> {
        let all = self.each(variable, get).into_iter();
        all.filter_map(|(value, origin)| Some((value?, origin))).next()
    }

    pub(super) fn show(&mut self, name: &'static str, value: impl Into<String>, origin: Origin) {
        self.shown.push(Shown { name, value: value.into(), origin });
    }

    /// Decides a setting without a variable.
    pub(super) fn setting<T: Display>(
        &mut self,
        name: &'static str,
        get: impl Fn(&Layer) -> Option<T>,
        default: T,
    ) -> T {
        let (value, origin) = self.first("", get).unwrap_or((default, Origin::Default));
        self.show(name, value.to_string(), origin);
        value
    }

    /// Decides a setting that may have no value; `none` is shown then.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        get: impl Fn(&Layer) -> Option<T>,
        none: &str,
        show: impl Fn(&T) -> String,
    ) -> Option<T> {
        let found = self.first("", get);
        let shown = found.as_ref().map_or_else(|| none.to_owned(), |(value, _)| show(value));
        let (value, origin) = found.unzip();
        self.show(name, shown, origin.unwrap_or_default());
        value
    }

    /// Decides a list of names; `none` is shown for an empty one.
    pub(super) fn names(
        &mut self,
        name: &'static str,
        get: impl Fn(&Layer) -> Option<Vec<String>>,
        none: &str,
    ) -> Vec<String> {
        let (names, origin) = self.first("", get).unwrap_or_default();
        self.show(name, if names.is_empty() { none.to_owned() } else { names.join(", ") }, origin);
        names
    }

    /// Decides a path, which is made absolute; `none` is shown if no layer has it.
    pub(super) fn path(
        &mut self,
        name: &'static str,
        variable: &'static str,
        get: impl Fn(&Layer) -> &Option<PathBuf>,
        none: &str,
    ) -> Result<Option<PathBuf>, Failure> {
        let Some((path, origin)) = self.first(variable, |layer| get(layer).clone()) else {
            self.show(name, none, Origin::Default);
            return Ok(None);
        };
        let path = absolute(&path)?;
        self.show(name, path.to_string_lossy(), origin);
        Ok(Some(path))
    }
}
