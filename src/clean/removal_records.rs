//! The journal's records of the removals of a run, and how many of them one run may write.

use std::io::{self, Write};

use crate::journal::{LARGEST_RUN, RemovalRecord};
use crate::model::plan::Observations;
use crate::model::{
    Activity, KeepReason, MappingIdx, Plan, SessionMap, Timestamp, Warning, WarningCode,
};

/// Makes the records of the mappings that a plan removes.
pub(super) struct RemovalRecords<'a> {
    pub(super) run: &'a str,
    /// When the run started, RFC 3339.
    pub(super) time: String,
    pub(super) plan: &'a Plan,
    pub(super) observations: &'a Observations,
}

impl RemovalRecords<'_> {
    /// Returns the record of a mapping of that map, which was `judged` as another one if the map has changed since. Its
    /// run's map is recorded apart. None if the plan does not have it.
    pub(super) fn record<'m>(
        &'m self,
        map: &'m SessionMap,
        mapping: MappingIdx,
        judged: MappingIdx,
    ) -> Option<RemovalRecord<'m>> {
        let before = mapping.0.checked_sub(1).and_then(|before| map.get(MappingIdx(before)));
        let mapping = map.get(mapping)?;
        let before = before.filter(|before| before.model == mapping.model);
        let decision = self.plan.decision(judged)?;
        let activity = self.observations.activity(decision.subject);
        let last_used = activity.and_then(Activity::last_used).and_then(Timestamp::rfc3339);
        Some(RemovalRecord {
            run: self.run.into(),
            time: self.time.as_str().into(),
            map: None,
            url: None,
            form: map.form().into(),
            model: mapping.model.into(),
            chat: mapping.chat.0.into(),
            before: before.map(|before| before.chat.0.into()),
            session: mapping.session?.0.into(),
            last_used: last_used.map(Into::into),
            reason: decision.verdict.to_string().into(),
        })
    }

    /// Returns the mappings whose records do not fit into what a run may write. The first ones of the map come first.
    fn beyond_limit(&self, map: &SessionMap) -> Vec<MappingIdx> {
        if self.may_have(map) <= LARGEST_RUN {
            return Vec::new();
        }

        let mut written = 0;
        let mut fits = |mapping: MappingIdx| {
            let mut length = Size(1);
            let record = self.record(map, mapping, mapping);
            // Counting cannot fail.
            let _ = record.map(|record| serde_json::to_writer(&mut length, &record));
            let does_fit = written + length.0 <= LARGEST_RUN;
            written += if does_fit { length.0 } else { 0 };
            does_fit
        };
        self.plan.removals().filter(|mapping| !fits(*mapping)).collect()
    }

    /// Returns the most bytes that all records may have, without making them.
    fn may_have(&self, map: &SessionMap) -> u64 {
        // The names of the fields, times, the reason.
        let fixed = 512 + self.run.len();
        let length = |mapping: MappingIdx| {
            let mapping = map.get(mapping);
            mapping.map_or(0, |mapping| {
                let session = mapping.session.map_or(0, |session| session.0.len());
                mapping.model.len() + mapping.chat.0.len() + session
            })
        };
        let bounds = self.plan.removals().map(|mapping| {
            let before = mapping.0.checked_sub(1).map_or(0, |before| length(MappingIdx(before)));
            fixed + MOST_ESCAPED * (length(mapping) + before)
        });
        bounds.map(|bound| bound as u64).sum()
    }
}

/// Leaves the mappings to the next run whose records go beyond what a run may write, with a warning.
pub(super) fn keep_for_next_run(
    map: &SessionMap,
    observations: &Observations,
    plan: &mut Plan,
    run: &str,
    started: Timestamp,
) -> Option<Warning> {
    let time = started.rfc3339().unwrap_or_default();
    let left = RemovalRecords { run, time, plan, observations }.beyond_limit(map);
    for mapping in &left {
        plan.keep(*mapping, KeepReason::NextRun);
    }

    let count = left.len();
    let (mappings, are) = if count == 1 { ("mapping", "is") } else { ("mappings", "are") };
    let message = format!(
        "{count} {mappings} {are} left for the next run: one run records at most {} MiB of removals",
        LARGEST_RUN >> 20
    );
    (count > 0).then(|| Warning::new(WarningCode::LeftForNextRun, message))
}

/// The most bytes in which JSON writes one byte of a string.
const MOST_ESCAPED: usize = 6;

/// Counts the bytes that are written to it.
struct Size(u64);

impl Write for Size {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
