//! A question that is answered with yes or no, on a terminal.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::{self, IsTerminal, Read, Write};

use super::ui;
use crate::disk::interrupt::Interrupt;
use crate::disk::map_file::stopped;
use crate::disk::words;
use crate::domain::Failure;

/// How often a signal is looked for while nothing is typed.
const EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// The longest answer that is read.
const LONGEST: usize = 1024;

/// Returns true if there is a user who can answer.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal()
}

/// Asks on standard error. Returns true if the answer is `y` or `yes`.
///
/// # Errors
/// If the answer cannot be read, or a signal comes instead.
pub(super) fn confirm(question: &str, interrupt: &Interrupt) -> Result<bool, Failure> {
    let failed = |error: &io::Error| {
        Failure::new(format!("cannot read the answer: {}", words(error)))
            .hint("--yes answers yes to the question")
    };
    // Standard output may be a file.
    let mut stderr = io::stderr();
    let asked = write!(stderr, "{} [y/N] ", ui::shown(question)).and_then(|()| stderr.flush());
    let answer = asked.and_then(|()| line(interrupt)).map_err(|error| failed(&error))?;
    let Some(answer) = answer else {
        return Err(stopped().hint("run it again; --yes skips the question"));
    };
    if !answer.ends_with('\n') {
        ui::note("");
    }
    Ok(["y", "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes)))
}

/// Reads a line, or what there is of it at the end of the input; nothing if a signal comes first.
fn line(interrupt: &Interrupt) -> io::Result<Option<String>> {
    let stdin = io::stdin();
    let mut stdin_lock = stdin.lock();
    let mut bytes = Vec::new();
    // As large as the buffer of standard input, so that nothing is left in that unseen.
    let mut buffer = [0; 8192];
    while bytes.len() < LONGEST && !bytes.contains(&b'\n') {
        // A read would go on after a signal.
        let mut one = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut one, Some(&EVERY)) {
            _ if interrupt.asked() => return Ok(None),
            Ok(0) | Err(Errno::INTR) => continue,
            ready => ready?,
        };
        match stdin_lock.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
