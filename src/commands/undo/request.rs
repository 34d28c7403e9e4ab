//! An undo that was asked for: which mappings to restore, where, and how that is shown.

use std::path::PathBuf;

use crate::config::Format;
use crate::journal::{Journal, RemovalRecord};
use crate::map::Choice;
use crate::model::Timestamp;
use crate::os::interrupt::Interrupt;
use crate::report::Look;

pub(super) struct Request<'a> {
    /// The run as it was typed: a prefix of its id, or `latest`, the default.
    pub(super) run: Option<&'a str>,
    /// The only chat to restore.
    pub(super) chat: Option<&'a str>,
    /// The map, if it was named; otherwise it is where the run found it.
    pub(super) map: Option<PathBuf>,
    pub(super) profile: Option<&'a str>,
    pub(super) dry_run: bool,
    /// Where a bridge might run that holds the map.
    pub(super) bridge: Choice,
    pub(super) allow_remote_bridge: bool,
    pub(super) format: Format,
    pub(super) look: Look,
    pub(super) journal: Journal,
    pub(super) now: Timestamp,
    pub(super) interrupt: &'a Interrupt,
}

/// The removals to undo.
pub(super) struct Target {
    /// The run that removed them.
    pub(super) run: String,
    pub(super) time: Option<Timestamp>,
    /// The removals, in the map's order.
    pub(super) entries: Vec<RemovalRecord<'static>>,
    pub(super) map: PathBuf,
    /// True if that run was named.
    pub(super) is_named: bool,
    /// The newest run that removed something, if that is another one.
    pub(super) newer: Option<String>,
}
