//! A command that is run as if it stood there by itself: with our terminal, standard streams and
//! process group, each signal that is meant for it, and the exit code that a shell would tell.

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, getpid, kill_process, waitid,
};
use signal_hook::consts::signal as number;
use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::own::{ignored_signals, is_parent_one_of_ours};
use super::running::is_stopped;
use super::signals::{self, Heard};

/// What is handed on. SIGKILL and SIGSTOP cannot be, the others are about this process alone, and those
/// without a name cannot be sent.
const HANDED_ON: [i32; 21] = [
    number::SIGHUP,
    number::SIGINT,
    number::SIGQUIT,
    number::SIGTERM,
    number::SIGUSR1,
    number::SIGUSR2,
    number::SIGALRM,
    number::SIGVTALRM,
    number::SIGPROF,
    number::SIGXCPU,
    number::SIGXFSZ,
    number::SIGIO,
    number::SIGURG,
    number::SIGTRAP,
    number::SIGSYS,
    number::SIGABRT,
    number::SIGWINCH,
    number::SIGTSTP,
    number::SIGTTIN,
    number::SIGTTOU,
    number::SIGCONT,
];

/// What a terminal sends to its whole process group: the command has had that from there.
const OF_TERMINALS: [i32; 8] = [
    number::SIGHUP,
    number::SIGINT,
    number::SIGQUIT,
    number::SIGWINCH,
    number::SIGTSTP,
    number::SIGTTIN,
    number::SIGTTOU,
    number::SIGCONT,
];

/// What stops jobs.
const STOPS_JOBS: [i32; 3] = [number::SIGTSTP, number::SIGTTIN, number::SIGTTOU];

/// How long after it was told to stop this process takes a stop of the command for the same one.
const LATELY: Duration = Duration::from_secs(5);

/// How long after a stop a signal of before it may still be heard of.
const STALE: Duration = Duration::from_millis(200);

/// What shells say of a command that is not there, and of one that cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// A command that runs.
#[derive(Debug)]
pub struct Child {
    id: u32,
    pid: Pid,
    happenings: Receiver<Happening>,
    /// When somebody has told this process to stop as well.
    told_to_stop: Cell<Option<Instant>>,
    /// Until when a signal to stop may be that of a stop that is over.
    stale_until: Cell<Option<Instant>>,
    /// Whether this process goes on after a stop, and the signal for that is still to be heard of.
    has_gone_on: Cell<bool>,
}

/// Why a command does not run.
#[derive(Debug)]
pub struct NotStarted {
    /// What went wrong.
    pub error: io::Error,
    /// The exit code that a shell would tell.
    pub code: u8,
}

#[derive(Debug)]
enum Happening {
    Signal(Heard),
    Stopped(Option<i32>),
    Ended(u8),
}

impl From<io::Error> for NotStarted {
    fn from(error: io::Error) -> Self {
        let is_missing = error.kind() == io::ErrorKind::NotFound;
        Self { error, code: if is_missing { NOT_FOUND } else { NOT_EXECUTABLE } }
    }
}

/// Becomes that command, with this process's id. Returns only where that cannot be.
pub fn become_command(command: &mut Command) -> NotStarted {
    command.exec().into()
}

/// Where the program lies that this process runs, to be run again.
pub fn own_program() -> PathBuf {
    let found = std::env::current_exe().ok().filter(|path| path.exists());
    // One that was replaced meanwhile is still there by this link.
    found.unwrap_or_else(|| PathBuf::from("/proc/self/exe"))
}

