//! The effective settings of a run: `Clean`, each field decided from the layers.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::environment::{Environment, PROFILE, STATE_DIR};
use super::file::ConfigFile;
use super::folders::{Home, PROGRAM, STATE_IN_HOME, absolute, state_dir_in};
use super::layers::{Layers, Origin, Shown, of_environment};
use super::options::Layer;
use super::values::{Format, Verbosity, word_for};
use crate::map::{BridgeReaction, Choice, MapFormat};
use crate::model::{Clock, Failure, IdleThreshold, Missing, Patterns, Thresholds};
use crate::process;
use crate::provider::{Base, Ignored, PROVIDERS, Provider};

/// The settings of a run.
#[derive(Debug, Clone)]
pub struct Clean {
    /// Decide and report, and change nothing.
    pub dry_run: bool,
    /// How long a session may be idle.
    pub idle: Thresholds,
    /// The absolute path of the map.
    pub map: PathBuf,
    /// True if a flag, a profile or the file names the map or its folder.
    pub map_is_explicit: bool,
    /// The folder or the map that a flag, a profile or a variable names.
    pub named_place: Option<PathBuf>,
    /// The home whose sessions are looked at.
    pub home: Home,
    /// The environment, for the CLIs' own variables.
    pub environment: Environment,
    pub bridge: Choice,
    /// The state folder, if one is named.
    pub state_dir: Option<PathBuf>,
    pub missing: Missing,
    pub clock: Clock,
    /// The mappings that are never removed.
    pub pin: Patterns,
    /// The only providers to judge; empty for all, and for models that no provider has.
    pub providers: Vec<String>,
    /// The most mappings that one run may remove.
    pub max_remove: Option<u64>,
    pub release: ReleaseSettings,
    /// The programs whose open files and arguments never show that a session is in use.
    pub ignore_processes: Ignored,
    pub format: Format,
    /// True if the report has colours.
    pub color: bool,
    pub verbosity: Verbosity,
    /// The file to write metrics to.
    pub metrics: Option<PathBuf>,
    /// The file to append the report to.
    pub log: Option<PathBuf>,
    /// The selected profile.
    pub profile: Option<String>,
}

/// Which idle CLI processes a run ends.
#[derive(Debug, Clone)]
pub struct ReleaseSettings {
    /// False if none is ended.
    pub is_on: bool,
    /// How long a process must be idle; nothing for the idle threshold.
    pub after: Option<IdleThreshold>,
    /// The most processes that one run may end.
    pub max: Option<u64>,
    /// The worst reaction of the bridge that the user accepts.
    pub accepts: BridgeReaction,
    /// The format of the map, if a profile or the file names it.
    pub format: Option<&'static MapFormat>,
}

/// All that settings are made of, but for the flags.
#[derive(Debug, Clone)]
pub struct Settings {
    pub file: ConfigFile,
    environment: Environment,
    stdout_is_terminal: bool,
    /// The profile that the environment names.
    profile: Option<String>,
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
                let message = format!("the variable {PROFILE} is not UTF-8");
                Failure::usage(message).hint("correct or unset it")
            })
        });
        Ok(Self { file, environment, stdout_is_terminal, profile: profile.transpose()? })
    }

    /// Returns the profile to use: the one of `--profile`, else the one of the environment.
    pub fn profile<'s>(&'s self, named: Option<&'s str>) -> Option<&'s str> {
        named.or(self.profile.as_deref())
    }

    /// Returns the effective settings with these flags and that profile, and each one as it is shown.
    ///
    /// # Errors
    /// Exit code 2 if there is no such profile, or a value makes no sense.
    pub fn resolve(
        &self,
        flags: &Layer,
        profile: Option<&str>,
    ) -> Result<(Clean, Vec<Shown>), Failure> {
        let mut layers = self.layers(flags, profile)?;
        let clean = layers.clean(&self.environment, self.stdout_is_terminal)?;
        Ok((clean, layers.shown))
    }

    /// Returns where to look for a bridge that may run beside an edit, also of a map that is named, and true
    /// if it may be one of another machine.
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
        profile: Option<&'l str>,
    ) -> Result<Layers<'l>, Failure> {
        let profile = match profile {
            Some(name) => Some((name, self.file.profile(name)?)),
            None => None,
        };

        let environment = of_environment(&self.environment);
        Ok(Layers { flags, profile, environment, file: &self.file.clean, shown: Vec::new() })
    }
}

