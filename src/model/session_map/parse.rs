//! The strict parser: one pass that borrows, refuses equal keys and checks every text.
//!
//! `serde_json::Value` would let the last of two equal keys win, and skipping a value would skip
//! its surrogate checks too, so values that are not ours are walked as strictly as those that are.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::de::Read;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use super::document::{DECODED, Entry, Form, Model, SessionMap, Text};
use super::unique;
use crate::model::json_error;

/// Why a map was refused: one line, with the position if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError(String);

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SessionMap {
    /// Parses a map. Refuses, with the position, everything that is not exactly one JSON object with
    /// unique keys: text after the end, lone surrogates, deep nesting, other encodings (R2, R4).
    pub fn parse(bytes: Vec<u8>) -> Result<Self, ParseError> {
        if let Some(encoding) = other_encoding(&bytes) {
            return Err(ParseError(encoding.to_owned()));
        }

        // A position has 31 bits. The last one selects the buffer.
        if i32::try_from(bytes.len()).is_err() {
            return Err(ParseError("larger than 2 GiB".to_owned()));
        }

        let whole = match String::from_utf8(bytes) {
            Ok(whole) => whole,
            Err(error) => {
                let json = serde_json::Deserializer::from_slice(error.as_bytes());
                let read = Builder::of(error.as_bytes(), json).err();
                return Err(read.unwrap_or_else(|| ParseError("it is not UTF-8 text".to_owned())));
            }
        };

        let json = serde_json::Deserializer::from_str(&whole);
        let Builder { decoded, models, entries, flat, .. } = Builder::of(whole.as_bytes(), json)?;

        // A flat object of texts is the legacy form. Anything else with a text is today's form with a
        // model that is not an object.
        let is_legacy = !flat.is_empty() && flat.len() == models.len();
        let mut map = if is_legacy {
            Self { whole, decoded, form: Form::Legacy, models: Vec::new(), entries: flat }
        } else {
            Self { whole, decoded, form: Form::Today, models, entries }
        };

        map.entries.shrink_to_fit();
        unique::check(&map).map(|()| map).map_err(ParseError)
    }

    /// Parses the map that is the value of `key` in an object, each key of which must be unique.
    pub fn parse_within(key: &str, bytes: &[u8]) -> Result<Self, ParseError> {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let value = json
            .deserialize_map(Within(key))
            .and_then(|value| json.end().map(|()| value))
            .map_err(|error| ParseError(json_error(&error)))?;
        let value = value.ok_or_else(|| ParseError(format!("it has no {key:?}")))?;
        Self::parse(value.get().as_bytes().to_vec())
    }
}

fn other_encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [] => Some("it is empty"),
        [0xEF, 0xBB, 0xBF, ..] => Some("it starts with a byte order mark at line 1 column 1"),
        [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, ..] | [_, 0, ..] => {
            Some("it is not UTF-8 text (UTF-16 or UTF-32?) at line 1 column 1")
        }
        _ => None,
    }
}

#[derive(Default)]
struct Builder {
    /// The address of the first byte, to turn a borrowed text into a range.
    start: usize,
    decoded: String,
    models: Vec<Model>,
    entries: Vec<Entry>,
    /// The members with a text as value, in case all have one.
    flat: Vec<Entry>,
}

impl Builder {
    fn of<'de, R: Read<'de>>(
        bytes: &[u8],
        mut json: serde_json::Deserializer<R>,
    ) -> Result<Self, ParseError> {
        let mut builder = Self { start: bytes.as_ptr().addr(), ..Self::default() };
        (&mut json)
            .deserialize_map(Top(&mut builder))
            .and_then(|()| json.end())
            .map_err(|error| ParseError(json_error(&error)))?;
        Ok(builder)
    }

    #[expect(clippy::ptr_arg, reason = "whether it borrows is the point")]
    fn keep<E: Error>(&mut self, text: &Cow<'_, str>) -> Result<Text, E> {
        let (start, flag) = match text {
            Cow::Borrowed(text) => (text.as_ptr().addr().wrapping_sub(self.start), 0),
            Cow::Owned(text) => {
                let start = self.decoded.len();
                self.decoded.push_str(text);
                (start, DECODED)
            }
        };

        match (u32::try_from(start), u32::try_from(text.len())) {
            // A decoded text is never longer than it was with escapes.
            (Ok(start), Ok(length)) => Ok(Text { start: start | flag, length }),
            _ => Err(E::custom("too large")),
        }
    }

