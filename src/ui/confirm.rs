//! One question on a terminal, before something is removed.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::{self, IsTerminal, Read, Write};

use crate::map::map_file::stopped;
use crate::model::{Failure, describe};
use crate::os::interrupt::Interrupt;
use crate::ui;

/// How often a signal is looked for while an answer is awaited.
const EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// No answer is longer.
const LARGEST: usize = 1024;

/// Returns true if a user can answer: if questions are shown, and answers typed, on a terminal.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on standard error, and returns true for `y` or `yes`. The end of the input is a no.
///
/// # Errors
/// If a signal comes first, or nothing can be read.
pub(crate) fn confirm(question: &str, interrupt: &Interrupt) -> Result<bool, Failure> {
    let mut stderr = io::stderr();
    let _ = write!(stderr, "{} [y/N] ", ui::shown(question)).and_then(|()| stderr.flush());
    let answer = line(interrupt)?;
    if !answer.ends_with('\n') {
        // The terminal did not begin a new line.
        ui::note("");
    }
    let answer = answer.trim();
    Ok(answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes"))
}

/// Reads one line, or what there is of it at the end of the input.
fn line(interrupt: &Interrupt) -> Result<String, Failure> {
    let failed = |error: &io::Error| {
        Failure::new(format!("cannot read the answer: {}; nothing was changed", describe(error)))
            .hint("--yes skips the question")
    };
    let stdin = io::stdin();
    let mut locked = stdin.lock();
    let mut bytes = Vec::new();
    let mut buffer = [0; 256];
    while bytes.len() <= LARGEST && !bytes.contains(&b'\n') {
        // A read would go on after a signal.
        let mut one = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut one, Some(&EVERY)) {
            _ if interrupt.asked() => {
                ui::note("");
                return Err(stopped());
            }
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(failed(&error.into())),
        }
        match locked.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(&error)),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
