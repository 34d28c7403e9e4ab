//! Commands and options that other builds have: they are answered with the feature that this one lacks.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::commands::feature::{is_lacking, lacking};
use crate::model::Failure;

/// What may be typed that needs a feature: the command or option, how it is called in an error, the
/// command that it belongs to, and the feature.
const NEEDS: [(&str, &str, &str, &str); 4] = [
    ("keepalive", "keepalive", "", "keepalive"),
    ("serve", "keepalive serve", "keepalive", "serve"),
    ("set-key", "keepalive set-key", "keepalive", "web-ping"),
    ("--keepalive", "schedule --keepalive", "schedule", "keepalive"),
];

/// Returns the failure for what was typed, if a build with more features would know it.
pub(super) fn asked_for(error: &clap::Error) -> Option<Failure> {
    let kind = match error.kind() {
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        _ => return None,
    };
    let ContextValue::String(word) = error.get(kind)? else { return None };
    let usage = error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default();
    let is_in = |command: &str| usage.contains(&format!("session-warden {command}"));
    let (_, what, _, feature) = NEEDS
        .into_iter()
        .find(|(known, _, command, _)| known == word && is_in(command))
        .filter(|(.., feature)| is_lacking(feature))?;
    Some(lacking(feature, what))
}