    fn count<E: Error>(&self) -> Result<u32, E> {
        u32::try_from(self.entries.len()).map_err(|_| E::custom("too many mappings"))
    }
}

/// The keys of an object inside a value, to refuse the second of two equal ones. The map and its models
/// can be large, and are checked in place at the end (`unique.rs`).
#[derive(Default)]
struct Keys<'de>(HashSet<Cow<'de, str>>);

impl<'de> Keys<'de> {
    fn next<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<Option<Cow<'de, str>>, A::Error> {
        let Some(Key(key)) = map.next_key()? else { return Ok(None) };
        if self.0.insert(key.clone()) {
            Ok(Some(key))
        } else {
            Err(A::Error::custom(format!("the key {:?} appears twice", key.as_ref())))
        }
    }
}

/// A text, borrowed where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// An object, of which the value of that key is returned unparsed.
struct Within<'k>(&'k str);

impl<'de> Visitor<'de> for Within<'_> {
    type Value = Option<&'de RawValue>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut keys = Keys::default();
        let mut found = None;
        while let Some(key) = keys.next(&mut map)? {
            let value = map.next_value()?;
            if key == self.0 {
                found = Some(value);
            }
        }
        Ok(found)
    }
}

struct Top<'b>(&'b mut Builder);

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            let name = self.0.keep(&key)?;
            let value = map.next_value_seed(Any { chats: Some(&mut *self.0) })?;
            if let Value::Text(text) = &value {
                let session = self.0.keep(text)?;
                self.0.flat.push(Entry { chat: name, session: Some(session) });
            }
            let end = self.0.count()?;
            let is_object = matches!(value, Value::Object);
            self.0.models.push(Model { name, is_object, end });
        }
        Ok(())
    }
}

enum Value<'de> {
    Object,
    Text(Cow<'de, str>),
    Other,
}

/// Any value. The members of a model's object are added as mappings.
struct Any<'b> {
    chats: Option<&'b mut Builder>,
}

