//! Runs that are killed at any moment: the map stays whole, and what went can be put back.

use rustix::process::{Signal, kill_process};
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::thread;
use std::time::{Duration, Instant};

use crate::child::{both, bounded, cleaned, finish, mapped, pid, start};
use crate::env::{DAY, MINUTE, TestEnv};

const ROUNDS: u32 = 60;

/// No more rounds are begun after this.
const LONG: Duration = Duration::from_secs(20);

/// The numbers of the chats of each model in the map below.
const CHATS: u32 = 150;

/// Every third session is active.
fn is_active(number: u32) -> bool {
    number % 3 == 1
}

fn id(model: usize, number: u32) -> String {
    format!("0192f3a4-5b6c-4d8e-9f0{model}-{number:012}")
}

/// A map of those numbers under three models, in an order that no sorting gives.
fn map(stays: impl Fn(u32) -> bool) -> String {
    let mut map = String::from("{");
    for (model, name) in ["codex-cli", "claude-cli", "gemini-cli"].iter().enumerate() {
        let comma = if model > 0 { "," } else { "" };
        write!(map, "{comma}\n\"{name}\": {{").unwrap();
        let mut comma = "";
        for number in (0..CHATS).map(|number| number * 77 % CHATS).filter(|number| stays(*number)) {
            write!(map, "{comma}\n  \"chat {number}\": \"{}\"", id(model, number)).unwrap();
            comma = ",";
        }
        map.push_str("\n}");
    }
    map.push_str("\n}\n");
    map
}

/// A home with all of these sessions.
fn home() -> TestEnv {
    let env = TestEnv::new();
    for (model, provider) in ["codex", "claude", "gemini"].iter().enumerate() {
        for number in 0..CHATS {
            let age = if is_active(number) { MINUTE } else { DAY };
            if *provider == "gemini" {
                // All ids begin alike, and a name holds only that.
                let line = format!("{{\"sessionId\":\"{}\"}}\n", id(model, number));
                let name = format!("session-2026-01-05T10-00-00-{number:03}-0192f3a4.jsonl");
                env.file(&format!(".gemini/tmp/w/chats/{name}"), line, age);
            } else {
                env.session(provider, &id(model, number), age);
            }
        }
    }
    env
}

/// Values and the order of keys, without white space between them.
fn squeezed(bytes: &[u8]) -> String {
    let _: Value = serde_json::from_slice(bytes).unwrap();
    String::from_utf8(bytes.to_vec()).unwrap().split_whitespace().collect()
}

/// Starts that run, kills it after so long, and returns what then is in the map.
#[track_caller]
fn kill(env: &TestEnv, line: &str, after: Duration) -> String {
    let child = start(&mut env.command(line.split(' ')));
    thread::sleep(after);
    // It may be over.
    let _ = kill_process(pid(&child), Signal::KILL);
    let ran = finish(child);
    assert!(matches!(ran.code, -1 | 0), "{ran:?}");
    squeezed(&env.map_bytes())
}

/// When to kill a run: around the moment at which the last ones have changed the map.
struct Moment {
    change: Duration,
    /// How many killed runs had not changed the map, and how many had.
    seen: [u32; 2],
}

impl Moment {
    /// Any moment of the run in one round, in the next one close to the change.
    fn random(&self, round: u32) -> Duration {
        let random = f64::from(RandomState::new().hash_one(round).to_ne_bytes()[0]) / 255.0;
        self.change.mul_f64(if round.is_multiple_of(2) { 2.0 * random } else { 0.8 + 0.4 * random })
    }

    fn saw(&mut self, is_new: bool) {
        self.seen[usize::from(is_new)] += 1;
        self.change = self.change.mul_f64(if is_new { 0.9 } else { 1.1 });
    }
}

/// Every line that the first killed run has written to that file is whole, but perhaps the last.
#[track_caller]
fn check_lines(env: &TestEnv, name: &str) {
    let text = fs::read_to_string(env.path("state").join(name)).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    for line in whole.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "in {name}: {line}");
    }
}

#[test]
fn killed_at_any_moment_a_clean_and_an_undo_leave_nothing_that_cannot_be_put_right_w1_w7_w10() {
    let env = home();
    let (before, after) = (map(|_| true), map(is_active));
    let (clean, undo) = ("clean -q --state-dir state", "undo --state-dir state");
    let run = |line: &str| {
        let started = Instant::now();
        bounded(&mut env.command(line.split(' '))).exits(0);
        assert!(env.litter().is_empty(), "{:?}", env.litter());
        started.elapsed()
    };
    env.map(&before);
    let mut moments =
        [run(clean), run(undo)].map(|took| Moment { change: took, seen: Default::default() });
    assert_eq!(squeezed(&env.map_bytes()), squeezed(before.as_bytes()));
    let (before, after) = (squeezed(before.as_bytes()), squeezed(after.as_bytes()));
    let started = Instant::now();
    for round in 0..ROUNDS {
        let has_seen_all = moments.iter().all(|moment| !moment.seen.contains(&0));
        if has_seen_all && started.elapsed() > LONG {
            break;
        }
        // Else what the last round has put back would be pinned.
        fs::remove_dir_all(env.path("state")).unwrap();
        env.map(map(|_| true));
        let [cleans, undoes] = &mut moments;
        let delay = cleans.random(round);
        let now = kill(&env, clean, delay);
        assert!(now == after || now == before, "clean after {delay:?}: {now}");
        cleans.saw(now == after);
        check_lines(&env, "removals.jsonl");
        check_lines(&env, "runs.jsonl");
        run(clean);
        assert_eq!(squeezed(&env.map_bytes()), after, "clean after {delay:?}");
        let delay = undoes.random(round);
        let now = kill(&env, undo, delay);
        assert!(now == after || now == before, "undo after {delay:?}: {now}");
        undoes.saw(now == before);
        check_lines(&env, "restored.jsonl");
        // What the undo has put back is kept, whether or not it came to its end.
        run(clean);
        assert_eq!(squeezed(&env.map_bytes()), now, "undo after {delay:?}");
        run(undo);
        assert_eq!(squeezed(&env.map_bytes()), before, "undo after {delay:?}");
    }
    let seen = moments.map(|moment| moment.seen);
    assert!(!seen.as_flattened().contains(&0), "{seen:?} in {:?}", started.elapsed());
}

#[test]
fn half_a_line_of_a_killed_run_does_not_spoil_the_next_w10() {
    let env = mapped();
    let journal = env.path("state/removals.jsonl");
    env.run("clean --state-dir state").exits(0);
    let whole = fs::read(&journal).unwrap();
    for torn in [1, whole.len() / 2, whole.len() - 2, whole.len() - 1] {
        fs::remove_dir_all(env.path("state")).unwrap();
        fs::create_dir(env.path("state")).unwrap();
        fs::write(&journal, &whole[..torn]).unwrap();
        env.map(both());
        env.run("clean --state-dir state").exits(0);
        assert_eq!(env.map_bytes(), cleaned().as_bytes());
        env.run("undo --state-dir state").exits(0);
        assert_eq!(env.map_bytes(), both().as_bytes(), "{torn} of {} bytes", whole.len());
    }
}
