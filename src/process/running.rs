//! The processes that run, as `/proc` shows them: whose they are, and which sessions their
//! arguments name.
//!
//! Without `/proc` nothing is known, and nothing is found.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One process.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its id.
    pub id: u32,
    /// The name of its program, at most 15 bytes of it.
    pub name: Vec<u8>,
    /// Its arguments, each ended by a NUL.
    pub arguments: Vec<u8>,
}

/// The processes of some users, but for this one and its ancestors.
#[derive(Debug, Default)]
pub struct Processes {
    all: Vec<Process>,
}

impl Processes {
    /// Reads the processes of those users. What ends meanwhile is left out.
    pub fn of_users(users: &[u32]) -> Self {
        let ours = ancestors();
        let all = numbers(Path::new("/proc")).filter(|id| !ours.contains(id)).filter_map(|id| {
            let folder = PathBuf::from(format!("/proc/{id}"));
            let status = fs::read(folder.join("status")).ok()?;
            let user = field(&status, b"Uid:")?;
            let is_zombie = field(&status, b"State:").is_some_and(|state| state == b"Z");
            let user: u32 = std::str::from_utf8(user).ok()?.parse().ok()?;
            if is_zombie || !users.contains(&user) {
                return None;
            }
            Some(Process {
                id,
                name: fs::read(folder.join("comm")).ok()?.trim_ascii_end().to_vec(),
                arguments: fs::read(folder.join("cmdline")).ok()?,
            })
        });
        Self { all: all.collect() }
    }

    /// All of them.
    pub fn all(&self) -> &[Process] {
        &self.all
    }

    /// The words of all their arguments that `wanted` tells a number for, each with the process
    /// that has it. A word is what stands between characters that are in no id; where an id may
    /// hold dots, both with and without what follows a dot.
    pub fn naming(&self, wanted: impl Fn(&[u8]) -> Option<u32>) -> HashMap<u32, u32> {
        let mut found = HashMap::new();
        for process in &self.all {
            let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
            let is_dotted = |byte: &u8| is_word(byte) || *byte == b'.';
            let arguments = &process.arguments;
            let plain = arguments.split(|byte| !is_word(byte));
            let dotted = arguments.split(|byte| !is_dotted(byte));
            for number in plain.chain(dotted).filter_map(&wanted) {
                found.entry(number).or_insert(process.id);
            }
        }
        found
    }

    /// The process of that name which has a file open whose name is one that `wanted` tells a
    /// number for.
    pub fn holding(&self, name: &[u8], wanted: impl Fn(&[u8]) -> Option<u32>) -> HashMap<u32, u32> {
        let mut found = HashMap::new();
        for process in self.all.iter().filter(|process| process.name == name) {
            let files = fs::read_dir(format!("/proc/{}/fd", process.id));
            for file in files.into_iter().flatten().flatten() {
                let Ok(target) = fs::read_link(file.path()) else { continue };
                let number = target.file_name().and_then(|name| wanted(name.as_bytes()));
                if let Some(number) = number {
                    found.entry(number).or_insert(process.id);
                }
            }
        }
        found
    }
}

/// Whether a process of that id lives; a zombie does not.
pub fn is_alive(id: u32) -> bool {
    fs::read(format!("/proc/{id}/status"))
        .is_ok_and(|status| field(&status, b"State:").is_none_or(|state| state != b"Z"))
}

/// When the process started, in clock ticks since the machine did (field 22 of its `stat`).
pub fn started(id: u32) -> Option<u64> {
    let stat = fs::read(format!("/proc/{id}/stat")).ok()?;
    // The name, in parentheses, may hold anything; fields are counted behind it.
    let behind = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let fields = std::str::from_utf8(stat.get(behind..)?).ok()?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

/// The processes that hold a lock on the file with that inode, as `/proc/locks` tells.
pub fn lockers() -> HashMap<u64, u32> {
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let entry = |line: &str| {
        let mut fields = line.split_whitespace();
        // `1: FLOCK ADVISORY WRITE 4242 fd:01:1234 0 EOF`; a waiting one has `->` after its number.
        // Of a process in another container no id is told, but it holds the lock all the same.
        let process = fields.nth(4)?.parse().unwrap_or(0);
        let inode = fields.next()?.rsplit(':').next()?.parse().ok()?;
        Some((inode, process))
    };
    locks.lines().filter(|line| !line.contains("->")).filter_map(entry).collect()
}

/// This process and those that it descends from.
fn ancestors() -> HashSet<u32> {
    let mut all = HashSet::new();
    let mut next = Some(std::process::id());
    while let Some(id) = next.filter(|id| *id != 0 && all.insert(*id)) {
        let status = fs::read(format!("/proc/{id}/status")).unwrap_or_default();
        next = field(&status, b"PPid:")
            .and_then(|parent| std::str::from_utf8(parent).ok()?.parse().ok());
    }
    all
}

/// The first word behind `name` in a `status` file.
fn field<'s>(status: &'s [u8], name: &[u8]) -> Option<&'s [u8]> {
    let line = status.split(|byte| *byte == b'\n').find(|line| line.starts_with(name))?;
    let rest = line.get(name.len()..)?.trim_ascii_start();
    rest.split(u8::is_ascii_whitespace).next()
}

/// The names in that folder that are numbers.
pub(super) fn numbers(folder: &Path) -> impl Iterator<Item = u32> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    names.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
