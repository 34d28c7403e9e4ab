//! Long ids, shortened to what tells them apart from the others beside them.

use std::collections::BTreeSet;
use unicode_width::UnicodeWidthStr;

use super::escape::escape;
use crate::domain::ids::is_uuid;

/// How much of a UUID is shown at least.
const SHORTEST: usize = 8;

/// Shortens ids to at most `width` columns.
#[derive(Debug)]
pub(super) struct Shortener<'a> {
    all: BTreeSet<&'a str>,
    width: usize,
}

impl<'a> Shortener<'a> {
    /// For ids that stand beside each other.
    pub(super) fn new(ids: impl Iterator<Item = &'a str>, width: usize) -> Self {
        Self { all: ids.collect(), width }
    }

    /// The id, escaped, and shortened if it is long.
    pub(super) fn shorten(&self, id: &'a str) -> String {
        let telling = self.telling(id);
        if is_uuid(id.as_bytes()) && telling.max(SHORTEST) <= self.width {
            return id.chars().take(telling.max(SHORTEST)).collect();
        }
        let safe = escape(id);
        if safe.width() <= self.width {
            return safe;
        }
        let prefix: String = id.chars().take(telling).collect();
        let prefix = escape(&prefix);
        if prefix.width() < self.width {
            return format!("{}…", first(&safe, self.width - 1));
        }
        let head = first(&prefix, self.width / 3);
        let tail = last(&prefix, self.width - 2 - head.width());
        format!("{head}…{tail}…")
    }

    /// How many characters of `id` tell it from its neighbours in the order of all.
    fn telling(&self, id: &str) -> usize {
        let before = self.all.range(..id).next_back();
        let after = self
            .all
            .range::<str, _>((std::ops::Bound::Excluded(id), std::ops::Bound::Unbounded))
            .next();
        let common =
            |other: &&str| id.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
        before.iter().chain(after.iter()).map(|other| common(other) + 1).max().unwrap_or(1)
    }
}

/// The first characters of `text` that fit `width` columns.
pub(super) fn first(text: &str, width: usize) -> String {
    fitting(text.chars(), width).into_iter().collect()
}

fn last(text: &str, width: usize) -> String {
    fitting(text.chars().rev(), width).into_iter().rev().collect()
}

fn fitting(letters: impl Iterator<Item = char>, width: usize) -> Vec<char> {
    let mut used = 0;
    letters
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
                "tele…000001…",
                "tele…000002…",
                "a very long…",
                "日本語日本…",
            ]
        );
        assert!(short.iter().all(|id| id.width() <= 12));
        assert_eq!(short.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }

    #[test]
    fn escapes_count_with_their_width() {
        let id = "a\u{202e}b\u{202e}c\u{202e}";
        let shortener = Shortener::new([id].into_iter(), 12);
        assert!(shortener.shorten(id).width() <= 12);
    }
}