impl Child {
    /// Starts it. From now on, signals to this process are handed on.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self, NotStarted> {
        let (sender, happenings) = channel();
        // One that is ignored, as under `nohup`, must stay so for the command as well.
        let ignored = ignored_signals();
        let heard = HANDED_ON.into_iter().filter(|signal| !ignored.contains(signal));
        let (mut ear, starter) = signals::hear(heard)?;
        let (to, signal) = (sender.clone(), sender.clone());
        // Both threads before the command, which could not be taken back.
        thread::Builder::new().spawn(move || {
            while let Some(heard) = ear.next() {
                if to.send(Happening::Signal(heard)).is_err() {
                    break;
                }
            }
        })?;
        let (tell, told) = channel();
        thread::Builder::new().spawn(move || {
            if let Ok(pid) = told.recv() {
                wait(pid, &sender);
            }
        })?;
        let id = starter.start(command, |heard| drop(signal.send(Happening::Signal(heard))))?.id();
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("a process without an id"))?;
        // The thread waits for this.
        let _ = tell.send(pid);
        Ok(Self {
            id,
            pid,
            happenings,
            told_to_stop: Cell::new(None),
            stale_until: Cell::new(None),
            has_gone_on: Cell::new(false),
        })
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Waits, at most that long, and hands signals on meanwhile. The exit code once it has ended: its
    /// own, or 128 and the number of the signal that ended it.
    pub fn wait(&self, at_most: Option<Duration>) -> Option<u8> {
        let happening = match at_most {
            Some(time) => match self.happenings.recv_timeout(time) {
                Err(RecvTimeoutError::Timeout) => return None,
                other => other.ok(),
            },
            None => self.happenings.recv().ok(),
        };
        match happening {
            Some(Happening::Signal(heard)) => self.hand_on(heard),
            Some(Happening::Stopped(signal)) => self.stop_like_it(signal),
            Some(Happening::Ended(code)) => return Some(code),
            // Nobody is left to tell how it went.
            None => return Some(1),
        }
        None
    }

    /// Hands a signal on, but for what the command has had already.
    fn hand_on(&self, heard: Heard) {
        let signal = heard.signal;
        // Such as that a file of ours has become too large.
        if heard.sender == Some(getpid().as_raw_nonzero().get()) {
            return;
        }
        if STOPS_JOBS.contains(&signal) {
            // What was sent to the whole job has stopped it. Heard of only now, it would stop it again.
            let is_late = self.stale_until.get().is_some_and(|end| Instant::now() < end);
            if is_late && is_from_our_group(heard) {
                return;
            }
            if is_stopped(self.id).unwrap_or(false) {
                return self.stop();
            }
            self.told_to_stop.set(Some(Instant::now()));
        } else if signal == number::SIGCONT {
            self.told_to_stop.set(None);
            // A shell lets a whole group go on. InstalledCommand on a moment later, that could undo a stop that has
            // come meanwhile.
            if self.has_gone_on.take() || !is_stopped(self.id).unwrap_or(true) {
                return;
            }
        }
        // Of a terminal that hangs up, its session's leader alone is told.
        let is_ours_alone = signal == number::SIGHUP && is_leader_of_a_session();
        let is_known = heard.is_of_kernel && OF_TERMINALS.contains(&signal) && !is_ours_alone;
        if !is_known && let Some(signal) = Signal::from_named_raw(signal) {
            // It may have ended; until we end, nobody else gets its id.
            let _ = kill_process(self.pid, signal);
        }
    }

    /// Stops as the command has, so that the shell that has started us sees a stopped job. Only where
    /// that is about jobs, and somebody is there who lets jobs go on: whoever stops that process alone
    /// will let that one go on, and not us. Some that are told to stop, a holder among them, do so by the
    /// signal that cannot be handled; and a job that does not tell its shell would keep the terminal.
    fn stop_like_it(&self, signal: Option<i32>) {
        // A stop that is over by now, since this process stood still meanwhile as well. A shell lets a group go
        // on one after the other, so it may just be about to end.
        for moment in [Duration::ZERO, Duration::from_millis(2)] {
            thread::sleep(moment);
            if !is_stopped(self.id).unwrap_or(true) {
                return;
            }
        }
        let told = self.told_to_stop.take();
        let is_to_stop = if signal.is_some_and(|signal| STOPS_JOBS.contains(&signal)) {
            told.is_some() || File::open("/dev/tty").is_ok()
        } else {
            told.is_some_and(|at| at.elapsed() < LATELY) || is_job_with_the_terminal()
        };
        if is_to_stop {
            self.stop();
        }
    }

    /// Stops until somebody lets this process go on, and then lets the command go on.
    fn stop(&self) {
        let _ = kill_process(getpid(), Signal::STOP);
        // Here it goes on. Whoever let this process go on alone meant the command.
        self.stale_until.set(Some(Instant::now() + STALE));
        self.has_gone_on.set(true);
        if is_stopped(self.id).unwrap_or(true) {
            let _ = kill_process(self.pid, Signal::CONT);
        }
    }
}

/// Whether the terminal or a process of our own group has sent that.
fn is_from_our_group(heard: Heard) -> bool {
    let Some(sender) = heard.sender else { return true };
    let group = nix::unistd::getpgid(Some(nix::unistd::Pid::from_raw(sender)));
    group.is_ok_and(|group| group == nix::unistd::getpgrp())
}

/// Whether a shell has started this process as a job, itself or by another holder, and has given it the
/// terminal.
fn is_job_with_the_terminal() -> bool {
    let ours = nix::unistd::getpgrp();
    let has_terminal = |terminal| {
        rustix::termios::tcgetpgrp(terminal)
            .is_ok_and(|group| group.as_raw_nonzero().get() == ours.as_raw())
    };
    let is_job = ours == nix::unistd::Pid::this() || is_parent_one_of_ours();
    is_job && File::open("/dev/tty").is_ok_and(has_terminal)
}

/// Whether this process is what the terminal of its session belongs to. In a name space of processes whose
/// session lies outside, that session has the number 0, which is no process: rustix has no such number.
fn is_leader_of_a_session() -> bool {
    nix::unistd::getsid(None).is_ok_and(|id| id == nix::unistd::Pid::this())
}

/// Tells of each time that it stops, and of its end. It is not reaped, so that its id stays its own.
fn wait(pid: Pid, to: &Sender<Happening>) {
    let look = |options| rustix::io::retry_on_intr(|| waitid(WaitId::Pid(pid), options));
    let both = WaitIdOptions::EXITED | WaitIdOptions::STOPPED;
    loop {
        let happening = match look(both | WaitIdOptions::NOWAIT) {
            Ok(Some(status)) if status.stopped() => Happening::Stopped(status.stopping_signal()),
            Ok(Some(status)) => Happening::Ended(code(&status)),
            // It has ended, and somebody else was told how.
            _ => Happening::Ended(1),
        };
        let has_ended = matches!(happening, Happening::Ended(_));
        if to.send(happening).is_err() || has_ended {
            return;
        }
        // So that it is told once.
        let _ = look(WaitIdOptions::STOPPED | WaitIdOptions::NOHANG);
    }
}

fn code(status: &WaitIdStatus) -> u8 {
    let signal = status.terminating_signal().map(|signal| 128 + signal);
    let code = signal.or_else(|| status.exit_status());
    code.and_then(|code| u8::try_from(code & 0xff).ok()).unwrap_or(1)
}
