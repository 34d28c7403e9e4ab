//! Resolves an ID on the command line: a chat, a session, `model/chat`, or a prefix that only one of them
//! has.

use std::collections::BTreeMap;

use super::ids::is_uuid;
use super::{Failure, Mapping, MappingIdx};

const CANDIDATES: usize = 5;

/// How similar a name must be to be suggested, from 0 to 1.
const ALIKE: f64 = 0.85;

/// Why an ID does not resolve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotNamed {
    /// Nothing has that name; these are similar.
    Unknown(Vec<String>),
    /// These have it, and that many more.
    Ambiguous(Vec<String>, usize),
}

impl NotNamed {
    pub fn failure(self, id: &str) -> Failure {
        match self {
            Self::Unknown(like) => {
                let hint = match &like[..] {
                    [] => "session-warden list shows the chats and sessions".to_owned(),
                    like => format!("similar: {}", like.join(", ")),
                };
                Failure::new(format!("{id:?} matches no chat or session in this map")).hint(hint)
            }
            Self::Ambiguous(names, more) => {
                let more = match more {
                    0 => String::new(),
                    more => format!(" and {more} more; session-warden list shows all"),
                };
                Failure::new(format!("{id:?} matches more than one chat or session"))
                    .hint(format!("name one of them: {}{more}", names.join(", ")))
            }
        }
    }
}

/// Returns the positions, ascending, of the mappings that `id` names. An exact match wins over a
/// prefix. A session names every chat that maps it; a chat that is mapped under several models is
/// named by `model/chat` only.
pub fn named<'a>(
    mappings: impl Iterator<Item = Mapping<'a>> + Clone,
    id: &str,
) -> Result<Vec<MappingIdx>, NotNamed> {
    let mut exact = Named::default();
    let mut prefix = Named::default();
    for (index, mapping) in (0..).map(MappingIdx).zip(mappings.clone()) {
        let chat = mapping.chat.0;
        let of_model = id.strip_prefix(mapping.model).and_then(|rest| rest.strip_prefix('/'));
        let session = mapping.session.map(|session| session.0);

        if chat == id {
            exact.add(Name::Chat(chat), index, mapping.model);
        } else if chat.starts_with(id) {
            prefix.add(Name::Chat(chat), index, mapping.model);
        }
        if of_model == Some(chat) {
            exact.add(Name::Whole(mapping.model, chat), index, mapping.model);
        } else if of_model.is_some_and(|start| chat.starts_with(start)) {
            prefix.add(Name::Whole(mapping.model, chat), index, mapping.model);
        }
        match session.map(|session| (session, fit(session, id))) {
            Some((session, Fit::Exact)) => exact.add(Name::session(session), index, mapping.model),
            Some((session, Fit::Prefix)) => {
                prefix.add(Name::session(session), index, mapping.model);
            }
            _ => {}
        }
    }

    if !exact.0.is_empty() {
        return exact.only();
    }
    if !prefix.0.is_empty() {
        return prefix.only();
    }

    Err(NotNamed::Unknown(alike(mappings, id)))
}

/// Returns the names of chats and sessions that look like `id`, the most similar first.
fn alike<'a>(mappings: impl Iterator<Item = Mapping<'a>>, id: &str) -> Vec<String> {
    let mut found: Vec<(f64, &str)> = Vec::new();
    for mapping in mappings {
        for name in [Some(mapping.chat.0), mapping.session.map(|session| session.0)] {
            let Some(name) = name else { continue };
            let score = strsim::jaro_winkler(name, id);
            if score >= ALIKE && !found.iter().any(|(_, known)| *known == name) {
                found.push((score, name));
                found.sort_by(|a, b| b.0.total_cmp(&a.0));
                found.truncate(CANDIDATES);
            }
        }
    }
    found.into_iter().map(|(_, name)| name.to_owned()).collect()
}

#[derive(PartialEq, Eq)]
enum Fit {
    Exact,
    Prefix,
    Not,
}

