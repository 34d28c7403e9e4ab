//! Whatever others do to the folders of sessions between the looks of a run, the second look, which
//! recalls what has not changed, sees what a look with fresh eyes would (D6).

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use session_warden::model::SessionMap;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use crate::env::{DAY, MINUTE, TestEnv, set_age};
use crate::second_look::{CLAUDE, CODEX, DAY_OF_CODEX, GEMINI, home, later, look, told};

/// What somebody may do to a path, or to two.
#[derive(Debug, Clone, Copy)]
enum Act {
    Write,
    Empty,
    Touch,
    Age,
    Remove,
    MakeFolder,
    RenameTo,
    CopyTo,
    LinkTo,
}

/// Paths below a home that mean something to a look, and some that do not.
fn places() -> Vec<String> {
    let mut places = vec![
        ".claude/projects".to_owned(),
        ".codex/archived_sessions".to_owned(),
        ".codex/sessions/2024/03".to_owned(),
        ".codex/sessions/2024/04".to_owned(),
        ".codex/sessions/z/q".to_owned(),
        format!(".codex/archived_sessions/rollout-2024-03-01T01-30-00-{CODEX}.jsonl"),
        format!(".codex/sessions/z/q/rollout-x-{CODEX}.jsonl"),
    ];
    for folder in [DAY_OF_CODEX, &format!("{DAY_OF_CODEX}/sub"), ".codex/sessions/2024/03/02"] {
        places.push(folder.to_owned());
        places.push(format!("{folder}/rollout-2024-03-01T01-30-00-{CODEX}.jsonl"));
        places.push(format!("{folder}/rollout-y-{CODEX}.jsonl"));
    }
    for folder in ["-w-1", "-w-2", "-link", "-new"] {
        let folder = format!(".claude/projects/{folder}");
        for id in CLAUDE {
            places.push(format!("{folder}/{id}.jsonl"));
            places.push(format!("{folder}/{id}/subagents"));
            places.push(format!("{folder}/{id}/subagents/agent-a.jsonl"));
        }
        places.push(format!("{folder}/agent-0.jsonl"));
        places.push(format!("{folder}/notes.txt"));
        places.push(folder);
    }
    for folder in ["w", "empty", "again"] {
        let folder = format!(".gemini/tmp/{folder}");
        places.push(format!("{folder}/chats/session-2026-01-02T03-04-{}.jsonl", &GEMINI[..8]));
        places.push(format!("{folder}/chats"));
        places.push(folder);
    }
    places
}

/// One act upon a path and, where it takes two, another.
fn acts() -> impl Strategy<Value = Vec<(Act, String, String)>> {
    let act = select(vec![
        Act::Write,
        Act::Write,
        Act::Empty,
        Act::Touch,
        Act::Age,
        Act::Remove,
        Act::MakeFolder,
        Act::RenameTo,
        Act::CopyTo,
        Act::LinkTo,
    ]);
    vec((act, select(places()), select(places())), 1..6)
}

/// Does it where it can be done: what cannot be has not happened.
fn happen(env: &TestEnv, act: Act, place: &str, to: &str) {
    let (path, to) = (env.home(place), env.home(to));
    let parent = |path: &Path| fs::create_dir_all(path.parent().unwrap());
    let done: io::Result<()> = match act {
        Act::Write => {
            let id = CLAUDE.iter().find(|id| place.contains(*id)).unwrap_or(&GEMINI);
            let line = format!("{{\"sessionId\":\"{id}\"}}\n");
            parent(&path).and_then(|()| fs::write(&path, line))
        }
        Act::Empty => parent(&path).and_then(|()| fs::write(&path, "")),
        Act::Touch | Act::Age => fs::symlink_metadata(&path).map(|found| {
            if !found.is_symlink() {
                set_age(&path, if matches!(act, Act::Age) { 2 * DAY } else { MINUTE });
            }
        }),
        Act::Remove => fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path)),
        Act::MakeFolder => fs::create_dir_all(&path),
        Act::RenameTo => parent(&to).and_then(|()| fs::rename(&path, &to)),
        Act::CopyTo => parent(&to).and_then(|()| fs::copy(&path, &to).map(|_| ())),
        Act::LinkTo => parent(&path).and_then(|()| symlink(&to, &path)),
    };
    // A folder where a file should be, a path that is not there: then nothing happens.
    let _ = done;
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn it_sees_whatever_fresh_eyes_would_after_any_acts_d6(before in acts(), between in acts(), later_on in acts()) {
        let env = home();
        for (act, place, to) in &before {
            happen(&env, *act, place, to);
        }
        let map = SessionMap::parse(env.map_bytes()).unwrap();
        let mut memories = later();
        look(&env, &map, true, Some(&mut memories));
        for round in [&between, &later_on] {
            // File systems count time in ticks of some milliseconds.
            sleep(Duration::from_millis(12));
            for (act, place, to) in round {
                happen(&env, *act, place, to);
            }
            // Some of them first, as over a bridge, which lets go one at a time.
            for all in [false, true] {
                let recalled = look(&env, &map, all, Some(&mut memories));
                let fresh = look(&env, &map, all, None);
                prop_assert_eq!(told(&recalled), told(&fresh));
            }
        }
    }
}
