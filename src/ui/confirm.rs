//! One question on a terminal, before something is removed.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::{self, IsTerminal, Read};

use super::messages::{note, prompt};
use crate::map::map_file::stopped;
use crate::model::{Failure, describe};
use crate::os::interrupt::Interrupt;

/// How often a signal is looked for while an answer is awaited.
const EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// The longest answer, in bytes.
const LARGEST: usize = 1024;

/// Returns true if a user can answer: if questions are shown, and answers typed, on a terminal.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on standard error, and returns true for `y` or `yes`. The end of the input is a no.
pub(crate) fn confirm(question: &str, interrupt: &Interrupt) -> anyhow::Result<bool> {
    prompt(&format!("{question} [y/N]"));
    let answer = line(interrupt)?;
    if !answer.ends_with('\n') {
        // The terminal did not begin a new line.
        note("");
    }
    let answer = answer.trim();
    Ok(answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes"))
}

/// Reads one line, or its beginning at the end of the input.
fn line(interrupt: &Interrupt) -> anyhow::Result<String> {
    let stdin = io::stdin();
    let mut locked = stdin.lock();
    let mut bytes = Vec::new();
    let mut buffer = [0; 256];

    while bytes.len() <= LARGEST && !bytes.contains(&b'\n') {
        // A read would go on after a signal.
        let ready = poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&EVERY));
        if interrupt.asked() {
            note("");
            return Err(stopped().into());
        }

        let read = match ready {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => locked.read(&mut buffer),
            Err(error) => Err(error.into()),
        };
        match read {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let message =
                    format!("cannot read the answer: {}; nothing was changed", describe(&error));
                return Err(Failure::new(message).hint("--yes skips the question").into());
            }
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
