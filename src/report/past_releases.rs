//! The processes that a past run released, in detail: a table for people, and a part of the run's JSON.

use serde::Serialize;
use std::io::{self, Write};

use super::look::Screen;
use super::process::amount;
use super::table::Table;
use crate::journal::{ReleaseEvent, ReleaseRecord};
use crate::model::escape::escape;

/// A process that a run has ended, or was about to end.
#[derive(Debug, Serialize)]
pub struct PastRelease {
    pid: u32,
    #[serde(rename = "session_id")]
    session: String,
    /// As `model/chat`.
    chats: Vec<String>,
    memory_bytes: Option<u64>,
    outcome: Outcome,
    /// The command that resumes the session by hand.
    resume: String,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Released,
    Ending,
    Kept,
    /// The run was killed, or still runs.
    Unknown,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Ending => "ending",
            Self::Kept => "kept",
            Self::Unknown => "unknown",
        }
    }
}

impl From<&ReleaseRecord> for PastRelease {
    fn from(record: &ReleaseRecord) -> Self {
        Self {
            pid: record.pid,
            session: record.session.clone(),
            chats: record.chats.clone(),
            memory_bytes: record.memory_bytes,
            outcome: match record.event {
                ReleaseEvent::Released => Outcome::Released,
                ReleaseEvent::Ending => Outcome::Ending,
                ReleaseEvent::Kept => Outcome::Kept,
                ReleaseEvent::Planned | ReleaseEvent::Restarted | ReleaseEvent::Other => {
                    Outcome::Unknown
                }
            },
            resume: record.resume.clone(),
        }
    }
}

/// Writes a row for each process, with the command that resumes its session below it.
pub(super) fn write_releases(
    releases: &[PastRelease],
    screen: Screen,
    to: &mut dyn Write,
) -> io::Result<()> {
    let mut table = Table::new(["PROCESS>", "CHAT", "MEMORY>", "OUTCOME"]);
    for one in releases {
        let none = || "-".to_owned();
        let chats = escape(&one.chats.join(", "));
        table.push([
            one.pid.to_string(),
            if chats.is_empty() { none() } else { chats },
            one.memory_bytes.map_or_else(none, amount),
            one.outcome.name().to_owned(),
        ]);
    }
    table.write(screen.look, to, &|number, to| match releases.get(number) {
        Some(one) => writeln!(to, "  {}", escape(&one.resume)),
        None => Ok(()),
    })
}
