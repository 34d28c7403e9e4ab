//! `keepalive set-key`: prompts for a key without showing it, or reads it from standard input.

use anyhow::Context as _;
use clap::Args;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, IsTerminal, Read, Stdin, Write};

use super::args::CommonArgs;
use crate::commands::options::own_variables;
use crate::keepalive::web::SessionKey;
use crate::keepalive::{Keeper, key_file, set_key};
use crate::model::{Advice, Exit};
use crate::os::interrupt::Interrupt;
use crate::ui::{hint, prompt, warning};

/// More than any key has, with white space around it.
const LARGEST: usize = 16 << 10;

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
    pub(super) common: CommonArgs,
}

impl SetKeyArgs {
    pub(super) fn run(&self, keeper: &Keeper<'_>, out: &mut dyn Write) -> anyhow::Result<Exit> {
        let keys = &keeper.keys;
        let path = key_file(keeper.jobs, self.id.as_deref(), &keys.usual)?;
        let text = read(keeper.interrupt)
            .context("cannot read the session key")
            .hint("type it when asked, or send it to standard input; nothing was stored")?;
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

fn read(interrupt: &Interrupt) -> io::Result<String> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return read_all(&stdin, interrupt, false);
    }
    let _hidden = HiddenInput::begin(&stdin)?;
    // Standard output may be a file.
    prompt("Session key of claude.ai (not shown):");
    read_all(&stdin, interrupt, true)
}

fn read_all(stdin: &Stdin, interrupt: &Interrupt, is_line: bool) -> io::Result<String> {
    let mut stdin_lock = stdin.lock();
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];

    while bytes.len() <= LARGEST && !(is_line && bytes.contains(&b'\n')) {
        // A read would go on after a signal.
        let mut waited = [PollFd::new(stdin, PollFlags::IN)];
        match poll(&mut waited, Some(&EVERY)) {
            _ if interrupt.asked() => return Err(io::Error::other("stopped by a signal")),
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

    // Text that is too long or not UTF-8 is refused when it is parsed as a key.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A terminal that does not show the input, until this is dropped.
struct HiddenInput<'a> {
    terminal: &'a Stdin,
    before: Termios,
}

impl<'a> HiddenInput<'a> {
    fn begin(terminal: &'a Stdin) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        // The end of the line shows that it was taken.
        hidden.local_modes.insert(LocalModes::ECHONL);
        // Anything typed before the prompt was shown, and is dropped.
        tcsetattr(terminal, OptionalActions::Flush, &hidden)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for HiddenInput<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}
