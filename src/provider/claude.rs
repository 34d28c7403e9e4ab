//! Claude Code: one `<uuid>.jsonl` for each session, in a folder for each working folder.
//!
//! Seen in Claude Code 2.1.329 and 2.0.76. The folders' names cannot be computed, so every folder
//! is listed. Subagents write files of their own: today below a folder called like the session,
//! in older versions beside the sessions as `agent-*.jsonl` with the owner in each line.

use serde::Deserialize;
use std::ffi::{OsStr, OsString};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use super::findings::is_gone;
use super::header::{self, Header};
use super::{Findings, Place, Provider, Records, Uses, Wanted};
use crate::disk::folder::{Entry, Folder, Kind, Links};
use crate::disk::words;
use crate::domain::ids::is_uuid;
use crate::domain::{Activity, IdKind, Timestamp};
use crate::process::{Processes, is_alive, started};

pub(super) const PROVIDER: Provider = Provider {
    name: "claude",
    model: "claude-cli",
    variable: Some(("CLAUDE_CONFIG_DIR", "")),
    folder: ".claude",
    sessions: "projects",
    ids: IdKind::Uuid,
    records: Records::Claude,
    find,
    all,
    in_use,
};

/// An old side file, whose owner is named inside.
struct Side {
    /// The name of its folder, right in the root.
    project: OsString,
    name: OsString,
    /// `None` where that cannot be told, nor what is in it.
    written: Option<Timestamp>,
}

fn find(place: &Place, wanted: &Wanted<'_>, found: &mut Findings) {
    let mut sides = Vec::new();
    found.list(&place.root, |found, entry| {
        let Some(project) = found.open_right_in_root(&place.root, entry) else { return false };
        found.list(&project, |found, file| {
            let is_side = is_side(file.name().as_bytes());
            if is_side {
                sides.extend(side(entry.name().to_owned(), &project, file));
            }
            is_side || look_at(&project, file, wanted, found)
        });
        true
    });
    attribute(sides, &place.root, wanted, found);
}

fn all(place: &Place, found: &mut Findings) -> Vec<String> {
    let mut ids = Vec::new();
    found.list(&place.root, |found, entry| {
        let Some(project) = found.open_right_in_root(&place.root, entry) else { return false };
        found.list(&project, |_, file| {
            let name = file.name().to_str().and_then(|name| name.strip_suffix(".jsonl"));
            ids.extend(name.filter(|stem| is_uuid(stem.as_bytes())).map(str::to_owned));
            true
        });
        true
    });
    ids
}

fn is_side(name: &[u8]) -> bool {
    name.starts_with(b"agent-") && name.ends_with(b".jsonl")
}

/// Takes in what is of a wanted session. Whether it is.
fn look_at(project: &Folder, entry: &Entry<'_>, wanted: &Wanted<'_>, found: &mut Findings) -> bool {
    let name = entry.name().as_bytes();
    if let Some(session) = name.strip_suffix(b".jsonl").and_then(|stem| wanted.find(stem)) {
        // A start that failed leaves an empty file; there is nothing to resume in it.
        if let Some(status) = found.own_status(project, entry.name(), session)
            && status.size > 0
        {
            found.saw_own(project, entry.name(), session, status.written);
        }
        true
    } else if let Some(session) = wanted.find(name) {
        if let Some(own) = found.open_of(project, entry.name(), session)
            && let Some(subagents) = found.open_of(&own, "subagents".as_ref(), session)
        {
            found.sides(&subagents, session, is_side);
        }
        true
    } else {
        false
    }
}

fn side(project: OsString, folder: &Folder, entry: &Entry<'_>) -> Option<Side> {
    let written = match folder.status(entry.name()) {
        Ok(status) if status.kind == Kind::File => Some(status.written),
        Err(error) if is_gone(&error) => return None,
        _ => None,
    };
    Some(Side { project, name: entry.name().to_owned(), written })
}

/// What a running Claude tells of itself in `sessions/<pid>.json`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Running {
    pid: u32,
    session_id: String,
    proc_start: Option<serde_json::Value>,
}

