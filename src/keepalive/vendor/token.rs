//! Tokens in a credential file, of which only facts are kept.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::model::Timestamp;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Token {
    pub(super) presence: Presence,
    /// Its expiry, if it is a JWT that has one.
    pub(super) expires: Option<Timestamp>,
    /// A number that differs for another token.
    pub(super) fingerprint: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Presence {
    /// Missing, or not a text.
    #[default]
    Absent,
    Empty,
    Present,
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let Some(text) = value.as_str() else { return Ok(Self::default()) };
        let presence = if text.is_empty() { Presence::Empty } else { Presence::Present };
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Ok(Self { presence, expires: expiry_of(text), fingerprint: hasher.finish() })
    }
}

/// Returns the `exp` of a JWT, in seconds since 1970 (RFC 7519, 4.1.4). Its signature is for the server
/// to verify.
fn expiry_of(token: &str) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }
    let mut parts = token.split('.');
    let claims = parts.nth(1).filter(|_| parts.next().is_some())?;
    let claims: Claims = serde_json::from_slice(&base64url(claims)?).ok()?;
    Some(Timestamp::new(0, 0).after(Duration::try_from_secs_f64(claims.exp).ok()?))
}

/// Decodes base64url (RFC 4648, 5).
fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }

    Some(bytes)
}
