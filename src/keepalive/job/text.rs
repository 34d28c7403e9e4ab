//! Times in a state file: RFC 3339 or null.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

use crate::model::Timestamp;

/// Stands for a time whose year has more than four digits: a wait that long must not get lost.
const NEVER: &str = "9999-12-31T23:59:59.999Z";

#[expect(clippy::ref_option, reason = "serde calls it so")]
pub(super) fn serialize<S: Serializer>(time: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    match time {
        None => to.serialize_none(),
        Some(time) => to.serialize_some(time.rfc3339().as_deref().unwrap_or(NEVER)),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
    Timestamp::parse(&text).map(Some).ok_or_else(|| D::Error::custom("not a time of RFC 3339"))
}
