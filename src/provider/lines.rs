//! Three ways through a session's file: its lines from the end, its lines from the start, and the messages of
//! one JSON object. `records.rs` and `conversation.rs` parse them.

use memchr::{memchr, memrchr};
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;

use crate::os::interrupt::Interrupt;
use crate::os::reading::Pace;

/// The longest line that is read. Lines of several MiB are seen, with pictures in them.
pub(super) const LONGEST: usize = 64 << 20;

/// How much is read from the end at first, and at most at a time. The newest record of most sessions is in
/// the first block; larger blocks save calls if all of a file must be read.
const FIRST: usize = 64 << 10;
const MOST: usize = 4 << 20;

/// Calls `each` with the lines of `file` in blocks, the last block first, until it breaks. The file may grow
/// meanwhile, but one that shrinks is an error: its end was not read.
pub(super) fn backward(
    file: &File,
    interrupt: &Interrupt,
    each: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> io::Result<()> {
    backward_by(file, (FIRST, MOST), Pace::new(interrupt), each)
}

fn backward_by(
    file: &File,
    (first, most): (usize, usize),
    mut pace: Pace,
    mut each: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> io::Result<()> {
    let mut start = file.metadata()?.len();
    let mut size = first;
    // The start of the next block, which belongs to a line that begins in this chunk or before.
    let mut carried = Vec::new();
    while start > 0 {
        pace.step()?;
        let length = usize::try_from(start).map_or(size, |start| start.min(size));
        start -= length as u64;
        let mut chunk = vec![0; length];
        file.read_exact_at(&mut chunk, start).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::other("it has shrunk while it was read"),
            _ => error,
        })?;
        // Only the chunk can hold a line feed, so that a long line is searched once.
        let head = if start == 0 { Some(0) } else { memchr(b'\n', &chunk).map(|at| at + 1) };
        // Only the line that goes on in the carried bytes can be longer than a chunk.
        let last = memrchr(b'\n', &chunk).map_or(0, |at| at + 1);
        chunk.append(&mut carried);
        if chunk.len() - last > LONGEST {
            return Err(too_long());
        }
        if let Some(head) = head {
            if each(&chunk[head..]).is_break() {
                return Ok(());
            }
            chunk.truncate(head.saturating_sub(1));
        }
        carried = chunk;
        size = (size * 2).min(most);
    }

    Ok(())
}

/// Returns the lines of a block, the last one first.
pub(super) fn split(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut left = Some(block);
    std::iter::from_fn(move || {
        let block = left?;
        let line = memrchr(b'\n', block).map_or(0, |at| at + 1);
        left = line.checked_sub(1).map(|end| &block[..end]);
        Some(&block[line..])
    })
}

/// Calls `each` with the lines of `text` from its start, until it breaks.
pub(super) fn forward(
    mut text: impl BufRead,
    mut each: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut text).take(LONGEST as u64 + 1).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if line.len() > LONGEST {
            return Err(too_long());
        }
        if each(&line).is_break() {
            return Ok(());
        }
    }
}

fn too_long() -> io::Error {
    io::Error::other(format!("a line is longer than {} MiB", LONGEST >> 20))
}

/// Calls `each` with the items of the list `messages` at the top level of one JSON object, until it breaks.
/// If the text ends early, it is called with the items before the end.
pub(super) fn messages(
    text: &[u8],
    mut each: impl FnMut(&RawValue) -> ControlFlow<()>,
) -> serde_json::Result<()> {
    let mut is_broken_off = false;
    let mut each = |message: &RawValue| {
        is_broken_off = each(message).is_break();
        is_broken_off
    };
    let mut json = serde_json::Deserializer::from_slice(text);
    // A break is an error of our own, so that the rest is not read.
    let read = json.deserialize_map(Top(&mut each)).and_then(|()| json.end());
    if is_broken_off { Ok(()) } else { read }
}

