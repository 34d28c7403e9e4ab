//! The configuration file: `[clean]` with the defaults of every option, and `[[profile]]` for each
//! bridge.

use rustix::fs::OFlags;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use toml::de::DeValue;

#[cfg(feature = "keepalive")]
use super::keepalive::{Keeping, keeping};
use super::layer::{Bridge, Color, Idle, Layer, Origin, Place};
use super::reader::{Section, Source, Wrong, boolean, number, text, texts};
use super::{Environment, Format, Verbosity};
use crate::map::Address;
use crate::model::{Clock, Failure, IdleThreshold, Missing, Patterns, ProviderIdx, describe};
use crate::provider::PROVIDERS;

/// Where it lies in a home, unless `XDG_CONFIG_HOME` says otherwise, and our part of it.
const CONFIG_IN_HOME: &str = ".config";
const NAME: &str = "session-warden/config.toml";

/// A larger file is no configuration.
const LARGEST: u64 = 1 << 20;

/// What the file says.
#[derive(Debug, Clone, Default)]
pub struct ConfigFile {
    /// Where it is, or would be.
    pub path: Option<PathBuf>,
    /// What named it.
    pub origin: Origin,
    /// Whether there is one.
    pub exists: bool,
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
    /// Exit code 2, with file and line, where it cannot be read or holds what it must not.
    pub fn read(named: Option<&Path>, environment: &Environment) -> Result<Self, Failure> {
        let (named, origin) = match (named, environment.get(super::CONFIG)) {
            (Some(path), _) => (Some(path.to_owned()), Origin::Flag),
            (None, Some(path)) => (Some(path.into()), Origin::Environment(super::CONFIG)),
            (None, None) => (None, Origin::Default),
        };
        let named = named.as_deref().map(super::absolute).transpose()?;
        let must_exist = named.is_some();
        let Some(path) = named.or_else(|| Self::usual_path(environment)) else {
            return Ok(Self::default());
        };
        let failed = |why: &str| {
            let message = format!("cannot read the configuration {}: {why}", path.display());
            Failure::usage(message)
        };
        let bytes = match bytes(&path) {
            Err(error)
                if !must_exist
                    // A link that leads nowhere may lead to a disk that is not there now.
                    && !path.is_symlink()
                    && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(Self { path: Some(path), ..Self::default() });
            }
            Err(error) => {
                let is_gone = error.kind() == ErrorKind::NotFound;
                let hint = match (&origin, is_gone) {
                    (Origin::Environment(_), _) => "correct or unset SESSION_WARDEN_CONFIG",
                    (_, true) => "session-warden config --init writes an example",
                    (_, false) => "check its permissions, or name another file with --config FILE",
                };
                return Err(failed(&describe(&error)).hint(hint));
            }
            Ok(bytes) if bytes.len() as u64 > LARGEST => {
                return Err(
                    failed("it is larger than 1 MiB").hint("name another file with --config FILE")
                );
            }
            Ok(bytes) => bytes,
        };
        // Root in a user's environment would obey that user, with all that root may do.
        let owner = std::fs::metadata(&path).map_or(0, |file| file.uid());
        if !must_exist && crate::process::user() == 0 && owner != 0 {
            return Err(failed(&format!("it belongs to user {owner}, and you are root"))
                .hint("if you trust it, name it with --config FILE"));
        }
        let text = str::from_utf8(&bytes).map_err(|error| {
            let right = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let text = String::from_utf8_lossy(right);
            let source = Source { path: &path, text: &text };
            source.wrong(text.len(), "not UTF-8").hint("save the file as UTF-8")
        })?;
        let file = parse(&path, text, home_of_user(environment).as_deref())?;
        Ok(Self { origin, ..file })
    }

    /// Where the file is looked for: where the environment says, else in the home of the user.
    pub fn usual_path(environment: &Environment) -> Option<PathBuf> {
        // XDG: a relative path there is to be ignored.
        let folder = environment.get("XDG_CONFIG_HOME").map(PathBuf::from);
        let folder = folder
            .filter(|folder| folder.is_absolute())
            .or_else(|| Some(home_of_user(environment)?.join(CONFIG_IN_HOME)))?;
        Some(folder.join(NAME))
    }

    /// What the profile of that name says.
    ///
    /// # Errors
    /// Exit code 2 where there is none.
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
        let failure = Failure::usage(message);
        Err(failure.hint(if names.is_empty() {
            format!("a profile begins with [[profile]] and name = {name:?}")
        } else {
            format!("the profiles are {}", names.join(", "))
        }))
    }
}

fn home_of_user(environment: &Environment) -> Option<PathBuf> {
    let home = environment.get("HOME").map(PathBuf::from);
    home.or_else(|| crate::process::home_of(crate::process::user()).ok())
}

