//! Reading and cutting arbitrary maps, as text: what stays, stays byte for byte (R5); what is no
//! map is refused as `serde_json` refuses it, and nothing panics (R4).

use crate::arbitrary_map::{Written, written};
use crate::fuzz_seeds::checks::map::{self, Row, rows};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use session_warden::model::{Form, MappingIdx, SessionMap};

/// Which places go: none, all, or any.
fn going() -> impl Strategy<Value = Vec<bool>> {
    prop_oneof![1 => Just(vec![false]), 1 => Just(vec![true]), 6 => vec(any::<bool>(), 1..24)]
}

fn parsed(bytes: &[u8]) -> SessionMap {
    SessionMap::parse(bytes.to_vec()).expect("a valid map is parsed")
}

/// The text without white space between its tokens.
fn squeezed(text: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    let keep = |letter: &char| {
        let stays = quoted || !matches!(letter, ' ' | '\t' | '\n' | '\r');
        if *letter == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = *letter == '\\' && !escaped;
        stays
    };
    text.chars().filter(keep).collect()
}

/// Whatever the bytes are: what the fuzz target of maps checks, with other mappings cut out.
fn check_any(bytes: &[u8], going: &[bool]) {
    map::cut(bytes, |place| going[place as usize % going.len()]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_map_reads_as_it_was_written(written in written()) {
        let map = parsed(written.text.as_bytes());
        let expected: Vec<Row> =
            written.members.into_iter().map(|it| (it.model, it.chat, it.session)).collect();
        prop_assert_eq!(rows(&map), expected);
        prop_assert_eq!(map.form() == Form::Legacy, written.is_legacy);
        prop_assert_eq!(map.bytes(), written.text.as_bytes());
    }

    #[test]
    fn what_stays_stays_byte_for_byte_r5(written in written(), going in going()) {
        let map = parsed(written.text.as_bytes());
        let goes = |place: MappingIdx| going[place.get() % going.len()];
        let cut = map.without(goes);
        let (went, stayed): (Vec<_>, Vec<_>) =
            (0..).map(MappingIdx).zip(&written.members).partition(|(place, _)| goes(*place));
        if went.is_empty() {
            prop_assert_eq!(&cut, written.text.as_bytes());
        }
        // It holds exactly what stays, in order and in the same form.
        let left = parsed(&cut);
        let expected: Vec<Row> = stayed
            .iter()
            .map(|(_, it)| (it.model.clone(), it.chat.clone(), it.session.clone()))
            .collect();
        prop_assert_eq!(rows(&left), expected);
        prop_assert_eq!(left.form() == Form::Legacy, written.is_legacy && !stayed.is_empty());
        // Each as it was written, one after the other.
        let text = std::str::from_utf8(&cut).unwrap();
        let mut rest = text;
        for (_, member) in &stayed {
            let at = rest.find(&member.raw);
            prop_assert!(at.is_some(), "no {:?} in {:?} of {:?}", member.raw, rest, text);
            rest = &rest[at.unwrap() + member.raw.len()..];
        }
        // And nothing else went: but for white space, it is the old text without those members.
        prop_assert_eq!(squeezed(text), expected_tokens(&written, goes));
    }

    #[test]
    fn cutting_again_changes_nothing(written in written(), first in going(), second in going()) {
        let map = parsed(written.text.as_bytes());
        let goes = |place: MappingIdx| first[place.get() % first.len()];
        let once = map.without(goes);
        prop_assert_eq!(parsed(&once).without(|_| false), once.clone());
        // In two steps as in one: what the second takes, it takes out of what the first left.
        let also = |place: MappingIdx| second[place.get() % second.len()];
        let left: Vec<MappingIdx> = (0..).map(MappingIdx).take(map.len()).filter(|place| !goes(*place)).collect();
        let twice = parsed(&once).without(|place| also(left[place.get()]));
        let at_once = map.without(|place| goes(place) || also(place));
        prop_assert_eq!(
            squeezed(&String::from_utf8(twice).unwrap()),
            squeezed(&String::from_utf8(at_once).unwrap())
        );
    }

    #[test]
    fn arbitrary_bytes_are_taken_or_refused(bytes in any::<Vec<u8>>(), going in going()) {
        check_any(&bytes, &going);
    }

    #[test]
    fn arbitrary_json_like_text_is_taken_or_refused(
        tokens in vec(select(vec![
            "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\"b\"", "\"\\ud800\"", "\"\\u00", "1", "-",
            "1e999", "null", "tru", " ", "\n", "\u{feff}", "\0", "\\", "{\"a\":{\"b\":\"c\"}}",
            "{\"a\":", "\"m\":{\"c\":\"s\"}",
        ]), 0..14),
        going in going(),
    ) {
        check_any(tokens.concat().as_bytes(), &going);
        check_any(format!("{{{}}}", tokens.concat()).as_bytes(), &going);
    }

    #[test]
    fn maps_with_a_few_bytes_changed_are_taken_or_refused(
        written in written(),
        changes in vec((any::<Index>(), 0..4_u8, select(b"{}[],:\"\\ua0\n \x00\x7f\xc3\xff-e1".to_vec())), 1..4),
        going in going(),
    ) {
        let mut bytes = written.text.into_bytes();
        for (place, change, byte) in changes {
            let at = place.index(bytes.len() + 1);
            match change {
                0 => bytes.insert(at, byte),
                1 => bytes.truncate(at),
                _ if at == bytes.len() => bytes.push(byte),
                2 => bytes[at] = byte,
                _ => drop(bytes.remove(at)),
            }
        }
        check_any(&bytes, &going);
    }

    #[test]
    fn a_member_that_is_written_twice_is_refused_r2(written in written(), which in any::<Index>()) {
        prop_assume!(!written.members.is_empty());
        let member = which.get(&written.members);
        let (before, rest) = written.text.split_at(member.at);
        let twice = format!("{before}{},{rest}", member.raw);
        let error = SessionMap::parse(twice.into_bytes()).expect_err("equal keys").to_string();
        prop_assert!(error.contains("appears twice at line"), "{}", error);
    }
}

/// What the text is to be without the members that go, and without white space.
fn expected_tokens(written: &Written, goes: impl Fn(MappingIdx) -> bool) -> String {
    let (mut kept, mut end) = (String::new(), 0);
    let mut in_object: Vec<String> = Vec::new();
    let join = |members: &mut Vec<String>| std::mem::take(members).join(",");
    for (place, member) in (0..).map(MappingIdx).zip(&written.members) {
        let before = squeezed(&written.text[end..member.at]);
        // Between two members of one object there is nothing but a comma.
        if before != "," || place == MappingIdx(0) {
            kept.push_str(&join(&mut in_object));
            kept.push_str(&before);
        }
        if !goes(place) {
            in_object.push(squeezed(&member.raw));
        }
        end = member.at + member.raw.len();
    }
    kept.push_str(&join(&mut in_object));
    kept.push_str(&squeezed(&written.text[end..]));
    kept
}
