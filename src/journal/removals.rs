//! What was removed and what was restored: one line each.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

use super::JournalPath;
use crate::model::{Form, Timestamp};

pub(super) const REMOVALS: &str = "removals.jsonl";
pub(super) const RESTORED: &str = "restored.jsonl";
/// The former name of [`RESTORED`].
pub(super) const RESTORED_BEFORE: &str = "put-back.jsonl";

/// How long entries are kept, and how many at most.
const KEPT_SECONDS: u64 = 90 * 86_400;
pub(super) const KEPT_ENTRIES: usize = 100_000;

/// How the map was laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// `{model: {chat: session}}`.
    Today,
    /// `{chat: session}`.
    Legacy,
}

impl PutBack {
    /// When that was.
    pub fn time(&self) -> Option<Timestamp> {
        Timestamp::parse(&self.time)
    }
}

impl From<Form> for Layout {
    fn from(form: Form) -> Self {
        match form {
            Form::Today => Self::Today,
            Form::Legacy => Self::Legacy,
        }
    }
}

/// A mapping that was about to be removed, with all that is needed to restore it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed<'a> {
    /// The run's id.
    pub run: Cow<'a, str>,
    /// When, RFC 3339.
    pub time: Cow<'a, str>,
    /// The map's path, where one is known.
    pub map: Option<JournalPath<'a>>,
    /// The bridge's address, where one was asked.
    pub url: Option<Cow<'a, str>>,
    /// The map's form.
    pub form: Layout,
    /// The bridge's key for the CLI.
    pub model: Cow<'a, str>,
    /// The chat.
    pub chat: Cow<'a, str>,
    /// The chat before it, if it was not the first.
    pub before: Option<Cow<'a, str>>,
    /// The session.
    pub session: Cow<'a, str>,
    /// When that was last used, RFC 3339.
    pub last_used: Option<Cow<'a, str>>,
    /// Why it was removed.
    pub reason: Cow<'a, str>,
}

/// A mapping that was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutBack {
    /// When, RFC 3339.
    pub time: String,
    /// The run that had removed it.
    pub run: String,
    /// The undo that restored it, which is a run of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<String>,
    /// The map's path.
    pub map: Option<JournalPath<'static>>,
    /// The bridge's key for the CLI.
    pub model: String,
    /// The chat.
    pub chat: String,
    /// The session.
    pub session: String,
    /// True if it is in the map again; before, it is only about to be.
    pub done: bool,
    /// True if the run did not remove it after all: another process changed it in the moment between,
    /// so there is nothing to restore.
    #[serde(default)]
    pub void: bool,
}

/// Returns true if an entry of that time is too old to be kept. One without a time is not.
pub fn is_old(time: Option<Timestamp>, now: Timestamp) -> bool {
    time.is_some_and(|time| time.seconds_until(now) > KEPT_SECONDS)
}
