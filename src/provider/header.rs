//! The headers that a run may read: texts at the top of the first JSON object in a file, found
//! without reading or keeping more of it than that.

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read};
use std::time::Duration;

use crate::os::folder::Folder;
use crate::os::interrupt::Interrupt;
use crate::os::retry::{Patience, until_whole};

/// How much of a file is read at first, and at most. The ids stand within the first few hundred
/// bytes of the CLIs' files.
const FIRST_READ: usize = 4 << 10;
pub(super) const LAST_READ: usize = 1 << 20;

/// How long a torn header is read again.
const PATIENCE: Patience =
    Patience { limit: Duration::from_millis(500), longest_wait: Duration::from_millis(250) };

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Header {
    /// The text of that key.
    Text(String),
    /// An object, whole or at least up to the bound, without such a key.
    Without,
    /// No JSON object, or only the start of one: it may be in the middle of a write.
    Torn,
}

/// Returns the text of `key` at the top level of the first object in the file.
pub(super) fn read(folder: &Folder, name: &OsStr, key: &'static str) -> io::Result<Header> {
    read_from(folder.open_file(name)?, key)
}

/// The same, in an open file.
pub fn read_from(file: impl Read, key: &'static str) -> io::Result<Header> {
    let mut start = FileStart::new(file);
    loop {
        let extent = start.read_more()?;
        match (scan(start.bytes(), key), extent) {
            (Header::Torn, Extent::Partial) => {}
            (Header::Torn, Extent::Longest) => return Ok(Header::Without),
            (header, _) => return Ok(header),
        }
    }
}

/// The start of a file, as far as it was read: at most [`LAST_READ`] bytes.
pub(super) struct FileStart<R> {
    file: R,
    buffer: Vec<u8>,
    length: usize,
}

/// How much of a file its start holds.
pub(super) enum Extent {
    /// The file may go on.
    Partial,
    /// The whole file was read.
    Whole,
    /// No header is longer than this.
    Longest,
}

impl<R: Read> FileStart<R> {
    pub(super) fn new(file: R) -> Self {
        Self { file, buffer: vec![0; FIRST_READ], length: 0 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    pub(super) fn read_more(&mut self) -> io::Result<Extent> {
        if self.length == self.buffer.len() {
            self.buffer.resize(LAST_READ, 0);
        }

        let read = loop {
            match self.file.read(&mut self.buffer[self.length..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.length += read;

        Ok(match (read, self.length) {
            (0, _) => Extent::Whole,
            (_, LAST_READ) => Extent::Longest,
            _ => Extent::Partial,
        })
    }
}

/// A header that may be read while it is being written.
pub(super) trait MayBeTorn {
    /// Returns true if it is not whole.
    fn is_torn(&self) -> bool;
}

impl MayBeTorn for Header {
    fn is_torn(&self) -> bool {
        *self == Self::Torn
    }
}

impl<T> MayBeTorn for Option<T> {
    fn is_torn(&self) -> bool {
        self.is_none()
    }
}

/// Reads the header of every file with `read`, torn ones again a few times, and hands each file
/// over with the last result. A signal ends it.
pub(super) fn read_all<T, H: MayBeTorn>(
    files: Vec<T>,
    interrupt: &Interrupt,
    read: impl Fn(&T) -> io::Result<H>,
    mut each: impl FnMut(T, io::Result<H>),
) {
    let mut torn = files;
    let _ = until_whole(PATIENCE, Some(interrupt), || {
        for file in std::mem::take(&mut torn) {
            if interrupt.asked() {
                return Ok(());
            }
            match read(&file) {
                Ok(header) if header.is_torn() => torn.push(file),
                header => each(file, header),
            }
        }
        if torn.is_empty() { Ok(()) } else { Err(()) }
    });

    // The last reads count, torn or not.
    for file in torn {
        if interrupt.asked() {
            return;
        }
        let header = read(&file);
        each(file, header);
    }
}

fn scan(start: &[u8], key: &'static str) -> Header {
    let mut found = None;
    let mut json = serde_json::Deserializer::from_slice(start);
    // The key ends the scan with an error of our own, so that the rest is not read.
    let whole = json.deserialize_map(Scan { key, found: &mut found });
    match (found, whole) {
        (Some(text), _) => Header::Text(text),
        (None, Ok(())) => Header::Without,
        (None, Err(_)) => Header::Torn,
    }
}

struct Scan<'f> {
    key: &'static str,
    found: &'f mut Option<String>,
}

impl<'de> Visitor<'de> for Scan<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key == self.key {
                *self.found = Some(map.next_value()?);
                return Err(A::Error::custom("found"));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out a few bytes at a time, and is interrupted before each.
    struct Slow<'t>(&'t [u8], bool);

    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let most = into.len().min(7);
            self.0.read(&mut into[..most])
        }
    }

    #[test]
    fn a_header_is_read_as_far_as_it_must_be_and_no_further() {
        #[track_caller]
        fn check(text: &str, header: &Header) {
            assert_eq!(read_from(text.as_bytes(), "sessionId").unwrap(), *header);
        }
        let behind = |length: usize| format!(r#"{{"x":"{}","sessionId":"a"}}"#, " ".repeat(length));
        let found = Header::Text("a".to_owned());
        for length in [0, FIRST_READ - 8, FIRST_READ, 100_000, LAST_READ - 100] {
            check(&behind(length), &found);
        }
        check(&behind(LAST_READ), &Header::Without);
        check(&behind(FIRST_READ)[..FIRST_READ], &Header::Torn);
        check(&behind(100_000)[..50_000], &Header::Torn);
        let text = behind(300);
        assert_eq!(read_from(Slow(text.as_bytes(), false), "sessionId").unwrap(), found);
    }

    #[test]
    fn only_a_text_at_the_top_level_of_the_first_object_counts() {
        #[track_caller]
        fn check(start: &str, header: &Header) {
            assert_eq!(scan(start.as_bytes(), "sessionId"), *header, "{start}");
        }
        let text = |text: &str| Header::Text(text.to_owned());
        check(r#"{"sessionId":"a","x":1}"#, &text("a"));
        check("{\n  \"sessionId\": \"a\",\n  \"mess", &text("a"));
        check(r#"{"x":{"sessionId":"b"},"sessionId":"a"}"#, &text("a"));
        check(r#"{"sessionId":"\u0061"} garbage"#, &text("a"));
        check("{\"x\":1}\n{\"sessionId\":\"b\"}", &Header::Without);
        check(r#"{"x":"sessionId"}"#, &Header::Without);
        for torn in ["", "{", "{\"sess", "{\"sessionId\":\"a", "{\"sessionId\":7}", "[]", "\0\0"] {
            check(torn, &Header::Torn);
        }
    }
}
