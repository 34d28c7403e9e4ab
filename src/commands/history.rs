//! `history`: the runs there were, newest first.

use std::cmp::Reverse;
use std::io::{self, Write};

use crate::domain::{Exit, Failure, Timestamp};
use crate::journal::{Journal, Ran};
use crate::report::age;
use crate::report::escape::escape;

/// Writes a line for each run.
///
/// # Errors
/// Where the journal cannot be read.
pub fn run(journal: &Journal, now: Timestamp, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut rows: Vec<Row> = journal.runs()?.iter().map(Row::from).collect();
    rows.extend(journal.unended(now)?.into_iter().map(Row::unended));
    rows.sort_by_key(|row| Reverse(row.started));
    if let Err(error) = write(&rows, now, out)
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let why = crate::disk::words(&error);
        return Err(Failure::new(format!("cannot write the history: {why}")));
    }
    Ok(Exit::Done)
}

/// One run, as it is shown.
struct Row {
    run: String,
    started: Option<Timestamp>,
    exit: String,
    checked: String,
    removed: String,
    remark: Option<String>,
}

impl From<&Ran> for Row {
    fn from(ran: &Ran) -> Self {
        let count = |name| ran.summary.get(name).map_or_else(unknown, ToString::to_string);
        Self {
            run: ran.run.clone(),
            started: Timestamp::parse(&ran.started),
            exit: ran.exit.to_string(),
            checked: count("checked"),
            removed: count("removed"),
            remark: ran.warning.clone(),
        }
    }
}

impl Row {
    fn unended((run, started): (String, Timestamp)) -> Self {
        let remark = "it was killed, or still runs; undo knows what it was about to remove";
        Self {
            run,
            started: Some(started),
            exit: unknown(),
            checked: unknown(),
            removed: unknown(),
            remark: Some(remark.to_owned()),
        }
    }
}

/// What is shown for what is not known.
fn unknown() -> String {
    "-".to_owned()
}

fn write(rows: &[Row], now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "No run yet.");
    }
    writeln!(out, "{:<30} {:>7}  {:>4}  {:>7}  {:>7}", "run", "age", "exit", "checked", "removed")?;
    for row in rows {
        let age = row.started.map_or_else(unknown, |then| age(then.seconds_until(now)));
        let Row { exit, checked, removed, .. } = row;
        let run = escape(&row.run);
        writeln!(out, "{run:<30} {age:>7}  {exit:>4}  {checked:>7}  {removed:>7}")?;
        if let Some(remark) = &row.remark {
            writeln!(out, "  {}", escape(remark))?;
        }
    }
    out.flush()
}
