//! Words as unit files, shells and crontabs read them back.

/// Returns true if a word needs no quotes anywhere.
pub(super) fn is_plain(word: &str) -> bool {
    !word.is_empty()
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_/.:=@,+-".contains(&byte))
}

/// A word of `ExecStart=` (systemd.service, "Command lines"): specifiers and variables are taken as
/// they are.
pub(super) fn command_word(word: &str) -> String {
    unit_word(word).replace('$', "$$")
}

/// A word of `Environment=` and other settings with quotes (systemd.syntax, "Quoting").
pub(super) fn unit_word(word: &str) -> String {
    if is_plain(word) {
        return word.to_owned();
    }

    let mut quoted = String::from("\"");
    for letter in word.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '%' => quoted.push_str("%%"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// The words of a setting of a unit, read back.
pub(super) fn unit_words(text: &str) -> Vec<String> {
    words(text, false).into_iter().map(|word| word.replace("%%", "%")).collect()
}

/// The words of `ExecStart=`, read back.
pub(super) fn command_words(text: &str) -> Vec<String> {
    unit_words(text).into_iter().map(|word| word.replace("$$", "$")).collect()
}

/// The words of a simple command of a POSIX shell, up to a comment, without any expansion.
pub(super) fn shell_words(text: &str) -> Vec<String> {
    words(text, true)
}

/// Splits at white space outside of quotes. In a shell's single quotes a backslash is itself, and a
/// number sign begins a comment; in the words of a unit, a backslash and a letter may be a line feed.
fn words(text: &str, is_shell: bool) -> Vec<String> {
    let (mut all, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = text.chars();

    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (letter, Some(open)) if letter == open => quote = None,
            ('\\', open) if !(is_shell && open == Some('\'')) => {
                let next = letters.next().map(|next| match next {
                    'n' if !is_shell => '\n',
                    't' if !is_shell => '\t',
                    'r' if !is_shell => '\r',
                    other => other,
                });
                word.get_or_insert_default().extend(next);
            }
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            ('#', None) if is_shell && word.is_none() => break,
            (letter, None) if letter.is_whitespace() => all.extend(word.take()),
            (letter, _) => word.get_or_insert_default().push(letter),
        }
    }
    all.extend(word);
    all
}

/// A user's name as part of a unit's (systemd.unit, "String escaping for inclusion in unit names").
pub(super) fn escaped(user: &str) -> String {
    let mut unit = String::new();
    for byte in user.bytes() {
        match byte {
            b'/' => unit.push('-'),
            b'_' | b':' | b'.' => unit.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => unit.push(char::from(byte)),
            other => unit.extend(format!("\\x{other:02x}").chars()),
        }
    }
    unit
}

/// The user's name of which that is the escaped form.
pub(super) fn unescaped(unit: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = unit.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let hex = rest.strip_prefix(b"\\x").and_then(|hex| std::str::from_utf8(hex.get(..2)?).ok());
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            rest = rest.get(4..).unwrap_or_default();
        } else {
            bytes.push(if *first == b'-' { b'/' } else { *first });
            rest = more;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Text in XML.
pub(super) fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_they_must_be() {
        for (word, unit, command) in [
            ("--hours=4", "--hours=4", "--hours=4"),
            ("", "\"\"", "\"\""),
            ("a b", "\"a b\"", "\"a b\""),
            ("50%", "\"50%%\"", "\"50%%\""),
            ("$HOME", "\"$HOME\"", "\"$$HOME\""),
            ("a\"b\\c", "\"a\\\"b\\\\c\"", "\"a\\\"b\\\\c\""),
            ("it's", "\"it's\"", "\"it's\""),
            ("a\nb", "\"a\\nb\"", "\"a\\nb\""),
        ] {
            assert_eq!(unit_word(word), unit, "{word:?}");
            assert_eq!(command_word(word), command, "{word:?}");
            assert_eq!(unit_words(&format!(" {unit}  {unit}")), [word, word]);
            assert_eq!(command_words(command), [word]);
        }
        for (user, unit) in
            [("alice", "alice"), ("a-b", "a\\x2db"), ("d\\u", "d\\x5cu"), ("a.b_1", "a.b_1")]
        {
            assert_eq!(escaped(user), unit);
            assert_eq!(unescaped(unit), user);
        }
        assert_eq!(xml("<a & b>"), "&lt;a &amp; b&gt;");
    }
}
