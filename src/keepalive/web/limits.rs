//! When a usage window or a limit ends, by an answer of Claude's web page.
//!
//! After an answer comes an event `message_limit` (seen by several tools that show usage, in 2026):
//! `{"type":"message_limit","message_limit":{"type":"within_limit","resetsAt":null,…,"windows":{"5h":
//! {"status":"within_limit","resets_at":1777464600,"utilization":0.86},"7d":{…}}}}`. If a limit is
//! reached, the answer has status 429, and the text of its error is itself JSON of that form, with
//! `resetsAt` (Xerxes-2/clewdr, `src/error.rs`), or there is a header.

use serde_json::Value;
use std::time::Duration;

use crate::model::Timestamp;

/// A window of five hours ends no later than that, with some tolerance for clocks that differ. A later
/// time is that of another limit.
const WINDOW: Duration = Duration::from_secs(5 * 3600 + 600);

/// The longest window is a month.
const LONGEST: Duration = Duration::from_secs(32 * 24 * 3600);

/// A larger number is in milliseconds: in seconds it is the year 5138, in milliseconds 1973.
const MILLISECONDS_FROM: f64 = 1e11;

/// The status of a window or a limit that is used up.
const EXCEEDED: &str = "exceeded_limit";

/// Returns when the window of five hours ends, by an event `message_limit`.
pub(super) fn window(event: &Value, now: Timestamp) -> Option<Timestamp> {
    let limit = limit_in(event);
    let of_window = limit["windows"].get("5h").and_then(|window| time(&window["resets_at"], now));
    let found = of_window.or_else(|| time(&limit["resetsAt"], now));
    found.filter(|time| *time <= now.after(WINDOW))
}

/// Returns true if an event `message_limit` shows a limit that is used up.
pub(super) fn is_exceeded(event: &Value) -> bool {
    let limit = limit_in(event);
    limit["type"] == EXCEEDED || windows(limit).any(|window| window["status"] == EXCEEDED)
}

/// Returns when the limit ends that an answer's body, an event, or a part of these reports.
pub(super) fn limit(report: &Value, now: Timestamp) -> Option<Timestamp> {
    let error = &report["error"];
    let text = error["message"].as_str().or_else(|| report["message"].as_str());
    // The message may be JSON again.
    let inner: Value = text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();

    [&inner, limit_in(report), error, &error["details"], report].into_iter().find_map(|part| {
        let used_up = windows(part).filter(|window| window["status"] == EXCEEDED);
        // Of two that are used up, the later one counts.
        let latest = used_up.filter_map(|window| time(&window["resets_at"], now)).max();
        latest.or_else(|| ["resetsAt", "resets_at"].iter().find_map(|name| time(&part[*name], now)))
    })
}

/// Returns the time in the header `Retry-After`: a number of seconds, or a date (RFC 9110, 10.2.3).
pub(super) fn retry_after(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    let time = match text.parse() {
        Ok(seconds) => now.after(Duration::from_secs(seconds)),
        Err(_) => Timestamp::new(chrono::DateTime::parse_from_rfc2822(text).ok()?.timestamp(), 0),
    };
    Some(time).filter(|time| is_plausible(*time, now))
}

/// Returns the time written as seconds or milliseconds since 1970, or as RFC 3339.
pub(super) fn time(value: &Value, now: Timestamp) -> Option<Timestamp> {
    let found = match value {
        Value::Number(number) => since_1970(number.as_f64()?),
        Value::String(text) => {
            Timestamp::parse(text).or_else(|| since_1970(text.trim().parse().ok()?))
        }
        _ => None,
    };
    found.filter(|time| is_plausible(*time, now))
}

fn since_1970(number: f64) -> Option<Timestamp> {
    let seconds = if number >= MILLISECONDS_FROM { number / 1000.0 } else { number };
    Some(Timestamp::new(0, 0).after(Duration::try_from_secs_f64(seconds).ok()?))
}

