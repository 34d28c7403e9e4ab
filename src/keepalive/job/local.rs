//! Local time: minutes of a day, silence, and when these are in a time zone whose clocks change.
//!
//! The rules of the zones are the IANA's, compiled in: a job's days must not depend on which
//! machine has which files.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::{GapInfo, Tz};
use std::fmt;

use crate::model::Timestamp;

const MINUTES: u16 = 24 * 60;

/// A minute of a local day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minute(u16);

impl Minute {
    /// From hours and minutes as in `09:00`, up to `23:59`. The error says what is wrong, for the
    /// middle of a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "not a time of day from 00:00 to 23:59".to_owned();
        let number = |digits: &str| {
            let is_plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            if is_plain { digits.parse::<u16>().ok() } else { None }
        };
        let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
        match (number(hour), number(minute)) {
            (Some(hour @ ..24), Some(minute @ ..60)) => Ok(Self(hour * 60 + minute)),
            _ => Err(wrong()),
        }
    }

    fn of(time: &impl Timelike) -> Self {
        // Both are small, so nothing is cut off.
        Self(u16::try_from(time.hour() * 60 + time.minute()).unwrap_or_default())
    }

    fn time(self) -> NaiveTime {
        let seconds = u32::from(self.0) * 60;
        NaiveTime::from_num_seconds_from_midnight_opt(seconds, 0).unwrap_or(NaiveTime::MIN)
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// A part of each local day, from the minute of its start up to that of its end, which is no part
/// of it. One that ends at an earlier minute than it starts spans midnight; at the same, it is always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    start: Minute,
    end: Minute,
}

impl Silence {
    /// From `start` to before `end`. The error says what is wrong, for the middle of a sentence.
    pub fn new(start: Minute, end: Minute) -> Result<Self, String> {
        if start == end {
            return Err(format!("not a period: it starts and ends at {start}"));
        }
        Ok(Self { start, end })
    }

    /// All day long, every day. It is said to begin and to end at that minute.
    pub fn always(minute: Minute) -> Self {
        Self { start: minute, end: minute }
    }

    /// The first minute of it.
    pub fn start(self) -> Minute {
        self.start
    }

    /// The first minute after it.
    pub fn end(self) -> Minute {
        self.end
    }

    fn holds(self, minute: Minute) -> bool {
        if self.start < self.end {
            (self.start..self.end).contains(&minute)
        } else {
            minute >= self.start || minute < self.end
        }
    }
}

/// A time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(Tz);

impl Zone {
    /// Where nothing else is said.
    pub const UTC: Self = Self(Tz::UTC);

    /// From a name of the IANA's, as in `Europe/Amsterdam`. The error says what is wrong, on one
    /// line.
    pub fn parse(name: &str) -> Result<Self, String> {
        name.parse().map(Self).map_err(|_| format!("not a known time zone ({name:?})"))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The last time up to `now` at which that minute began a day's slot.
    pub(super) fn latest_slot(self, minute: Minute, now: Timestamp) -> Option<Timestamp> {
        let today = self.date(now)?;
        // Clocks that are set back over midnight make tomorrow begin before today is over, and
        // of the days before, one may be missing.
        let days = [next(today, 1), Some(today), last(today, 1), last(today, 2), last(today, 3)];
        days.into_iter()
            .flatten()
            .filter_map(|day| self.slot(minute, day))
            .find(|slot| *slot <= now)
    }

    /// The first time after `now` at which that minute begins a day's slot.
    pub(super) fn next_slot(self, minute: Minute, now: Timestamp) -> Timestamp {
        let Some(today) = self.date(now) else { return Timestamp::MAX };
        let days = [Some(today), next(today, 1), next(today, 2), next(today, 3)];
        let mut slots = days.into_iter().flatten().filter_map(|day| self.slot(minute, day));
        slots.find(|slot| *slot > now).unwrap_or(Timestamp::MAX)
    }

    /// The end of the silence that `now` lies in; nothing where it lies in none.
    pub(super) fn silent_until(self, silence: Silence, now: Timestamp) -> Option<Timestamp> {
        let local = self.local(now)?;
        if !silence.holds(Minute::of(&local)) {
            return None;
        }
        if silence.start == silence.end {
            return Some(Timestamp::MAX);
        }
        let days = [Some(local.date_naive()), next(local.date_naive(), 1)];
        let ends = days.into_iter().flatten().flat_map(|day| {
            let times = self.0.from_local_datetime(&day.and_time(silence.end.time()));
            [times.earliest(), times.latest()]
        });
        let end = ends.flatten().filter(|end| *end > local).min();
        let same = end.filter(|end| end.naive_local() - local.naive_local() == *end - local);
        // Where clocks change meanwhile, that may bring it to its end sooner, so each minute counts.
        let end = same.or_else(|| {
            let begun = TimeDelta::seconds(local.second().into())
                + TimeDelta::nanoseconds(local.nanosecond().into());
            let minutes = (1..=3 * i64::from(MINUTES)).map(|m| TimeDelta::minutes(m) - begun);
            let mut times = minutes.filter_map(|span| local.checked_add_signed(span));
            times.find(|time| !silence.holds(Minute::of(time)))
        });
        Some(end.map_or(Timestamp::MAX, |end| Timestamp::from(end.to_utc())))
    }

    /// When that minute begins on that day: the first time of two, and where it was left out, the
    /// first moment after. Where the whole day was left out, never.
    fn slot(self, minute: Minute, day: NaiveDate) -> Option<Timestamp> {
        let local = day.and_time(minute.time());
        let time = self.0.from_local_datetime(&local).earliest().or_else(|| {
            let gap = GapInfo::new(&local, &self.0)?;
            let (begin, end) = (gap.begin?.0, gap.end?);
            let has_day = begin > day.and_time(NaiveTime::MIN) || end.date_naive() == day;
            has_day.then_some(end)
        })?;
        Some(Timestamp::from(time.to_utc()))
    }

    fn date(self, time: Timestamp) -> Option<NaiveDate> {
        self.local(time).map(|local| local.date_naive())
    }

    fn local(self, time: Timestamp) -> Option<DateTime<Tz>> {
        let utc: DateTime<Utc> = time.date_time()?;
        Some(utc.with_timezone(&self.0))
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::UTC
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn next(day: NaiveDate, days: u64) -> Option<NaiveDate> {
    day.checked_add_days(Days::new(days))
}

fn last(day: NaiveDate, days: u64) -> Option<NaiveDate> {
    day.checked_sub_days(Days::new(days))
}
