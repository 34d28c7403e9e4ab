//! Puts together what the flags, a profile, the environment and the file say: the first of them that
//! says something counts, and what none says has a default.

use std::path::{Path, PathBuf};

use super::layer::{Color, Layer, Origin, Place};
use super::{Clean, ConfigFile, Environment, Format, Home, PROGRAM, Verbosity};
use super::{PROFILE, STATE_DIR, STATE_IN_HOME, absolute};
use crate::map::Choice;
use crate::model::{Clock, Failure, Missing};
use crate::provider::{Ignored, PROVIDERS};

/// Everything that settings are made of, but for the flags.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the configuration file says.
    pub file: ConfigFile,
    environment: Environment,
    stdout_is_terminal: bool,
    /// The profile that the environment names.
    profile: Option<String>,
}

/// One setting as it holds now, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its key in the configuration file.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// Where that came from.
    pub origin: Origin,
}

impl Settings {
    /// Reads the configuration: the file that was named, or the usual one.
    ///
    /// # Errors
    /// As [`ConfigFile::read`].
    pub fn read(
        named: Option<&Path>,
        environment: Environment,
        stdout_is_terminal: bool,
    ) -> Result<Self, Failure> {
        let file = ConfigFile::read(named, &environment)?;
        let profile = environment.get(PROFILE).map(|name| {
            name.into_string().map_err(|_| {
                usage(format!("the variable {PROFILE} is not UTF-8")).hint("correct or unset it")
            })
        });
        Ok(Self { file, environment, stdout_is_terminal, profile: profile.transpose()? })
    }

    /// Returns the profile to use: the one of `--profile`, else the one of the environment.
    pub fn profile<'s>(&'s self, named: Option<&'s str>) -> Option<&'s str> {
        named.or(self.profile.as_deref())
    }

    /// What holds with these flags, and with that profile where one is asked for; and each setting
    /// with where it came from.
    ///
    /// # Errors
    /// Exit code 2 where there is no such profile, or what was said makes no sense.
    pub fn resolve(
        &self,
        flags: &Layer,
        profile: Option<&str>,
    ) -> Result<(Clean, Vec<Shown>), Failure> {
        let mut layers = self.layers(flags, profile)?;
        let clean = layers.clean(&self.environment, self.stdout_is_terminal)?;
        Ok((clean, layers.shown))
    }

    /// Where a bridge is to be looked for that may run beside an edit, also of a map that is named,
    /// and whether one of another machine may be asked.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn bridge_beside(
        &self,
        flags: &Layer,
        profile: Option<&str>,
    ) -> Result<(Choice, bool), Failure> {
        self.layers(flags, profile)?.bridge(false, &self.environment)
    }

    fn layers<'l>(
        &'l self,
        flags: &'l Layer,
        profile: Option<&str>,
    ) -> Result<Layers<'l>, Failure> {
        let profile = match profile {
            Some(name) => Some((name.to_owned(), self.file.profile(name)?)),
            None => None,
        };
        let environment = of_environment(&self.environment);
        Ok(Layers { flags, profile, environment, file: &self.file.clean, shown: Vec::new() })
    }
}