/// UUIDs are compared without regard to case.
fn fit(session: &str, id: &str) -> Fit {
    let start = session.as_bytes().get(..id.len());
    let is_start = start.is_some_and(|start| {
        start == id.as_bytes()
            || (is_uuid(session.as_bytes()) && start.eq_ignore_ascii_case(id.as_bytes()))
    });

    match is_start {
        true if session.len() == id.len() => Fit::Exact,
        true => Fit::Prefix,
        false => Fit::Not,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Name<'a> {
    Chat(&'a str),
    Whole(&'a str, &'a str),
    Session(String),
}

impl Name<'_> {
    fn session(id: &str) -> Self {
        let id = id.to_owned();
        Self::Session(if is_uuid(id.as_bytes()) { id.to_ascii_lowercase() } else { id })
    }
}

/// The names that fit, each with its mappings and their models.
#[derive(Default)]
struct Named<'a>(BTreeMap<Name<'a>, Vec<(MappingIdx, &'a str)>>);

impl<'a> Named<'a> {
    fn add(&mut self, name: Name<'a>, mapping: MappingIdx, model: &'a str) {
        self.0.entry(name).or_default().push((mapping, model));
    }

    /// Returns the mappings if all of these names have the same ones.
    fn only(self) -> Result<Vec<MappingIdx>, NotNamed> {
        let is_of_several =
            self.0.iter().any(|(name, of)| matches!(name, Name::Chat(_)) && of.len() > 1);
        let mut sets = self.0.values();
        let first = sets.next().cloned().unwrap_or_default();
        if !is_of_several && sets.all(|set| *set == first) {
            return Ok(first.into_iter().map(|(mapping, _)| mapping).collect());
        }

        let names = self.0.into_iter().flat_map(|(name, of)| match name {
            Name::Chat(chat) if of.len() > 1 => {
                of.iter().map(|(_, model)| format!("{model}/{chat}")).collect()
            }
            Name::Chat(chat) => vec![chat.to_owned()],
            Name::Whole(model, chat) => vec![format!("{model}/{chat}")],
            Name::Session(id) => vec![id],
        });

        let mut names: Vec<String> = names.collect();
        let more = names.len().saturating_sub(CANDIDATES);
        names.truncate(CANDIDATES);
        Err(NotNamed::Ambiguous(names, more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChatId, SessionId};

    const A: &str = "b7e24d81-16c3-4f9a-8e05-d94a3c7b2f66";
    const B: &str = "b7e2ffff-16c3-4f9a-8e05-d94a3c7b2f66";

    fn map() -> Vec<Mapping<'static>> {
        let mapping = |model, chat, session: &'static str| Mapping {
            model,
            chat: ChatId(chat),
            session: Some(session).filter(|id| !id.is_empty()).map(SessionId),
        };
        vec![
            mapping("claude-cli", "tax", A),
            mapping("claude-cli", "tax-return", B),
            mapping("claude-cli", "team/design", "0000"),
            mapping("codex-cli", "tax-return", "thread-1"),
            mapping("codex-cli", "clara", A),
            mapping("codex-cli", "odd", ""),
            mapping("codex-cli", "clara-2", "b7-x"),
        ]
    }

    #[track_caller]
    fn check(id: &str, expected: &[u32]) {
        let found = named(map().into_iter(), id).map(|all| all.into_iter().map(|index| index.0));
        assert_eq!(found.map(Iterator::collect), Ok(expected.to_vec()), "{id}");
    }

    #[track_caller]
    fn ambiguous(id: &str, names: &[&str]) {
        match named(map().into_iter(), id) {
            Err(NotNamed::Ambiguous(found, 0)) => assert_eq!(found, names, "{id}"),
            other => panic!("{id}: {other:?}"),
        }
    }

    #[test]
    fn an_exact_match_wins_over_a_prefix() {
        check("tax", &[0]);
        check("clara", &[4]);
        check("odd", &[5]);
        check("claude-cli/tax", &[0]);
    }

    #[test]
    fn a_prefix_names_what_only_one_has() {
        check("te", &[2]);
        check("clara-", &[6]);
        check("o", &[5]);
        check("th", &[3]);
        check("b7-", &[6]);
        check("claude-cli/te", &[2]);
        check("codex-cli/o", &[5]);
        // What a model begins with is no prefix of its chats.
        ambiguous("cl", &["clara", "clara-2"]);
        ambiguous("b7e2", &[A, B]);
        ambiguous(
            "claude-cli/",
            &["claude-cli/tax", "claude-cli/tax-return", "claude-cli/team/design"],
        );
    }

    #[test]
    fn a_session_names_every_chat_that_maps_it_in_either_case() {
        check(A, &[0, 4]);
        check(&A.to_uppercase(), &[0, 4]);
        check("b7e24", &[0, 4]);
        check("B7E24D", &[0, 4]);
        check("thread-1", &[3]);
    }

    #[test]
    fn a_chat_of_several_models_needs_its_model() {
        ambiguous("tax-return", &["claude-cli/tax-return", "codex-cli/tax-return"]);
        ambiguous("tax-", &["claude-cli/tax-return", "codex-cli/tax-return"]);
        check("codex-cli/tax-return", &[3]);
    }

    #[test]
    fn what_nothing_has_is_unknown_with_what_looks_like_it() {
        let unknown = |id| match named(map().into_iter(), id) {
            Err(NotNamed::Unknown(like)) => like,
            other => panic!("{id}: {other:?}"),
        };
        assert_eq!(unknown("tax-retrun"), ["tax-return"]);
        assert_eq!(unknown("Thread-1"), ["thread-1"]);
        assert_eq!(unknown("nothing"), [""; 0]);
        assert_eq!(unknown("claude-cli"), [""; 0]);
        let failure = NotNamed::Unknown(Vec::new()).failure("x\u{1b}");
        assert!(failure.message.contains("\\u{1b}"), "{failure}");
        assert!(failure.hint.is_some_and(|hint| hint.contains("session-warden list")));
    }

    #[test]
    fn at_most_five_candidates_are_named() {
        let chats: Vec<String> = (0..9).map(|number| format!("chat-{number}")).collect();
        let mappings = chats.iter().map(|chat| Mapping {
            model: "m",
            chat: ChatId(chat),
            session: Some(SessionId("s")),
        });
        match named(mappings, "chat") {
            Err(NotNamed::Ambiguous(names, more)) => assert_eq!((names.len(), more), (5, 4)),
            other => panic!("{other:?}"),
        }
    }
}
