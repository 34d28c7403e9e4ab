//! Writes a map's bytes anew with mappings removed or restored. Kept mappings are copied byte for byte.

use super::outline::{Member, Object, outline};
use super::{Addition, Form, MappingIdx, SessionMap};

/// The map without the mappings for whose places `goes` says so.
pub(super) fn without(map: &SessionMap, mut goes: impl FnMut(MappingIdx) -> bool) -> Vec<u8> {
    let mut places = (0..).map(MappingIdx);
    rewrite(map, map.form(), |object| {
        let members = 0..object.members.len();
        let stays = |_: &usize| places.next().is_none_or(|place| !goes(place));
        members.filter(stays).map(Piece::Old).collect()
    })
}

/// The map, written in that form, with those mappings put in: each behind the chat that it stood
/// behind, or else at its model's end. Every model named must be there as an object.
pub(super) fn with(map: &SessionMap, form: Form, additions: &[Addition<'_>]) -> Vec<u8> {
    let mut places = (0..).map(MappingIdx);
    let mut models = map.models.iter().filter(|model| model.is_object);
    rewrite(map, form, |object| {
        let model = models.next().map(|model| map.text(model.name));
        let chat = |place: MappingIdx| map.get(place).map_or("", |mapping| mapping.chat.0);
        let chats: Vec<&str> = places.by_ref().take(object.members.len()).map(chat).collect();
        let mut pieces: Vec<Piece<'_>> = (0..chats.len()).map(Piece::Old).collect();
        for addition in additions {
            if form == Form::Today && model != Some(addition.model) {
                continue;
            }
            let stands_before = |piece: &Piece<'_>, before: &str| match piece {
                Piece::Old(place) => chats.get(*place).is_some_and(|chat| *chat == before),
                Piece::New(new) => new.chat.0 == before,
            };
            let place = addition.after.map_or(0, |before| {
                let found = pieces.iter().position(|piece| stands_before(piece, before.0));
                found.map_or(pieces.len(), |place| place + 1)
            });
            pieces.insert(place, Piece::New(addition));
        }
        pieces
    })
}

/// The map with an empty object put at its end for each of those models.
pub(super) fn with_models(map: &SessionMap, models: &[&str]) -> Vec<u8> {
    let top = outline(map.bytes(), Form::Legacy).top;
    let style = Style::of(map.bytes(), &top);
    let end = top.members.last().map_or(top.inside, |member| member.end);
    let mut out = Writer { bytes: map.bytes(), out: Vec::new() };
    out.copy(0, end);
    for (place, model) in (top.members.len()..).zip(models) {
        out.new_member(place, &style, model, b"{}");
    }
    out.copy(end, u32::MAX);
    out.out
}

/// One member of an object that is written anew.
enum Piece<'a> {
    /// The one at that place of the old object.
    Old(usize),
    New(&'a Addition<'a>),
}

/// Writes the map with the members that `pieces` gives for each object that holds mappings; the
/// objects come in order.
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

/// How the members of an object are set apart, to write new ones alike.
struct Style<'a> {
    /// The white space before the first member.
    first: &'a [u8],
    /// The white space before the others.
    rest: &'a [u8],
    /// What stands between a key and its value.
    colon: &'a [u8],
}

impl<'a> Style<'a> {
    fn of(bytes: &'a [u8], object: &Object) -> Self {
        let slice = |from: u32, to: u32| bytes.get(from as usize..to as usize).unwrap_or_default();
        let before = |member: &Member| slice(member.start, member.key);
        let mut members = object.members.iter();
        let Some(first) = members.next() else {
            return Self { first: b"", rest: b" ", colon: b": " };
        };
        let key_and_colon = slice(first.key, first.value);
        let colon = key_and_colon.iter().rposition(|byte| *byte == b':').unwrap_or(0);
        let colon = &key_and_colon[colon..];
        let first = before(first);
        let alone: &[u8] = if colon.ends_with(b" ") { b" " } else { b"" };
        let rest = members.next().map_or(if first.is_empty() { alone } else { first }, before);
        Self { first, rest, colon }
    }
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

    /// Writes what is inside an object: those pieces of it. `outer` is the style of the object
    /// around it, for new members of one that has none yet.
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
    // A text is always JSON; there is no error to hand on.
    serde_json::to_vec(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::{ChatId, SessionId};
    use super::*;

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
