//! `history`: the runs there were, newest first.

use std::io::{self, Write};

use crate::domain::{Exit, Failure, Timestamp};
use crate::journal::Journal;
use crate::report::age;
use crate::report::escape::escape;

/// Writes a line for each run.
///
/// # Errors
/// Where the journal cannot be read.
pub fn run(journal: &Journal, now: Timestamp, out: &mut dyn Write) -> Result<Exit, Failure> {
    let runs = journal.runs()?;
    if let Err(error) = write(&runs, now, out)
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let why = crate::disk::words(&error);
        return Err(Failure::new(format!("cannot write the history: {why}")));
    }
    Ok(Exit::Done)
}

fn write(runs: &[crate::journal::Ran], now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    if runs.is_empty() {
        return writeln!(out, "No run yet.");
    }
    writeln!(out, "{:<30} {:>7}  {:>4}  {:>7}  {:>7}", "run", "age", "exit", "checked", "removed")?;
    for ran in runs.iter().rev() {
        let count =
            |name| ran.summary.get(name).map_or_else(|| "-".to_owned(), ToString::to_string);
        let started = Timestamp::parse(&ran.started);
        let age = started.map_or_else(|| "-".to_owned(), |then| age(then.seconds_until(now)));
        writeln!(
            out,
            "{:<30} {age:>7}  {:>4}  {:>7}  {:>7}",
            escape(&ran.run),
            ran.exit,
            count("checked"),
            count("removed"),
        )?;
        if let Some(warning) = &ran.warning {
            writeln!(out, "  {}", escape(warning))?;
        }
    }
    out.flush()
}
