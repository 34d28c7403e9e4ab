//! How text looks: its width, colours, times, and the forms of spans and counts.

use owo_colors::{OwoColorize, Style};
use std::fmt::Display;

use crate::model::{State, Timestamp, Zone};

/// How the text is to look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look {
    /// With colours.
    pub color: bool,
    /// With a row for every mapping.
    pub all: bool,
    /// With every detail: the time of last use, and the folders that were read.
    pub times: bool,
    /// The width of the terminal in columns. Without one, nothing is cut, and times are in UTC.
    pub width: Option<usize>,
}

/// How the text of a command about past runs is written.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    pub look: Look,
    /// The width of the terminal, if it is one.
    pub width: Option<usize>,
}

impl Look {
    pub(super) fn paint(self, text: &str, style: Style) -> String {
        if self.color { text.style(style).to_string() } else { text.to_owned() }
    }

    /// Returns the time as it is shown: local without a zone, or UTC.
    pub fn time(self, time: Timestamp) -> String {
        time.shown(self.zone())
    }

    /// Returns the zone of its times: local on a terminal.
    pub fn zone(self) -> Zone {
        if self.width.is_some() { Zone::Local } else { Zone::Utc }
    }
}

/// Returns `1 mapping`, `2 mappings`.
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    let end = if count == N::from(1) { "" } else { "s" };
    format!("{count} {noun}{end}")
}

/// Returns a time as JSON has it.
pub(super) fn time(time: Option<Timestamp>) -> Option<String> {
    time.and_then(Timestamp::rfc3339)
}

/// Returns `1 process`, `2 processes`.
pub(super) fn counted_processes(count: u64) -> String {
    format!("{count} {}", if count == 1 { "process" } else { "processes" })
}

/// Returns the end of a list that leaves out as many elements: ` and 3 more`.
pub fn and_more(count: usize) -> String {
    if count == 0 { String::new() } else { format!(" and {count} more") }
}

/// Returns a time span in at most 7 characters: `45s`, `12m`, `5h 2m`, `16h`, `3d 4h`, `123d`.
pub fn age(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match seconds {
        0..MINUTE => format!("{seconds}s"),
        MINUTE..HOUR => format!("{}m", seconds / MINUTE),
        HOUR..DAY => in_units(seconds / HOUR, "h", seconds % HOUR / MINUTE, "m"),
        _ if seconds < 100 * DAY => in_units(seconds / DAY, "d", seconds % DAY / HOUR, "h"),
        _ => format!("{}d", seconds / DAY),
    }
}

fn in_units(large: u64, unit: &str, small: u64, small_unit: &str) -> String {
    match small {
        0 => format!("{large}{unit}"),
        _ => format!("{large}{unit} {small}{small_unit}"),
    }
}

/// Returns the colour of a state.
pub(super) fn style_of(state: State) -> Style {
    match state {
        State::Active | State::InUse | State::Pinned | State::Resident => Style::new().green(),
        State::Unknown => Style::new().magenta(),
        State::Idle | State::Missing | State::Archived => Style::new().yellow(),
    }
}

#[cfg(test)]
mod tests {
    use super::age;

    #[test]
    fn ages_are_short() {
        #[track_caller]
        fn check(seconds: u64, shown: &str) {
            assert_eq!(age(seconds), shown);
            assert!(shown.len() <= 7);
        }
        check(0, "0s");
        check(59, "59s");
        check(60, "1m");
        check(3_599, "59m");
        check(3_600, "1h");
        check(18_179, "5h 2m");
        check(57_600, "16h");
        check(86_399, "23h 59m");
        check(86_400, "1d");
        check(273_600, "3d 4h");
        check(100 * 86_400 - 1, "99d 23h");
        check(100 * 86_400, "100d");
    }
}
