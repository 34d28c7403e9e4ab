//! What a user wants kept alive: a job, as the configuration tells it.

use std::path::PathBuf;
use std::time::Duration;

use super::{Minute, Silence, Zone};
use crate::model::Timestamp;

/// The shortest time between two runs of a job that reaches a provider.
pub const SMALLEST_GAP: Duration = Duration::from_secs(120);

/// A vendor's own program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cli {
    /// Claude Code.
    Claude,
    /// Codex.
    Codex,
    /// Gemini CLI.
    Gemini,
}

impl Cli {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Claude, Self::Codex, Self::Gemini];

    /// What it is called, in the configuration and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
        }
    }
}

/// Whose sessions of OpenClaw are touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agents {
    /// Those of every agent that there is.
    All,
    /// Those of these.
    These(Vec<String>),
}

/// Returns true if an agent of OpenClaw can have this id: it is the name of a folder.
pub fn is_agent_id(id: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    !id.is_empty() && id.len() <= 64 && !id.starts_with(['-', '_']) && id.chars().all(fits)
}

/// Which sessions of OpenClaw are touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Those of these keys.
    Named(Vec<String>),
    /// Those whose transcript was written at most that long ago.
    ActiveWithin(Duration),
}

/// A touch of sessions of OpenClaw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// Whose.
    pub agents: Agents,
    /// Which.
    pub which: Which,
    /// Only while its gateway runs.
    pub while_gateway: bool,
    /// OpenClaw runs where we do, whatever container that is.
    pub same_container: bool,
}

/// A message on Claude's web page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebPing {
    /// Where that page is: scheme, host and port, without a slash at its end.
    pub origin: String,
    /// The file with the session key, where one is named.
    pub key_file: Option<PathBuf>,
}

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Runs a program of the user's.
    Command {
        /// The program's command line.
        command: String,
        /// The command line of what prints when it expires.
        expiry_command: Option<String>,
    },
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
    /// What the configuration calls it.
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

    /// Whether a provider gets to see it. Of a user's own command nobody knows.
    pub fn reaches_provider(&self) -> bool {
        match self {
            Self::Command { .. } | Self::OpenclawTouch(_) => false,
            Self::CliPing(_) | Self::Refresh(_) | Self::ClaudeWebPing(_) => true,
        }
    }
}

/// When a job is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// That long after it was last done.
    Every(Duration),
    /// Once a day from that minute on, in the job's time zone.
    Daily(Minute),
    /// From that long before something expires.
    BeforeExpiry(Duration),
}

/// One job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What its user calls it.
    pub id: String,
    /// What it does.
    pub action: Action,
    /// When it does so.
    pub when: When,
    /// Where its days and its silence are.
    pub zone: Zone,
    /// When it must not run.
    pub silence: Option<Silence>,
    /// The shortest time from the beginning of one run to that of the next; see [`Job::gap`].
    pub min_gap: Duration,
    /// How often one run tries before it has failed.
    pub attempts: u32,
    /// After how many failed runs in a row it is disabled; 0 is never.
    pub disable_after: u32,
    /// The command line that is told when it is disabled.
    pub notify: Option<String>,
}

impl Job {
    /// The shortest time between two runs: what the user wants, and no less than [`SMALLEST_GAP`]
    /// where a provider is reached.
    pub fn gap(&self) -> Duration {
        if self.action.reaches_provider() { self.min_gap.max(SMALLEST_GAP) } else { self.min_gap }
    }

    /// The end of the silence that `now` lies in; nothing where it lies in none. A run that somebody
    /// forces heeds this, and nothing else that [`super::due()`] says.
    pub fn silent_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.silence.and_then(|silence| self.zone.silent_until(silence, now))
    }

    pub(super) fn gives_up_after(&self, failures: u32) -> bool {
        self.disable_after > 0 && failures >= self.disable_after
    }
}

/// A setting of a job that makes little sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobWarning {
    /// What is wrong, in one line.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}
