//! How often a pass comes.

use super::*;

#[test]
fn passes_come_often_enough_for_every_job() {
    let minutes = |jobs: &[Job]| pace(jobs).as_secs() / 60;
    let every = |span| job(When::Every(span));
    for (span, expected) in [
        (MINUTE, 1),
        (5 * MINUTE, 1),
        (12 * MINUTE, 2),
        (30 * MINUTE, 5),
        (HOUR, 10),
        (5 * HOUR, 15),
        (DAY, 15),
    ] {
        assert_eq!(minutes(&[every(span)]), expected, "{span:?}");
    }
    let before = |span| job(When::BeforeExpiry(span));
    for (span, expected) in [(Duration::ZERO, 1), (5 * MINUTE, 1), (HOUR, 15)] {
        assert_eq!(minutes(&[before(span)]), expected, "{span:?}");
    }
    let daily = job(When::Daily(minute("09:00")));
    assert_eq!(minutes(std::slice::from_ref(&daily)), 5);
    assert_eq!(minutes(&[every(DAY), daily, every(HOUR)]), 5, "the shortest counts");
    assert_eq!(minutes(&[]), 15);
}

#[test]
fn at_that_pace_an_interval_job_runs_nearly_as_often_as_it_should() {
    for span in [6 * MINUTE, 20 * MINUTE, HOUR, 7 * HOUR] {
        let (job, mut state) = (job(When::Every(span)), JobState::default());
        let (start, step) = (at("2026-01-01T00:00:00Z"), pace(std::slice::from_ref(&job)));
        let mut runs = 0;
        for pass in 0..u32::try_from(14 * DAY.as_secs() / step.as_secs()).unwrap() {
            // A timer is a little late, now more and now less.
            let now = start.after(step * pass).after(Duration::from_millis(u64::from(pass % 7)));
            state.settle(now);
            if due(&job, &state, None, now) == Due::Due {
                runs += 1;
                state.begin(now);
                state.end(&job, &Outcome::Done, None, now.after(Duration::from_secs(3)));
            }
        }
        let wanted = 14 * DAY.as_secs() / span.as_secs();
        assert!(runs <= wanted + 1 && runs * 6 >= wanted * 5, "{span:?}: {runs} of {wanted}");
    }
}
