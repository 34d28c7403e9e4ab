//! What the files of sessions tell: the time of the newest record (`--clock record`), the folder and
//! the first message (`list`). What is told must not depend on how a file is stored, nor on where its
//! reading is stopped; a newer record is always seen, and a torn end never makes a session look idle.
//!
//! Bytes that begin as Zstandard does are read as a compressed file, all others as lines and as one
//! object.

use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use session_warden::model::Timestamp;
use session_warden::os::interrupt::Interrupt;
use session_warden::provider::About;
use session_warden::provider::conversation::about;
use session_warden::provider::records::{Newest, Records, newest};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Seek;
use std::os::unix::fs::FileExt;

use super::{Members, place_in, text};

const LINES: &str = "a.jsonl";
const PACKED: &str = "a.jsonl.zst";
const OBJECT: &str = "a.json";

const CLIS: [Records; 3] = [Records::Claude, Records::Codex, Records::Gemini];

/// How a compressed file begins, and how much of one is tried: it may stand for 30,000 times as much.
const MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const MOST_PACKED: usize = 4 << 10;

/// Within the first MiB everything is read.
const MOST: usize = 512 << 10;

/// How much of a file of lines is read at first, from its end.
const READ_FIRST: usize = 64 << 10;

/// A record that counts for every CLI and is newer than all others.
const NEWEST: &str = r#"{"id":"n","type":"user","timestamp":"9999-12-31T23:59:59.500Z"}"#;

pub fn check(data: &[u8]) {
    if data.len() > MOST {
        return;
    }
    assert!(matches!(of(data, LINES, Records::Unknown, Timestamp::MAX), Newest::Unread(_)));
    if data.starts_with(MAGIC) {
        return packed(data);
    }
    let stored = compress_to_vec(data, CompressionLevel::Fastest);
    for records in CLIS {
        let exact = lines(data, &stored, records);
        if let Some(expected) = std::str::from_utf8(data).ok().and_then(|t| expected(t, records)) {
            assert_eq!(known(&exact), expected, "{exact:?} of {records:?}");
        }
        told(data, &stored, records);
    }
    object(data);
    if let Ok(lines) = std::str::from_utf8(data) {
        as_messages(lines);
    }
}

/// What lines tell, and what they must tell however they are stored, stopped or gone on with. `stored`
/// is the same as a compressed file.
fn lines(data: &[u8], stored: &[u8], records: Records) -> Newest {
    let exact = of(data, LINES, records, Timestamp::MAX);
    let unpacked = of(stored, PACKED, records, Timestamp::MAX);
    assert_eq!(known(&unpacked), known(&exact), "{unpacked:?}, and {exact:?} without compression");
    for cut in [0, place_in(stored).min(stored.len() - 1)] {
        let torn = of(&stored[..cut], PACKED, records, Timestamp::MAX);
        assert!(matches!(torn, Newest::Unread(_)), "{torn:?} of {cut} compressed bytes");
    }
    // A blank line at the end, so long that the first part that is read begins within the others.
    let blank = vec![b' '; (READ_FIRST - 1).saturating_sub(place_in(data))];
    let parted = of(&[data, b"\n", &blank].concat(), LINES, records, Timestamp::MAX);
    assert_eq!(known(&parted), known(&exact), "{parted:?}, and {exact:?} read at once");

    let least = Timestamp::new(i64::MIN, 0);
    match (of(data, LINES, records, least), &exact) {
        (Newest::At(any), Newest::At(exact)) => assert!(any <= *exact),
        // What is torn at the end is no matter where what stands before it tells enough.
        (Newest::At(_) | Newest::Unread(_), Newest::Unread(_)) => {}
        (any, exact) => assert_eq!(known(&any), known(exact)),
    }
    if let Newest::At(time) = exact {
        assert_eq!(of(data, LINES, records, time), exact, "the newest of all is asked for");
    }
    for (last, expected) in [
        (NEWEST, known(&at(NEWEST))),
        (&NEWEST[..NEWEST.len() - 1], Known::Unread),
        ("\0\0\0", Known::Unread),
    ] {
        let more = [data, b"\n", last.as_bytes()].concat();
        let read = of(&more, LINES, records, Timestamp::MAX);
        assert_eq!(known(&read), expected, "with {last:?} at the end");
    }
    exact
}

/// What is told of the conversation.
fn told(data: &[u8], stored: &[u8], records: Records) {
    let plain = about_of(data, LINES, records).expect("memory can be read");
    is_presentable(&plain, records);
    assert_eq!(about_of(stored, PACKED, records).expect("it was just compressed"), plain);
    // What was said first stays what was said first.
    let more = match records {
        Records::Codex => concat!(
            r#"{"type":"session_meta","payload":{"cwd":"/later"}}"#,
            "\n",
            r#"{"type":"response_item","payload":{"type":"message","role":"user","content":"later"}}"#,
        ),
        _ => r#"{"type":"user","cwd":"/later","message":{"content":"later"},"content":"later"}"#,
    };
    let more = [data, b"\n", more.as_bytes()].concat();
    let later = |is_told: bool, text: &str| is_told.then(|| text.to_owned());
    let project = plain.project.or_else(|| later(records != Records::Gemini, "/later"));
    let expected = About { project, message: plain.message.or_else(|| later(true, "later")) };
    assert_eq!(about_of(&more, LINES, records).expect("memory can be read"), expected);
}

