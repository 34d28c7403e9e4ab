//! The records of released processes: what was about to be ended, and the outcome.

use serde::{Deserialize, Serialize};
use std::path::Path;

use super::path::JournalPath;
use crate::model::Timestamp;

pub(super) const RELEASES: &str = "releases.jsonl";

/// What a line of the journal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseEvent {
    /// The process is about to be asked to end. The next line about it has the outcome.
    Planned,
    /// It has ended.
    Released,
    /// It was asked to end, and still runs.
    Ending,
    /// It was not asked to end after all.
    Kept,
    /// Its session had a process again without a message: the bridge restarts released sessions.
    Restarted,
    /// An event of a newer version.
    #[serde(other)]
    Other,
}

/// A process that is about to be released, or was, with all that is needed to resume its session by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRecord {
    pub run: String,
    /// RFC 3339.
    pub time: String,
    pub event: ReleaseEvent,
    /// The map's path, if it is known and the process is of a mapping.
    pub map: Option<JournalPath>,
    /// The bridge's address, if one was asked.
    pub url: Option<String>,
    pub pid: u32,
    /// When the process started, as field 22 of its `stat`: with the pid, it names one process of one boot.
    pub start: u64,
    pub session: String,
    /// The chats that have the session, as `model/chat`.
    pub chats: Vec<String>,
    pub memory_bytes: Option<u64>,
    /// The command that resumes the session by hand.
    pub resume: String,
}

impl ReleaseRecord {
    pub fn time(&self) -> Option<Timestamp> {
        Timestamp::parse(&self.time)
    }

    /// Returns true if it is about a process of that map.
    pub fn is_of(&self, map: Option<&Path>, url: Option<&str>) -> bool {
        let is_same_map = map.is_some() && self.map.as_ref().map(JournalPath::as_path) == map;
        is_same_map || (url.is_some() && self.url.as_deref() == url)
    }
}

/// Whether a process was asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signalled {
    No,
    Yes,
    /// By a run that was killed, or that works at the same time.
    Maybe,
}

/// The releases of the journal, as far as a new one must know them.
#[derive(Debug, Default)]
pub struct PastReleases(Vec<ReleaseRecord>);

impl PastReleases {
    pub fn new(records: Vec<ReleaseRecord>) -> Self {
        Self(records)
    }

    /// Returns the newest line about each process of that run, in the order of their first lines.
    pub fn of_run(&self, run: &str) -> Vec<&ReleaseRecord> {
        let mut newest: Vec<&ReleaseRecord> = Vec::new();
        let of_run = self.0.iter().filter(|record| record.run == run);
        for record in of_run.filter(|record| record.event != ReleaseEvent::Restarted) {
            let known = newest
                .iter_mut()
                .find(|known| (known.pid, known.start) == (record.pid, record.start));
            match known {
                Some(known) => *known = record,
                None => newest.push(record),
            }
        }
        newest
    }

    /// Returns each run that has a line, with its time and its map.
    pub fn runs(&self) -> impl Iterator<Item = (&str, &str, Option<&JournalPath>)> {
        let lines = self.0.iter().filter(|record| record.event != ReleaseEvent::Restarted);
        lines.map(|record| (record.run.as_str(), record.time.as_str(), record.map.as_ref()))
    }

    /// Returns whether that process was asked to end by another run than `run`.
    pub fn signalled(&self, pid: u32, start: u64, run: &str) -> Signalled {
        let mut of_process = self.0.iter().rev().filter(|record| {
            (record.pid, record.start) == (pid, start)
                && record.run != run
                && record.event != ReleaseEvent::Restarted
        });
        match of_process.next().map(|last| last.event) {
            Some(ReleaseEvent::Ending) => Signalled::Yes,
            Some(ReleaseEvent::Planned) => Signalled::Maybe,
            _ => Signalled::No,
        }
    }

    /// Returns true if a process of that map was released before.
    pub fn has_released(&self, map: Option<&Path>, url: Option<&str>) -> bool {
        let mut of_map = self.0.iter().filter(|record| record.is_of(map, url));
        of_map.any(|record| record.event == ReleaseEvent::Released)
    }

