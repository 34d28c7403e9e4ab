//! Whether a CLI will soon delete sessions that are mapped: an old mapping is of use only as long as its
//! session is there.

use super::Patient;
use crate::clean;
use crate::commands::retention::{Retentions, is_due, message};
use crate::config::Clean;
use crate::map::Choice;
use crate::model::{Clock, State, Timestamp, WarningCode};
use crate::os::interrupt::Interrupt;
use crate::provider::Kept;
use crate::report::{Check, Row};

/// The check; nothing if no session of a CLI that deletes any is mapped.
pub(super) fn checks(patient: &Patient<'_>, interrupt: &Interrupt) -> Option<Check> {
    patient.map()?;
    // What is pinned is known by the plan of a dry run. A bridge was asked already if there is a file.
    let has_file = patient.file().is_some();
    let bridge = if has_file { Choice::Off } else { patient.config.bridge.clone() };
    let dry = Clean {
        dry_run: true,
        max_remove: None,
        clock: Clock::Mtime,
        bridge,
        ..patient.config.clone()
    };
    let run = clean::run(&dry, patient.now, interrupt).ok()?;
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
            && is_due(row.state, deletion, patient.now)
        {
            due.push((deletion.after, row.mapping.chat.0, deletion.cli));
        }
    }

    if let Some(message) = message(&mut due) {
        return Some(Check::warning("retention", message).hint(WarningCode::DeletedSoon.hint()));
    }
    let unknown = kept.iter().find_map(|(cli, kept)| match kept {
        Kept::Unknown(why) => Some((cli, why)),
        Kept::For(_) | Kept::Always => None,
    });
    if let Some((cli, why)) = unknown {
        let message = format!("cannot tell when {cli} deletes sessions: {why}");
        let hint = "correct the file; until then no date of deletion is shown";
        return Some(Check::warning("retention", message).hint(hint));
    }

    let periods = kept.iter().map(|(cli, kept)| match kept {
        Kept::For(span) => format!("{cli} {}", days(span.as_secs())),
        Kept::Always | Kept::Unknown(_) => format!("{cli} never"),
    });
    let periods: Vec<String> = periods.collect();
    let message =
        format!("no mapped session is deleted within 3 days; limits: {}", periods.join(", "));
    (!kept.is_empty()).then(|| Check::ok("retention", message))
}

/// Returns when the session's own file was last written, of a session that its CLI can delete.
fn written(row: &Row<'_>) -> Option<Timestamp> {
    let about = row.file.filter(|_| row.state != State::Archived)?.metadata().ok()?;
    about.is_file().then(|| about.modified().ok()).flatten().map(Timestamp::from)
}

fn days(seconds: u64) -> String {
    match (seconds / 86_400, seconds % 86_400) {
        (1, 0) => "1 day".to_owned(),
        (days, 0) => format!("{days} days"),
        _ => crate::report::age(seconds),
    }
}
