//! The map held by a running bridge: asked over HTTP to let go, one mapping at a time, and never
//! edited behind its back.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::api::{Api, Deleted, TO_ANSWER, Trouble, is_addressable};
use super::{FileMap, LAST_LOOKS, MapStore, Removal, RemovalGuard, Source, too_slow};
use crate::model::{Failure, Mapping, MappingIdx, SessionMap, Warning, WarningCode};
use crate::os::interrupt::Interrupt;
use crate::os::progress::Phase;

/// How long all the calls of one run may take (B3), and how much of that is kept for the last one.
const FOR_ALL: Duration = Duration::from_secs(90);
const FOR_THE_LAST: Duration = TO_ANSWER;

/// A call that has begun is given this long, even if that is more than is left.
const SHORTEST: Duration = Duration::from_millis(100);

/// What takes longer than this to record needs another look at the bridge's map.
const LONG: Duration = Duration::from_millis(500);

/// How long the file may take to lose the first mapping that the bridge lets go (B5).
const FOR_THE_FILE: Duration = Duration::from_secs(2);

const UNSEEN: &str = "the map file has none of the mappings to remove, so it may be another bridge's; all are kept; use --bridge URL to ask this bridge anyway";

/// A bridge that runs, and the map as it told it.
#[derive(Debug)]
pub(super) struct RunningBridge {
    api: Api,
    map: SessionMap,
    /// The file that this is believed to be the map of; its lock is held.
    file: Option<FileMap>,
    /// Whether the file must be seen to follow before more than one mapping goes (B5).
    is_to_follow: bool,
    interrupt: Interrupt,
    for_all: Duration,
}

impl RunningBridge {
    /// The bridge behind `api`, which holds `map`; where its file is believed to be `file`, and
    /// whether that is to be seen.
    pub(super) fn new(
        api: Api,
        map: SessionMap,
        file: Option<FileMap>,
        is_to_follow: bool,
        interrupt: Interrupt,
    ) -> Self {
        Self { api, map, file, is_to_follow, interrupt, for_all: FOR_ALL }
    }

    fn trouble(&self, trouble: &Trouble) -> Failure {
        let message = format!("the bridge at {} does not answer: {trouble}", self.url());
        Failure::new(message).hint("nothing was changed; --bridge off edits the file instead")
    }

    fn url(&self) -> &str {
        self.api.address().as_str()
    }

    fn warning(&self, code: WarningCode, message: &str) -> Warning {
        Warning::new(code, format!("the bridge at {}: {message}", self.url()))
    }

    /// Whether the file holds that mapping now, so that it can be seen to go from there.
    fn file_holds(&self, mapping: Mapping<'_>) -> bool {
        let holds = |map: &SessionMap| map.mappings().any(|other| other == mapping);
        let now = self.file.as_ref().and_then(|file| file.read_anew().ok());
        now.flatten().as_ref().is_some_and(holds)
    }

    /// Those of these places that the file holds as well, and the others. Where the file need not be
    /// seen to follow, that makes no difference.
    fn by_file(&self, going: &[MappingIdx]) -> (Vec<MappingIdx>, Vec<MappingIdx>) {
        let file = self.file.as_ref().filter(|_| self.is_to_follow).and_then(FileMap::map);
        let Some(file) = file else { return (going.to_vec(), Vec::new()) };
        let held: HashSet<Mapping<'_>> = file.mappings().collect();
        going.iter().partition(|place| self.map.get(**place).is_some_and(|m| held.contains(&m)))
    }

