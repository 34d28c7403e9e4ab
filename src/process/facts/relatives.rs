//! The children and the parent of a process, as far as they show background work and the bridge.

use std::os::unix::ffi::OsStrExt;

use super::environment::Environment;
use super::status::Status;
use crate::process::proc;
use crate::process::tree::Tree;

/// A direct child. A background command of Claude Code leads a session of its own and has `CLAUDE_PID` in its
/// environment; an MCP server does neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child {
    /// Its id.
    pub pid: u32,
    /// The session that it belongs to, as [`Stat::session`](crate::process::stat::Stat).
    pub session: u32,
    /// True if its environment has `CLAUDE_PID`; nothing if that cannot be read.
    pub has_claude_pid: Option<bool>,
}

/// The parent, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    /// The first process, or a user's systemd: the process that started it has ended.
    Adopter,
    /// `claude-agent-acp`, which does not survive the end of its CLI.
    Acp,
    /// Any other, or one that cannot be read.
    Other,
}

/// The children of process `pid` that have not ended.
pub(super) fn children(tree: &Tree, pid: u32) -> Vec<Child> {
    let mut children = Vec::new();
    for pid in tree.children(pid) {
        let Some(stat) = tree.stat(*pid).filter(|stat| !stat.is_zombie()) else { continue };
        let has_claude_pid = match Environment::read(*pid) {
            Ok(Some(environment)) => Some(environment.get("CLAUDE_PID").is_some()),
            // It has ended since.
            Ok(None) => continue,
            Err(_) => None,
        };
        children.push(Child { pid: *pid, session: stat.session, has_claude_pid });
    }
    children
}

/// Classifies the parent `pid` of a process.
pub(super) fn parent(pid: u32) -> Parent {
    if pid == 1 {
        return Parent::Adopter;
    }
    let arguments = proc::read_live(pid, "cmdline").ok().flatten().unwrap_or_default();
    let words: Vec<&[u8]> = arguments.split(|byte| *byte == 0).collect();

    let is_systemd = proc::link(pid, "exe").ok().flatten().is_some_and(|program| {
        program.file_name().is_some_and(|name| name.as_bytes() == b"systemd")
    });
    if is_systemd && words.contains(&&b"--user"[..]) && is_ours(pid) {
        return Parent::Adopter;
    }

    if is_acp(pid, &words) { Parent::Acp } else { Parent::Other }
}

/// Returns true if a component of any argument is the name of that program or of its package. A relative argument, such
/// as `dist/index.js`, is meant from the folder that the process works in.
fn is_acp(pid: u32, words: &[&[u8]]) -> bool {
    let has_name = |path: &[u8]| path.split(|byte| *byte == b'/').any(|name| ACP.contains(&name));
    if words.iter().any(|word| has_name(word)) {
        return true;
    }

    let is_relative = |word: &&&[u8]| !word.is_empty() && !word.starts_with(b"/");
    let has_relative = words.iter().skip(1).any(|word| is_relative(&word));
    has_relative
        && proc::link(pid, "cwd")
            .ok()
            .flatten()
            .is_some_and(|cwd| has_name(cwd.as_os_str().as_bytes()))
}

/// The names of its package and its program, today and before it was renamed.
const ACP: [&[u8]; 2] = [b"claude-agent-acp", b"claude-code-acp"];

fn is_ours(pid: u32) -> bool {
    let status = proc::read_live(pid, "status").ok().flatten().unwrap_or_default();
    Status::parse(&status).is_of_user(crate::process::user())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::io::Read;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    /// Starts a program whose name begins with `s`, and returns once its arguments can be read. `spawn` returns earlier:
    /// the kernel lets the parent go on before it sets the arguments of the new program.
    fn start(command: &mut Command) -> std::process::Child {
        let child = command.stdin(Stdio::piped()).spawn().unwrap();
        let arguments = format!("/proc/{}/cmdline", child.id());
        let until = Instant::now() + Duration::from_secs(10);
        while std::fs::read(&arguments).unwrap().first() != Some(&b's') && Instant::now() < until {}
        child
    }

    /// A child of ours, as it is seen while it runs.
    fn child_of(mut command: Command) -> Child {
        let mut child = start(&mut command);
        let all = children(&Tree::read().unwrap(), std::process::id());
        child.kill().unwrap();
        child.wait().unwrap();
        *all.iter().find(|one| one.pid == child.id()).unwrap()
    }

    #[test]
    fn a_child_shows_its_session_and_claude_pid() {
        let ours = crate::process::stat::Stat::read(std::process::id()).unwrap().unwrap();
        let mut plain = Command::new("sleep");
        plain.arg("60").env_remove("CLAUDE_PID").env("CLAUDE_CODE_SESSION_ID", "x");
        let child = child_of(plain);
        assert_eq!((child.session, child.has_claude_pid), (ours.session, Some(false)));

        let mut marked = Command::new("sleep");
        marked.arg("60").env("CLAUDE_PID", "1");
        assert_eq!(child_of(marked).has_claude_pid, Some(true));

        let mut apart = Command::new("setsid");
        apart.args(["sleep", "60"]).env_clear().env("PATH", "/usr/bin:/bin");
        let child = child_of(apart);
        assert_eq!(child.has_claude_pid, Some(false));
    }

    #[test]
    fn a_child_with_a_session_of_its_own_leads_it() {
        let script = "import os; os.setsid(); print('ready', flush=True); input()";
        let mut child = Command::new("python3")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
        let all = children(&Tree::read().unwrap(), std::process::id());
        child.kill().unwrap();
        child.wait().unwrap();
        let found = all.iter().find(|one| one.pid == child.id()).unwrap();
        assert_eq!(found.session, child.id());
    }

    #[test]
    fn an_adapter_is_known_however_it_was_started() {
        let us = std::process::id();
        let is_acp = |words: &[&str]| {
            super::is_acp(us, &words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>())
        };
        assert!(is_acp(&["node", "/usr/lib/node_modules/@x/claude-agent-acp/dist/index.js"]));
        assert!(is_acp(&["node", "-a", "-b", "-c", "-d", "/opt/claude-code-acp/index.js"]));
        assert!(is_acp(&["/usr/bin/claude-agent-acp"]));
        assert!(!is_acp(&["node", "/srv/bridge/index.js"]));
        assert!(!is_acp(&["node", "dist/index.js"]), "where we work");
        assert!(!is_acp(&["node", "/srv/claude-agent-acp-notes/index.js"]));

        // From the folder of the package.
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("claude-agent-acp");
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
            .create(&package)
            .unwrap();
        let mut child = start(Command::new("sleep").arg("60").current_dir(&package));
        let found = parent(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found, Parent::Acp);
    }

    #[test]
    fn the_first_process_adopts() {
        assert_eq!(parent(1), Parent::Adopter);
        assert_eq!(parent(std::process::id()), Parent::Other);
    }
}
