//! The only place that prints: the output, the messages, the progress, and a question on a terminal.

pub(crate) mod confirm;
mod messages;
mod output;
pub(crate) mod progress;
mod terminal;

pub use messages::fail;
#[cfg(feature = "web-ping")]
pub(crate) use messages::prompt;
pub(crate) use messages::{
    error, fail_of, hint, note, one_line, show_help, warn, warning, warnings,
};
pub(crate) use output::{CHECK_OUTPUT, print, print_help, stdout};
pub(crate) use terminal::{columns, is_terminal, look, set_up, zone};
