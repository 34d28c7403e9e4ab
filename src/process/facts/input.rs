//! The standard input of a process, and whether something in it waits to be read.
//!
//! Nothing is ever read from it. A pipe is opened once more by its link in `/proc`, which gives a descriptor of
//! our own, and asked how much it holds; a Unix socket cannot be opened so, and its queue is asked for by
//! [`super::unix_queue`].

use rustix::fs::{Mode, OFlags};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;

use super::unix_queue;
use crate::process::proc;

/// The kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// A terminal, or any device that is not a memory device (`/dev/null` is one).
    Terminal,
    /// A pipe, with or without a name.
    Pipe,
    /// A socket.
    Socket,
    /// A regular file.
    File,
    /// A device that never has anything to read, such as `/dev/null`.
    Null,
    /// The process has closed it.
    Closed,
    /// It cannot be read.
    Unknown,
}

/// The standard input of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    /// Its kind.
    pub kind: InputKind,
    /// How many bytes wait in it; nothing if that cannot be read, which counts as unread.
    pub unread: Option<u64>,
}

impl Input {
    pub(super) fn read(pid: u32) -> Self {
        let unknown = Self { kind: InputKind::Unknown, unread: None };
        let target = match proc::link(pid, "fd/0") {
            Ok(Some(target)) => target,
            // The folder is there, so the descriptor is not.
            Ok(None) if fs::read_dir(proc::path_of(pid, "fd")).is_ok() => {
                return Self { kind: InputKind::Closed, unread: Some(0) };
            }
            Ok(None) | Err(_) => return unknown,
        };
        let Ok(status) = fs::metadata(proc::path_of(pid, "fd/0")) else { return unknown };

        let kind = status.file_type();
        if kind.is_char_device() {
            let device = rustix::fs::stat(proc::path_of(pid, "fd/0"));
            return device.map_or(unknown, |status| Self::of_device(status.st_rdev));
        }
        if kind.is_fifo() {
            return Self { kind: InputKind::Pipe, unread: bytes_in_pipe(pid).ok() };
        }
        if kind.is_socket() {
            let inode = proc::numbered(target.as_os_str().as_bytes(), "socket");
            let unread = inode.and_then(|inode| unix_queue::unread_bytes(inode).ok());
            return Self { kind: InputKind::Socket, unread };
        }
        if kind.is_file() {
            let unread = offset(pid).map(|offset| status.len().saturating_sub(offset));
            return Self { kind: InputKind::File, unread };
        }
        unknown
    }

    fn of_device(device: rustix::fs::Dev) -> Self {
        /// The devices of memory, by mem(4) and null(4).
        const MEMORY: u32 = 1;
        const NULL: u32 = 3;
        match (rustix::fs::major(device), rustix::fs::minor(device)) {
            (MEMORY, NULL) => Self { kind: InputKind::Null, unread: Some(0) },
            // Others, such as /dev/zero, never end.
            (MEMORY, _) => Self { kind: InputKind::File, unread: None },
            _ => Self { kind: InputKind::Terminal, unread: None },
        }
    }

    /// Returns false only if it is certain that nothing waits in it.
    pub fn may_have_unread(&self) -> bool {
        self.unread != Some(0)
    }
}

/// How many bytes a pipe holds that is the standard input of process `pid`.
fn bytes_in_pipe(pid: u32) -> io::Result<u64> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let pipe = rustix::io::retry_on_intr(|| {
        rustix::fs::open(proc::path_of(pid, "fd/0"), flags, Mode::empty())
    })?;

    // It may be another file by now.
    if rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&pipe)?.st_mode)
        != rustix::fs::FileType::Fifo
    {
        return Err(io::Error::other("not a pipe"));
    }
    Ok(rustix::io::ioctl_fionread(&pipe)?)
}

/// How far a process has read its standard input.
fn offset(pid: u32) -> Option<u64> {
    let info = proc::read_live(pid, "fdinfo/0").ok().flatten()?;
    let line = info.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"pos:"))?;
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Seek, SeekFrom, Write};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::process::{Child, Command, Stdio};

    /// The input of a child that reads none of it.
    fn of(stdin: Stdio) -> (Input, Child) {
        let mut child = Command::new("sleep").arg("60").stdin(stdin).spawn().unwrap();
        let input = Input::read(child.id());
        child.kill().unwrap();
        (input, child)
    }

    fn check(stdin: impl Into<Stdio>, kind: InputKind, unread: Option<u64>) {
        let (input, mut child) = of(stdin.into());
        child.wait().unwrap();
        assert_eq!(input, Input { kind, unread });
    }

    #[test]
    fn a_pipe_shows_how_much_waits_in_it_and_keeps_it() {
        let (reader, mut writer) = io::pipe().unwrap();
        check(reader.try_clone().unwrap(), InputKind::Pipe, Some(0));
        writer.write_all(b"message\n").unwrap();
        check(reader.try_clone().unwrap(), InputKind::Pipe, Some(8));
        check(reader, InputKind::Pipe, Some(8));
    }

    #[test]
    fn a_unix_socket_shows_how_much_waits_in_it() {
        let (reader, mut writer) = UnixStream::pair().unwrap();
        let clone = || OwnedFd::from(reader.try_clone().unwrap());
        check(clone(), InputKind::Socket, Some(0));
        writer.write_all(b"message\n").unwrap();
        check(clone(), InputKind::Socket, Some(8));
    }

    #[test]
    fn another_socket_counts_as_unread() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        check(OwnedFd::from(socket), InputKind::Socket, None);
    }

    #[test]
    fn a_file_shows_how_far_it_was_read() {
        let mut file: File = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        check(file.try_clone().unwrap(), InputKind::File, Some(0));
        file.seek(SeekFrom::Start(4)).unwrap();
        check(file, InputKind::File, Some(6));
    }

    #[test]
    fn devices_are_null_or_terminals() {
        check(Stdio::null(), InputKind::Null, Some(0));
        check(File::open("/dev/zero").unwrap(), InputKind::File, None);
        let terminal =
            rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY);
        check(terminal.unwrap(), InputKind::Terminal, None);
        // The first terminal of the kernel's own, and a serial line.
        for device in [rustix::fs::makedev(4, 1), rustix::fs::makedev(204, 64)] {
            assert_eq!(Input::of_device(device).kind, InputKind::Terminal);
        }
    }

    #[test]
    fn an_input_that_is_closed_has_nothing() {
        let mut child =
            Command::new("sh").args(["-c", "exec sleep 60 <&-"]).stdin(Stdio::piped()).spawn();
        let child = child.as_mut().unwrap();
        let closed = Input { kind: InputKind::Closed, unread: Some(0) };
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let mut input = Input::read(child.id());
        while input != closed && std::time::Instant::now() < until {
            input = Input::read(child.id());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(input, closed);
        assert_eq!(Input::read(child.id()).kind, InputKind::Unknown, "it has ended");
    }
}
