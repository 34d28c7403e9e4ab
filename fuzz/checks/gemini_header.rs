//! The header of Gemini's files: the id is what stands first under `sessionId` in the first object. A
//! file that is being written never has another id than when it is whole, whatever is read at a time.

use serde_json::value::RawValue;
use session_warden::provider::header::{Header, read_from};
use std::io::{self, Read};

use super::{Members, text};

const KEY: &str = "sessionId";

/// Of a longer text only some prefixes are looked at.
const EVERY_PREFIX: usize = 64;

/// A longer text that is not whole is not taken apart.
const SHORT: usize = 1024;

pub fn check(data: &[u8]) {
    let header = read(data);
    let number = super::number_of(data);
    let small = 1 + usize::try_from(number % 13).unwrap_or(0) + data.len() / 64;
    let slowly = read_from(Slow(data, small), KEY).expect("memory can be read");
    assert_eq!(slowly, header, "read {small} bytes at a time");

    if let Some(expected) = std::str::from_utf8(data).ok().and_then(first_object) {
        assert_eq!(header, expected);
    }
    let cuts = if data.len() <= EVERY_PREFIX { 0..data.len() } else { 0..16 };
    for cut in cuts {
        let cut = if data.len() <= EVERY_PREFIX { cut } else { super::place_in(&data[cut..]) };
        let torn = read(&data[..cut.min(data.len())]);
        assert!(torn == Header::Torn || torn == header, "{torn:?} at {cut}, then {header:?}");
    }
    if header != Header::Torn {
        let more = [data, b"\"}\n{\"sessionId\":\"other\"}"].concat();
        assert_eq!(read(&more), header, "what follows changes nothing");
    }
}

fn read(data: &[u8]) -> Header {
    read_from(data, KEY).expect("memory can be read")
}

/// What the first object of a text says, read whole. Where it has no end, a text that stands before
/// what is wrong counts as well.
fn first_object(all: &str) -> Option<Header> {
    let mut objects = serde_json::Deserializer::from_str(all).into_iter::<Members<'_>>();
    match objects.next() {
        Some(Ok(members)) => Some(members.get(KEY).map_or(Header::Without, of_value)),
        _ => (all.len() <= SHORT).then(|| before_the_end(all)),
    }
}

fn of_value(value: &RawValue) -> Header {
    text(value).map_or(Header::Torn, Header::Text)
}

/// The same for an object that is not whole: it is, if it is closed behind one of its members.
fn before_the_end(all: &str) -> Header {
    let closed = |place: usize| {
        let mut closed = all[..place].to_owned();
        closed.push('}');
        Members::of(&closed)?.get(KEY).map(of_value)
    };
    all.match_indices('"').map(|(place, _)| place + 1).find_map(closed).unwrap_or(Header::Torn)
}

/// Hands out so many bytes at a time.
struct Slow<'d>(&'d [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(self.1);
        self.0.read(&mut into[..most])
    }
}
