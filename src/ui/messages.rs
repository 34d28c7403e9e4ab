//! The messages on standard error: errors, warnings and hints, each with its colour and escaped for a terminal.

use clap::builder::StyledStr;
use owo_colors::{OwoColorize, Style};
use std::collections::BTreeMap;
use std::io::{self, Write};

use super::terminal;
#[cfg(feature = "keepalive")]
use crate::keepalive::web::SessionKey;
use crate::model::escape::escape;
use crate::model::{Failure, Warning};

/// Returns a warning with its path.
pub(crate) fn one_line(warning: &Warning) -> String {
    match &warning.path {
        Some(path) => format!("{}: {}", warning.message, path.display()),
        None => warning.message.clone(),
    }
}

/// How many warnings of one kind are printed; the JSON report has all of them.
const SHOWN_OF_A_KIND: usize = 5;

/// Prints warnings, each behind the prefix; the hint follows the last one of a kind.
pub(crate) fn warnings(warnings: &[Warning], prefix: &str) {
    let mut kinds: BTreeMap<_, Vec<&Warning>> = BTreeMap::new();
    for warning in warnings {
        kinds.entry(warning.code).or_default().push(warning);
    }

    for of_a_kind in kinds.values() {
        for warning in of_a_kind.iter().take(SHOWN_OF_A_KIND) {
            warn(&format!("{prefix}{}", one_line(warning)));
        }
        let more = of_a_kind.len().saturating_sub(SHOWN_OF_A_KIND);
        if more > 0 {
            warn(&format!("{prefix}and {more} more like these; --json shows all"));
        }
        if let Some(warning) = of_a_kind.first() {
            hint(warning.code.hint());
        }
    }
}

/// Prints the error of a command, and its hint.
pub fn fail(failure: &Failure) {
    fail_of("", failure);
}

/// The same for one of several profiles or jobs, which the prefix names.
pub(crate) fn fail_of(prefix: &str, failure: &Failure) {
    error(&format!("{prefix}{}", failure.message));
    if let Some(text) = &failure.hint {
        hint(text);
    }
}

/// Prints an error whose hint is printed elsewhere.
pub(crate) fn error(message: &str) {
    line("error", Style::new().red().bold(), message);
}

/// Prints a warning, and a hint about it.
pub(crate) fn warning(message: &str, advice: &str) {
    warn(message);
    hint(advice);
}

/// Prints a warning whose hint is printed elsewhere.
pub(crate) fn warn(message: &str) {
    line("warning", Style::new().yellow().bold(), message);
}

/// Prints advice about the message before it, or a next step.
pub(crate) fn hint(text: &str) {
    line("hint", Style::new().cyan().bold(), text);
}

/// Prints a line that is neither a problem nor a hint.
pub(crate) fn note(text: &str) {
    // There is nowhere left to report to if standard error is closed.
    let _ = writeln!(io::stderr(), "{}", shown(text));
}

/// Asks for something that is typed in the same line.
pub(crate) fn prompt(question: &str) {
    let _ = write!(io::stderr(), "{} ", shown(question));
}

/// Prints a help text as the answer to wrong usage.
pub(crate) fn show_help(help: &StyledStr) {
    let _ = if terminal::has_colored_messages() {
        write!(io::stderr(), "{}", help.ansi())
    } else {
        write!(io::stderr(), "{help}")
    };
}

fn line(label: &str, style: Style, text: &str) {
    let text = shown(text);
    let _ = if terminal::has_colored_messages() {
        writeln!(io::stderr(), "{}{} {text}", label.style(style), ":".style(style))
    } else {
        writeln!(io::stderr(), "{label}: {text}")
    };
}

/// Returns the text escaped for a terminal, without a key that was typed where none belongs.
pub(crate) fn shown(text: &str) -> String {
    #[cfg(feature = "keepalive")]
    let text = &SessionKey::hidden_in(text);
    escape(text)
}