fn is_presentable(about: &About, records: Records) {
    assert!(about.project.as_ref().is_none_or(|folder| !folder.is_empty()));
    assert!(records != Records::Gemini || about.project.is_none());
    let Some(message) = &about.message else { return };
    let length = message.chars().count();
    assert!((1..=1000).contains(&length), "{length} characters");
    assert!(!message.chars().any(char::is_control), "{message:?}");
    let words: Vec<&str> = message.split_whitespace().collect();
    assert_eq!(words.join(" "), *message, "it is one line");
}

/// One object, as older versions of Gemini write: whole, or not understood.
fn object(data: &[u8]) {
    let exact = of(data, OBJECT, Records::Gemini, Timestamp::MAX);
    is_presentable(
        &about_of(data, OBJECT, Records::Gemini).expect("it is bounded"),
        Records::Gemini,
    );
    if exact == Newest::NoRecord || matches!(exact, Newest::At(_)) {
        let cut = place_in(data).min(data.trim_ascii_end().len() - 1);
        for torn in [&data[..cut], &[data, b"x"].concat()] {
            let torn = of(torn, OBJECT, Records::Gemini, Timestamp::MAX);
            assert!(matches!(torn, Newest::Unread(_)), "{torn:?}, cut at {cut} or with more");
        }
    }
}

/// Lines that are whole tell as messages of one object what they tell where every line counts.
fn as_messages(text: &str) {
    let lines: Vec<&str> = text.split('\n').filter(|line| !line.trim_ascii().is_empty()).collect();
    if lines.iter().all(|line| serde_json::from_str::<&serde_json::value::RawValue>(line).is_ok()) {
        let object = format!(r#"{{"sessionId":"a","messages":[{}],"x":1}}"#, lines.join(","));
        let told = of(object.as_bytes(), OBJECT, Records::Gemini, Timestamp::MAX);
        let as_lines = of(text.as_bytes(), LINES, Records::Codex, Timestamp::MAX);
        assert_eq!(known(&told), known(&as_lines), "{object}");
    }
}

/// A compressed file: it is read whole, or not understood.
fn packed(data: &[u8]) {
    if data.len() > MOST_PACKED {
        return;
    }
    for records in CLIS {
        let exact = of(data, PACKED, records, Timestamp::MAX);
        if let Ok(about) = about_of(data, PACKED, records) {
            is_presentable(&about, records);
        }
        if matches!(exact, Newest::Unread(_)) {
            continue;
        }
        let torn = of(&[data, b"x"].concat(), PACKED, records, Timestamp::MAX);
        assert!(matches!(torn, Newest::Unread(_)), "{torn:?} with a byte more");
        let line = compress_to_vec(format!("\n{NEWEST}").as_bytes(), CompressionLevel::Fastest);
        let more = of(&[data, &line].concat(), PACKED, records, Timestamp::MAX);
        assert_eq!(more, at(NEWEST), "with a frame more");
    }
}

/// What is told, but for why something was not understood.
#[derive(Debug, PartialEq, Eq)]
enum Known {
    At(Timestamp),
    NoRecord,
    Unread,
}

fn known(newest: &Newest) -> Known {
    match newest {
        Newest::At(time) => Known::At(*time),
        Newest::NoRecord => Known::NoRecord,
        Newest::Unread(_) => Known::Unread,
    }
}

/// What lines must tell, read in the plainest way; nothing where a key stands twice in one.
fn expected(lines: &str, records: Records) -> Option<Known> {
    let mut newest = None;
    let mut missed = false;
    for line in lines.split('\n').filter(|line| !line.trim_ascii().is_empty()) {
        let Some(record) = Members::of(line) else {
            missed = true;
            continue;
        };
        if !record.are_unique() {
            return None;
        }
        let value = |key: &str| record.get(key).filter(|value| value.get() != "null");
        let kind = value("type").and_then(text);
        let is_use = match records {
            Records::Claude => !NO_USE.contains(&kind.as_deref().unwrap_or_default()),
            Records::Codex | Records::Unknown => true,
            Records::Gemini => {
                let others = ["startTime", "lastUpdated", "$set", "$rewindTo"];
                value("id").is_some() && others.iter().all(|key| value(key).is_none())
            }
        };
        let Some(timestamp) = value("timestamp").filter(|_| is_use) else { continue };
        let time = text(timestamp).as_deref().and_then(Timestamp::parse);
        missed = time.is_none();
        newest = newest.max(time);
    }
    // What is torn hides what may be newer, unless a record that was understood stands behind it.
    Some(if missed { Known::Unread } else { newest.map_or(Known::NoRecord, Known::At) })
}

/// Claude's kinds of records that tell of no use.
const NO_USE: [&str; 7] = [
    "summary",
    "mode",
    "permission-mode",
    "cost-state",
    "last-prompt",
    "tools-used",
    "file-history-snapshot",
];

/// What this record alone tells.
fn at(record: &str) -> Newest {
    let members = Members::of(record).expect("it is one");
    let time = members.get("timestamp").and_then(text).as_deref().and_then(Timestamp::parse);
    Newest::At(time.expect("it has one"))
}

fn of(data: &[u8], name: &str, records: Records, enough: Timestamp) -> Newest {
    newest(file(data), OsStr::new(name), records, enough, &Interrupt::default())
}

fn about_of(data: &[u8], name: &str, records: Records) -> std::io::Result<About> {
    about(file(data), OsStr::new(name), records, &Interrupt::default())
}

/// A file that holds that; the one of before has it then, too.
fn file(data: &[u8]) -> File {
    thread_local! { static FILE: File = tempfile::tempfile().expect("a temporary file"); }
    let filled = |mut file: &File| {
        file.set_len(0)?;
        file.write_all_at(data, 0)?;
        file.rewind()?;
        file.try_clone()
    };
    FILE.with(filled).expect("a temporary file can be written")
}
