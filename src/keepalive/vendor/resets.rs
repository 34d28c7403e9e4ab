//! When a usage limit ends, by the messages of the CLIs.
//!
//! A time of day without a zone is in the zone of this machine, where the CLI has run as well.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use std::time::Duration;

use crate::model::Timestamp;

/// The longest window is a month.
const LONGEST: Duration = Duration::from_secs(32 * 24 * 60 * 60);

/// A time of day that has passed this recently is that of a limit that has just ended, not tomorrow's.
const JUST_NOW: i64 = 15 * 60;

/// The text before a time, in lower case, and the format of the time. Seen in issues of
/// anthropics/claude-code (1328, 8638, 22946), openai/codex (3899, 26668), earendil-works/pi (4172) and
/// google-gemini/gemini-cli (13004), and in the sources of Codex and of Google's error details.
const FORMATS: [(&str, TimeFormat); 11] = [
    // Claude Code in `-p`, before version 2.
    ("limit reached|", TimeFormat::Unix),
    // OpenAI's server.
    ("\"resets_at\":", TimeFormat::Unix),
    ("\"resets_in_seconds\":", TimeFormat::Seconds),
    // Gemini CLI: `Your quota will reset after 8h44m7s.`
    ("reset after ", TimeFormat::Span),
    ("\"retrydelay\": \"", TimeFormat::Span),
    ("retry in ", TimeFormat::Span),
    // Codex until 0.4x: `try again in 5 days 22 hours 11 minutes.`, and since: `at 3:05 PM` or
    // `at Sep 26th, 2026 3:05 PM`.
    ("try again in ", TimeFormat::Span),
    ("try again at ", TimeFormat::Clock),
    // Claude Code: `Your limit will reset at 5pm (Europe/Warsaw).`, `at Oct 6, 6pm.`, and since
    // version 2 `resets 4:50am (Europe/Rome)`.
    ("reset at ", TimeFormat::Clock),
    ("resets at ", TimeFormat::Clock),
    ("resets ", TimeFormat::Clock),
];

#[derive(Debug, Clone, Copy)]
enum TimeFormat {
    Unix,
    Seconds,
    /// A span from now with its units.
    Span,
    /// A time of day, with or without a date and a zone.
    Clock,
}

impl TimeFormat {
    fn read(self, text: &str, now: Timestamp, local: &impl TimeZone) -> Option<Timestamp> {
        match self {
            Self::Unix => Some(Timestamp::new(0, 0).after(Duration::from_secs(number(text)?))),
            Self::Seconds => Some(now.after(Duration::from_secs(number(text)?))),
            Self::Span => Some(now.after(span(&text.to_ascii_lowercase())?)),
            Self::Clock => clock(text, now, local),
        }
    }
}

/// Returns the last time in `text` that is in the future, and that a limit can end at.
pub(super) fn time_named(text: &str, now: Timestamp, local: &impl TimeZone) -> Option<Timestamp> {
    // Only ASCII letters change, so an index means the same in both.
    let lower = text.to_ascii_lowercase();
    let mut found: Vec<(usize, Timestamp)> = Vec::new();
    for (before, format) in FORMATS {
        for (at, _) in lower.match_indices(before) {
            let start = at + before.len();
            found.extend(format.read(&text[start..], now, local).map(|time| (start, time)));
        }
    }
    found.retain(|(_, time)| *time > now && *time <= now.after(LONGEST));
    found.into_iter().max_by_key(|(start, _)| *start).map(|(_, time)| time)
}

