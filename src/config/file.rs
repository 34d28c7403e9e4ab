//! The configuration file: `[clean]` with the defaults of every option, `[[profile]]` for each bridge, and the
//! jobs of keep-alive.

use serde::Deserialize;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::environment::{CONFIG, Environment};
use super::folders::{ConfigPaths, absolute};
use super::handed::{Handed, handed};
#[cfg(feature = "keepalive")]
use super::keepalive::Keeping;
use super::layers::Origin;
use super::options::{AskArgs, Layer, PlaceArgs, ReleaseArgs};
use super::table::{Source, Table};
use super::values;
use crate::model::{Failure, describe};
use crate::os::folder::Links;
use crate::os::reading;
use crate::process;

/// Its place in a home, unless `XDG_CONFIG_HOME` says otherwise, and our part of it.
const CONFIG_IN_HOME: &str = ".config";
const NAME: &str = "session-warden/config.toml";

/// The most bytes of a configuration.
const LARGEST: u64 = 1 << 20;

/// The keys of a profile; `[clean]` has more.
const PROFILE_KEYS: [&str; 15] = [
    "name",
    "session_dir",
    "map",
    "map_format",
    "hours",
    "idle",
    "home",
    "bridge",
    "missing",
    "clock",
    "pin",
    "release",
    "release_after",
    "max_release",
    "release_accepts",
];

/// The content of the file.
#[derive(Debug, Clone, Default)]
pub struct ConfigFile {
    /// Where it is, or would be.
    pub path: Option<PathBuf>,
    /// The flag or the variable that names it.
    pub origin: Origin,
    pub exists: bool,
    /// Its text, if it exists.
    pub text: Option<String>,
    /// The section `[clean]`.
    pub clean: Layer,
    /// The profiles, in the order of the file.
    pub profiles: Vec<(String, Layer)>,
    /// The jobs of keep-alive.
    #[cfg(feature = "keepalive")]
    pub keeping: Keeping,
}

impl ConfigFile {
    /// Reads the file that was named, here or in the environment, which must exist, or the usual one, which
    /// need not.
    ///
    /// # Errors
    /// Exit code 2, with file and line.
    pub fn read(named: Option<&Path>, environment: &Environment) -> Result<Self, Failure> {
        if let Some(handed) = handed() {
            return Self::of_root(handed);
        }

        let (named, origin) = match (named, environment.get(CONFIG)) {
            (Some(path), _) => (Some(path.to_owned()), Origin::Flag),
            (None, Some(path)) => (Some(path.into()), Origin::Environment(CONFIG)),
            (None, None) => (None, Origin::Default),
        };

        let named = named.as_deref().map(absolute).transpose()?;
        let must_exist = named.is_some();
        let Some(path) = named.or_else(|| Self::usual_path(environment)) else {
            return Ok(Self::default());
        };

        let bytes = match bytes(&path) {
            Ok(bytes) => bytes,
            // A link that leads nowhere may lead to a disk that is not mounted now.
            Err(error)
                if !must_exist
                    && !path.is_symlink()
                    && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(Self { path: Some(path), ..Self::default() });
            }
            Err(error) => {
                let hint = match (&origin, error.kind()) {
                    (Origin::Environment(_), _) => "correct or unset SESSION_WARDEN_CONFIG",
                    (_, ErrorKind::NotFound) => "session-warden config --init writes an example",
                    _ => "check its permissions, or name another file with --config FILE",
                };
                return Err(unreadable(&path, &describe(&error)).hint(hint));
            }
        };
        if bytes.len() as u64 > LARGEST {
            let failure = unreadable(&path, "it is larger than 1 MiB");
            return Err(failure.hint("name another file with --config FILE"));
        }

        check_owner(&path, must_exist)?;

