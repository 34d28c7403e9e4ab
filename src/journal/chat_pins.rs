//! The chats that `pin` keeps: one file in the state folder, replaced as a whole under a lock. A pin is
//! about a chat of a map, so it outlives a new session in its chat.

use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::model::{
    Failure, KeepReason, Mapping, Plan, SessionMap, Timestamp, Verdict, describe, json_error,
};
use crate::os::create::create_private_folders;
use crate::os::folder::Links;
use crate::os::publish::update;
use crate::os::{never_was, reading};

pub(super) const PINS: &str = "pins.json";

/// The version of the file's form.
const SCHEMA: u32 = 1;

/// A larger file is not one of ours.
const LARGEST: u64 = 16 << 20;

/// A chat that is never removed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChatPin {
    /// The map's path, links resolved.
    #[serde(with = "super::path")]
    pub map: PathBuf,
    /// The bridge's key for the CLI; `None` for any.
    pub model: Option<String>,
    pub chat: String,
    /// When it was pinned, RFC 3339.
    pub since: String,
}

/// The whole file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    schema: u32,
    pins: Vec<ChatPin>,
}

/// The pinned chats in one state folder.
#[derive(Debug, Clone)]
pub struct PinStore {
    path: PathBuf,
}

impl ChatPin {
    /// A pin from now on.
    pub fn new(map: PathBuf, model: Option<String>, chat: String, now: Timestamp) -> Self {
        Self { map, model, chat, since: now.rfc3339().unwrap_or_default() }
    }

    /// Returns true if both pin the same.
    pub fn is_same(&self, other: &Self) -> bool {
        self.map == other.map && self.model == other.model && self.chat == other.chat
    }

    /// `model/chat`, with `*` for any model.
    pub fn name(&self) -> String {
        format!("{}/{}", self.model.as_deref().unwrap_or("*"), self.chat)
    }
}

impl PinStore {
    /// The pins in that state folder, which need not exist yet.
    pub fn at(state: &Path) -> Self {
        Self { path: state.join(PINS) }
    }

    /// Returns every pin, sorted; none if the file does not exist. After an error, any chat may be pinned.
    pub fn read(&self) -> Result<Vec<ChatPin>, Failure> {
        let bytes = match self.bytes() {
            Err(error) if never_was(&error, self.path.parent()) => return Ok(Vec::new()),
            bytes => bytes.map_err(|error| self.failed("read", &describe(&error)))?,
        };

        // serde takes an array for the fields in their order.
        if bytes.trim_ascii_start().first() == Some(&b'[') {
            return Err(self.broken("found an array, expected an object at line 1"));
        }
        let content: Content =
            serde_json::from_slice(&bytes).map_err(|error| self.broken(&json_error(&error)))?;
        if content.schema != SCHEMA {
            let why = format!("it has the form {} of another version", content.schema);
            return Err(self.broken(&why));
        }

        let mut pins = content.pins;
        pins.sort();
        Ok(pins)
    }

