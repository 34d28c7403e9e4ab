//! Mapped sessions that their CLI will soon delete: an old mapping is of use only as long as its session
//! exists.

use super::setup::Setup;
use crate::clean;
use crate::commands::retention::{Retentions, is_due, message};
use crate::config::Clean;
use crate::map::Choice;
use crate::model::{Clock, State, Timestamp, WarningCode};
use crate::provider::Kept;
use crate::report::{Check, Row, age, counted};

/// The check, if sessions of a CLI that deletes any are mapped.
pub(super) fn checks(setup: &Setup<'_>) -> Vec<Check> {
    check(setup).into_iter().collect()
}

fn check(setup: &Setup<'_>) -> Option<Check> {
    setup.map()?;
    // The plan of a dry run has the pins. If there is a file, the bridge was asked before.
    let has_file = setup.file().is_some();
    let bridge = if has_file { Choice::Off } else { setup.config.bridge.clone() };
    let dry = Clean { clock: Clock::Mtime, bridge, ..setup.config.only_looking() };
    let run = clean::run(&dry, setup.now, setup.interrupt).ok()?;
    let report = run.report();
    let retentions = Retentions::read(&dry, run.map_owner());

    let mut kept: Vec<(&str, &Kept)> = Vec::new();
    let mut due = Vec::new();
    for row in report.rows().filter(|row| row.file.is_some()) {
        let Some(of) = retentions.of(row.mapping.model) else { continue };
        if !kept.contains(&of) {
            kept.push(of);
        }
        let deletion = retentions.deletion(row.mapping.model, written(&row));
        if let Some(deletion) = deletion
            && is_due(row.state, deletion, setup.now)
        {
            due.push((deletion.after, row.mapping.chat.0, deletion.cli));
        }
    }

    if let Some(message) = message(&mut due) {
        return Some(Check::warning("retention", message).hint(WarningCode::DeletedSoon.hint()));
    }
    let mut periods = Vec::new();
    for (cli, kept) in kept {
        match kept {
            Kept::Unknown(why) => {
                let message = format!("cannot tell when {cli} deletes sessions: {why}");
                return Some(
                    Check::warning("retention", message)
                        .hint("correct the file; until then no date of deletion is shown"),
                );
            }
            Kept::For(span) => periods.push(format!("{cli} {}", days(span.as_secs()))),
            Kept::Always => periods.push(format!("{cli} never")),
        }
    }
    let limits = periods.join(", ");
    let message = format!("no mapped session is deleted within 3 days; limits: {limits}");
    (!periods.is_empty()).then(|| Check::ok("retention", message))
}

/// Returns when the session's own file was last written, if its CLI can delete the session.
fn written(row: &Row<'_>) -> Option<Timestamp> {
    let metadata = row.file.filter(|_| row.state != State::Archived)?.metadata().ok()?;
    metadata.is_file().then(|| metadata.modified().ok())?.map(Timestamp::from)
}

fn days(seconds: u64) -> String {
    match seconds % 86_400 {
        0 => counted(seconds / 86_400, "day"),
        _ => age(seconds),
    }
}
