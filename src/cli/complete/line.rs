//! A line of bash up to the cursor: its words without their quotes, and a candidate in the form that
//! readline puts into the line.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The bytes that end a command, so that another one begins.
const SEPARATORS: &[u8] = b";|&\n";

/// A line that was split into words.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// The words of the last command; the last is the one at the cursor, which may be empty.
    pub(super) words: Vec<OsString>,
    /// True if the last word names the file of a redirection.
    pub(super) is_redirect: bool,
    /// The quote that is open at the cursor.
    quote: Option<u8>,
    /// The length of the last word's start that readline leaves alone.
    kept: usize,
}

impl Line {
    /// Splits a line. `breaks` has the characters at which readline begins a new word.
    pub(super) fn split(line: &OsStr, breaks: &[u8]) -> Self {
        let mut found = Self::default();
        let mut word: Option<Vec<u8>> = None;
        // The part that readline leaves alone, if the quote that is open now is closed.
        let mut kept = 0;
        let mut bytes = line.as_bytes().iter().copied();
        while let Some(byte) = bytes.next() {
            match (found.quote, byte) {
                (Some(quote), _) if byte == quote => {
                    found.quote = None;
                    found.kept = kept;
                }
                (Some(b'\''), _) => word.get_or_insert_default().push(byte),
                (quote, b'\\') => {
                    let Some(next) = bytes.next() else { break };
                    let text = word.get_or_insert_default();
                    if quote.is_some() && !b"\"\\$`".contains(&next) {
                        text.push(byte);
                    }
                    text.push(next);
                }
                (Some(_), _) => word.get_or_insert_default().push(byte),
                (None, b'\'' | b'"') => {
                    found.quote = Some(byte);
                    kept = found.kept;
                    found.kept = word.get_or_insert_default().len();
                }
                (None, b' ' | b'\t') => found.end(&mut word),
                (None, b'<' | b'>') => {
                    found.end(&mut word);
                    found.is_redirect = true;
                }
                (None, _) if SEPARATORS.contains(&byte) => {
                    found = Self::default();
                    word = None;
                }
                (None, _) => {
                    let text = word.get_or_insert_default();
                    text.push(byte);
                    if breaks.contains(&byte) {
                        found.kept = text.len();
                    }
                }
            }
        }

        found.words.push(OsString::from_vec(word.unwrap_or_default()));
        found
    }

    /// Ends a word, if there is one. The file of a redirection is not a word of the command.
    fn end(&mut self, word: &mut Option<Vec<u8>>) {
        let Some(bytes) = word.take() else { return };
        if !std::mem::take(&mut self.is_redirect) {
            self.words.push(OsString::from_vec(bytes));
        }
        self.kept = 0;
    }

    /// Returns the text that readline has to insert for that value of the last word, quoted.
    pub(super) fn insertion(&self, value: &str) -> Option<String> {
        let mut quoted = String::new();
        for letter in value.get(self.kept..)?.chars() {
            if self.has_to_escape(letter) {
                quoted.push('\\');
            }
            quoted.push(letter);
            if letter == '\'' && self.quote == Some(b'\'') {
                quoted.push_str("\\''");
            }
        }
        Some(quoted)
    }

    fn has_to_escape(&self, letter: char) -> bool {
        match self.quote {
            Some(b'\'') => false,
            Some(_) => "\"\\$`".contains(letter),
            None => {
                let is_plain = letter.is_ascii_alphanumeric() || "_-./:=@%+,".contains(letter);
                letter.is_ascii() && !is_plain
            }
        }
    }
}

/// Returns a word of fish without its quotes; the last one may be open.
pub(super) fn unquoted(word: &OsStr) -> OsString {
    // Separators cannot be in a word of fish unless they are quoted.
    Line::split(word, &[]).words.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BREAKS: &[u8] = b" \t\n\"'><=;|&(:";

    #[test]
    fn a_line_is_split_as_bash_does() {
        #[track_caller]
        fn check(line: &str, words: &[&str]) {
            assert_eq!(Line::split(OsStr::new(line), BREAKS).words, words, "{line}");
        }
        check("w", &["w"]);
        check("w ", &["w", ""]);
        check("w  a\tb", &["w", "a", "b"]);
        check(r"w a\ b 'c d' ", &["w", "a b", "c d", ""]);
        check(r#"w "a \"b\ $c" x"#, &["w", r#"a "b\ $c"#, "x"]);
        check("w 'a b", &["w", "a b"]);
        check("w '' ", &["w", "", ""]);
        check("w --map='/a b'/c", &["w", "--map=/a b/c"]);
        check("cd x && w a", &["w", "a"]);
        check("w a >out b", &["w", "a", "b"]);
        check("w a\\", &["w", "a"]);
        check("w Grüße", &["w", "Grüße"]);
        check("", &[""]);
        assert!(Line::split(OsStr::new("w a > o"), BREAKS).is_redirect);
        assert!(!Line::split(OsStr::new("w a > o "), BREAKS).is_redirect);
        assert_eq!(unquoted(OsStr::new("my\\ ch")), "my ch");
        assert_eq!(unquoted(OsStr::new("'my ch")), "my ch");
    }

    #[test]
    fn a_value_is_inserted_where_readline_begins_its_word() {
        #[track_caller]
        fn check(line: &str, value: &str, expected: &str) {
            let line = Line::split(OsStr::new(line), BREAKS);
            assert_eq!(line.insertion(value).unwrap(), expected, "{line:?}");
        }
        check("w te", "team", "team");
        check("w ", "a b$c'd", r"a\ b\$c\'d");
        check("w telegram:1", "telegram:123", "123");
        check("w --state=id", "--state=idle", "idle");
        check(r"w telegram\:1", "telegram:123", "telegram:123");
        check("w 'a", "a b'c", r"a b'\''c");
        check("w \"a", "a b$c", r"a b\$c");
        check("w x:'a", "x:a b", "a b");
        check("w a=b c", "cd", "cd");
        check("w x'a b'c", "xa bcd", r"xa\ bcd");
        check("w ü", "über ß", r"über\ ß");
        assert_eq!(Line::split(OsStr::new("w a:b"), BREAKS).insertion("x"), None);
    }
}
