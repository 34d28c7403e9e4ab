//! A command with a time limit: its output is read until its end, and a command that does not end is
//! asked to end, and then killed.
//!
//! A CLI that is killed while it renews a login can break that login, so there is always time between
//! the request and the kill.

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process_group, test_kill_process_group, waitid,
};
use std::io::{self, PipeReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::running::is_group_alive;

/// How much of a command's output is kept, from its end: 16 KiB. Gemini CLI may print its server's
/// answer twice, with a trace of calls behind it.
const KEPT: usize = 16 << 10;

/// How often to look whether the command has ended or is interrupted.
const EVERY: Duration = Duration::from_millis(50);

/// How long to wait for the rest of the output of a command that has ended. A process that it has
/// left behind may hold the pipe open forever.
const FOR_THE_REST: Duration = Duration::from_millis(200);

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// True if it was asked to end because its time was over.
    pub timed_out: bool,
    /// The last 16 KiB of its standard output and error, in order; bytes that are not UTF-8 are replaced.
    pub output: String,
}

/// Runs the command to its end, in a process group of its own and with nothing on standard input.
///
/// After `timeout`, or once `interrupted` returns true, which is called about every 50 ms, its group
/// gets SIGTERM, and SIGKILL if anything of it is left `grace` later. Processes that it leaves behind
/// after an end of its own go on, but their output is not read any more once this process ends.
pub fn run_bounded(
    command: &mut Command,
    timeout: Duration,
    grace: Duration,
    interrupted: impl Fn() -> bool,
) -> io::Result<Ended> {
    // One pipe for both keeps the output in order.
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let spawned = command.process_group(0).spawn();
    // The command keeps its ends of the pipe, which then would never be at an end.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let mut running = Running { child: spawned?, output: Output::drain(reader) };
    let timed_out = match running.watch(timeout, grace, &interrupted) {
        Ok(timed_out) => timed_out,
        Err(error) => {
            // No process watches it any more, so it must not go on.
            let _ = running.child.kill();
            let _ = running.child.wait();
            return Err(error);
        }
    };

    let status = running.child.wait()?;
    let output = running.output.tail();
    Ok(Ended { code: status.code(), signal: status.signal(), timed_out, output })
}

struct Running {
    child: Child,
    output: Output,
}

impl Running {
    /// Waits for the end without reaping, so that its id, which is also that of its group, stays its
    /// own. Returns true if its time was over.
    fn watch(
        &mut self,
        timeout: Duration,
        grace: Duration,
        interrupted: &impl Fn() -> bool,
    ) -> io::Result<bool> {
        let group = Pid::from_child(&self.child);
        let start = Instant::now();
        while !has_ended(group)? {
            let is_late = start.elapsed() >= timeout;
            if is_late || interrupted() {
                self.end(group, grace)?;
                return Ok(is_late);
            }
            self.output.wait(EVERY.min(timeout.saturating_sub(start.elapsed())));
        }

        self.output.wait_for_end(FOR_THE_REST);
        Ok(false)
    }

    /// Asks the whole group to end, and kills it when the grace is over.
    fn end(&mut self, group: Pid, grace: Duration) -> io::Result<()> {
        // A stopped process, as by reading from a terminal, would not get SIGTERM.
        for signal in [Signal::TERM, Signal::CONT] {
            signal_all(group, signal);
        }

        let start = Instant::now();
        while start.elapsed() < grace {
            // A launcher may end before the program that it has started and that renews the login.
            // Such a program is still of the group, or holds the pipe.
            let has_launcher_ended = has_ended(group)?;
            if has_launcher_ended
                && self.output.is_whole
                && !is_group_alive(group.as_raw_nonzero().get())
            {
                break;
            }
            self.output.wait(EVERY.min(grace.saturating_sub(start.elapsed())));
        }

        signal_all(group, Signal::KILL);
        self.output.wait_for_end(FOR_THE_REST);
        Ok(())
    }
}

/// Sends a signal to a group, unless it is gone.
fn signal_all(group: Pid, signal: Signal) {
    if test_kill_process_group(group).is_ok() {
        let _ = kill_process_group(group, signal);
    }
}

fn has_ended(id: Pid) -> io::Result<bool> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    let status = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(id), options))?;
    Ok(status.is_some())
}

/// The output of a command that runs.
struct Output {
    last: Arc<Mutex<Vec<u8>>>,
    end: Receiver<()>,
    /// True if no process can write any more.
    is_whole: bool,
}

impl Output {
    /// Reads in a thread of its own for as long as anybody can write: a process that writes to a full
    /// pipe waits, and one that writes to a closed pipe is killed.
    fn drain(from: PipeReader) -> Self {
        let last = Arc::new(Mutex::new(Vec::new()));
        let (sender, end) = channel();
        let kept = Arc::clone(&last);
        thread::spawn(move || keep_last(from, &kept, &sender));
        Self { last, end, is_whole: false }
    }

    /// Waits that long, or until no process can write any more.
    fn wait(&mut self, at_most: Duration) {
        if self.is_whole {
            thread::sleep(at_most);
        } else {
            self.wait_for_end(at_most);
        }
    }

    fn wait_for_end(&mut self, at_most: Duration) {
        if !self.is_whole {
            self.is_whole =
                !matches!(self.end.recv_timeout(at_most), Err(RecvTimeoutError::Timeout));
        }
    }

    fn tail(&self) -> String {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // A letter of several bytes may have been cut in two.
        let cut = if last.len() < KEPT {
            0
        } else {
            last.iter().take_while(|byte| **byte & 0b1100_0000 == 0b1000_0000).count()
        };
        String::from_utf8_lossy(&last[cut..]).into_owned()
    }
}

/// Keeps the end of the output in `kept`, and reports to `end` when there is no more.
fn keep_last(mut from: PipeReader, kept: &Mutex<Vec<u8>>, end: &Sender<()>) {
    let mut buffer = [0; 8 << 10];
    loop {
        match from.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
            Ok(length) => {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend_from_slice(&buffer[..length]);
                let too_much = kept.len().saturating_sub(KEPT);
                kept.drain(..too_much);
            }
        }
    }
    let _ = end.send(());
}

#[cfg(test)]
mod tests;
