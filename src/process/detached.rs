//! A process that goes on by itself, and the end of a process that is no child of this one.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::setsid;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::running::is_alive_since;

/// How often a process is looked at if the system cannot report its end.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The standard streams of a process: 0, 1 and 2.
const LAST_STANDARD_STREAM: i32 = 2;

/// How many files a process may usually have open, for a system that does not list them.
const USUAL_LIMIT: i32 = 1024;

/// Returns a command that runs this program again.
pub fn own_command() -> Command {
    let found = std::env::current_exe().ok().filter(|path| path.exists());
    // A program that was replaced meanwhile is still found by this link.
    let mut command = Command::new(found.unwrap_or_else(|| "/proc/self/exe".into()));
    command.arg0("session-warden");
    command
}

/// Starts this program, with `input` on its standard input, and waits until it has called [`detach`]
/// and [`is_ready`]. It is no child of this process then: the process between the two has ended, and
/// was waited for.
///
/// # Errors
/// If it cannot be started, or ends before it is ready.
pub fn start_detached(command: &mut Command, input: &[u8]) -> io::Result<()> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    // In the group of this process, Ctrl-C would reach it before it has a session of its own.
    let mut between = command.process_group(0).spawn()?;

    let sent = between.stdin.take().map(|mut stdin| stdin.write_all(input));
    let mut mark = [0];
    let answered = between.stdout.take().map(|mut stdout| stdout.read_exact(&mut mark));
    // It is not known how it ended if this process was started to ignore the ends of children.
    let _ = between.wait();

    sent.into_iter().chain(answered).collect::<io::Result<()>>().map_err(|error| {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
                io::Error::other("it ended early")
            }
            _ => error,
        }
    })
}

/// Takes this process, which [`start_detached`] has started, out of the session of its terminal, and
/// closes all files that it has inherited but the standard streams. Signals that are sent to all
/// processes of a service do not end it any more.
///
/// Returns false in the process that has only started the one to go on.
pub fn detach() -> io::Result<bool> {
    close_inherited();
    if nix::unistd::getpgrp() == nix::unistd::Pid::this() {
        // The leader of a process group cannot begin a session.
        own_command().args(std::env::args_os().skip(1)).spawn()?;
        return Ok(false);
    }

    setsid()?;
    // SIGCHLD, so that the end of a child is seen even if this process was started to ignore it; SIGXFSZ,
    // so that a write to a file that is too large fails as any write does.
    for signal in [SIGHUP, SIGINT, SIGTERM, SIGCHLD, SIGXFSZ] {
        signal_hook::flag::register(signal, Arc::default())?;
    }
    Ok(true)
}

/// Lets [`start_detached`] return in the process that has called it.
pub fn is_ready() -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(b"\n")?;
    stdout.flush()
}

/// Closes what the caller had open, so that a pipe to another process ends without this process. Nothing
/// of this program is open at its start.
fn close_inherited() {
    let open = open_descriptors().unwrap_or_else(|_| (0..USUAL_LIMIT).collect());
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > LAST_STANDARD_STREAM) {
        // The listing itself is closed already.
        let _ = nix::unistd::close(descriptor);
    }
}

fn open_descriptors() -> io::Result<Vec<i32>> {
    let mut open = Vec::new();
    for entry in fs::read_dir("/dev/fd")? {
        open.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    Ok(open)
}

/// A process that need not be a child of this one, until its end.
#[derive(Debug)]
pub struct Watched {
    id: u32,
    started: Option<u64>,
    /// Reports the end of the process, if the system can.
    descriptor: Option<OwnedFd>,
}

impl Watched {
    /// Watches the process of that id that has started then.
    pub fn new(id: u32, started: Option<u64>) -> Self {
        Self { id, started, descriptor: descriptor_of(id) }
    }

    /// Waits for its end, at most that long. Returns true once it has ended.
    pub fn ends_within(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if !is_alive_since(self.id, self.started) {
                return true;
            }
            if left.is_zero() {
                return false;
            }

            match &self.descriptor {
                Some(descriptor) => {
                    let wait = Timespec::try_from(left).ok();
                    let mut polled = [PollFd::new(descriptor, PollFlags::IN)];
                    if poll(&mut polled, wait.as_ref()).is_ok_and(|ready| ready > 0) {
                        return true;
                    }
                }
                None => thread::sleep(left.min(LOOK_EVERY)),
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn descriptor_of(id: u32) -> Option<OwnedFd> {
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    pidfd_open(Pid::from_raw(i32::try_from(id).ok()?)?, PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn descriptor_of(_: u32) -> Option<OwnedFd> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::running::started;

    #[test]
    fn the_end_of_a_process_is_seen_with_and_without_a_descriptor_and_before_it_is_reaped() {
        for without in [false, true] {
            let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            let mut watched = Watched::new(child.id(), started(child.id()));
            assert!(watched.descriptor.is_some() || !cfg!(target_os = "linux"));
            if without {
                watched.descriptor = None;
            }
            assert!(!watched.ends_within(Duration::ZERO));
            assert!(!watched.ends_within(Duration::from_millis(20)));
            drop(child.stdin.take());
            assert!(watched.ends_within(Duration::from_secs(60)));
            assert!(watched.ends_within(Duration::ZERO), "a zombie");
            child.wait().unwrap();
            assert!(watched.ends_within(Duration::ZERO));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_of_the_same_id_that_started_at_another_time_is_not_the_one() {
        let us = std::process::id();
        assert!(!Watched::new(us, started(us)).ends_within(Duration::ZERO));
        assert!(Watched::new(us, started(us).map(|at| at + 1)).ends_within(Duration::ZERO));
    }
}
