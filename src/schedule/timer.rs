//! Types of all methods: the job that a timer runs, an installed timer, and the steps of an installation.

use serde::Serialize;
use std::path::PathBuf;

use super::when::When;
use crate::model::Failure;

/// The name of a timer without a profile.
pub(super) const NAME: &str = "session-warden";

/// The name of the keep-alive timer, which no profile's timer may have.
pub const KEEPALIVE_NAME: &str = "session-warden-keepalive";

/// How something is run again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
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

/// The command that a timer runs, when, and as which user.
#[derive(Debug, Clone)]
pub struct Job {
    pub work: Work,
    /// The program.
    pub binary: PathBuf,
    /// Its arguments, the command first.
    pub arguments: Vec<String>,
    /// The variables in its environment.
    pub variables: Vec<(String, String)>,
    pub when: When,
    /// The user it runs as, for the system's systemd.
    pub user: Option<Account>,
    /// The paths it reads besides its user's home, as far as they are known.
    pub reads: Vec<PathBuf>,
    /// The state folders.
    pub states: Vec<PathBuf>,
    /// The folders it writes to: those of its maps, and the state folders.
    pub writes: Vec<PathBuf>,
    /// Warnings and hints about the program and the environment of its runs.
    pub remarks: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// A clean, perhaps of one profile.
    Clean { profile: Option<String> },
    /// The keep-alive jobs that are due.
    Keepalive,
}

/// A user in the password file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub id: u32,
    pub home: PathBuf,
}

impl Job {
    /// The name of its units.
    pub fn name(&self) -> String {
        match &self.work {
            Work::Clean { profile } => name(profile.as_deref()),
            Work::Keepalive => KEEPALIVE_NAME.to_owned(),
        }
    }

    /// Checks that a text file can hold its arguments and variables so that showing that file moves no cursor and
    /// hides no text. Exit code 2 if they have control characters other than line breaks and tabs.
    pub(super) fn check_text(&self) -> Result<(), Failure> {
        let values = self.variables.iter().map(|(_, value)| value);
        let is_control =
            |letter: char| letter.is_control() && !matches!(letter, '\t' | '\n' | '\r');
        if self.arguments.iter().chain(values).any(|text| text.contains(is_control)) {
            let message = "a timer cannot hold an option or variable with control characters";
            return Err(Failure::usage(message).hint("remove the control characters"));
        }
        Ok(())
    }
}

/// The name of the units of that profile.
pub fn name(profile: Option<&str>) -> String {
    profile.map_or_else(|| NAME.to_owned(), |profile| format!("{NAME}-{profile}"))
}

/// An installed timer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Installed {
    pub method: Method,
    pub name: String,
    /// The user it runs as, with the system's systemd.
    pub user: Option<String>,
    /// Its file, or its line in the crontab.
    pub what: String,
    pub active: bool,
    /// The next and the last run as the method shows them, where it does.
    pub next: Option<String>,
    pub last: Option<String>,
}

impl Installed {
    /// Returns true if it runs keep-alive, and cleans nothing.
    pub fn is_keepalive(&self) -> bool {
        self.name == KEEPALIVE_NAME
    }
}

/// A step of an installation or a removal, for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A new file or line.
    Added(String),
    /// A file or line that was a different one before.
    Replaced(String),
    Unchanged(String),
    Removed(String),
    /// Something else that was done.
    Did(String),
    /// Something that a dry run leaves undone.
    Would(String),
    /// Something that could not be done.
    Problem(String),
    /// Something that may keep the timer from its work, and what to do about it.
    Warning(String, &'static str),
    /// Something that the user should know or do.
    Hint(String),
}

impl Step {
    /// The word for the step, and its text.
    fn label(&self) -> (&'static str, &str) {
        match self {
            Self::Added(text) => ("added", text),
            Self::Replaced(text) => ("replaced", text),
            Self::Unchanged(text) => ("unchanged", text),
            Self::Removed(text) => ("removed", text),
            Self::Did(text) => ("done", text),
            Self::Would(text) => ("would", text),
            Self::Problem(text) => ("problem", text),
            Self::Warning(text, _) => ("warning", text),
            Self::Hint(text) => ("hint", text),
        }
    }

    /// The lines of these steps, each after its word. Warnings with the same advice share one hint.
    pub fn lines(steps: &[Self]) -> Vec<(&'static str, &str)> {
        let mut lines = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            lines.push(step.label());
            let advice = |step: Option<&Self>| match step {
                Some(Self::Warning(_, advice)) => Some(*advice),
                _ => None,
            };
            let own = advice(Some(step));
            let shared = own.filter(|own| advice(steps.get(index + 1)) == Some(own));
            lines.extend(own.filter(|_| shared.is_none()).map(|advice| ("hint", advice)));
        }
        lines
    }

    /// A removal as a dry run shows it.
    pub(super) fn planned(self) -> Self {
        match self {
            Self::Removed(what) => Self::Would(format!("remove {what}")),
            other => other,
        }
    }
}
