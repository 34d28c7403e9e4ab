//! D6: what would go is looked at once more right before it goes. A holder of the map stands in
//! the way here, and lets something happen between the plan and the removal.

use super::{A, B, GONE, USED};
use crate::env::{DAY, MINUTE, TestEnv, set_age};
use serde_json::{Value, json};
use session_warden::clean::{Run, run_on};
use session_warden::config::{Environment, Layer, Settings};
use session_warden::map::{Access, FileMap, MapStore, Removal, RemovalGuard, Source};
use session_warden::model::{
    Action, Clock, Exit, Failure, MappingIdx, SessionMap, State, Timestamp, Warning, WarningCode,
};
use session_warden::os::interrupt::Interrupt;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// The map's file, and what happens right before anything goes from it.
struct Meddler {
    file: FileMap,
    meddle: Box<dyn Fn()>,
}

impl MapStore for Meddler {
    fn source(&self) -> Source {
        self.file.source()
    }

    fn map(&self) -> Option<&SessionMap> {
        self.file.map()
    }

    fn map_now(&self) -> Result<Option<SessionMap>, Failure> {
        self.file.map_now()
    }

    fn owner(&self) -> Option<u32> {
        self.file.owner()
    }

    fn real_path(&self) -> Option<PathBuf> {
        self.file.real_path()
    }

    fn warnings(&self) -> Vec<Warning> {
        self.file.warnings()
    }

    fn remove(
        &self,
        going: &[MappingIdx],
        guard: &mut dyn RemovalGuard,
    ) -> Result<Removal, Failure> {
        (self.meddle)();
        self.file.remove(going, guard)
    }
}

/// Cleans the map, with `meddle` happening between the plan and the removal.
fn clean(env: &TestEnv, meddle: impl Fn() + 'static) -> Run {
    clean_by(env, Clock::Mtime, meddle)
}

fn clean_by(env: &TestEnv, clock: Clock, meddle: impl Fn() + 'static) -> Run {
    let mut flags = Layer::default();
    flags.ask.clock = Some(clock);
    flags.ask.place.map.map = Some(env.map_path());
    flags.ask.place.home = Some(env.home(""));
    flags.state.state_dir = Some(env.path("state"));
    let none = Environment::from(|name| (name == "HOME").then(|| env.path("nowhere").into()));
    let (config, _) = Settings::read(None, none, false).unwrap().resolve(&flags, None).unwrap();
    let interrupt = Interrupt::default();
    let file = FileMap::open(env.map_path(), Access::Change, interrupt.clone()).unwrap();
    let holder = Meddler { file, meddle: Box::new(meddle) };
    run_on(Box::new(holder), &config, None, SystemTime::now().into(), &interrupt).unwrap()
}

/// Asserts what the report says of that chat.
#[track_caller]
fn says(run: &Run, chat: &str, (state, action, reason): (State, Action, &str)) {
    let report = run.report();
    let row = report.rows().find(|row| row.mapping.chat.0 == chat).unwrap();
    assert_eq!((row.state, row.action), (state, action), "{chat}: {row:?}");
    assert_eq!(row.reason.to_string(), reason, "{chat}: {row:?}");
}

const USED_MEANWHILE: (State, Action, &str) = (State::Active, Action::Kept, "used meanwhile");

/// The codex file of that id, as it lies under its date.
fn rollout(env: &TestEnv, id: &str, ending: &str) -> PathBuf {
    env.home(&format!(".codex/sessions/2026/01/05/rollout-2026-01-05T10-00-00-{id}{ending}"))
}

/// Maps A and B in `model`, and one that is in use.
fn map(env: &TestEnv, model: &str) {
    env.map(json!({ model: { "a": A, "b": B, "used": USED } }).to_string());
}

#[track_caller]
fn left(env: &TestEnv, model: &str, chats: &Value) {
    assert_eq!(env.map_now(), json!({ model: chats }));
}

