//! A text in JSON, read as far as it is one: half a surrogate pair, which no Rust string can hold,
//! becomes U+FFFD.

use serde::de::{Deserializer, Error, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Returns the text that a value is, if it is one.
pub(super) fn text(value: &RawValue) -> Option<String> {
    let json = value.get();
    serde_json::from_str(json).ok().or_else(|| {
        let mut json = serde_json::Deserializer::from_str(json);
        json.deserialize_bytes(Lossy).ok()
    })
}

/// Takes a string's bytes, in which a lone surrogate is three bytes as in UTF-8.
struct Lossy;

impl Visitor<'_> for Lossy {
    type Value = String;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<String, E> {
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            // The first byte of a surrogate; the other two are chunks of their own.
            if chunk.invalid() == [0xED] {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_surrogate_pair_is_one_replacement_character() {
        #[track_caller]
        fn check(json: &str, expected: Option<&str>) {
            let value: &RawValue = serde_json::from_str(json).unwrap();
            assert_eq!(text(value).as_deref(), expected, "{json}");
        }
        check(r#""plain""#, Some("plain"));
        check(r#""a \ud83d b""#, Some("a \u{FFFD} b"));
        check(r#""\ude00""#, Some("\u{FFFD}"));
        check(r#""\ud83d\ud83d\ude00é\n""#, Some("\u{FFFD}\u{1F600}é\n"));
        check(r#""\ud83dx\ude00""#, Some("\u{FFFD}x\u{FFFD}"));
        check("7", None);
        check(r#"["a"]"#, None);
        check("[97, 98]", None);
    }
}
