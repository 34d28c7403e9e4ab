//! Writes a map's bytes anew with mappings removed or restored. Kept mappings are copied byte for byte.

use super::document::{Addition, Form, SessionMap};
use super::outline::{Object, outline};
use crate::model::MappingIdx;

impl SessionMap {
    /// Returns the map's bytes without the mappings for which `is_removed` returns true. It is called once
    /// for each, in order. Everything else is kept byte for byte, in its order and its form, and an
    /// emptied model is kept as `{}` (R5).
    pub fn without(&self, mut is_removed: impl FnMut(MappingIdx) -> bool) -> Vec<u8> {
        let mut indexes = (0..).map(MappingIdx);
        rewrite(self, self.form(), |object| {
            let members = 0..object.members.len();
            let kept = members.filter(|_| indexes.next().is_none_or(|index| !is_removed(index)));
            kept.map(Piece::Old).collect()
        })
    }

    /// Returns the map's bytes, written in `form`, with those mappings inserted, each after the chat that
    /// it names, or else at its model's end. A new model is added at the map's end. None of the models
    /// may be something other than an object.
    pub fn with(&self, form: Form, additions: &[Addition<'_>]) -> Vec<u8> {
        let mut absent: Vec<&str> = Vec::new();
        for addition in additions {
            let is_known = self.models.iter().any(|it| self.text(it.name) == addition.model);
            if !is_known && !absent.contains(&addition.model) {
                absent.push(addition.model);
            }
        }

        if form == Form::Legacy || absent.is_empty() {
            return self.with_mappings(form, additions);
        }
        // A map with one more model is still a map.
        Self::parse(self.with_models(&absent))
            .map_or_else(|_| self.bytes().to_vec(), |map| map.with_mappings(form, additions))
    }

    fn with_mappings(&self, form: Form, additions: &[Addition<'_>]) -> Vec<u8> {
        let mut mappings = self.mappings();
        let mut models = self.models.iter().filter(|model| model.is_object);
        rewrite(self, form, |object| {
            let model = models.next().map(|model| self.text(model.name));
            let count = object.members.len();
            let chats: Vec<&str> = mappings.by_ref().take(count).map(|it| it.chat.0).collect();
            let mut pieces: Vec<Piece<'_>> = (0..chats.len()).map(Piece::Old).collect();
            for addition in additions {
                if form == Form::Today && model != Some(addition.model) {
                    continue;
                }
                let at = addition.after.map_or(0, |before| {
                    let found = pieces.iter().position(|it| it.chat(&chats) == Some(before.0));
                    found.map_or(pieces.len(), |found| found + 1)
                });
                pieces.insert(at, Piece::New(addition));
            }
            pieces
        })
    }

    /// Adds an empty object for each of those models at the end.
    fn with_models(&self, models: &[&str]) -> Vec<u8> {
        let top = outline(self.bytes(), Form::Legacy).top;
        let style = Style::of(self.bytes(), &top);
        let end = top.members.last().map_or(top.inside, |member| member.end);
        let mut out = Writer { bytes: self.bytes(), out: Vec::new() };
        out.copy(0, end);
        for (at, model) in (top.members.len()..).zip(models) {
            out.new_member(at, &style, model, b"{}");
        }

        out.copy(end, u32::MAX);
        out.out
    }
}

/// One member of a rewritten object.
enum Piece<'a> {
    /// The member at that position of the old object.
    Old(usize),
    New(&'a Addition<'a>),
}

impl<'a> Piece<'a> {
    /// Returns the chat of the member, in an old object with those chats.
    fn chat(&self, chats: &[&'a str]) -> Option<&'a str> {
        match self {
            Self::Old(member) => chats.get(*member).copied(),
            Self::New(new) => Some(new.chat.0),
        }
    }
}

/// Writes the map with the members that `pieces` returns for each object of mappings. The objects come
/// in order.
fn rewrite<'a>(
    map: &SessionMap,
    form: Form,
    mut pieces: impl FnMut(&Object) -> Vec<Piece<'a>>,
) -> Vec<u8> {
    let bytes = map.bytes();
    let outline = outline(bytes, form);
    let outer = Style::of(bytes, &outline.top);
    let mut out = Writer { bytes, out: Vec::with_capacity(bytes.len()) };
    out.copy(0, outline.top.inside);
    if form == Form::Legacy {
        out.object(&outline.top, &pieces(&outline.top), &outer);
    }

    for (member, inner) in outline.top.members.iter().zip(&outline.models) {
        match inner {
            Some(object) => {
                out.copy(member.start, object.inside);
                out.object(object, &pieces(object), &outer);
                out.copy(object.close, member.next);
            }
            None => out.copy(member.start, member.next),
        }
        if member.next < outline.top.close {
            out.out.push(b',');
        }
    }

    if form == Form::Today && outline.top.members.is_empty() {
        out.copy(outline.top.inside, outline.top.close);
    }
    out.copy(outline.top.close, u32::MAX);
    out.out
}

/// The white space between the members of an object, to write new ones alike.
struct Style<'a> {
    first: &'a [u8],
    rest: &'a [u8],
    /// The colon with the white space around it.
    colon: &'a [u8],
}

impl<'a> Style<'a> {
    fn of(bytes: &'a [u8], object: &Object) -> Self {
        let mut members = object.members.iter();
        let Some(first) = members.next() else {
            return Self { first: b"", rest: b" ", colon: b": " };
        };

        let key_and_colon = slice(bytes, first.key, first.value);
        let colon = key_and_colon.iter().rposition(|byte| *byte == b':').unwrap_or(0);
        let colon = &key_and_colon[colon..];
        let first = slice(bytes, first.start, first.key);
        let alone: &[u8] = if colon.ends_with(b" ") { b" " } else { b"" };
        let rest = members.next().map(|second| slice(bytes, second.start, second.key));
        let rest = rest.unwrap_or(if first.is_empty() { alone } else { first });
        Self { first, rest, colon }
    }
}

fn slice(bytes: &[u8], from: u32, to: u32) -> &[u8] {
    bytes.get(from as usize..to as usize).unwrap_or_default()
}

struct Writer<'a> {
    bytes: &'a [u8],
    out: Vec<u8>,
}

