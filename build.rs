//! Finds out what `--version` shows: the version, and the commit that is built with the commit's date (UTC).
//!
//! That comes from `SESSION_WARDEN_BUILT_FROM`, else from git, else from what cargo wrote into a package of the
//! source. A build that knows none of them shows the version alone.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The variable that names the commit where there is no git: `1a2b3c4d5 2026-11-28`.
const VARIABLE: &str = "SESSION_WARDEN_BUILT_FROM";

/// As many digits of a commit are shown, in every clone.
const DIGITS: usize = 9;

fn main() {
    let root = variable("CARGO_MANIFEST_DIR").unwrap_or_default();
    let version = variable("CARGO_PKG_VERSION").unwrap_or_default();
    let root = Path::new(&root);
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={VARIABLE}");
    for path in moves_with_head(root) {
        println!("cargo:rerun-if-changed={}", path.display());
    }
    let said = variable(VARIABLE).map(|text| text.trim().to_owned());
    let said = said.filter(|text| !text.is_empty() && !text.contains(char::is_control));
    let shown = said.or_else(|| from_git(root)).or_else(|| from_package(root));
    let shown = shown.map(|commit| format!(" ({commit})")).unwrap_or_default();
    println!("cargo:rustc-env=SESSION_WARDEN_VERSION={version}{shown}");
}

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script by its environment")]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// Returns what git prints about the clone that is built; nothing if the package is no clone itself but lies
/// in one of something else.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let run = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(root).args(arguments).env("TZ", "UTC");
        // A hook of git's sets these, and may be about another clone.
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(name);
        }
        let output = command.output().ok().filter(|output| output.status.success())?;
        let text = String::from_utf8(output.stdout).ok()?;
        Some(text.trim_end_matches('\n').to_owned())
    };
    // It is empty at the top of a clone, and in that alone.
    run(&["rev-parse", "--show-prefix"]).filter(String::is_empty)?;
    run(arguments)
}

fn from_git(root: &Path) -> Option<String> {
    let arguments = ["show", "-s", "--format=%H %cd", "--date=format-local:%Y-%m-%d", "HEAD"];
    let shown = git(root, &arguments)?;
    let (commit, date) = shown.split_once(' ')?;
    Some(format!("{} {date}", commit.get(..DIGITS)?))
}

/// The commit that `cargo package` has written down. Its date is not known there.
fn from_package(root: &Path) -> Option<String> {
    let text = fs::read_to_string(root.join(".cargo_vcs_info.json")).ok()?;
    let (_, rest) = text.split_once("\"sha1\"")?;
    let commit = rest.split('"').nth(1)?.get(..DIGITS)?;
    commit.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| commit.to_owned())
}

/// The files of git that change when another commit is checked out or made. Only those that are there: cargo
/// would take one that is missing for changed, always.
fn moves_with_head(root: &Path) -> Vec<PathBuf> {
    let mut names = vec!["HEAD".to_owned(), "logs/HEAD".to_owned(), "packed-refs".to_owned()];
    names.push("reftable/tables.list".to_owned());
    names.extend(git(root, &["symbolic-ref", "-q", "HEAD"]));
    let paths = names.iter().filter_map(|name| git(root, &["rev-parse", "--git-path", name]));
    paths.map(|path| root.join(path)).filter(|path| path.is_file()).collect()
}
