//! The touch of a store: which of its numbers are raised.

use std::ops::Range;

use super::settings::{Settings, Stale};
use super::store::{Entry, Era, Field, Store};

/// The result of a touch. Sessions are given by their keys.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// The new bytes; nothing if nothing is raised.
    pub bytes: Option<Vec<u8>>,
    pub raised: Vec<String>,
    /// Sessions with a time in the future, and which one.
    pub future: Vec<(String, Field)>,
    /// Sessions without a time that could be raised.
    pub timeless: Vec<String>,
    /// Sessions that no reset ever ends.
    pub safe: Vec<String>,
}

/// Raises the times of the selected sessions to `now`, in milliseconds since 1970. No time is ever lowered,
/// and none is added.
pub fn touch(
    store: &Store,
    settings: &Settings,
    is_selected: impl Fn(&Entry) -> bool,
    now: u64,
) -> Touched {
    let mut touched = Touched::default();
    let mut ranges: Vec<Range<usize>> = Vec::new();

    for entry in store.entries().iter().filter(|entry| is_selected(entry)) {
        let stale = match store.era() {
            Era::Early => Stale { daily: true, idle: false },
            Era::Late => settings.stale(&entry.key, entry.channel.as_deref()),
        };
        if stale == (Stale { daily: false, idle: false }) {
            touched.safe.push(entry.key.clone());
            continue;
        }
        let (mut own, mut future, mut has_any) = (Vec::new(), None, false);
        for fields in sources(store.era(), stale) {
            // OpenClaw goes by the first of them that exists.
            let found = fields.iter().find_map(|field| Some((*field, entry.number(*field)?)));
            let Some((field, number)) = found else { continue };
            has_any = true;
            #[expect(clippy::cast_precision_loss, reason = "exact for the next 285,000 years")]
            let now = now as f64;
            if number.value > now {
                future = future.or(Some(field));
            } else if number.value < now && !own.contains(&number.at) {
                own.push(number.at.clone());
            }
        }
        if let Some(field) = future {
            // It is left unchanged, and with it the others: the session ends all the same.
            touched.future.push((entry.key.clone(), field));
        } else if !has_any {
            touched.timeless.push(entry.key.clone());
        } else {
            touched.raised.push(entry.key.clone());
            ranges.extend(own);
        }
    }

    ranges.sort_by_key(|range| range.start);
    touched.bytes = (!ranges.is_empty()).then(|| store.with(&ranges, now));
    touched
}

/// Returns the times that each reset goes by: the first one that exists counts.
fn sources(era: Era, stale: Stale) -> Vec<&'static [Field]> {
    const EARLY: &[Field] = &[Field::UpdatedAt];
    const DAILY: &[Field] = &[Field::SessionStartedAt, Field::UpdatedAt];
    const IDLE: &[Field] = &[Field::LastInteractionAt, Field::SessionStartedAt, Field::UpdatedAt];
    match era {
        Era::Early => vec![EARLY],
        Era::Late => {
            let resets = [(stale.daily, DAILY), (stale.idle, IDLE)];
            resets.into_iter().filter(|(is_set, _)| *is_set).map(|(_, fields)| fields).collect()
        }
    }
}