impl<'de> DeserializeSeed<'de> for Any<'_> {
    type Value = Value<'de>;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any<'_> {
    type Value = Value<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Value::Other)
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Value::Other)
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Value::Other)
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Value::Other)
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Value::Other)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element_seed(Any { chats: None })?.is_some() {}
        Ok(Value::Other)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut keys = Keys::default();
        let Some(builder) = self.chats else {
            while keys.next(&mut map)?.is_some() {
                map.next_value_seed(Any { chats: None })?;
            }
            return Ok(Value::Object);
        };

        while let Some(Key(key)) = map.next_key()? {
            let chat = builder.keep(&key)?;
            let session = match map.next_value_seed(Any { chats: None })? {
                Value::Text(text) => Some(builder.keep(&text)?),
                Value::Object | Value::Other => None,
            };
            builder.entries.push(Entry { chat, session });
        }
        Ok(Value::Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChatId, Mapping, MappingIdx, SessionId};

    fn rows(json: &str) -> Vec<(String, String, Option<String>)> {
        let map = SessionMap::parse(json.as_bytes().to_vec()).unwrap();
        let owned = |mapping: Mapping<'_>| {
            let session = mapping.session.map(|SessionId(id)| id.to_owned());
            let ChatId(chat) = mapping.chat;
            (mapping.model.to_owned(), chat.to_owned(), session)
        };
        let all: Vec<_> = map.mappings().map(owned).collect();
        let one_by_one: Vec<_> =
            (0..).map(MappingIdx).map_while(|index| map.get(index)).map(owned).collect();
        assert_eq!(all, one_by_one);
        assert_eq!((all.len(), all.is_empty()), (map.len(), map.is_empty()));
        all
    }

    fn row(model: &str, chat: &str, session: &str) -> (String, String, Option<String>) {
        (model.to_owned(), chat.to_owned(), Some(session.to_owned()))
    }

    #[test]
    fn todays_form_with_all_its_oddities() {
        let json = r#" {"claude-cli": {"a": "1", "b\u0041": "\u00e9"}, "empty": {}, "odd": 7,
                       "x": {"a": null, "c": {"d": ["e", 1.5, true]}} } "#;
        assert_eq!(
            rows(json),
            [
                row("claude-cli", "a", "1"),
                row("claude-cli", "bA", "é"),
                ("x".to_owned(), "a".to_owned(), None),
                ("x".to_owned(), "c".to_owned(), None),
            ]
        );
        let map = SessionMap::parse(json.as_bytes().to_vec()).unwrap();
        assert_eq!(map.other_models().collect::<Vec<_>>(), ["odd"]);
        assert_eq!(map.form(), Form::Today);
    }

    #[test]
    fn a_flat_object_of_texts_is_the_legacy_form() {
        assert_eq!(
            rows(r#"{"a": "1", "b": "2"}"#),
            [row("claude-cli", "a", "1"), row("claude-cli", "b", "2")]
        );
        let form = |json: &str| SessionMap::parse(json.as_bytes().to_vec()).unwrap().form();
        assert_eq!(form(r#"{"a": "1"}"#), Form::Legacy);
        assert_eq!(form("{}"), Form::Today);
        assert_eq!(form(r#"{"a": "1", "b": null}"#), Form::Today);
        assert_eq!(rows(r#"{"a": "1", "b": {"c": "2"}}"#), [row("b", "c", "2")]);
        assert_eq!(rows("{}"), []);
        // A model without chats is not nothing, nor is a chat of the legacy form.
        for (json, is_blank) in [("{ }", true), (r#"{"a": {}}"#, false), (r#"{"a": "1"}"#, false)] {
            let map = SessionMap::parse(json.as_bytes().to_vec()).unwrap();
            assert_eq!(map.is_blank(), is_blank, "{json}");
        }
    }

    #[test]
    fn what_stands_around_a_map_has_each_key_once_r2() {
        let within = |json: &str| {
            let map = SessionMap::parse_within("sessions", json.as_bytes());
            map.map(|map| map.bytes().to_vec()).map_err(|error| error.to_string())
        };
        assert_eq!(
            within(r#"{"a": [], "sessions": {"m": {} }, "b": 1}"#),
            Ok(b"{\"m\": {} }".into())
        );
        for json in [
            r#"{"sessions": {}, "sessions": {"m": {}}}"#,
            r#"{"a": 1, "sessions": {}, "\u0061": 2}"#,
        ] {
            let error = within(json).unwrap_err();
            assert!(error.contains("appears twice at line 1"), "{error}");
        }
        assert_eq!(within("{}"), Err("it has no \"sessions\"".to_owned()));
        let error = within(r#"[{"sessions": {}}]"#).unwrap_err();
        assert!(error.contains("expected an object at line 1"), "{error}");
        assert!(within(r#"{"sessions": {}} x"#).is_err());
    }

    #[test]
    fn what_is_not_exactly_one_strict_object_is_refused_r2_r4() {
        #[track_caller]
        fn check(bytes: &[u8], says: &str) {
            let error = SessionMap::parse(bytes.to_vec()).unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains('\n'), "{error}");
        }
        check(b"", "empty");
        check(b"  \n", "it ends early");
        check(br#"{"a": {"b": "c""#, "it ends early");
        check(b"[]", "expected an object at line 1");
        check(b"7", "expected an object");
        check(br#"{"a": "1"} x"#, "trailing characters at line 1 column 12");
        check(b"{\"a\": {\"b\": \"1\",\n \"b\": \"2\"}}", "\"b\" appears twice at line 2 column 2");
        check(br#"{"a": {}, "\u0061": {}}"#, "\"a\" appears twice at line 1 column 11");
        check(br#"{"a": {"b": [{"c": 1, "c": 2}]}}"#, "\"c\" appears twice");
        check(br#"{"a": {"b": NaN}}"#, "line 1 column");
        check(br#"{"a": {"b": "\udc00"}}"#, "surrogate");
        check(br#"{"a": {"b": [["\ud800\ud800"]]}}"#, "surrogate");
        check(br#"{"a": {"b": "\ud800"}}"#, "hex escape at line 1");
        check(b"\xEF\xBB\xBF{}", "byte order mark");
        check(b"\xFF\xFE{\0}\0", "UTF-16");
        check(b"{\0}\0", "UTF-16");
        check(b"{\"a\": {\"b\": \"\xFF\"}}", "line 1 column");
        check(b"{\"a\": {\"b\n\": \"c\"}}", "control character");
        check(&[b"{\"a\":".repeat(300), b"1".to_vec(), b"}".repeat(300)].concat(), "recursion");
        check(&[b"{\"a\":".to_vec(), b"[".repeat(100_000)].concat(), "recursion");
    }
}
