//! Where OpenClaw keeps what, as it decides that itself.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::keepalive::openclaw::model::Settings;
use crate::model::describe;
use crate::os::folder::{Folder, Kind};
use crate::process;

/// The variables that say where it is.
pub const VARIABLES: [&str; 7] = [
    "OPENCLAW_STATE_DIR",
    "OPENCLAW_HOME",
    "OPENCLAW_PROFILE",
    "OPENCLAW_CONFIG_PATH",
    "TMPDIR",
    "TMP",
    "TEMP",
];

/// A larger configuration is none.
const LARGEST_CONFIGURATION: u64 = 16 << 20;

const STATE: &str = ".openclaw";
/// What it was called before, the newest name first.
const OLD_STATES: [&str; 3] = [".clawdbot", ".moltbot", ".moldbot"];
const CONFIGURATION: &str = "openclaw.json";
const OLD_CONFIGURATIONS: [&str; 3] = ["clawdbot.json", "moltbot.json", "moldbot.json"];

/// What of the environment says where OpenClaw is.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    home: Option<PathBuf>,
    variables: HashMap<&'static str, OsString>,
}

/// The folders of one OpenClaw.
#[derive(Debug)]
pub struct Folders {
    /// Its state folder, such as `~/.openclaw`.
    pub state: PathBuf,
    /// What its configuration says of sessions.
    pub settings: Settings,
    home: PathBuf,
    temporary: Vec<PathBuf>,
}

impl Surroundings {
    /// Those of an environment that `value` tells.
    pub fn of(value: impl Fn(&str) -> Option<OsString>) -> Self {
        let home = value("HOME").map(PathBuf::from);
        let set = VARIABLES.into_iter().filter_map(|name| Some((name, value(name)?)));
        Self { home, variables: set.collect() }
    }

    /// A variable that says something, trimmed as OpenClaw trims it.
    fn get(&self, name: &str) -> Option<PathBuf> {
        let value = self.variables.get(name)?;
        let text = value.to_str().map(|text| OsStr::new(text.trim()));
        let value = text.unwrap_or(value);
        (!value.is_empty()).then(|| value.into())
    }

    /// Finds the folders, and reads the configuration.
    ///
    /// # Errors
    /// One line that says what is missing or cannot be read.
    pub fn folders(&self) -> Result<Folders, String> {
        let user_home = || match &self.home {
            Some(home) => Ok(home.clone()),
            None => process::home_of(process::user()),
        };
        let said = self.get("OPENCLAW_HOME");
        // What JavaScript makes of a variable that was never set.
        let said = said.filter(|home| home != Path::new("undefined") && home != Path::new("null"));
        let home = match said {
            Some(home) if home.starts_with("~") => under(&home, &user_home()?),
            Some(home) => home,
            None => user_home()?,
        };
        let state = match (self.get("OPENCLAW_STATE_DIR"), self.profile()) {
            (Some(said), _) => under(&said, &home),
            (None, Some(profile)) => home.join(format!("{STATE}-{profile}")),
            (None, None) => {
                let names = [STATE].into_iter().chain(OLD_STATES);
                let found = names.map(|name| home.join(name)).find(|folder| folder.exists());
                found.unwrap_or_else(|| home.join(STATE))
            }
        };
        let state = absolute(&state)?;
        if !state.is_dir() {
            return Err(format!("OpenClaw was not found in {}", state.display()));
        }
        let said = self.get("OPENCLAW_CONFIG_PATH").map(|path| under(&path, &home));
        let settings = settings(said, &state)?;
        Ok(Folders { state, settings, home, temporary: self.temporary() })
    }

    fn profile(&self) -> Option<String> {
        let profile = self.get("OPENCLAW_PROFILE")?.into_os_string().into_string().ok()?;
        // It becomes part of a name.
        let is_one = !profile.eq_ignore_ascii_case("default") && !profile.contains('/');
        is_one.then_some(profile)
    }

