//! Headers with several texts, at the top of the first JSON object in a file or in objects below it.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::io::{self, Read};

use super::header::{Extent, FileStart};

/// Texts in the first object of a file, each with the position of its path; nothing if the object is torn or
/// absent.
pub(super) type Texts = Option<Vec<(usize, String)>>;

/// Returns the texts under `paths` in the first object of an open file.
pub(super) fn read_texts(
    file: impl Read,
    paths: &'static [&'static [&'static str]],
) -> io::Result<Texts> {
    let mut start = FileStart::new(file);
    loop {
        let extent = start.read_more()?;

        // Anything but an object, such as a list, names no session.
        if start.bytes().trim_ascii_start().first().is_some_and(|byte| *byte != b'{') {
            return Ok(Some(Vec::new()));
        }

        let mut found = Vec::new();
        let mut json = serde_json::Deserializer::from_slice(start.bytes());
        let collect = Collect { paths, above: Vec::new(), found: &mut found };
        let is_whole = collect.deserialize(&mut json).is_ok();

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

struct Collect<'f> {
    paths: &'static [&'static [&'static str]],
    /// The keys that lead to the object.
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

impl<'de> DeserializeSeed<'de> for Collect<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

/// A value that is not an object is skipped.
impl<'de> Visitor<'de> for Collect<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
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
                map.next_value_seed(Collect { paths, above, found })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
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

#[cfg(test)]
mod tests {
    use super::super::header::LAST_READ;
    use super::*;

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
}
