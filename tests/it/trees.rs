//! Trees that real CLIs wrote, reduced to their structure by `tests/drills/realcli/run --trees`: each
//! file in one is evidence of use, and an old tree is idle.

use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

use crate::env::{DAY, MINUTE, TestEnv};

/// An idle session of the same provider, so that something is removed beside each tree.
const IDLE: &str = "0192f3a4-5b6c-7d8e-9f00-11223344aaaa";
const USED: &str = "12345678-5b6c-7d8e-9f00-11223344bbbb";

#[derive(Deserialize)]
struct TreeFile {
    path: String,
    link: Option<String>,
    text: Option<String>,
}

struct Tree {
    name: String,
    provider: &'static str,
    model: &'static str,
    session: String,
    files: Vec<TreeFile>,
}

fn trees() -> Vec<Tree> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drills/realcli/trees");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut trees: Vec<Tree> = paths.map(|path| tree(&path)).collect();
    trees.sort_by(|a, b| a.name.cmp(&b.name));
    trees
}

fn tree(path: &PathBuf) -> Tree {
    let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
    let (provider, model) = match name.split('-').next().unwrap() {
        "claude" => ("claude", "claude-cli"),
        "codex" => ("codex", "codex-cli"),
        "gemini" => ("gemini", "gemini-cli"),
        _ => ("vibe", "devstral-small-2"),
    };
    let files: Vec<TreeFile> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    // What the machine's temporary folder holds is not in the home.
    let files: Vec<TreeFile> = files
        .into_iter()
        .filter(|file| !file.path.starts_with('/') && file.link.is_none())
        .collect();
    let session = session(provider, &files);
    Tree { name, provider, model, session, files }
}

/// The session that a tree is of.
fn session(provider: &str, files: &[TreeFile]) -> String {
    let header = |file: &TreeFile| -> Option<serde_json::Value> {
        serde_json::from_str(file.text.as_ref()?.lines().next()?).ok()
    };
    let of = |file: &TreeFile| -> Option<String> {
        let name = file.path.rsplit('/').next()?;
        let found = match provider {
            "claude" => name.strip_suffix(".jsonl").filter(|id| id.len() == 36)?.to_owned(),
            "vibe" => file.path.split('/').find(|part| part.len() == 36)?.to_owned(),
            "gemini" => {
                let header = header(file)?;
                if header["kind"] != "main" {
                    return None;
                }
                header["sessionId"].as_str()?.to_owned()
            }
            _ => {
                let header = header(file)?;
                if header["payload"]["parent_thread_id"].is_string() && files.len() > 1 {
                    return None;
                }
                header["payload"]["id"].as_str()?.to_owned()
            }
        };
        Some(found)
    };
    files.iter().find_map(of).expect("a tree is of a session")
}

/// The tree in a home of its own, all of it old but the file at that position, beside a session in use
/// and an idle one.
fn home(tree: &Tree, fresh: Option<usize>) -> TestEnv {
    let env = TestEnv::new();
    env.session(tree.provider, USED, MINUTE);
    env.session(tree.provider, IDLE, DAY);
    for (position, file) in tree.files.iter().enumerate() {
        if Some(position) != fresh {
            env.file(&file.path, file.text.as_deref().unwrap_or(""), DAY);
        }
    }
    if let Some(file) = fresh.and_then(|position| tree.files.get(position)) {
        let path = env.file(&file.path, file.text.as_deref().unwrap_or(""), DAY);
        crate::env::set_age(&path, 5 * MINUTE);
    }
    env
}

#[test]
fn old_trees_of_real_clis_are_removed_e1_e2() {
    let all = trees();
    assert!(all.len() >= 30, "{}", all.len());
    for tree in &all {
        let expected = if tree.name.ends_with("-archived") { "archived" } else { "idle" };
        let rows = [(USED, "active"), (&*tree.session, expected), (IDLE, "idle")];
        home(tree, None).check(tree.model, "", 0, &rows);
    }
}

#[test]
fn each_file_of_a_real_tree_shows_its_use_e1_e3() {
    for tree in trees().iter().filter(|tree| !tree.name.ends_with("-archived")) {
        // The tree of an origin holds its fork's file as well, which is another session's.
        let is_fork = |file: &TreeFile| {
            file.text.as_ref().is_some_and(|text| text.contains("\"forked_from_id\""))
                && !file.path.contains(&tree.session)
        };
        let own = tree.files.iter().enumerate().filter(|(_, file)| !is_fork(file));
        for (position, file) in own {
            let env = home(tree, Some(position));
            let rows = [(USED, "active"), (&*tree.session, "active"), (IDLE, "idle")];
            env.check(tree.model, "", 0, &rows);
            assert!(file.text.is_some(), "{}", tree.name);
        }
    }
}

#[test]
fn no_tree_lists_more_sessions_than_it_has_e3() {
    for tree in trees().iter().filter(|tree| !tree.name.ends_with("-archived")) {
        let env = TestEnv::new();
        for file in &tree.files {
            env.file(&file.path, file.text.as_deref().unwrap_or(""), DAY);
        }
        env.map("{}");
        let list: serde_json::Value =
            serde_json::from_str(&env.run("list --unmapped --format json").out).unwrap();
        let ids: Vec<&str> = list["sessions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["session_id"].as_str().unwrap())
            .collect();
        // A subagent of Codex's is a thread of its own, as a fork is.
        let of_two = ["codex-0.171.0-with-a-subagent", "codex-0.171.0-the-origin-of-a-fork"];
        let expected = if of_two.contains(&&*tree.name) { 2 } else { 1 };
        assert_eq!(ids.len(), expected, "{}: {ids:?}", tree.name);
        assert!(ids.contains(&&*tree.session), "{}: {ids:?}", tree.name);
    }
}
