//! Times of files and clocks, which compare and print without ever panicking.

use chrono::{DateTime, Datelike, Local, SecondsFormat, Utc};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::num::NonZeroU32;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::IdleThreshold;

/// The most nanoseconds of a time.
const MOST_NANOSECONDS: u32 = 999_999_999;

/// A time in UTC, in seconds since 1970 and nanoseconds on top. Any value that a file system can
/// hold is valid, absurd ones included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    /// One more than the nanoseconds: never zero, so that an `Option` of a time takes no more room than a time.
    nanoseconds_and_one: NonZeroU32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// The user's, on a terminal.
    Local,
    /// For pipes, files and logs.
    Utc,
}

impl Timestamp {
    /// Later than everything: the time of a file whose time could not be read.
    pub const MAX: Self = Self::new(i64::MAX, MOST_NANOSECONDS);

    pub const fn new(seconds: i64, nanoseconds: u32) -> Self {
        let most = if nanoseconds > MOST_NANOSECONDS { MOST_NANOSECONDS } else { nanoseconds };
        Self { seconds, nanoseconds_and_one: NonZeroU32::MIN.saturating_add(most) }
    }

    #[must_use]
    pub fn before(self, threshold: &IdleThreshold) -> Self {
        let seconds = i64::try_from(threshold.seconds()).unwrap_or(i64::MAX);
        Self { seconds: self.seconds.saturating_sub(seconds), ..self }
    }

    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        let nanoseconds = self.nanoseconds() + span.subsec_nanos();
        let seconds = i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        let carried = i64::from(nanoseconds / 1_000_000_000);
        Self::new(
            self.seconds.saturating_add(seconds).saturating_add(carried),
            nanoseconds % 1_000_000_000,
        )
    }

    #[must_use]
    pub fn earlier(self, span: Duration) -> Self {
        let borrows = self.nanoseconds() < span.subsec_nanos();
        let lent = if borrows { 1_000_000_000 } else { 0 };
        let seconds = i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        Self::new(
            self.seconds.saturating_sub(seconds).saturating_sub(i64::from(borrows)),
            self.nanoseconds() + lent - span.subsec_nanos(),
        )
    }

    /// Whole seconds from this time until `now`; 0 if this time is in the future.
    pub fn seconds_until(self, now: Self) -> u64 {
        let borrowed = i64::from(now.nanoseconds() < self.nanoseconds());
        let seconds = now.seconds.saturating_sub(self.seconds).saturating_sub(borrowed);
        u64::try_from(seconds).unwrap_or(0)
    }

    /// RFC 3339 in UTC with milliseconds; nothing if the year does not have four digits.
    pub fn rfc3339(self) -> Option<String> {
        self.date_time().map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }

    pub fn parse(text: &str) -> Option<Self> {
        let time = DateTime::parse_from_rfc3339(text).ok()?;
        Some(Self::new(time.timestamp(), time.timestamp_subsec_nanos()))
    }

    /// For people: `2026-11-21 03:55:07 UTC`.
    pub fn for_people(self) -> String {
        self.date_time().map_or_else(
            || format!("{} s since 1970", self.seconds),
            |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        )
    }

    pub fn shown(self, zone: Zone) -> String {
        match zone {
            Zone::Local => self.local(),
            Zone::Utc => self.for_people(),
        }
    }

    /// For people at a terminal, in their own time zone: `2026-11-21 04:55`.
    pub fn local(self) -> String {
        self.date_time().map_or_else(
            || self.for_people(),
            |time| time.with_timezone(&Local).format("%Y-%m-%d %H:%M").to_string(),
        )
    }

    /// For names: `20261121T035507Z`.
    pub fn compact(self) -> String {
        self.date_time().map_or_else(
            || self.seconds.to_string(),
            |time| time.format("%Y%m%dT%H%M%SZ").to_string(),
        )
    }

    pub fn nanoseconds(self) -> u32 {
        self.nanoseconds_and_one.get() - 1
    }

    /// The time since 1970; zero before.
    pub fn since_1970(self) -> Duration {
        u64::try_from(self.seconds)
            .map_or(Duration::ZERO, |seconds| Duration::new(seconds, self.nanoseconds()))
    }

    /// For calendar arithmetic; nothing if the year does not have four digits.
    pub(crate) fn date_time(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(self.seconds, self.nanoseconds())
            .filter(|time| (0..=9999).contains(&time.year()))
    }
}