#[test]
fn without_a_meddler_the_idle_go() {
    let env = super::two("claude");
    env.session("claude", B, DAY);
    map(&env, "claude-cli");
    let run = clean(&env, || {});
    assert_eq!(run.exit(), Exit::Done);
    says(&run, "a", (State::Idle, Action::Removed, "idle"));
    left(&env, "claude-cli", &json!({ "used": USED }));
}

#[test]
fn what_is_used_meanwhile_stays_and_the_rest_goes_d6() {
    for (provider, model, _) in super::ALL {
        let env = super::two(provider);
        let touched = env.session(provider, A, DAY);
        env.session(provider, B, DAY);
        map(&env, model);
        let run = clean(&env, move || set_age(&touched, 0));
        assert_eq!(run.exit(), Exit::Done, "{provider}");
        says(&run, "a", USED_MEANWHILE);
        says(&run, "b", (State::Idle, Action::Removed, "idle"));
        // What the report tells of it is what the second look has seen.
        let report = run.report();
        let row = report.rows().find(|row| row.mapping.chat.0 == "a").unwrap();
        assert!(row.idle_seconds < Some(MINUTE), "{row:?}");
        assert_eq!(report.summary().removed, 1);
        left(&env, model, &json!({ "a": A, "used": USED }));
    }
}

#[test]
fn by_record_only_a_record_that_is_written_meanwhile_keeps_a_session_d6() {
    let env = super::two("claude");
    let line = |time: SystemTime| {
        let time = Timestamp::from(time).rfc3339().unwrap();
        format!("{{\"type\":\"user\",\"timestamp\":\"{time}\"}}\n")
    };
    let old = line(SystemTime::now() - Duration::from_secs(DAY));
    let file = |id: &str| env.file(&format!(".claude/projects/-w/{id}.jsonl"), &old, MINUTE);
    let (used, touched) = (file(A), file(B));
    map(&env, "claude-cli");
    let run = clean_by(&env, Clock::Record, move || {
        let new = line(SystemTime::now());
        fs::write(&used, format!("{old}{new}")).unwrap();
        fs::write(&touched, format!("{old}{{\"type\":\"summary\"}}\n")).unwrap();
    });
    assert_eq!(run.exit(), Exit::Done);
    says(&run, "a", USED_MEANWHILE);
    says(&run, "b", (State::Idle, Action::Removed, "idle by record"));
    left(&env, "claude-cli", &json!({ "a": A, "used": USED }));
}

#[test]
fn where_all_that_would_go_is_used_meanwhile_nothing_is_written_d6() {
    let env = super::two("claude");
    let touched = env.session("claude", A, DAY);
    env.map(json!({ "claude-cli": { "a": A, "used": USED } }).to_string());
    let before = env.map_bytes();
    let run = clean(&env, move || set_age(&touched, 0));
    assert_eq!(run.exit(), Exit::Done);
    assert!(!run.has_changed_the_map());
    says(&run, "a", USED_MEANWHILE);
    assert_eq!(env.map_bytes(), before);
    assert_eq!(env.litter(), Vec::<String>::new());
}

#[test]
fn a_subagent_that_starts_meanwhile_keeps_its_session_d6() {
    let env = super::two("claude");
    env.session("claude", B, DAY);
    map(&env, "claude-cli");
    let path = env.home(&format!(".claude/projects/-w/{A}/subagents/agent-0a1b2c3.jsonl"));
    let run = clean(&env, move || {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "{}\n").unwrap();
    });
    assert_eq!(run.exit(), Exit::Done);
    says(&run, "a", USED_MEANWHILE);
    left(&env, "claude-cli", &json!({ "a": A, "used": USED }));
}

#[test]
fn a_missing_session_whose_file_appears_stays_d6() {
    for (provider, model, _) in super::ALL {
        let env = super::two(provider);
        // Where it will be: made, moved away, and moved back in time.
        let place = env.session(provider, GONE, 0);
        let away = env.home("away");
        fs::rename(&place, &away).unwrap();
        env.map(json!({ model: { "gone": GONE, "b": B, "used": USED } }).to_string());
        let run = clean(&env, move || fs::rename(&away, &place).unwrap());
        assert_eq!(run.exit(), Exit::Done, "{provider}");
        says(&run, "gone", USED_MEANWHILE);
        says(&run, "b", (State::Missing, Action::Removed, "no session file"));
        left(&env, model, &json!({ "gone": GONE, "used": USED }));
    }
}

