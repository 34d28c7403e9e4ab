//! The map held by a running bridge: asked over HTTP to remove one mapping at a time. Its file is never
//! edited behind its back.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::api::{Api, Deleted, TO_ANSWER, Trouble, is_addressable};
use super::file::FileMap;
use super::map_file::stopped;
use super::store::{LAST_LOOKS, MapStore, Removal, RemovalGuard, Source, too_slow};
use crate::model::{Failure, Mapping, MappingIdx, SessionMap, Warning, WarningCode};
use crate::os::interrupt::Interrupt;
use crate::os::progress::Phase;

/// How long all the calls of one run may take (B3), from the first removal on and with its records and looks, and how
/// much of that is kept for the last call.
const ALL_CALLS: Duration = Duration::from_secs(90);
const LAST_CALL: Duration = TO_ANSWER;

/// A call that has begun is given this long, even if that is more than is left.
const SHORTEST_CALL: Duration = Duration::from_millis(100);

/// After a removal took longer than this to record, the bridge is asked for its map again.
const SLOW_RECORDING: Duration = Duration::from_millis(500);

/// How long the file may take to lose the first mapping that the bridge removes (B5).
const FILE_FOLLOWS_WITHIN: Duration = Duration::from_secs(2);

/// A bridge that runs, and the map as it returned it.
#[derive(Debug)]
pub(super) struct RunningBridge {
    api: Api,
    map: SessionMap,
    /// The file that is believed to hold the same map, opened for the access of the run.
    file: Option<FileMap>,
    /// True if the file must be seen to follow before more than one mapping is removed (B5).
    must_follow: bool,
    interrupt: Interrupt,
    for_all: Duration,
}

impl RunningBridge {
    pub(super) fn new(
        api: Api,
        map: SessionMap,
        file: Option<FileMap>,
        must_follow: bool,
        interrupt: Interrupt,
    ) -> Self {
        Self { api, map, file, must_follow, interrupt, for_all: ALL_CALLS }
    }

    fn url(&self) -> &str {
        self.api.address().as_str()
    }

    fn warning(&self, code: WarningCode, message: &str) -> Warning {
        Warning::new(code, format!("the bridge at {}: {message}", self.url()))
    }

    /// Returns true if the bridge still has that mapping. It must answer within that time.
    fn has_mapping(&self, mapping: Mapping<'_>, within: Duration) -> Result<bool, Trouble> {
        Ok(has(&self.api.sessions(within)?, mapping))
    }

    /// Returns true if the file has that mapping now, so that it can be seen to lose it.
    fn file_has(&self, mapping: Mapping<'_>) -> bool {
        let now = self.file.as_ref().and_then(|file| file.read_again().ok());
        now.flatten().is_some_and(|map| has(&map, mapping))
    }