    /// Whether the file loses that mapping in time: only then is it this bridge's.
    fn file_follows(&self, mapping: Mapping<'_>) -> bool {
        let Some(file) = &self.file else { return true };
        let start = Instant::now();
        while start.elapsed() < FOR_THE_FILE {
            let has_lost = |map: &SessionMap| !map.mappings().any(|other| other == mapping);
            if file.read_anew().is_ok_and(|now| now.as_ref().is_none_or(has_lost)) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// Removes one mapping, or says why not. `until` is when the last call must be answered.
    fn remove_one(
        &self,
        place: MappingIdx,
        mapping: Mapping<'_>,
        is_first: bool,
        until: Instant,
        guard: &mut dyn RemovalGuard,
    ) -> Result<One, Failure> {
        let left = || until.saturating_duration_since(Instant::now());
        if let Some(end) = self.end_of(mapping, left()) {
            return Ok(end);
        }
        if is_first && self.is_to_follow && !self.file_holds(mapping) {
            return Ok(One::Unseen);
        }

        let recording = Instant::now();
        guard.record(&self.map, &[place])?;
        // Another run may have kept the journal's lock meanwhile.
        if recording.elapsed() > LONG
            && let Some(end) = self.end_of(mapping, left())
        {
            return Ok(end);
        }

        for _ in 0..LAST_LOOKS {
            let rechecked = guard.recheck(&[place])?;
            if rechecked.still.is_empty() {
                return Ok(One::Stays);
            }
            // Looking may have taken the time that was left; nothing has been asked for yet.
            if left().is_zero() {
                return Ok(One::Late);
            }
            if Instant::now() > rechecked.until() {
                continue;
            }
            let deleted = self.api.delete(mapping.model, mapping.chat.0, left().max(SHORTEST));
            return Ok(match deleted {
                Ok(Deleted::Gone) => One::Gone,
                Ok(Deleted::Already) => One::Changed,
                Err(trouble) => One::Asked(trouble),
            });
        }
        Ok(One::TooSlow)
    }

    /// Asks whether the bridge still holds that mapping: nothing if it does, else how it ends.
    fn end_of(&self, mapping: Mapping<'_>, left: Duration) -> Option<One> {
        match self.api.sessions(left) {
            Ok(now) if now.mappings().any(|other| other == mapping) => None,
            Ok(_) => Some(One::Changed),
            Err(trouble) => Some(One::End(trouble)),
        }
    }

    /// Takes what the bridge still holds, after all, out of what is believed to have gone.
    /// `unanswered` is the place of the one that was asked for last, and got no answer.
    fn verify(&self, removal: &mut Removal, unanswered: Option<MappingIdx>) {
        let now = match self.api.sessions(FOR_THE_LAST) {
            Ok(now) => now,
            Err(trouble) => {
                let message = format!("cannot confirm that they were removed: {trouble}");
                removal.warnings.push(self.warning(WarningCode::BridgeTrouble, &message));
                return;
            }
        };
        let held: HashSet<Mapping<'_>> = now.mappings().collect();
        let is_held = |place: &MappingIdx| self.map.get(*place).is_some_and(|m| held.contains(&m));
        let (back, gone): (Vec<MappingIdx>, Vec<MappingIdx>) =
            removal.removed.iter().partition(|p| is_held(p));
        removal.removed = gone;
        if !back.is_empty() {
            let message = format!("it reported {} as removed but still has them", back.len());
            removal.warnings.push(self.warning(WarningCode::BridgeTrouble, &message));
        }
        // What was asked for, and got no answer, may have gone all the same.
        let (went, failed): (Vec<MappingIdx>, Vec<MappingIdx>) =
            removal.failed.iter().partition(|place| Some(**place) == unanswered && !is_held(place));
        removal.removed.extend(went);
        removal.failed = failed.into_iter().chain(back).collect();
        removal.removed.sort_unstable();
        removal.failed.sort_unstable();
    }
}

/// How it went with one mapping.
enum One {
    Gone,
    Changed,
    Stays,
    /// Nothing was asked, for want of time.
    Late,
    /// Nothing was asked: each last look was too long before the call.
    TooSlow,
    /// Nothing was asked: the file does not hold it, so nothing would show whose map it is.
    Unseen,
    /// Nothing was asked, and nothing more can be.
    End(Trouble),
    /// It was asked for, and no answer says that it went.
    Asked(Trouble),
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

    fn owner(&self) -> Option<u32> {
        self.file.as_ref().and_then(MapStore::owner)
    }

    fn real_path(&self) -> Option<PathBuf> {
        self.file.as_ref().and_then(MapStore::real_path)
    }

    fn out_of_reach(&self, going: &[MappingIdx]) -> (Vec<MappingIdx>, Vec<Warning>) {
        let chat = |place: &MappingIdx| self.map.get(*place).map_or("", |mapping| mapping.chat.0);
        let (reachable, mut kept): (Vec<MappingIdx>, Vec<MappingIdx>) =
            going.iter().partition(|place| is_addressable(chat(place)));
        let unnamed = |place: &MappingIdx| {
            let message = format!("no call can name the chat {:?}; it is kept", chat(place));
            self.warning(WarningCode::NotAddressable, &message)
        };
        let mut warnings: Vec<Warning> = kept.iter().map(unnamed).collect();
        if !reachable.is_empty() && self.by_file(&reachable).0.is_empty() {
            warnings.push(self.warning(WarningCode::BridgeTrouble, UNSEEN));
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
        let until = Instant::now() + self.for_all.saturating_sub(FOR_THE_LAST);
        let late = || format!("timed out after {} s; the rest is kept", self.for_all.as_secs());
        let mut removal = Removal::default();
        let mut asked = false;
        let mut unanswered = None;
        let (mut ends, mut is_stopped) = (None, false);
        let mut too_slow_ones = 0;
        // One that the file holds comes first: with that it is seen whether the file follows.
        let (first, rest) = self.by_file(going);
        let order = [first, rest].concat();
        let progress = self.interrupt.progress();
        progress.begin(Phase::Bridge, order.len());
        for (done, place) in order.iter().enumerate() {
            let Some(mapping) = self.map.get(*place) else { continue };
            let end = if self.interrupt.asked() {
                if !asked {
                    return Err(crate::map::map_file::stopped());
                }
                is_stopped = true;
                Some("stopped by a signal; the rest is kept".to_owned())
            } else if Instant::now() >= until {
                Some(late())
            } else {
                match self.remove_one(*place, mapping, !asked, until, guard) {
                    Err(failure) if !asked => return Err(failure),
                    Err(failure) => Some(format!("{failure}; the rest is kept")),
                    Ok(One::End(trouble)) if !asked => return Err(self.trouble(&trouble)),
                    Ok(One::End(trouble)) => Some(format!("{trouble}; the rest is kept")),
                    Ok(One::Asked(trouble)) => {
                        asked = true;
                        unanswered = Some(*place);
                        Some(format!("{trouble}; the rest is kept"))
                    }
                    Ok(One::Changed) => {
                        removal.changed.push(*place);
                        None
                    }
                    Ok(One::Stays) => None,
                    Ok(One::TooSlow) => {
                        too_slow_ones += 1;
                        removal.failed.push(*place);
                        None
                    }
                    Ok(One::Late) => Some(late()),
                    Ok(One::Unseen) => Some(UNSEEN.to_owned()),
                    Ok(One::Gone) => {
                        removal.removed.push(*place);
                        let is_first = !std::mem::replace(&mut asked, true);
                        (is_first && self.is_to_follow && !self.file_follows(mapping)).then(|| {
                            "the map file did not change, so this bridge has another map; the rest is kept. To restore what it removed, stop it and run session-warden undo RUN --map FILE with its own file"
                                .to_owned()
                        })
                    }
                }
            };
            progress.add(Phase::Bridge, 1);
            if let Some(why) = end {
                let rest: Vec<MappingIdx> = order[done..]
                    .iter()
                    .copied()
                    .filter(|place| !removal.removed.contains(place))
                    .collect();
                removal.failed.extend(rest);
                ends = Some(why);
                break;
            }
        }
        if too_slow_ones > 0 {
            removal.warnings.push(too_slow(self.real_path()));
        }
        removal.unanswered = unanswered;
        removal.removed.sort_unstable();
        removal.changed.sort_unstable();
        removal.failed.sort_unstable();
        if asked {
            self.verify(&mut removal, unanswered);
        }
        if let Some(why) = ends {
            let code =
                if is_stopped { WarningCode::Interrupted } else { WarningCode::BridgeTrouble };
            removal.warnings.push(self.warning(code, &why));
        }
        Ok(removal)
    }
}

#[cfg(test)]
mod tests;
