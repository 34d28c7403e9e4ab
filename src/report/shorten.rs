//! Long ids, shortened to the part by which they differ from the others beside them.

use std::collections::HashSet;
use unicode_width::UnicodeWidthStr;

use crate::model::escape::escape;
use crate::model::ids::is_uuid;

/// The shortest part of a UUID that is shown.
const SHORTEST: usize = 8;

/// How many characters are shown at most, of whatever width: marks have none, and there may be
/// thousands on one letter.
const LONGEST: usize = 60;

/// Shortens ids to at most `width` columns.
#[derive(Debug)]
pub(super) struct Shortener<'a> {
    /// In order, each once.
    all: Vec<&'a str>,
    width: usize,
    /// The short forms that two ids or more would have.
    alike: HashSet<String>,
}

impl<'a> Shortener<'a> {
    /// Returns a shortener for ids that are beside each other.
    pub(super) fn new(ids: impl Iterator<Item = &'a str>, width: usize) -> Self {
        let mut all: Vec<&str> = ids.collect();
        all.sort_unstable();
        all.dedup();
        let mut this = Self { all, width, alike: HashSet::new() };
        // Ids may differ only in the middle, which is left out.
        let mut seen = HashSet::new();
        for id in this.all.iter().filter(|id| id.len() > width && !is_uuid(id.as_bytes())) {
            let short = this.by_difference(id);
            if !seen.insert(short.clone()) {
                this.alike.insert(short);
            }
        }
        this
    }

    /// Returns the id, escaped, and shortened if it is long.
    pub(super) fn shorten(&self, id: &str) -> String {
        let short = self.by_difference(id);
        if !self.alike.contains(&short) {
            return short;
        }
        // The part that differs from the neighbours need not differ from all: a number does.
        let index = self.all.partition_point(|other| *other < id);
        let number = format!("…#{}", index + 1);
        format!("{}{number}", first(&short, self.width.saturating_sub(number.width())))
    }

    fn by_difference(&self, id: &str) -> String {
        let distinct = self.distinct_length(id);
        if is_uuid(id.as_bytes()) && distinct.max(SHORTEST) <= self.width {
            return id.chars().take(distinct.max(SHORTEST)).collect();
        }
        let safe = escape(id);
        if safe.width() <= self.width && safe.chars().count() <= LONGEST {
            return safe;
        }
        let prefix: String = id.chars().take(distinct).collect();
        let prefix = escape(&prefix);
        if prefix.width() < self.width && prefix.chars().count() < LONGEST {
            return format!("{}…", first(&safe, self.width - 1));
        }
        let end = if prefix.len() < safe.len() { "…" } else { "" };
        let head = first(&prefix, self.width / 3);
        let tail = last(&prefix, self.width - 1 - end.width() - head.width());
        format!("{head}…{tail}{end}")
    }

    /// Returns how many characters of `id` differ from its neighbours in the order of all.
    fn distinct_length(&self, id: &str) -> usize {
        let index = self.all.partition_point(|other| *other < id);
        let before = index.checked_sub(1).and_then(|before| self.all.get(before));
        let after = self.all[index..].iter().find(|other| **other != id);
        let common = before
            .into_iter()
            .chain(after)
            .map(|other| id.chars().zip(other.chars()).take_while(|(a, b)| a == b).count());
        common.max().map_or(1, |length| length + 1)
    }
}

/// Returns as much of the text as fits `width` columns, with an ellipsis if it is cut.
pub fn shortened(text: &str, width: usize) -> String {
    let start = first(text, width);
    if start.len() == text.len() { start } else { format!("{}…", first(text, width - 1)) }
}

/// Returns the text in at most `width` columns, cut at its start.
pub(super) fn shortened_at_start(text: &str, width: usize) -> String {
    if text.width() <= width && text.chars().count() <= LONGEST.max(2 * width) {
        return text.to_owned();
    }
    format!("…{}", last(text, width.saturating_sub(1)))
}

/// Returns the text, filled up to that many columns.
pub fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// Returns the first characters of the text that fit `width` columns.
fn first(text: &str, width: usize) -> String {
    fitting(text.chars(), width).into_iter().collect()
}

fn last(text: &str, width: usize) -> String {
    fitting(text.chars().rev(), width).into_iter().rev().collect()
}

fn fitting(letters: impl Iterator<Item = char>, width: usize) -> Vec<char> {
    let mut used = 0;
    letters
        .take(LONGEST.max(2 * width))
        .take_while(|letter| {
            used += unicode_width::UnicodeWidthChar::width(*letter).unwrap_or(0);
            used <= width
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_what_tells_them_apart() {
        let ids = [
            "0192f3a4-5b6c-7d8e-9f00-112233445566",
            "0192f3a4-9999-7d8e-9f00-112233445566",
            "1b2c3d4e-5b6c-4d8e-9f00-112233445566",
            "short",
            "telegram:group:42:user:1000001",
            "telegram:group:42:user:1000002",
            "a very long chat id of its own",
            "日本語日本語日本語日本語",
        ];
        let shortener = Shortener::new(ids.into_iter(), 12);
        let short: Vec<String> = ids.iter().map(|id| shortener.shorten(id)).collect();
        assert_eq!(
            short,
            [
                "0192f3a4-5",
                "0192f3a4-9",
                "1b2c3d4e",
                "short",
                "tele…1000001",
                "tele…1000002",
                "a very long…",
                "日本語日本…",
            ]
        );
        assert!(short.iter().all(|id| id.width() <= 12));
        assert_eq!(short.iter().collect::<HashSet<_>>().len(), ids.len());
    }

    #[test]
    fn ids_that_differ_in_the_middle_are_numbered() {
        let ids =
            ["abbabaababbbbabababbbbbabbaaaabababbbbbb", "abbabaababbbbbabababbabbbbbbbbbbbbb"];
        let others =
            ["abbabaababbbbabababbbbbabbaaaabababbbbba", "abbabaababbbbbabababbabbbbbbbbbbbba"];
        let shortener = Shortener::new(ids.into_iter().chain(others), 18);
        let short: HashSet<String> =
            ids.into_iter().chain(others).map(|id| shortener.shorten(id)).collect();
        assert_eq!(short.len(), 4, "{short:?}");
        assert!(short.iter().all(|id| id.width() <= 18), "{short:?}");
    }

    #[test]
    fn a_heap_of_marks_on_one_letter_is_cut() {
        let id = format!("a{}", "\u{301}".repeat(3000));
        let shortener = Shortener::new([id.as_str()].into_iter(), 12);
        assert!(shortener.shorten(&id).chars().count() <= 2 * LONGEST);
    }

    #[test]
    fn escapes_count_with_their_width() {
        let id = "a\u{202e}b\u{202e}c\u{202e}";
        let shortener = Shortener::new([id].into_iter(), 12);
        assert!(shortener.shorten(id).width() <= 12);
    }
}