    /// Returns true if the file loses that mapping in time: only then is it this bridge's.
    fn file_follows(&self, mapping: Mapping<'_>) -> bool {
        let Some(file) = &self.file else { return true };
        let start = Instant::now();
        while start.elapsed() < FILE_FOLLOWS_WITHIN {
            if file.read_again().is_ok_and(|now| now.is_none_or(|map| !has(&map, mapping))) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// Splits these mappings into those that the file has as well, and the others. If the file need not
    /// be seen to follow, all are among the first.
    fn split_by_file(&self, going: &[MappingIdx]) -> (Vec<MappingIdx>, Vec<MappingIdx>) {
        let file = self.file.as_ref().filter(|_| self.must_follow).and_then(FileMap::map);
        let Some(file) = file else { return (going.to_vec(), Vec::new()) };
        let in_file: HashSet<Mapping<'_>> = file.mappings().collect();
        going.iter().partition(|position| self.is_among(&in_file, **position))
    }

    fn is_among(&self, mappings: &HashSet<Mapping<'_>>, position: MappingIdx) -> bool {
        self.map.get(position).is_some_and(|mapping| mappings.contains(&mapping))
    }

    /// Asks the bridge for its map a last time, and corrects the removal by it.
    fn verify(&self, removal: &mut Removal) {
        let now = match self.api.sessions(LAST_CALL) {
            Ok(now) => now,
            Err(trouble) => {
                let message = format!("cannot confirm that they were removed: {trouble}");
                removal.warnings.push(self.warning(WarningCode::BridgeTrouble, &message));
                return;
            }
        };

        let mappings: HashSet<Mapping<'_>> = now.mappings().collect();
        let (back, removed): (Vec<MappingIdx>, _) =
            removal.removed.iter().partition(|position| self.is_among(&mappings, **position));
        removal.removed = removed;
        if !back.is_empty() {
            let message = format!("it reported {} as removed but still has them", back.len());
            removal.warnings.push(self.warning(WarningCode::BridgeTrouble, &message));
            removal.failed.extend(back);
        }

        // The mapping that the bridge was asked for without an answer may be gone all the same.
        if let Some(gone) = removal.unanswered.filter(|it| !self.is_among(&mappings, *it)) {
            removal.failed.retain(|failed| *failed != gone);
            removal.removed.push(gone);
        }
    }
}

fn has(map: &SessionMap, mapping: Mapping<'_>) -> bool {
    map.mappings().any(|other| other == mapping)
}

impl MapStore for RunningBridge {
    fn source(&self) -> Source {
        let map = self.file.as_ref().and_then(|file| file.source().map);
        let why = format!("the bridge at {} holds the map, and is asked", self.url());
        Source { map, url: Some(self.url().to_owned()), why }
    }

    fn map(&self) -> Option<&SessionMap> {
        Some(&self.map)
    }

    fn map_now(&self) -> Result<Option<SessionMap>, Failure> {
        let map = self.api.sessions(TO_ANSWER).map_err(|trouble| {
            let message = format!("cannot ask the bridge at {}: {trouble}", self.url());
            Failure::new(message).hint(WarningCode::BridgeTrouble.hint())
        })?;
        Ok(Some(map))
    }

    fn owner(&self) -> Option<u32> {
        self.file.as_ref()?.owner()
    }

    fn real_path(&self) -> Option<PathBuf> {
        self.file.as_ref()?.real_path()
    }

    fn out_of_reach(&self, going: &[MappingIdx]) -> (Vec<MappingIdx>, Vec<Warning>) {
        let (mut reachable, mut kept, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        for position in going {
            let chat = self.map.get(*position).map_or("", |mapping| mapping.chat.0);
            if is_addressable(chat) {
                reachable.push(*position);
            } else {
                kept.push(*position);
                let message = format!("no call can name the chat {chat:?}; it is kept");
                warnings.push(self.warning(WarningCode::NotAddressable, &message));
            }
        }

        if !reachable.is_empty() && self.split_by_file(&reachable).0.is_empty() {
            let message = StopReason::NotInFile.to_string();
            warnings.push(self.warning(WarningCode::BridgeTrouble, &message));
            kept.extend(reachable);
        }
        (kept, warnings)
    }

    fn warnings(&self) -> Vec<Warning> {
        self.file.as_ref().map(MapStore::warnings).unwrap_or_default()
    }

    fn remove(
        &self,
        going: &[MappingIdx],
        guard: &mut dyn RemovalGuard,
    ) -> Result<Removal, Failure> {
        if let Some(file) = &self.file {
            file.check_lock()?;
        }

        // A mapping that the file has comes first: it shows whether the file follows.
        let (in_file, others) = self.split_by_file(going);
        let order = [in_file, others].concat();
        let progress = self.interrupt.progress();
        progress.begin(Phase::Bridge, order.len());

        let mut bridge_removal = BridgeRemoval::new(self, guard);
        for (done, position) in order.iter().enumerate() {
            if let Err(reason) = bridge_removal.step(*position) {
                return bridge_removal.stop(reason, &order[done..]);
            }
            progress.add(Phase::Bridge, 1);
        }
        Ok(bridge_removal.finish())
    }
}

/// One removal of mappings over a bridge.
struct BridgeRemoval<'a> {
    bridge: &'a RunningBridge,
    guard: &'a mut dyn RemovalGuard,
    removal: Removal,
    /// True once the bridge removed a mapping, or did not answer when asked to: from then on, an error is a warning.
    may_have_removed: bool,
    /// True once each last look at a mapping was too long before the call.
    was_too_slow: bool,
    /// When the last call but one must be answered.
    deadline: Instant,
}

/// Why the rest of the mappings is kept.
enum StopReason {
    Signal,
    Deadline(Duration),
    /// The guard does not allow the removal.
    Guard(Failure),
    /// The bridge did not answer, or not as a bridge does.
    Bridge(Trouble),
    /// The file does not have the first mapping, so it would not show whose map it is.
    NotInFile,
    FileDidNotFollow,
}

impl<'a> BridgeRemoval<'a> {
    fn new(bridge: &'a RunningBridge, guard: &'a mut dyn RemovalGuard) -> Self {
        let deadline = Instant::now() + bridge.for_all.saturating_sub(LAST_CALL);
        let removal = Removal::default();
        Self { bridge, guard, removal, may_have_removed: false, was_too_slow: false, deadline }
    }

    /// Removes one mapping, or keeps it because it changed or the guard says so.
    fn step(&mut self, position: MappingIdx) -> Result<(), StopReason> {
        let bridge = self.bridge;
        let Some(mapping) = bridge.map.get(position) else { return Ok(()) };
        if bridge.interrupt.asked() {
            return Err(StopReason::Signal);
        }
        self.check_deadline()?;

        if !bridge.has_mapping(mapping, self.time_left())? {
            self.removal.changed.push(position);
            return Ok(());
        }
        if !self.may_have_removed && bridge.must_follow && !bridge.file_has(mapping) {
            return Err(StopReason::NotInFile);
        }

        let recording = Instant::now();
        self.guard.record(&bridge.map, &[position])?;
        // Another run may have kept the journal's lock meanwhile.
        if recording.elapsed() > SLOW_RECORDING && !bridge.has_mapping(mapping, self.time_left())? {
            self.removal.changed.push(position);
            return Ok(());
        }
        self.recheck_and_delete(position, mapping)
    }

    /// Has the bridge remove the mapping right after the last look at its session.
    fn recheck_and_delete(
        &mut self,
        position: MappingIdx,
        mapping: Mapping<'_>,
    ) -> Result<(), StopReason> {
        for _ in 0..LAST_LOOKS {
            let rechecked = self.guard.recheck(&[position])?;
            if rechecked.still.is_empty() {
                return Ok(());
            }
            // The look may have taken the time that was left.
            self.check_deadline()?;
            if Instant::now() <= rechecked.until() {
                return self.delete(position, mapping);
            }
        }

        self.was_too_slow = true;
        self.removal.failed.push(position);
        Ok(())
    }

    fn delete(&mut self, position: MappingIdx, mapping: Mapping<'_>) -> Result<(), StopReason> {
        let bridge = self.bridge;
        let within = self.time_left().max(SHORTEST_CALL);
        match bridge.api.delete(mapping.model, mapping.chat.0, within) {
            Ok(Deleted::Gone) => {
                self.removal.removed.push(position);
                let is_first = !std::mem::replace(&mut self.may_have_removed, true);
                if is_first && bridge.must_follow && !bridge.file_follows(mapping) {
                    return Err(StopReason::FileDidNotFollow);
                }
            }
            Ok(Deleted::Already) => self.removal.changed.push(position),
            Err(trouble) => {
                self.may_have_removed = true;
                self.removal.unanswered = Some(position);
                return Err(trouble.into());
            }
        }
        Ok(())
    }

    fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    fn check_deadline(&self) -> Result<(), StopReason> {
        let is_late = self.time_left().is_zero();
        if is_late { Err(StopReason::Deadline(self.bridge.for_all)) } else { Ok(()) }
    }

    /// Keeps the rest. Before the bridge may have removed anything, a signal, the guard or the bridge makes this an
    /// error; every other stop is a warning.
    fn stop(mut self, reason: StopReason, rest: &[MappingIdx]) -> Result<Removal, Failure> {
        let bridge = self.bridge;
        let code = match &reason {
            StopReason::Signal => WarningCode::Interrupted,
            _ => WarningCode::BridgeTrouble,
        };
        let warning = bridge.warning(code, &reason.to_string());
        match reason {
            StopReason::Signal if !self.may_have_removed => return Err(stopped()),
            StopReason::Guard(failure) if !self.may_have_removed => return Err(failure),
            StopReason::Bridge(trouble) if !self.may_have_removed => {
                let message = format!("the bridge at {} does not answer: {trouble}", bridge.url());
                return Err(Failure::new(message)
                    .hint("nothing was changed; --bridge off edits the file instead"));
            }
            _ => {}
        }

        let removed = &self.removal.removed;
        self.removal.failed.extend(rest.iter().filter(|position| !removed.contains(position)));
        let mut removal = self.finish();
        removal.warnings.push(warning);
        Ok(removal)
    }

    fn finish(self) -> Removal {
        let mut removal = self.removal;
        if self.was_too_slow {
            removal.warnings.push(too_slow(self.bridge.real_path()));
        }
        if self.may_have_removed {
            self.bridge.verify(&mut removal);
        }
        removal.removed.sort_unstable();
        removal.changed.sort_unstable();
        removal.failed.sort_unstable();
        removal
    }
}

impl From<Failure> for StopReason {
    fn from(failure: Failure) -> Self {
        Self::Guard(failure)
    }
}

impl From<Trouble> for StopReason {
    fn from(trouble: Trouble) -> Self {
        Self::Bridge(trouble)
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal => f.write_str("stopped by a signal; the rest is kept"),
            Self::Deadline(all) => write!(f, "timed out after {} s; the rest is kept", all.as_secs()),
            Self::Guard(failure) => write!(f, "{failure}; the rest is kept"),
            Self::Bridge(trouble) => write!(f, "{trouble}; the rest is kept"),
            Self::NotInFile => f.write_str(
                "the map file has none of the mappings to remove, so it may be another bridge's; all are kept; use --bridge URL to ask this bridge anyway",
            ),
            Self::FileDidNotFollow => f.write_str(
                "the map file did not change, so this bridge has another map; the rest is kept. To restore what it removed, stop it and run session-warden undo RUN --map FILE with its own file",
            ),
        }
    }
}

#[cfg(test)]
mod tests;
