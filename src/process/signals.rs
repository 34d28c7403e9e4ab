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

pub(super) use imp::Ear;

/// On Linux by a file that signals are read from. The kernel fills in who has sent them, and it takes no C.
#[cfg(target_os = "linux")]
mod imp {
    use nix::sys::signal::{SigSet, Signal};
    use nix::sys::signalfd::{SfdFlags, SignalFd};
    use std::sync::Arc;

    use super::{Heard, io};

    /// The codes of the kernel itself and of processes (`sigaction(2)`): `kill`, `sigqueue`, `mq_notify` and
    /// `tgkill`.
    const SI_KERNEL: i32 = 0x80;
    const OF_PROCESSES: [i32; 4] = [0, -1, -3, -6];

    /// Hears signals, which have no other effect on this process any more.
    pub(in super::super) struct Ear(SignalFd);

    impl Ear {
        /// Begins to hear these signals. To be called before there is any thread that is to run on: those
        /// that are started later leave the signals to this as well, and programs that are run do not.
        pub(in super::super) fn open(signals: impl Iterator<Item = i32>) -> io::Result<Self> {
            let mut set = SigSet::empty();
            for signal in signals {
                set.add(Signal::try_from(signal)?);
            }
            // So that the end of a child is told even if whoever started us had that ignored.
            signal_hook::flag::register(signal_hook::consts::SIGCHLD, Arc::default())?;
            set.thread_block()?;
            Ok(Self(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC)?))
        }

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

    use super::{Heard, io};

    /// Hears signals, which have no other effect on this process any more.
    pub(in super::super) struct Ear(SignalsInfo<WithOrigin>);

    impl Ear {
        /// Begins to hear these signals.
        pub(in super::super) fn open(signals: impl Iterator<Item = i32>) -> io::Result<Self> {
            // So that the end of a child is told even if whoever started us had that ignored.
            Ok(Self(SignalsInfo::new(signals.chain([SIGCHLD]))?))
        }

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
