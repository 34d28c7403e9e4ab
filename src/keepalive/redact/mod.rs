//! Redaction: one line of another program's output without secrets, fit for a terminal, a log and a state
//! file.
//!
//! `named` hides what is named as a secret, `pem` the blocks of keys, and `tokens` whatever looks like a
//! token.

mod breaks;
mod line;
mod named;
mod pem;
mod tokens;

pub(crate) use line::{last_line, without_colours};
pub(crate) use tokens::HIDDEN;
