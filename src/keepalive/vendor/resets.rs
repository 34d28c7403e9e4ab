//! When a usage limit ends, as the CLIs tell their users in their own words.
//!
//! A time of day without a zone is meant in the zone of this machine, where that CLI has run as well.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use std::time::Duration;

use crate::model::Timestamp;

/// No limit lasts longer: the longest window is a month.
const LONGEST: Duration = Duration::from_secs(32 * 24 * 60 * 60);

/// A time of day so shortly past is not tomorrow's, but that of a limit that has just ended.
const JUST_NOW: i64 = 15 * 60;

/// What stands before a time, in lower case, and how it is written. Seen in issues of
/// anthropics/claude-code (1328, 8638, 22946), openai/codex (3899, 26668), earendil-works/pi (4172) and
/// google-gemini/gemini-cli (13004), and in the sources of Codex and of Google's error details.
const MANNERS: [(&str, Manner); 11] = [
    // Claude Code in `-p`, before version 2.
    ("limit reached|", Manner::Unix),
    // What OpenAI's server answers.
    ("\"resets_at\":", Manner::Unix),
    ("\"resets_in_seconds\":", Manner::Seconds),
    // Gemini CLI: `Your quota will reset after 8h44m7s.`
    ("reset after ", Manner::Span),
    ("\"retrydelay\": \"", Manner::Span),
    ("retry in ", Manner::Span),
    // Codex until 0.4x: `try again in 5 days 22 hours 11 minutes.`, and since: `at 3:05 PM` or
    // `at Sep 26th, 2026 3:05 PM`.
    ("try again in ", Manner::Span),
    ("try again at ", Manner::Clock),
    // Claude Code: `Your limit will reset at 5pm (Europe/Warsaw).`, `at Oct 6, 6pm.`, and since
    // version 2 `resets 4:50am (Europe/Rome)`.
    ("reset at ", Manner::Clock),
    ("resets at ", Manner::Clock),
    ("resets ", Manner::Clock),
];

/// How a time is written.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// In seconds since 1970.
    Unix,
    /// In seconds from now.
    Seconds,
    /// As a span from now with its units.
    Span,
    /// As a time of day, maybe with a date and a zone.
    Clock,
}

/// The time that is named last in `said`, where there is one that lies ahead of `now` and is a time
/// that a limit can end at.
pub(super) fn time_named(said: &str, now: Timestamp, local: &impl TimeZone) -> Option<Timestamp> {
    // Only ASCII letters change, so that places in both are the same.
    let lower = said.to_ascii_lowercase();
    let mut found: Vec<(usize, Timestamp)> = Vec::new();
    for (before, manner) in MANNERS {
        for (at, _) in lower.match_indices(before) {
            let start = at + before.len();
            let time = match manner {
                Manner::Unix => number(&lower[start..])
                    .map(|seconds| Timestamp::new(0, 0).after(Duration::from_secs(seconds))),
                Manner::Seconds => {
                    number(&lower[start..]).map(|seconds| now.after(Duration::from_secs(seconds)))
                }
                Manner::Span => span(&lower[start..]).map(|span| now.after(span)),
                Manner::Clock => clock(&said[start..], now, local),
            };
            found.extend(time.map(|time| (start, time)));
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

/// `8h44m7s`, `5 days 22 hours 11 minutes`, `34.07s`.
fn span(text: &str) -> Option<Duration> {
    let mut seconds = None;
    let mut rest = text.trim_start();
    loop {
        let is_of_number = |letter: char| letter.is_ascii_digit() || letter == '.';
        let end = rest.find(|letter| !is_of_number(letter)).unwrap_or(rest.len());
        let Ok(count) = rest[..end].parse::<f64>() else { break };
        rest = rest[end..].trim_start();
        let end = rest.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ms" => 0.001,
            "s" | "sec" | "second" | "seconds" => 1.0,
            "m" | "min" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hour" | "hours" => 3600.0,
            "d" | "day" | "days" => 86400.0,
            _ => break,
        };
        *seconds.get_or_insert(0.0) += count * unit;
        rest = rest[end..].trim_start();
    }
    Duration::try_from_secs_f64(seconds?).ok()
}

/// `3pm (Europe/Rome)`, `Oct 6, 6pm`, `3:05 PM`, `Sep 26th, 2026 3:05 PM`.
fn clock(text: &str, now: Timestamp, local: &impl TimeZone) -> Option<Timestamp> {
    let line = text.lines().next()?;
    let (date, rest) = date(line);
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

/// The date that `text` begins with, where it does, and what follows.
fn date(text: &str) -> (Option<Date>, &str) {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let found = || {
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
    };
    found().map_or((None, text), |(date, rest)| (Some(date), rest))
}

/// The time of day that `text` begins with, and what follows.
fn time_of_day(text: &str) -> Option<(NaiveTime, &str)> {
    let digits = |text: &str| text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let text = text.trim_start();
    let (hour, mut rest) = text.split_at(digits(text));
    let hour: u32 = hour.parse().ok()?;
    let mut minute = None;
    if let Some(behind) = rest.strip_prefix(':') {
        let (number, behind) = behind.split_at(digits(behind));
        minute = Some(number.parse().ok()?);
        rest = behind;
    }
    let half = rest.trim_start().get(..2).map(str::to_ascii_lowercase);
    let is_half = half.as_deref().is_some_and(|half| half == "am" || half == "pm");
    if is_half {
        rest = &rest.trim_start()[2..];
    } else if minute.is_none() {
        return None;
    }
    let hour = match half.as_deref() {
        Some("am" | "pm") if hour == 0 || hour > 12 => return None,
        Some("am") => hour % 12,
        Some("pm") => hour % 12 + 12,
        _ => hour,
    };
    Some((NaiveTime::from_hms_opt(hour, minute.unwrap_or(0), 0)?, rest))
}

/// When that is in that zone, for the first time from a little before `now` on.
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
    let times = days.into_iter().flatten().filter_map(|day| {
        // In the hour that is left out in spring, the time is not known.
        Some(zone.from_local_datetime(&day.and_time(time)).earliest()?.timestamp())
    });
    let found = times.into_iter().find(|time| *time >= earliest)?;
    Some(Timestamp::new(found, 0))
}

#[cfg(test)]
mod tests;
