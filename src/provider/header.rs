//! The headers that a run may read: texts at the top of the first JSON object in a file, found
//! without reading or keeping more of it than that.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read};
use std::time::Duration;

use crate::disk::folder::Folder;

/// How much of a file is read at first, and at most. The ids stand within the first few hundred
/// bytes of what the CLIs write.
const FIRST_READ: usize = 4 << 10;
const LAST_READ: usize = 1 << 20;

/// How long to wait, in turn, before a torn header is read again; about half a second in all.
const WAITS: [Duration; 5] = [
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(60),
    Duration::from_millis(150),
    Duration::from_millis(250),
];

/// What the start of a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Header {
    /// The text of that key.
    Text(String),
    /// An object, whole or at least up to the bound, without such a key.
    Without,
    /// No JSON object, or only the start of one: it may be in the middle of a write.
    Torn,
}

/// The text that stands under `key` at the top level of the first object in the file.
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
struct FileStart<R> {
    file: R,
    buffer: Vec<u8>,
    length: usize,
}

/// How much of a file its start holds.
enum Extent {
    /// The file may go on.
    Partial,
    /// The whole file was read.
    Whole,
    /// No header is longer than this.
    Longest,
}

impl<R: Read> FileStart<R> {
    fn new(file: R) -> Self {
        Self { file, buffer: vec![0; FIRST_READ], length: 0 }
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    fn read_more(&mut self) -> io::Result<Extent> {
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

/// The texts under some paths of keys in the first object of a file, each with the position of its
/// path; nothing if the object is torn, or there is none.
pub type Texts = Option<Vec<(usize, String)>>;

/// Returns the texts under `paths` in the first object of an open file.
pub fn read_texts(file: impl Read, paths: &'static [&'static [&'static str]]) -> io::Result<Texts> {
    let mut start = FileStart::new(file);
    loop {
        let extent = start.read_more()?;

        // Anything but an object, such as a list, names no session.
        if start.bytes().trim_ascii_start().first().is_some_and(|byte| *byte != b'{') {
            return Ok(Some(Vec::new()));
        }

        let mut found = Vec::new();
        let mut json = serde_json::Deserializer::from_slice(start.bytes());
        let scan = Collect { paths, above: Vec::new(), found: &mut found };
        let is_whole = json.deserialize_map(scan).is_ok();

        // Once every text is found, the rest is not read.
        if is_whole || found.len() >= paths.len() {
            return Ok(Some(found));
        }
        match extent {
            Extent::Partial => {}
            Extent::Whole => return Ok(None),
            Extent::Longest => return Ok(Some(found)),
        }
    }
}

/// Collects the texts under some paths of an object.
struct Collect<'f> {
    paths: &'static [&'static [&'static str]],
    /// The keys that the object is under.
    above: Vec<String>,
    found: &'f mut Vec<(usize, String)>,
}

impl Collect<'_> {
    /// The position of the path that ends in `key` here.
    fn position(&self, key: &str) -> Option<usize> {
        self.paths.iter().position(|path| {
            path.split_last().is_some_and(|(last, above)| *last == key && self.above == above)
        })
    }

    fn leads_on(&self, key: &str) -> bool {
        let depth = self.above.len();
        self.paths
            .iter()
            .any(|path| path.len() > depth + 1 && path[..depth] == self.above && path[depth] == key)
    }
}

impl<'de> Visitor<'de> for Collect<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if let Some(position) = self.position(&key) {
                // Anything but a text is passed over.
                if let serde_json::Value::String(text) = map.next_value()? {
                    self.found.push((position, text));
                    if self.found.len() >= self.paths.len() {
                        return Err(A::Error::custom("all is found"));
                    }
                }
            } else if self.leads_on(&key) {
                let above = self.above.iter().cloned().chain([key]).collect();
                let Self { paths, ref mut found, .. } = self;
                map.next_value_seed(Within(Collect { paths, above, found }))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// An object within the first one; any other value is passed over.
struct Within<'f>(Collect<'f>);

impl<'de> DeserializeSeed<'de> for Within<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Within<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.0.visit_map(map)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
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
/// over with what was read of it last.
pub(super) fn read_all<T, H: MayBeTorn>(
    files: Vec<T>,
    read: impl Fn(&T) -> io::Result<H>,
    mut each: impl FnMut(T, io::Result<H>),
) {
    let mut left = files;
    for wait in WAITS.map(Some).into_iter().chain([None]) {
        let mut torn = Vec::new();
        for file in left {
            match read(&file) {
                Ok(header) if header.is_torn() && wait.is_some() => torn.push(file),
                header => each(file, header),
            }
        }
        let (Some(wait), false) = (wait, torn.is_empty()) else { return };
        std::thread::sleep(wait);
        left = torn;
    }
}

fn scan(start: &[u8], key: &'static str) -> Header {
    let mut found = None;
    let mut json = serde_json::Deserializer::from_slice(start);
    // Finding the key ends the scan with an error of our own, so that what follows is not read.
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
        while let Some(is_it) = map.next_key_seed(IsKey(self.key))? {
            if is_it {
                *self.found = Some(map.next_value()?);
                return Err(A::Error::custom("found"));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

struct IsKey(&'static str);

impl<'de> DeserializeSeed<'de> for IsKey {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for IsKey {
    type Value = bool;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
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
    fn texts_are_found_at_the_top_and_below_e3() {
        const PATHS: &[&[&str]] =
            &[&["payload", "id"], &["payload", "parent"], &["id"], &["payload", "a", "b", "c"]];
        #[track_caller]
        fn check(text: &str, expected: Option<&[(usize, &str)]>) {
            let found = read_texts(text.as_bytes(), PATHS).unwrap();
            let expected: Texts = expected
                .map(|all| all.iter().map(|(path, text)| (*path, (*text).to_owned())).collect());
            assert_eq!(found, expected, "{text}");
        }
        check(
            r#"{"x":1,"payload":{"y":[{"id":"no"}],"id":"a","parent":"b"}}"#,
            Some(&[(0, "a"), (1, "b")]),
        );
        check(
            r#"{"payload":{"a":{"b":{"c":"x","a":{"b":{"c":"no"}}},"c":"no"}}}"#,
            Some(&[(3, "x")]),
        );
        check("{\"id\":\"c\",\"payload\":[1],\"id\":7}\n{\"id\":\"d\"}", Some(&[(2, "c")]));
        let others =
            ["null", "true", "-1", "1", "1.5", r#""x""#, "{}", r#"{"id":null,"z":{"id":"q"}}"#];
        for payload in others {
            check(&format!(r#"{{"payload":{payload}}}"#), Some(&[]));
        }
        for torn in ["", "{", r#"{"payload":{"id":"a""#] {
            check(torn, None);
        }
        for other in ["[]", "x", " [{\"id\":\"a\"}]", "\0\0"] {
            check(other, Some(&[]));
        }
        let long = format!(r#"{{"payload":{{"id":"a","text":"{}"}}}}"#, " ".repeat(100_000));
        check(&long, Some(&[(0, "a")]));
        let endless = format!(r#"{{"payload":{{"id":"a","text":"{}"#, " ".repeat(LAST_READ));
        check(&endless, Some(&[(0, "a")]));
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