fn number(text: &str) -> Option<u64> {
    let text = text.trim_start();
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// Parses `8h44m7s`, `5 days 22 hours 11 minutes`, `34.07s`.
fn span(text: &str) -> Option<Duration> {
    let mut seconds = None;
    let mut rest = text.trim_start();
    loop {
        let end = rest.find(|letter: char| !(letter.is_ascii_digit() || letter == '.'));
        let (number, behind) = rest.split_at(end.unwrap_or(rest.len()));
        let Ok(count) = number.parse::<f64>() else { break };
        rest = behind.trim_start();
        let end = rest.find(|letter: char| !letter.is_ascii_alphabetic());
        let (unit, behind) = rest.split_at(end.unwrap_or(rest.len()));
        let unit = match unit {
            "ms" => 0.001,
            "s" | "sec" | "second" | "seconds" => 1.0,
            "m" | "min" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hour" | "hours" => 3600.0,
            "d" | "day" | "days" => 86400.0,
            _ => break,
        };
        *seconds.get_or_insert(0.0) += count * unit;
        rest = behind.trim_start();
    }

    Duration::try_from_secs_f64(seconds?).ok()
}

/// Parses `3pm (Europe/Rome)`, `Oct 6, 6pm`, `3:05 PM`, `Sep 26th, 2026 3:05 PM`.
fn clock(text: &str, now: Timestamp, local: &impl TimeZone) -> Option<Timestamp> {
    let line = text.lines().next()?;
    let (date, rest) = date(line).map_or((None, line), |(date, rest)| (Some(date), rest));
    let (time, rest) = time_of_day(rest)?;
    match rest.trim_start().strip_prefix('(') {
        Some(zone) => {
            let zone: Tz = zone.split(')').next()?.trim().parse().ok()?;
            next(date, time, now, &zone)
        }
        None => next(date, time, now, local),
    }
}

/// A month and a day, with a year or without.
type Date = (u32, u32, Option<i32>);

/// Parses the date that `text` begins with, and returns the text after it.
fn date(text: &str) -> Option<(Date, &str)> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let (month, rest) = text.trim_start().split_once(' ')?;
    let month = month.get(..3)?.to_ascii_lowercase();
    let month = (1..).zip(MONTHS).find(|(_, name)| *name == month)?.0;
    let (day, rest) = rest.trim_start().split_once([' ', ','])?;
    let day = day.trim_end_matches(|letter: char| letter.is_ascii_alphabetic()).parse().ok()?;
    let rest = rest.trim_start_matches([' ', ',']);

    let year = rest.split(' ').next()?;
    let is_year = year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
    let (year, rest) = if is_year { (year.parse().ok(), &rest[4..]) } else { (None, rest) };
    let rest = rest.trim_start_matches([' ', ',']);
    Some(((month, day, year), rest.strip_prefix("at ").unwrap_or(rest)))
}

/// Parses the time of day that `text` begins with, and returns the text after it.
fn time_of_day(text: &str) -> Option<(NaiveTime, &str)> {
    let (hour, mut rest) = split_digits(text.trim_start());
    let hour: u32 = hour.parse().ok()?;
    let mut minute = None;
    if let Some(behind) = rest.strip_prefix(':') {
        let (number, behind) = split_digits(behind);
        minute = Some(number.parse().ok()?);
        rest = behind;
    }

    let half = rest.trim_start().get(..2).map(str::to_ascii_lowercase);
    let hour = match half.as_deref() {
        Some("am" | "pm") if hour == 0 || hour > 12 => return None,
        Some("am") => hour % 12,
        Some("pm") => hour % 12 + 12,
        // A number without minutes is no time.
        _ => return Some((NaiveTime::from_hms_opt(hour, minute?, 0)?, rest)),
    };
    Some((NaiveTime::from_hms_opt(hour, minute.unwrap_or(0), 0)?, &rest.trim_start()[2..]))
}

/// Splits off the first two characters, as far as they are digits.
fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take(2).take_while(u8::is_ascii_digit).count())
}

/// Returns the first such time in that zone from a little before `now` on.
fn next(
    date: Option<Date>,
    time: NaiveTime,
    now: Timestamp,
    zone: &impl TimeZone,
) -> Option<Timestamp> {
    let seconds = i64::try_from(now.since_1970().as_secs()).ok()?;
    let earliest = seconds.checked_sub(JUST_NOW)?;
    let today = DateTime::<Utc>::from_timestamp(seconds, 0)?.with_timezone(zone).date_naive();
    let days = match date {
        Some((month, day, Some(year))) => [NaiveDate::from_ymd_opt(year, month, day), None],
        Some((month, day, None)) => {
            [0, 1].map(|more| NaiveDate::from_ymd_opt(today.year() + more, month, day))
        }
        None => [Some(today), today.checked_add_days(Days::new(1))],
    };
    let mut times = days.into_iter().flatten().filter_map(|day| {
        // In the hour that clocks skip in spring, the time is unknown.
        Some(zone.from_local_datetime(&day.and_time(time)).earliest()?.timestamp())
    });
    let found = times.find(|time| *time >= earliest)?;
    Some(Timestamp::new(found, 0))
}

#[cfg(test)]
mod tests;
