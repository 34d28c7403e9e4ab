//! A path in the journal: a string, or an array of its bytes if it is not UTF-8, so that the same
//! path is read that was written.

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The path of a map, as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalPath<'a>(Cow<'a, Path>);

impl JournalPath<'_> {
    /// Returns the path itself.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl<'a> From<&'a Path> for JournalPath<'a> {
    fn from(path: &'a Path) -> Self {
        Self(Cow::Borrowed(path))
    }
}

impl From<PathBuf> for JournalPath<'_> {
    fn from(path: PathBuf) -> Self {
        Self(Cow::Owned(path))
    }
}

impl Serialize for JournalPath<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.to_str() {
            Some(text) => to.serialize_str(text),
            None => to.collect_seq(self.0.as_os_str().as_bytes()),
        }
    }
}

impl<'de> Deserialize<'de> for JournalPath<'_> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(StringOrBytes)
    }
}

struct StringOrBytes;

impl<'de> Visitor<'de> for StringOrBytes {
    type Value = JournalPath<'static>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path as a string or as an array of bytes")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(PathBuf::from(text).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(byte) = bytes.next_element()? {
            all.push(byte);
        }
        Ok(PathBuf::from(OsString::from_vec(all)).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn a_path_is_read_as_it_was_written() {
        for (bytes, json) in [
            (b"/tmp/map.json".as_slice(), r#""/tmp/map.json""#),
            ("/tmp/Grüße \u{fffd}".as_bytes(), "\"/tmp/Grüße \u{fffd}\""),
            (b"/t\xff", "[47,116,255]"),
        ] {
            let path = Path::new(OsStr::from_bytes(bytes));
            assert_eq!(serde_json::to_string(&JournalPath::from(path)).unwrap(), json);
            let read: Option<JournalPath<'_>> = serde_json::from_str(json).unwrap();
            assert_eq!(read.unwrap().as_path(), path);
        }
        for odd in ["7", "[256]", "[-1]", r#"["/"]"#, "{}"] {
            assert!(serde_json::from_str::<JournalPath<'_>>(odd).is_err(), "{odd}");
        }
        assert_eq!(serde_json::from_str::<Option<JournalPath<'_>>>("null").unwrap(), None);
    }
}
