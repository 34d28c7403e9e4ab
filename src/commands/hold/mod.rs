//! `hold`: sessions that are at work are said to be, by whoever knows: around a command, or by the
//! hooks of a CLI that bracket its work.

pub mod args;
pub(crate) mod help;
mod hook;
mod list;
mod mapped;
mod work;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::holds::{Hold, Holds, KEY_LENGTH, Subject};
use crate::model::{Exit, Failure, Timestamp};
use crate::process;

pub use hook::{Hooked, LARGEST, hooked};
pub use list::{write, write_json};
pub use mapped::unmapped;
pub use work::{Around, become_work, run};

/// The programs that a hold lives as long as, unless another process is named.
const CLIS: [&str; 6] = ["claude", "codex", "gemini", "vibe", "vibe-rs", "vibe-app-server"];

/// The longest id, in bytes. The CLIs' own have at most 255.
const ID_LENGTH: usize = 1024;

/// What a hold is for unless somebody says so.
pub const REASON: &str = "tool_exec";

/// A hold that begins.
#[derive(Debug)]
pub struct Start {
    /// What tells it from others. Without one, it is that of a session as a whole, which each CLI that
    /// goes on with it has its own of.
    pub key: Option<String>,
    /// What is held.
    pub subject: Subject,
    /// Why.
    pub reason: String,
    /// The process it lives as long as; else the nearest that started us and is a CLI.
    pub pid: Option<u32>,
    /// How long it lives after a beat where there is no such process.
    pub ttl: Option<Duration>,
    /// Whether a hook says so.
    pub by_hook: bool,
}

/// Begins a hold.
///
/// # Errors
/// Where the process that is named does not live, or the hold cannot be written down.
pub fn start(holds: &Holds, start: Start, now: Timestamp) -> anyhow::Result<Exit> {
    // Who asks for a time to live means that, and not the life of a CLI around it.
    let around = || start.ttl.is_none().then(|| process::named_ancestor(&CLIS)).flatten();
    let pid = start.pid.or_else(around);
    let key = start.key.unwrap_or_else(|| key_of_session(&start.subject, pid));
    check(&key, &start.subject)?;
    let mut hold = Hold::new(key, start.subject, start.reason, now);
    hold.by_hook = start.by_hook;
    if let Some(pid) = start.pid.filter(|pid| !process::is_alive(*pid)) {
        return Err(Failure::new(format!("process {pid} is not running"))
            .hint("--pid needs a running process; without one, use --ttl DURATION")
            .into());
    }
    if let Some(ttl) = start.ttl {
        hold.live_for(ttl);
    }
    hold.stand_for(pid);
    holds.write(&hold)?;
    // What others have left behind goes on the way.
    if let Ok(found) = holds.read(now) {
        holds.sweep(&found, now);
    }
    Ok(Exit::Done)
}

/// Ends the hold of that key. That there is none is no error: it may have ended by itself.
///
/// # Errors
/// Where it cannot be removed.
pub fn stop(holds: &Holds, key: &str) -> anyhow::Result<Exit> {
    check_key(key)?;
    holds.release(key)?;
    Ok(Exit::Done)
}

/// Ends what the hooks of the CLI that has started us hold of that session: for it, that is over. Another
/// one may go on with the same session.
///
/// # Errors
/// Where they cannot be read or removed.
pub fn stop_session(holds: &Holds, session: &str, now: Timestamp) -> anyhow::Result<Exit> {
    let ours = process::named_ancestor(&CLIS);
    let is_its = |hold: &&Hold| {
        let pids = hold.processes.iter().map(|work| work.pid);
        hold.by_hook
            && matches!(&hold.subject, Subject::Session(id) if id == session)
            && ours
                .is_none_or(|ours| pids.clone().count() == 0 || pids.clone().any(|pid| pid == ours))
    };
    for hold in holds.read(now)?.all().filter(is_its) {
        holds.release(&hold.key)?;
    }
    Ok(Exit::Done)
}

/// Says that the hold of that key goes on.
///
/// # Errors
/// Where there is none, or what it stood for has ended: what was to be held is not.
pub fn beat(holds: &Holds, key: &str, now: Timestamp) -> anyhow::Result<Exit> {
    check_key(key)?;
    let mut is_over = false;
    let is_there = holds.change(key, |hold| {
        is_over = hold.is_over(now);
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

/// The key of a session as a whole, as that CLI holds it.
fn key_of_session(subject: &Subject, cli: Option<u32>) -> String {
    let (Subject::Session(id) | Subject::Chat(id)) = subject;
    let mut hash = DefaultHasher::new();
    (id, cli).hash(&mut hash);
    format!("session-{:016x}", hash.finish())
}

fn check(key: &str, subject: &Subject) -> anyhow::Result<()> {
    check_key(key)?;
    let (Subject::Session(id) | Subject::Chat(id)) = subject;
    if id.is_empty() || id.len() > ID_LENGTH {
        let message = format!("an id must have 1 to {ID_LENGTH} bytes; this one has {}", id.len());
        return Err(usage(&message).hint("session-warden list shows chats and sessions").into());
    }
    Ok(())
}

fn check_key(key: &str) -> anyhow::Result<()> {
    if key.is_empty() || key.len() > KEY_LENGTH {
        let message =
            format!("a key must have 1 to {KEY_LENGTH} bytes; this one has {}", key.len());
        return Err(usage(&message).hint("for example --key build-7").into());
    }
    Ok(())
}

pub(super) fn usage(message: &str) -> Failure {
    Failure::usage(message)
}
