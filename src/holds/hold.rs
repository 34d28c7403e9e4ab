//! One hold: its subject and reason, and until when it is alive.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::model::{Failure, Timestamp, json_error};
use crate::process;

/// How long a hold lives after its last beat if no process shows whether it is alive.
pub const TTL: Duration = Duration::from_secs(15 * 60);

/// The longest key, in bytes: each may take three in the name of a file, which has 255, and a
/// temporary file beside it has a longer name.
pub const KEY_LENGTH: usize = 64;

/// The longest id, in bytes. The CLIs' own have at most 255.
const ID_LENGTH: usize = 1024;

/// The session that a hold protects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The session of that id, whichever chat maps it.
    Session(String),
    /// The session that this chat is mapped to at any time.
    Chat(String),
}

impl Subject {
    pub fn id(&self) -> &str {
        let (Self::Session(id) | Self::Chat(id)) = self;
        id
    }

    /// Returns true for the same session or chat. UUIDs may be written either way.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Session(one), Self::Session(other)) => one.eq_ignore_ascii_case(other),
            (Self::Chat(one), Self::Chat(other)) => one == other,
            _ => false,
        }
    }

    /// Refuses an id that is empty or too long.
    pub fn check(&self) -> Result<(), Failure> {
        let length = self.id().len();
        if (1..=ID_LENGTH).contains(&length) {
            return Ok(());
        }

        let message = format!("an id must have 1 to {ID_LENGTH} bytes; this one has {length}");
        Err(Failure::usage(message).hint("session-warden list shows chats and sessions"))
    }
}

/// Refuses a key that is empty or too long.
pub fn check_key(key: &str) -> Result<(), Failure> {
    if (1..=KEY_LENGTH).contains(&key.len()) {
        return Ok(());
    }

    let message = format!("a key must have 1 to {KEY_LENGTH} bytes; this one has {}", key.len());
    Err(Failure::usage(message).hint("for example --key build-7"))
}

/// A process that a hold depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    pub pid: u32,
    /// When it started, in clock ticks since the machine did, if the system shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
}

/// One hold, as its file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The layout of this file.
    schema: u32,
    /// The name of this hold among the others.
    pub key: String,
    #[serde(flatten)]
    pub subject: Subject,
    /// Why the session is held, for example `tool_exec`.
    pub reason: String,
    /// When it began, in RFC 3339.
    since: String,
    /// When it was last renewed, in RFC 3339.
    last_beat: String,
    /// How long it lives after that if no process shows whether it is alive, in seconds.
    ttl: u64,
    /// How long it lives after its last beat even if its process goes on, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at_most: Option<u64>,
    /// True if a CLI's hook has begun it.
    #[serde(default)]
    pub by_hook: bool,
    /// It lives as long as any of these processes. Without one, its last beat counts.
    #[serde(default)]
    pub processes: Vec<Work>,
    /// The PID namespace of their ids: in another container they mean nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

impl Hold {
    /// Returns a hold from now on that depends on no process.
    pub fn new(key: String, subject: Subject, reason: String, now: Timestamp) -> Self {
        let now = now.rfc3339().unwrap_or_default();
        Self {
            schema: 1,
            key,
            subject,
            reason,
            since: now.clone(),
            last_beat: now,
            ttl: TTL.as_secs(),
            at_most: None,
            by_hook: false,
            processes: Vec::new(),
            namespace: None,
        }
    }

    /// Parses the content of a hold's file.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoHold> {
        #[derive(Deserialize)]
        struct Layout {
            schema: u32,
        }

        let hold = serde_json::from_slice::<Self>(bytes);
        // The layout alone is parsed only if this is no hold: there may be hundreds.
        let schema = match &hold {
            Ok(hold) => hold.schema,
            Err(_) => serde_json::from_slice::<Layout>(bytes)?.schema,
        };
        if schema != 1 {
            return Err(NoHold::Newer(format!(
                "it was written by another version (schema {schema})"
            )));
        }

        let hold = hold?;
        // A hold without an end would hold forever.
        if hold.last_beat().is_none() {
            return Err(NoHold::Torn(format!("its last_beat is not a time: {:?}", hold.last_beat)));
        }
        Ok(hold)
    }

    /// Returns the content of its file.
    pub fn bytes(&self) -> Vec<u8> {
        // Nothing in it can fail to be JSON.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Makes it depend on these processes of our own namespace.
    pub fn stand_for(&mut self, processes: impl IntoIterator<Item = u32>) {
        let processes = processes.into_iter();
        self.processes =
            processes.map(|pid| Work { pid, started: process::started(pid) }).collect();
        self.namespace = process::namespace().map(str::to_owned);
    }

    /// Sets how long it lives after its last beat if no process shows whether it is alive.
    pub fn live_for(&mut self, ttl: Duration) {
        self.ttl = ttl.as_secs();
    }

    /// Ends it this long after its last beat, even if its process goes on.
    pub fn live_at_most(&mut self, span: Duration) {
        self.at_most = Some(span.as_secs());
    }

    /// Renews it.
    pub fn beat(&mut self, now: Timestamp) {
        self.last_beat = now.rfc3339().unwrap_or_default();
    }

    pub fn since(&self) -> Option<Timestamp> {
        Timestamp::parse(&self.since)
    }

    pub fn last_beat(&self) -> Option<Timestamp> {
        Timestamp::parse(&self.last_beat)
    }

    /// Returns until when it lives without a beat; nothing if a process of ours decides that.
    pub fn until(&self) -> Option<Timestamp> {
        if !self.processes.is_empty() && self.namespace.as_deref() == process::namespace() {
            return None;
        }
        self.last_beat().map(|beat| beat.after(Duration::from_secs(self.ttl)))
    }

    /// Returns when it ends without a beat even if its process goes on.
    pub fn latest(&self) -> Option<Timestamp> {
        let span = Duration::from_secs(self.at_most?);
        self.last_beat().map(|beat| beat.after(span))
    }

    /// Returns true if it protects its session now. If it is not known which namespace this is, either
    /// a process or a beat is enough.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        // A beat in the future counts: the clock may have been set back.
        let is_in_time = self.latest().is_none_or(|end| end >= now);
        is_in_time && self.has_process() || self.until().is_some_and(|end| end >= now)
    }

    /// Returns true if it protects nothing any more, and no beat changes that.
    pub fn is_over(&self) -> bool {
        self.until().is_none() && !self.has_process()
    }

    /// Returns true if one of its processes runs.
    fn has_process(&self) -> bool {
        let ours = process::namespace();
        let may_be_ours = ours.is_none() || self.namespace.as_deref() == ours;
        may_be_ours
            && self.processes.iter().any(|work| process::is_alive_since(work.pid, work.started))
    }
}

/// Why a file is no hold.
#[derive(Debug)]
pub enum NoHold {
    /// It is torn, or was never a hold.
    Torn(String),
    /// Another version has written it.
    Newer(String),
}

impl From<serde_json::Error> for NoHold {
    fn from(error: serde_json::Error) -> Self {
        Self::Torn(json_error(&error))
    }
}

impl NoHold {
    /// Returns the reason in one line.
    pub fn why(self) -> String {
        let (Self::Torn(why) | Self::Newer(why)) = self;
        why
    }
}
