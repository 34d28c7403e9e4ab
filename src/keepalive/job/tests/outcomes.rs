//! What each end of a run does to the state, and what a pass finds that was left behind.

use super::*;

const NOW: &str = "2026-05-10T12:00:00Z";

fn hourly() -> Job {
    job(When::Every(HOUR))
}

fn wait(state: &JobState) -> Option<Duration> {
    state.not_before.map(|time| Duration::from_secs(at(NOW).seconds_until(time)))
}

fn why_not(job: &Job, state: &JobState) -> Option<String> {
    match due(job, state, None, at(NOW).after(365 * DAY)) {
        Due::Disabled { why } => Some(why),
        _ => None,
    }
}

#[test]
fn backoff_doubles_from_5_minutes_to_6_hours() {
    let minutes: Vec<u64> = (1..=9).map(|failures| backoff(failures).as_secs() / 60).collect();
    assert_eq!(minutes, [5, 10, 20, 40, 80, 160, 320, 360, 360]);
    assert_eq!((backoff(0), backoff(u32::MAX)), (5 * MINUTE, 6 * HOUR));
}

#[test]
fn attempts_of_one_run_are_some_seconds_apart() {
    let millis = |attempt, random| retry_pause(attempt, random).as_millis();
    let all: Vec<u128> = (1..=7).map(|attempt| millis(attempt, 1.0) / 1000).collect();
    assert_eq!(all, [2, 4, 8, 16, 32, 60, 60]);
    assert_eq!([millis(1, 0.0), millis(2, 0.5)], [1000, 3000]);
    for odd in [f64::NAN, f64::INFINITY, -1.0, 2.0] {
        assert_eq!(millis(u32::MAX, odd), 60_000);
    }
}

#[test]
fn a_run_is_under_way_from_its_beginning_to_its_end() {
    let mut state = JobState::default();
    state.begin(at(NOW));
    let now = Some(at(NOW));
    assert_eq!([state.seen, state.last_run, state.running_since], [now; 3]);
    let end = at(NOW).after(MINUTE);
    state.end(&hourly(), &Outcome::Done, None, end);
    assert_eq!((state.last_run, state.running_since, state.last_done), (now, None, Some(end)));
    assert_eq!(state.result.as_ref().map(LastResult::line), Some("done"));
}

#[test]
fn failures_wait_longer_each_time_and_disable_in_the_end() {
    let (job, mut state) = (hourly(), JobState::default());
    for (failures, minutes) in [(1, 5), (2, 10), (3, 20), (4, 40)] {
        state.not_before = None;
        run(&mut state, &job, &failed(), at(NOW));
        assert_eq!((state.failures, wait(&state)), (failures, Some(minutes * MINUTE)));
        assert_eq!(state.result.as_ref().map(LastResult::line), Some("failed: no network"));
        assert_eq!((why_not(&job, &state), state.last_done), (None, None));
    }
    run(&mut state, &job, &failed(), at(NOW));
    let why = "failed 5 times in a row: no network";
    assert_eq!(why_not(&job, &state).as_deref(), Some(why));
    state.notices_change(Some("hash"));
    assert!(state.disabled.is_some(), "it is not the credential's fault");
    state.enable();
    assert_eq!((state.failures, state.not_before, state.disabled.as_ref()), (0, None, None));
    assert_eq!(due(&job, &state, None, at(NOW)), Due::Due);
}

#[test]
fn one_success_makes_up_for_all_failures() {
    let (job, mut state) = (hourly(), JobState::default());
    for outcome in [failed(), limited(None), Outcome::Done] {
        run(&mut state, &job, &outcome, at(NOW));
    }
    assert_eq!((state.failures, state.rate_limits, state.not_before), (0, 0, None));
}

#[test]
fn a_job_may_fail_for_ever_if_its_user_wants_so() {
    let mut job = hourly();
    job.disable_after = 0;
    let mut state = JobState::default();
    for _ in 0..50 {
        run(&mut state, &job, &failed(), at(NOW));
    }
    assert_eq!((state.failures, why_not(&job, &state)), (50, None));
    job.disable_after = 50;
    assert!(why_not(&job, &state).is_some(), "the limit counts that the job has now");
}

