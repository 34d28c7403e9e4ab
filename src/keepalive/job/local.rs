//! Local time: minutes of a day, silence, and when these are in a time zone whose clocks change.
//!
//! The rules of the zones are the IANA's, compiled in: a job's days must not depend on the files of a
//! machine.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::{GapInfo, Tz};
use std::fmt;

use crate::model::Timestamp;

const MINUTES: u16 = 24 * 60;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minute(u16);

impl Minute {
    /// Parses hours and minutes as in `09:00`, up to `23:59`. The error is for the middle of a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let numbers = text.split_once(':').map(|(hour, minute)| (digits(hour), digits(minute)));
        match numbers {
            Some((Some(hour @ ..24), Some(minute @ ..60))) => Ok(Self(hour * 60 + minute)),
            _ => Err("not a time of day from 00:00 to 23:59".to_owned()),
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

fn digits(text: &str) -> Option<u16> {
    let is_plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

/// A part of each local day, from the minute of its start to just before the minute of its end. If it
/// ends at an earlier minute than it starts, it spans midnight; if at the same, it lasts all day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    start: Minute,
    end: Minute,
}

impl Silence {
    /// The error is for the middle of a sentence.
    pub fn new(start: Minute, end: Minute) -> Result<Self, String> {
        if start == end {
            return Err(format!("not a period: it starts and ends at {start}"));
        }
        Ok(Self { start, end })
    }

    /// Returns the silence that lasts all day, every day. That minute is shown as its start and its end.
    pub fn always(minute: Minute) -> Self {
        Self { start: minute, end: minute }
    }

    pub fn start(self) -> Minute {
        self.start
    }

    /// Returns the first minute after it.
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(Tz);

impl Zone {
    pub const UTC: Self = Self(Tz::UTC);

    /// Parses a name of the IANA's, as in `Europe/Amsterdam`. The error is one line.
    pub fn parse(name: &str) -> Result<Self, String> {
        name.parse().map(Self).map_err(|_| format!("not a known time zone ({name:?})"))
    }

    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Returns the last time up to `now` at which that minute began a day's slot.
    pub(super) fn latest_slot(self, minute: Minute, now: Timestamp) -> Option<Timestamp> {
        let today = self.date(now)?;
        // Clocks that are set back over midnight make tomorrow begin before today is over, and
        // of the days before, one may be missing.
        let days = [1, 0, -1, -2, -3].into_iter().filter_map(|days| day_after(today, days));
        days.filter_map(|day| self.slot(minute, day)).find(|slot| *slot <= now)
    }

    /// Returns the first time after `now` at which that minute begins a day's slot.
    pub(super) fn next_slot(self, minute: Minute, now: Timestamp) -> Timestamp {
        let Some(today) = self.date(now) else { return Timestamp::MAX };
        let days = (0..=3).filter_map(|days| day_after(today, days));
        let mut slots = days.filter_map(|day| self.slot(minute, day));
        slots.find(|slot| *slot > now).unwrap_or(Timestamp::MAX)
    }

    /// Returns the end of the silence if `now` is in it.
    pub(super) fn silent_until(self, silence: Silence, now: Timestamp) -> Option<Timestamp> {
        let local = self.local(now)?;
        if !silence.holds(Minute::of(&local)) {
            return None;
        }
        if silence.start == silence.end {
            return Some(Timestamp::MAX);
        }

        let days = (0..=1).filter_map(|days| day_after(local.date_naive(), days));
        let ends = days.flat_map(|day| {
            let times = self.0.from_local_datetime(&day.and_time(silence.end.time()));
            [times.earliest(), times.latest()]
        });
        let end = ends.flatten().filter(|end| *end > local).min();

        // If clocks change meanwhile, it may end sooner, so each minute is looked at.
        let same = end.filter(|end| end.naive_local() - local.naive_local() == *end - local);
        let end = same.or_else(|| {
            let begun = TimeDelta::seconds(local.second().into())
                + TimeDelta::nanoseconds(local.nanosecond().into());
            let minutes = (1..=3 * i64::from(MINUTES)).map(|m| TimeDelta::minutes(m) - begun);
            let mut times = minutes.filter_map(|span| local.checked_add_signed(span));
            times.find(|time| !silence.holds(Minute::of(time)))
        });
        Some(end.map_or(Timestamp::MAX, |end| Timestamp::from(end.to_utc())))
    }

    /// Returns when that minute begins on that day. If the clock shows it twice, the first time counts;
    /// if it skips it, the first moment after the gap. A day that is skipped has no slot.
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

/// Returns the day that many days later, or earlier if the number is negative.
fn day_after(day: NaiveDate, days: i64) -> Option<NaiveDate> {
    day.checked_add_signed(TimeDelta::days(days))
}
