//! Redaction: text of other programs and of Claude's web page without secrets, fit for a terminal, a
//! log and a state file.
//!
//! `tokens` hides whatever looks like a token; `secret` hides one known secret, however it is written.

#[cfg(feature = "web-ping")]
mod secret;
mod tokens;

#[cfg(feature = "web-ping")]
pub(crate) use secret::redact_secret;
pub(crate) use tokens::{HIDDEN, last_line, redact, without_colours};
