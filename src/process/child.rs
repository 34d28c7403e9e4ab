//! A command that is run as if it stood there by itself: with our terminal, standard streams and
//! process group, each signal that is meant for it, and the exit code that a shell would tell.

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, getpid, kill_process, waitid,
};
use signal_hook::consts::signal as number;
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;
use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use super::running::{ignored_signals, is_stopped};

/// What is handed on. SIGKILL and SIGSTOP cannot be, and the others are about this process alone.
const HANDED_ON: [i32; 17] = [
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
    number::SIGIO,
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

/// What shells say of a command that is not there, and of one that cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// A command that runs.
#[derive(Debug)]
pub struct Child {
    id: u32,
    pid: Pid,
    happenings: Receiver<Happening>,
    /// Whether somebody has told this process to stop as well.
    is_to_stop: Cell<bool>,
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
    Signal(i32, Cause),
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
        // One that is ignored, as under `nohup`, must stay so for the command as well. But without an
        // ear for its end, whoever has started us with that ignored could not be told how it ended.
        let ignored = ignored_signals();
        let heard = HANDED_ON.into_iter().filter(|signal| !ignored.contains(signal));
        let mut signals = SignalsInfo::<WithOrigin>::new(heard.chain([number::SIGCHLD]))?;
        let to = sender.clone();
        // Both threads before the command, which could not be taken back.
        thread::Builder::new().spawn(move || {
            let heard = signals.forever().filter(|origin| origin.signal != number::SIGCHLD);
            for origin in heard {
                if to.send(Happening::Signal(origin.signal, origin.cause)).is_err() {
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
        let id = command.spawn()?.id();
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("a process without an id"))?;
        // The thread waits for this.
        let _ = tell.send(pid);
        Ok(Self {
            id,
            pid,
            happenings,
            is_to_stop: Cell::new(false),
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
            Some(Happening::Signal(signal, cause)) => self.hand_on(signal, cause),
            Some(Happening::Stopped(signal)) => self.stop_like_it(signal),
            Some(Happening::Ended(code)) => return Some(code),
            // Nobody is left to tell how it went.
            None => return Some(1),
        }
        None
    }

    /// Hands a signal on, but for what the command has had already.
    fn hand_on(&self, signal: i32, cause: Cause) {
        if STOPS_JOBS.contains(&signal) {
            self.is_to_stop.set(true);
        } else if signal == number::SIGCONT {
            self.is_to_stop.set(false);
            // A shell lets a whole group go on. Handed on a moment later, that could undo a stop that has
            // come meanwhile.
            if self.has_gone_on.take() || !is_stopped(self.id) {
                return;
            }
        }
        // Of a terminal that hangs up, its session's leader alone is told.
        let is_ours_alone = signal == number::SIGHUP && is_leader_of_a_session();
        let is_known =
            matches!(cause, Cause::Kernel) && OF_TERMINALS.contains(&signal) && !is_ours_alone;
        if !is_known && let Some(signal) = Signal::from_named_raw(signal) {
            // It may have ended; until we end, nobody else gets its id.
            let _ = kill_process(self.pid, signal);
        }
    }

    /// Stops as the command has, so that the shell that has started us sees a stopped job. Only where
    /// that is about jobs, and somebody is there who lets jobs go on: whoever stops that process alone
    /// will let that one go on, and not us.
    fn stop_like_it(&self, signal: Option<i32>) {
        let is_of_jobs = signal.is_some_and(|signal| STOPS_JOBS.contains(&signal));
        if is_of_jobs && (self.is_to_stop.take() || File::open("/dev/tty").is_ok()) {
            let _ = kill_process(getpid(), Signal::STOP);
            // Here it goes on. Whoever let this process go on alone meant the command.
            self.has_gone_on.set(true);
            if is_stopped(self.id) {
                let _ = kill_process(self.pid, Signal::CONT);
            }
        }
    }
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
