//! A job of keep-alive, as the configuration defines it.

use std::path::PathBuf;
use std::time::Duration;

use super::local::{Minute, Silence, Zone};
use crate::model::Timestamp;

/// The shortest time between two runs of a job that reaches a provider.
pub const SMALLEST_GAP: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cli {
    Claude,
    Codex,
    Gemini,
}

impl Cli {
    pub const ALL: [Self; 3] = [Self::Claude, Self::Codex, Self::Gemini];

    /// Returns its name in the configuration and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
        }
    }
}

/// The agents of OpenClaw whose sessions are touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agents {
    All,
    These(Vec<String>),
}

/// Returns true if an agent of OpenClaw can have this id: it is the name of a folder.
pub fn is_agent_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 64
        && !id.starts_with(['-', '_'])
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    Named(Vec<String>),
    /// Those whose transcript was written at most that long ago.
    ActiveWithin(Duration),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    pub agents: Agents,
    pub which: Which,
    /// Only while its gateway runs.
    pub while_gateway: bool,
    /// OpenClaw runs in the same container as we do, whatever `/proc` looks like.
    pub same_container: bool,
}

/// A message on Claude's web page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebPing {
    /// The page's scheme, host and port, without a slash at the end.
    pub origin: String,
    /// The file with the session key, if the job names one.
    pub key_file: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Runs a command line of the user's. `expiry_command` is one that prints when it expires.
    Command { command: String, expiry_command: Option<String> },
    /// Has a vendor's CLI take one tiny turn.
    CliPing(Cli),
    /// Has a vendor's CLI renew its login.
    Refresh(Cli),
    /// Keeps sessions of OpenClaw from going stale.
    OpenclawTouch(Touch),
    /// Sends one tiny message on Claude's web page.
    ClaudeWebPing(WebPing),
}

impl Action {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Command { .. } => "command",
            Self::CliPing(_) => "cli-ping",
            Self::Refresh(_) => "refresh",
            Self::OpenclawTouch(_) => "openclaw-touch",
            Self::ClaudeWebPing(_) => "claude-web-ping",
        }
    }

    /// Returns the feature that a build needs for it, besides keep-alive itself.
    pub fn feature(&self) -> Option<&'static str> {
        match self {
            Self::Command { .. } | Self::CliPing(_) | Self::Refresh(_) => None,
            Self::OpenclawTouch(_) => Some("openclaw"),
            Self::ClaudeWebPing(_) => Some("web-ping"),
        }
    }

    /// Returns true if it sends something to a provider. A user's own command may do anything, and
    /// counts as if it did not.
    pub fn reaches_provider(&self) -> bool {
        matches!(self, Self::CliPing(_) | Self::Refresh(_) | Self::ClaudeWebPing(_))
    }

    pub fn cli(&self) -> Option<Cli> {
        match self {
            Self::CliPing(cli) | Self::Refresh(cli) => Some(*cli),
            Self::Command { .. } | Self::OpenclawTouch(_) | Self::ClaudeWebPing(_) => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// That long after it was last done.
    Every(Duration),
    /// Once a day from that minute on, in the job's time zone.
    Daily(Minute),
    /// From that long before something expires.
    BeforeExpiry(Duration),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: String,
    pub action: Action,
    pub when: When,
    /// The zone of its days and of its silence.
    pub zone: Zone,
    pub silence: Option<Silence>,
    /// The shortest time from the start of one run to that of the next; see [`Job::gap`].
    pub min_gap: Duration,
    /// How often one run tries before it has failed.
    pub attempts: u32,
    /// The number of failed runs in a row that disables it; 0 is never.
    pub disable_after: u32,
    /// The command line that runs when it is disabled.
    pub notify: Option<String>,
}

impl Job {
    /// Returns the shortest time between two runs: the one that was set, and no less than
    /// [`SMALLEST_GAP`] if a provider is reached.
    pub fn gap(&self) -> Duration {
        if self.action.reaches_provider() { self.min_gap.max(SMALLEST_GAP) } else { self.min_gap }
    }

    /// Returns the end of the silence that `now` is in, if it is in one. A forced run heeds this, and
    /// nothing else that [`super::due()`] finds.
    pub fn silent_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.silence.and_then(|silence| self.zone.silent_until(silence, now))
    }

    pub(super) fn gives_up_after(&self, failures: u32) -> bool {
        self.disable_after > 0 && failures >= self.disable_after
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobWarning {
    pub message: String,
    pub hint: String,
}