    /// Returns when a session of that map was last seen to be restarted.
    pub fn restarted(&self, map: Option<&Path>, url: Option<&str>) -> Option<Timestamp> {
        let of_map = self.0.iter().filter(|record| record.is_of(map, url));
        of_map
            .filter(|record| record.event == ReleaseEvent::Restarted)
            .filter_map(ReleaseRecord::time)
            .max()
    }

    /// Returns the newest release of each session of that map, also of a process that took long to end.
    pub fn newest_of_sessions(&self, map: Option<&Path>, url: Option<&str>) -> Vec<&ReleaseRecord> {
        let mut newest: Vec<&ReleaseRecord> = Vec::new();
        for record in self.0.iter().rev().filter(|record| record.is_of(map, url)) {
            let is_known = newest.iter().any(|known| known.session == record.session);
            let is_release = matches!(
                record.event,
                ReleaseEvent::Released | ReleaseEvent::Ending | ReleaseEvent::Planned
            );
            if is_release && !is_known {
                newest.push(record);
            }
        }
        newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(event: ReleaseEvent, pid: u32, session: &str, time: &str) -> ReleaseRecord {
        ReleaseRecord {
            run: "r".into(),
            time: time.into(),
            event,
            map: Some(Path::new("/m").into()),
            url: None,
            pid,
            start: 7,
            session: session.into(),
            chats: vec!["claude-cli/a".into()],
            memory_bytes: Some(5),
            resume: "claude --resume s".into(),
        }
    }

    const MAP: Option<&Path> = None;

    #[test]
    fn a_process_that_may_have_been_signalled_is_known_p2() {
        use ReleaseEvent::{Ending, Kept, Planned, Released, Restarted};
        let signalled = |events: &[ReleaseEvent]| {
            let records =
                events.iter().map(|event| record(*event, 4, "s", "2026-11-28T10:00:00Z")).collect();
            PastReleases::new(records).signalled(4, 7, "ours")
        };
        assert_eq!(signalled(&[]), Signalled::No);
        assert_eq!(signalled(&[Planned]), Signalled::Maybe, "of a run that was killed");
        assert_eq!(signalled(&[Planned, Ending]), Signalled::Yes);
        assert_eq!(signalled(&[Planned, Ending, Restarted]), Signalled::Yes);
        assert_eq!(signalled(&[Planned, Kept]), Signalled::No);
        assert_eq!(signalled(&[Planned, Kept, Planned]), Signalled::Maybe);
        assert_eq!(signalled(&[Planned, Released]), Signalled::No, "its id was used again");
        let other = PastReleases::new(vec![record(Planned, 4, "s", "")]);
        assert_eq!(other.signalled(5, 7, "ours"), Signalled::No);
        assert_eq!(other.signalled(4, 8, "ours"), Signalled::No);
        assert_eq!(other.signalled(4, 7, "r"), Signalled::No, "that run itself");
    }

    #[test]
    fn maps_are_kept_apart() {
        let map = Some(Path::new("/m"));
        let past = PastReleases::new(vec![
            record(ReleaseEvent::Released, 4, "s", "2026-11-28T10:00:00Z"),
            record(ReleaseEvent::Restarted, 5, "s", "2026-11-28T10:05:00Z"),
            record(ReleaseEvent::Released, 6, "t", "2026-11-28T11:00:00Z"),
            record(ReleaseEvent::Released, 9, "s", "2026-11-28T12:00:00Z"),
        ]);
        assert!(past.has_released(map, None));
        assert!(!past.has_released(Some(Path::new("/other")), None));
        assert!(!past.has_released(MAP, None) && !past.has_released(MAP, Some("http://x")));
        assert_eq!(past.restarted(map, None), Timestamp::parse("2026-11-28T10:05:00Z"));
        let pids: Vec<u32> =
            past.newest_of_sessions(map, None).iter().map(|record| record.pid).collect();
        assert_eq!(pids, [9, 6]);
    }

    #[test]
    fn an_event_of_a_newer_version_is_read() {
        let mut json = serde_json::to_value(record(ReleaseEvent::Kept, 4, "s", "t")).unwrap();
        assert_eq!(json["event"], "kept");
        json["event"] = "frozen".into();
        let read: ReleaseRecord = serde_json::from_value(json).unwrap();
        assert_eq!(read.event, ReleaseEvent::Other);
    }
}
