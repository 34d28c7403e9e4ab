//! Tokens in a credential file, looked at while it is parsed and then gone.

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::model::Timestamp;

/// What is kept of a token.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Token {
    /// Whether it is there.
    pub(super) presence: Presence,
    /// When it expires, where it is a JWT that tells.
    pub(super) expires: Option<Timestamp>,
    /// A number that is another one for another token.
    pub(super) fingerprint: u64,
}

/// Whether a token is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Presence {
    /// It is not, or is no text.
    #[default]
    Absent,
    /// It is an empty text.
    Empty,
    /// It is there.
    There,
}

impl Presence {
    fn of(text: &str) -> Self {
        if text.is_empty() { Self::Empty } else { Self::There }
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Look(|text: &str| {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            Self {
                presence: Presence::of(text),
                expires: expiry_of(text),
                fingerprint: hasher.finish(),
            }
        }))
    }
}

impl<'de> Deserialize<'de> for Presence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Look(|text: &str| Self::of(text)))
    }
}

/// Looks at a text without keeping it. What is no text is as if there were none.
struct Look<F>(F);

impl<'de, T: Default, F: FnOnce(&str) -> T> Visitor<'de> for Look<F> {
    type Value = T;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a token")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok((self.0)(text))
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<T, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(T::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(T::default())
    }
}

/// The `exp` of a JWT, in seconds since 1970 (RFC 7519, 4.1.4). Whose it is and who signed it is the
/// server's to verify.
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

/// The bytes that a text in base64url stands for (RFC 4648, 5).
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
