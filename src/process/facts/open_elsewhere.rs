//! Which processes have a file of a session's temporary folder open, such as the output of a command that runs
//! in the background. The CLI's own process does not count: it keeps that folder open.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::process::proc;
use crate::process::tree::Tree;

/// A session whose temporary files are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemporaryFiles<'a> {
    /// Its CLI.
    pub pid: u32,
    /// Its id.
    pub session: &'a str,
    /// The folders that may have its files at any depth, such as `/tmp/claude-1000`.
    pub folders: Vec<PathBuf>,
}

/// Whether another process has a session's temporary files open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OpenElsewhere {
    /// None has.
    #[default]
    No,
    /// This one has.
    By(u32),
    /// This descendant of the CLI hides its open files.
    Hidden(u32),
}

impl TemporaryFiles<'_> {
    fn include(&self, path: &Path) -> bool {
        self.folders.iter().filter_map(|folder| path.strip_prefix(folder).ok()).any(|below| {
            below.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(self.session.as_bytes()))
        })
    }
}

/// Looks through the open files of all processes, once for all sessions. The answers are in their order.
///
/// A process may hide its open files: one of another user, or one that guards its memory, such as an agent for
/// keys. That counts only for a descendant of the CLI, since others hide them all the time.
pub fn open_elsewhere(tree: &Tree, sessions: &[TemporaryFiles<'_>]) -> Vec<OpenElsewhere> {
    let mut found = vec![OpenElsewhere::No; sessions.len()];
    let mut descendants: HashMap<u32, Vec<usize>> = HashMap::new();
    for (index, session) in sessions.iter().enumerate() {
        for pid in tree.with_descendants(session.pid) {
            descendants.entry(pid).or_default().push(index);
        }
    }

    let ours = std::process::id();
    for pid in tree.pids().filter(|pid| *pid != ours) {
        let Ok(files) = proc::open_files(pid) else {
            for index in descendants.get(&pid).into_iter().flatten() {
                if sessions[*index].pid == pid || found[*index] == OpenElsewhere::No {
                    found[*index] = OpenElsewhere::Hidden(pid);
                }
            }
            continue;
        };

        for (session, found) in sessions.iter().zip(&mut found) {
            if session.pid != pid && files.iter().any(|file| session.include(file)) {
                *found = OpenElsewhere::By(pid);
            }
        }
    }
    found
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::process::{Child, Command, Stdio};

    const SESSION: &str = "7c0d1e2f-3a4b-4c5d-8e6f-708192a3b4c5";

    fn sleeping(stdout: impl Into<Stdio>) -> Child {
        Command::new("sleep").arg("60").stdout(stdout).spawn().unwrap()
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the folder of a session is made")]
    fn a_file_of_the_session_that_another_process_has_open_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("claude-1000");
        let tasks = root.join("-home-u").join(SESSION).join("tasks");
        fs::create_dir_all(&tasks).unwrap();
        let output = || File::create(tasks.join("b1.output")).unwrap();
        let (mut cli, mut other) = (sleeping(output()), sleeping(Stdio::null()));
        let of = |pid: u32, session: &str, folder: &Path| {
            let tree = Tree::read().unwrap();
            let session = TemporaryFiles { pid, session, folders: vec![folder.to_owned()] };
            open_elsewhere(&tree, &[session])[0]
        };

        let own = of(cli.id(), SESSION, &root);
        let theirs = of(other.id(), SESSION, &root);
        let upper = of(other.id(), &SESSION.to_uppercase(), &root);
        let of_another = of(other.id(), "b7e24d81-16c3-4f9a-8e05-d94a3c7b2f66", &root);
        let elsewhere = of(other.id(), SESSION, Path::new("/nowhere"));
        fs::remove_dir_all(&tasks).unwrap();
        let removed = of(other.id(), SESSION, &root);
        let cli_pid = cli.id();
        for child in [&mut cli, &mut other] {
            child.kill().unwrap();
            child.wait().unwrap();
        }

        assert_eq!(own, OpenElsewhere::No, "the CLI itself");
        assert_eq!(theirs, OpenElsewhere::By(cli_pid));
        assert_eq!(upper, OpenElsewhere::By(cli_pid));
        assert_eq!(of_another, OpenElsewhere::No);
        assert_eq!(elsewhere, OpenElsewhere::No);
        assert_eq!(removed, OpenElsewhere::By(cli_pid), "a file that was removed");
    }
}
