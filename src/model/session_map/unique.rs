//! Refuses a map in which a key appears twice, using little memory: JSON readers differ on which of the
//! two counts (R2).

use std::hash::{BuildHasher, RandomState};

use super::document::{Form, SessionMap, Text};
use super::outline::outline;

/// Fails if a key of the map, or of an object of mappings in it, appears twice. The error is one line
/// with the key and the position of the second one.
pub(super) fn check(map: &SessionMap) -> Result<(), String> {
    let models: Vec<Text> = map.models.iter().map(|model| model.name).collect();
    if let Some(place) = second(map, &models) {
        return Err(message(map, models[place], |map| {
            Some(outline(map.bytes(), Form::Legacy).top.members.get(place)?.key)
        }));
    }

    let mut start = 0;
    let end = u32::try_from(map.entries.len()).unwrap_or(u32::MAX);
    for end in map.models.iter().map(|model| model.end).chain([end]) {
        let chats: Vec<Text> =
            map.entries[start..end as usize].iter().map(|entry| entry.chat).collect();
        if let Some(place) = second(map, &chats) {
            return Err(message(map, chats[place], |map| {
                let outline = outline(map.bytes(), map.form);
                let inner = outline.models.iter().flatten().flat_map(|object| &object.members);
                let flat = outline.top.members.iter();
                let mut members: Box<dyn Iterator<Item = _>> = match map.form {
                    Form::Legacy => Box::new(flat),
                    Form::Today => Box::new(inner),
                };
                Some(members.nth(start + place)?.key)
            }));
        }
        start = end as usize;
    }

    Ok(())
}

/// The position of the first text that is equal to one before it.
fn second(map: &SessionMap, texts: &[Text]) -> Option<usize> {
    let hasher = RandomState::new();
    // Equal texts have equal hashes. Sorted by hash and position, they are next to each other.
    let mut order: Vec<u64> = (0..)
        .zip(texts)
        .map(|(place, text)| {
            let hash = hasher.hash_one(map.text(*text));
            (hash & !u64::from(u32::MAX)) | place
        })
        .collect();
    order.sort_unstable();
    let place = |entry: u64| usize::try_from(entry & u64::from(u32::MAX)).unwrap_or(usize::MAX);
    let equal = |a: usize, b: usize| map.text(texts[a]) == map.text(texts[b]);
    let seconds = order.chunk_by(|a, b| a >> 32 == b >> 32).filter_map(|same_hash| {
        let again = |at: &usize| {
            same_hash[..*at].iter().any(|before| equal(place(*before), place(same_hash[*at])))
        };
        (1..same_hash.len()).find(again).map(|at| place(same_hash[at]))
    });

    seconds.min()
}

fn message(map: &SessionMap, key: Text, find: impl Fn(&SessionMap) -> Option<u32>) -> String {
    let place = find(map).unwrap_or(0) as usize;
    let before = &map.bytes()[..place.min(map.bytes().len())];
    let line = before.split(|byte| *byte == b'\n').count();
    let column = before.rsplit(|byte| *byte == b'\n').next().map_or(0, <[u8]>::len) + 1;
    format!("the key {:?} appears twice at line {line} column {column}", map.text(key))
}
