//! A text without one known secret, however that is written: escaped, by number, in wide letters, or
//! with other characters between its letters.

use std::ops::Range;

use super::tokens::{HIDDEN, redact};

/// This many characters of the secret in a row give part of it away.
const TELLING: usize = 8;

/// A way to write a character by its number.
struct Escape {
    mark: &'static str,
    base: u32,
    /// How many digits there may be at least and at most.
    digits: (usize, usize),
    end: &'static str,
}

/// `%2D`, `\u002d` and `\x2d`: text with these is still readable.
const PLAIN_ESCAPES: [Escape; 3] = [
    Escape { mark: "%", base: 16, digits: (2, 2), end: "" },
    Escape { mark: "\\u00", base: 16, digits: (2, 2), end: "" },
    Escape { mark: "\\x", base: 16, digits: (2, 2), end: "" },
];

/// `&#x73;`, `&#115;`, `\u{73}` and `\163`.
const OTHER_ESCAPES: [Escape; 4] = [
    Escape { mark: "&#x", base: 16, digits: (1, 6), end: ";" },
    Escape { mark: "&#", base: 10, digits: (1, 6), end: ";" },
    Escape { mark: "\\u{", base: 16, digits: (1, 6), end: "}" },
    Escape { mark: "\\", base: 8, digits: (1, 3), end: "" },
];

/// Returns a line of another program or server without this secret (which is ASCII), without any part
/// of it, and without anything that looks like a token.
pub(crate) fn redact_secret(text: &str, secret: &str) -> String {
    let letters = decode(text, &PLAIN_ESCAPES);
    let plain: Vec<char> = letters.iter().map(|(letter, _)| letter.to_ascii_lowercase()).collect();
    let secret: Vec<char> = secret.to_ascii_lowercase().chars().collect();
    let telling = TELLING.min(secret.len());

    let mut clean = String::new();
    let (mut shown, mut hidden_to) = (0, 0);
    for (at, part) in plain.windows(telling).enumerate() {
        if !secret.windows(telling).any(|known| known == part) {
            continue;
        }
        let (from, to) = (letters[at].1.start, letters[at + telling - 1].1.end);
        if at >= hidden_to {
            clean.push_str(text.get(shown..from).unwrap_or_default());
            clean.push_str(HIDDEN);
        }
        (shown, hidden_to) = (to, at + telling);
    }

    clean.push_str(text.get(shown..).unwrap_or_default());

    // If it is there in any other form, nothing of the text is shown.
    if has_in_any_form(&clean, secret) { HIDDEN.to_owned() } else { redact(&clean) }
}

fn has_in_any_form(text: &str, secret: Vec<char>) -> bool {
    let secret = bare(secret);
    let telling = TELLING.min(secret.len());
    let letters = bare(decode(text, &OTHER_ESCAPES).into_iter().map(|(letter, _)| letter));
    telling > 0 && (telling..=secret.len()).any(|end| letters.contains(&secret[end - telling..end]))
}

/// Returns the characters of a text, each with its range in it. One that is written by its number in one
/// of these ways counts as that character.
fn decode(text: &str, escapes: &[Escape]) -> Vec<(char, Range<usize>)> {
    let mut letters = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let found = escapes.iter().find_map(|escape| escape.read(&text[at..]));
        let (letter, length) = found.unwrap_or((first, first.len_utf8()));
        letters.push((letter, at..at + length));
        at += length;
    }
    letters
}

impl Escape {
    /// Returns the character that `text` begins with in this form, and its length in the text.
    fn read(&self, text: &str) -> Option<(char, usize)> {
        let (least, most) = self.digits;
        let behind = text.strip_prefix(self.mark)?;
        let count = behind.chars().take(most).take_while(|digit| digit.is_digit(self.base)).count();
        let number = u32::from_str_radix(&behind[..count], self.base).ok()?;
        let rest = behind[count..].strip_prefix(self.end).filter(|_| count >= least)?;
        Some((char::from_u32(number)?, text.len() - rest.len()))
    }
}

/// Returns the ASCII letters and digits, in lower case; wide ones (U+FF01 to U+FF5E) as the letters that
/// they look like.
fn bare(text: impl IntoIterator<Item = char>) -> String {
    let plain = text.into_iter().filter_map(|letter| match u32::from(letter) {
        wide @ 0xff01..=0xff5e => char::from_u32(wide - 0xff01 + 0x21),
        _ => Some(letter),
    });
    plain.filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}
