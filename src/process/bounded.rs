//! A command that is given so much time and no more: its output is drained whatever becomes of it,
//! and what does not end is asked to, and then made to.
//!
//! A CLI that is killed while it renews a login can break that login, so that there is always time
//! between the asking and the making.

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process_group, test_kill_process_group, waitid,
};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, PipeReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How much is kept of what a command says, from its end: 16 KiB. Gemini CLI may print what its
/// server said twice, with a trace of calls behind it.
const KEPT: usize = 16 << 10;

/// How often it is looked whether the command has ended, or somebody wants it to.
const EVERY: Duration = Duration::from_millis(50);

/// How long to wait for the rest of the output of a command that has ended. What it has left behind
/// may hold the pipe open for ever.
const FOR_THE_REST: Duration = Duration::from_millis(200);

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code, where it had one.
    pub code: Option<i32>,
    /// The signal that ended it, where one did.
    pub signal: Option<i32>,
    /// Whether it was asked to end because its time was over.
    pub timed_out: bool,
    /// The last 16 KiB of its standard output and error, as they came; what is no UTF-8 is replaced.
    pub said: String,
}

/// Runs the command to its end, in a process group of its own and with nothing on standard input.
///
/// After `timeout`, or once `interrupted` says so, which is asked about every 50 ms, its group gets
/// SIGTERM, and `grace` later, if anything of it is still there, SIGKILL. What it leaves behind after
/// an end of its own goes on, but for what it says: nobody reads that any more once this process ends.
///
/// # Errors
/// Where it cannot be started or waited for.
pub fn run_bounded(
    command: &mut Command,
    timeout: Duration,
    grace: Duration,
    interrupted: impl Fn() -> bool,
) -> io::Result<Ended> {
    // One pipe for both keeps what was said in order.
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let spawned = command.process_group(0).spawn();
    // The command keeps its ends of the pipe, which then would never be at an end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = Running { child: spawned?, output: Output::drain(reader) };
    let timed_out = match running.watch(timeout, grace, &interrupted) {
        Ok(timed_out) => timed_out,
        Err(error) => {
            // Nobody watches it any more, so it must not go on.
            let _ = running.child.kill();
            let _ = running.child.wait();
            return Err(error);
        }
    };
    let status = running.child.wait()?;
    let said = running.output.tail();
    Ok(Ended { code: status.code(), signal: status.signal(), timed_out, said })
}

struct Running {
    child: Child,
    output: Output,
}

impl Running {
    /// Waits for the end without reaping, so that its id, which its group is called by, stays its
    /// own. Whether its time was over.
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

    /// Asks the whole group to end, and makes it at the end of the grace.
    fn end(&mut self, group: Pid, grace: Duration) -> io::Result<()> {
        // One that is stopped, as by reading from a terminal, would not hear of it.
        for signal in [Signal::TERM, Signal::CONT] {
            signal_all(group, signal);
        }
        let start = Instant::now();
        while start.elapsed() < grace {
            // A launcher may end before the program that it has started and that renews the login.
            // Such a program is still of the group, or holds the pipe.
            if has_ended(group)? && self.output.is_whole && !is_populated(group) {
                break;
            }
            self.output.wait(EVERY.min(grace.saturating_sub(start.elapsed())));
        }
        signal_all(group, Signal::KILL);
        self.output.wait_for_end(FOR_THE_REST);
        Ok(())
    }
}

/// A group that has gone needs no signal.
fn signal_all(group: Pid, signal: Signal) {
    if test_kill_process_group(group).is_ok() {
        let _ = kill_process_group(group, signal);
    }
}

/// Whether a process of that group still lives, be it one whose leader has ended. Where there is no
/// `/proc`, nobody tells.
fn is_populated(group: Pid) -> bool {
    let Ok(proc) = fs::read_dir("/proc") else { return false };
    let group = group.as_raw_nonzero().get().to_string();
    let lives = |stat: Vec<u8>| {
        // The name, in parentheses, may hold anything.
        let behind = stat.iter().rposition(|byte| *byte == b')').map_or(0, |at| at + 1);
        let fields = String::from_utf8_lossy(&stat[behind..]);
        let mut fields = fields.split_whitespace();
        let is_alive = fields.next().is_some_and(|state| !matches!(state, "Z" | "X"));
        is_alive && fields.nth(1) == Some(group.as_str())
    };
    let is_process = |name: &OsStr| name.as_bytes().first().is_some_and(u8::is_ascii_digit);
    let processes = proc.flatten().filter(|entry| is_process(&entry.file_name()));
    processes.filter_map(|entry| fs::read(entry.path().join("stat")).ok()).any(lives)
}

fn has_ended(id: Pid) -> io::Result<bool> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    let status = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(id), options))?;
    Ok(status.is_some())
}

/// What is being said.
struct Output {
    last: Arc<Mutex<Vec<u8>>>,
    end: Receiver<()>,
    /// Whether nobody can say anything more.
    is_whole: bool,
}

impl Output {
    /// Reads on in a thread of its own for as long as anybody can write: whoever writes to a full
    /// pipe waits, and to a closed one is killed.
    fn drain(mut from: PipeReader) -> Self {
        let last = Arc::new(Mutex::new(Vec::new()));
        let (sender, end) = channel();
        let kept = Arc::clone(&last);
        thread::spawn(move || {
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
            let _ = sender.send(());
        });
        Self { last, end, is_whole: false }
    }

    /// Waits that long, or until nobody can say anything more.
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
        let is_rest = |byte: &&u8| **byte & 0b1100_0000 == 0b1000_0000;
        let cut = if last.len() < KEPT { 0 } else { last.iter().take_while(is_rest).count() };
        String::from_utf8_lossy(&last[cut..]).into_owned()
    }
}

#[cfg(test)]
mod tests;
