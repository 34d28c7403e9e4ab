//! A table for people: columns as wide as their widest cell, and never wider than they must be.

use owo_colors::Style;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

use super::look::Look;
use super::shorten::padded;

/// The widest that a column makes the others start later; a longer cell moves only its own row.
const WIDEST: usize = 48;

/// The usual gap between two columns.
const GAP: &str = "  ";

/// Rows of cells below titles. The cells are escaped.
pub(super) struct Table<const N: usize> {
    titles: [&'static str; N],
    /// True for a column of numbers.
    is_number: [bool; N],
    rows: Vec<[String; N]>,
    gap: &'static str,
}

impl<const N: usize> Table<N> {
    /// Returns a table without rows. A title that ends with `>` is of numbers, which end below it.
    pub(super) fn new(titles: [&'static str; N]) -> Self {
        let is_number = titles.map(|title| title.ends_with('>'));
        let titles = titles.map(|title| title.trim_end_matches('>'));
        Self { titles, is_number, rows: Vec::new(), gap: GAP }
    }

    /// Returns the table with one blank between its columns.
    pub(super) fn tight(self) -> Self {
        Self { gap: " ", ..self }
    }

    pub(super) fn push(&mut self, row: [String; N]) {
        self.rows.push(row);
    }

    /// Returns the columns that the widest row takes.
    pub(super) fn width(&self) -> usize {
        let gaps = self.gap.len() * N.saturating_sub(1);
        let widths = self.widths();
        let rows = self.rows.iter().map(|row| -> usize {
            row.iter().zip(widths).map(|(cell, width)| cell.width().max(width)).sum()
        });
        rows.max().unwrap_or_default() + gaps
    }

    /// Writes the titles and the rows. `below` writes more lines below a row, which it gets the number of.
    pub(super) fn write(
        &self,
        look: Look,
        to: &mut dyn Write,
        below: &dyn Fn(usize, &mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let widths = self.widths();
        let titles = self.line(&widths, self.titles.iter().copied());
        writeln!(to, "{}", look.paint(&titles, Style::new().bold()))?;
        for (number, row) in self.rows.iter().enumerate() {
            writeln!(to, "{}", self.line(&widths, row.iter().map(String::as_str)))?;
            below(number, to)?;
        }
        Ok(())
    }

    fn line<'c>(&self, widths: &[usize; N], cells: impl Iterator<Item = &'c str>) -> String {
        let mut line = String::new();
        for ((cell, width), is_number) in cells.zip(widths).zip(self.is_number) {
            if !line.is_empty() {
                line += self.gap;
            }
            let missing = width.saturating_sub(cell.width());
            if is_number {
                line += &" ".repeat(missing);
                line += cell;
            } else {
                line += &padded(cell, *width);
            }
        }
        line.trim_end().to_owned()
    }

    fn widths(&self) -> [usize; N] {
        let mut widths = self.titles.map(UnicodeWidthStr::width);
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width().min(WIDEST));
            }
        }
        widths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let mut table = Table::new(["NAME", "COUNT>", "WHY"]);
        table.push(["a".into(), "1".into(), String::new()]);
        table.push(["日本語".into(), "1000000".into(), "x".into()]);
        table.push(["y".repeat(50), "2".into(), "z".into()]);
        let mut text = Vec::new();
        let look = Look::default();
        let below = |number, to: &mut dyn Write| match number {
            1 => writeln!(to, "  below"),
            _ => Ok(()),
        };
        table.write(look, &mut text, &below).unwrap();
        let (long, gap) = ("y".repeat(50), " ".repeat(42));
        let expected = format!(
            "NAME  {gap}    COUNT  WHY\na     {gap}        1\n日本語{gap}  1000000  x\n  below\n\
             {long}        2  z\n"
        );
        assert_eq!(String::from_utf8(text).unwrap(), expected);
        assert_eq!(table.width(), 50 + 2 + 7 + 2 + 3);
    }
}
