//! The paths of OpenClaw's files, found as OpenClaw finds them itself.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::model::Settings;
use crate::model::{Timestamp, describe};
use crate::os::folder::{Folder, Kind, Links};
use crate::os::reading;
use crate::process;

/// The variables that change these paths.
pub const VARIABLES: [&str; 7] = [
    "OPENCLAW_STATE_DIR",
    "OPENCLAW_HOME",
    "OPENCLAW_PROFILE",
    "OPENCLAW_CONFIG_PATH",
    "TMPDIR",
    "TMP",
    "TEMP",
];

/// A larger file is not a configuration.
const LARGEST_CONFIGURATION: u64 = 16 << 20;

const STATE: &str = ".openclaw";
/// Its former names, the newest first.
const OLD_STATES: [&str; 3] = [".clawdbot", ".moltbot", ".moldbot"];
const CONFIGURATION: &str = "openclaw.json";
const OLD_CONFIGURATIONS: [&str; 3] = ["clawdbot.json", "moltbot.json", "moldbot.json"];

/// The part of the environment that decides where OpenClaw is.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    home: Option<PathBuf>,
    variables: HashMap<&'static str, OsString>,
}

#[derive(Debug)]
pub struct Folders {
    pub state: PathBuf,
    pub settings: Settings,
    home: PathBuf,
    temporary: Vec<PathBuf>,
}

impl Surroundings {
    /// Reads the environment; `value` returns the value of a variable.
    pub fn of(value: impl Fn(&str) -> Option<OsString>) -> Self {
        let home = value("HOME").map(PathBuf::from);
        let set = VARIABLES.into_iter().filter_map(|name| Some((name, value(name)?)));
        Self { home, variables: set.collect() }
    }

    /// Returns a variable that is not blank, trimmed as OpenClaw trims it.
    fn get(&self, name: &str) -> Option<PathBuf> {
        let value = self.variables.get(name)?;
        let text = value.to_str().map(|text| OsStr::new(text.trim()));
        let value = text.unwrap_or(value);
        (!value.is_empty()).then(|| value.into())
    }

    pub fn folders(&self) -> Result<Folders, String> {
        let home = self.home()?;
        let state = match (self.get("OPENCLAW_STATE_DIR"), self.profile()) {
            (Some(folder), _) => under(&folder, &home),
            (None, Some(profile)) => home.join(format!("{STATE}-{profile}")),
            (None, None) => {
                let mut folders = [STATE].into_iter().chain(OLD_STATES).map(|name| home.join(name));
                folders.find(|folder| folder.exists()).unwrap_or_else(|| home.join(STATE))
            }
        };
        let state = std::path::absolute(&state).map_err(|error| describe(&error))?;
        if !state.is_dir() {
            return Err(format!("OpenClaw was not found in {}", state.display()));
        }

        let configuration = self.get("OPENCLAW_CONFIG_PATH").map(|path| under(&path, &home));
        let settings = settings(configuration, &state)?;
        Ok(Folders { state, settings, home, temporary: self.temporary() })
    }

    fn home(&self) -> Result<PathBuf, String> {
        let home = self.get("OPENCLAW_HOME");
        // The text of a JavaScript variable that was never set.
        let home = home.filter(|home| home != Path::new("undefined") && home != Path::new("null"));
        match home {
            Some(home) if !home.starts_with("~") => Ok(home),
            relative => {
                let user_home = match &self.home {
                    Some(home) => home.clone(),
                    None => process::home_of(process::user())?,
                };
                Ok(relative.map_or(user_home.clone(), |home| under(&home, &user_home)))
            }
        }
    }

    /// Returns the profile, which becomes part of a name.
    fn profile(&self) -> Option<String> {
        let profile = self.get("OPENCLAW_PROFILE")?.into_os_string().into_string().ok()?;
        let is_valid = !profile.eq_ignore_ascii_case("default") && !profile.contains('/');
        is_valid.then_some(profile)
    }

    /// Returns the folders for temporary files: the one of Node's, and the one without any variable, since
    /// the gateway's environment may differ from ours.
    fn temporary(&self) -> Vec<PathBuf> {
        let set = ["TMPDIR", "TMP", "TEMP"].into_iter().find_map(|name| self.get(name));
        let mut folders: Vec<PathBuf> = set.into_iter().chain(["/tmp".into()]).collect();
        folders.dedup();
        folders
    }
}