/// Returns true if the time is in the future, and a limit can end then.
fn is_plausible(time: Timestamp, now: Timestamp) -> bool {
    time > now && time <= now.after(LONGEST)
}

fn limit_in(event: &Value) -> &Value {
    event.get("message_limit").unwrap_or(event)
}

fn windows(limit: &Value) -> impl Iterator<Item = &Value> {
    limit["windows"].as_object().into_iter().flat_map(|windows| windows.values())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_777_460_000;

    fn now() -> Timestamp {
        Timestamp::new(NOW, 0)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::new(NOW + seconds, 0)
    }

    #[test]
    fn the_end_of_the_window_is_that_of_the_five_hours() {
        let event = |limit: Value| json!({"type": "message_limit", "message_limit": limit});
        for (limit, expected) in [
            (
                json!({"type": "within_limit", "resetsAt": null, "windows": {
                    "5h": {"status": "within_limit", "resets_at": NOW + 4600, "utilization": 0.86},
                    "7d": {"status": "within_limit", "resets_at": NOW + 364_000}}}),
                Some(at(4600)),
            ),
            (json!({"windows": {"5h": {"resets_at": (NOW + 60) * 1000}}}), Some(at(60))),
            (json!({"windows": {"7d": {"resets_at": NOW + 60}}}), None),
            (json!({"type": "approaching_limit", "resetsAt": NOW + 600}), Some(at(600))),
            // That of a week, a time that is over, and what is no time.
            (json!({"type": "approaching_limit", "resetsAt": NOW + 100_000}), None),
            (json!({"windows": {"5h": {"resets_at": NOW - 1}}}), None),
            (json!({"windows": {"5h": {"resets_at": "soon"}}}), None),
            (json!({"windows": {"5h": {"resets_at": -5}}}), None),
            (json!({"windows": {"5h": {"resets_at": 1e300}}}), None),
            (json!({"windows": 7}), None),
            (json!([]), None),
        ] {
            assert_eq!(window(&event(limit.clone()), now()), expected, "{limit}");
        }
    }

    #[test]
    fn the_end_of_a_limit_is_found_wherever_it_is_told() {
        let inner = json!({"type": EXCEEDED, "resetsAt": NOW + 700, "perModelLimit": null});
        let windows = json!({"type": EXCEEDED, "resetsAt": NOW + 700, "windows": {
            "5h": {"status": EXCEEDED, "resets_at": NOW + 700},
            "7d": {"status": EXCEEDED, "resets_at": NOW + 9000},
            "overage": {"status": "within_limit", "resets_at": NOW + 99_000}}});
        let error = |message: Value| json!({"type": "error", "error": {"type": "rate_limit_error", "message": message}});
        for (told, expected) in [
            (error(inner.to_string().into()), Some(at(700))),
            (error(windows.to_string().into()), Some(at(9000))),
            (error("Too many requests".into()), None),
            (json!({"error": {"resets_at": NOW + 5}}), Some(at(5))),
            (json!({"error": {"details": {"resetsAt": "2026-04-29T11:00:00Z"}}}), Some(at(400))),
            (json!({"message_limit": windows}), Some(at(9000))),
            (json!({"resetsAt": NOW + 40 * 86_400}), None),
            (json!("no"), None),
        ] {
            assert_eq!(limit(&told, now()), expected, "{told}");
        }
        assert!(is_exceeded(&json!({"message_limit": windows})));
        assert!(!is_exceeded(&json!({"message_limit": {"type": "within_limit"}})));
    }

    #[test]
    fn a_header_tells_a_span_or_a_date() {
        assert_eq!(retry_after("120", now()), Some(at(120)));
        assert_eq!(retry_after("Wed, 29 Apr 2026 11:00:00 GMT", now()), Some(at(400)));
        for text in ["", "0", "-5", "soon", "99999999999", "Wed, 29 Apr 2020 11:00:00 GMT"] {
            assert_eq!(retry_after(text, now()), None, "{text}");
        }
    }
}
