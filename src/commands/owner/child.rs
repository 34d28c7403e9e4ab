//! The child: it becomes the owner, then runs the command with the settings that root has handed over.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::sync::OnceLock;

use super::Returned;
use crate::config::Handed;
use crate::model::{Failure, describe};
use crate::process::become_user;

/// The first word of the child, which no user types: `__as USER SETTINGS RESULT WORDS…`, the middle two as
/// descriptors.
pub(crate) const AS_OWNER: &str = "__as";

/// Where the result goes.
static RESULT: OnceLock<File> = OnceLock::new();

/// If the words are those of the child, becomes the owner, takes the settings, and returns the words of the command.
pub(crate) fn become_owner(words: Vec<OsString>) -> Result<Vec<OsString>, Failure> {
    let [program, mark, user, settings, result, rest @ ..] = &words[..] else { return Ok(words) };
    if mark != AS_OWNER {
        return Ok(words);
    }

    let number = |word: &OsString| word.to_str()?.parse::<u32>().ok();
    let numbers = (number(user), number(settings), number(result));
    let (Some(user), Some(settings), Some(result)) = numbers else {
        return Err(broken("its words are not those of a run by root"));
    };
    take(user, settings, result)?;
    Ok([program].into_iter().chain(rest).cloned().collect())
}

fn take(user: u32, settings: u32, result: u32) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    let result = File::open(format!("/dev/fd/{settings}"))
        .and_then(|mut settings| settings.read_to_end(&mut bytes))
        .and_then(|_| File::options().write(true).open(format!("/dev/fd/{result}")))
        .map_err(|error| broken(&describe(&error)))?;
    become_user(user).map_err(|why| broken(&why))?;

    let handed: Handed =
        serde_json::from_slice(&bytes).map_err(|error| broken(&error.to_string()))?;
    handed.take();
    let _ = RESULT.set(result);
    Ok(())
}

fn broken(why: &str) -> Failure {
    Failure::new(format!("cannot run as the map's owner: {why}"))
        .hint("run the same command as that user, for example with sudo -u")
}

/// Returns the log and the metrics to root.
pub(crate) fn return_to_root(returned: &Returned) {
    let Some(mut result) = RESULT.get() else { return };
    if let Ok(bytes) = serde_json::to_vec(returned) {
        // Root reports that nothing came.
        let _ = result.write_all(&bytes);
    }
}
