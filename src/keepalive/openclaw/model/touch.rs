//! Which numbers of a store are raised.

use std::ops::Range;

use super::settings::{Settings, Stale};
use super::store::{Entry, Era, Field, Store};

/// What a touch makes of a store.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// The new bytes; nothing where nothing is raised.
    pub bytes: Option<Vec<u8>>,
    /// The keys of the sessions that are raised.
    pub raised: Vec<String>,
    /// Those whose time lies in the future, and which.
    pub future: Vec<(String, Field)>,
    /// Those that have no time that could be raised.
    pub timeless: Vec<String>,
    /// Those that no reset ever ends.
    pub safe: Vec<String>,
}

/// Raises the wanted sessions to `now`, in milliseconds since 1970. Nothing is ever lowered, and nothing
/// put where there was no number.
pub fn touch(
    store: &Store,
    settings: &Settings,
    is_wanted: impl Fn(&Entry) -> bool,
    now: u64,
) -> Touched {
    let mut touched = Touched::default();
    let mut places: Vec<Range<usize>> = Vec::new();
    for entry in store.entries().iter().filter(|entry| is_wanted(entry)) {
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
            // OpenClaw goes by the first of them that is there.
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
            // What is left of it would end the session all the same.
            touched.future.push((entry.key.clone(), field));
        } else if !has_any {
            touched.timeless.push(entry.key.clone());
        } else {
            touched.raised.push(entry.key.clone());
            places.extend(own);
        }
    }
    places.sort_by_key(|place| place.start);
    touched.bytes = (!places.is_empty()).then(|| store.with(&places, now));
    touched
}

/// For each way to go stale, the times that it goes by: the first that there is.
fn sources(era: Era, stale: Stale) -> Vec<&'static [Field]> {
    const EARLY: &[Field] = &[Field::UpdatedAt];
    const DAILY: &[Field] = &[Field::SessionStartedAt, Field::UpdatedAt];
    const IDLE: &[Field] = &[Field::LastInteractionAt, Field::SessionStartedAt, Field::UpdatedAt];
    match era {
        Era::Early => vec![EARLY],
        Era::Late => {
            let ways = [(stale.daily, DAILY), (stale.idle, IDLE)];
            ways.into_iter().filter(|(is_so, _)| *is_so).map(|(_, fields)| fields).collect()
        }
    }
}