impl Running {
    /// Whether that very process lives: a killed Claude leaves its file behind.
    fn lives(&self) -> bool {
        let told = self.proc_start.as_ref().and_then(|told| match told {
            serde_json::Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        });
        let is_other = told.zip(started(self.pid)).is_some_and(|(told, ticks)| {
            // What `procStart` holds is not documented. A number that is neither the start in clock
            // ticks, nor in seconds since the machine's own, nor a time, is another process's.
            let seconds = ticks / TICKS_PER_SECOND;
            told != ticks && told.abs_diff(seconds) > 1 && told < LEAST_TIME
        });
        is_alive(self.pid) && !is_other
    }
}

/// What Linux counts process times in, whatever the kernel's own clock.
const TICKS_PER_SECOND: u64 = 100;

/// The first of September 2001 in seconds, and as many clock ticks as 115 days have.
const LEAST_TIME: u64 = 1_000_000_000;

/// What `sessions/<pid>.json` is read up to; Claude writes a few hundred bytes.
const LARGEST: u64 = 1 << 20;

fn in_use(base: &Path, wanted: &Wanted<'_>, _: &Processes) -> Uses {
    let mut uses = Uses::default();
    let Some(folder) = uses.open(&base.join("sessions")) else { return uses };
    let listed = folder.list(|entry| {
        let Some(stem) = entry.name().as_bytes().strip_suffix(b".json") else {
            return Ok(ControlFlow::Continue(()));
        };
        match running(&folder, entry.name()) {
            Ok(running) => {
                if let Some(session) = wanted.find(running.session_id.as_bytes())
                    && running.lives()
                {
                    uses.by.insert(session, running.pid);
                }
            }
            // The file of a process that has ended says nothing of now.
            Err(why) => {
                let process = std::str::from_utf8(stem).ok().and_then(|stem| stem.parse().ok());
                if process.is_some_and(is_alive) {
                    uses.unread(&folder.path().join(entry.name()), &why);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    });
    if let Err(error) = listed {
        uses.unread(folder.path(), &words(&error));
    }
    uses
}

/// What that file says, read again where it is in the middle of a write.
fn running(folder: &Folder, name: &OsStr) -> Result<Running, String> {
    let mut why = String::new();
    for wait in [10, 50, 0] {
        let file = folder.read_start(name, LARGEST).map_err(|error| words(&error))?;
        match serde_json::from_slice(&file) {
            Ok(running) => return Ok(running),
            Err(error) => why = format!("it does not say which session runs: {error}"),
        }
        std::thread::sleep(Duration::from_millis(wait));
    }
    Err(why)
}

/// Gives old side files to their owners. Only those that are newer than some wanted session's own
/// file can change anything, so only their first lines are read.
fn attribute(sides: Vec<Side>, root: &Folder, wanted: &Wanted<'_>, found: &mut Findings) {
    let existing = found.activities.iter().filter(|activity| activity.own.is_some());
    let Some(oldest) = existing.filter_map(Activity::last_used).min() else { return };
    let path = |side: &Side| root.path().join(&side.project).join(&side.name);
    let mut unread = None;
    let mut readable = Vec::new();
    for side in sides {
        match side.written {
            Some(written) if written > oldest => readable.push((side, written)),
            Some(_) => {}
            None => {
                unread = Some(Timestamp::MAX);
                found.missed(&[], &path(&side), Timestamp::MAX, false, "not a regular file");
            }
        }
    }
    let read = |(side, written): &(Side, Timestamp)| {
        let project = root.open_in(&side.project, Links::Follow)?;
        let header = header::read(&project, &side.name, "sessionId")?;
        // What was last written long ago is not in the middle of a write.
        Ok(if wanted.is_active_at(*written) { header } else { header.or_without() })
    };
    header::read_all(readable, read, |(side, written), header| {
        let why = match header {
            Ok(Header::Text(owner)) => {
                if let Some(owner) = wanted.find(owner.as_bytes()) {
                    if let Ok(project) = root.open_in(&side.project, Links::Follow) {
                        found.saw_side(&project, &side.name, owner, written);
                    } else {
                        found.saw_side_at(owner, written);
                    }
                }
                return;
            }
            // Whosever it is, it makes nobody active.
            _ if !wanted.is_active_at(written) => return,
            Ok(Header::Without | Header::Torn) => "its first line does not name a session".into(),
            Err(error) if is_gone(&error) => return,
            Err(error) => words(&error),
        };
        unread = unread.max(Some(written));
        found.missed(&[], &path(&side), written, false, &why);
    });
    if let Some(newest) = unread {
        for activity in &mut found.activities {
            activity.missed(newest, false);
        }
    }
}
