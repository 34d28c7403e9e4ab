//! `hold`: marks sessions as at work, around a command or by the hooks of a CLI that run before and
//! after its turns and tools. Their files and their lives are in [`crate::holds`].

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

/// The beginning of the keys of turns, and of what they leave in the background.
const TURN: &str = "turn";
const BACKGROUND: &str = "background";

/// How long a turn holds its session at most: a CLI that is interrupted runs no hook at its end.
const LONGEST_TURN: Duration = Duration::from_secs(24 * 60 * 60);

/// A hold that begins.
#[derive(Debug)]
pub struct Start {
    /// The name of the hold. Without one, it is that of a turn.
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
    let cli = process::named_ancestor(&CLIS);
    // A time to live is asked for instead of the life of a CLI.
    let pid = start.pid.or(cli.filter(|_| start.ttl.is_none()));
    let is_turn = start.key.is_none();
    let key = start.key.unwrap_or_else(|| key_in(cli, TURN, &start.subject));
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
    if is_turn {
        hold.live_at_most(LONGEST_TURN);
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

/// Ends the hold of a turn of that session, but not that of work in the background.
pub fn stop_turn(holds: &Holds, session: String) -> anyhow::Result<Exit> {
    let cli = process::named_ancestor(&CLIS);
    holds.release(&key_in(cli, TURN, &Subject::Session(session)))?;
    Ok(Exit::Done)
}

/// Ends a turn of that session that leaves work in the background. The session is held for that reason
/// as long as the CLI runs, or until a turn ends without such work.
pub fn keep_in_background(
    holds: &Holds,
    session: String,
    reason: &str,
    now: Timestamp,
) -> anyhow::Result<Exit> {
    let subject = Subject::Session(session.clone());
    let key = key_in(process::named_ancestor(&CLIS), BACKGROUND, &subject);
    let background = Start {
        key: Some(key),
        subject,
        reason: reason.to_owned(),
        pid: None,
        ttl: None,
        by_hook: true,
    };

    // The turn's own hold ends last, so that the session is held at any time.
    start(holds, background, now)?;
    stop_turn(holds, session)
}

/// Ends the holds of that session that hooks of the CLI around this process have begun: this CLI has
/// ended its session, or a turn that leaves nothing in the background. Another CLI may continue the
/// same session.
pub fn stop_all(holds: &Holds, session: &str, now: Timestamp) -> anyhow::Result<Exit> {
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

/// Returns the key of that kind of hold. Each CLI that continues the session has its own.
fn key_in(cli: Option<u32>, kind: &str, subject: &Subject) -> String {
    let mut hash = DefaultHasher::new();
    (subject.id(), cli).hash(&mut hash);
    format!("{kind}-{:016x}", hash.finish())
}