/// The file's bytes, or one more than there may be.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    // NONBLOCK: a FIFO must not make the run wait, before it is seen to be no regular file.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a file of that text says. `home` is what `~/` stands for.
fn parse(path: &Path, text: &str, home: Option<&Path>) -> Result<ConfigFile, Failure> {
    let paths = Paths { folder: path.parent().unwrap_or(path), home };
    let mut document = Source { path, text }.document()?;
    let mut clean = Layer::default();
    if let Some(mut section) = document.section("clean")? {
        clean = shared(&mut section, &paths)?;
        clean.dry_run = section.take("dry_run", "dry_run = false", boolean)?;
        clean.allow_remote_bridge =
            section.take("allow_remote_bridge", "allow_remote_bridge = false", boolean)?;
        clean.providers = section.take("provider", "provider = [\"claude\"]", providers)?;
        clean.ignore_processes =
            section.take("ignore_processes", "ignore_processes = [\"vector\"]", program_names)?;
        clean.max_remove = section.take("max_remove", "max_remove = 100", |value| {
            number(value)?.parse().map_err(|_| "not a whole number".to_owned())
        })?;
        clean.format =
            section.take("format", "format = \"text\"", |value| match &*self::text(value)? {
                "text" => Ok(Format::Text),
                "json" => Ok(Format::Json),
                _ => Err("neither text nor json".to_owned()),
            })?;
        clean.color =
            section.take("color", "color = \"auto\"", |value| match &*self::text(value)? {
                "auto" => Ok(Color::Auto),
                "always" => Ok(Color::Always),
                "never" => Ok(Color::Never),
                _ => Err("neither auto, always nor never".to_owned()),
            })?;
        clean.metrics =
            section.take("metrics", "metrics = \"/path/of.prom\"", |v| paths.read(v))?;
        clean.log = section.take("log", "log = \"/path/of.log\"", |v| paths.read(v))?;
        clean.state_dir =
            section.take("state_dir", "state_dir = \"/path/of/folder\"", |v| paths.read(v))?;
        clean.verbosity = verbosity(&mut section)?;
        section.end()?;
    }
    let mut profiles: Vec<(String, Layer)> = Vec::new();
    for mut section in document.sections("profile")? {
        if !section.has("name") {
            return Err(section
                .wrong("name", "this [[profile]] has no name")
                .hint("for example name = \"dev\""));
        }
        let unlike = |name: &String| profiles.iter().all(|(known, _)| known != name);
        let name = section.take("name", "name = \"dev\"", |value| -> Result<_, String> {
            let name = self::text(value)?;
            let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if name.is_empty() || !name.chars().all(fits) || name.starts_with(['.', '-']) {
                return Err(super::reader::NOT_A_NAME.to_owned());
            }
            if unlike(&name) { Ok(name) } else { Err("already the name of another profile".into()) }
        })?;
        let layer = shared(&mut section, &paths)?;
        section.end()?;
        profiles.push((name.unwrap_or_default(), layer));
    }
    #[cfg(feature = "keepalive")]
    let keeping = keeping(&mut document, &paths)?;
    // Jobs are of no concern to what this build can do.
    #[cfg(not(feature = "keepalive"))]
    document.sections("keepalive")?;
    document.end()?;
    Ok(ConfigFile {
        path: Some(path.to_owned()),
        exists: true,
        clean,
        profiles,
        #[cfg(feature = "keepalive")]
        keeping,
        ..ConfigFile::default()
    })
}

/// What may stand in `[clean]` and in a profile alike.
fn shared(section: &mut Section<'_>, paths: &Paths<'_>) -> Result<Layer, Failure> {
    for (one, other) in [("session_dir", "map"), ("hours", "idle")] {
        if section.has(one) && section.has(other) {
            let what = format!("{one} and {other} cannot be used together");
            return Err(section.wrong(other, &what).hint("remove one of them"));
        }
    }
    let folder =
        section.take("session_dir", "session_dir = \"/tmp/claude_sessions\"", |v| paths.read(v))?;
    let map = section.take("map", "map = \"/path/of/session_map.json\"", |v| paths.read(v))?;
    let hours = section.take("hours", "hours = 2", |value| {
        IdleThreshold::from_hours(&number(value)?).map(Idle::from)
    })?;
    Ok(Layer {
        place: folder.map(Place::Folder).or(map.map(Place::File)),
        idle: section.take("idle", "idle = \"90m\"", idle)?.or(hours),
        home: section.take("home", "home = \"/home/you\"", |v| paths.read(v))?,
        bridge: section.take(
            "bridge",
            "bridge = \"http://127.0.0.1:9000\"",
            |value| match &*text(value)? {
                "auto" => Ok(Bridge::Auto),
                "off" => Ok(Bridge::Off),
                url => Address::parse(url).map(Bridge::Named),
            },
        )?,
        missing: section.take("missing", "missing = \"keep\"", |value| match &*text(value)? {
            "remove" => Ok(Missing::Remove),
            "keep" => Ok(Missing::Keep),
            _ => Err("neither remove nor keep".to_owned()),
        })?,
        clock: section.take("clock", "clock = \"record\"", |value| match &*text(value)? {
            "mtime" => Ok(Clock::Mtime),
            "record" => Ok(Clock::Record),
            _ => Err("neither mtime nor record".to_owned()),
        })?,
        pin: section.take("pin", "pin = [\"team-*\"]", patterns)?.unwrap_or_default(),
        ..Layer::default()
    })
}

