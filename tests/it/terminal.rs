//! Terminals for runs: what a user types there, and what is shown.

use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};

use crate::env::Ran;

/// The two ends of a terminal: the user's and the program's.
pub(crate) fn terminal() -> (File, File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let user: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&user).unwrap();
    unlockpt(&user).unwrap();
    let name = ptsname(&user, Vec::new()).unwrap();
    let mut options = OpenOptions::new();
    options.custom_flags(rustix::fs::OFlags::NOCTTY.bits().cast_signed());
    let program = options.read(true).write(true).open(name.to_str().unwrap()).unwrap();
    (File::from(user), program)
}

/// Runs the command with a terminal as its standard input, on which that was typed, and another one as
/// its standard error.
#[track_caller]
pub(crate) fn typed(command: &mut Command, text: &str) -> Ran {
    let (mut user, program) = terminal();
    user.write_all(text.as_bytes()).unwrap();
    let (mut seen, messages) = terminal();
    let child = command.env("NO_COLOR", "1").stdin(program).stdout(Stdio::piped()).stderr(messages);
    let child = child.spawn().unwrap();
    // The terminal is at its end once no program has it.
    command.stderr(Stdio::null());

    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    while let Ok(length @ 1..) = seen.read(&mut part) {
        bytes.extend_from_slice(&part[..length]);
    }
    let ran = Ran::from(child.wait_with_output().unwrap());
    Ran { err: String::from_utf8(bytes).unwrap().replace("\r\n", "\n"), ..ran }
}

/// Runs the command with a terminal of that width as its standard output.
#[track_caller]
pub(crate) fn shown(mut command: Command, columns: u16) -> Ran {
    let (mut user, program) = terminal();
    let size = Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&program, size).unwrap();
    let child = command.stdout(program).stderr(Stdio::piped()).spawn().unwrap();
    // The terminal is at its end once no program has it.
    drop(command);
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    while let Ok(length @ 1..) = user.read(&mut part) {
        bytes.extend_from_slice(&part[..length]);
    }
    let ran = Ran::from(child.wait_with_output().unwrap());
    Ran { out: String::from_utf8(bytes).unwrap().replace("\r\n", "\n"), ..ran }
}
