//! `--all-profiles`: the settings of every profile, and the exit code of all.

use crate::config::{Clean, Layer, Settings};
use crate::model::{Exit, Failure};

/// Returns the settings of each profile in the configuration file, with the same flags.
///
/// # Errors
/// With exit code 2, if one of them makes no sense, if there is none, or if the flags name one bridge,
/// which cannot have the maps of all.
pub(crate) fn all(
    settings: &Settings,
    flags: &Layer,
    names_a_bridge: bool,
) -> anyhow::Result<Vec<Clean>> {
    let usage = |message: String| Failure::usage(message);
    if names_a_bridge {
        let message = "--all-profiles and one --bridge URL exclude each other".to_owned();
        return Err(usage(message).hint("each [[profile]] names its own bridge").into());
    }
    if settings.file.profiles.is_empty() {
        let path = settings.file.path.as_ref().map(|path| path.display().to_string());
        let message = format!("no profile in {}", path.unwrap_or("any configuration".to_owned()));
        return Err(usage(message)
            .hint("a profile begins with [[profile]] and name = \"…\"")
            .into());
    }

    // All of them first: a mistake in one is a mistake of the configuration.
    let of = |(name, _): &(String, _)| Ok(settings.resolve(flags, Some(name))?.0);
    settings.file.profiles.iter().map(of).collect()
}

/// Returns the exit code that all share, otherwise 3.
pub(crate) fn exit(exits: impl Iterator<Item = Exit>) -> Exit {
    let mut exits = exits.peekable();
    let first = exits.peek().copied().unwrap_or(Exit::Done);
    if exits.all(|exit| exit == first) { first } else { Exit::Partly }
}
