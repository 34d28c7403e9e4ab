//! What must hold whatever bytes come in: one function for each fuzz target. The targets in
//! `../package` call them with what the fuzzer makes up, `tests/it/fuzz_seeds.rs` with every seed.

pub mod bridge_answer;
pub mod configuration;
pub mod gemini_header;
pub mod map;
pub mod record;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::hash::{DefaultHasher, Hasher};

/// Checks what is made of these bytes, and panics where it is wrong.
pub type Check = fn(&[u8]);

/// Every target by its name, which is also that of its folder of seeds.
pub const TARGETS: [(&str, Check); 5] = [
    ("map", map::check),
    ("record", record::check),
    ("gemini_header", gemini_header::check),
    ("configuration", configuration::check),
    ("bridge_answer", bridge_answer::check),
];

/// A number that looks random and is always the same for the same bytes, so that what a seed finds
/// can be found again.
fn number_of(data: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(data);
    hasher.finish()
}

/// A place within the data, or right behind it.
fn place_in(data: &[u8]) -> usize {
    let places = data.len() as u64 + 1;
    usize::try_from(number_of(data) % places).unwrap_or(0)
}

/// The members of a JSON object as they are written, those with equal keys as well.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Nothing where it is no whole object, or has something behind it.
    fn of(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The first value under that key.
    fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| *value)
    }

    /// Whether each key stands there once.
    fn are_unique(&self) -> bool {
        let mut keys: Vec<&str> = self.0.iter().map(|(key, _)| key.as_str()).collect();
        keys.sort_unstable();
        keys.windows(2).all(|pair| pair[0] != pair[1])
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Visit)
    }
}

/// The text that a value is, if it is one.
fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}