        let text = str::from_utf8(&bytes).map_err(|error| {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let text = String::from_utf8_lossy(valid);
            let source = Source { path: &path, text: &text };
            source.wrong(text.len(), "not UTF-8").hint("save the file as UTF-8")
        })?;
        let file = Self::parse(&path, text, environment.home().as_deref())?;
        Ok(Self { origin, ..file })
    }

    /// Reads the configuration that root has handed over. Its `~/` is root's home.
    fn of_root(handed: &Handed) -> Result<Self, Failure> {
        match &handed.config {
            Some((path, Some(text))) => Self::parse(path.as_path(), text, handed.home().as_deref()),
            Some((path, None)) => {
                Ok(Self { path: Some(path.as_path().to_owned()), ..Self::default() })
            }
            None => Ok(Self::default()),
        }
    }

    /// Returns the path of the file if none is named.
    pub fn usual_path(environment: &Environment) -> Option<PathBuf> {
        // XDG: a relative path there is to be ignored.
        let folder = environment.get("XDG_CONFIG_HOME").map(PathBuf::from);
        let folder = folder
            .filter(|folder| folder.is_absolute())
            .or_else(|| Some(environment.home()?.join(CONFIG_IN_HOME)))?;
        Some(folder.join(NAME))
    }

    /// Reads that text. `home` is the meaning of `~/`.
    fn parse(path: &Path, text: &str, home: Option<&Path>) -> Result<Self, Failure> {
        let paths = ConfigPaths { folder: path.parent().unwrap_or(path), home };
        let mut document = Source { path, text }.parse()?;
        let mut file = Self {
            path: Some(path.to_owned()),
            exists: true,
            text: Some(text.to_owned()),
            ..Self::default()
        };

        if let Some(mut table) = document.table("clean")? {
            file.clean = layer(&mut table, &paths)?;
            table.end()?;
        }

        for mut table in document.tables("profile")? {
            let ProfileName { name } = table.read()?;
            let name = table.parse("name", &*name, values::name)?;
            if file.profiles.iter().any(|(known, _)| *known == name) {
                return Err(table.wrong_value("name", "already the name of another profile"));
            }
            table.check(&PROFILE_KEYS)?;
            file.profiles.push((name, layer(&mut table, &paths)?));
        }

        let jobs = document.tables("keepalive")?;
        #[cfg(feature = "keepalive")]
        for mut table in jobs {
            file.keeping.add(&mut table, &paths)?;
            table.end()?;
        }
        // Without keep-alive, the content of a job does not matter.
        #[cfg(not(feature = "keepalive"))]
        drop(jobs);
        document.end()?;
        Ok(file)
    }

    /// Returns the settings of the profile of that name.
    ///
    /// # Errors
    /// Exit code 2 if there is no such profile.
    pub fn profile(&self, name: &str) -> Result<&Layer, Failure> {
        if let Some((_, layer)) = self.profiles.iter().find(|(known, _)| known == name) {
            return Ok(layer);
        }
        let path = self.path.as_deref().unwrap_or(Path::new(NAME)).display();
        let message = if self.exists {
            format!("there is no profile {name:?} in {path}")
        } else {
            format!("there is no profile {name:?}: the configuration {path} does not exist")
        };

        let names: Vec<&str> = self.profiles.iter().map(|(name, _)| name.as_str()).collect();
        Err(Failure::usage(message).hint(if names.is_empty() {
            format!("a profile begins with [[profile]] and name = {name:?}")
        } else {
            format!("the profiles are {}", names.join(", "))
        }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileName {
    name: String,
}

/// Reads the settings of `[clean]` or of a profile.
fn layer(table: &mut Table<'_>, paths: &ConfigPaths<'_>) -> Result<Layer, Failure> {
    for (one, other) in [("session_dir", "map"), ("hours", "idle")] {
        if table.has(one) && table.has(other) {
            let what = format!("{one} and {other} cannot be used together");
            return Err(table.wrong(other, &what).hint("remove one of them"));
        }
    }

    let place = PlaceArgs { map: table.read()?, ..table.read()? };
    let ask = AskArgs { place, bridge: table.read()?, ..table.read()? };
    let (format, color, state) = (table.read()?, table.read()?, table.read()?);
    let release = ReleaseArgs { after: table.read()?, ..table.read()? };
    let mut layer = Layer { ask, release, format, color, state, ..table.read()? };

    table.check_each("pin", &layer.ask.pin, values::check_pattern)?;
    table.check_each("provider", layer.ask.provider.iter().flatten(), values::check_provider)?;
    let programs = layer.ignore_processes.iter().flatten();
    table.check_each("ignore_processes", programs, values::check_program_name)?;
    for (key, path) in layer.paths_mut() {
        if let Some(path) = path {
            *path = table.parse(key, &*path, |path| paths.expand(path))?;
        }
    }

    if layer.quiet == Some(true) && layer.verbose == Some(true) {
        let failure = table.wrong("verbose", "quiet and verbose cannot be used together");
        return Err(failure.hint("remove one of them"));
    }
    Ok(layer)
}

/// Refuses a file that others may write to, and another user's unless it was named.
fn check_owner(path: &Path, is_named: bool) -> Result<(), Failure> {
    // Root in a user's environment would obey that user, with all that root may do. One that is named may be
    // another user's, as a timer of the system names it.
    let owner = std::fs::metadata(path).map_or(0, |file| file.uid());
    let us = process::user();
    let is_trusted = owner == us || owner == 0;
    if !is_named && !is_trusted {
        let why = format!("it belongs to user {owner}, and you are {}", name_or_id(us));
        return Err(unreadable(path, &why).hint("if you trust it, name it with --config FILE"));
    }
    match process::distrusted(path).filter(|_| is_trusted) {
        Some((why, fix)) => Err(unreadable(path, &why).hint(fix)),
        None => Ok(()),
    }
}

fn name_or_id(user: u32) -> String {
    process::name_of(user).unwrap_or_else(|| format!("user {user}"))
}

fn unreadable(path: &Path, why: &str) -> Failure {
    Failure::usage(format!("cannot read the configuration {}: {why}", path.display()))
}

/// Returns the file's bytes; of a file that is too large, one more than the most.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    // A link is followed: configurations are often kept elsewhere.
    let file = reading::open(path, Links::Follow)?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
