//! The exact clock on lines of every kind, wherever they lie in a file, and on hostile ones.

use proptest::prelude::*;

use super::super::compressed::tests::{bomb, compressed};
use super::super::lines::tests::file;
use super::*;

/// Any time is enough.
fn least() -> Timestamp {
    Timestamp::new(i64::MIN, 0)
}

fn of(text: &[u8], name: &str, records: Records, enough: Timestamp) -> Newest {
    newest(file(text), OsStr::new(name), records, enough, &Interrupt::default())
}

/// What the whole file tells, wherever it is stopped.
fn whole(text: &[u8], name: &str, records: Records) -> Newest {
    of(text, name, records, Timestamp::MAX)
}

fn at(time: &str) -> Newest {
    Newest::At(Timestamp::parse(time).unwrap())
}

fn hour(hour: u32) -> String {
    format!("2026-11-21T{hour:02}:00:00.500Z")
}

/// `expected` is an hour, or nothing where no record counts.
#[track_caller]
fn check(records: Records, lines: &[&str], expected: Option<u32>) {
    let expected = expected.map_or(Newest::NoRecord, |expected| at(&hour(expected)));
    // What a line says must not depend on its end, nor on how it is stored.
    for end in ["\n", "\r\n", "\n\n \t\n"] {
        let text = lines.join(end);
        assert_eq!(whole(text.as_bytes(), "a.jsonl", records), expected, "{text}");
        let text = text + end;
        assert_eq!(whole(text.as_bytes(), "a.jsonl", records), expected, "{text}");
        let packed = compressed(text.as_bytes());
        assert_eq!(whole(&packed, "a.jsonl.zst", records), expected, "{text}, compressed");
    }
}

