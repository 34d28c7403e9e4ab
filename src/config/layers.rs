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

    // The terminal decides only if the environment does not.
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
    /// Returns the value of each layer, beginning with the one that decides first. `variable` is the one in the environment.
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
        let mut all = self.each(variable, get).into_iter();
        all.find_map(|(value, origin)| Some((value?, origin)))
    }

    pub(super) fn show(&mut self, name: &'static str, value: impl Into<String>, origin: Origin) {
        self.shown.push(Shown { name, value: value.into(), origin });
    }

    /// Shows the value that was found with its origin, or `none`, and returns the value.
    pub(super) fn decide<T>(
        &mut self,
        name: &'static str,
        found: Option<(T, Origin)>,
        none: &str,
        show: impl Fn(&T) -> String,
    ) -> Option<T> {
        let shown = found.as_ref().map_or_else(|| none.to_owned(), |(value, _)| show(value));
        let (value, origin) = found.unzip();
        self.show(name, shown, origin.unwrap_or_default());
        value
    }

    /// Decides a setting without a variable.
    pub(super) fn setting<T: Display>(
        &mut self,
        name: &'static str,
        get: impl Fn(&Layer) -> Option<T>,
        default: T,
    ) -> T {
        let found = self.first("", get);
        self.decide(name, found, &default.to_string(), T::to_string).unwrap_or(default)
    }

    /// Decides a list of names; `none` is shown for an empty one.
    pub(super) fn names(
        &mut self,
        name: &'static str,
        get: impl Fn(&Layer) -> &Option<Vec<String>>,
        none: &str,
    ) -> Vec<String> {
        let found = self.first("", |layer| get(layer).clone());
        let found = self.decide(name, found, none, |names| match &names[..] {
            [] => none.to_owned(),
            names => names.join(", "),
        });
        found.unwrap_or_default()
    }

    /// Decides a path, which is made absolute; `none` is shown if no layer has it.
    pub(super) fn path(
        &mut self,
        name: &'static str,
        variable: &'static str,
        get: impl Fn(&Layer) -> &Option<PathBuf>,
        none: &str,
    ) -> Result<Option<PathBuf>, Failure> {
        let found = self.first(variable, |layer| get(layer).clone());
        let found = found.map(|(path, origin)| absolute(&path).map(|path| (path, origin)));
        let found = found.transpose()?;
        Ok(self.decide(name, found, none, |path| path.to_string_lossy().into_owned()))
    }
}