fn patterns(value: &DeValue<'_>) -> Result<Vec<String>, Wrong> {
    let mut patterns = Patterns::default();
    texts(value, |text| {
        patterns.add(text).map_err(|why| format!("not a list of patterns: {text:?} is {why}"))
    })
}

fn program_names(value: &DeValue<'_>) -> Result<Vec<String>, Wrong> {
    texts(value, |name| match name {
        "" => Err("not a list of program names: one is empty".to_owned()),
        name if name.contains('/') => {
            Err(format!("not a list of program names: {name:?} is a path"))
        }
        _ => Ok(()),
    })
}

/// One threshold, or a table of them: `default` and some providers' own.
fn idle(value: &DeValue<'_>) -> Result<Idle, Wrong> {
    let DeValue::Table(table) = value else {
        return Ok(IdleThreshold::from_duration(&text(value)?).map(Idle::from)?);
    };
    let mut idle = Idle::default();
    for (name, value) in table {
        let place = match provider(name.get_ref()) {
            Ok(place) => Some(place),
            Err(_) if name.get_ref() == "default" => None,
            Err(_) => {
                let why = format!("set for {:?}, but not for one of {}", name.get_ref(), names());
                return Err(Wrong::within(name, format!("{why}, default")));
            }
        };
        let threshold = text(value.get_ref())
            .and_then(|text| IdleThreshold::from_duration(&text))
            .map_err(|why| Wrong::within(value, format!("{why} for {}", name.get_ref())))?;
        match place {
            Some(place) => idle.special.push((place, threshold)),
            None => idle.usual = Some(threshold),
        }
    }
    Ok(idle)
}

fn providers(value: &DeValue<'_>) -> Result<Vec<String>, Wrong> {
    texts(value, |name| provider(name).map(|_| ()))
}

fn provider(name: &str) -> Result<ProviderIdx, String> {
    let found = (0..).map(ProviderIdx).zip(&PROVIDERS).find(|(_, provider)| provider.name == name);
    found.map(|(index, _)| index).ok_or_else(|| format!("{name:?}, but must be one of {}", names()))
}

fn names() -> String {
    PROVIDERS.each_ref().map(|provider| provider.name).join(", ")
}

fn verbosity(section: &mut Section<'_>) -> Result<Option<Verbosity>, Failure> {
    let both = section
        .wrong("verbose", "quiet and verbose cannot be used together")
        .hint("remove one of them");
    let quiet = section.take("quiet", "quiet = true", boolean)?;
    let verbose = section.take("verbose", "verbose = true", boolean)?;
    if quiet == Some(true) && verbose == Some(true) {
        return Err(both);
    }
    Ok(match (quiet, verbose) {
        (Some(true), _) => Some(Verbosity::Quiet),
        (_, Some(true)) => Some(Verbosity::Verbose),
        (None, None) => None,
        _ => Some(Verbosity::Normal),
    })
}

/// How paths in the file are meant: `~/` is the user's home, and a relative one starts at the
/// file's folder, for a timer works nowhere in particular.
pub(super) struct Paths<'p> {
    folder: &'p Path,
    home: Option<&'p Path>,
}

impl Paths<'_> {
    pub(super) fn read(&self, value: &DeValue<'_>) -> Result<PathBuf, String> {
        let text = text(value)?;
        if text.is_empty() {
            return Err("empty".to_owned());
        }
        if text.contains('\0') {
            return Err("not a path: it contains a NUL character".to_owned());
        }
        if text.starts_with(['~', '$']) && text != "~" && !text.starts_with("~/") {
            return Err("not a plain path: only ~/ is expanded".to_owned());
        }
        let below = if text == "~" { Some("") } else { text.strip_prefix("~/") };
        match (below, self.home) {
            (Some(below), Some(home)) => Ok(home.join(below)),
            (Some(_), None) => Err("in a home folder that is unknown: HOME is not set".to_owned()),
            (None, _) => Ok(self.folder.join(text)),
        }
    }
}