struct Top<'f>(&'f mut dyn FnMut(&RawValue) -> bool);

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if key == "messages" {
                map.next_value_seed(List(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct List<'f>(&'f mut dyn FnMut(&RawValue) -> bool);

impl<'de> serde::de::DeserializeSeed<'de> for List<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of messages")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(message) = list.next_element()? {
            if (self.0)(message) {
                return Err(A::Error::custom("broken off"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    pub(in super::super) fn file(text: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        file
    }

    fn pace() -> Pace {
        Pace::new(&Interrupt::default())
    }

    fn all_backward(text: &[u8], first: usize, most: usize) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        let each = |block: &[u8]| {
            lines.extend(split(block).map(<[u8]>::to_vec));
            ControlFlow::Continue(())
        };
        backward_by(&file(text), (first, most), pace(), each).unwrap();
        lines.reverse();
        lines.retain(|line| !line.is_empty());
        lines
    }

    fn all_forward(text: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        let each = |line: &[u8]| {
            lines.push(line.to_vec());
            ControlFlow::Continue(())
        };
        forward(text, each).unwrap();
        lines.retain(|line| !line.is_empty());
        lines
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn both_ways_lead_past_the_same_lines(
            text in "[ab\n]{0,60}", first in 1_usize..20, more in 0_usize..20,
        ) {
            let expected: Vec<&[u8]> =
                text.as_bytes().split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
            prop_assert_eq!(all_backward(text.as_bytes(), first, first + more), expected.clone());
            prop_assert_eq!(all_forward(text.as_bytes()), expected);
        }
    }

    #[test]
    fn breaking_off_reads_no_further() {
        let text = b"first\nsecond\nthird\n";
        let mut seen = Vec::new();
        let each = |block: &[u8]| {
            seen.push(String::from_utf8_lossy(block).into_owned());
            ControlFlow::Break(())
        };
        backward_by(&file(text), (8, 8), pace(), each).unwrap();
        assert_eq!(seen, ["third\n"]);
        let mut seen = 0;
        let each = |_: &[u8]| {
            seen += 1;
            if seen == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        forward(&text[..], each).unwrap();
        assert_eq!(seen, 2);
    }

    #[test]
    fn a_line_without_end_is_refused_and_one_at_the_bound_is_not() {
        #[track_caller]
        fn check(length: u64, is_read: bool) {
            let file = file(b"");
            file.set_len(length).unwrap();
            let back = backward(&file, &Interrupt::default(), |_| ControlFlow::Continue(()));
            assert_eq!(back.is_ok(), is_read, "backward: {back:?}");
            let text = std::io::BufReader::new(&file);
            let forth = forward(text, |_| ControlFlow::Continue(()));
            assert_eq!(forth.is_ok(), is_read, "forward: {forth:?}");
        }
        check(LONGEST as u64, true);
        check(LONGEST as u64 + 1, false);
        check(1 << 40, false);
    }

    #[test]
    fn a_long_way_ends_with_a_signal() {
        let (interrupt, mut blocks) = (Interrupt::default(), 0);
        let mut go = |asks: bool| {
            let text = file(&b"x\n".repeat(99));
            backward_by(&text, (8, 8), Pace::new(&interrupt), |_| {
                blocks += 1;
                if asks {
                    interrupt.ask();
                }
                ControlFlow::Continue(())
            })
        };
        assert!(go(false).is_ok());
        assert_eq!(go(true).unwrap_err().to_string(), "stopped by a signal");
        assert_eq!(blocks, 25 + 1);
    }

    #[test]
    fn a_file_that_shrinks_is_an_error() {
        let text = file(&b"x\n".repeat(99));
        let each = |_: &[u8]| {
            text.set_len(3).unwrap();
            ControlFlow::Continue(())
        };
        let error = backward_by(&text, (8, 8), pace(), each).unwrap_err();
        assert_eq!(error.to_string(), "it has shrunk while it was read");
    }

    #[test]
    fn messages_are_those_of_the_list_at_the_top() {
        #[track_caller]
        fn check(text: &str, is_whole: bool, expected: &[&str]) {
            let mut seen = Vec::new();
            let read = messages(text.as_bytes(), |message| {
                seen.push(message.get().to_owned());
                ControlFlow::Continue(())
            });
            assert_eq!(
                (read.is_ok(), seen),
                (is_whole, expected.iter().map(ToString::to_string).collect())
            );
        }
        check(r#"{"messages":[{"a":1},2],"x":3}"#, true, &[r#"{"a":1}"#, "2"]);
        check(
            "{\r\n  \"x\": {\"messages\": [1]},\n  \"messages\": [\n    2\n  ]\n}\n",
            true,
            &["2"],
        );
        check(r#"{"messages":[]}"#, true, &[]);
        check("{}", true, &[]);
        check(r#"{"messages":[1,{"a":2"#, false, &["1"]);
        check(r#"{"messages":{"a":1}}"#, false, &[]);
        check(r#"{"messages":null}"#, false, &[]);
        check(r#"{"messages":[1]} x"#, false, &["1"]);
        check("[]", false, &[]);
        check("", false, &[]);
        check(&"[".repeat(1 << 20), false, &[]);
        check(&format!("{{\"x\":{}", "[".repeat(1 << 20)), false, &[]);
        check(&format!("{{\"messages\":{}", "[".repeat(1 << 20)), false, &[]);
        let mut seen = 0;
        let read = messages(b"{\"messages\":[1,2,", |_| {
            seen += 1;
            ControlFlow::Break(())
        });
        assert!(read.is_ok() && seen == 1);
    }
}
