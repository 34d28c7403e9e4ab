//! Blocks of keys and certificates (RFC 7468, RFC 4716), whole or cut off.

use super::tokens::HIDDEN;

/// Returns the text without these blocks. Of one that is cut off, all text on that side is hidden.
pub(super) fn without_blocks(text: &str) -> String {
    let mut clean = String::new();
    let mut rest = text;
    loop {
        let (begin, end) = (marker(rest, "BEGIN "), marker(rest, "END "));
        // One that ends before another begins has lost its beginning.
        let start = match (begin, end) {
            (None, None) => return clean + rest,
            (Some((begin, _)), Some((end, _))) if begin < end => begin,
            (Some((begin, _)), None) => begin,
            _ => 0,
        };
        clean.push_str(&rest[..start]);
        clean.push_str(HIDDEN);
        let Some((_, end)) = end else { return clean };
        rest = &rest[end..];
    }
}

/// Returns the first marker of that kind: where it begins and ends.
fn marker(text: &str, word: &str) -> Option<(usize, usize)> {
    let (at, _) = text.match_indices(word).find(|(at, _)| {
        let before = &text[..*at];
        before.strip_suffix(' ').unwrap_or(before).ends_with("----")
    })?;
    let start = text[..at].trim_end_matches([' ', '-']).len();
    let label = &text[at..];
    let dashes = label.find("--").unwrap_or(label.len());
    let behind = label[dashes..].trim_start_matches('-');
    Some((start, text.len() - behind.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_hidden_whole_or_cut() {
        let begin = "-----BEGIN RSA PRIVATE KEY-----";
        let end = "-----END RSA PRIVATE KEY-----";
        for (text, expected) in [
            (format!("a\n{begin}\nabc\ndef=\n{end}\nb"), "a\n[hidden]\nb"),
            (format!("key: \"{begin}\\nabc\\n{end}\\n\" b"), "key: \"[hidden]\\n\" b"),
            (format!("a {begin} abc {end} b {begin} def {end} c"), "a[hidden] b[hidden] c"),
            (format!("a {begin}\nabc"), "a[hidden]"),
            (format!("abc\n{end} b"), "[hidden] b"),
            (format!("abc {end} b {begin} def"), "[hidden] b[hidden]"),
            (
                "---- BEGIN SSH2 PUBLIC KEY ----\nabc\n---- END SSH2 PUBLIC KEY ----".to_owned(),
                "[hidden]",
            ),
            ("-----BEGIN CERT".to_owned(), "[hidden]"),
            ("-- END of it, -BEGIN x".to_owned(), "-- END of it, -BEGIN x"),
        ] {
            assert_eq!(without_blocks(&text), expected, "{text}");
        }
    }
}
