//! Minutes, silences and slots, above all where clocks change.

use super::*;

#[test]
fn minutes_are_two_digits_each() {
    for text in ["00:00", "09:00", "23:59"] {
        assert_eq!(minute(text).to_string(), text);
    }
    for text in ["24:00", "09:60", "9:00", "09:0", "0900", "", ":", "+9:00", "09:00:00", "０９:00"]
    {
        assert!(Minute::parse(text).unwrap_err().starts_with("not a time of day"), "{text}");
    }
}

#[test]
fn zones_are_known_by_name() {
    assert_eq!(zone("Europe/Amsterdam").to_string(), "Europe/Amsterdam");
    assert_eq!((Zone::default(), zone("UTC")), (Zone::UTC, Zone::UTC));
    for name in ["", "Mars/Base", "europe/amsterdam", "UTC+1", "CEST", "a\nb"] {
        let error = Zone::parse(name).unwrap_err();
        assert!(error.starts_with("not a known time zone") && !error.contains('\n'), "{error}");
    }
}

#[test]
fn a_silence_has_an_end_that_is_no_part_of_it() {
    #[track_caller]
    fn check(start: &str, end: &str, now: &str, until: Option<&str>) {
        let silence = silence(start, end);
        let on = |time: &str| at(&format!("2026-05-{time}Z"));
        assert_eq!(Zone::UTC.silent_until(silence, on(now)), until.map(on), "{now}");
    }
    check("01:00", "07:00", "10T00:59:59", None);
    check("01:00", "07:00", "10T01:00:00", Some("10T07:00:00"));
    check("01:00", "07:00", "10T06:59:59.999", Some("10T07:00:00"));
    check("01:00", "07:00", "10T07:00:00", None);
    check("22:00", "06:00", "10T21:59:59", None);
    check("22:00", "06:00", "10T22:00:00", Some("11T06:00:00"));
    check("22:00", "06:00", "11T00:00:00", Some("11T06:00:00"));
    check("22:00", "06:00", "11T05:59:59", Some("11T06:00:00"));
    check("22:00", "06:00", "11T06:00:00", None);
    check("18:00", "00:00", "10T23:59:59", Some("11T00:00:00"));
    check("18:00", "00:00", "11T00:00:00", None);
    assert!(Silence::new(minute("01:00"), minute("01:00")).unwrap_err().contains("01:00"));
}

#[test]
fn a_silence_goes_by_what_the_clock_on_the_wall_shows() {
    #[track_caller]
    fn check(start: &str, end: &str, now: &str, until: Option<&str>) {
        let zone = zone("Europe/Amsterdam");
        assert_eq!(zone.silent_until(silence(start, end), at(now)), until.map(at), "{now}");
    }
    // On 29 March 2026 02:00 becomes 03:00 at 01:00 UTC.
    check("01:00", "07:00", "2026-03-29T00:30:00Z", Some("2026-03-29T05:00:00Z"));
    check("01:00", "07:00", "2026-03-29T00:30:15.5Z", Some("2026-03-29T05:00:00Z"));
    check("01:00", "02:30", "2026-03-29T00:30:00Z", Some("2026-03-29T01:00:00Z"));
    check("02:00", "03:00", "2026-03-29T00:59:59Z", None);
    check("02:00", "03:00", "2026-03-29T01:00:00Z", None);
    // On 25 October 2026 03:00 becomes 02:00 at 01:00 UTC.
    check("01:00", "07:00", "2026-10-24T23:30:00Z", Some("2026-10-25T06:00:00Z"));
    check("01:00", "02:30", "2026-10-25T00:10:00Z", Some("2026-10-25T00:30:00Z"));
    check("01:00", "02:30", "2026-10-25T00:40:00Z", None);
    check("01:00", "02:30", "2026-10-25T01:10:00Z", Some("2026-10-25T01:30:00Z"));
    check("02:50", "03:30", "2026-10-25T00:55:30Z", Some("2026-10-25T01:00:00Z"));
}

#[track_caller]
fn check_slots(zone_name: &str, minute_of_day: &str, slots: &[&str]) {
    let (zone, minute) = (zone(zone_name), minute(minute_of_day));
    for pair in slots.windows(2) {
        let (slot, next) = (at(pair[0]), at(pair[1]));
        let second = Duration::from_secs(1);
        for time in [slot, slot.after(second), slot.after(10 * MINUTE), next.earlier(second)] {
            assert_eq!(zone.latest_slot(minute, time), Some(slot), "{zone} {minute} {time:?}");
            assert_eq!(zone.next_slot(minute, time), next, "{zone} {minute} {time:?}");
        }
    }
}

#[test]
fn a_slot_in_a_gap_is_the_first_moment_after_it() {
    let slots = ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"];
    check_slots("Europe/Amsterdam", "02:30", &slots);
    let slots = ["2026-03-07T07:59:00Z", "2026-03-08T07:00:00Z", "2026-03-09T06:59:00Z"];
    check_slots("America/New_York", "02:59", &slots);
    // Half an hour: 02:00 becomes 02:30.
    let slots = ["2026-10-02T15:45:00Z", "2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"];
    check_slots("Australia/Lord_Howe", "02:15", &slots);
    // The gap begins on one day and ends on the next: 23:00 becomes 00:00.
    let slots = ["2024-03-30T01:30:00Z", "2024-03-31T01:00:00Z", "2024-04-01T00:30:00Z"];
    check_slots("America/Nuuk", "23:30", &slots);
    // Midnight itself is left out.
    let slots = ["2026-03-07T05:00:00Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"];
    check_slots("America/Havana", "00:00", &slots);
}

#[test]
fn a_slot_in_a_fold_is_the_first_of_two() {
    let slots = ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"];
    check_slots("Europe/Amsterdam", "02:30", &slots);
    let slots = ["2026-04-03T14:45:00Z", "2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"];
    check_slots("Australia/Lord_Howe", "01:45", &slots);
    // 00:01 became 23:01 of the day before, so that day went on after the next had begun.
    let slots = ["2010-11-06T02:30:00Z", "2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z"];
    check_slots("America/St_Johns", "00:00", &slots);
    let slots = ["2010-11-06T01:45:00Z", "2010-11-07T01:45:00Z", "2010-11-08T02:45:00Z"];
    check_slots("America/St_Johns", "23:15", &slots);
}

#[test]
fn a_day_that_was_left_out_has_no_slot() {
    // Samoa went from 29 to 31 December 2011.
    let slots = ["2011-12-28T19:00:00Z", "2011-12-29T19:00:00Z", "2011-12-30T19:00:00Z"];
    check_slots("Pacific/Apia", "09:00", &slots);
    let slots = ["2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"];
    check_slots("Pacific/Apia", "00:00", &slots);
}

#[test]
fn absurd_times_have_no_slots_and_no_silence() {
    for time in [Timestamp::MAX, Timestamp::new(i64::MIN, 0)] {
        assert_eq!(Zone::UTC.latest_slot(minute("09:00"), time), None);
        assert_eq!(Zone::UTC.next_slot(minute("09:00"), time), Timestamp::MAX);
        assert_eq!(Zone::UTC.silent_until(silence("00:00", "23:59"), time), None);
    }
}
