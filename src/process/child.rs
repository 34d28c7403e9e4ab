//! A command that is run as if it stood there by itself: with our terminal, standard streams and
//! process group, each signal that is meant for it, and the exit code that a shell would tell.

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, getpid, kill_process, waitid,
};
use signal_hook::consts::signal as number;
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;
use std::io;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use super::running::ignored_signals;

/// What is handed on. SIGKILL and SIGSTOP cannot be, and the others are about this process alone.
const HANDED_ON: [i32; 10] = [
    number::SIGHUP,
    number::SIGINT,
    number::SIGQUIT,
    number::SIGTERM,
    number::SIGUSR1,
    number::SIGUSR2,
    number::SIGALRM,
    number::SIGWINCH,
    number::SIGTSTP,
    number::SIGCONT,
];

/// What shells say of a command that is not there, and of one that cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// A command that runs.
#[derive(Debug)]
pub struct Child {
    id: u32,
    pid: Pid,
    happenings: Receiver<Happening>,
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
    Changed(WaitIdStatus),
}

impl Child {
    /// Starts it. From now on, signals to this process are handed on.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self, NotStarted> {
        let failed = |error: io::Error| {
            let is_missing = error.kind() == io::ErrorKind::NotFound;
            NotStarted { error, code: if is_missing { NOT_FOUND } else { NOT_EXECUTABLE } }
        };
        let (sender, happenings) = channel();
        // One that is ignored, as under `nohup`, must stay so for the command as well.
        let ignored = ignored_signals();
        let heard = HANDED_ON.into_iter().filter(|signal| !ignored.contains(signal));
        let mut signals = SignalsInfo::<WithOrigin>::new(heard).map_err(failed)?;
        let id = command.spawn().map_err(failed)?.id();
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| failed(io::Error::other("a process without an id")))?;
        let to = sender.clone();
        thread::spawn(move || {
            for origin in signals.forever() {
                if to.send(Happening::Signal(origin.signal, origin.cause)).is_err() {
                    break;
                }
            }
        });
        thread::spawn(move || wait(pid, &sender));
        Ok(Self { id, pid, happenings })
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
            Some(Happening::Changed(status)) if status.stopped() => stop_like_it(&status),
            Some(Happening::Changed(status)) => return Some(code(&status)),
            // Nobody is left to tell how it went.
            None => return Some(1),
        }
        None
    }

    /// Hands a signal on. What a terminal sends goes to the whole process group: the command has had
    /// it from there.
    fn hand_on(&self, signal: i32, cause: Cause) {
        if !matches!(cause, Cause::Kernel)
            && let Some(signal) = Signal::from_named_raw(signal)
        {
            // It may have ended; until we end, nobody else gets its id.
            let _ = kill_process(self.pid, signal);
        }
    }
}

/// Tells of each time that it stops, and of its end. It is not reaped, so that its id stays its own.
fn wait(pid: Pid, to: &Sender<Happening>) {
    let look = |options| rustix::io::retry_on_intr(|| waitid(WaitId::Pid(pid), options));
    let both = WaitIdOptions::EXITED | WaitIdOptions::STOPPED;
    while let Ok(Some(status)) = look(both | WaitIdOptions::NOWAIT) {
        let has_ended = !status.stopped();
        if to.send(Happening::Changed(status)).is_err() || has_ended {
            return;
        }
        // So that it is told once.
        let _ = look(WaitIdOptions::STOPPED | WaitIdOptions::NOHANG);
    }
}

/// Stops as the command has, so that the shell that has started us sees a stopped job. Only where
/// that is about jobs: whoever sends SIGSTOP to a process will let that one go on, and not us.
fn stop_like_it(status: &WaitIdStatus) {
    let of_jobs = [number::SIGTSTP, number::SIGTTIN, number::SIGTTOU];
    if status.stopping_signal().is_some_and(|signal| of_jobs.contains(&signal)) {
        let _ = kill_process(getpid(), Signal::STOP);
    }
}

fn code(status: &WaitIdStatus) -> u8 {
    let signal = status.terminating_signal().map(|signal| 128 + signal);
    let code = signal.or_else(|| status.exit_status());
    code.and_then(|code| u8::try_from(code & 0xff).ok()).unwrap_or(1)
}