#[test]
fn a_rate_limit_waits_as_long_as_it_says_and_is_no_failure() {
    let (job, mut state) = (hourly(), JobState::default());
    let until = at(NOW).after(3 * DAY);
    run(&mut state, &job, &limited(Some(until)), at(NOW));
    assert_eq!((state.not_before, state.failures), (Some(until), 0));
    assert_eq!(state.result.as_ref().map(LastResult::line), Some("rate limited: 5-hour limit"));
    run(&mut state, &job, &failed(), at(NOW));
    assert_eq!(state.not_before, Some(until), "a forced run does not shorten it");
    let mut state = JobState::default();
    for minutes in [5, 10, 20] {
        state.not_before = None;
        run(&mut state, &job, &limited(Some(at(NOW))), at(NOW));
        assert_eq!(wait(&state), Some(minutes * MINUTE), "a time that is over is none");
    }
    for _ in 0..50 {
        run(&mut state, &job, &limited(None), at(NOW));
    }
    assert_eq!((state.failures, why_not(&job, &state)), (0, None));
}

#[test]
fn later_and_skipped_wait_a_little_and_count_for_nothing() {
    let mut job = hourly();
    let why = "busy".to_owned();
    let later = Outcome::Later { why: why.clone(), until: None };
    let skipped = Outcome::Skipped { why };
    for (outcome, gap, minutes) in
        [(&later, 0, 5), (&later, 60, 5), (&skipped, 0, 2), (&skipped, 60, 60)]
    {
        job.min_gap = gap * MINUTE;
        let mut state = JobState { failures: 2, ..JobState::default() };
        run(&mut state, &job, outcome, at(NOW));
        assert_eq!((wait(&state), state.failures), (Some(minutes * MINUTE), 2), "{outcome:?}");
        assert_eq!((state.last_done, state.slot), (None, None));
    }
    // Until a time that was named, where that is later.
    for (until, minutes) in [(20 * MINUTE, 20), (MINUTE, 5)] {
        let (mut state, until) = (JobState::default(), Some(at(NOW).after(until)));
        run(&mut state, &job, &Outcome::Later { why: String::new(), until }, at(NOW));
        assert_eq!(wait(&state), Some(minutes * MINUTE));
    }
}

#[test]
fn a_day_stays_open_until_it_is_done() {
    let job = job(When::Daily(minute("09:00")));
    for outcome in [failed(), limited(None), Outcome::Skipped { why: String::new() }] {
        let mut state = JobState::default();
        state.settle(at("2026-05-10T00:00:00Z"));
        run(&mut state, &job, &outcome, at("2026-05-10T09:00:00Z"));
        let open = state.not_before.unwrap();
        assert_eq!(due(&job, &state, None, open), Due::Due);
        run(&mut state, &job, &Outcome::Done, open);
        let next = at("2026-05-11T09:00:00Z");
        assert_eq!(due(&job, &state, None, open), Due::NotYet { at: next });
    }
}

#[test]
fn what_is_refused_is_disabled_until_its_credential_is_another() {
    let (job, refused) = (hourly(), Outcome::Refused { why: "log in again".to_owned() });
    let mut state = JobState::default();
    state.begin(at(NOW));
    state.end(&job, &refused, Some("old".to_owned()), at(NOW));
    assert_eq!(why_not(&job, &state).as_deref(), Some("log in again"));
    assert_eq!(state.result.as_ref().map(LastResult::line), Some("refused: log in again"));
    for same in [Some("old"), None] {
        state.notices_change(same);
        assert!(state.disabled.is_some());
    }
    state.notices_change(Some("new"));
    assert_eq!(due(&job, &state, None, at(NOW)), Due::Due);
    // Where there was none that could be read, any that can be is another one.
    state.end(&job, &refused, None, at(NOW));
    state.notices_change(None);
    assert!(state.disabled.is_some());
    state.notices_change(Some("new"));
    assert_eq!(due(&job, &state, None, at(NOW)), Due::Due);
    state.disable("switched off");
    state.notices_change(Some("newer"));
    assert_eq!(why_not(&job, &state).as_deref(), Some("switched off"));
}

#[test]
fn a_killed_pass_is_a_failed_run() {
    let (mut job, mut state) = (hourly(), JobState::default());
    state.begin(at(NOW));
    state.settle(at(NOW));
    assert_eq!((state.failures, state.running_since), (1, None));
    assert_eq!(wait(&state), Some(5 * MINUTE));
    assert_eq!(state.result.as_ref().map(LastResult::line), Some("failed: the pass was killed"));
    let once = state.clone();
    state.settle(at(NOW));
    assert_eq!(state, once, "it is found once");
    job.disable_after = 1;
    assert_eq!(why_not(&job, &state).as_deref(), Some("failed once: the pass was killed"));
}

