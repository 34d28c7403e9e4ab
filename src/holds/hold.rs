//! One hold: what it holds, why, and how long it lives.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::model::{Timestamp, json_error};
use crate::process;

/// How long a hold lives after its last beat where no process tells whether it is alive.
pub const TTL: Duration = Duration::from_secs(15 * 60);

/// The longest key, in bytes: each may take three in the name of a file, which has 255, and a
/// temporary file beside it has a longer name.
pub const KEY_LENGTH: usize = 64;

/// What is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The session of that id, whoever maps it.
    Session(String),
    /// Whatever session that chat is mapped to.
    Chat(String),
}

impl Subject {
    /// Whether that is the same. UUIDs may be written either way.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Session(one), Self::Session(other)) => one.eq_ignore_ascii_case(other),
            (Self::Chat(one), Self::Chat(other)) => one == other,
            _ => false,
        }
    }
}

/// A process that a hold stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Its id.
    pub pid: u32,
    /// When it started, in clock ticks since the machine did; absent where no system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
}

/// One hold, as its file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The layout of this file.
    schema: u32,
    /// What tells it from other holds.
    pub key: String,
    /// What is held.
    #[serde(flatten)]
    pub subject: Subject,
    /// Why, as in `tool_exec`.
    pub reason: String,
    /// When it began, in RFC 3339.
    since: String,
    /// When somebody last said that it goes on, in RFC 3339.
    last_beat: String,
    /// How long it lives after that where no process tells, in seconds.
    ttl: u64,
    /// Whether a CLI's hook has begun it.
    #[serde(default)]
    pub by_hook: bool,
    /// The processes it stands for: it lives as long as any of them does. With none, a beat counts.
    #[serde(default)]
    pub processes: Vec<Work>,
    /// The name space that their ids are of: in another container they mean nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

impl Hold {
    /// A hold from now on, on behalf of no process.
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
            by_hook: false,
            processes: Vec::new(),
            namespace: None,
        }
    }

    /// What a file holds.
    ///
    /// # Errors
    /// Why it is no hold.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, NoHold> {
        #[derive(Deserialize)]
        struct Layout {
            schema: u32,
        }
        let torn = |error: serde_json::Error| NoHold::Torn(json_error(&error));
        let hold = serde_json::from_slice::<Self>(bytes);
        // The layout alone is asked for only where this is none: there may be hundreds.
        let schema = match &hold {
            Ok(hold) => hold.schema,
            Err(_) => serde_json::from_slice::<Layout>(bytes).map_err(torn)?.schema,
        };
        if schema != 1 {
            return Err(NoHold::Newer(format!(
                "it was written by another version (schema {schema})"
            )));
        }
        let hold = hold.map_err(torn)?;
        // One that never ended would hold for ever.
        if hold.last_beat().is_none() {
            return Err(NoHold::Torn(format!("its last_beat is not a time: {:?}", hold.last_beat)));
        }
        Ok(hold)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        // Nothing in it can fail to be JSON.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Lives as long as these processes, of our own name space, do.
    pub fn stand_for(&mut self, processes: impl IntoIterator<Item = u32>) {
        let work = |pid| Work { pid, started: process::started(pid) };
        self.processes = processes.into_iter().map(work).collect();
        self.namespace = process::namespace().map(str::to_owned);
    }

    /// Lives that long after its last beat, where no process tells.
    pub fn live_for(&mut self, ttl: Duration) {
        self.ttl = ttl.as_secs();
    }

    /// Goes on now.
    pub fn beat(&mut self, now: Timestamp) {
        self.last_beat = now.rfc3339().unwrap_or_default();
    }

    /// When it began.
    pub fn since(&self) -> Option<Timestamp> {
        Timestamp::parse(&self.since)
    }

    /// When somebody last said that it goes on.
    pub fn last_beat(&self) -> Option<Timestamp> {
        Timestamp::parse(&self.last_beat)
    }

    /// Until when it lives unless it beats, where no process of ours tells.
    pub fn until(&self) -> Option<Timestamp> {
        if !self.processes.is_empty() && self.namespace.as_deref() == process::namespace() {
            return None;
        }
        self.last_beat().map(|beat| beat.after(Duration::from_secs(self.ttl)))
    }

    /// Whether it holds anything now. A process is the one that is meant if it started when that did; a
    /// zombie is dead. Where it is not known which name space this is, either is enough.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        let ours = process::namespace();
        let may_be_ours = ours.is_none() || self.namespace.as_deref() == ours;
        // A time that lies ahead is no reason to let go.
        may_be_ours && self.processes.iter().any(Work::is_alive)
            || self.until().is_some_and(|end| end >= now)
    }

    /// Whether it holds nothing any more, and no beat changes that.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until().is_none() && !self.is_alive(now)
    }
}

impl Work {
    fn is_alive(&self) -> bool {
        match process::life(self.pid) {
            Some((is_dead, started)) => {
                !is_dead && self.started.is_none_or(|expected| expected == started)
            }
            None => process::is_alive(self.pid),
        }
    }
}

/// Why a file is no hold.
#[derive(Debug)]
pub(super) enum NoHold {
    /// It is torn, or was never one.
    Torn(String),
    /// Another version has written it.
    Newer(String),
}

impl NoHold {
    /// In one line.
    pub(super) fn why(self) -> String {
        let (Self::Torn(why) | Self::Newer(why)) = self;
        why
    }
}
