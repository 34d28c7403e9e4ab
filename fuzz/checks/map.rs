//! The session map: it is taken or refused as `serde_json` does but for equal keys (R2, R4), and what
//! is left when mappings are cut out is the rest and nothing else (R5); put back, they are there again.

use serde_json::Value;
use session_warden::model::session_map::Addition;
use session_warden::model::{ChatId, Form, Mapping, MappingIdx, SessionMap};

use super::Members;

/// A mapping's model, chat and session.
pub type Row = (String, String, Option<String>);

/// With nothing, everything, and about half of the mappings cut out.
pub fn check(data: &[u8]) {
    let number = super::number_of(data);
    for goes in [0, u64::MAX, number] {
        cut(data, |place| goes >> (place % 64) & 1 == 1);
    }
}

/// Whatever the bytes are, and whichever mappings go.
pub fn cut(bytes: &[u8], goes: impl Fn(u32) -> bool) {
    let ours = SessionMap::parse(bytes.to_vec());
    let theirs = std::str::from_utf8(bytes).ok().and_then(|text| unique(text).map(|v| (text, v)));
    assert_eq!(ours.is_ok(), theirs.is_some(), "{ours:?}");
    let Err(error) = ours.as_ref().map(|_| ()) else {
        let (Ok(map), Some((text, value))) = (ours, theirs) else { return };
        return cut_out(&map, text, &value, goes);
    };
    let line = error.to_string();
    assert!(!line.is_empty() && !line.contains('\n'), "{line:?}");
}

fn cut_out(map: &SessionMap, text: &str, value: &Value, goes: impl Fn(u32) -> bool) {
    let mut found = rows(map);
    found.sort();
    assert_eq!(found, rows_of_value(value));
    assert_eq!(map.bytes(), text.as_bytes());
    assert_eq!(map.without(|_| false), text.as_bytes());

    let cut = map.without(|index| goes(index.0));
    let left = SessionMap::parse(cut.clone()).expect("what is left is a map");
    let stays = |(place, mapping)| if goes(place) { None } else { Some(row(mapping)) };
    let stay: Vec<Row> = (0..).zip(map.mappings()).filter_map(stays).collect();
    assert_eq!(rows(&left), stay);
    // Nothing was written anew, and of what is no mapping nothing went.
    let mut rest = text.bytes();
    assert!(cut.iter().all(|byte| rest.any(|other| other == *byte)), "something new stands there");
    let mut places = 0..;
    let expected = written(text, map.form(), |_| places.next().is_none_or(|place| !goes(place)));
    let cut = std::str::from_utf8(&cut).expect("what is left is text");
    assert_eq!(written(cut, map.form(), |_| true), expected);

    put_back(map, goes);
}

/// What goes and leads to a session is put back, in its order, where it stood.
fn put_back(map: &SessionMap, goes: impl Fn(u32) -> bool) {
    let goes = |place: u32| {
        goes(place) && map.get(MappingIdx(place)).is_some_and(|it| it.session.is_some())
    };
    let mut before: Option<Mapping<'_>> = None;
    let mut additions = Vec::new();
    for (place, mapping) in (0..).zip(map.mappings()) {
        let after = before.filter(|before| before.model == mapping.model).map(|it| it.chat);
        let Mapping { model, chat, session } = mapping;
        if let Some(session) = session.filter(|_| goes(place)) {
            additions.push(Addition { model, chat, session, after });
        }
        before = Some(mapping);
    }
    let cut = SessionMap::parse(map.without(|index| goes(index.0))).expect("what is left is a map");
    let again = SessionMap::parse(cut.with(map.form(), &additions)).expect("what is put back, too");
    assert_eq!((rows(&again), again.form()), (rows(map), map.form()));
    // A model that went with its mappings is put at the end.
    if let (Form::Today, [first, ..]) = (map.form(), &additions[..]) {
        let other = "a model that no map has had until now";
        let addition = Addition { model: other, after: Some(ChatId("nobody")), ..*first };
        let more = SessionMap::parse(map.with(Form::Today, &[addition])).expect("one model more");
        assert_eq!((more.len(), rows(&more).pop()), (map.len() + 1, Some(row_of(&addition))));
    }
}

fn row_of(addition: &Addition<'_>) -> Row {
    let session = Some(addition.session.0.to_owned());
    (addition.model.to_owned(), addition.chat.0.to_owned(), session)
}

/// A mapping, to be kept.
pub fn row(mapping: Mapping<'_>) -> Row {
    let session = mapping.session.map(|id| id.0.to_owned());
    (mapping.model.to_owned(), mapping.chat.0.to_owned(), session)
}

/// Every mapping of a map, in its order.
pub fn rows(map: &SessionMap) -> Vec<Row> {
    map.mappings().map(row).collect()
}

/// The members of a map as they are written, models above their mappings; of mappings those that stay.
fn written(text: &str, form: Form, mut stays: impl FnMut(&str) -> bool) -> Vec<(String, String)> {
    let top = Members::of(text).expect("it was parsed").0;
    let mut all = Vec::new();
    for (key, value) in top {
        let own = |(chat, id): (String, &serde_json::value::RawValue)| (chat, id.get().to_owned());
        match Members::of(value.get()).filter(|_| form == Form::Today) {
            Some(inner) => {
                all.push((key, String::new()));
                all.extend(inner.0.into_iter().filter(|(chat, _)| stays(chat)).map(own));
            }
            None if form == Form::Today || stays(&key) => all.push(own((key, value))),
            None => {}
        }
    }
    all
}

/// The object that a text is, if all its keys are unique at every depth.
fn unique(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    (value.is_object() && members_read(&value) == members_written(text)).then_some(value)
}

/// How many members the objects of a JSON text have, as it is written.
fn members_written(text: &str) -> usize {
    let (mut quoted, mut escaped, mut count) = (false, false, 0);
    for letter in text.chars() {
        count += usize::from(letter == ':' && !quoted);
        if letter == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = letter == '\\' && !escaped;
    }
    count
}

/// How many members are left of them when the last of equal keys wins.
fn members_read(value: &Value) -> usize {
    match value {
        Value::Object(map) => map.values().map(|value| 1 + members_read(value)).sum(),
        Value::Array(items) => items.iter().map(members_read).sum(),
        _ => 0,
    }
}

/// The mappings as `serde_json`'s own value has them, sorted.
fn rows_of_value(value: &Value) -> Vec<Row> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let models = value.as_object().expect("it was seen to be one");
    let legacy = !models.is_empty() && models.values().all(Value::is_string);
    let mut rows: Vec<Row> = if legacy {
        let of = |(chat, id): (&String, &Value)| ("claude-cli".to_owned(), chat.clone(), text(id));
        models.iter().map(of).collect()
    } else {
        let chats = |(model, chats): (&String, &Value)| -> Vec<Row> {
            let chats = chats.as_object().into_iter().flatten();
            chats.map(|(chat, id)| (model.clone(), chat.clone(), text(id))).collect()
        };
        models.iter().flat_map(chats).collect()
    };
    rows.sort();
    rows
}
