//! `hold list`: the active holds, the oldest first, as text and as JSON.

use serde_json::json;
use std::io::{self, Write};

use crate::holds::{Hold, Subject};
use crate::model::escape::escape;
use crate::model::plain_json::write_plain;
use crate::model::{Timestamp, Zone};
use crate::report::{age, padded, shortened};

/// Writes two lines for each, with times in that zone.
pub(super) fn write(
    holds: &[Hold],
    now: Timestamp,
    zone: Zone,
    out: &mut dyn Write,
) -> io::Result<()> {
    if holds.is_empty() {
        return writeln!(out, "No active holds.");
    }

    writeln!(out, "{:>7}  {:<15}  SESSION OR CHAT", "FOR", "REASON")?;
    for hold in holds {
        let span = hold.since().map_or_else(|| "-".to_owned(), |at| age(at.seconds_until(now)));
        let id = match &hold.subject {
            Subject::Session(id) => id.clone(),
            Subject::Chat(id) => format!("chat {id}"),
        };
        let reason = padded(&shortened(&escape(&hold.reason), 15), 15);
        writeln!(out, "{span:>7}  {reason}  {}", shortened(&escape(&id), 54))?;
        writeln!(
            out,
            "{:9}key {}, {}",
            "",
            shortened(&escape(&hold.key), 64),
            lives(hold, now, zone)
        )?;
    }
    Ok(())
}

pub(super) fn write_json(holds: &[Hold], out: &mut dyn Write) -> io::Result<()> {
    let holds: Vec<_> = holds.iter().map(row).collect();
    let report = json!({ "schema": 1, "version": env!("CARGO_PKG_VERSION"), "holds": holds });
    write_plain(&report, out)
}

fn row(hold: &Hold) -> serde_json::Value {
    let (session, chat) = match &hold.subject {
        Subject::Session(id) => (Some(id), None),
        Subject::Chat(id) => (None, Some(id)),
    };
    json!({
        "key": hold.key,
        "session_id": session,
        "chat_id": chat,
        "reason": hold.reason,
        "since": hold.since().and_then(Timestamp::rfc3339),
        "last_beat": hold.last_beat().and_then(Timestamp::rfc3339),
        "until": hold.until().or(hold.latest()).and_then(Timestamp::rfc3339),
        "pids": hold.processes.iter().map(|work| work.pid).collect::<Vec<_>>(),
    })
}

fn lives(hold: &Hold, now: Timestamp, zone: Zone) -> String {
    if let Some(until) = hold.until() {
        return format!("until {} unless renewed", until.shown(zone));
    }
    let pids: Vec<String> = hold.processes.iter().map(|work| work.pid.to_string()).collect();
    let left = hold.latest().map(|latest| age(now.seconds_until(latest)));
    let at_most = left.map(|left| format!(", {left} at most")).unwrap_or_default();
    format!("while process {} runs{at_most}", pids.join(" or "))
}
