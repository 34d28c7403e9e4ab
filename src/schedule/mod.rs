//! Timers: a clean, or keep-alive, that runs again and again, by systemd, cron or launchd, with what was
//! typed and what was set when it was installed, so that it looks where the person looked.
//!
//! Whatever is installed says so itself, in its first line or at its end, and by that it is found
//! again: to be replaced, to be shown, and to be removed, also by a newer version.

pub mod cron;
mod installed_command;
pub mod launchd;
pub mod others;
mod quote;
pub mod systemd;
mod told;
mod tool;
mod unit;
mod when;

use std::path::{Path, PathBuf};

pub use installed_command::{InstalledCommand, parse_installed};
pub use told::lingers;
pub use tool::{Said, Tool};
pub use when::When;

/// The name of what is installed without a profile.
pub const NAME: &str = "session-warden";

/// The name of what is installed for keep-alive, and so of no profile's timer.
pub const KEEP_NAME: &str = "session-warden-keepalive";

/// How something is run again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// A timer of the user's own systemd.
    SystemdUser,
    /// A timer of the system's systemd, which runs as some user.
    SystemdSystem,
    /// A line in the user's crontab.
    Cron,
    /// A macOS agent.
    Launchd,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::SystemdUser, Self::SystemdSystem, Self::Cron, Self::Launchd];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::SystemdUser => "systemd-user",
            Self::SystemdSystem => "systemd-system",
            Self::Cron => "cron",
            Self::Launchd => "launchd",
        }
    }
}

/// What is to be run, when, and as whom.
#[derive(Debug, Clone)]
pub struct Job {
    /// What it does.
    pub work: Work,
    /// The program.
    pub binary: PathBuf,
    /// Its arguments, the command first.
    pub arguments: Vec<String>,
    /// The variables it is to see.
    pub variables: Vec<(String, String)>,
    /// When.
    pub when: When,
    /// The user it runs as, where that is another one.
    pub user: Option<Account>,
    /// What it reads beside its user's home, as far as that is known.
    pub reads: Vec<PathBuf>,
    /// The folders of what its runs remember.
    pub states: Vec<PathBuf>,
    /// The folders it writes to: those of its maps, and the state folder.
    pub writes: Vec<PathBuf>,
}

/// What a timer does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Cleans.
    Clean {
        /// The profile it is for, where it is for one.
        profile: Option<String>,
    },
    /// Runs the keep-alive jobs that are due.
    Keep,
}

/// A user, as the password file knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The name.
    pub name: String,
    /// The number.
    pub id: u32,
    /// The home.
    pub home: PathBuf,
}

impl Job {
    /// What its units are called.
    pub fn name(&self) -> String {
        match &self.work {
            Work::Clean { profile } => name(profile.as_deref()),
            Work::Keep => KEEP_NAME.to_owned(),
        }
    }
}

/// What the units for that profile are called.
pub fn name(profile: Option<&str>) -> String {
    profile.map_or_else(|| NAME.to_owned(), |profile| format!("{NAME}-{profile}"))
}

impl Installed {
    /// Whether it is that of keep-alive, and cleans nothing.
    pub fn is_keep(&self) -> bool {
        self.name == KEEP_NAME
    }
}

/// A file that is to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitFile {
    /// Where.
    pub path: PathBuf,
    /// What it holds.
    pub text: String,
}

/// What is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// By which method.
    pub method: Method,
    /// What it is called.
    pub name: String,
    /// The user it runs as, where that is another one.
    pub user: Option<String>,
    /// The file, or the line of a crontab.
    pub what: String,
    /// Whether it is switched on.
    pub active: bool,
    /// When it runs next, where that is known, for people.
    pub next: Option<String>,
    /// When it ran last, as its method knows it, for people.
    pub last: Option<String>,
}

/// The text of a regular file; what is none could keep a reader waiting.
fn text_of(path: &Path) -> Option<String> {
    std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    std::fs::read_to_string(path).ok()
}

/// The bytes of a regular file.
fn bytes_of(path: &Path) -> Option<Vec<u8>> {
    std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    std::fs::read(path).ok()
}

/// What an installation did, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A file or line that was not there.
    Added(String),
    /// One that was there and is another now.
    Replaced(String),
    /// One that was there already.
    Unchanged(String),
    /// One that has gone.
    Removed(String),
    /// Something else that was done.
    Did(String),
    /// Something that a dry run leaves undone: `remove FILE`.
    Would(String),
    /// Something that could not be done.
    Trouble(String),
    /// Something that the person should know or do.
    Hint(String),
}

impl Step {
    /// A removal as a dry run shows it.
    pub(super) fn planned(self) -> Self {
        match self {
            Self::Removed(what) => Self::Would(format!("remove {what}")),
            other => other,
        }
    }
}
