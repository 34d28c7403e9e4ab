//! The signals that this process gets, each with who has sent it.

use std::io;

/// A signal, and who has sent it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    /// Its number.
    pub(super) signal: i32,
    /// The process that has sent it, if one has.
    pub(super) sender: Option<i32>,
    /// True if it comes from the kernel, as those do that a terminal sends to its process group.
    pub(super) is_of_kernel: bool,
}

pub(super) use imp::hear;

/// On Linux by a file that signals are read from. The kernel fills in who has sent them, and it takes no C.
#[cfg(target_os = "linux")]
mod imp {
    use nix::sys::signal::{SigSet, Signal};
    use nix::sys::signalfd::{SfdFlags, SignalFd};
    use std::process::{Child, Command};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::{Heard, io};

    /// The codes of the kernel itself and of processes (`sigaction(2)`): `kill`, `sigqueue`, `mq_notify` and
    /// `tgkill`.
    const SI_KERNEL: i32 = 0x80;
    const OF_PROCESSES: [i32; 4] = [0, -1, -3, -6];

    /// Tells of signals.
    pub(in super::super) struct Ear(SignalFd);

    /// Starts commands that are as free to get signals as this process was.
    pub(in super::super) struct Starter {
        set: SigSet,
        /// What has come while a command was started.
        came: Vec<(i32, Arc<AtomicBool>)>,
    }

    /// Begins to hear these signals, which have no other effect on this process any more. To be called
    /// before other threads are started: those that come later leave the signals to this as well.
    pub(in super::super) fn hear(signals: impl Iterator<Item = i32>) -> io::Result<(Ear, Starter)> {
        let (mut set, mut came) = (SigSet::empty(), Vec::new());
        let blocked = SigSet::thread_get_mask()?;
        for signal in signals {
            // What was blocked before stays so for the command as well.
            if blocked.contains(Signal::try_from(signal)?) {
                continue;
            }
            set.add(Signal::try_from(signal)?);
            let flag = Arc::default();
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
            came.push((signal, flag));
        }
        // So that the end of a child is told even if whoever started us had that ignored.
        signal_hook::flag::register(signal_hook::consts::SIGCHLD, Arc::default())?;
        set.thread_block()?;
        let ear = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC)?;
        Ok((Ear(ear), Starter { set, came }))
    }

    impl Starter {
        /// Starts the command. A process inherits what is blocked, so nothing is meanwhile; of a signal that
        /// comes in that moment, it is not known who has sent it.
        pub(in super::super) fn start(
            &self,
            command: &mut Command,
            tell: impl Fn(Heard),
        ) -> io::Result<Child> {
            self.set.thread_unblock()?;
            let started = command.spawn();
            self.set.thread_block()?;
            for (signal, flag) in &self.came {
                if flag.swap(false, Ordering::Relaxed) {
                    tell(Heard { signal: *signal, sender: None, is_of_kernel: false });
                }
            }
            started
        }
    }

    impl Ear {
        /// Waits for the next signal. Nothing if there will be none.
        pub(in super::super) fn next(&mut self) -> Option<Heard> {
            loop {
                match self.0.read_signal() {
                    Ok(Some(info)) => {
                        let is_of_process = OF_PROCESSES.contains(&info.ssi_code);
                        let sender = i32::try_from(info.ssi_pid).ok();
                        return Some(Heard {
                            signal: i32::try_from(info.ssi_signo).ok()?,
                            sender: sender.filter(|_| is_of_process),
                            is_of_kernel: info.ssi_code == SI_KERNEL,
                        });
                    }
                    Ok(None) | Err(nix::errno::Errno::EINTR) => {}
                    Err(_) => return None,
                }
            }
        }
    }
}

/// Elsewhere by a handler, to which a few lines of C tell who has sent them.
#[cfg(not(target_os = "linux"))]
mod imp {
    use signal_hook::consts::SIGCHLD;
    use signal_hook::iterator::SignalsInfo;
    use signal_hook::iterator::exfiltrator::WithOrigin;
    use signal_hook::low_level::siginfo::Cause;
    use std::process::{Child, Command};

    use super::{Heard, io};

    /// Tells of signals.
    pub(in super::super) struct Ear(SignalsInfo<WithOrigin>);

    /// Starts commands.
    pub(in super::super) struct Starter;

    /// Begins to hear these signals, which have no other effect on this process any more.
    pub(in super::super) fn hear(signals: impl Iterator<Item = i32>) -> io::Result<(Ear, Starter)> {
        // So that the end of a child is told even if whoever started us had that ignored.
        Ok((Ear(SignalsInfo::new(signals.chain([SIGCHLD]))?), Starter))
    }

    impl Starter {
        pub(in super::super) fn start(
            &self,
            command: &mut Command,
            _: impl Fn(Heard),
        ) -> io::Result<Child> {
            command.spawn()
        }
    }

    impl Ear {
        /// Waits for the next signal. Nothing if there will be none.
        pub(in super::super) fn next(&mut self) -> Option<Heard> {
            let origin = self.0.forever().find(|origin| origin.signal != SIGCHLD)?;
            Some(Heard {
                signal: origin.signal,
                sender: origin.process.map(|sender| sender.pid),
                is_of_kernel: matches!(origin.cause, Cause::Kernel),
            })
        }
    }
}
