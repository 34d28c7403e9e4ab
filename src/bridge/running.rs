//! The map held by a running bridge: asked over HTTP to let go, one mapping at a time, and never
//! edited behind its back.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::api::{Api, Deleted, Trouble, is_addressable};
use super::{FileMap, MapHolder, Removal, Source, Witness};
use crate::disk::interrupt::Interrupt;
use crate::domain::{Failure, Mapping, SessionMap, Warning, WarningCode};

/// How long all the calls of one run may take (B3).
const FOR_ALL: Duration = Duration::from_secs(90);

/// How long the file may take to lose the first mapping that the bridge lets go (B5).
const FOR_THE_FILE: Duration = Duration::from_secs(2);

/// A bridge that runs, and the map as it told it.
#[derive(Debug)]
pub(super) struct RunningBridge {
    api: Api,
    map: SessionMap,
    /// The file that this is believed to be the map of; its lock is held.
    file: Option<FileMap>,
    interrupt: Interrupt,
}

impl RunningBridge {
    /// The bridge behind `api`, which holds `map`.
    pub(super) fn new(
        api: Api,
        map: SessionMap,
        file: Option<FileMap>,
        interrupt: Interrupt,
    ) -> Self {
        Self { api, map, file, interrupt }
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

    /// Lets one mapping go: whether it went, or why all must end here.
    fn remove_one(
        &self,
        place: u32,
        mapping: Mapping<'_>,
        witness: &mut dyn Witness,
    ) -> Result<One, Failure> {
        let now = match self.api.sessions() {
            Ok(now) => now,
            Err(trouble) => return Ok(One::End(trouble)),
        };
        if !now.mappings().any(|other| other == mapping) {
            return Ok(One::Changed);
        }
        if witness.look_again(&[place])?.is_empty() {
            return Ok(One::Stays);
        }
        witness.write_down(&self.map, &[place])?;
        Ok(match self.api.delete(mapping.model, mapping.chat.0) {
            Ok(Deleted::Gone) => One::Gone,
            Ok(Deleted::Already) => One::Changed,
            Err(trouble) => One::Asked(trouble),
        })
    }

    /// Takes what the bridge still holds, after all, out of what is believed to have gone.
    /// `unanswered` is the place of the one that was asked for last, and got no answer.
    fn verify(&self, removal: &mut Removal, unanswered: Option<u32>) {
        let now = match self.api.sessions() {
            Ok(now) => now,
            Err(trouble) => {
                let message = format!("it was not seen that the mappings went: {trouble}");
                removal.warnings.push(self.warning(WarningCode::BridgeTrouble, &message));
                return;
            }
        };
        let held: HashSet<Mapping<'_>> = now.mappings().collect();
        let is_held = |place: &u32| self.map.get(*place).is_some_and(|m| held.contains(&m));
        let (back, gone): (Vec<u32>, Vec<u32>) = removal.removed.iter().partition(|p| is_held(p));
        removal.removed = gone;
        // What was asked for, and got no answer, may have gone all the same.
        let (went, failed): (Vec<u32>, Vec<u32>) =
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
    /// Nothing was asked, and nothing more can be.
    End(Trouble),
    /// It was asked for, and no answer says that it went.
    Asked(Trouble),
}

impl MapHolder for RunningBridge {
    fn source(&self) -> Source {
        let map = self.file.as_ref().and_then(|file| file.source().map);
        let why = format!("the bridge at {} holds the map, and is asked", self.url());
        Source { map, url: Some(self.url().to_owned()), why }
    }

    fn map(&self) -> Option<&SessionMap> {
        Some(&self.map)
    }

    fn owner(&self) -> Option<u32> {
        self.file.as_ref().and_then(MapHolder::owner)
    }

    fn real_path(&self) -> Option<PathBuf> {
        self.file.as_ref().and_then(MapHolder::real_path)
    }

    fn warnings(&self) -> Vec<Warning> {
        self.file.as_ref().map(MapHolder::warnings).unwrap_or_default()
    }

    fn remove(&self, going: &[u32], witness: &mut dyn Witness) -> Result<Removal, Failure> {
        if let Some(file) = &self.file {
            file.check_lock()?;
        }
        let start = Instant::now();
        let mut removal = Removal::default();
        let mut asked = false;
        let mut unanswered = None;
        let mut ends = None;
        for (done, place) in going.iter().enumerate() {
            let Some(mapping) = self.map.get(*place) else { continue };
            if !is_addressable(mapping.chat.0) {
                let message = format!("no call can name the chat {:?}; it is kept", mapping.chat.0);
                removal.warnings.push(self.warning(WarningCode::NotAddressable, &message));
                removal.failed.push(*place);
                continue;
            }
            let end = if self.interrupt.asked() {
                if !asked {
                    return Err(crate::disk::map_file::stopped());
                }
                Some("stopped by a signal; the rest is kept".to_owned())
            } else if start.elapsed() > FOR_ALL {
                Some("90 s were not enough; the rest is kept".to_owned())
            } else {
                match self.remove_one(*place, mapping, witness) {
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
                    Ok(One::Gone) => {
                        removal.removed.push(*place);
                        let is_first = !std::mem::replace(&mut asked, true);
                        (is_first && !self.file_follows(mapping)).then(|| {
                            "the map's file did not follow, so it is another bridge's; the rest is kept"
                                .to_owned()
                        })
                    }
                }
            };
            if let Some(why) = end {
                let rest = going[done..].iter().filter(|p| !removal.removed.contains(p));
                removal.failed.extend(rest);
                ends = Some(why);
                break;
            }
        }
        if asked {
            self.verify(&mut removal, unanswered);
        }
        if let Some(why) = ends {
            removal.warnings.push(self.warning(WarningCode::BridgeTrouble, &why));
        }
        Ok(removal)
    }
}