/// Stands for a time whose year has more than four digits: a wait that long must not get lost.
const NEVER: &str = "9999-12-31T23:59:59.999Z";

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.rfc3339().as_deref().unwrap_or(NEVER))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("not a time of RFC 3339"))
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self::new(time.timestamp(), time.timestamp_subsec_nanos())
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => {
                Self::new(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos())
            }
            Err(earlier) => {
                let before = earlier.duration();
                let seconds = -i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
                match before.subsec_nanos() {
                    0 => Self::new(seconds, 0),
                    nanoseconds => Self::new(seconds - 1, 1_000_000_000 - nanoseconds),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_may_be_absent_takes_no_more_room_r3() {
        assert_eq!(size_of::<Option<Timestamp>>(), size_of::<Timestamp>());
        assert_eq!(Timestamp::new(-1, 5).nanoseconds(), 5);
    }

    #[test]
    fn absurd_times_are_compared_and_never_printed_wrong() {
        let absurd = Timestamp::new(i64::MAX, 0);
        assert_eq!(absurd.rfc3339(), None);
        assert_eq!(absurd.seconds_until(Timestamp::new(0, 0)), 0);
        assert!(Timestamp::new(i64::MIN, 0).rfc3339().is_none());
        assert!(Timestamp::new(i64::MIN, 0).seconds_until(Timestamp::new(i64::MAX, 0)) > 0);
        assert_eq!(Timestamp::new(253_402_300_800, 0).rfc3339(), None, "year 10000");
    }

    #[test]
    fn whole_seconds_are_rounded_down() {
        let check = |from: (i64, u32), to: (i64, u32), seconds| {
            let (from, to) = (Timestamp::new(from.0, from.1), Timestamp::new(to.0, to.1));
            assert_eq!(from.seconds_until(to), seconds, "{from:?} to {to:?}");
        };
        check((10, 0), (12, 0), 2);
        check((10, 1), (12, 0), 1);
        check((10, 0), (12, 999_999_999), 2);
        check((12, 0), (10, 0), 0);
        check((10, 5), (10, 4), 0);
    }

    #[test]
    fn a_span_can_be_added_and_taken_away() {
        let span = Duration::new(2, 600_000_000);
        let (early, late) = (Timestamp::new(10, 500_000_000), Timestamp::new(13, 100_000_000));
        assert_eq!((early.after(span), late.earlier(span)), (late, early));
        assert_eq!(Timestamp::new(5, 7).earlier(Duration::from_secs(9)), Timestamp::new(-4, 7));
        assert_eq!(Timestamp::new(5, 7).earlier(Duration::new(2, 7)), Timestamp::new(3, 0));
        assert!(Timestamp::new(i64::MIN, 0).earlier(span) < early);
        assert_eq!(Timestamp::new(5, 7).since_1970(), Duration::new(5, 7));
        assert_eq!(Timestamp::new(-5, 7).since_1970(), Duration::ZERO);
        assert!(late.earlier(Duration::MAX) < early);
    }

    #[test]
    fn system_times_before_1970_keep_their_order() {
        let half = UNIX_EPOCH - std::time::Duration::from_millis(500);
        assert_eq!(Timestamp::from(half), Timestamp::new(-1, 500_000_000));
        assert_eq!(Timestamp::from(half).rfc3339().as_deref(), Some("1969-12-31T23:59:59.500Z"));
    }
}