fn of_environment(environment: &Environment) -> Layer {
    // XDG: a relative path there is to be ignored.
    let state = environment.get("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.filter(|path| path.is_absolute()).map(|path| path.join(PROGRAM));
    // What the terminal is decides only where the environment says neither.
    let color = match (environment.wants_color(true), environment.wants_color(false)) {
        (false, _) => Some(Color::Never),
        (_, true) => Some(Color::Always),
        _ => None,
    };
    Layer {
        place: environment.get("CLAUDE_SESSION_DIR").map(|folder| Place::Folder(folder.into())),
        color,
        state_dir: environment.get(STATE_DIR).map(PathBuf::from).or(state),
        ..Layer::default()
    }
}

pub(super) fn usage(message: String) -> Failure {
    Failure::usage(message)
}

/// Everything that is said, the first to be asked first.
pub(super) struct Layers<'l> {
    pub(super) flags: &'l Layer,
    pub(super) profile: Option<(String, &'l Layer)>,
    environment: Layer,
    file: &'l Layer,
    shown: Vec<Shown>,
}

impl Layers<'_> {
    /// What the first place says that says anything. `variable` is the one in the environment.
    pub(super) fn pick<T: Clone>(
        &self,
        variable: &'static str,
        get: impl Fn(&Layer) -> &Option<T>,
    ) -> Option<(T, Origin)> {
        if let Some(said) = get(self.flags) {
            return Some((said.clone(), Origin::Flag));
        }
        if let Some((name, profile)) = &self.profile
            && let Some(said) = get(profile)
        {
            return Some((said.clone(), Origin::Profile(name.clone())));
        }
        if let Some(said) = get(&self.environment) {
            return Some((said.clone(), Origin::Environment(variable)));
        }
        get(self.file).clone().map(|said| (said, Origin::File))
    }

    /// What each place but the environment says, the first to be asked first.
    pub(super) fn said<T>(&self, get: impl Fn(&Layer) -> T) -> Vec<(T, Origin)> {
        let profile = self.profile.as_ref();
        let profile = profile.map(|(name, layer)| (get(layer), Origin::Profile(name.clone())));
        let flags = [(get(self.flags), Origin::Flag)];
        flags.into_iter().chain(profile).chain([(get(self.file), Origin::File)]).collect()
    }

    pub(super) fn show(&mut self, name: &'static str, value: impl Into<String>, origin: Origin) {
        self.shown.push(Shown { name, value: value.into(), origin });
    }

    /// Picks what is shown as `show` says, and what is `default` where nobody says anything.
    pub(super) fn setting<T: Clone>(
        &mut self,
        name: &'static str,
        get: impl Fn(&Layer) -> &Option<T>,
        default: T,
        show: impl Fn(&T) -> String,
    ) -> T {
        let (value, origin) = self.pick("", get).unwrap_or((default, Origin::Default));
        self.show(name, show(&value), origin);
        value
    }

    fn clean(&mut self, environment: &Environment, is_terminal: bool) -> Result<Clean, Failure> {
        let yes_no = |value: &bool| value.to_string();
        let dry_run = self.setting("dry_run", |layer| &layer.dry_run, false, yes_no);
        let idle = self.idle();
        let place = self.map()?;
        let home = self.home(environment)?;
        let (bridge, _) = self.bridge(place.is_named, environment)?;
        let missing = self.setting(
            "missing",
            |layer| &layer.missing,
            Missing::RemoveGuarded,
            |missing| match missing {
                Missing::RemoveGuarded => "remove, unless all are missing".to_owned(),
                Missing::Remove => "remove".to_owned(),
                Missing::Keep => "keep".to_owned(),
            },
        );
        let clock = self.setting("clock", |layer| &layer.clock, Clock::Mtime, ToString::to_string);
        let pin = self.pin()?;
        let providers = self.setting(
            "provider",
            |layer| &layer.providers,
            Vec::new(),
            |names| if names.is_empty() { "all".to_owned() } else { names.join(", ") },
        );
        let ignore_processes = Ignored(self.setting(
            "ignore_processes",
            |layer| &layer.ignore_processes,
            Vec::new(),
            |names| if names.is_empty() { "none".to_owned() } else { names.join(", ") },
        ));
        let limit = self.pick("", |layer| &layer.max_remove);
        let (max_remove, origin) = limit.map_or((None, Origin::Default), |(n, o)| (Some(n), o));
        self.show("max_remove", max_remove.map_or("none".to_owned(), |n| n.to_string()), origin);
        let format = self.setting(
            "format",
            |layer| &layer.format,
            Format::Text,
            |format| if *format == Format::Text { "text".to_owned() } else { "json".to_owned() },
        );
        let color = self.color(is_terminal, environment);
        // Whoever asks for a dry run wants to see it, whatever timers do.
        let is_asked = self.flags.dry_run == Some(true) && self.flags.verbosity.is_none();
        let verbosity = self.setting(
            "verbosity",
            |layer| if is_asked { &None } else { &layer.verbosity },
            Verbosity::Normal,
            |verbosity| {
                let words = match verbosity {
                    Verbosity::Quiet => "quiet",
                    Verbosity::Normal => "normal",
                    Verbosity::Verbose => "verbose",
                };
                words.to_owned()
            },
        );
        let metrics = self.path("metrics", "", |layer| &layer.metrics, "none")?;
        // Whoever tries something out must not make a monitoring system believe it.
        let metrics = metrics.filter(|_| !dry_run || self.flags.metrics.is_some());
        let log = self.path("log", "", |layer| &layer.log, "none")?;
        let home_state = format!("~/{STATE_IN_HOME}/{PROGRAM}");
        let variable =
            if environment.get(STATE_DIR).is_some() { STATE_DIR } else { "XDG_STATE_HOME" };
        let state_dir = self.path("state_dir", variable, |layer| &layer.state_dir, &home_state)?;
        for (option, file) in [("metrics", &metrics), ("log", &log)] {
            if file.as_ref() == Some(&place.map) {
                return Err(usage(format!("--{option} {} is the map itself", place.map.display()))
                    .hint("choose another file"));
            }
        }
        self.roots(&home, environment);
        Ok(Clean {
            dry_run,
            idle,
            map: place.map,
            map_is_said: place.is_said,
            named_place: place.named_place,
            home,
            environment: environment.clone(),
            bridge,
            state_dir,
            missing,
            clock,
            pin,
            providers,
            max_remove,
            ignore_processes,
            format,
            color,
            verbosity,
            metrics,
            log,
            profile: self.profile.as_ref().map(|(name, _)| name.clone()),
        })
    }

    /// Shows where each CLI's sessions are looked for, if its own variable says so.
    fn roots(&mut self, home: &Home, environment: &Environment) {
        for provider in PROVIDERS.iter().filter(|_| !matches!(home, Home::Given(_))) {
            if let Some((variable, _)) = provider.variable
                && let Some(moved) = provider.moved_to(|name| environment.get(name))
            {
                let origin = Origin::Environment(variable);
                self.show(provider.name, moved.to_string_lossy(), origin);
            }
        }
    }

    fn path(
        &mut self,
        name: &'static str,
        variable: &'static str,
        get: impl Fn(&Layer) -> &Option<PathBuf>,
        default: &str,
    ) -> Result<Option<PathBuf>, Failure> {
        let Some((path, origin)) = self.pick(variable, get) else {
            self.show(name, default, Origin::Default);
            return Ok(None);
        };
        let path = absolute(&path)?;
        self.show(name, path.to_string_lossy(), origin);
        Ok(Some(path))
    }
}
