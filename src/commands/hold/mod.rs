//! `hold`: marks sessions as at work, around a command or by the hooks of a CLI that run before and
//! after its tools. Their files and their lives are in [`crate::holds`].

pub mod args;
pub(crate) mod help;
mod hook;
mod list;
mod mapped;
mod run;
mod watcher;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::holds::{Hold, Holds, Subject, check_key};
use crate::model::{Exit, Failure, Timestamp};
use crate::process;

/// The programs that a hold lives as long as, unless another process is named.
const CLIS: [&str; 6] = ["claude", "codex", "gemini", "vibe", "vibe-rs", "vibe-app-server"];

/// A hold that begins.
#[derive(Debug)]
pub struct Start {
    /// The name of the hold. Without one, it is that of a whole session, and each CLI that continues
    /// the session has its own.
    pub key: Option<String>,
    pub subject: Subject,
    pub reason: String,
    /// The process that it depends on; else the nearest ancestor of this process that is a CLI.
    pub pid: Option<u32>,
    /// How long it lives after a beat without such a process.
    pub ttl: Option<Duration>,
    pub by_hook: bool,
}

/// Begins a hold.
pub fn start(holds: &Holds, start: Start, now: Timestamp) -> anyhow::Result<Exit> {
    let pid = match start.ttl {
        None => start.pid.or_else(|| process::named_ancestor(&CLIS)),
        // A time to live is asked for instead of the life of a CLI.
        Some(_) => start.pid,
    };
    let key = start.key.unwrap_or_else(|| key_of_session(&start.subject, pid));
    check_key(&key)?;
    start.subject.check()?;
    if let Some(pid) = start.pid.filter(|pid| !process::is_alive(*pid)) {
        return Err(Failure::new(format!("process {pid} is not running"))
            .hint("--pid needs a running process; without one, use --ttl DURATION")
            .into());
    }

    let mut hold = Hold::new(key, start.subject, start.reason, now);
    hold.by_hook = start.by_hook;
    if let Some(ttl) = start.ttl {
        hold.live_for(ttl);
    }
    hold.stand_for(pid);
    holds.write(&hold)?;

    // Dead holds of others are removed on the way.
    if let Ok(found) = holds.read(now) {
        holds.sweep(&found, now);
    }
    Ok(Exit::Done)
}

/// Ends the hold of that key. If there is none, it may have ended by itself.
pub fn stop(holds: &Holds, key: &str) -> anyhow::Result<Exit> {
    check_key(key)?;
    holds.release(key)?;
    Ok(Exit::Done)
}

/// Ends the holds of that session that hooks of the CLI around this process have begun: for this CLI,
/// the session is over. Another CLI may continue the same session.
pub fn stop_session(holds: &Holds, session: &str, now: Timestamp) -> anyhow::Result<Exit> {
    let cli = process::named_ancestor(&CLIS);
    for hold in holds.read(now)?.all().filter(|hold| is_by_hook_of(hold, session, cli)) {
        holds.release(&hold.key)?;
    }
    Ok(Exit::Done)
}

fn is_by_hook_of(hold: &Hold, session: &str, cli: Option<u32>) -> bool {
    hold.by_hook
        && matches!(&hold.subject, Subject::Session(id) if id == session)
        && cli.is_none_or(|cli| {
            hold.processes.is_empty() || hold.processes.iter().any(|work| work.pid == cli)
        })
}

/// Renews the hold of that key.
///
/// # Errors
/// If there is none, or its process has ended: then the session is not held.
pub fn beat(holds: &Holds, key: &str, now: Timestamp) -> anyhow::Result<Exit> {
    check_key(key)?;
    let mut is_over = false;
    let is_there = holds.change(key, |hold| {
        is_over = hold.is_over();
        if !is_over {
            hold.beat(now);
        }
    })?;

    let message = match (is_there, is_over) {
        (true, false) => return Ok(Exit::Done),
        (true, true) => format!("the hold {key:?} has ended with its process"),
        (false, _) => format!("there is no hold {key:?}"),
    };
    Err(Failure::new(message).hint("session-warden hold list shows the active holds").into())
}

/// Returns the key of a whole session, as that CLI holds it.
fn key_of_session(subject: &Subject, cli: Option<u32>) -> String {
    let mut hash = DefaultHasher::new();
    (subject.id(), cli).hash(&mut hash);
    format!("session-{:016x}", hash.finish())
}
