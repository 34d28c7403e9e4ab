//! Bounded reads of the files of one process in `/proc`.
//!
//! To be joined with the reader in `running.rs`, which reads whole files of any size.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The largest file that is read. An environment may have a few MiB, all others a few KiB.
const LARGEST: u64 = 8 << 20;

/// The most descriptors of a process that are looked at.
const MOST_FILES: usize = 1 << 16;

/// The path of `name` in the folder of process `pid`.
pub(super) fn path(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

/// Reads a file of process `pid`; nothing if the process has ended.
///
/// # Errors
/// Also if the file is larger than any that is expected: the part that is missing may matter.
pub(super) fn read(pid: u32, name: &str) -> io::Result<Option<Vec<u8>>> {
    let mut content = Vec::new();
    let read = File::open(path(pid, name))
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut content));

    match read {
        Err(error) if has_ended(&error) => Ok(None),
        Err(error) => Err(error),
        Ok(length) if length as u64 > LARGEST => Err(io::Error::other("too large")),
        Ok(_) => Ok(Some(content)),
    }
}

/// Reads a link of process `pid`; nothing if the process or the link is gone.
pub(super) fn link(pid: u32, name: &str) -> io::Result<Option<PathBuf>> {
    match fs::read_link(path(pid, name)) {
        Ok(target) => Ok(Some(target)),
        Err(error) if has_ended(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Lists the targets of all descriptors of process `pid`; none if it has ended.
///
/// # Errors
/// Also if there are more of them than are looked at.
pub(super) fn open_files(pid: u32) -> io::Result<Vec<PathBuf>> {
    let folder = match fs::read_dir(path(pid, "fd")) {
        Ok(folder) => folder,
        Err(error) if has_ended(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };

    let mut targets = Vec::new();
    for entry in folder {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if has_ended(&error) => break,
            Err(error) => return Err(error),
        };
        if targets.len() == MOST_FILES {
            return Err(io::Error::other("too many open files"));
        }
        match fs::read_link(entry.path()) {
            Ok(target) => targets.push(target),
            Err(error) if has_ended(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(targets)
}

/// Lists the inodes of the sockets that process `pid` has open.
///
/// # Errors
/// As [`open_files`].
pub(super) fn sockets(pid: u32) -> io::Result<Vec<u64>> {
    let files = open_files(pid)?;
    Ok(files
        .iter()
        .filter_map(|target| numbered(target.as_os_str().as_bytes(), "socket"))
        .collect())
}

/// The number in the target of a descriptor that has no path, such as `socket:[4242]`.
pub(super) fn numbered(target: &[u8], kind: &str) -> Option<u64> {
    let number = target.strip_prefix(kind.as_bytes())?.strip_prefix(b":[")?.strip_suffix(b"]")?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// Returns true if an error shows that the process has ended.
pub(super) fn has_ended(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_without_a_path_has_a_number() {
        assert_eq!(numbered(b"socket:[4242]", "socket"), Some(4242));
        for other in ["socket:[]", "socket:4242", "pipe:[4242]", "/tmp/socket:[1]", ""] {
            assert_eq!(numbered(other.as_bytes(), "socket"), None, "{other}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_has_ended_has_nothing() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert_eq!(read(pid, "stat").unwrap(), None);
        assert_eq!(link(pid, "exe").unwrap(), None);
        assert!(open_files(pid).unwrap().is_empty());
    }
}
