//! When a timer runs: every so often, or by a calendar expression of systemd.

use std::fmt;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// Every so many seconds.
    Every(u64),
    /// By a calendar expression of systemd.
    Calendar(String),
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;

/// The minute of the hour in which cron runs hourly and rarer jobs. At the full hour, much else runs.
const MINUTE_OF_CRON: u64 = 5;

impl When {
    /// Parses a duration with units. The error is for the middle of a sentence.
    pub fn every(text: &str) -> Result<Self, String> {
        let duration = humantime::parse_duration(text.trim()).map_err(|error| {
            let why = error.to_string().replace(['\n', '\r'], " ");
            format!("not a duration ({why})")
        })?;

        if duration.subsec_nanos() != 0 || duration.as_secs() == 0 || duration.as_secs() > WEEK {
            return Err("not whole seconds between 1 second and 1 week".to_owned());
        }
        Ok(Self::Every(duration.as_secs()))
    }

    /// The calendar expression of systemd; nothing if there is none for it.
    pub fn calendar(&self) -> Option<String> {
        let seconds = match self {
            Self::Calendar(expression) => return Some(expression.clone()),
            Self::Every(seconds) => *seconds,
        };
        Some(match seconds {
            HOUR => "hourly".to_owned(),
            DAY => "daily".to_owned(),
            WEEK => "weekly".to_owned(),
            1 => "*:*:*".to_owned(),
            _ if seconds < MINUTE && MINUTE.is_multiple_of(seconds) => format!("*:*:0/{seconds}"),
            _ => match parts(seconds)? {
                Parts::Minutes(minutes) => format!("*:0/{minutes}"),
                Parts::Hours(hours) => format!("0/{hours}:00"),
            },
        })
    }

    /// The five fields of a crontab; nothing if there are none for it.
    pub fn cron(&self) -> Option<String> {
        let Self::Every(seconds) = self else { return None };
        let minute = MINUTE_OF_CRON;
        Some(match *seconds {
            MINUTE => "* * * * *".to_owned(),
            HOUR => format!("{minute} * * * *"),
            DAY => format!("{minute} 0 * * *"),
            WEEK => format!("{minute} 0 * * 0"),
            seconds => match parts(seconds)? {
                Parts::Minutes(minutes) => format!("*/{minutes} * * * *"),
                Parts::Hours(hours) => format!("{minute} */{hours} * * *"),
            },
        })
    }

    /// The seconds of which `text` is the calendar expression, or the fields of a crontab.
    pub fn seconds_of(text: &str) -> Option<u64> {
        let minutes = (1..60).map(|minutes| minutes * MINUTE);
        let hours = (1..24).map(|hours| hours * HOUR);
        let mut all = (1..MINUTE).chain(minutes).chain(hours).chain([DAY, WEEK]);
        all.find(|seconds| {
            let when = Self::Every(*seconds);
            [when.calendar(), when.cron()].iter().flatten().any(|known| known == text)
        })
    }

    /// The random delay in seconds: as long as leaves some distance between two runs. Frequent runs, and those
    /// of a calendar expression, are in time.
    pub fn delay(&self) -> u64 {
        match self {
            Self::Every(seconds) if *seconds > 10 * MINUTE => (10 * MINUTE).min(seconds / 6),
            _ => 0,
        }
    }
}

/// A part that divides an hour or a day evenly.
enum Parts {
    Minutes(u64),
    Hours(u64),
}

fn parts(seconds: u64) -> Option<Parts> {
    let (minutes, hours) = (seconds / MINUTE, seconds / HOUR);
    if seconds < HOUR && seconds.is_multiple_of(MINUTE) && 60_u64.is_multiple_of(minutes) {
        return Some(Parts::Minutes(minutes));
    }
    (seconds < DAY && seconds.is_multiple_of(HOUR) && hours > 0 && 24_u64.is_multiple_of(hours))
        .then_some(Parts::Hours(hours))
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(seconds) => {
                write!(f, "every {}", humantime::format_duration(Duration::from_secs(*seconds)))
            }
            Self::Calendar(expression) => write!(f, "at {expression}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_calendar_and_a_crontab_can_say() {
        #[track_caller]
        fn check(every: &str, calendar: Option<&str>, cron: Option<&str>) {
            let when = When::every(every).unwrap();
            assert_eq!(when.calendar().as_deref(), calendar, "{every}");
            assert_eq!(when.cron().as_deref(), cron, "{every}");
            let When::Every(seconds) = when else { unreachable!() };
            for text in [calendar, cron].into_iter().flatten() {
                assert_eq!(When::seconds_of(text), Some(seconds), "{text}");
            }
        }
        check("1h", Some("hourly"), Some("5 * * * *"));
        check("60m", Some("hourly"), Some("5 * * * *"));
        check("1m", Some("*:0/1"), Some("* * * * *"));
        check("15m", Some("*:0/15"), Some("*/15 * * * *"));
        check("6h", Some("0/6:00"), Some("5 */6 * * *"));
        check("1d", Some("daily"), Some("5 0 * * *"));
        check("7d", Some("weekly"), Some("5 0 * * 0"));
        check("5s", Some("*:*:0/5"), None);
        check("1s", Some("*:*:*"), None);
        for neither in ["7m", "90m", "5h", "7s", "2d", "61s", "25h"] {
            check(neither, None, None);
        }
        assert_eq!(When::seconds_of("Mon *-*-* 12:00"), None);
        for wrong in ["0s", "1ms", "8d", "hourly", "", "60"] {
            assert!(When::every(wrong).is_err(), "{wrong}");
        }
    }
}
