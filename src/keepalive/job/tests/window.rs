//! What a ping on Claude's web page leaves behind: when its usage window ends, and conversations.

use super::*;

const NOW: &str = "2026-05-10T12:00:00Z";

fn ping(when: When) -> Job {
    let origin = "https://claude.ai".to_owned();
    Job { action: Action::ClaudeWebPing(WebPing { origin, key_file: None }), ..job(when) }
}

fn answered(window_ends: Option<Timestamp>) -> Outcome {
    Outcome::Answered { window_ends, warning: None }
}

#[track_caller]
fn next(job: &Job, state: &JobState) -> Timestamp {
    match due(job, state, None, at(NOW)) {
        Due::NotYet { at } => at,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_next_ping_comes_just_after_the_window_and_else_at_the_interval() {
    let soon = Duration::from_secs(30);
    for every in [HOUR, DAY] {
        let (job, mut state) = (ping(When::Every(every)), JobState::default());
        run(&mut state, &job, &answered(Some(at(NOW).after(2 * HOUR))), at(NOW));
        assert_eq!(next(&job, &state), at(NOW).after(2 * HOUR + soon));
        // The answer to the next one tells nothing.
        run(&mut state, &job, &answered(None), at(NOW));
        assert_eq!(next(&job, &state), at(NOW).after(every));
    }
    // No two are closer than a provider is to be asked.
    let (job, mut state) = (ping(When::Every(HOUR)), JobState::default());
    run(&mut state, &job, &answered(Some(at(NOW).after(soon))), at(NOW));
    assert_eq!(next(&job, &state), at(NOW).after(SMALLEST_GAP));
}

#[test]
fn a_window_counts_for_pings_at_an_interval_alone_and_no_longer_than_windows_are() {
    let window_ends = Some(at(NOW).after(2 * HOUR));
    let state = JobState { last_done: Some(at(NOW)), window_ends, ..JobState::default() };
    assert_eq!(next(&job(When::Every(HOUR)), &state), at(NOW).after(HOUR), "another action");
    let tomorrow = at("2026-05-11T09:00:00Z");
    assert_eq!(next(&ping(When::Daily(minute("09:00"))), &state), tomorrow);
    let set_back = JobState { window_ends: Some(at(NOW).after(300 * DAY)), ..state };
    assert_eq!(next(&ping(When::Every(HOUR)), &set_back), at(NOW).after(HOUR));
}

#[test]
fn a_ping_with_a_warning_is_done() {
    let (job, mut state) =
        (ping(When::Every(HOUR)), JobState { failures: 2, ..Default::default() });
    let warning = Some("left behind:\nHTTP 500".to_owned());
    run(&mut state, &job, &Outcome::Answered { window_ends: None, warning }, at(NOW));
    assert_eq!((state.last_done, state.failures), (Some(at(NOW)), 0));
    assert_eq!(state.result.as_ref().map(LastResult::line), Some("done: left behind: HTTP 500"));
    assert_eq!(answered(None).to_string(), "done");
}

#[test]
fn conversations_and_the_window_are_remembered_and_old_states_have_none() {
    let left = Conversation { organization: "o".to_owned(), id: "c".to_owned() };
    let window_ends = Some(at(NOW));
    let state = JobState { conversations: vec![left], window_ends, ..JobState::default() };
    let text = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<JobState>(&text).unwrap(), state);
    assert_eq!(serde_json::from_str::<JobState>("{}").unwrap(), JobState::default());
    let plain = serde_json::to_string(&JobState::default()).unwrap();
    assert!(!plain.contains("conversations") && !plain.contains("window"), "{plain}");
}
