//! The terminal: its width, and the decision for colours.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use super::progress;
use crate::config::{Color, Environment};
use crate::model::Zone;
use crate::report::Look;

/// The width of a terminal that does not show its own.
const USUAL_WIDTH: usize = 80;

/// Set by [`set_up`].
static TERMINAL: OnceLock<Terminal> = OnceLock::new();

#[derive(Debug, Clone, Copy, Default)]
struct Terminal {
    has_colored_messages: bool,
    has_colored_output: bool,
    /// The width of the terminal that standard output is.
    width: Option<usize>,
    /// `COLUMNS`, or else the width of the terminal.
    columns: Option<usize>,
}

fn terminal() -> Terminal {
    TERMINAL.get().copied().unwrap_or_default()
}

/// Decides from `--color`, the environment and the streams for colours and progress, and finds the width of
/// the terminal.
pub(crate) fn set_up(when: Option<Color>, environment: &Environment) {
    let typed = environment.get("COLUMNS").and_then(|text| text.to_str()?.parse::<usize>().ok());
    let shown = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let width = is_terminal().then(|| typed.or(shown).unwrap_or(USUAL_WIDTH));
    let _ = TERMINAL.set(Terminal {
        has_colored_messages: is_colored(when, io::stderr().is_terminal(), environment),
        has_colored_output: is_colored(when, is_terminal(), environment),
        width: width.filter(|width| *width > 0),
        columns: width.or(typed.map(|columns| columns.max(1))).filter(|columns| *columns > 0),
    });
    progress::set_up(environment);
}

fn is_colored(when: Option<Color>, is_terminal: bool, environment: &Environment) -> bool {
    match when {
        Some(Color::Always) => true,
        Some(Color::Never) => false,
        None | Some(Color::Auto) => environment.wants_color(is_terminal),
    }
}

/// Returns true if standard output is a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

pub(super) fn has_colored_messages() -> bool {
    terminal().has_colored_messages
}

pub(super) fn has_colored_output() -> bool {
    terminal().has_colored_output
}

/// Returns the width for text that loses nothing by it: `COLUMNS`, or else that of the terminal.
pub(crate) fn columns() -> Option<usize> {
    terminal().columns
}

/// Returns the look of a report: cut to the terminal and with local times if there is one.
pub(crate) fn look(color: bool, all: bool, times: bool) -> Look {
    Look { color, all, times, width: terminal().width }
}

/// Returns the zone of the times on standard output.
pub(crate) fn zone() -> Zone {
    look(false, false, false).zone()
}
