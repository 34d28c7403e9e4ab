//! Reads the files of `/proc`, each as a whole, and finds fields in them. Their meaning is for others.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::os::folder::Folder;
use crate::os::reading::check_size;

/// The most that is read of a file, in bytes: the lists of sockets and locks grow with the machine.
const LARGEST: u64 = 64 << 20;

/// The same of a process's own. The arguments and the environment of a program have at most 6 MiB, but a process can
/// say later that any of its memory is that (`PR_SET_MM_MAP`).
pub(super) const LARGEST_OF_PROCESS: u64 = 8 << 20;

/// How much room a file gets at first: most are smaller.
const FIRST_READ: usize = 4 << 10;

/// Reads a file that does not show its size, as the kernel's own do not.
///
/// # Errors
/// `FileTooLarge` instead of a part of the file: the rest could matter.
pub(super) fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    read_up_to(path, LARGEST)
}

fn read_up_to(path: impl AsRef<Path>, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(FIRST_READ);
    let length = File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    check_size(length as u64, most)?;
    Ok(bytes)
}

/// Reads the file of this name that the kernel shows of a process.
pub(super) fn read_of(process: u32, file: &str) -> io::Result<Vec<u8>> {
    read_up_to(path_of(process, file), LARGEST_OF_PROCESS)
}

/// The same, taken from what may be read of all processes together.
pub(super) fn read_out_of(left: &mut u64, process: u32, file: &str) -> io::Result<Vec<u8>> {
    let bytes = read_up_to(path_of(process, file), LARGEST_OF_PROCESS.min(*left))?;
    *left -= bytes.len() as u64;
    Ok(bytes)
}

/// Reads a file of text.
pub(super) fn read_text(path: &str) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&read(path)?).into_owned())
}

/// Returns the ids of all processes.
pub(super) fn ids() -> io::Result<Vec<u32>> {
    let mut ids = Vec::new();
    Folder::open(Path::new("/proc"))?.list(|entry| {
        ids.extend(entry.name().to_str().and_then(|name| name.parse::<u32>().ok()));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(ids)
}

/// The most descriptors of a process that are looked at.
const MOST_FILES: usize = 1 << 16;

/// The path of `name` in the folder of process `pid`.
pub(super) fn path_of(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

/// Reads a file of process `pid`, as [`read_of`]; nothing if the process has ended.
pub(super) fn read_live(pid: u32, name: &str) -> io::Result<Option<Vec<u8>>> {
    match read_of(pid, name) {
        Ok(content) => Ok(Some(content)),
        Err(error) if has_ended(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a link of process `pid`; nothing if the process or the link is gone.
pub(super) fn link(pid: u32, name: &str) -> io::Result<Option<PathBuf>> {
    match fs::read_link(path_of(pid, name)) {
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
    let folder = match fs::read_dir(path_of(pid, "fd")) {
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

/// Returns the rest of the line that begins with `name` in a `status` file.
pub(super) fn line<'s>(status: &'s [u8], name: &[u8]) -> Option<&'s [u8]> {
    status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name))
}

/// Returns the first word behind `name` in a `status` file.
pub(super) fn word<'s>(status: &'s [u8], name: &[u8]) -> Option<&'s str> {
    let mut words = line(status, name)?.trim_ascii_start().split(u8::is_ascii_whitespace);
    str::from_utf8(words.next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_has_no_end_is_an_error() {
        assert_eq!(read("/dev/zero").unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_all_processes_show_together_is_bounded() {
        let (us, mut left) = (std::process::id(), 1 << 20);
        let arguments = read_out_of(&mut left, us, "cmdline").unwrap();
        assert_eq!(left, (1 << 20) - arguments.len() as u64);
        let mut left = arguments.len() as u64 - 1;
        let error = read_out_of(&mut left, us, "cmdline").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

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
        assert_eq!(read_live(pid, "stat").unwrap(), None);
        assert_eq!(link(pid, "exe").unwrap(), None);
        assert!(open_files(pid).unwrap().is_empty());
    }
}
