//! A year on a machine whose clock is set forward and back, by up to ten hours from the truth.
//!
//! Setting it forward cannot be told from sleep, so an interval may seem to be over that is not;
//! it never is by more than the clock was set forward.

use super::world::{PLACES, Random, World, YEAR, of_day, quiet};
use super::*;

/// How far the clock may be off, in minutes.
const OFF: usize = 600;

const SILENCE: Option<(i64, i64)> = Some((1350, 375));

/// What a pass sees.
struct Pass {
    /// The true minute.
    minute: usize,
    /// The one that the clock tells.
    told: usize,
    /// By how many minutes the clock has been set forward so far.
    forward: usize,
    /// How often the clock has been set so far.
    steps: usize,
}

/// Calls `pass` for each minute at which the machine is awake.
fn passes(random: &mut Random, mut pass: impl FnMut(&Pass, &mut Random)) {
    let awake = World::awake(random);
    let (mut off, mut forward, mut steps) = (OFF, 0, 0);
    for minute in (OFF..YEAR - 2 * OFF).filter(|minute| awake[*minute]) {
        if random.below(2000) == 0 {
            let set = random.below(2 * OFF);
            forward += set.saturating_sub(off);
            steps += 1;
            off = set;
        }
        pass(&Pass { minute, told: minute + off - OFF, forward, steps }, random);
    }
    assert!(steps > 100);
}

#[test]
fn an_interval_is_neither_cut_short_nor_stretched_for_long() {
    for (seed, place) in (7_u64..).zip([PLACES[0], PLACES[2], PLACES[5]]) {
        let world = World::new(place);
        let every = 90;
        let mut job = job(When::Every(90 * MINUTE));
        (job.zone, job.silence) = (zone(place.0), quiet(SILENCE));
        let (mut state, mut runs) = (JobState::default(), 0);
        let (mut last, mut waited, mut idle_steps) = (None, 0, 0);
        passes(&mut Random(seed), |pass, _| {
            let now = world.time(pass.told);
            state.settle(now);
            match due(&job, &state, None, now) {
                Due::Due => {
                    assert!(!world.is_silent(pass.told, SILENCE));
                    if let Some((minute, forward)) = last {
                        let elapsed = pass.minute - minute + pass.forward - forward;
                        assert!(elapsed >= every, "{elapsed} minutes at {now:?}");
                    }
                    state.begin(now);
                    state.end(&job, &Outcome::Done, None, now);
                    last = Some((pass.minute, pass.forward));
                    (waited, idle_steps) = (0, pass.steps);
                    runs += 1;
                }
                Due::NotYet { .. } => {
                    // Only the minutes of which there were passes: what was slept is no wait.
                    waited += 1;
                    let allowed = every * (1 + pass.steps - idle_steps);
                    assert!(waited <= allowed, "{waited} minutes at {now:?}");
                }
                Due::Silent { .. } => {
                    assert!(world.is_silent(pass.told, SILENCE));
                    (waited, idle_steps) = (0, pass.steps);
                }
                Due::Disabled { why } => panic!("{why}"),
            }
        });
        assert!(runs > 1000);
    }
}

#[test]
fn a_day_is_done_once_however_often_the_clock_shows_it() {
    for (seed, place) in (70_u64..).zip(PLACES) {
        let world = World::new(place);
        let slots = world.slots(540);
        let mut job = job(When::Daily(of_day(540)));
        (job.zone, job.silence) = (zone(place.0), quiet(SILENCE));
        let mut state = JobState::default();
        let mut done = Vec::new();
        let mut next = world.time(0);
        let mut steps = 0;
        passes(&mut Random(seed), |pass, random| {
            let now = world.time(pass.told);
            if pass.steps == steps && now < next && random.below(64) > 0 {
                return;
            }
            steps = pass.steps;
            state.settle(now);
            let current = slots.partition_point(|slot| *slot <= pass.told);
            match due(&job, &state, None, now) {
                Due::Due => {
                    assert!(!world.is_silent(pass.told, SILENCE));
                    assert!(done.last() < Some(&current), "day {current} again at {now:?}");
                    done.push(current);
                    state.begin(now);
                    state.end(&job, &Outcome::Done, None, now);
                    next = now;
                }
                Due::NotYet { at } => {
                    let is_done = done.last() >= Some(&current);
                    assert!(is_done || done.is_empty(), "day {current} is not done at {now:?}");
                    next = at;
                }
                Due::Silent { until } => next = until,
                Due::Disabled { why } => panic!("{why}"),
            }
        });
        assert!(done.len() > 250, "{}", done.len());
    }
}
