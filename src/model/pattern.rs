//! The patterns of pinned mappings: globs over chats and sessions.

use regex_lite::{Regex, escape};
use std::iter::Peekable;
use std::str::Chars;

use super::Mapping;
use super::ids::is_uuid;

/// Globs, each matched against a mapping's chat id, its session id, and `model/chat`. A `*` stands
/// for any characters, a slash included.
#[derive(Debug, Clone, Default)]
pub struct Patterns(Vec<Pattern>);

#[derive(Debug, Clone)]
struct Pattern {
    text: String,
    glob: Regex,
}

impl Patterns {
    /// Adds one. The error is worded for the middle of a sentence.
    pub fn add(&mut self, pattern: &str) -> Result<(), String> {
        if pattern.is_empty() {
            return Err("empty".to_owned());
        }
        let glob = compiled(pattern).map_err(|why| format!("not a valid pattern ({why})"))?;
        if !self.0.iter().any(|known| known.text == pattern) {
            self.0.push(Pattern { text: pattern.to_owned(), glob });
        }
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|pattern| pattern.text.as_str())
    }

    /// Returns the positions, in the order of [`Self::texts`], of the patterns that match the mapping.
    pub fn matching(&self, mapping: Mapping<'_>) -> impl Iterator<Item = usize> {
        let whole = format!("{}/{}", mapping.model, mapping.chat.0);
        let matching = self.0.iter().enumerate().filter(move |(_, pattern)| {
            mapping.session.is_some_and(|session| pattern.fits_session(session.0))
                || pattern.fits(mapping.chat.0)
                || pattern.fits(&whole)
        });
        matching.map(|(index, _)| index)
    }
}

impl Pattern {
    /// A name with brackets matches itself, although it is a glob for other names.
    fn fits(&self, name: &str) -> bool {
        self.text == name || self.glob.is_match(name)
    }

    fn fits_session(&self, id: &str) -> bool {
        self.fits(id) || (is_uuid(id.as_bytes()) && id.eq_ignore_ascii_case(&self.text))
    }
}

/// Translates a glob: `*` matches any characters, `?` one, `**/` any folders or none, `[a-z]` one of these,
/// `[!a-z]` any other, `{a,b}` one of these globs, and `\\` quotes the next character.
fn compiled(pattern: &str) -> Result<Regex, String> {
    let mut expression = String::from("(?s)^(?:");
    let (mut letters, mut depth) = (pattern.chars().peekable(), 0_usize);
    // True at the start of a name: at the beginning and after a slash.
    let mut begins = true;
    while let Some(letter) = letters.next() {
        let began = std::mem::replace(&mut begins, letter == '/');
        match letter {
            '*' if began && is_any_folders(&letters) => {
                letters.nth(1);
                // Any folders, and nothing below them, is anything.
                let is_last = letters.peek().is_none();
                expression.push_str(if is_last { ".*" } else { "(?:.*/)?" });
                begins = true;
            }
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            '[' => class(&mut letters, &mut expression)?,
            '{' => {
                depth += 1;
                expression.push_str("(?:");
            }
            '}' if depth > 0 => {
                depth -= 1;
                expression.push(')');
            }
            '}' => return Err("unopened alternate group; missing '{'".to_owned()),
            ',' if depth > 0 => expression.push('|'),
            '\\' => {
                let next = letters.next().ok_or("dangling '\\'")?;
                expression.push_str(&escape(next.encode_utf8(&mut [0; 4])));
            }
            other => expression.push_str(&escape(other.encode_utf8(&mut [0; 4]))),
        }
    }

    if depth > 0 {
        return Err("unclosed alternate group; missing '}'".to_owned());
    }
    expression.push_str(")$");
    Regex::new(&expression).map_err(|error| error.to_string())
}

/// Returns true if `*/` follows: together with the `*` before, any folders or none.
fn is_any_folders(letters: &Peekable<Chars<'_>>) -> bool {
    let mut next = letters.clone();
    next.next() == Some('*') && next.next() == Some('/')
}

/// Translates a class whose bracket has just been read.
fn class(letters: &mut Peekable<Chars<'_>>, expression: &mut String) -> Result<(), String> {
    expression.push('[');
    if letters.next_if(|letter| matches!(letter, '!' | '^')).is_some() {
        expression.push('^');
    }

    // A bracket right at the start is one of the characters.
    let mut members: Vec<char> = letters.next_if_eq(&']').into_iter().collect();
    loop {
        match letters.next() {
            None => return Err("unclosed character class; missing ']'".to_owned()),
            Some(']') => break,
            Some(letter) => members.push(letter),
        }
    }

    let mut members = members.into_iter().peekable();
    while let Some(first) = members.next() {
        let mut ahead = members.clone();
        let last = if ahead.next() == Some('-') { ahead.next() } else { None };
        let Some(last) = last else {
            expression.push_str(&quoted(first));
            continue;
        };
        if last < first {
            return Err(format!("invalid range; '{first}' is after '{last}'"));
        }
        expression.extend([quoted(first), "-".to_owned(), quoted(last)]);
        members = ahead;
    }

    expression.push(']');
    Ok(())
}

fn quoted(letter: char) -> String {
    match letter {
        '[' | ']' | '\\' | '^' | '-' | '&' | '~' => format!("\\{letter}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChatId, SessionId};

    #[track_caller]
    fn check(pattern: &str, matches: bool) {
        let mut patterns = Patterns::default();
        patterns.add(pattern).unwrap();
        let mapping = Mapping {
            model: "claude-cli",
            chat: ChatId("team/design\nüber"),
            session: Some(SessionId("11111111-1111-4111-8111-111111111111")),
        };
        assert_eq!(patterns.matching(mapping).next().is_some(), matches, "{pattern}");
    }

    #[test]
    fn a_pattern_matches_the_chat_the_session_or_both_names_of_a_mapping() {
        for pattern in [
            "team/*",
            "team*",
            "*über",
            "claude-cli/*",
            "claude-cli/team/design*",
            "11111111-*",
            "11111111-1111-4111-8111-111111111111",
            "{x,team/*}",
            "[st]eam?design*",
            "[!a]eam[+-0]design*",
            "**/team/*",
            "claude-cli/**/team/**",
            "**/",
            "te\\am/*",
            "{,claude-cli/}team/*",
            "*",
        ] {
            check(pattern, true);
        }
        for pattern in [
            "team",
            "design*",
            "codex-cli/*",
            "Team/*",
            "claude-cli",
            "1111",
            "team/\\*",
            "team.*",
            "[!t]eam*",
            "{x,y}*",
        ] {
            check(pattern, false);
        }
        let mut odd = Patterns::default();
        odd.add("a[1]{b,c}").unwrap();
        odd.add("AAAAAAAA-1111-4111-8111-111111111111").unwrap();
        let kept = |chat, session| {
            let session = Some(SessionId(session));
            let mapping = Mapping { model: "m", chat: ChatId(chat), session };
            odd.matching(mapping).next().is_some()
        };
        assert!(kept("a[1]{b,c}", "x") && kept("a1b", "x") && !kept("a[1]", "x"));
        assert!(kept("x", "aaaaaaaa-1111-4111-8111-111111111111"));
        let mut patterns = Patterns::default();
        for wrong in ["", "[", "{a", "a}", "a\\", "[b-a]", "[]"] {
            assert!(patterns.add(wrong).is_err(), "{wrong}");
        }
        patterns.add("a").unwrap();
        patterns.add("a").unwrap();
        assert_eq!(patterns.texts().collect::<Vec<_>>(), ["a"], "each once");
    }
}
