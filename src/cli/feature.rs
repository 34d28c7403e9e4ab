//! Commands and options of other builds: the answer names the feature that this build lacks.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::commands::feature::{is_lacking, lacking};
use crate::model::Failure;

/// Commands and options that need a feature: the word, its name in an error, the command that it belongs
/// to, and the feature.
const NEEDS: [(&str, &str, &str, &str); 4] = [
    ("keepalive", "keepalive", "", "keepalive"),
    ("serve", "keepalive serve", "keepalive", "serve"),
    ("set-key", "keepalive set-key", "keepalive", "web-ping"),
    ("--keepalive", "schedule --keepalive", "schedule", "keepalive"),
];

/// Returns a failure if a build with more features would know the word that was typed.
pub(super) fn asked_for(error: &clap::Error) -> Option<Failure> {
    let kind = match error.kind() {
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        _ => return None,
    };
    let ContextValue::String(word) = error.get(kind)? else { return None };
    let usage = error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default();
    let (_, what, _, feature) = NEEDS
        .into_iter()
        .find(|(known, _, command, _)| {
            known == word && usage.contains(&format!("session-warden {command}"))
        })
        .filter(|(.., feature)| is_lacking(feature))?;
    Some(lacking(feature, what))
}
