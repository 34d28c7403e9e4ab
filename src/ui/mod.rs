//! The only place that prints. In here are the messages on standard error: errors, warnings and hints, each
//! with its colour and escaped for a terminal.

pub(crate) mod confirm;
mod output;
pub(crate) mod progress;

use clap::builder::StyledStr;
use owo_colors::{OwoColorize, Style};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::config::{Color, Environment};
#[cfg(feature = "keepalive")]
use crate::keepalive::web::SessionKey;
use crate::model::escape::escape;
use crate::model::{Failure, Warning, Zone};
use crate::report::Look;

pub(crate) use output::{CHECK_OUTPUT, is_terminal, print, print_help, stdout};

/// The width of a terminal that does not show its own.
const USUAL_WIDTH: usize = 80;

/// True once [`set_up`] has decided that messages have colours.
static IS_COLORED: AtomicBool = AtomicBool::new(false);

/// The same for help on standard output.
static IS_OUTPUT_COLORED: AtomicBool = AtomicBool::new(false);

/// The width of the terminal that standard output is; 0 if it is none.
static WIDTH: AtomicUsize = AtomicUsize::new(0);

/// The width for text that fits any width; 0 if there is none.
static COLUMNS: AtomicUsize = AtomicUsize::new(0);

/// Returns the width for text that loses nothing by it: `COLUMNS`, else that of the terminal.
pub(crate) fn columns() -> Option<usize> {
    Some(COLUMNS.load(Ordering::Relaxed)).filter(|columns| *columns > 0)
}

/// Returns how a report is to look: cut to the terminal and with local times if there is one.
pub(crate) fn look(color: bool, all: bool, times: bool) -> Look {
    let width = Some(WIDTH.load(Ordering::Relaxed)).filter(|width| *width > 0);
    Look { color, all, times, width }
}

/// Returns the zone of the times on standard output.
pub(crate) fn zone() -> Zone {
    look(false, false, false).zone()
}

/// Decides from `--color`, the environment and the streams what has colours and whether progress is shown,
/// and finds the width of the terminal.
pub(crate) fn set_up(when: Option<Color>, environment: &Environment) {
    let is_colored = |is_terminal| match when {
        Some(Color::Always) => true,
        Some(Color::Never) => false,
        None | Some(Color::Auto) => environment.wants_color(is_terminal),
    };
    IS_COLORED.store(is_colored(io::stderr().is_terminal()), Ordering::Relaxed);
    IS_OUTPUT_COLORED.store(is_colored(is_terminal()), Ordering::Relaxed);

    let columns = environment.get("COLUMNS").and_then(|text| text.to_str()?.parse().ok());
    COLUMNS.store(columns.map_or(0, |columns: usize| columns.max(1)), Ordering::Relaxed);
    if is_terminal() {
        let width = columns
            .or_else(|| Some(usize::from(terminal_size::terminal_size()?.0.0)))
            .unwrap_or(USUAL_WIDTH);
        WIDTH.store(width, Ordering::Relaxed);
        COLUMNS.store(width, Ordering::Relaxed);
    }
    progress::set_up(environment);
}

/// Returns a warning with its path.
pub(crate) fn one_line(warning: &Warning) -> String {
    match &warning.path {
        Some(path) => format!("{}: {}", warning.message, path.display()),
        None => warning.message.clone(),
    }
}

/// How many warnings of one kind are printed; the JSON report has them all.
const SHOWN_OF_A_KIND: usize = 5;

/// Prints warnings, each line beginning with `whose`; the hint follows the last one of a kind.
pub(crate) fn warnings(warnings: &[Warning], whose: &str) {
    let mut kinds: BTreeMap<_, Vec<&Warning>> = BTreeMap::new();
    for warning in warnings {
        kinds.entry(warning.code).or_default().push(warning);
    }

    for of_a_kind in kinds.values() {
        for warning in of_a_kind.iter().take(SHOWN_OF_A_KIND) {
            warn(&format!("{whose}{}", one_line(warning)));
        }
        let more = of_a_kind.len().saturating_sub(SHOWN_OF_A_KIND);
        if more > 0 {
            warn(&format!("{whose}and {more} more like these; --json shows all"));
        }
        if let Some(warning) = of_a_kind.first() {
            hint(warning.code.hint());
        }
    }
}

/// Prints why a command failed, and what to do about it.
pub fn fail(failure: &Failure) {
    fail_of("", failure);
}

/// The same for one of several profiles or jobs, which `whose` names.
pub(crate) fn fail_of(whose: &str, failure: &Failure) {
    error(&format!("{whose}{}", failure.message));
    if let Some(text) = &failure.hint {
        hint(text);
    }
}

/// Prints an error whose hint is printed elsewhere.
pub(crate) fn error(message: &str) {
    line("error", Style::new().red().bold(), message);
}

/// Prints a warning, and what to do about it.
pub(crate) fn warning(message: &str, advice: &str) {
    warn(message);
    hint(advice);
}

/// Prints a warning whose hint is printed elsewhere.
pub(crate) fn warn(message: &str) {
    line("warning", Style::new().yellow().bold(), message);
}

/// Prints what to do about the message before it, or what to do next.
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

/// Prints a help text that nobody has asked for.
pub(crate) fn show_help(help: &StyledStr) {
    let _ = match IS_COLORED.load(Ordering::Relaxed) {
        true => write!(io::stderr(), "{}", help.ansi()),
        false => write!(io::stderr(), "{help}"),
    };
}

fn line(label: &str, style: Style, text: &str) {
    let text = shown(text);
    let _ = if IS_COLORED.load(Ordering::Relaxed) {
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
