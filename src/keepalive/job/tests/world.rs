//! A year of minutes somewhere: what the clock on the wall shows, when the machine is awake. It is
//! made from offsets alone, by counting, and shares nothing with what it is held against.

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

use super::*;

/// How many minutes are looked at.
pub(super) const YEAR: usize = 365 * 1440;

/// Where clocks change, by an hour, half an hour, at midnight and not at all, and a year in which
/// they do; in 2011, Samoa even left a day out.
pub(super) const PLACES: [(&str, &str); 6] = [
    ("Europe/Amsterdam", "2026-01-01T00:00:00Z"),
    ("America/New_York", "2026-01-01T00:00:00Z"),
    ("Australia/Lord_Howe", "2026-01-01T00:00:00Z"),
    ("Asia/Kathmandu", "2026-01-01T00:00:00Z"),
    ("America/St_Johns", "2010-01-01T00:00:00Z"),
    ("Pacific/Apia", "2011-01-15T00:00:00Z"),
];

/// Numbers that look random and are the same in each run (xorshift64*).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % most
    }
}

/// The minutes of a year in one place.
pub(super) struct World {
    start: i64,
    /// For each minute, how many minutes the wall shows since 1970.
    wall: Vec<i64>,
}

impl World {
    pub(super) fn new((zone, start): (&str, &str)) -> Self {
        let zone: Tz = zone.parse().unwrap();
        let start = DateTime::parse_from_rfc3339(start).unwrap().timestamp();
        let time = |minute: usize| start + 60 * i64::try_from(minute).unwrap();
        let offset = |minute| {
            let utc = DateTime::from_timestamp(time(minute), 0).unwrap().naive_utc();
            i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
        };
        let mut wall = Vec::with_capacity(YEAR);
        for hour in (0..YEAR).step_by(60) {
            let same = Some(offset(hour)).filter(|same| *same == offset(hour + 60));
            let minutes = hour..hour + 60;
            wall.extend(minutes.map(|m| (time(m) + same.unwrap_or_else(|| offset(m))) / 60));
        }
        Self { start, wall }
    }

    pub(super) fn time(&self, minute: usize) -> Timestamp {
        Timestamp::new(self.start + 60 * i64::try_from(minute).unwrap(), 0)
    }

    /// Whether the wall shows a time within the silence.
    pub(super) fn is_silent(&self, minute: usize, silence: Option<(i64, i64)>) -> bool {
        let shown = self.wall[minute] % 1440;
        silence.is_some_and(|(start, end)| {
            let past_start = shown >= start;
            let before_end = shown < end;
            if start < end { past_start && before_end } else { past_start || before_end }
        })
    }

    /// For each day that there is, the first minute at which the wall shows that much or more.
    pub(super) fn slots(&self, of_day: i64) -> Vec<usize> {
        let mut slots = Vec::new();
        let mut day = self.wall[0] / 1440;
        for (minute, shown) in self.wall.iter().enumerate() {
            while *shown >= day * 1440 + of_day {
                let was_there = self.wall[minute.saturating_sub(1)] / 1440 == day;
                if was_there || shown / 1440 == day {
                    slots.push(minute);
                }
                day += 1;
            }
        }
        slots
    }

    /// Awake for hours or days, then asleep for minutes, hours or days.
    pub(super) fn awake(random: &mut Random) -> Vec<bool> {
        let mut awake = Vec::with_capacity(YEAR);
        while awake.len() < YEAR {
            let (up, down) = (1 + random.below(2 * 1440), 1 + random.below(1440));
            let down = if random.below(8) == 0 { 4 * down } else { down / (1 + random.below(9)) };
            awake.extend(vec![true; up]);
            awake.extend(vec![false; down]);
        }
        awake.truncate(YEAR);
        awake
    }
}

pub(super) fn of_day(minute: i64) -> Minute {
    Minute::parse(&format!("{:02}:{:02}", minute / 60, minute % 60)).unwrap()
}

pub(super) fn quiet(silence: Option<(i64, i64)>) -> Option<Silence> {
    silence.map(|(start, end)| Silence::new(of_day(start), of_day(end)).unwrap())
}