#[test]
fn a_compressed_session_that_is_turned_back_stays_d6() {
    let env = super::two("codex");
    let (packed, plain) = (rollout(&env, B, ".jsonl.zst"), rollout(&env, B, ".jsonl"));
    fs::write(&packed, "x").unwrap();
    set_age(&packed, 9 * DAY);
    map(&env, "codex-cli");
    let run = clean(&env, move || {
        fs::rename(&packed, &plain).unwrap();
        set_age(&plain, 0);
    });
    assert_eq!(run.exit(), Exit::Done);
    says(&run, "b", USED_MEANWHILE);
    let report = run.report();
    let row = report.rows().find(|row| row.mapping.chat.0 == "b").unwrap();
    assert_eq!(row.file, Some(rollout(&env, B, ".jsonl").as_path()));
    left(&env, "codex-cli", &json!({ "b": B, "used": USED }));
}

#[test]
fn an_archived_session_that_is_taken_out_stays_d6() {
    let env = super::two("codex");
    let archived = env.file(
        &format!(".codex/archived_sessions/rollout-2026-01-05T10-00-00-{B}.jsonl"),
        "{}",
        DAY,
    );
    let back = rollout(&env, B, ".jsonl");
    map(&env, "codex-cli");
    let run = clean(&env, move || {
        fs::rename(&archived, &back).unwrap();
        set_age(&back, 0);
    });
    assert_eq!(run.exit(), Exit::Done);
    says(&run, "b", USED_MEANWHILE);
    left(&env, "codex-cli", &json!({ "b": B, "used": USED }));
}

#[test]
fn a_root_that_cannot_be_read_any_more_keeps_all_d6() {
    for (provider, model, root) in super::ALL {
        let env = super::two(provider);
        map(&env, model);
        let before = env.map_bytes();
        let (root, away) = (env.home(root), env.home("away"));
        let run = clean(&env, {
            let root = root.clone();
            move || {
                fs::rename(&root, &away).unwrap();
                fs::write(&root, "a file where a folder was").unwrap();
            }
        });
        assert_eq!(run.exit(), Exit::Partly, "{provider}");
        says(&run, "a", (State::Unknown, Action::Kept, "folder unreadable"));
        says(&run, "b", (State::Unknown, Action::Kept, "folder unreadable"));
        let is_it = |warning: &Warning| {
            warning.code == WarningCode::RootUnreadable && warning.path.as_ref() == Some(&root)
        };
        assert_eq!(run.warnings().iter().filter(|w| is_it(w)).count(), 1, "{provider}");
        assert_eq!(env.map_bytes(), before);
        assert_eq!(env.litter(), Vec::<String>::new());
    }
}

#[test]
fn a_session_that_a_process_comes_to_use_before_it_goes_stays_d6() {
    let env = TestEnv::new();
    let id = crate::in_use::fresh_id();
    let named = id.clone();
    env.session("claude", &id, DAY);
    env.session("claude", B, DAY);
    env.map(json!({"claude-cli": {"a": id, "b": B}}).to_string());
    let running = std::rc::Rc::new(std::cell::RefCell::new(None));
    let started = running.clone();
    let run = clean(&env, move || {
        *started.borrow_mut() = Some(crate::in_use::Running::with(&["--resume", &named]));
    });
    let report = run.report();
    let row = report.rows().find(|row| row.mapping.chat.0 == "a").unwrap();
    assert_eq!((row.state, row.action), (State::InUse, Action::Kept));
    assert!(running.borrow().is_some());
    assert_eq!(env.map_now(), json!({"claude-cli": {"a": id}}));
}
