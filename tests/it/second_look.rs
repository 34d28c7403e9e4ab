//! The second look recalls folders that have not changed, and sees all the same what a look with
//! fresh eyes would (D6).

use crate::env::{DAY, HOUR, MINUTE, TestEnv, set_age, set_written};
use serde_json::json;
use session_warden::model::plan::Observations;
use session_warden::model::{Clock, SessionMap, Timestamp};
use session_warden::os::interrupt::Interrupt;
use session_warden::provider::{Base, LookOptions, Memories, Owners, observe};
use std::fs;
use std::os::unix::fs::symlink;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

pub(crate) const CLAUDE: [&str; 3] = [
    "11111111-1111-4111-8111-111111111111",
    "22222222-2222-4222-8222-222222222222",
    "33333333-3333-4333-8333-333333333333",
];
/// Made on 2024-03-01, as a version 7 id tells.
pub(crate) const CODEX: &str = "018df76a-fb40-7000-8000-000000000000";
pub(crate) const GEMINI: &str = "44444444-4444-4444-8444-444444444444";
pub(crate) const DAY_OF_CODEX: &str = ".codex/sessions/2024/03/01";

pub(crate) fn home() -> TestEnv {
    let env = TestEnv::new();
    for id in &CLAUDE[..2] {
        env.file(&format!(".claude/projects/-w-{}/{id}.jsonl", &id[..1]), "{}\n", DAY);
    }
    env.file(&format!("{DAY_OF_CODEX}/rollout-2024-03-01T01-30-00-{CODEX}.jsonl"), "{}\n", DAY);
    env.file(&format!("{DAY_OF_CODEX}/sub/rollout-y-{CODEX}.jsonl"), "{}\n", DAY);
    env.file(".codex/sessions/z/q/notes", "", DAY);
    env.session("gemini", GEMINI, DAY);
    fs::create_dir(env.home(".gemini/tmp/empty")).unwrap();
    env.file(&format!(".claude/projects/-w-2/{}.jsonl", CLAUDE[2]), "", DAY);
    let side = format!("{{\"sessionId\":\"{}\"}}\n", CLAUDE[1]);
    env.file(".claude/projects/-w-2/agent-0.jsonl", side, 2 * DAY);
    env.file(&format!(".claude/projects/-w-2/{}/subagents/agent-a.jsonl", CLAUDE[1]), "", DAY);
    fs::write(env.path("target"), "").unwrap();
    symlink(env.path("target"), env.home(".claude/projects/-link")).unwrap();
    env.map(
        json!({
            "claude-cli": {"a": CLAUDE[0], "b": CLAUDE[1], "c": CLAUDE[2]},
            "codex-cli": {"d": CODEX},
            "gemini-cli": {"e": GEMINI},
        })
        .to_string(),
    );
    env
}

/// What is seen, of all mappings or of those at even places.
pub(crate) fn look(
    env: &TestEnv,
    map: &SessionMap,
    all: bool,
    memories: Option<&mut Memories>,
) -> Observations {
    let us = rustix::process::geteuid().as_raw();
    let now = SystemTime::now() - Duration::from_secs(2 * HOUR);
    observe(
        map,
        |mapping, _| all || mapping.0 % 2 == 0,
        &LookOptions {
            owners: Owners { us, map: Some(us) },
            clock: Clock::Mtime,
            interrupt: Interrupt::default(),
        },
        |_| Timestamp::from(now),
        memories,
        |provider| Ok(Base { folder: provider.in_home(&env.home("")), temporary: None }),
    )
    .unwrap()
}

/// A run that began so late that all folders had long been left alone.
pub(crate) fn later() -> Memories {
    Memories::new(Timestamp::from(SystemTime::now() + Duration::from_secs(60)))
}

pub(crate) fn told(seen: &Observations) -> String {
    format!("{:?} {:?} {:?}", seen.subjects, seen.providers, seen.warnings)
}

type Act = fn(&TestEnv);