#[test]
fn claudes_records_count_but_for_those_of_no_use() {
    let check = |lines: &[&str], expected| check(Records::Claude, lines, expected);
    let user = r#"{"type":"user","timestamp":"2026-11-21T05:00:00.500Z"}"#;
    for kind in ["user", "assistant", "system", "attachment", "queue-operation", "api-request"] {
        check(&[&user.replace("user", kind)], Some(5));
    }
    for kind in NO_USE {
        let later = format!(r#"{{"type":"{kind}","timestamp":"2026-11-21T09:00:00.500Z"}}"#);
        check(&[&later], None);
        check(&[user, &later], Some(5));
        check(&[&user.replace("user", &format!("{kind}s"))], Some(5));
    }
    check(&[r#"{"timestamp":"2026-11-21T05:00:00.500Z"}"#], Some(5));
    check(&[r#"{"type":7,"timestamp":"2026-11-21T05:00:00.500Z"}"#], Some(5));
    check(&[r#"{"t\u0079pe":"m\u006fde","timestamp":"2026-11-21T05:00:00.500Z"}"#], None);
    let inside =
        r#"{"type":"file-history-snapshot","snapshot":{"timestamp":"2026-11-21T09:00:00.500Z"}}"#;
    check(&[inside], None);
    let quoted = r#"{"type":"user","message":{"timestamp":"2026-11-21T09:00:00.500Z"}}"#;
    check(&[quoted], None);
    check(&[quoted, user, inside], Some(5));
}

#[test]
fn every_one_of_codexs_lines_counts() {
    let check = |lines: &[&str], expected| check(Records::Codex, lines, expected);
    let meta = r#"{"timestamp":"2026-11-21T01:00:00.500Z","type":"session_meta","payload":{"id":"a","timestamp":"2026-11-21T09:00:00.500Z"}}"#;
    check(&[meta], Some(1));
    check(&[meta, r#"{"timestamp":"2026-11-21T02:00:00.500Z","type":"mode"}"#], Some(2));
    check(&[r#"{"type":"session_meta","payload":{"timestamp":"2026-11-21T09:00:00.500Z"}}"#], None);
    check(&[], None);
}

#[test]
fn only_geminis_messages_count() {
    let check = |lines: &[&str], expected| check(Records::Gemini, lines, expected);
    let header = r#"{"sessionId":"a","projectHash":"b","startTime":"2026-11-21T09:00:00.500Z","lastUpdated":"2026-11-21T09:00:00.500Z","kind":"main"}"#;
    let message = r#"{"id":"m","timestamp":"2026-11-21T05:00:00.500Z","type":"user"}"#;
    let later = r#"{"$set":{"lastUpdated":"2026-11-21T09:00:00.500Z"}}"#;
    check(&[header], None);
    check(&[header, message], Some(5));
    check(&[header, message, later, r#"{"$rewindTo":"m"}"#], Some(5));
    for other in [
        r#"{"timestamp":"2026-11-21T09:00:00.500Z"}"#,
        r#"{"id":null,"timestamp":"2026-11-21T09:00:00.500Z"}"#,
        r#"{"id":"m"}"#,
        r#"{"id":"m","timestamp":null}"#,
        r#"{"id":"m","timestamp":"2026-11-21T09:00:00.500Z","$set":{}}"#,
        r#"{"id":"m","timestamp":"2026-11-21T09:00:00.500Z","$rewindTo":"m"}"#,
        r#"{"id":"m","timestamp":"2026-11-21T09:00:00.500Z","startTime":"x"}"#,
        r#"{"id":"m","timestamp":"2026-11-21T09:00:00.500Z","lastUpdated":"x"}"#,
    ] {
        check(&[other], None);
        check(&[message, other], Some(5));
    }
}

#[test]
fn an_older_geminis_messages_count() {
    #[track_caller]
    fn check(text: &str, expected: Option<&Newest>) {
        let newest = whole(text.as_bytes(), "session-a.json", Records::Gemini);
        match expected {
            Some(expected) => assert_eq!(newest, *expected, "{text}"),
            None => assert!(matches!(newest, Newest::Unread(_)), "{newest:?} of {text}"),
        }
    }
    let text = r#"{"sessionId":"a","startTime":"2026-11-21T09:00:00Z","messages":[
        {"id":"1","timestamp":"2026-11-21T05:00:00Z","content":{"timestamp":"2026-11-21T09:00:00Z"}},
        {"timestamp":"2026-11-21T06:00:00Z"}, {"id":"3"}, {"timestamp":"2026-11-21T04:00:00Z"}],
        "lastUpdated":"2026-11-21T09:00:00Z"}"#;
    check(text, Some(&at("2026-11-21T06:00:00Z")));
    check(&text.replace('\n', ""), Some(&at("2026-11-21T06:00:00Z")));
    check(r#"{"sessionId":"a","messages":[],"lastUpdated":"2026"}"#, Some(&Newest::NoRecord));
    check(r#"{"sessionId":"a"}"#, Some(&Newest::NoRecord));
    // A write tears the newest off first.
    for length in 0..text.len() {
        check(&text[..length], None);
    }
    check(&[text, text].concat(), None);
    check(r#"{"messages":[7]}"#, None);
    check(r#"{"messages":[{"timestamp":7}]}"#, None);
    check(&"[".repeat(10 << 20), None);
}

#[test]
fn what_is_not_understood_is_passed_over_unless_there_is_nothing_else() {
    let good: &[u8] = br#"{"id":"1","timestamp":"2026-11-21T05:00:00.500Z"}"#;
    let hostile: [&[u8]; 12] = [
        &good[..good.len() - 1],
        &good[..20],
        &good[1..],
        b"{",
        b"garbage",
        b"7",
        b"[\"2026-11-21T09:00:00Z\",\"user\"]",
        &[0; 4096],
        b"{\"timestamp\":\"\xff\xfe\",\"id\":1}",
        b"{\"timestamp\":\"yesterday\",\"id\":1}",
        b"{\"timestamp\":1795000000,\"id\":1}",
        b"{\"timestamp\":\"2026-11-21T09:00:00Z\",\"timestamp\":\"2026-11-21T09:00:00Z\",\"id\":1}",
    ];
    for records in [Records::Claude, Records::Codex, Records::Gemini] {
        for line in hostile {
            let shown = String::from_utf8_lossy(&line[..line.len().min(60)]);
            let alone = whole(line, "a.jsonl", records);
            assert!(matches!(alone, Newest::Unread(_)), "{alone:?} of {shown}");
            let before = [line, b"\n", good].concat();
            assert_eq!(whole(&before, "a.jsonl", records), at(&hour(5)), "{shown}");
            // Behind the last that is understood, it may be newer.
            let behind = [good, b"\n", line].concat();
            assert!(matches!(whole(&behind, "a.jsonl", records), Newest::Unread(_)), "{shown}");
        }
    }
    let brackets = b"[".repeat(10 << 20);
    for line in [[b"{\"a\":", &brackets[..]].concat(), [b"\n", &brackets[..]].concat()] {
        let text = [good, b"\n", &line].concat();
        assert!(matches!(whole(&text, "a.jsonl", Records::Codex), Newest::Unread(_)));
        assert!(matches!(whole(&line, "a.jsonl", Records::Codex), Newest::Unread(_)));
    }
    // What is not looked at need not be text.
    let text = b"{\"a\":\"\xff\",\"timestamp\":\"2026-11-21T05:00:00.500Z\"}";
    assert_eq!(whole(text, "a.jsonl", Records::Codex), at(&hour(5)));
    let nested = format!(
        "{{\"a\":{}{},{}",
        "[".repeat(5000),
        "]".repeat(5000),
        r#""timestamp":"2026-11-21T05:00:00.500Z"}"#
    );
    assert_eq!(whole(nested.as_bytes(), "a.jsonl", Records::Codex), at(&hour(5)));
    assert!(matches!(whole(good, "a.json", Records::Unknown), Newest::Unread(_)));
}

#[test]
fn any_time_of_rfc_3339_is_taken_as_it_is() {
    for time in
        ["9999-12-31T23:59:59Z", "2026-11-21T06:00:00.123456789+05:30", "1969-12-31T23:59:59Z"]
    {
        let line = format!(r#"{{"timestamp":"{time}"}}"#);
        assert_eq!(of(line.as_bytes(), "a.jsonl", Records::Codex, least()), at(time));
    }
}

/// A line of that length with its line feed.
fn line(time: Option<&str>, length: usize) -> String {
    let mut line =
        time.map_or_else(|| "{".to_owned(), |time| format!(r#"{{"timestamp":"{time}","#));
    line.push_str("\"a\":\"");
    let padding = length.checked_sub(line.len() + 3).unwrap();
    line.extend(std::iter::repeat_n('x', padding));
    line + "\"}\n"
}

#[test]
fn lines_may_lie_across_the_borders_of_chunks() {
    let newest = hour(7);
    // The line with the newest record ends in every place around the border of the first chunk.
    for after in (65_536 - 80..=65_536 + 80).chain([131_072 + 65_536, 300_000]) {
        let text = [
            line(Some(&hour(3)), 200_000),
            line(Some(&newest), 70),
            line(None, after - 60),
            line(Some(&hour(5)), 60),
        ];
        let text = text.concat();
        assert_eq!(whole(text.as_bytes(), "a.jsonl", Records::Codex), at(&newest), "{after}");
        assert_eq!(
            of(text.as_bytes(), "a.jsonl", Records::Codex, Timestamp::parse(&hour(6)).unwrap()),
            at(&newest)
        );
    }
    let long_end = [line(Some(&newest), 100_000), line(None, 300_000)].concat();
    for enough in [least(), Timestamp::MAX] {
        assert_eq!(of(long_end.as_bytes(), "a.jsonl", Records::Codex, enough), at(&newest));
    }
}

#[test]
fn reading_ends_with_the_chunk_that_tells_enough() {
    let text = [line(Some(&hour(9)), 200_000), line(Some(&hour(5)), 70), line(Some(&hour(3)), 70)];
    let text = text.concat();
    let check = |enough, expected| {
        assert_eq!(of(text.as_bytes(), "a.jsonl", Records::Codex, enough), at(&hour(expected)));
    };
    check(least(), 5);
    check(Timestamp::parse(&hour(5)).unwrap(), 5);
    check(Timestamp::parse(&hour(6)).unwrap(), 9);
    check(Timestamp::MAX, 9);
}

/// Two frames of `zstd -19`, with a frame to skip between them, as the zstd program wrote them.
const TWO_FRAMES: &[u8] = &[
    0x28, 0xb5, 0x2f, 0xfd, 0x24, 0x7f, 0x7d, 0x02, 0x00, 0x52, 0x05, 0x11, 0x12, 0x90, 0xcf, 0x01,
    0xd8, 0x6e, 0x7b, 0xc3, 0x80, 0x00, 0xdd, 0x77, 0x58, 0x24, 0x80, 0xea, 0x7a, 0x1e, 0x9c, 0x05,
    0xe4, 0x7c, 0x76, 0xf4, 0xf6, 0x8e, 0xd1, 0x1b, 0x9b, 0xf0, 0x32, 0xfa, 0x70, 0x66, 0x5d, 0x5c,
    0x72, 0xbe, 0x5a, 0x5d, 0x3d, 0xba, 0xa3, 0xd7, 0x3e, 0x5c, 0x75, 0x9b, 0xd1, 0x8d, 0xba, 0x11,
    0xe9, 0x44, 0x8a, 0x20, 0x44, 0x9c, 0xd2, 0xe5, 0xe8, 0x34, 0x32, 0x5b, 0x5d, 0x7c, 0xf6, 0x38,
    0x02, 0x00, 0x80, 0x08, 0x75, 0xd9, 0xc1, 0x0c, 0x82, 0x95, 0xb4, 0xe6, 0x50, 0x2a, 0x4d, 0x18,
    0x03, 0x00, 0x00, 0x00, 0x61, 0x62, 0x63, 0x28, 0xb5, 0x2f, 0xfd, 0x24, 0x63, 0xf5, 0x01, 0x00,
    0x82, 0xc3, 0x0c, 0x12, 0x90, 0xcf, 0x01, 0xc2, 0xeb, 0x01, 0x8e, 0x88, 0xd2, 0xfd, 0x88, 0xe0,
    0xb5, 0xda, 0x5a, 0xf7, 0x14, 0xb8, 0x45, 0xfd, 0x46, 0xfc, 0xfd, 0x37, 0x7a, 0x1a, 0x24, 0x8c,
    0x11, 0x0e, 0x39, 0xe1, 0x66, 0x09, 0x19, 0x9d, 0x0d, 0x3e, 0xca, 0x16, 0x5c, 0x76, 0x13, 0x2e,
    0x1a, 0x5b, 0x6d, 0xdc, 0xdc, 0x64, 0x02, 0x00, 0x40, 0x16, 0xc7, 0x6e, 0x05, 0x05, 0x8b, 0xdb,
    0x7e, 0x70,
];

/// Where the first of them ends, and what is to be skipped.
const FRAME_ENDS: [usize; 2] = [92, 103];

#[test]
fn compressed_files_are_read_whole() {
    let check = |enough| of(TWO_FRAMES, "rollout-a.jsonl.zst", Records::Codex, enough);
    // The newest is neither in the first line nor in the last one.
    assert_eq!(check(least()), at(&hour(8)));
    assert_eq!(check(Timestamp::MAX), at(&hour(8)));
    for length in (0..TWO_FRAMES.len()).filter(|length| !FRAME_ENDS.contains(length)) {
        let torn = of(&TWO_FRAMES[..length], "rollout-a.jsonl.zst", Records::Codex, least());
        assert!(matches!(torn, Newest::Unread(_)), "{torn:?} of {length} bytes");
    }
    let long = bomb(1024, b' ');
    let unread = whole(&long, "rollout-a.jsonl.zst", Records::Codex);
    assert_eq!(
        unread,
        Newest::Unread("it decompresses to more than 1000 times its size".to_owned())
    );
}

#[test]
fn a_last_line_that_is_not_whole_is_seen() {
    #[track_caller]
    fn check(text: &str, is_torn: bool) {
        let read = whole(text.as_bytes(), "a.jsonl", Records::Codex);
        assert_eq!(matches!(read, Newest::Unread(_)), is_torn, "{read:?} of {} bytes", text.len());
    }
    let line = |time: &str, length| line(Some(time), length).trim_end().to_owned();
    let first = line(&hour(1), 100);
    for length in [100, 60_000, 65_535, 65_536, 65_537, 200_000] {
        let last = line(&hour(2), length);
        for (text, is_torn) in [
            (format!("{first}\n{last}\n"), false),
            (format!("{first}\n{last}"), false),
            (format!("{first}\ntorn\n{last}\n\n"), false),
            (format!("{first}\n{}", &last[..last.len() - 1]), true),
            (format!("{first}\n{last}\n\0"), true),
            (last[..last.len() - 1].to_owned(), true),
            (last, false),
        ] {
            check(&text, is_torn);
        }
    }
    check("", false);
    check("\n", false);
    check("\0\0", true);
}

#[derive(Debug, Clone)]
struct Made(String);

fn made() -> impl Strategy<Value = Made> {
    let time = (0_u32..24).prop_map(hour);
    let padding = prop_oneof![4 => 0_usize..200, 1 => 0_usize..150_000];
    (time, padding, 0..8).prop_map(|(time, padding, kind)| {
        let padding = "x".repeat(padding);
        Made(match kind {
            0..=2 => format!(r#"{{"type":"user","timestamp":"{time}","a":"{padding}"}}"#),
            3 => format!(r#"{{"type":"summary","a":"{padding}","timestamp":"{time}"}}"#),
            4 => format!(r#"{{"type":"user","a":{{"timestamp":"{time}","b":"{padding}"}}}}"#),
            5 => format!(r#"{{"type":"user","timestamp":"{time}","a":"{padding}"#),
            6 => String::new(),
            _ => format!(r#"{{"type":"mode","a":"{padding}"}}"#),
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]
    #[test]
    fn backward_tells_what_forward_does(
        lines in prop::collection::vec(made(), 0..24), ends in any::<bool>(), enough in 0_u32..25,
    ) {
        let mut text = lines.iter().map(|line| line.0.as_str()).collect::<Vec<_>>().join("\n");
        if ends {
            text.push('\n');
        }
        let mut naive = Seen::default();
        text.split('\n').for_each(|line| naive.line(line.as_bytes(), Records::Claude));
        let read = |enough| of(text.as_bytes(), "a.jsonl", Records::Claude, enough);
        let exact = match (naive.newest, naive.missed) {
            (_, Some(_)) => {
                prop_assert!(matches!(read(Timestamp::MAX), Newest::Unread(_)));
                prop_assert_eq!(matches!(read(least()), Newest::Unread(_)), naive.newest.is_none());
                return Ok(());
            }
            (Some(newest), None) => Newest::At(newest),
            (None, None) => Newest::NoRecord,
        };
        prop_assert_eq!(&read(Timestamp::MAX), &exact);
        let enough = Timestamp::parse(&hour(enough.min(23))).unwrap();
        match (read(enough), exact) {
            (Newest::At(told), Newest::At(exact)) => {
                prop_assert!(told == exact || (told >= enough && told < exact));
            }
            (told, exact) => prop_assert_eq!(told, exact),
        }
    }
}
