//! Forgets the oldest records of a file, those that are too old or too many.

use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::Path;

use super::removals::{KEPT_ENTRIES, is_old};
use super::store::{each_line, failed, lock, open};
use crate::model::{Failure, Timestamp};
use crate::os::folder::Folder;
use crate::os::{publish, temporary};

/// A smaller file is trimmed only for the age of its first record: it cannot hold too many, unless they are so
/// short that it is small anyway.
const SMALL: u64 = 16 << 20;

/// The part of a line that trimming needs: the time and the run of a record, or the run whose map the line names.
#[derive(Deserialize)]
struct Stamp<'a> {
    #[serde(borrow, default, alias = "started")]
    time: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    run: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    map_of: Option<Cow<'a, str>>,
}

/// What a file has. A run can have as many records as a map has mappings, so only numbers are kept.
#[derive(Default)]
struct Survey {
    count: usize,
    /// The records at the beginning that are too old.
    old: usize,
    /// The first and the last record of each run.
    runs: HashMap<u64, (usize, usize)>,
    newest: Option<u64>,
}

/// The lines that a shorter file keeps.
struct Rest {
    start: u64,
    /// Where the lines before the start are that name the map of a run with records behind it, and their lengths.
    maps: Vec<(u64, u64)>,
}

/// Forgets the first records of the file called `name`, but, where `keeps_newest`, none of the run that wrote the
/// last one.
pub(super) fn trim(
    folder: &Path,
    name: &str,
    now: Timestamp,
    keeps_newest: bool,
) -> Result<(), Failure> {
    let trim = || {
        let _lock = lock(folder)?;
        let mut file = open(folder, name)?;

        // Under the lock, a temporary file is one that a killed run has left.
        let opened = Folder::open(folder)?;
        let _ = temporary::sweep(&opened, name.as_ref(), |_, _| true);

        let hasher = RandomState::new();
        let survey = Survey::read(&file, now, &hasher)?;
        let gone = survey.gone(keeps_newest);
        if gone == 0 {
            return Ok(());
        }

        let rest = Rest::find(&file, gone, &survey, &hasher)?;
        publish::replace(&opened, name.as_ref(), 0o600, |new| {
            for (at, length) in rest.maps {
                file.seek(SeekFrom::Start(at))?;
                io::copy(&mut (&file).take(length), new)?;
            }
            file.seek(SeekFrom::Start(rest.start))?;
            io::copy(&mut file, new).map(drop)
        })
    };
    match trim() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        trimmed => trimmed.map_err(|error| failed("trim", folder, name, &error)),
    }
}

impl Survey {
    fn read(file: &File, now: Timestamp, hasher: &RandomState) -> io::Result<Self> {
        let is_small = file.metadata()?.len() < SMALL;
        let (mut survey, mut are_all_old) = (Self::default(), true);
        each_line(file, |_, line| {
            let Some((Some(time), Some(run))) = stamp(line).map(|it| (it.time, it.run)) else {
                return ControlFlow::Continue(());
            };
            are_all_old &= is_old(Timestamp::parse(&time), now);
            if survey.count == 0 && is_small && !are_all_old {
                return ControlFlow::Break(());
            }

            survey.old += usize::from(are_all_old);
            let (run, number) = (hasher.hash_one(&*run), survey.count);
            survey.runs.entry(run).or_insert((number, number)).1 = number;
            survey.newest = Some(run);
            survey.count += 1;
            ControlFlow::Continue(())
        })?;
        Ok(survey)
    }

    /// Returns how many records to forget.
    fn gone(&self, keeps_newest: bool) -> usize {
        let gone = self.old.max(self.count.saturating_sub(KEPT_ENTRIES));
        let newest = self.newest.filter(|_| keeps_newest).and_then(|run| self.runs.get(&run));
        newest.map_or(gone, |(first, _)| gone.min(*first))
    }
}

impl Rest {
    fn find(file: &File, gone: usize, survey: &Survey, hasher: &RandomState) -> io::Result<Self> {
        let mut maps: HashMap<u64, (u64, u64)> = HashMap::new();
        let (mut start, mut count) = (None, 0);
        let end = each_line(file, |at, line| {
            let Some(stamp) = stamp(line) else { return ControlFlow::Continue(()) };
            if let Some(run) = stamp.map_of {
                let run = hasher.hash_one(&*run);
                if survey.runs.get(&run).is_some_and(|(_, last)| *last >= gone) {
                    let length = line.map_or(0, |line| line.len() as u64 + 1);
                    maps.insert(run, (at, length));
                }
            } else if stamp.time.is_some() && stamp.run.is_some() {
                count += 1;
                start = (count > gone).then_some(at);
            }
            if start.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;

        // Where no record is kept, the copy starts at the end.
        let mut maps: Vec<(u64, u64)> = maps.into_values().collect();
        maps.sort_unstable();
        Ok(Self { start: start.unwrap_or(end), maps })
    }
}

fn stamp(line: Option<&[u8]>) -> Option<Stamp<'_>> {
    line.and_then(|line| serde_json::from_slice(line).ok())
}