#[test]
fn the_first_pass_is_remembered() {
    let mut state = JobState::default();
    state.settle(at(NOW));
    state.settle(at(NOW).after(DAY));
    assert_eq!(state, JobState { seen: Some(at(NOW)), ..JobState::default() });
}

#[test]
fn a_clock_that_was_set_back_begins_the_interval_anew() {
    let (job, mut state) = (hourly(), JobState::default());
    run(&mut state, &job, &Outcome::Done, at(NOW));
    let back = at(NOW).earlier(365 * DAY);
    state.settle(back);
    assert_eq!([state.seen, state.last_run, state.last_done], [Some(back); 3]);
    assert_eq!(due(&job, &state, None, back), Due::NotYet { at: back.after(HOUR) });
}

#[test]
fn a_clock_that_was_set_back_leaves_waits_as_long_as_they_were() {
    let (job, mut state) = (hourly(), JobState::default());
    run(&mut state, &job, &limited(Some(at(NOW).after(DAY))), at(NOW));
    let back = at(NOW).earlier(365 * DAY);
    state.settle(back);
    assert_eq!(state.not_before, Some(back.after(DAY)));
    state.settle(back.after(HOUR));
    assert_eq!(state.not_before, Some(back.after(DAY)));
}

#[test]
fn a_clock_that_begins_in_another_year_undoes_nothing_once_it_is_right() {
    let (hourly, day) = (hourly(), job(When::Daily(minute("09:00"))));
    let wrong = at(NOW).earlier(400 * DAY);
    let mut state = JobState::default();
    run(&mut state, &hourly, &Outcome::Done, at(NOW));
    run(&mut state, &hourly, &limited(Some(at(NOW).after(DAY))), at(NOW).after(MINUTE));
    let mut done = JobState::default();
    run(&mut done, &day, &Outcome::Done, at(NOW));
    let (before, before_done) = (state.clone(), done.clone());
    for pass in 0..3 {
        state.settle(wrong.after(pass * MINUTE));
        done.settle(wrong.after(pass * MINUTE));
    }
    let right = at(NOW).after(2 * MINUTE);
    state.settle(right);
    done.settle(right);
    assert_eq!(state.not_before, before.not_before, "what a provider has said");
    assert_eq!(state.last_done, before.last_done);
    assert_eq!(done.slot, before_done.slot, "the day was done");
    assert_eq!((state.ahead, done.ahead), (None, None));
    // Whoever enables it in between wants no wait back.
    let mut state = before;
    state.settle(wrong);
    state.enable();
    state.settle(right);
    assert_eq!(state.not_before, None);
}

#[test]
fn a_clock_that_was_set_back_leaves_the_wait_of_what_never_ran_as_it_was() {
    let (job, mut state) = (hourly(), JobState::default());
    state.settle(at(NOW).after(9 * DAY));
    state.seen = None;
    // Skipped, without a run.
    state.end(&job, &Outcome::Skipped { why: String::new() }, None, at(NOW).after(9 * DAY));
    state.settle(at(NOW));
    assert_eq!(state.not_before, Some(at(NOW).after(2 * MINUTE)));
}

#[test]
fn what_was_done_and_did_not_move_its_expiry_waits_and_is_done() {
    let job = job(When::BeforeExpiry(HOUR));
    for (until, minutes) in [(20 * MINUTE, 20), (MINUTE, 5)] {
        let mut state = JobState { failures: 2, ..JobState::default() };
        run(&mut state, &job, &Outcome::Unmoved { until: at(NOW).after(until) }, at(NOW));
        assert_eq!((wait(&state), state.failures), (Some(minutes * MINUTE), 0));
        assert_eq!(state.last_done, Some(at(NOW)));
    }
}

