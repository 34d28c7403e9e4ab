//! A store: `{session key: entry}`, held as the very bytes that were read. Only the numbers that are
//! raised are written anew; all else is copied, whatever it is.

use serde::de::IgnoredAny;
use std::collections::HashSet;
use std::ops::Range;

use crate::model::session_map::Form;
use crate::model::session_map::outline::{Member, Object, outline};

/// A time of an entry, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// When the entry was last written.
    UpdatedAt,
    /// When the session began; daily resets go by it from 2026.4.25 on.
    SessionStartedAt,
    /// When somebody last spoke to it; idle resets go by it from 2026.4.25 on.
    LastInteractionAt,
}

impl Field {
    const ALL: [Self; 3] = [Self::UpdatedAt, Self::SessionStartedAt, Self::LastInteractionAt];

    /// What it is called in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::UpdatedAt => "updatedAt",
            Self::SessionStartedAt => "sessionStartedAt",
            Self::LastInteractionAt => "lastInteractionAt",
        }
    }
}

/// Which OpenClaw has written a store, as far as the store itself tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// One before 2026.4.25, or one that has not used any of its sessions since.
    Early,
    /// 2026.4.25 or later. Those up to 4.29 lock the file, later ones do not.
    Late,
}

/// One number in the bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Number {
    pub(super) at: Range<usize>,
    pub(super) value: f64,
}

/// One session.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entry {
    /// Its key; as it is written, where it is no text that can be decoded.
    pub key: String,
    /// The id of its transcript.
    pub session: Option<String>,
    /// The file name of its transcript, where the entry tells one.
    pub file: Option<String>,
    /// The channel that its next message is likely to come by.
    pub channel: Option<String>,
    numbers: [Option<Number>; 3],
}

impl Entry {
    pub(super) fn number(&self, field: Field) -> Option<&Number> {
        self.numbers[field as usize].as_ref()
    }
}

/// A store that was read whole.
#[derive(Debug)]
pub struct Store {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    era: Era,
}

impl Store {
    /// Reads a store.
    ///
    /// # Errors
    /// One line that says why it is none, with the place where there is one: OpenClaw would take a
    /// broken store for an empty one, and write over it.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, String> {
        let text = std::str::from_utf8(&bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| error.to_string())?;
        if !text.trim_start().starts_with('{') {
            return Err("it is not a JSON object".to_owned());
        }
        if bytes.len() > u32::MAX as usize {
            return Err("it is larger than 4 GiB".to_owned());
        }
        let outline = outline(&bytes, Form::Today);
        let mut keys = HashSet::new();
        let mut entries = Vec::new();
        let mut era = Era::Early;
        for (member, inner) in outline.top.members.iter().zip(&outline.models) {
            let key = key(&bytes, member);
            if !keys.insert(key.clone()) {
                return Err(format!("the key {key:?} appears twice"));
            }
            // What is no object stays as it is.
            let Some(object) = inner else { continue };
            let (entry, is_late) = entry(&bytes, key, object)?;
            if is_late {
                era = Era::Late;
            }
            entries.push(entry);
        }
        Ok(Self { bytes, entries, era })
    }

    /// The bytes that were read.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The sessions, in the order of the store.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Which OpenClaw has written it.
    pub fn era(&self) -> Era {
        self.era
    }

    /// The bytes with another number in each of these places, which are in order and do not overlap.
    pub(super) fn with(&self, places: &[Range<usize>], number: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes.len() + 16);
        let mut at = 0;
        for place in places {
            out.extend_from_slice(self.bytes.get(at..place.start).unwrap_or_default());
            out.extend_from_slice(number.to_string().as_bytes());
            at = place.end;
        }
        out.extend_from_slice(self.bytes.get(at..).unwrap_or_default());
        out
    }
}

fn slice(bytes: &[u8], from: u32, to: u32) -> &[u8] {
    bytes.get(from as usize..to as usize).unwrap_or_default()
}

/// The name of a member. A lone surrogate is no text to us, though one to OpenClaw; then it is what
/// stands between its quotes.
fn key(bytes: &[u8], member: &Member) -> String {
    let upto_colon = slice(bytes, member.key, member.value).trim_ascii_end();
    let quoted = upto_colon.strip_suffix(b":").unwrap_or(upto_colon).trim_ascii_end();
    serde_json::from_slice(quoted).unwrap_or_else(|_| {
        let inside = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
        String::from_utf8_lossy(inside).into_owned()
    })
}

/// The text or the number that a member has as value; nothing where it is something else.
fn text(bytes: &[u8], member: &Member) -> Option<String> {
    serde_json::from_slice(slice(bytes, member.value, member.end)).ok()
}

fn number(bytes: &[u8], member: &Member) -> Option<Number> {
    let written = std::str::from_utf8(slice(bytes, member.value, member.end)).ok()?;
    if !written.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return None;
    }
    // Of any length, as JavaScript reads it: what is too large is infinite.
    let value = written.parse().ok()?;
    Some(Number { at: member.value as usize..member.end as usize, value })
}

/// An entry, and whether it has what those of 2026.4.25 and later have.
fn entry(bytes: &[u8], name: String, object: &Object) -> Result<(Entry, bool), String> {
    let mut entry = Entry { key: name, ..Entry::default() };
    let (mut channels, mut is_late) = ([None, None, None], false);
    let mut seen = [false; 3];
    for member in &object.members {
        let name = key(bytes, member);
        if let Some(field) = Field::ALL.into_iter().find(|field| field.name() == name) {
            if std::mem::replace(&mut seen[field as usize], true) {
                return Err(format!("{name} appears twice in {:?}", entry.key));
            }
            is_late |= field != Field::UpdatedAt;
            entry.numbers[field as usize] = number(bytes, member);
            continue;
        }
        match &*name {
            "sessionId" => entry.session = text(bytes, member),
            "sessionFile" => {
                let file = text(bytes, member);
                entry.file = file.and_then(|file| Some(file.rsplit('/').next()?.to_owned()));
            }
            "lastChannel" => channels[0] = text(bytes, member),
            "channel" => channels[1] = text(bytes, member),
            "origin" => channels[2] = provider(slice(bytes, member.value, member.end)),
            _ => {}
        }
    }
    entry.channel = channels.into_iter().flatten().find(|channel| !channel.trim().is_empty());
    Ok((entry, is_late))
}

/// The `provider` of an entry's `origin`.
fn provider(origin: &[u8]) -> Option<String> {
    let outline = outline(origin, Form::Legacy);
    let found = outline.top.members.iter().find(|member| key(origin, member) == "provider")?;
    origin.starts_with(b"{").then(|| text(origin, found)).flatten()
}
