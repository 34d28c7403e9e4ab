//! All that the conditions of a release need to know of a process, read at once.
//!
//! Nothing here decides: `clean::release::conditions` does. A part that cannot be read is nothing, which each
//! condition takes for a reason to keep the process. A process is only looked at: nothing is read from its input, no connection is made.

mod environment;
mod input;
mod machine;
mod open_elsewhere;
mod own_socket;
mod program;
mod relatives;
mod status;
mod unit;
mod unix_queue;

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub use input::{Input, InputKind};
pub use machine::Machine;
pub use open_elsewhere::{OpenElsewhere, TemporaryFiles, open_elsewhere};
pub use program::Program;
pub use relatives::{Child, Parent};
pub use status::{SigTerm, Status};

use super::proc;
use super::stat::Stat;
use super::tree::Tree;
use environment::Environment;

/// The facts of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its id.
    pub pid: u32,
    /// Its line of `stat`.
    pub stat: Stat,
    /// The fields of its `status`.
    pub status: Status,
    /// The program that it runs.
    pub program: Program,
    /// Its standard input.
    pub input: Input,
    /// True if the socket that was asked for listens in it.
    pub is_listening: bool,
    /// Its children; nothing if some process could not be read that may be one.
    pub children: Option<Vec<Child>>,
    /// Its parent.
    pub parent: Parent,
    /// True if the process that leads its session is there, or cannot be known.
    pub has_session_leader: bool,
    /// True if it may be the main process of a systemd service.
    pub may_be_main_of_unit: bool,
    /// The folder that its environment names for temporary files (`CLAUDE_CODE_TMPDIR`).
    pub temporary_folder: Option<PathBuf>,
}

/// The result of looking at a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessReading {
    /// It is there.
    Seen(Box<Facts>),
    /// It has ended.
    Ended,
    /// It cannot be read.
    Unreadable,
}

impl ProcessReading {
    /// Reads process `pid`, as [`Facts::read`].
    pub fn read(pid: u32, socket: Option<&Path>, tree: &Tree) -> Self {
        match Facts::read(pid, socket, tree) {
            Ok(Some(facts)) => Self::Seen(Box::new(facts)),
            Ok(None) => Self::Ended,
            Err(_) => Self::Unreadable,
        }
    }

    /// The facts, if it was seen.
    pub fn facts(&self) -> Option<&Facts> {
        match self {
            Self::Seen(facts) => Some(facts),
            Self::Ended | Self::Unreadable => None,
        }
    }
}

impl Facts {
    /// Returns true if the process is a leftover: its parent is pid 1 or a user's systemd, its session
    /// leader is gone, and it is neither a session leader nor a unit's main process.
    pub fn is_leftover(&self) -> bool {
        self.parent == Parent::Adopter
            && self.stat.session != self.pid
            && !self.has_session_leader
            && !self.may_be_main_of_unit
    }

    /// Reads process `pid`; nothing if it has ended. `socket` is the one that its record names, and `tree` shows
    /// its relatives.
    ///
    /// # Errors
    /// If `stat` or `status` cannot be read, which everybody may read.
    pub fn read(pid: u32, socket: Option<&Path>, tree: &Tree) -> io::Result<Option<Self>> {
        let Some(stat) = Stat::read(pid)? else { return Ok(None) };
        let Some(status) = proc::read_live(pid, "status")? else { return Ok(None) };

        let environment = Environment::read(pid).ok().flatten();
        let temporary_folder =
            environment.as_ref().and_then(|environment| environment.get("CLAUDE_CODE_TMPDIR"));

        let facts = Self {
            pid,
            stat,
            status: Status::parse(&status),
            program: Program::read(pid),
            input: Input::read(pid),
            is_listening: socket.is_some_and(|socket| own_socket::is_listening(pid, socket)),
            children: tree.is_whole().then(|| relatives::children(tree, pid)),
            parent: relatives::parent(stat.parent),
            has_session_leader: stat.session == 0 || tree.stat(stat.session).is_some(),
            may_be_main_of_unit: unit::may_be_main(pid, stat.parent, environment.as_ref()),
            temporary_folder: temporary_folder.map(|path| PathBuf::from(OsStr::from_bytes(path))),
        };

        // If the id was used again meanwhile, these are the facts of two processes.
        let again = Stat::read(pid)?;
        Ok(Some(facts).filter(|_| again.is_some_and(|again| again.start == stat.start)))
    }

    /// Reads the standard input again, since a message may come at any time.
    pub fn input_now(&self) -> Input {
        Input::read(self.pid)
    }

    /// The folders that may have the temporary files of its sessions.
    pub fn temporary_folders(&self) -> Vec<PathBuf> {
        let users =
            self.status.users.map(|users| PathBuf::from(format!("/tmp/claude-{}", users[1])));
        let named: Vec<PathBuf> = users.into_iter().chain(self.temporary_folder.clone()).collect();
        // Open files have paths without links.
        let real = named.iter().filter_map(|folder| folder.canonicalize().ok());
        real.chain(named.clone()).collect()
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_child_is_seen_as_it_is() {
        let mut child = Command::new("sleep")
            .arg("60")
            .stdin(Stdio::piped())
            .env("CLAUDE_CODE_TMPDIR", "/somewhere")
            .spawn()
            .unwrap();
        let pid = child.id();
        let facts = Facts::read(pid, None, &Tree::read().unwrap()).unwrap().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();

        assert_eq!((facts.pid, facts.stat.parent), (pid, std::process::id()));
        assert_eq!(facts.input, Input { kind: InputKind::Pipe, unread: Some(0) });
        assert!(facts.status.is_of_user(crate::process::user()));
        assert_eq!(facts.status.sigterm, Some(SigTerm::Default));
        assert_eq!(facts.children, Some(vec![]));
        assert_eq!(facts.parent, Parent::Other);
        assert!(!facts.is_listening && !facts.program.is_claude_code());
        let user = crate::process::user();
        let expected = [format!("/tmp/claude-{user}"), "/somewhere".to_owned()];
        let folders = facts.temporary_folders();
        assert!(expected.iter().all(|folder| folders.contains(&PathBuf::from(folder))));
        assert_eq!(Facts::read(pid, None, &Tree::read().unwrap()).unwrap(), None);
    }
}
