//! `--all-profiles`: the settings of every profile, and the exit code of all.

use crate::config::{Clean, Layer, Settings};
use crate::model::{Exit, Failure};

/// Returns the settings of each profile in the configuration file, with the same flags.
///
/// # Errors
/// Exit code 2 if a profile makes no sense, if there is none, or if the flags name one bridge, which cannot have
/// the maps of all.
pub(crate) fn all(settings: &Settings, flags: &Layer) -> anyhow::Result<Vec<Clean>> {
    if flags.ask.bridge.names_one() {
        return Err(Failure::usage("--all-profiles and one --bridge URL exclude each other")
            .hint("each [[profile]] names its own bridge")
            .into());
    }
    if settings.file.profiles.is_empty() {
        let path = settings.file.path.as_ref().map(|path| path.display().to_string());
        let message = format!("no profile in {}", path.unwrap_or("any configuration".to_owned()));
        return Err(Failure::usage(message)
            .hint("a profile begins with [[profile]] and name = \"…\"")
            .into());
    }

    // All of them first: a mistake in one is a mistake of the configuration.
    let names = settings.file.profiles.iter().map(|(name, _)| name);
    names.map(|name| Ok(settings.resolve(flags, Some(name))?.0)).collect()
}

/// Returns the exit code that all profiles share, otherwise 3.
pub(crate) fn exit(exits: impl Iterator<Item = Exit>) -> Exit {
    let mut exits = exits.peekable();
    let first = exits.peek().copied().unwrap_or(Exit::Done);
    if exits.all(|exit| exit == first) { first } else { Exit::Partly }
}
