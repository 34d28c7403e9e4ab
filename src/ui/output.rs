//! Standard output, which nothing else writes to.
//!
//! A reader that closes the pipe has read enough: that is no error, the rest is dropped, and the exit code
//! still shows how the work ended.

use anyhow::Context;
use clap::builder::StyledStr;
use std::io::{self, BufWriter, Write};

use super::terminal;
use crate::model::Advice;
use crate::model::plain_text::PlainText;

/// What to do if standard output cannot be written to.
pub(crate) const CHECK_OUTPUT: &str = "check the file or pipe that standard output leads to";

/// Large reports are written in pieces of this size.
const PIECE: usize = 64 << 10;

/// Returns standard output, to which each line is written as it comes, and nothing that a terminal would act on.
pub(crate) fn stdout() -> PlainText<Stdout> {
    PlainText::new(Stdout(io::stdout()))
}

/// Standard output as it is.
pub(crate) struct Stdout(io::Stdout);

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        unless_closed(self.0.write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        unless_closed(self.0.flush(), ())
    }
}

fn unless_closed<T>(written: io::Result<T>, if_closed: T) -> io::Result<T> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(if_closed),
        _ => written,
    }
}

/// Prints the output of `write`; an error calls it `what`.
pub(crate) fn print(
    what: &str,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(PIECE, stdout());
    let written = write(&mut out).and_then(|()| out.flush());
    written.with_context(|| format!("cannot write {what}")).hint(CHECK_OUTPUT)
}

/// Prints a help text, in colours if standard output has any.
pub(crate) fn print_help(help: &StyledStr) -> anyhow::Result<()> {
    print("the help", |out| {
        if terminal::has_colored_output() {
            write!(out, "{}", help.ansi())
        } else {
            write!(out, "{help}")
        }
    })
}
