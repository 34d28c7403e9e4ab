//! Whole years of minutes over every mode in places where clocks change, with a machine that
//! sleeps: every run is where counting minutes says it must be, and nowhere else.

use super::world::{PLACES, Random, World, YEAR, of_day, quiet};
use super::*;

/// How long a run takes.
const RUN: Duration = Duration::from_secs(20);

/// How long a login is good for, and its first one.
const LOGIN: Duration = Duration::from_secs(8 * 3600);

/// Around the hours at which clocks change, within them, and over midnight.
const SILENCES: [Option<(i64, i64)>; 6] =
    [None, Some((130, 170)), Some((110, 140)), Some((60, 420)), Some((1380, 1)), Some((1350, 375))];

/// Each place, with one of the silences.
fn every_place(mut check: impl FnMut(&Job, &World, &[bool], Option<(i64, i64)>, &mut Random)) {
    for ((place, silence), seed) in PLACES.into_iter().zip(SILENCES).zip(1..) {
        let (world, mut random) = (World::new(place), Random(seed));
        let awake = World::awake(&mut random);
        let mut job = job(When::Every(HOUR));
        (job.zone, job.silence) = (zone(place.0), quiet(silence));
        check(&job, &world, &awake, silence, &mut random);
    }
}

/// The minutes at which the job was run in passes at each minute at which the machine was awake.
/// Between, `due` is asked where it said that it would be due, and at random.
fn runs(job: &Job, world: &World, awake: &[bool], random: &mut Random) -> Vec<usize> {
    let (mut state, mut runs) = (JobState::default(), Vec::new());
    let mut expires = world.time(0).after(LOGIN);
    let mut next = world.time(0);
    for minute in (0..YEAR).filter(|minute| awake[*minute]) {
        let now = world.time(minute);
        if now < next && random.below(64) > 0 {
            continue;
        }
        state.settle(now);
        match due(job, &state, Some(expires), now) {
            Due::Due => {
                runs.push(minute);
                state.begin(now);
                expires = now.after(RUN).after(LOGIN);
                state.end(job, &Outcome::Done, None, now.after(RUN));
                next = now;
            }
            Due::NotYet { at } | Due::Silent { until: at } => next = at,
            Due::Disabled { why } => panic!("{why}"),
        }
    }
    runs
}

/// The minutes at which it should have been: the first at which the user is awake and nothing is
/// silent, from each time on at which it is wanted, which `again` tells after each run.
fn expected(
    world: &World,
    awake: &[bool],
    silence: Option<(i64, i64)>,
    first: Timestamp,
    again: impl Fn(Timestamp) -> Timestamp,
) -> Vec<usize> {
    let (mut wanted, mut runs) = (first, Vec::new());
    for (minute, awake) in awake.iter().enumerate() {
        let now = world.time(minute);
        if *awake && now >= wanted && !world.is_silent(minute, silence) {
            runs.push(minute);
            wanted = again(now.after(RUN));
        }
    }
    runs
}

#[test]
fn no_interval_job_runs_early_or_late() {
    every_place(|job, world, awake, silence, random| {
        for every in [HOUR, 5 * HOUR] {
            let job = Job { when: When::Every(every), ..job.clone() };
            let first = world.time(0);
            let expected = expected(world, awake, silence, first, |done| done.after(every));
            assert!(expected.len() > 500);
            assert_eq!(runs(&job, world, awake, random), expected, "{job:?}");
        }
    });
}

#[test]
fn what_expires_is_renewed_in_time_and_no_sooner() {
    every_place(|job, world, awake, silence, random| {
        let ahead = 5 * MINUTE;
        let job = Job { when: When::BeforeExpiry(ahead), ..job.clone() };
        let wanted = |done: Timestamp| done.after(LOGIN).earlier(ahead);
        let expected = expected(world, awake, silence, wanted(world.time(0)), wanted);
        assert!(expected.len() > 300);
        assert_eq!(runs(&job, world, awake, random), expected, "{job:?}");
    });
}

#[test]
fn each_daily_job_runs_once_a_day() {
    every_place(|job, world, awake, silence, random| {
        let seen = awake.iter().position(|awake| *awake).unwrap();
        for minute in [540, 150, 0, 1425] {
            let job = Job { when: When::Daily(of_day(minute)), ..job.clone() };
            let slots = world.slots(minute);
            let ends = slots.iter().skip(1).copied().chain([YEAR]);
            let days = slots.iter().copied().zip(ends).filter(|(slot, _)| *slot > seen);
            let run_at = |(slot, end): (usize, usize)| {
                (slot..end).find(|minute| awake[*minute] && !world.is_silent(*minute, silence))
            };
            let expected: Vec<usize> = days.filter_map(run_at).collect();
            assert!(expected.len() > 250);
            assert_eq!(runs(&job, world, awake, random), expected, "{job:?}");
        }
    });
}

/// Any end of a run, and for how long it rules out the next one. After a failure, one more than
/// `failures` in a row, nothing may be told of it: its pass was killed.
fn any_end(random: &mut Random, failures: u32, now: Timestamp) -> (Option<Outcome>, u32, Duration) {
    let why = String::new();
    let limit = u32::try_from(random.below(9)).unwrap() * HOUR;
    match random.below(7) {
        0 => (Some(Outcome::Done), 0, Duration::ZERO),
        1 => (Some(Outcome::Later { why, until: None }), failures, 5 * MINUTE),
        2 => {
            let until = Some(now.after(limit));
            (Some(Outcome::RateLimited { why, until }), failures, limit)
        }
        3 => (Some(Outcome::Skipped { why }), failures, SMALLEST_GAP),
        4 => (None, failures + 1, backoff(failures + 1)),
        _ => (Some(Outcome::Failed { why }), failures + 1, backoff(failures + 1)),
    }
}

#[test]
fn no_run_comes_sooner_than_the_last_one_allows() {
    every_place(|job, world, awake, silence, random| {
        for when in [When::Every(MINUTE), When::Daily(of_day(540)), When::BeforeExpiry(LOGIN)] {
            let action = Action::CliPing(Cli::Claude);
            let job = Job { when, action, disable_after: 4, ..job.clone() };
            let (mut state, mut free, mut failures) = (JobState::default(), world.time(0), 0);
            for minute in (0..YEAR / 24).filter(|minute| awake[*minute]) {
                let now = world.time(minute);
                state.settle(now);
                match due(&job, &state, Some(world.time(0)), now) {
                    Due::NotYet { at } | Due::Silent { until: at } => assert!(at > now),
                    Due::Disabled { why } => {
                        assert_eq!(failures, 4, "{why}");
                        state.enable();
                        (failures, free) = (0, state.last_run.unwrap().after(SMALLEST_GAP));
                    }
                    Due::Due => {
                        assert!(now >= free && !world.is_silent(minute, silence) && failures < 4);
                        let (outcome, row, pause) = any_end(random, failures, now);
                        (failures, free) = (row, now.after(pause.max(SMALLEST_GAP)));
                        state.begin(now);
                        if let Some(outcome) = outcome {
                            state.end(&job, &outcome, None, now);
                        }
                    }
                }
            }
        }
    });
}
