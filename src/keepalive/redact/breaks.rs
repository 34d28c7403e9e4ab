//! Where a terminal or a program has broken a line, perhaps within a token.

/// What may be at the end of a line and at the beginning of the next: the sides of a box.
const SIDES: [char; 3] = ['|', '\u{2502}', '\u{2503}'];

/// Returns the length of the line break that `text` begins with, with the space around it, or nothing. A
/// break may be written as `\n`, as JSON has it.
pub(super) fn line_break(text: &str) -> Option<usize> {
    let mut rest = text;
    let mut has_break = false;
    while let Some(first) = rest.chars().next() {
        let escaped = ["\\n", "\\r"].iter().find_map(|escape| rest.strip_prefix(escape));
        let is_break = escaped.is_some() || is_line_end(first);
        // As in the shell.
        let is_continued = first == '\\' && rest[1..].starts_with(is_line_end);
        if !is_break && !is_continued && !first.is_whitespace() && !SIDES.contains(&first) {
            break;
        }
        has_break |= is_break;
        rest = escaped.unwrap_or(&rest[first.len_utf8()..]);
    }
    has_break.then_some(text.len() - rest.len())
}

pub(super) fn is_line_end(letter: char) -> bool {
    matches!(letter, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}
