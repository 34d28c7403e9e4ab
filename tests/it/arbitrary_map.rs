//! Arbitrary maps as text, with whatever white space, escapes and odd values JSON allows, and what
//! is written in them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::HashSet;

/// A map as text, and what is in it.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) text: String,
    pub(crate) is_legacy: bool,
    pub(crate) members: Vec<Member>,
}

/// One mapping, as it is written from its key to the end of its value.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) model: String,
    pub(crate) chat: String,
    pub(crate) session: Option<String>,
    pub(crate) raw: String,
    /// The byte of the text at which it begins.
    pub(crate) at: usize,
}

fn space() -> impl Strategy<Value = &'static str> {
    select(vec!["", "", "", " ", "\n", "\t", "\r\n", "  \n    "])
}

/// A JSON text with its quotes: plain, with each kind of escape, with what looks like structure.
fn quoted() -> impl Strategy<Value = String> {
    let pieces = select(vec![
        "a",
        "B",
        "7",
        " ",
        "-",
        "é",
        "日",
        "😀",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "/",
        "'",
        "\u{7f}",
        "\u{9b}",
        "\u{202e}",
        "\\n",
        "\\\"",
        "\\\\",
        "\\/",
        "\\u0000",
        "\\u0061",
        "\\u00E9",
        "\\t",
        "\\ud83d\\ude00",
        "\\u007d",
    ]);
    vec(pieces, 0..6).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn plain(quoted: &str) -> String {
    serde_json::from_str(quoted).unwrap()
}

/// `open` and `close` around these items, with white space wherever it may stand.
fn listed(open: char, items: &[String], spaces: &[&str], close: char) -> String {
    placed(open, items, spaces, close).0
}

/// As `listed`, with the byte at which each item begins.
fn placed(open: char, items: &[String], spaces: &[&str], close: char) -> (String, Vec<usize>) {
    let mut spaces = spaces.iter().cycle();
    let mut text = String::from(open);
    let mut places = Vec::new();
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(spaces.next().unwrap());
        places.push(text.len());
        text.push_str(item);
        text.push_str(spaces.next().unwrap());
    }
    text.push_str(spaces.next().unwrap());
    text.push(close);
    (text, places)
}

/// Any value but a text at its top, as it is written.
fn odd() -> impl Strategy<Value = String> {
    let numbers = select(vec![
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1.50",
        "1e3",
        "18446744073709551616",
        "-99999999999999999999999",
        "0.1000000000000000055",
        "[]",
        "{}",
        "{ }",
        "[\n]",
    ]);
    numbers.prop_map(str::to_owned).prop_recursive(3, 12, 4, |inner| {
        let item = prop_oneof![inner.clone(), quoted()];
        prop_oneof![
            (vec(item.clone(), 0..4), vec(space(), 3))
                .prop_map(|(items, spaces)| listed('[', &items, &spaces, ']')),
            members(item, 4).prop_flat_map(|members| (Just(members), vec(space(), 3))).prop_map(
                |(members, spaces)| {
                    let raw: Vec<_> = members.into_iter().map(|member| member.2).collect();
                    listed('{', &raw, &spaces, '}')
                }
            ),
        ]
    })
}

/// Members with keys that differ: key and value as they read, and the whole as it is written.
fn members(
    value: impl Strategy<Value = String>,
    most: usize,
) -> impl Strategy<Value = Vec<(String, String, String)>> {
    vec((quoted(), space(), space(), value), 0..most).prop_map(|members| {
        let mut keys = HashSet::new();
        let mut unique = Vec::new();
        for (key, before, after, value) in members {
            let name = plain(&key);
            if keys.insert(name.clone()) {
                let raw = format!("{key}{before}:{after}{value}");
                unique.push((name, value, raw));
            }
        }
        unique
    })
}

fn legacy() -> impl Strategy<Value = Written> {
    (members(quoted(), 8), vec(space(), 7), space()).prop_map(|(members, spaces, around)| {
        let raw: Vec<String> = members.iter().map(|member| member.2.clone()).collect();
        let (text, places) = placed('{', &raw, &spaces, '}');
        let text = format!("{around}{text}{around}");
        let is_legacy = !members.is_empty();
        let members = members
            .into_iter()
            .zip(places)
            .map(|((chat, value, raw), at)| {
                let (model, session) = ("claude-cli".to_owned(), Some(plain(&value)));
                Member { model, chat, session, raw, at: around.len() + at }
            })
            .collect();
        Written { text, is_legacy, members }
    })
}

/// A mapping of a model's value: key and value as they read, the whole as it is written, and the byte
/// of that value at which it begins.
type Chat = (String, String, String, usize);

/// A model's value: its mappings, or something odd.
fn model() -> impl Strategy<Value = (String, Vec<Chat>)> {
    let value = prop_oneof![3 => quoted().boxed(), 1 => odd().boxed()];
    let chats = (members(value, 6), vec(space(), 5)).prop_map(|(members, spaces)| {
        let raw: Vec<String> = members.iter().map(|member| member.2.clone()).collect();
        let (text, places) = placed('{', &raw, &spaces, '}');
        let chats = members.into_iter().zip(places);
        (text, chats.map(|((chat, value, raw), at)| (chat, value, raw, at)).collect())
    });
    let odd = odd().prop_filter("an object is no odd model", |odd| !odd.starts_with('{'));
    prop_oneof![
        5 => chats.boxed(),
        1 => odd.prop_map(|odd| (odd, Vec::new())).boxed(),
    ]
}

fn today() -> impl Strategy<Value = Written> {
    let named = (quoted(), space(), space(), model());
    (vec(named, 0..5), vec(space(), 7), space()).prop_map(|(models, spaces, around)| {
        let (mut keys, mut raw, mut chats) = (HashSet::new(), Vec::new(), Vec::new());
        for (key, before, after, (value, members)) in models {
            let model = plain(&key);
            if keys.insert(model.clone()) {
                let head = format!("{key}{before}:{after}");
                chats.push((model, head.len(), members));
                raw.push(head + &value);
            }
        }
        let (text, places) = placed('{', &raw, &spaces, '}');
        let text = format!("{around}{text}{around}");
        let mut all = Vec::new();
        for ((model, head, members), start) in chats.into_iter().zip(places) {
            let before = around.len() + start + head;
            all.extend(members.into_iter().map(|(chat, value, raw, at)| {
                let session = value.starts_with('"').then(|| plain(&value));
                Member { model: model.clone(), chat, session, raw, at: before + at }
            }));
        }
        Written { text, is_legacy: false, members: all }
    })
}

pub(crate) fn written() -> impl Strategy<Value = Written> {
    prop_oneof![3 => today().boxed(), 1 => legacy().boxed()]
}
