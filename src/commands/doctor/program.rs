//! The program that a timer runs: it must exist, and be this version.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::process;
use crate::schedule::{InstalledCommand, version_of};

/// The version of this program, without the commit.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Returns what is wrong with the program of that command, for the middle of a sentence about the timer. A name without
/// a folder is not looked up.
pub(super) fn problem_of_program(command: &InstalledCommand) -> Option<String> {
    let binary = command.binary.as_deref().filter(|binary| binary.is_absolute())?;
    let shown = binary.display();

    let Ok(about) = binary.metadata() else {
        return Some(format!("runs {shown}, which is not there"));
    };
    if !about.is_file() || about.permissions().mode() & 0o111 == 0 {
        return Some(format!("runs {shown}, which is not a program"));
    }

    // What another user may have written is not run, and this program is known.
    let ours = std::env::current_exe().ok().and_then(|path| path.metadata().ok());
    let is_this = ours.is_some_and(|ours| (ours.dev(), ours.ino()) == (about.dev(), about.ino()));
    if is_this || process::distrusted(binary).is_some() {
        return None;
    }
    other_version(binary)
}

/// Returns that the program is another version than this one, or none at all.
fn other_version(binary: &Path) -> Option<String> {
    let shown = binary.display();
    match version_of(binary) {
        Err(failure) => Some(format!("runs {shown}, which does not work: {}", failure.message)),
        Ok(line) => match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["session-warden", VERSION, ..] => None,
            ["session-warden", version, ..] => {
                Some(format!("runs {shown}, which is version {version}; this is {VERSION}"))
            }
            _ => Some(format!("runs {shown}, which is not session-warden")),
        },
    }
}