    /// Changes the pins by `change`. After an error, or without a change, nothing is written.
    pub fn change<T>(
        &self,
        change: impl FnOnce(&mut Vec<ChatPin>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (mut ended, mut is_unchanged) = (None, false);
        let write = || {
            create_private_folders(self.path.parent().unwrap_or(Path::new("/")))?;
            update(&self.path, 0o600, |_| {
                // Read again, under the lock and strictly: no pin that is not understood may be lost.
                let changed = self.read().and_then(|before| {
                    let mut pins = before.clone();
                    Ok((change(&mut pins)?, pins != before, pins))
                });
                let (made, is_changed, mut pins) = match changed {
                    Ok(changed) => changed,
                    Err(failure) => {
                        ended = Some(Err(failure));
                        return Err(ErrorKind::Other.into());
                    }
                };
                ended = Some(Ok(made));
                is_unchanged = !is_changed;
                if is_unchanged {
                    return Err(ErrorKind::Other.into());
                }

                pins.sort();
                let mut bytes = serde_json::to_vec_pretty(&Content { schema: SCHEMA, pins })?;
                bytes.push(b'\n');
                Ok(bytes)
            })
        };
        let written = write();
        match (written, ended) {
            (_, Some(Err(failure))) => Err(failure),
            (Ok(()), Some(made)) => made,
            (Err(_), Some(made)) if is_unchanged => made,
            (Err(error), _) => Err(self.failed("write", &describe(&error))),
            (Ok(()), None) => Err(self.failed("write", "nothing was written")),
        }
    }

    fn bytes(&self) -> io::Result<Vec<u8>> {
        reading::whole(&self.path, Links::Refuse, LARGEST)
    }

    fn broken(&self, why: &str) -> Failure {
        Failure::new(format!("the pins in {} cannot be read: {why}", self.path.display()))
            .hint("nothing was changed; correct the file, or move it away and pin the chats again")
    }

    fn failed(&self, what: &str, why: &str) -> Failure {
        Failure::new(format!("cannot {what} the pins in {}: {why}", self.path.display()))
            .hint("correct the permissions; --state-dir DIR names another folder for pins")
    }
}

/// The pinned chats of one map.
#[derive(Debug, Default)]
pub struct PinnedChats(HashSet<(Option<String>, String)>);

impl PinnedChats {
    /// Adds the pins in that store of the map at `map`; all of them if its path is not known.
    pub fn read(&mut self, store: &PinStore, map: Option<&Path>) -> Result<(), Failure> {
        self.add(&store.read()?, map);
        Ok(())
    }

    /// Adds those of these pins that are of the map at `map`; all of them if its path is not known.
    pub fn add(&mut self, pins: &[ChatPin], map: Option<&Path>) {
        let of_map = pins.iter().filter(|pin| map.is_none_or(|map| map == pin.map));
        self.0.extend(of_map.map(|pin| (pin.model.clone(), pin.chat.clone())));
    }

    /// Returns true if that mapping's chat is pinned.
    pub fn have(&self, mapping: Mapping<'_>) -> bool {
        let chat = mapping.chat.0.to_owned();
        let of_any = (None, chat.clone());
        self.0.contains(&of_any) || self.0.contains(&(Some(mapping.model.to_owned()), chat))
    }

    /// Keeps mappings that would be removed and are pinned.
    pub fn apply(&self, map: &SessionMap, plan: &mut Plan) {
        if self.0.is_empty() {
            return;
        }
        for decision in plan.decisions.iter_mut().filter(|decision| decision.verdict.removes()) {
            if map.get(decision.mapping).is_some_and(|mapping| self.have(mapping)) {
                decision.verdict = Verdict::Keep(KeepReason::PinnedChat);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn any_path_is_read_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let store = PinStore::at(&folder.path().join("state"));
        let odd = PathBuf::from(OsString::from_vec(b"/tmp/\xff\xfe/map.json".to_vec()));
        let now = Timestamp::new(1_800_000_000, 0);
        for (map, model) in [(odd, None), ("/tmp/ü/map.json".into(), Some("claude-cli".to_owned()))]
        {
            let pin = ChatPin::new(map.clone(), model, "a/b".to_owned(), now);
            let add = |pins: &mut Vec<ChatPin>| {
                pins.push(pin.clone());
                Ok(())
            };
            store.change(add).unwrap();
            assert!(store.read().unwrap().contains(&pin));
            let mut chats = PinnedChats::default();
            chats.read(&store, Some(&map)).unwrap();
            assert_eq!(chats.0.len(), 1);
        }
        let mut all = PinnedChats::default();
        all.read(&store, None).unwrap();
        assert_eq!(all.0.len(), 2);
    }

    #[test]
    fn without_a_change_nothing_is_written_and_a_failure_is_handed_on() {
        let folder = tempfile::tempdir().unwrap();
        let store = PinStore::at(folder.path());
        assert_eq!(store.change(|_| Ok(7)).unwrap(), 7);
        assert!(!store.path.exists());
        let failed = store.change(|pins| {
            pins.push(ChatPin::new("/m".into(), None, "c".into(), Timestamp::new(0, 0)));
            Err::<(), _>(Failure::new("no"))
        });
        assert_eq!(failed.unwrap_err().message, "no");
        assert_eq!(store.read().unwrap(), []);
    }
}
