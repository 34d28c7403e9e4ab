//! `hold -- COMMAND`: holds a session on behalf of this process, which then becomes the command. So the hold
//! begins before the command, and the command has its terminal, signals, group and exit code as if it ran by
//! itself. If the hold cannot be written, a warning says so, and the command runs without it.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::commands::hold::watcher::BeatOptions;
use crate::holds::{Hold, Holds, Subject, TTL};
use crate::model::{Exit, Failure, Timestamp, describe};
use crate::os::create;
use crate::ui;

/// The exit codes of shells for a command that does not exist, and for one that cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// Becomes the command, whether or not the session can be held. Returns only if it cannot be run.
pub(super) fn run(
    holds: Option<&Holds>,
    subject: Subject,
    reason: String,
    options: &BeatOptions,
    command: &[OsString],
    now: Timestamp,
) -> anyhow::Result<Exit> {
    subject.check()?;
    let Some((name, arguments)) = command.split_first() else {
        let failure = Failure::usage("there is no command to run");
        return Err(failure.hint("put it after --, as in -- make test").into());
    };

    // The watcher writes the log; a wrong path is reported now.
    if let Some(Err(error)) = options.log.as_ref().map(|log| create::append(log, b"")) {
        let message = format!("cannot write diagnostics: {}", describe(&error));
        ui::warning(&message, "choose another file with --log FILE");
    }

    // The watcher comes first: it may take a moment to be ready, and the hold begins right before the command.
    let hold = hold(subject, reason, options, now);
    if let Err(error) = options.start_watcher(&hold, holds) {
        let message = format!("cannot start the watcher of the hold: {}", describe(&error));
        ui::warning(
            &message,
            "the hold ends with the command all the same, but is not renewed; check the limits on \
             processes and memory",
        );
    }
    if let Some(Err(failure)) = holds.map(|holds| holds.write(&hold)) {
        ui::warning(
            &format!("the session is not held: {failure}"),
            "the command runs without a hold; use another folder with --state-dir DIR",
        );
    }

    let error = Command::new(name).args(arguments).exec();
    // The hold ends with this process anyway; removed here, its file does not stay until the watcher removes it.
    let _ = holds.map(|holds| holds.release(&hold.key));

    let is_missing = error.kind() == ErrorKind::NotFound;
    let name = if name.is_empty() { "\"\"".into() } else { name.to_string_lossy() };
    let failure = Failure::new(format!("cannot run {name}: {}", describe(&error)))
        .hint("check that the command exists and is executable");
    Err(failure.with(Exit::As(if is_missing { NOT_FOUND } else { NOT_EXECUTABLE })).into())
}

/// Returns the hold of this process.
fn hold(subject: Subject, reason: String, options: &BeatOptions, now: Timestamp) -> Hold {
    let us = std::process::id();
    // The same process may hold several sessions: `hold … -- session-warden hold … -- COMMAND`.
    let key = format!("run-{us}-{}", now.since_1970().as_micros());
    let mut hold = Hold::new(key, subject, reason, now);
    // Another container cannot see the process; there, the hold counts until it has missed three beats.
    hold.live_for(TTL.max(3 * options.every()));
    hold.stand_for([us]);
    hold
}
