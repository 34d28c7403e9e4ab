//! The map's document: its bytes, and where the models, chats and sessions are in them.
//!
//! Texts are kept as ranges of the bytes, so a map takes little more than its own size. Only texts with
//! escapes are decoded into a buffer beside them.

use crate::model::{ChatId, MappingIdx, SessionId};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `{model: {chat: session}}`.
    Today,
    /// `{chat: session}`, meaning Claude's.
    Legacy,
}

impl Form {
    /// The model of all chats in legacy form.
    pub const LEGACY_MODEL: &str = "claude-cli";
}

#[derive(Debug)]
pub struct SessionMap {
    pub(super) whole: String,
    /// The texts with escapes, decoded.
    pub(super) decoded: String,
    pub(super) form: Form,
    pub(super) models: Vec<Model>,
    pub(super) entries: Vec<Entry>,
}

/// A range in `whole` or, with the highest bit of `start` set, in `decoded`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    pub(super) start: u32,
    pub(super) length: u32,
}

pub(super) const DECODED: u32 = 1 << 31;

#[derive(Debug)]
pub(super) struct Model {
    pub(super) name: Text,
    pub(super) is_object: bool,
    /// The number of entries up to and with this model's.
    pub(super) end: u32,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) chat: Text,
    /// `None` if the map has no string.
    pub(super) session: Option<Text>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mapping<'a> {
    /// The bridge's key for the CLI.
    pub model: &'a str,
    pub chat: ChatId<'a>,
    /// `None` if the map has something other than a string.
    pub session: Option<SessionId<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addition<'a> {
    pub model: &'a str,
    /// It must have no mapping yet.
    pub chat: ChatId<'a>,
    pub session: SessionId<'a>,
    /// The chat to insert it after; `None` for the front.
    pub after: Option<ChatId<'a>>,
}

impl SessionMap {
    /// The form of the map. An empty object is in today's form.
    pub fn form(&self) -> Form {
        self.form
    }

    pub fn bytes(&self) -> &[u8] {
        self.whole.as_bytes()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns true if the map is an object without members.
    pub fn is_blank(&self) -> bool {
        self.models.is_empty() && self.entries.is_empty()
    }

    /// Every mapping, in the map's order.
    pub fn mappings(&self) -> impl Iterator<Item = Mapping<'_>> + Clone {
        self.indexed().map(|(_, mapping)| mapping)
    }

    /// The same, each with its position.
    pub fn indexed(&self) -> impl Iterator<Item = (MappingIdx, Mapping<'_>)> + Clone {
        let mut models = self.models.iter().peekable();
        (0..).zip(&self.entries).map(move |(index, entry)| {
            while models.next_if(|model| model.end <= index).is_some() {}
            (MappingIdx(index), self.mapping(models.peek().copied(), *entry))
        })
    }

    pub fn get(&self, mapping: MappingIdx) -> Option<Mapping<'_>> {
        let entry = self.entries.get(mapping.get())?;
        let model = self.models.partition_point(|model| model.end <= mapping.0);
        Some(self.mapping(self.models.get(model), *entry))
    }

    /// The models whose value is not an object. They have no mappings and are always kept.
    pub fn other_models(&self) -> impl Iterator<Item = &str> {
        let others = self.models.iter().filter(|model| !model.is_object);
        others.map(|model| self.text(model.name))
    }

    fn mapping<'a>(&'a self, model: Option<&'a Model>, entry: Entry) -> Mapping<'a> {
        Mapping {
            model: model.map_or(Form::LEGACY_MODEL, |model| self.text(model.name)),
            chat: ChatId(self.text(entry.chat)),
            session: entry.session.map(|text| SessionId(self.text(text))),
        }
    }

    pub(super) fn text(&self, text: Text) -> &str {
        let start = (text.start & !DECODED) as usize;
        let range = start..start + text.length as usize;
        let all = if text.start & DECODED == 0 { &self.whole } else { &self.decoded };
        // Every range was made from a text that was there.
        all.get(range).unwrap_or_default()
    }
}
