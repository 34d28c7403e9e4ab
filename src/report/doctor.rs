//! The results of `doctor`, as text or as JSON.

use owo_colors::Style;
use serde::Serialize;
use std::cmp::Reverse;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

use super::look::{Look, counted};
use super::shorten::shortened;
use crate::model::escape::escape;
use crate::model::plain_json::write_plain;
use crate::model::{Exit, Failure};

/// How a check turned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    Ok,
    /// Something is likely not as intended.
    Warning,
    /// A clean would fail, or have no effect.
    Error,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub state: Health,
    /// One line.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Check {
    pub fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, state: Health::Ok, message: message.into(), hint: None }
    }

    pub fn warning(name: &'static str, message: impl Into<String>) -> Self {
        Self { state: Health::Warning, ..Self::ok(name, message) }
    }

    pub fn error(name: &'static str, message: impl Into<String>) -> Self {
        Self { state: Health::Error, ..Self::ok(name, message) }
    }

    /// Returns an error with the message and the hint of a failure.
    pub fn failed(name: &'static str, failure: &Failure) -> Self {
        Self { hint: failure.hint.clone(), ..Self::error(name, failure.message.as_str()) }
    }

    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Returns the check with this hint if it has none.
    #[must_use]
    pub fn or_hint(self, hint: &str) -> Self {
        if self.hint.is_none() { self.hint(hint) } else { self }
    }
}

/// How many checks turned out how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    ok: usize,
    warnings: usize,
    errors: usize,
}

impl Counts {
    pub fn of(checks: &[Check]) -> Self {
        let mut counts = Self { ok: 0, warnings: 0, errors: 0 };
        for check in checks {
            *match check.state {
                Health::Ok => &mut counts.ok,
                Health::Warning => &mut counts.warnings,
                Health::Error => &mut counts.errors,
            } += 1;
        }
        counts
    }

    /// Returns the exit code of a `doctor` with these checks.
    pub fn exit(self) -> Exit {
        match (self.errors, self.warnings) {
            (0, 0) => Exit::Done,
            (0, _) => Exit::Partly,
            _ => Exit::Failed,
        }
    }
}

/// The narrowest text, in columns.
const NARROWEST: usize = 60;

/// The widest state.
const STATE_WIDTH: usize = 7;

/// Writes the checks, errors first and those that found nothing wrong last, and a line that counts
/// them. At most `width` columns are used: problems and their hints are wrapped, the rest is cut.
pub fn write_checks(
    checks: &[Check],
    look: Look,
    width: Option<usize>,
    to: &mut dyn Write,
) -> io::Result<()> {
    let width = width.map_or(usize::MAX, |width| width.max(NARROWEST));
    let names = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let indent = STATE_WIDTH + 2 + names + 2;

    let mut sorted: Vec<&Check> = checks.iter().collect();
    sorted.sort_by_key(|check| Reverse(check.state));
    for check in sorted {
        let (state, style) = match check.state {
            Health::Ok => ("ok", Style::new().green()),
            Health::Warning => ("warning", Style::new().yellow().bold()),
            Health::Error => ("error", Style::new().red().bold()),
        };
        let state = look.paint(&format!("{state:<STATE_WIDTH$}"), style);
        write!(to, "{state}  {:<names$}  ", check.name)?;

        let message = escape(&check.message);
        if check.state == Health::Ok {
            writeln!(to, "{}", cut(&message, width - indent))?;
        } else {
            wrapped(&message, indent, width, to)?;
        }
        if let Some(hint) = &check.hint {
            write!(to, "{:indent$}{} ", "", look.paint("hint:", Style::new().cyan().bold()))?;
            wrapped(&escape(hint), indent + "hint: ".len(), width, to)?;
        }
    }

    let Counts { ok, warnings, errors } = Counts::of(checks);
    let gap = if checks.is_empty() { "" } else { "\n" };
    let (errors, warnings) = (counted(errors, "error"), counted(warnings, "warning"));
    writeln!(to, "{gap}{errors}, {warnings}, {ok} ok")
}

fn cut(text: &str, width: usize) -> String {
    if text.width() <= width { text.to_owned() } else { shortened(text, width) }
}

/// Writes the words, on as many lines as they need, each but the first behind `indent` columns.
fn wrapped(text: &str, indent: usize, width: usize, to: &mut dyn Write) -> io::Result<()> {
    let mut column = indent;
    for (index, word) in text.split(' ').enumerate() {
        let length = word.width();
        if index == 0 {
            write!(to, "{word}")?;
        } else if column + 1 + length > width {
            write!(to, "\n{:indent$}{word}", "")?;
            column = indent;
        } else {
            write!(to, " {word}")?;
            column += 1;
        }
        column += length;
    }
    writeln!(to)
}

/// Writes the checks as one JSON object.
pub fn write_checks_json(checks: &[Check], to: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct All<'a> {
        schema: u32,
        version: &'static str,
        checks: &'a [Check],
        summary: Counts,
    }
    let version = env!("CARGO_PKG_VERSION");
    let all = All { schema: 1, version, checks, summary: Counts::of(checks) };
    write_plain(&all, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(checks: &[Check], width: Option<usize>) -> String {
        let mut out = Vec::new();
        write_checks(checks, Look::default(), width, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn all() -> [Check; 4] {
        let words = "word ".repeat(20);
        let words = words.trim_end();
        [
            Check::ok("map", format!("/a: 12 mappings, {words}")),
            Check::warning("environment", words).hint(format!("do\x1b[31m this, {words}")),
            Check::error("state", "x").hint("y"),
            Check::ok("tmp", "z"),
        ]
    }

    #[test]
    fn problems_come_first_and_are_wrapped_and_escaped_x3() {
        assert_eq!(
            text(&all(), Some(80)),
            "\
error    state        x
                      hint: y
warning  environment  word word word word word word word word word word word
                      word word word word word word word word word
                      hint: do\\u{1b}[31m this, word word word word word word
                            word word word word word word word word word word
                            word word word word
ok       map          /a: 12 mappings, word word word word word word word word …
ok       tmp          z

1 error, 1 warning, 2 ok
"
        );
        assert_eq!(text(&[], Some(80)), "0 errors, 0 warnings, 0 ok\n");
    }

    #[test]
    fn nothing_is_cut_or_wrapped_without_a_width() {
        let text = text(&all(), None);
        assert_eq!(text.lines().count(), 8, "{text}");
        assert!(!text.contains('…'));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [0, 60, 61, 79, 140, 500] {
            for line in text(&all(), Some(width)).lines() {
                assert!(line.width() <= width.max(NARROWEST), "{width}: {line}");
            }
        }
    }

    #[test]
    fn the_worst_check_is_the_exit_code() {
        let all = all();
        assert_eq!(Counts::of(&all).exit(), Exit::Failed);
        assert_eq!(Counts::of(&all[..2]).exit(), Exit::Partly);
        assert_eq!(Counts::of(&all[..1]).exit(), Exit::Done);
    }
}
