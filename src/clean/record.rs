//! The journal's line about a run that has ended.

use std::time::Duration;

use super::run::Run;
use crate::config::Clean;
use crate::journal::{Journal, RunKind, RunRecord, run_id};
use crate::model::{Exit, Failure, Timestamp};

/// Records a run that failed, unless it was a dry run, or a `remove` that was refused before it had
/// recorded a removal.
pub fn record_failure(
    config: &Clean,
    failure: &Failure,
    is_by_hand: bool,
    started: Timestamp,
    took: Duration,
) -> Result<(), Failure> {
    if config.dry_run {
        return Ok(());
    }

    let journal = Journal::at(&config.state_dir()?);
    let run = run_id(started, config.profile.as_deref());
    if is_by_hand && !journal.removals()?.iter().any(|removed| removed.run == run) {
        return Ok(());
    }

    let record = RunRecord {
        run,
        exit: failure.exit.code(),
        map: Some(config.map.clone().into()),
        warning: Some(failure.message.clone()),
        ..RunRecord::default()
    };
    append(&journal, started, took, record)
}

pub(super) fn append(
    journal: &Journal,
    started: Timestamp,
    took: Duration,
    run: RunRecord,
) -> Result<(), Failure> {
    journal.record_run(&RunRecord {
        started: started.rfc3339().unwrap_or_default(),
        ended: started.after(took).rfc3339().unwrap_or_default(),
        ..run
    })?;
    journal.trim(started)
}

impl Run {
    /// Records the run, unless it was a dry run. Only `history` depends on it.
    pub fn record(&self, config: &Clean, exit: Exit, took: Duration) -> Result<(), Failure> {
        if self.is_dry {
            return Ok(());
        }

        let summary = serde_json::to_value(self.report().summary());

        let journal = Journal::at(&config.state_dir()?);
        let record = RunRecord {
            run: self.id.clone(),
            exit: exit.code(),
            map: self.store.real_path().or(self.store.source().map).map(Into::into),
            summary: summary.ok().and_then(|all| all.as_object().cloned()).unwrap_or_default(),
            warning: self.warnings().first().map(|warning| warning.message.clone()),
            command: RunKind::of(self.is_by_hand),
            ..RunRecord::default()
        };
        append(&journal, self.started, took, record)
    }
}
