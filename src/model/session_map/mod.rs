//! The bridge's map, held as the very bytes that were read: parsed strictly, and cut without
//! touching what stays.
//!
//! Texts are kept as places in the bytes, so a map costs little more than its own size. Only
//! texts with escapes are decoded into a buffer beside them.

mod edit;
pub(crate) mod outline;
mod parse;
mod unique;

use super::{ChatId, MappingIdx, SessionId};

pub use parse::ParseError;

/// How the map is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `{model: {chat: session}}`.
    Today,
    /// `{chat: session}`, meaning Claude's.
    Legacy,
}

impl Form {
    /// The model that a map in legacy form is about.
    pub const LEGACY_MODEL: &str = "claude-cli";
}

/// The bridge's map of chats to CLI sessions.
#[derive(Debug)]
pub struct SessionMap {
    whole: String,
    decoded: String,
    form: Form,
    models: Vec<Model>,
    entries: Vec<Entry>,
}

/// A place in `whole`, or, with the highest bit of `start` set, in `decoded`.
#[derive(Debug, Clone, Copy)]
struct Text {
    start: u32,
    length: u32,
}

const DECODED: u32 = 1 << 31;

#[derive(Debug)]
struct Model {
    name: Text,
    is_object: bool,
    /// How many entries there are up to and with this model's.
    end: u32,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    chat: Text,
    /// `None` where the map has no string.
    session: Option<Text>,
}

/// One mapping: a chat and the session it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mapping<'a> {
    /// The bridge's key for the CLI.
    pub model: &'a str,
    /// The chat.
    pub chat: ChatId<'a>,
    /// The session; `None` where the map holds something other than a string.
    pub session: Option<SessionId<'a>>,
}

/// A mapping to put into a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addition<'a> {
    /// The bridge's key for the CLI.
    pub model: &'a str,
    /// The chat, which must have no mapping there.
    pub chat: ChatId<'a>,
    /// The session.
    pub session: SessionId<'a>,
    /// The chat to put it behind; `None` for the front.
    pub after: Option<ChatId<'a>>,
}

impl SessionMap {
    /// Parses a map. Refuses, with the place, whatever is not exactly one JSON object with unique
    /// keys: text after the end, lone surrogates, deep nesting, other encodings (R2, R4).
    pub fn parse(bytes: Vec<u8>) -> Result<Self, ParseError> {
        parse::parse(bytes)
    }

    /// Parses the map that stands under `key` in an object.
    pub fn parse_within(key: &str, bytes: &[u8]) -> Result<Self, ParseError> {
        parse::within(key, bytes).and_then(Self::parse)
    }

    /// How the map is laid out. An empty object is in today's form.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The bytes that were parsed.
    pub fn bytes(&self) -> &[u8] {
        self.whole.as_bytes()
    }

    /// How many mappings there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it is an object without members.
    pub fn is_blank(&self) -> bool {
        self.models.is_empty() && self.entries.is_empty()
    }

    /// Whether there is no mapping.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every mapping, in the map's order.
    pub fn mappings(&self) -> impl Iterator<Item = Mapping<'_>> + Clone {
        let mut models = self.models.iter().peekable();
        self.entries.iter().zip(0..).map(move |(entry, place)| {
            while models.next_if(|model| model.end <= place).is_some() {}
            self.mapping(models.peek().copied(), *entry)
        })
    }

    /// The same, each with its position.
    pub fn indexed(&self) -> impl Iterator<Item = (MappingIdx, Mapping<'_>)> + Clone {
        (0..).map(MappingIdx).zip(self.mappings())
    }

    pub fn get(&self, mapping: MappingIdx) -> Option<Mapping<'_>> {
        let entry = self.entries.get(mapping.get())?;
        let model = self.models.partition_point(|model| model.end <= mapping.0);
        Some(self.mapping(self.models.get(model), *entry))
    }

    /// The models whose value is no object; they hold no mapping and always stay.
    pub fn other_models(&self) -> impl Iterator<Item = &str> {
        let others = self.models.iter().filter(|model| !model.is_object);
        others.map(|model| self.text(model.name))
    }

    /// The map's bytes without the mappings for whose places `goes` says so; it is asked once for
    /// each, in order. Everything else stays byte for byte, in its order and its form; an emptied
    /// model stays as `{}` (R5).
    pub fn without(&self, goes: impl FnMut(MappingIdx) -> bool) -> Vec<u8> {
        edit::without(self, goes)
    }

    /// The map's bytes, written in `form`, with those mappings put in, each behind the chat it names,
    /// or else at its model's end. A model that is not there is put at the map's end; none may be
    /// something other than an object.
    pub fn with(&self, form: Form, additions: &[Addition<'_>]) -> Vec<u8> {
        let is_there = |name: &str| self.models.iter().any(|model| self.text(model.name) == name);
        let mut absent: Vec<&str> = Vec::new();
        for addition in additions {
            if !is_there(addition.model) && !absent.contains(&addition.model) {
                absent.push(addition.model);
            }
        }
        if form == Form::Legacy || absent.is_empty() {
            return edit::with(self, form, additions);
        }
        let bytes = edit::with_models(self, &absent);
        // A map with a model more is still a map.
        Self::parse(bytes)
            .map_or_else(|_| self.bytes().to_vec(), |map| edit::with(&map, form, additions))
    }

    fn mapping<'a>(&'a self, model: Option<&'a Model>, entry: Entry) -> Mapping<'a> {
        Mapping {
            model: model.map_or(Form::LEGACY_MODEL, |model| self.text(model.name)),
            chat: ChatId(self.text(entry.chat)),
            session: entry.session.map(|text| SessionId(self.text(text))),
        }
    }

    fn text(&self, text: Text) -> &str {
        let start = (text.start & !DECODED) as usize;
        let range = start..start + text.length as usize;
        let all = if text.start & DECODED == 0 { &self.whole } else { &self.decoded };
        // Every place was made from a text that was there; there is nothing else it could be.
        all.get(range).unwrap_or_default()
    }
}
