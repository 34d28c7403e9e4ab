//! The records of removed and of restored mappings: one line each.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

use super::map_of_run::OfRun;
use super::path::JournalPath;
use crate::model::{Form, Timestamp};

pub(super) const REMOVALS: &str = "removals.jsonl";
pub(super) const RESTORED: &str = "restored.jsonl";
/// The former name of [`RESTORED`].
pub(super) const RESTORED_BEFORE: &str = "put-back.jsonl";

/// How many bytes of removals a run may record. A run that would remove more leaves the rest to the next one.
pub const LARGEST_RUN: u64 = 64 << 20;

/// How long entries are kept, and how many at most.
const KEPT_SECONDS: u64 = 90 * 86_400;
pub(super) const KEPT_ENTRIES: usize = 100_000;

/// The form of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// `{model: {chat: session}}`.
    Today,
    /// `{chat: session}`.
    Legacy,
}

impl From<Form> for Layout {
    fn from(form: Form) -> Self {
        match form {
            Form::Today => Self::Today,
            Form::Legacy => Self::Legacy,
        }
    }
}

/// A mapping that was removed by a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MappingKey {
    pub run: String,
    pub model: String,
    pub chat: String,
}

/// A mapping that was about to be removed, with all that is needed to restore it. Times are RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovalRecord<'a> {
    pub run: Cow<'a, str>,
    pub time: Cow<'a, str>,
    /// The map's path, if it is known. It is written once for each run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<JournalPath>,
    /// The bridge's address, if one was asked. It is written once for each run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Cow<'a, str>>,
    pub form: Layout,
    pub model: Cow<'a, str>,
    pub chat: Cow<'a, str>,
    /// The chat before it, if it was not the first.
    pub before: Option<Cow<'a, str>>,
    pub session: Cow<'a, str>,
    /// When the session was last used.
    pub last_used: Option<Cow<'a, str>>,
    /// Why it was removed.
    pub reason: Cow<'a, str>,
}

impl RemovalRecord<'_> {
    pub fn key(&self) -> MappingKey {
        MappingKey {
            run: self.run.to_string(),
            model: self.model.to_string(),
            chat: self.chat.to_string(),
        }
    }
}

impl OfRun for RemovalRecord<'_> {
    fn run(&self) -> &str {
        &self.run
    }

    fn complete(&mut self, map: Option<&JournalPath>, url: Option<&str>) {
        self.map = self.map.take().or_else(|| map.cloned());
        self.url = self.url.take().or_else(|| url.map(|url| url.to_owned().into()));
    }
}

/// A mapping that was restored, or was not removed after all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreRecord {
    /// RFC 3339.
    pub time: String,
    /// The run that had removed it.
    pub run: String,
    /// The undo that restored it, which is a run of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<String>,
    /// Written once for each run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<JournalPath>,
    pub model: String,
    pub chat: String,
    pub session: String,
    /// True if it is in the map again; before, it is only about to be.
    pub done: bool,
    /// True if the run did not remove it after all: another process changed it in the moment between,
    /// so there is nothing to restore.
    #[serde(default)]
    pub void: bool,
}

impl OfRun for RestoreRecord {
    fn run(&self) -> &str {
        &self.run
    }

    fn complete(&mut self, map: Option<&JournalPath>, _: Option<&str>) {
        self.map = self.map.take().or_else(|| map.cloned());
    }
}

impl RestoreRecord {
    pub fn key(&self) -> MappingKey {
        let (run, model, chat) = (self.run.clone(), self.model.clone(), self.chat.clone());
        MappingKey { run, model, chat }
    }

    pub fn time(&self) -> Option<Timestamp> {
        Timestamp::parse(&self.time)
    }

    pub fn restored(&self) -> Restored {
        if self.done { Restored::At(self.time()) } else { Restored::Unknown }
    }
}

/// Whether an undo restored a mapping. A later variant outweighs an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Restored {
    No,
    /// An undo was about to, and did not record that it did.
    Unknown,
    /// An undo restored it, at that time.
    At(Option<Timestamp>),
}

/// Returns true if an entry of that time is too old to be kept. One without a time is not.
pub fn is_old(time: Option<Timestamp>, now: Timestamp) -> bool {
    time.is_some_and(|time| time.seconds_until(now) > KEPT_SECONDS)
}
