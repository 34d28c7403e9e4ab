//! JSON without raw characters that a terminal would act on.

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter};
use std::io::{self, BufWriter, Write};

use super::escape::is_unsafe;

const AT_ONCE: usize = 64 << 10;

/// Writes the value as one line that is safe to show.
pub fn write_plain(value: &impl Serialize, to: &mut dyn Write) -> io::Result<()> {
    // JSON is written in very small pieces.
    let mut to = BufWriter::with_capacity(AT_ONCE, to);
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut to, Plain))?;
    writeln!(to)?;
    to.flush()
}

/// Returns the value as [`write_plain`] writes it.
pub fn plain_json(value: &impl Serialize) -> String {
    let mut text = Vec::new();
    // Writing to memory cannot fail.
    let _ = write_plain(value, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// Compact JSON that escapes all that a terminal would act on (X3).
struct Plain;

impl Formatter for Plain {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        to: &mut W,
        text: &str,
    ) -> io::Result<()> {
        // Nearly all that is written is plain, and checked many bytes at once.
        if text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~')) {
            return to.write_all(text.as_bytes());
        }

        let mut rest = text;
        while let Some((place, letter)) = rest.char_indices().find(|(_, c)| is_unsafe(*c)) {
            to.write_all(&rest.as_bytes()[..place])?;
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                write!(to, "\\u{unit:04x}")?;
            }
            rest = &rest[place + letter.len_utf8()..];
        }
        to.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(
        &mut self,
        to: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        serde_json::ser::CompactFormatter.write_char_escape(to, escape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_characters_never_stand_raw_and_read_back_the_same_x3() {
        let text = "a\x7fb\u{9b}c\u{202e}d\u{e0041}\u{1F600}é\"\\\n\x1b";
        let mut out = Vec::new();
        text.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Plain)).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(!out.chars().any(is_unsafe), "{out:?}");
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
    }
}
