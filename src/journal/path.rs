//! A path in the state folder's files: a string, or an array of its bytes if it is not UTF-8, so that
//! the same path is read that was written.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The path of a map, shared by all records of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalPath(Arc<Path>);

/// Writes a path as a [`JournalPath`], for a field of another type.
#[expect(clippy::ptr_arg, reason = "serde passes a reference to the field as it is")]
pub(super) fn serialize<S: Serializer>(path: &PathBuf, to: S) -> Result<S::Ok, S::Error> {
    JournalPath::from(path.as_path()).serialize(to)
}

/// Reads a path that [`serialize`] wrote.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
    JournalPath::deserialize(from).map(|path| path.0.to_path_buf())
}

impl JournalPath {
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl From<&Path> for JournalPath {
    fn from(path: &Path) -> Self {
        Self(path.into())
    }
}

impl From<PathBuf> for JournalPath {
    fn from(path: PathBuf) -> Self {
        Self(path.into())
    }
}

impl Serialize for JournalPath {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.to_str() {
            Some(text) => to.serialize_str(text),
            None => to.collect_seq(self.0.as_os_str().as_bytes()),
        }
    }
}

impl<'de> Deserialize<'de> for JournalPath {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "invalid path, expected a string or an array of bytes")]
        enum Stored {
            Text(String),
            Bytes(Vec<u8>),
        }
        let path: PathBuf = match Stored::deserialize(from)? {
            Stored::Text(text) => text.into(),
            Stored::Bytes(bytes) => OsString::from_vec(bytes).into(),
        };
        Ok(path.into())
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
            let read: Option<JournalPath> = serde_json::from_str(json).unwrap();
            assert_eq!(read.unwrap().as_path(), path);
        }
        for odd in ["7", "[256]", "[-1]", r#"["/"]"#, "{}"] {
            assert!(serde_json::from_str::<JournalPath>(odd).is_err(), "{odd}");
        }
        assert_eq!(serde_json::from_str::<Option<JournalPath>>("null").unwrap(), None);
    }
}
