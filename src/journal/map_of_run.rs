//! The map of a run's records, written once in front of them: a path may have 4,096 bytes, and a run 100,000
//! records.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use super::path::JournalPath;

/// A line that names the map, and the bridge, of all records of a run in the same file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MapOfRun<'a> {
    /// The run.
    #[serde(rename = "map_of")]
    run: Cow<'a, str>,
    /// The map's path, if it is known.
    map: Option<JournalPath>,
    /// The bridge's address, if one was asked.
    url: Option<Cow<'a, str>>,
}

impl<'a> MapOfRun<'a> {
    /// Returns none if neither the map nor the bridge is known.
    pub fn new(run: &'a str, map: Option<&Path>, url: Option<&'a str>) -> Option<Self> {
        (map.is_some() || url.is_some()).then(|| Self {
            run: run.into(),
            map: map.map(JournalPath::from),
            url: url.map(Cow::from),
        })
    }
}

/// A record that has its map from the [`MapOfRun`] of its run. Versions before 1.0 wrote the map into each record.
pub(super) trait OfRun {
    fn run(&self) -> &str;

    /// Sets the map and the bridge of a record that has none.
    fn complete(&mut self, map: Option<&JournalPath>, url: Option<&str>);
}

/// The maps of the runs in a file, as far as it has been read.
#[derive(Default)]
pub(super) struct MapsOfRuns(HashMap<String, MapOfRun<'static>>);

impl MapsOfRuns {
    /// Reads a line. Returns its record, completed; none if the line is no record.
    pub(super) fn record<T: OfRun + for<'de> Deserialize<'de>>(
        &mut self,
        line: &[u8],
    ) -> Option<T> {
        let Ok(mut record) = serde_json::from_slice::<T>(line) else {
            let of_run: MapOfRun<'static> = serde_json::from_slice(line).ok()?;
            self.0.insert(of_run.run.to_string(), of_run);
            return None;
        };

        if let Some(of_run) = self.0.get(record.run()) {
            record.complete(of_run.map.as_ref(), of_run.url.as_deref());
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::RestoreRecord;

    const RECORD: &str =
        r#"{"time":"t","run":"r","model":"m","chat":"c","session":"s","done":true}"#;

    #[test]
    fn a_record_has_the_map_of_its_run() {
        let mut maps = MapsOfRuns::default();
        let mut map_of = |line: &str| {
            let record: Option<RestoreRecord> = maps.record(line.as_bytes());
            record.map(|record| record.map.map(|map| map.as_path().to_owned()))
        };
        assert_eq!(map_of(RECORD), Some(None));
        let line = serde_json::to_string(&MapOfRun::new("r", Some(Path::new("/m")), None)).unwrap();
        assert_eq!(line, r#"{"map_of":"r","map":"/m","url":null}"#);
        assert_eq!(map_of(&line), None);
        assert_eq!(map_of(RECORD), Some(Some("/m".into())));
        assert_eq!(map_of(&RECORD.replace("\"r\"", "\"other\"")), Some(None));

        // As older versions wrote it.
        let own = RECORD.replace('{', r#"{"map":"/own","#);
        assert_eq!(map_of(&own), Some(Some("/own".into())));
        assert_eq!(map_of("{torn"), None);
        assert!(MapOfRun::new("r", None, None).is_none());
    }
}