/// What may happen between two looks, and what does it.
const ALL: [(&str, Act); 22] = [
    ("nothing", |_| {}),
    ("a link to a file leads to a folder", |env| {
        let target = env.path("target");
        fs::remove_file(&target).unwrap();
        fs::create_dir(&target).unwrap();
        fs::write(target.join(format!("{}.jsonl", CLAUDE[0])), "{}\n").unwrap();
    }),
    ("a file comes and its folder's mtime is put back", |env| {
        let folder = env.home(".claude/projects/-w-1");
        let before = fs::metadata(&folder).unwrap().modified().unwrap();
        fs::write(folder.join(format!("{}.jsonl", CLAUDE[1])), "{}\n").unwrap();
        set_written(&folder, before);
    }),
    ("an empty file grows", |env| {
        fs::write(env.home(&format!(".claude/projects/-w-2/{}.jsonl", CLAUDE[2])), "{}\n").unwrap();
    }),
    ("an old side file is written", |env| {
        set_age(&env.home(".claude/projects/-w-2/agent-0.jsonl"), MINUTE);
    }),
    ("a subagent goes on", |env| {
        let own = env.home(&format!(".claude/projects/-w-2/{}/subagents", CLAUDE[1]));
        fs::write(own.join("agent-b.jsonl"), "{}\n").unwrap();
    }),
    ("a rollout in a folder of that day is written", |env| {
        set_age(&env.home(&format!("{DAY_OF_CODEX}/sub/rollout-y-{CODEX}.jsonl")), MINUTE);
    }),
    ("a rollout comes into a folder of another kind", |env| {
        fs::write(env.home(&format!(".codex/sessions/z/q/rollout-x-{CODEX}.jsonl")), "{}\n")
            .unwrap();
    }),
    ("a project gets chats", |env| {
        let chats = env.home(".gemini/tmp/empty/chats");
        fs::create_dir(&chats).unwrap();
        let name = format!("session-2026-01-02T03-04-{}.jsonl", &GEMINI[..8]);
        fs::write(chats.join(name), format!("{{\"sessionId\":\"{GEMINI}\"}}\n")).unwrap();
    }),
    ("a file is written", |env| {
        set_age(&env.home(&format!(".claude/projects/-w-1/{}.jsonl", CLAUDE[0])), MINUTE);
    }),
    ("a rollout is written", |env| {
        let name = format!("rollout-2024-03-01T01-30-00-{CODEX}.jsonl");
        set_age(&env.home(&format!("{DAY_OF_CODEX}/{name}")), MINUTE);
    }),
    ("a file goes", |env| {
        let file = env.home(&format!(".claude/projects/-w-2/{}.jsonl", CLAUDE[1]));
        fs::remove_file(file).unwrap();
    }),
    ("a missing one comes into a known folder", |env| {
        fs::write(env.home(&format!(".claude/projects/-w-1/{}.jsonl", CLAUDE[2])), "{}\n").unwrap();
    }),
    ("a copy comes into another known folder", |env| {
        fs::write(env.home(&format!(".claude/projects/-w-2/{}.jsonl", CLAUDE[0])), "{}\n").unwrap();
    }),
    ("a copy comes into a new folder", |env| {
        fs::create_dir(env.home(".claude/projects/-w-new")).unwrap();
        let name = format!(".claude/projects/-w-new/{}.jsonl", CLAUDE[0]);
        fs::write(env.home(&name), "{}\n").unwrap();
    }),
    ("a folder is linked in", |env| {
        let elsewhere = env.path("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join(format!("{}.jsonl", CLAUDE[0])), "{}\n").unwrap();
        symlink(elsewhere, env.home(".claude/projects/-linked")).unwrap();
    }),
    ("a folder takes another's place", |env| {
        let projects = env.home(".claude/projects");
        fs::rename(projects.join("-w-1"), projects.join("-w-away")).unwrap();
        fs::rename(projects.join("-w-2"), projects.join("-w-1")).unwrap();
    }),
    ("subagents come", |env| {
        let own = env.home(&format!(".claude/projects/-w-1/{}/subagents", CLAUDE[0]));
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("agent-a.jsonl"), "{}\n").unwrap();
    }),
    ("a rollout comes on another day", |env| {
        let day = env.home(".codex/sessions/2024/03/02");
        fs::create_dir_all(&day).unwrap();
        let name = format!("rollout-2024-03-02T01-30-00-{CODEX}.jsonl");
        fs::write(day.join(name), "{}\n").unwrap();
    }),
    ("a rollout comes into a folder in that day", |env| {
        let below = env.home(&format!("{DAY_OF_CODEX}/moved"));
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join(format!("rollout-x-{CODEX}.jsonl")), "{}\n").unwrap();
    }),
    ("a session is archived", |env| {
        let name = format!("rollout-2024-03-01T01-30-00-{CODEX}.jsonl");
        fs::remove_dir_all(env.home(&format!("{DAY_OF_CODEX}/sub"))).unwrap();
        let archive = env.home(".codex/archived_sessions");
        fs::create_dir(&archive).unwrap();
        fs::rename(env.home(&format!("{DAY_OF_CODEX}/{name}")), archive.join(name)).unwrap();
    }),
    ("another file of one id comes", |env| {
        let chats = env.home(".gemini/tmp/again/chats");
        fs::create_dir_all(&chats).unwrap();
        let name = format!("session-2026-01-02T03-04-{}.jsonl", &GEMINI[..8]);
        fs::write(chats.join(name), format!("{{\"sessionId\":\"{GEMINI}\"}}\n")).unwrap();
    }),
];

#[test]
fn it_sees_whatever_has_happened_between_d6() {
    for (what, happens) in ALL {
        let env = home();
        let map = SessionMap::parse(env.map_bytes()).unwrap();
        let mut memories = later();
        let before = look(&env, &map, true, Some(&mut memories));
        // File systems count time in ticks of some milliseconds.
        sleep(Duration::from_millis(30));
        happens(&env);
        // Some of them first, as over a bridge, which lets go one at a time.
        for all in [false, true, false, true] {
            let again = look(&env, &map, all, Some(&mut memories));
            let fresh = look(&env, &map, all, None);
            assert_eq!(told(&again), told(&fresh), "{what}");
            assert!(what == "nothing" || !all || told(&again) != told(&before), "{what}");
        }
    }
}
