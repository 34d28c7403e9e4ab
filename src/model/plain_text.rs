//! Text that is safe to show: all that the program prints or logs goes through here, so that text from others which
//! was not escaped where it was put in is escaped here (S3).

use std::io::{self, Write};

use super::escape::{escape, is_unsafe};

/// Escapes what a terminal would act on, except line ends, tabs and colours.
///
/// A character or colour that is written in parts is kept until its last one, and written out as it is when this is
/// flushed or dropped.
pub struct PlainText<W: Write> {
    to: W,
    /// The beginning of a character or of a colour.
    begun: Vec<u8>,
}

impl<W: Write> PlainText<W> {
    pub fn new(to: W) -> Self {
        Self { to, begun: Vec::new() }
    }

    fn write_begun(&mut self) -> io::Result<()> {
        let begun = std::mem::take(&mut self.begun);
        self.to.write_all(escape(&String::from_utf8_lossy(&begun)).as_bytes())
    }
}

impl<W: Write> Write for PlainText<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Nearly all that is written is plain, and checked many bytes at once.
        if self.begun.is_empty() && bytes.iter().fold(true, |all, byte| all & is_plain(*byte)) {
            self.to.write_all(bytes)?;
            return Ok(bytes.len());
        }

        self.begun.extend_from_slice(bytes);
        let (safe, done) = made_safe(&self.begun);
        self.begun.drain(..done);
        self.to.write_all(safe.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_begun()?;
        self.to.flush()
    }
}

impl<W: Write> Drop for PlainText<W> {
    fn drop(&mut self) {
        // A caller that needs the error flushes first.
        let _ = self.write_begun();
    }
}

/// Returns the text as [`PlainText`] writes it.
pub fn plain(text: &str) -> String {
    let (mut safe, done) = made_safe(text.as_bytes());
    safe.push_str(&escape(&text[done..]));
    safe
}

/// Returns the text of these bytes, and how many of them it stands for: the last ones may be the beginning of something.
fn made_safe(bytes: &[u8]) -> (String, usize) {
    let mut safe = String::with_capacity(bytes.len());
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        let plain = rest.iter().take_while(|byte| is_plain(**byte)).count();
        if plain > 0 {
            safe.push_str(std::str::from_utf8(&rest[..plain]).unwrap_or_default());
            done += plain;
            continue;
        }

        let (shown, length) = match Color::at(rest) {
            Color::Begun => break,
            Color::Whole(color) => (color.to_owned(), color.len()),
            Color::None => {
                let Some((letter, length)) = first_letter(rest) else { break };
                let text = letter.to_string();
                (if is_unsafe(letter) { escape(&text) } else { text }, length)
            }
        };
        safe.push_str(&shown);
        done += length;
    }
    (safe, done)
}

/// Returns true for a byte that is written as it is, whatever is beside it.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\n' | b'\t')
}

/// Returns the first character and its length in bytes, U+FFFD for bytes that are none; nothing if it may go on.
fn first_letter(bytes: &[u8]) -> Option<(char, usize)> {
    let first = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(first) {
        Ok(valid) => valid,
        Err(error) if error.valid_up_to() > 0 => {
            std::str::from_utf8(&first[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(error) => return error.error_len().map(|length| (char::REPLACEMENT_CHARACTER, length)),
    };
    valid.chars().next().map(|letter| (letter, letter.len_utf8()))
}

/// A sequence that only sets colours and styles, such as ESC `[1;31m`.
enum Color<'a> {
    Whole(&'a str),
    Begun,
    None,
}

impl<'a> Color<'a> {
    /// Returns the colour that these bytes begin with.
    fn at(bytes: &'a [u8]) -> Self {
        if bytes.first() != Some(&b'\x1b') {
            return Self::None;
        }
        let Some((bracket, rest)) = bytes[1..].split_first() else { return Self::Begun };
        let digits = rest.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b';')).count();
        match rest.get(digits) {
            _ if *bracket != b'[' || digits > LONGEST_COLOR => Self::None,
            None => Self::Begun,
            Some(b'm') => std::str::from_utf8(&bytes[..digits + 3]).map_or(Self::None, Self::Whole),
            Some(_) => Self::None,
        }
    }
}

const LONGEST_COLOR: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(pieces: &[&[u8]]) -> String {
        let mut out = Vec::new();
        let mut to = PlainText::new(&mut out);
        for piece in pieces {
            to.write_all(piece).unwrap();
        }
        drop(to);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_a_terminal_would_act_on_is_escaped_and_colours_are_not_s3() {
        let text = "\x1b[1;31mred\x1b[0m é\t\u{1F600}\n\x1b[2J\x1b]0;t\x07\r\u{202e}\u{9b}31m\x7f";
        let safe = "\x1b[1;31mred\x1b[0m é\t\u{1F600}\n\\u{1b}[2J\\u{1b}]0;t\\u{7}\\r\\u{202e}\\u{9b}31m\\u{7f}";
        assert_eq!(written(&[text.as_bytes()]), safe);
        // One byte after the other.
        assert_eq!(written(&text.as_bytes().chunks(1).collect::<Vec<_>>()), safe);
        assert_eq!(written(&[b"a\xffb\xe2\x82"]), "a\u{fffd}b\u{fffd}");
        assert_eq!(written(&[b"\x1b[3"]), "\\u{1b}[3", "begun and never ended");
        assert_eq!(
            written(&[b"\x1b[", &[b'1'; 40], b"m"]),
            format!("\\u{{1b}}[{}m", "1".repeat(40))
        );
    }

    proptest! {
        #[test]
        fn nothing_unsafe_is_left_however_it_is_cut_s3(
            text in any::<String>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let (first, second) = text.as_bytes().split_at(cut.index(text.len() + 1));
            let safe = written(&[first, second]);
            prop_assert_eq!(&safe, &written(&[text.as_bytes()]));
            let rest = safe.replace("\x1b[", "").replace(['\n', '\t'], "");
            prop_assert!(!rest.chars().any(is_unsafe), "{:?}", safe);
        }
    }
}
