//! `keepalive set-key`: asks for a key without showing it, or takes it from standard input.

use clap::Args;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, IsTerminal, Read, Stdin, Write};

use crate::commands::keepalive::CommonArgs;
use crate::commands::options::own_variables;
use crate::keepalive::web::SessionKey;
use crate::keepalive::{Keeper, key_file, set_key};
use crate::model::{Exit, Failure, describe};
use crate::os::interrupt::Interrupt;
use crate::ui::{hint, prompt, warning};

/// More than any key has, with white space around it.
const LARGEST: usize = 16 << 10;

/// How often a wait checks for a signal.
const EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

pub(crate) const AFTER_HELP: &str = concat!(
    "\
Examples:
  session-warden keepalive set-key
  session-warden keepalive set-key my-ping < key.txt

Exit codes:
  0   the key was stored in a file that only its owner can read
  1   failed: the key cannot be read or written
  2   wrong usage or configuration, or the input is not a key

Environment:
",
    own_variables!()
);

#[derive(Debug, Args)]
pub(crate) struct SetKeyArgs {
    /// The job whose key file to write [default: the only one there is, or session-key in the state
    /// folder]
    id: Option<String>,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

impl SetKeyArgs {
    /// Stores what is typed.
    ///
    /// # Errors
    /// Where it is no key, or cannot be stored.
    pub(crate) fn run(&self, keeper: &Keeper<'_>, out: &mut dyn Write) -> anyhow::Result<Exit> {
        let keys = &keeper.keys;
        let path = key_file(keeper.jobs, self.id.as_deref(), &keys.usual)?;
        let text = read(keeper.interrupt)?;
        let exit = set_key(&path, &text, out)?;
        if SessionKey::parse(&text).is_ok_and(|key| !key.looks_right()) {
            warning(
                "this does not look like a session key of claude.ai; it was stored all the same",
                "if pings are refused, copy the value of the cookie sessionKey again",
            );
        }
        if let Some(before) = keys.before_usual().filter(|_| path == keys.usual) {
            hint(&format!(
                "{before} is set, so its key is used instead; unset it to use the stored one"
            ));
        }
        Ok(exit)
    }
}

fn read(interrupt: &Interrupt) -> Result<String, Failure> {
    let stdin = io::stdin();
    let failed = |error: &io::Error| {
        Failure::new(format!("cannot read the session key: {}", describe(error)))
            .hint("type it when asked, or send it to standard input; nothing was stored")
    };
    if !stdin.is_terminal() {
        return all_of(&stdin, interrupt, false).map_err(|error| failed(&error));
    }
    let _quiet = Quiet::begin(&stdin).map_err(|error| failed(&error))?;
    // Standard output may be a file.
    prompt("Session key of claude.ai (not shown):");
    all_of(&stdin, interrupt, true).map_err(|error| failed(&error))
}

/// What comes in: all of it, or one line.
fn all_of(stdin: &Stdin, interrupt: &Interrupt, is_line: bool) -> io::Result<String> {
    let mut stdin_lock = stdin.lock();
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];
    while bytes.len() <= LARGEST && !(is_line && bytes.contains(&b'\n')) {
        // A read would go on after a signal.
        let mut one = [PollFd::new(stdin, PollFlags::IN)];
        match poll(&mut one, Some(&EVERY)) {
            _ if interrupt.asked() => {
                return Err(io::Error::other("stopped by a signal"));
            }
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
    // It is judged as a key, so what is too long or no text is seen there.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet<'a> {
    terminal: &'a Stdin,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn begin(terminal: &'a Stdin) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        // The end of the line shows that it was taken.
        quiet.local_modes.insert(LocalModes::ECHONL);
        // What was typed before it was asked for was shown, and does not count.
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}
