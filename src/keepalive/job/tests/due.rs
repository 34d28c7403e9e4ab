//! Each rule of what is due, one second either side.

use super::*;

const NOW: &str = "2026-05-10T12:00:00Z";

fn second() -> Duration {
    Duration::from_secs(1)
}

/// It is due at `first`, and not before.
#[track_caller]
fn check(job: &Job, state: &JobState, expires: Option<Timestamp>, first: Timestamp) {
    let before = due(job, state, expires, first.earlier(second()));
    assert_eq!(before, Due::NotYet { at: first });
    assert_eq!(due(job, state, expires, first), Due::Due);
    assert_eq!(due(job, state, expires, first.after(second())), Due::Due);
}

#[test]
fn an_interval_begins_when_it_was_last_done() {
    let job = job(When::Every(HOUR));
    assert_eq!(due(&job, &JobState::default(), None, at(NOW)), Due::Due, "never done");
    let state = JobState { last_done: Some(at(NOW)), ..JobState::default() };
    check(&job, &state, None, at(NOW).after(HOUR));
    let slept = at(NOW).after(30 * DAY);
    assert_eq!(due(&job, &state, None, slept), Due::Due);
    let waits = JobState { not_before: Some(at(NOW).after(2 * HOUR)), ..state };
    check(&job, &waits, None, at(NOW).after(2 * HOUR));
    let never_done = JobState { not_before: Some(at(NOW)), ..JobState::default() };
    check(&job, &never_done, None, at(NOW));
}

#[test]
fn a_new_daily_job_waits_for_its_next_slot() {
    let job = job(When::Daily(minute("09:00")));
    let tomorrow = at("2026-05-11T09:00:00Z");
    let unseen = due(&job, &JobState::default(), None, at(NOW));
    assert_eq!(unseen, Due::NotYet { at: tomorrow });
    let state = JobState { seen: Some(at(NOW)), ..JobState::default() };
    check(&job, &state, None, tomorrow);
    let early = JobState { seen: Some(at("2026-05-10T08:00:00Z")), ..JobState::default() };
    check(&job, &early, None, at("2026-05-10T09:00:00Z"));
}

#[test]
fn a_daily_job_makes_up_for_what_was_slept_through_once() {
    let job = job(When::Daily(minute("09:00")));
    let mut state = JobState::default();
    state.settle(at("2026-05-01T00:00:00Z"));
    assert_eq!(due(&job, &state, None, at(NOW)), Due::Due);
    run(&mut state, &job, &Outcome::Done, at(NOW));
    check(&job, &state, None, at("2026-05-11T09:00:00Z"));
}

#[test]
fn a_slot_that_comes_while_yesterdays_is_run_is_still_open() {
    let job = job(When::Daily(minute("09:00")));
    let mut state = JobState::default();
    state.settle(at("2026-05-09T00:00:00Z"));
    state.begin(at("2026-05-10T08:59:50Z"));
    state.end(&job, &Outcome::Done, None, at("2026-05-10T09:00:10Z"));
    assert_eq!(due(&job, &state, None, at("2026-05-10T09:00:10Z")), Due::Due);
}

#[test]
fn a_job_that_becomes_daily_goes_by_when_it_was_done() {
    let job = job(When::Daily(minute("09:00")));
    let state = JobState {
        seen: Some(at("2026-01-01T00:00:00Z")),
        last_done: Some(at("2026-05-10T09:30:00Z")),
        ..JobState::default()
    };
    check(&job, &state, None, at("2026-05-11T09:00:00Z"));
}

#[test]
fn before_an_expiry_is_from_that_long_before_it() {
    let job = job(When::BeforeExpiry(5 * MINUTE));
    let expires = at(NOW);
    check(&job, &JobState::default(), Some(expires), expires.earlier(5 * MINUTE));
    assert_eq!(due(&job, &JobState::default(), Some(expires), expires.after(DAY)), Due::Due);
    let unknown = due(&job, &JobState::default(), None, at(NOW));
    assert_eq!(unknown, Due::NotYet { at: Timestamp::MAX });
}

#[test]
fn no_run_is_sooner_after_another_than_the_gap() {
    let mut job = job(When::Every(MINUTE));
    job.min_gap = HOUR;
    let state = JobState { last_run: Some(at(NOW)), ..JobState::default() };
    check(&job, &state, None, at(NOW).after(HOUR));
    job.min_gap = Duration::ZERO;
    assert_eq!(due(&job, &state, None, at(NOW)), Due::Due);
    for action in [Action::CliPing(Cli::Claude), Action::Refresh(Cli::Gemini)] {
        job.action = action;
        check(&job, &state, None, at(NOW).after(SMALLEST_GAP));
    }
    job.when = When::BeforeExpiry(HOUR);
    check(&job, &state, Some(at(NOW)), at(NOW).after(SMALLEST_GAP));
}

#[test]
fn silence_delays_what_would_be_due_and_nothing_else() {
    let mut job = job(When::Every(HOUR));
    job.silence = Some(silence("11:00", "14:00"));
    let end = at("2026-05-10T14:00:00Z");
    assert_eq!(due(&job, &JobState::default(), None, at(NOW)), Due::Silent { until: end });
    assert_eq!(due(&job, &JobState::default(), None, end), Due::Due);
    let state = JobState { last_done: Some(at("2026-05-10T10:30:00Z")), ..JobState::default() };
    let before = due(&job, &state, None, at("2026-05-10T11:29:59Z"));
    assert_eq!(before, Due::NotYet { at: end }, "it is told when it will really run");
    let since = due(&job, &state, None, at("2026-05-10T11:30:00Z"));
    assert_eq!(since, Due::Silent { until: end });
    let later = JobState { last_done: Some(at("2026-05-10T13:30:00Z")), ..JobState::default() };
    check(&job, &later, None, at("2026-05-10T14:30:00Z"));
}

#[test]
fn a_slot_in_silence_is_run_at_its_end() {
    let mut job = job(When::Daily(minute("23:30")));
    job.silence = Some(silence("23:00", "07:00"));
    let mut state = JobState::default();
    state.settle(at("2026-05-10T00:00:00Z"));
    let end = at("2026-05-11T07:00:00Z");
    let before = due(&job, &state, None, at("2026-05-10T23:29:59Z"));
    assert_eq!(before, Due::NotYet { at: end });
    let slot = due(&job, &state, None, at("2026-05-10T23:30:00Z"));
    assert_eq!(slot, Due::Silent { until: end });
    assert_eq!(due(&job, &state, None, end), Due::Due);
    run(&mut state, &job, &Outcome::Done, end);
    let next = due(&job, &state, None, end);
    assert_eq!(next, Due::NotYet { at: end.after(DAY) });
}

#[test]
fn what_is_disabled_is_never_due() {
    let mut job = job(When::Every(HOUR));
    job.silence = Some(silence("11:00", "14:00"));
    let mut state = JobState::default();
    state.disable("switched off");
    let why = "switched off".to_owned();
    assert_eq!(due(&job, &state, None, at(NOW)), Due::Disabled { why });
}

#[test]
fn jobs_and_clis_are_called_as_in_the_configuration() {
    assert_eq!(Cli::ALL.map(Cli::name), ["claude", "codex", "gemini"]);
    let actions =
        [job(When::Every(HOUR)).action, Action::CliPing(Cli::Codex), Action::Refresh(Cli::Codex)];
    assert_eq!(actions.map(|action| action.name()), ["command", "cli-ping", "refresh"]);
}
