//! The output of the commands: the steps of an installation or removal, and the exit code.

use std::io::{self, Write};

use crate::model::escape::escape;
use crate::model::{Exit, Failure, describe};
use crate::schedule::Step;

pub(super) fn show(steps: &[Step], out: &mut dyn Write) -> io::Result<()> {
    for (label, text) in Step::lines(steps) {
        writeln!(out, "{label:<9}  {}", escape(text))?;
    }
    Ok(())
}

/// The exit code after that output: 3 if it could not be written.
pub(super) fn finish(written: io::Result<()>, out: &mut dyn Write) -> anyhow::Result<Exit> {
    written.and_then(|()| out.flush()).map_err(|error| {
        Failure::new(format!("cannot write the output: {}", describe(&error)))
            .with(Exit::Partly)
            .hint("session-warden schedule status shows timers")
    })?;
    Ok(Exit::Done)
}
