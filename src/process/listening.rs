//! Bridges as `/proc` shows them: who listens at a port, and who has which session folder.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::running::{Processes, numbers};

/// The session folder of whoever listens at that port of this machine, where it can be told.
pub fn session_dir_of_listener(port: u16) -> Option<PathBuf> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().filter_map(|line| listener(line, port)).collect::<Vec<_>>())
        .collect();
    numbers(Path::new("/proc")).find(|id| holds_socket(*id, &inodes)).and_then(session_dir)
}

/// The inode in a line of `/proc/net/tcp`, where that is a socket that listens at that port.
fn listener(line: &str, port: u16) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let local = fields.get(1)?.rsplit(':').next()?;
    let is_it = u16::from_str_radix(local, 16).is_ok_and(|local| local == port);
    // State 0A is LISTEN.
    (is_it && *fields.get(3)? == "0A")
        .then(|| fields.get(9).map(|inode| format!("socket:[{inode}]")))?
}

fn holds_socket(id: u32, inodes: &[String]) -> bool {
    let files = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
    files.filter_map(|file| fs::read_link(file.path()).ok()).any(|target| {
        target.to_str().is_some_and(|target| inodes.iter().any(|inode| inode == target))
    })
}

/// The session folder in a process's environment; nothing where that does not say.
fn session_dir(id: u32) -> Option<PathBuf> {
    let environment = fs::read(format!("/proc/{id}/environ")).ok()?;
    let named = environment
        .split(|byte| *byte == 0)
        .find_map(|variable| variable.strip_prefix(b"CLAUDE_SESSION_DIR="))
        .filter(|value| !value.is_empty())?;
    let named = Path::new(OsStr::from_bytes(named));
    // A relative one is meant from where the process works.
    Some(fs::read_link(format!("/proc/{id}/cwd")).unwrap_or_default().join(named))
}

/// A process of those users that looks like a bridge on the map in `folder`: a Python program whose
/// environment names that folder, or that has a file in it open.
pub fn bridge_on(folder: &Path, users: &[u32]) -> Option<u32> {
    let is_folder = |path: PathBuf| path.canonicalize().is_ok_and(|path| path == folder);
    Processes::of_users(users).all().iter().map(|process| (process.id, &process.name)).find_map(
        |(id, name)| {
            let is_python = [b"python".as_slice(), b"uvicorn", b"gunicorn"]
                .iter()
                .any(|program| name.starts_with(program));
            let holds_file = || {
                let files = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
                files
                    .filter_map(|file| fs::read_link(file.path()).ok())
                    .any(|target| target.parent() == Some(folder))
            };
            (is_python && (session_dir(id).is_some_and(is_folder) || holds_file())).then_some(id)
        },
    )
}