impl Folders {
    pub fn agents(&self) -> Result<Vec<String>, String> {
        let mut agents = self.settings.agents.clone();
        agents.extend(list_folders(&self.state.join("agents"))?);
        agents.sort();
        agents.dedup();
        Ok(agents)
    }

    pub fn store(&self, agent: &str) -> PathBuf {
        match &self.settings.store {
            Some(store) => {
                let path = PathBuf::from(store.replace("{agentId}", agent));
                let path = under(&path, &self.home);
                std::path::absolute(&path).unwrap_or(path)
            }
            None => self.sessions(agent).join("sessions.json"),
        }
    }

    /// Returns true if all agents have one store.
    pub fn is_shared(&self) -> bool {
        self.settings.store.as_ref().is_some_and(|store| !store.contains("{agentId}"))
    }

    pub fn sessions(&self, agent: &str) -> PathBuf {
        self.state.join("agents").join(agent).join("sessions")
    }

    /// Returns the path of that agent's sessions from 2026.7.2 on.
    pub fn database(&self, agent: &str) -> PathBuf {
        self.state.join("agents").join(agent).join("agent").join("openclaw-agent.sqlite")
    }

    pub fn gateways(&self) -> Vec<PathBuf> {
        let owner = fs::metadata(&self.state).map_or(process::user(), |state| state.uid());
        let mut users = vec![process::user(), owner];
        users.dedup();
        let folders = self.temporary.iter().flat_map(|folder| {
            users.iter().map(move |user| folder.join(format!("openclaw-{user}")))
        });
        folders.collect()
    }
}

/// Returns the names of the folders in a folder, which need not exist.
fn list_folders(folder: &Path) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(names),
        listed => listed.map_err(|error| cannot_list(folder, &error))?,
    };

    for entry in listed {
        let entry = entry.map_err(|error| cannot_list(folder, &error))?;
        if entry.path().is_dir() {
            names.extend(entry.file_name().into_string());
        }
    }

    Ok(names)
}

fn cannot_list(folder: &Path, error: &io::Error) -> String {
    format!("cannot list {}: {}", folder.display(), describe(error))
}

/// Reads the configuration at `path`, or the one in the state folder, if there is one.
fn settings(path: Option<PathBuf>, state: &Path) -> Result<Settings, String> {
    let names = [CONFIGURATION].into_iter().chain(OLD_CONFIGURATIONS);
    let paths =
        path.map_or_else(|| names.map(|name| state.join(name)).collect(), |path| vec![path]);
    let Some(path) = paths.into_iter().find(|path| path.symlink_metadata().is_ok()) else {
        return Ok(Settings::default());
    };
    read_settings(&path)
        .map_err(|why| format!("cannot read OpenClaw's configuration {}: {why}", path.display()))
}

fn read_settings(path: &Path) -> Result<Settings, String> {
    let bytes = reading::whole(path, Links::Follow, LARGEST_CONFIGURATION)
        .map_err(|error| describe(&error))?;
    Settings::parse(&String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?)
}

/// Returns the path with `home` in place of `~` at its beginning.
fn under(path: &Path, home: &Path) -> PathBuf {
    path.strip_prefix("~").map_or_else(|_| path.to_owned(), |rest| home.join(rest))
}

/// Adds when each transcript in that folder, which need not exist, was last written, by its name.
pub(super) fn add_transcripts(
    folder: &Path,
    found: &mut BTreeMap<String, Timestamp>,
) -> Result<(), String> {
    let opened = match Folder::open(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(|error| cannot_list(folder, &error))?,
    };
    let listed = opened.list(|entry| {
        let name = entry.name();
        if let Some(text) = name.to_str().filter(|text| text.strip_suffix(".jsonl").is_some()) {
            match opened.status(name) {
                Ok(status) if status.kind == Kind::File => {
                    found.insert(text.to_owned(), status.written);
                }
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(ControlFlow::Continue(()))
    });
    listed.map_err(|error| cannot_list(folder, &error))
}
