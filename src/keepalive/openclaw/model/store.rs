//! A store: `{session key: entry}`, kept as the bytes that were read. Only the numbers that are raised are
//! written anew; everything else is copied.

use serde::de::IgnoredAny;
use std::collections::HashSet;
use std::ops::Range;

use crate::model::session_map::Form;
use crate::model::session_map::outline::{Member, Object, outline};

/// A time of an entry, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    UpdatedAt,
    /// The start of the session; daily resets go by it from 2026.4.25 on.
    SessionStartedAt,
    /// The last message of a user; idle resets go by it from 2026.4.25 on.
    LastInteractionAt,
}

impl Field {
    const ALL: [Self; 3] = [Self::UpdatedAt, Self::SessionStartedAt, Self::LastInteractionAt];

    pub fn name(self) -> &'static str {
        match self {
            Self::UpdatedAt => "updatedAt",
            Self::SessionStartedAt => "sessionStartedAt",
            Self::LastInteractionAt => "lastInteractionAt",
        }
    }
}

/// The versions of OpenClaw that may have written a store, by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// Before 2026.4.25, or later without any use of its sessions.
    Early,
    /// 2026.4.25 or later. Versions up to 4.29 lock the file, later ones do not.
    Late,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Number {
    pub(super) at: Range<usize>,
    pub(super) value: f64,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entry {
    /// As it is written, if it cannot be decoded.
    pub key: String,
    pub session: Option<String>,
    /// The file name of its transcript, if the entry has one.
    pub file: Option<String>,
    pub channel: Option<String>,
    numbers: [Option<Number>; 3],
}

impl Entry {
    pub(super) fn number(&self, field: Field) -> Option<&Number> {
        self.numbers[field as usize].as_ref()
    }
}

#[derive(Debug)]
pub struct Store {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    era: Era,
}

impl Store {
    /// Parses a store. The error is one line, with the position if there is one: OpenClaw would take a
    /// broken store for an empty one, and overwrite it.
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
            // Anything but an object is left unchanged.
            let Some(object) = inner else { continue };
            let (entry, is_late) = entry(&bytes, key, object)?;
            if is_late {
                era = Era::Late;
            }
            entries.push(entry);
        }

        Ok(Self { bytes, entries, era })
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn era(&self) -> Era {
        self.era
    }

    /// Returns the bytes with another number in each of these ranges, which are in order and do not
    /// overlap.
    pub(super) fn with(&self, ranges: &[Range<usize>], number: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes.len() + 16);
        let mut at = 0;
        for range in ranges {
            out.extend_from_slice(self.bytes.get(at..range.start).unwrap_or_default());
            out.extend_from_slice(number.to_string().as_bytes());
            at = range.end;
        }
        out.extend_from_slice(self.bytes.get(at..).unwrap_or_default());
        out
    }
}

fn slice(bytes: &[u8], from: u32, to: u32) -> &[u8] {
    bytes.get(from as usize..to as usize).unwrap_or_default()
}

/// Returns the name of a member. If it has a lone surrogate, which is text only to OpenClaw, that is the
/// text between its quotes.
fn key(bytes: &[u8], member: &Member) -> String {
    let upto_colon = slice(bytes, member.key, member.value).trim_ascii_end();
    let quoted = upto_colon.strip_suffix(b":").unwrap_or(upto_colon).trim_ascii_end();
    serde_json::from_slice(quoted).unwrap_or_else(|_| {
        let inside = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
        String::from_utf8_lossy(inside).into_owned()
    })
}

/// Returns the value of a member that is a text.
fn text(bytes: &[u8], member: &Member) -> Option<String> {
    serde_json::from_slice(slice(bytes, member.value, member.end)).ok()
}

fn number(bytes: &[u8], member: &Member) -> Option<Number> {
    let written = std::str::from_utf8(slice(bytes, member.value, member.end)).ok()?;
    if !written.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return None;
    }
    // Of any length, as JavaScript reads it: a number that is too large is infinite.
    let value = written.parse().ok()?;
    Some(Number { at: member.value as usize..member.end as usize, value })
}

/// Returns an entry, and true if it has fields of 2026.4.25 and later.
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

/// Returns the `provider` of an entry's `origin`.
fn provider(origin: &[u8]) -> Option<String> {
    let outline = outline(origin, Form::Legacy);
    let found = outline.top.members.iter().find(|member| key(origin, member) == "provider")?;
    origin.starts_with(b"{").then(|| text(origin, found)).flatten()
}