impl Layers<'_> {
    /// Decides all settings, in the order in which `config` shows them.
    fn clean(&mut self, environment: &Environment, is_terminal: bool) -> Result<Clean, Failure> {
        let dry_run = self.setting("dry_run", |layer| layer.dry_run, false);
        let idle = self.idle();

        let map = self.map()?;
        let home = self.home(environment)?;
        let (bridge, _) = self.bridge(map.is_file_named, environment)?;
        let missing = self.first("", |layer| layer.ask.missing);
        let missing = self.decide("missing", missing, "remove, unless all are missing", word_for);
        // A dry run that was typed shows its report, even if `[clean]` says `quiet`.
        let is_dry_run_typed = self.flags.dry_run == Some(true) && self.flags.verbosity().is_none();

        let mut clean = Clean {
            dry_run,
            idle,
            map: map.path,
            map_is_explicit: map.is_explicit,
            named_place: map.named,
            home,
            bridge,
            missing: missing.unwrap_or(Missing::RemoveGuarded),
            clock: self.setting("clock", |layer| layer.ask.clock, Clock::Mtime),
            pin: self.pin()?,
            providers: self.names("provider", |layer| &layer.ask.provider, "all"),
            ignore_processes: Ignored(self.names(
                "ignore_processes",
                |layer| &layer.ignore_processes,
                "none",
            )),
            max_remove: self.max_remove(),
            release: self.release(),
            format: self.setting("format", |layer| layer.format.format(), Format::Text),
            color: self.color(is_terminal, environment),
            verbosity: self.setting(
                "verbosity",
                |layer| layer.verbosity().filter(|_| !is_dry_run_typed),
                Verbosity::Normal,
            ),
            metrics: self.path("metrics", "", |layer| &layer.metrics, "none")?,
            log: self.path("log", "", |layer| &layer.log, "none")?,
            state_dir: self.path(
                "state_dir",
                if environment.get(STATE_DIR).is_some() { STATE_DIR } else { "XDG_STATE_HOME" },
                |layer| &layer.state.state_dir,
                &format!("~/{STATE_IN_HOME}/{PROGRAM}"),
            )?,
            environment: environment.clone(),
            profile: self.profile.map(|(name, _)| name.to_owned()),
        };

        // A monitoring system would take the metrics of a dry run for those of a real one.
        clean.metrics = clean.metrics.filter(|_| !dry_run || self.flags.metrics.is_some());
        clean.check_outputs()?;
        self.show_roots(&clean.home, environment);
        Ok(clean)
    }

    /// Shows where each CLI's sessions are looked for, if its own variable says so.
    fn show_roots(&mut self, home: &Home, environment: &Environment) {
        for provider in PROVIDERS.iter().filter(|_| !matches!(home, Home::Given(_))) {
            if let Some((variable, _)) = provider.variable
                && let Some(moved) = provider.moved_to(|name| environment.get(name))
            {
                let origin = Origin::Environment(variable);
                self.show(provider.name, moved.to_string_lossy(), origin);
            }
        }
    }
}

impl Clean {
    fn check_outputs(&self) -> Result<(), Failure> {
        for (option, file) in [("metrics", &self.metrics), ("log", &self.log)] {
            if file.as_ref() == Some(&self.map) {
                let message = format!("--{option} {} is the map itself", self.map.display());
                return Err(Failure::usage(message).hint("choose another file"));
            }
        }
        Ok(())
    }

    /// Returns the settings of a run that only judges mappings, for a command that shows them.
    #[must_use]
    pub fn only_looking(&self) -> Self {
        let release = ReleaseSettings { is_on: false, ..self.release.clone() };
        Self { dry_run: true, max_remove: None, release, ..self.clone() }
    }

    /// Returns true if mappings of that model are judged at all.
    pub fn asks_for(&self, model: &str) -> bool {
        self.providers.is_empty()
            || PROVIDERS.iter().any(|provider| {
                provider.model == model && self.providers.iter().any(|name| name == provider.name)
            })
    }

    /// Returns the state folder: the one that is named, else in the home of the user that this process acts
    /// as, whatever `--home` says.
    pub fn state_dir(&self) -> Result<PathBuf, Failure> {
        if let Some(named) = &self.state_dir {
            return Ok(named.clone());
        }
        let home = self.environment.get("HOME").map(PathBuf::from);
        // Root that works with a user's environment must leave nothing of its own in that user's home.
        let us = process::user();
        let ours = home
            .filter(|home| us != 0 || std::fs::metadata(home).map_or(0, |home| home.uid()) == 0);

        let home = Home::User(ours).resolve(us, None).map_err(|failure| {
            let message = format!("cannot determine the state folder: {}", failure.message);
            Failure::new(message).hint("name it with --state-dir DIR")
        })?;
        Ok(state_dir_in(&home))
    }

    /// Returns where that provider keeps its files, such as `~/.claude`.
    pub fn base(&self, provider: &Provider, map_owner: Option<u32>) -> Result<Base, Failure> {
        // As root on another user's map, root's own variables say nothing of that user's CLIs (X2).
        let us = process::user();
        let theirs = map_owner.filter(|owner| us == 0 && *owner != 0);
        let environment =
            if theirs.is_some() { &Environment::default() } else { &self.environment };
        let temporary = provider.temporary_of(theirs.unwrap_or(us), |name| environment.get(name));

        let moved = match self.home {
            Home::Given(_) => None,
            _ => provider.moved_to(|name| environment.get(name)),
        };
        let folder = match moved {
            Some(moved) => absolute(&moved)?,
            None => provider.in_home(&self.home.resolve(us, map_owner)?),
        };
        Ok(Base { folder, temporary })
    }
}
