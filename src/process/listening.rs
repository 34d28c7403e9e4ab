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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::process::{Command, Stdio};

    #[test]
    fn a_listener_is_found_by_its_port_b5() {
        let line = "   3: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1";
        assert_eq!(listener(line, 8000).as_deref(), Some("socket:[4242]"));
        assert_eq!(listener(line, 8001), None);
        assert_eq!(listener(&line.replace(" 0A ", " 01 "), 8000), None, "a connection");
        assert_eq!(listener("", 8000), None);
        let ours = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = ours.local_addr().unwrap().port();
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let inodes: Vec<String> = table.lines().filter_map(|line| listener(line, port)).collect();
        assert!(holds_socket(std::process::id(), &inodes));
        drop(ours);
        assert!(!holds_socket(std::process::id(), &inodes));
    }

    #[test]
    fn a_process_tells_its_session_folder_b5() {
        let told = |value: &str| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", "read x"]).stdin(Stdio::piped()).current_dir("/tmp");
            let mut child = command.env("CLAUDE_SESSION_DIR", value).spawn().unwrap();
            let started = std::time::Instant::now();
            let mut folder = session_dir(child.id());
            while folder.is_none() && !value.is_empty() && started.elapsed().as_secs() < 10 {
                folder = session_dir(child.id());
            }
            child.kill().unwrap();
            child.wait().unwrap();
            folder
        };
        assert_eq!(told("/elsewhere"), Some("/elsewhere".into()));
        assert_eq!(told("here"), Some("/tmp/here".into()));
        assert_eq!(told(""), None);
    }
}