    /// Where its gateway may put its lock: as Node tells it, and where it goes without a variable, since the
    /// gateway's environment need not be ours.
    fn temporary(&self) -> Vec<PathBuf> {
        let told = ["TMPDIR", "TMP", "TEMP"].into_iter().find_map(|name| self.get(name));
        let mut all: Vec<PathBuf> = told.into_iter().collect();
        if !all.iter().any(|folder| folder == Path::new("/tmp")) {
            all.push("/tmp".into());
        }
        all
    }
}

impl Folders {
    /// The agents that there are.
    ///
    /// # Errors
    /// Where they cannot be listed.
    pub fn agents(&self) -> Result<Vec<String>, String> {
        let folder = self.state.join("agents");
        let mut all = self.settings.agents.clone();
        let failed = |error| format!("cannot list {}: {}", folder.display(), describe(&error));
        match fs::read_dir(&folder) {
            Ok(listed) => {
                for entry in listed {
                    let entry = entry.map_err(failed)?;
                    let name = entry.file_name().into_string().ok();
                    if entry.path().is_dir() {
                        all.extend(name);
                    }
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        all.sort();
        all.dedup();
        Ok(all)
    }

    /// Where the store of that agent is.
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

    /// Whether all agents have one store.
    pub fn is_shared(&self) -> bool {
        self.settings.store.as_ref().is_some_and(|store| !store.contains("{agentId}"))
    }

    /// The folder of the transcripts of that agent.
    pub fn sessions(&self, agent: &str) -> PathBuf {
        self.state.join("agents").join(agent).join("sessions")
    }

    /// Where that agent's sessions are from 2026.7.2 on.
    pub fn database(&self, agent: &str) -> PathBuf {
        self.state.join("agents").join(agent).join("agent").join("openclaw-agent.sqlite")
    }

    /// Where its gateway may put its lock.
    pub fn gateways(&self) -> Vec<PathBuf> {
        let owner = fs::metadata(&self.state).map_or(process::user(), |state| state.uid());
        let mut users = vec![process::user(), owner];
        users.dedup();
        let of_all = |folder: &PathBuf| {
            let folder = folder.clone();
            users.clone().into_iter().map(move |user| folder.join(format!("openclaw-{user}")))
        };
        self.temporary.iter().flat_map(of_all).collect()
    }
}

/// What the configuration says; nothing where there is none.
fn settings(said: Option<PathBuf>, state: &Path) -> Result<Settings, String> {
    let names = [CONFIGURATION].into_iter().chain(OLD_CONFIGURATIONS);
    let paths: Vec<PathBuf> = match said {
        Some(path) => vec![path],
        None => names.map(|name| state.join(name)).collect(),
    };
    let Some(path) = paths.into_iter().find(|path| path.symlink_metadata().is_ok()) else {
        return Ok(Settings::default());
    };
    let failed =
        |why: String| format!("cannot read OpenClaw's configuration {}: {why}", path.display());
    let is_file = fs::metadata(&path).map_err(|error| failed(describe(&error)))?;
    if !is_file.is_file() || is_file.len() > LARGEST_CONFIGURATION {
        return Err(failed("it is not a regular file of at most 16 MiB".to_owned()));
    }
    let text = fs::read_to_string(&path).map_err(|error| failed(describe(&error)))?;
    Settings::parse(&text).map_err(failed)
}

/// A path that may begin with `~`.
fn under(path: &Path, home: &Path) -> PathBuf {
    path.strip_prefix("~").map_or_else(|_| path.to_owned(), |rest| home.join(rest))
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| describe(&error))
}

/// When each transcript in that folder was last written, by its name; none where there is no folder.
pub(super) fn transcripts(
    folder: &Path,
    found: &mut std::collections::BTreeMap<String, crate::model::Timestamp>,
) -> Result<(), String> {
    let failed = |error| format!("cannot list {}: {}", folder.display(), describe(&error));
    let opened = match Folder::open(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(failed)?,
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
        Ok(std::ops::ControlFlow::Continue(()))
    });
    listed.map_err(failed)
}
