//! Times as the CLIs name them, and what is none.

use super::*;
use chrono_tz::Europe::Rome;

/// At 12:00:00 on 2026-01-05 in Rome, which is an hour ahead of UTC then.
const NOW: &str = "2026-01-05T11:00:00Z";

#[track_caller]
fn check_at(now: &str, said: &str, expected: Option<&str>) {
    let now = Timestamp::parse(now).unwrap();
    let expected = expected.map(|time| Timestamp::parse(time).unwrap());
    assert_eq!(time_named(said, now, &Rome), expected, "{said}");
}

#[track_caller]
fn check(said: &str, expected: impl Into<Option<&'static str>>) {
    check_at(NOW, said, expected.into());
}

#[test]
fn claude_names_a_time() {
    check("Claude AI usage limit reached|1767625200", "2026-01-05T15:00:00Z");
    check("You've hit your limit · resets 3pm (Europe/Warsaw)", "2026-01-05T14:00:00Z");
    check("You've hit your limit · resets 4:50am (Europe/Rome)", "2026-01-06T03:50:00Z");
    check("Your limit will reset at 1pm (Etc/GMT+5).", "2026-01-05T18:00:00Z");
    check("Your limit will reset at 12am (America/New_York).", "2026-01-06T05:00:00Z");
    check("Your limit will reset at Jan 8, 6pm.", "2026-01-08T17:00:00Z");
    check("Weekly limit reached ∙ resets Jan 9 at 5pm (UTC)", "2026-01-09T17:00:00Z");
    check_at("2025-12-30T00:00:00Z", "resets Jan 2, 6pm (UTC)", Some("2026-01-02T18:00:00Z"));
}

#[test]
fn codex_names_a_time_or_a_span() {
    check("or try again at 3:05 PM.", "2026-01-05T14:05:00Z");
    check("Try again at Jan 26th, 2026 12:05 AM.", "2026-01-25T23:05:00Z");
    check("or try again in 5 days 22 hours 11 minutes.", "2026-01-11T09:11:00Z");
    check("try again in 3 hours 2\nminutes.", "2026-01-05T14:02:00Z");
    check("{\"resets_at\":1767611100,\"x\":1}", "2026-01-05T11:05:00Z");
    check("{\"resets_in_seconds\": 90}", "2026-01-05T11:01:30Z");
    check("Try again later.", None);
}

#[test]
fn gemini_names_a_span() {
    check("Your quota will reset after 8h44m7s.", "2026-01-05T19:44:07Z");
    check("reset after 5s.. Retrying after 6173ms...", "2026-01-05T11:00:05Z");
    check("Please retry in 34.5s.", "2026-01-05T11:00:34.500Z");
    check("\"retryDelay\": \"34s\"", "2026-01-05T11:00:34Z");
    check("reset after 1h.\nreset after 2h.", "2026-01-05T13:00:00Z");
    check("Your quota will reset after 0s", None);
}

#[test]
fn what_is_no_such_time_is_none() {
    check("Claude AI usage limit reached|1", None);
    check("Claude AI usage limit reached|99999999999999999999999", None);
    check("resets 3pm (Middle-earth/Shire)", None);
    check("resets 11:55am (Europe/Rome)", None);
    check("resets 25:00, resets 13pm, resets soon, resets 3, resets ", None);
    check("try again at Feb 30th, 2026 3:05 PM", None);
    check("try again at Jan 5th, 2099 3:05 PM", None);
    check("reset after 400 days", None);
    check("reset after 1e400 s, reset after 9999999999999999999999d", None);
    check("resets ä3pm · resets Ää", None);
    check_at("2026-03-28T12:00:00Z", "resets 2:30am (Europe/Rome)", None);
}