impl Writer<'_> {
    fn copy(&mut self, from: u32, to: u32) {
        let to = self.bytes.len().min(to as usize);
        self.out.extend_from_slice(self.bytes.get(from as usize..to).unwrap_or_default());
    }

    /// Writes the inside of an object with those members. `outer` is the style of the object around it,
    /// for the first member of an empty one.
    fn object(&mut self, object: &Object, pieces: &[Piece<'_>], outer: &Style<'_>) {
        let own = Style::of(self.bytes, object);
        let last = object.members.last();
        let style = if last.is_some() { own } else { Style { colon: outer.colon, ..own } };
        for (place, piece) in pieces.iter().enumerate() {
            match piece {
                Piece::New(new) => {
                    self.new_member(place, &style, new.chat.0, &quoted(new.session.0));
                }
                Piece::Old(old) => {
                    let Some(member) = object.members.get(*old) else { continue };
                    if place > 0 {
                        self.out.push(b',');
                    }
                    if place > 0 && *old == 0 {
                        // It was the first one, and is no longer.
                        self.out.extend_from_slice(style.rest);
                        self.copy(member.key, member.end);
                    } else {
                        self.copy(member.start, member.end);
                    }
                    // White space before a comma is its member's, before the brace the object's.
                    if member.next < object.close {
                        self.copy(member.end, member.next);
                    }
                }
            }
        }

        match last {
            Some(last) if !pieces.is_empty() => self.copy(last.end, object.close),
            None if pieces.is_empty() => self.copy(object.inside, object.close),
            _ => {}
        }
    }

    fn new_member(&mut self, place: usize, style: &Style<'_>, key: &str, value: &[u8]) {
        if place > 0 {
            self.out.push(b',');
        }
        self.out.extend_from_slice(if place == 0 { style.first } else { style.rest });
        self.out.extend_from_slice(&quoted(key));
        self.out.extend_from_slice(style.colon);
        self.out.extend_from_slice(value);
    }
}

fn quoted(text: &str) -> Vec<u8> {
    // A text can always be written as JSON.
    serde_json::to_vec(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChatId, SessionId};

    /// Puts chat `c` with session `3` into the model `m`, or into a legacy map, behind the chat `after`.
    #[track_caller]
    fn check(json: &str, after: Option<&'static str>, expected: &str) {
        let map = SessionMap::parse(json.as_bytes().to_vec()).unwrap();
        let model = if map.form() == Form::Legacy { Form::LEGACY_MODEL } else { "m" };
        let after = after.map(ChatId);
        let addition = Addition { model, chat: ChatId("c"), session: SessionId("3"), after };
        let bytes = map.with(map.form(), &[addition]);
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[test]
    fn what_is_put_in_is_written_as_what_stands_beside_it() {
        // Alone, with the colon of what is around it, and no space of its own.
        check(r#"{"m":{}}"#, None, r#"{"m":{"c":"3"}}"#);
        check(r#"{"m": { }}"#, None, r#"{"m": {"c": "3"}}"#);
        // In a model that is not there yet, and in a map without models.
        check(r#"{"x": {}}"#, None, r#"{"x": {}, "m": {"c": "3"}}"#);
        check(r#"{"a": "1"}"#, Some("a"), r#"{"a": "1", "c": "3"}"#);
        // Before the one that was first, behind it, and in between.
        check(r#"{"m": {"a": "1"}}"#, None, r#"{"m": {"c": "3", "a": "1"}}"#);
        check(r#"{"m":{"a":"1","b":"2"}}"#, Some("a"), r#"{"m":{"a":"1","c":"3","b":"2"}}"#);
        check(
            "{\"m\": {\n  \"a\": \"1\",\n\n  \"b\": \"2\"\n}}",
            None,
            "{\"m\": {\n  \"c\": \"3\",\n\n  \"a\": \"1\",\n\n  \"b\": \"2\"\n}}",
        );
        check("{\"m\": {\"a\": \"1\" } }", Some("a"), "{\"m\": {\"a\": \"1\", \"c\": \"3\" } }");
    }

    #[test]
    fn of_an_emptied_object_nothing_is_left_but_its_braces_r5() {
        let map = SessionMap::parse(b"{\"m\": {\n \"a\": \"1\"\n} }".to_vec()).unwrap();
        assert_eq!(map.without(|_| true), b"{\"m\": {} }");
    }
}
