//! What a checkup has found: a line for each check, as text or as JSON.

use owo_colors::Style;
use serde::Serialize;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

use super::escape::escape;
use super::text::Look;
use crate::domain::Exit;

/// How a check turned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Ok,
    /// Something is likely not as wanted.
    Warning,
    /// A clean would fail, or do nothing useful.
    Error,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// How it turned out.
    pub state: Health,
    /// What was found, in one line.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Check {
    /// One that found nothing wrong.
    pub fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, state: Health::Ok, message: message.into(), hint: None }
    }

    /// One that found something that is likely not as wanted.
    pub fn warning(name: &'static str, message: impl Into<String>) -> Self {
        Self { state: Health::Warning, ..Self::ok(name, message) }
    }

    /// One that found what keeps a clean from its work.
    pub fn error(name: &'static str, message: impl Into<String>) -> Self {
        Self { state: Health::Error, ..Self::ok(name, message) }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
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
    /// Counts them.
    pub fn of(checks: &[Check]) -> Self {
        let count = |state| checks.iter().filter(|check| check.state == state).count();
        Self {
            ok: count(Health::Ok),
            warnings: count(Health::Warning),
            errors: count(Health::Error),
        }
    }

    /// How the process ends.
    pub fn exit(self) -> Exit {
        match (self.errors, self.warnings) {
            (0, 0) => Exit::Done,
            (0, _) => Exit::Partly,
            _ => Exit::Failed,
        }
    }
}

/// How wide the text is, unless a word is wider.
const WIDTH: usize = 80;

/// The widest state, and what stands before each further line.
const STATE_WIDTH: usize = 7;

/// Writes a line for each check, or more where it is long, and one that counts them.
pub fn write_checks(checks: &[Check], look: Look, to: &mut dyn Write) -> io::Result<()> {
    let names = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let indent = STATE_WIDTH + 2 + names + 2;
    for check in checks {
        let (state, style) = match check.state {
            Health::Ok => ("ok", Style::new().green()),
            Health::Warning => ("warning", Style::new().yellow()),
            Health::Error => ("error", Style::new().red().bold()),
        };
        let state = look.paint(&format!("{state:<STATE_WIDTH$}"), style);
        write!(to, "{state}  {:<names$}  ", check.name)?;
        wrapped(&escape(&check.message), indent, to)?;
        if let Some(hint) = &check.hint {
            write!(to, "{:indent$}", "")?;
            wrapped(&format!("hint: {}", escape(hint)), indent, to)?;
        }
    }
    let Counts { ok, warnings, errors } = Counts::of(checks);
    let many = |count: usize| if count == 1 { "" } else { "s" };
    writeln!(to, "{ok} ok, {warnings} warning{}, {errors} error{}", many(warnings), many(errors))
}

/// Writes the words, on as many lines as they need, each but the first behind `indent` columns.
fn wrapped(text: &str, indent: usize, to: &mut dyn Write) -> io::Result<()> {
    let mut column = indent;
    for (place, word) in text.split(' ').enumerate() {
        let width = word.width();
        if place == 0 {
            write!(to, "{word}")?;
        } else if column + 1 + width > WIDTH {
            write!(to, "\n{:indent$}{word}", "")?;
            column = indent;
        } else {
            write!(to, " {word}")?;
            column += 1;
        }
        column += width;
    }
    writeln!(to)
}

/// The same as one JSON object.
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
    super::json::write_plain(&all, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(checks: &[Check]) -> String {
        let mut out = Vec::new();
        write_checks(checks, Look::default(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn checks_are_aligned_wrapped_and_escaped_x3() {
        let checks = [
            Check::ok("map", "/a: 12 mappings, today's form"),
            Check::warning("environment", "word ".repeat(20).trim_end()).hint("do\x1b[31m this"),
            Check::error("state", "x"),
        ];
        assert_eq!(
            text(&checks),
            "\
ok       map          /a: 12 mappings, today's form
warning  environment  word word word word word word word word word word word
                      word word word word word word word word word
                      hint: do\\u{1b}[31m this
error    state        x
1 ok, 1 warning, 1 error
"
        );
        assert_eq!(Counts::of(&checks).exit(), Exit::Failed);
        assert_eq!(Counts::of(&checks[..2]).exit(), Exit::Partly);
        assert_eq!(Counts::of(&checks[..1]).exit(), Exit::Done);
        assert_eq!(text(&[]), "0 ok, 0 warnings, 0 errors\n");
    }
}
