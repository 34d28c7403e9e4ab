//! A text by whatever it is spelt: escaped, by number, or in wide letters.

use std::ops::Range;

/// The bytes that a text means, with where each stands: `%2D`, `\u002d` and `\x2d` are one.
pub(super) fn letters(text: &str) -> Vec<(u8, Range<usize>)> {
    let mut letters = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        let escaped = ["%", "\\u00", "\\x"].into_iter().find_map(|mark| {
            let hex = text.get(at..)?.strip_prefix(mark)?.get(..2)?;
            Some((u8::from_str_radix(hex, 16).ok()?, at + mark.len() + 2))
        });
        let (letter, end) = escaped.unwrap_or((*byte, at + 1));
        letters.push((letter, at..end));
        at = end;
    }
    letters
}

/// The letters and digits alone, in lower case; wide ones (U+FF01 to U+FF5E) as what they stand for.
pub(super) fn bare(text: &str) -> String {
    let plain = text.chars().filter_map(|letter| match u32::from(letter) {
        wide @ 0xff01..=0xff5e => char::from_u32(wide - 0xff01 + 0x21),
        _ => Some(letter),
    });
    plain.filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// The text with letters in the place of their numbers: `&#115;`, `&#x73;`, `\u{73}` and `\163` are one.
pub(super) fn unnumbered(text: &str) -> String {
    const FORMS: [(&str, u32, &str); 4] =
        [("&#x", 16, ";"), ("&#", 10, ";"), ("\\u{", 16, "}"), ("\\", 8, "")];
    let mut plain = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let found = FORMS.into_iter().find_map(|(mark, base, end)| {
            let behind = rest.strip_prefix(mark)?;
            let most = if end.is_empty() { 3 } else { 6 };
            let digits = behind.chars().take(most).take_while(|digit| digit.is_digit(base)).count();
            let number = u32::from_str_radix(behind.get(..digits)?, base).ok()?;
            Some((char::from_u32(number)?, behind.get(digits..)?.strip_prefix(end)?))
        });
        let (letter, behind) = found.unwrap_or((first, &rest[first.len_utf8()..]));
        plain.push(letter);
        rest = behind;
    }
    plain
}
