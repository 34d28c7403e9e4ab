//! The patterns of what is never let go: globs over chats and sessions.

use globset::{GlobBuilder, GlobMatcher};

use super::Mapping;
use super::ids::is_uuid;

/// Globs, each matched against a mapping's chat id, its session id, and `model/chat`. A `*` stands
/// for any characters, a slash included.
#[derive(Debug, Clone, Default)]
pub struct Patterns(Vec<GlobMatcher>);

impl Patterns {
    /// Adds one. The error says what is wrong, for the middle of a sentence.
    pub fn add(&mut self, pattern: &str) -> Result<(), String> {
        if pattern.is_empty() {
            return Err("empty".to_owned());
        }
        let mut glob = GlobBuilder::new(pattern);
        let glob = glob.literal_separator(false).backslash_escape(true).build();
        let glob = glob.map_err(|error| format!("not a valid pattern ({})", error.kind()))?;
        if !self.0.iter().any(|known| known.glob().glob() == pattern) {
            self.0.push(glob.compile_matcher());
        }
        Ok(())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The patterns as they were written.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|pattern| pattern.glob().glob())
    }

    /// The places, in the order of [`Self::texts`], of those that match this mapping.
    pub fn matching(&self, mapping: Mapping<'_>) -> impl Iterator<Item = usize> {
        let whole = format!("{}/{}", mapping.model, mapping.chat.0);
        let places = self.0.iter().enumerate();
        places
            .filter(move |(_, pattern)| {
                // A name with brackets in it is kept by itself, though as a glob it means others.
                let text = pattern.glob().glob();
                let fits = |name: &str| pattern.is_match(name) || text == name;
                let is_session = |id: &str| {
                    fits(id) || (is_uuid(id.as_bytes()) && id.eq_ignore_ascii_case(text))
                };
                mapping.session.is_some_and(|session| is_session(session.0))
                    || fits(mapping.chat.0)
                    || fits(&whole)
            })
            .map(|(place, _)| place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ChatId, SessionId};

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
            "*",
        ] {
            check(pattern, true);
        }
        for pattern in
            ["team", "design*", "codex-cli/*", "Team/*", "claude-cli", "1111", "team/\\*"]
        {
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
        for wrong in ["", "[", "{a", "a\\"] {
            assert!(patterns.add(wrong).is_err(), "{wrong}");
        }
        patterns.add("a").unwrap();
        patterns.add("a").unwrap();
        assert_eq!(patterns.texts().collect::<Vec<_>>(), ["a"], "each once");
    }
}
