//! Makes any text safe to show: characters that could move the cursor, hide or reorder text on a
//! terminal become visible escapes (X3).

use std::fmt::Write;

/// Escapes control, line-breaking, invisible and direction-changing characters.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            letter if is_unsafe(letter) => {
                // Writing to a String cannot fail.
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(letter));
            }
            letter => safe.push(letter),
        }
    }
    safe
}

/// Returns true if a terminal would act on `letter` instead of showing it.
pub fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn what_is_not_plain_text_becomes_visible_x3() {
        assert_eq!(
            escape("a\x1b[31mb\nc\u{202e}d\u{9b}e\x7f"),
            "a\\u{1b}[31mb\\nc\\u{202e}d\\u{9b}e\\u{7f}"
        );
        assert_eq!(escape("Grüße 日本 🎉 a b"), "Grüße 日本 🎉 a b");
    }
}