#[test]
fn a_clock_that_was_set_back_by_hours_repeats_no_day() {
    let (job, mut state) = (job(When::Daily(minute("09:00"))), JobState::default());
    state.settle(at("2026-05-09T10:00:00Z"));
    run(&mut state, &job, &Outcome::Done, at("2026-05-10T09:00:00Z"));
    let next = Due::NotYet { at: at("2026-05-11T09:00:00Z") };
    for now in ["2026-05-10T08:00:00Z", "2026-05-10T09:00:00Z", "2026-05-11T08:59:59Z"] {
        state.settle(at(now));
        assert_eq!(due(&job, &state, None, at(now)), next, "{now}");
    }
    // By a week, it must not wait for that week to pass.
    state.settle(at("2026-05-03T08:00:00Z"));
    assert_eq!(due(&job, &state, None, at("2026-05-03T09:00:00Z")), Due::Due);
}

#[test]
fn a_state_survives_being_written() {
    let (job, mut state) = (job(When::Daily(minute("09:00"))), JobState::default());
    assert_eq!(serde_json::from_str::<JobState>("{}").unwrap(), state);
    for outcome in [Outcome::Done, failed(), limited(Some(at(NOW).after(DAY)))] {
        run(&mut state, &job, &outcome, at(NOW));
    }
    state.begin(at(NOW));
    state.disabled = Some(Disabled {
        why: "so".to_owned().into(),
        credential: Some("ab".to_owned()),
        refused: true,
    });
    let text = serde_json::to_string(&state).unwrap();
    assert!(text.contains("\"last_run\":\"2026-05-10T12:00:00.000Z\""), "{text}");
    assert_eq!(serde_json::from_str::<JobState>(&text).unwrap(), state);
    let text = serde_json::to_string(&JobState::default()).unwrap();
    assert!(text.contains("\"last_run\":null"), "{text}");
    for broken in ["{\"seen\":\"yesterday\"}", "{\"seen\":5}", "{\"failures\":-1}"] {
        assert!(serde_json::from_str::<JobState>(broken).is_err(), "{broken}");
    }
}

#[test]
fn a_wait_without_end_is_not_lost_when_it_is_written() {
    let mut state = JobState::default();
    run(&mut state, &hourly(), &limited(Some(Timestamp::MAX)), at(NOW));
    let text = serde_json::to_string(&state).unwrap();
    let read: JobState = serde_json::from_str(&text).unwrap();
    assert!(read.not_before > Some(at("9999-12-31T00:00:00Z")));
}

#[test]
fn a_reason_is_one_short_line() {
    let why = format!("first\nsecond\t\u{1b}[31m {}", "x".repeat(500));
    let shown = Outcome::Failed { why }.to_string();
    assert!(shown.starts_with("failed: first second [31m xxx"), "{shown}");
    assert!(shown.chars().count() < 220 && !shown.contains(char::is_control));
}

#[test]
fn a_slot_of_up_to_a_day_ahead_is_not_forgotten() {
    let now = at("2026-05-10T12:00:00Z");
    for (ahead, slot) in [(DAY, now.after(DAY)), (DAY + Duration::from_secs(1), now)] {
        let mut state = JobState { slot: Some(now.after(ahead)), ..JobState::default() };
        state.settle(now);
        assert_eq!(state.slot, Some(slot), "{ahead:?}");
    }
}

#[test]
fn stored_lines_keep_their_text_and_are_read_as_kinds() {
    for (line, kind) in [
        ("done", Some(OutcomeKind::Done)),
        ("done, but it still expires at the same time", Some(OutcomeKind::Done)),
        ("later: busy", Some(OutcomeKind::Later)),
        ("failed: no network", Some(OutcomeKind::Failed)),
        ("rate limited: 5-hour limit", Some(OutcomeKind::RateLimited)),
        ("refused: log in again", Some(OutcomeKind::Refused)),
        ("skipped: unknown", Some(OutcomeKind::Skipped)),
        ("something from another version", None),
    ] {
        let stored = serde_json::json!(line);
        let result: LastResult = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!((result.kind, result.line()), (kind, line));
        assert_eq!(serde_json::to_value(&result).unwrap(), stored);
    }
    for (why, is_by_user) in [("by the user", true), ("by its user", true), ("failed once", false)]
    {
        let stored = serde_json::json!({"why": why, "credential": null, "refused": false});
        let disabled: Disabled = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(serde_json::to_value(&disabled).unwrap(), stored);
        let state = JobState { disabled: Some(disabled), ..JobState::default() };
        assert_eq!(state.is_disabled_by_user(), is_by_user, "{why}");
    }
}
