//! What each run removed, and what of it was restored since.

use std::collections::{HashMap, HashSet};

use super::{Journal, PutBack, Removed};
use crate::model::{Failure, Timestamp};

/// The removals of one run.
#[derive(Debug)]
pub struct RunRemovals {
    /// The run's id.
    pub run: String,
    /// When it removed them.
    pub time: Option<Timestamp>,
    /// Each mapping once, in the map's order.
    pub entries: Vec<Removal>,
}

/// A mapping that a run removed.
#[derive(Debug)]
pub struct Removal {
    /// The entry of the journal.
    pub removed: Removed<'static>,
    /// Whether an undo has restored it.
    pub restored: Restored,
}

/// Whether a mapping was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restored {
    /// No undo tried.
    No,
    /// An undo was about to, and did not record that it did.
    Unknown,
    /// An undo restored it, at that time.
    At(Option<Timestamp>),
}

impl Removal {
    /// Returns true if an undo has restored it.
    pub fn is_restored(&self) -> bool {
        matches!(self.restored, Restored::At(_))
    }
}

impl Journal {
    /// Returns what each run removed, the oldest run first. Left out is what a run did not remove
    /// after all.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn removals_by_run(&self) -> Result<Vec<RunRemovals>, Failure> {
        let marks = self.undone()?;
        let marks = marks_by_mapping(&marks);
        let mut seen = HashSet::new();
        let mut positions: HashMap<String, usize> = HashMap::new();
        let mut runs: Vec<RunRemovals> = Vec::new();
        for removed in self.removals()? {
            let key = (&*removed.run, &*removed.model, &*removed.chat);
            let restored = match marks.get(&key) {
                Some(Mark::Void) => continue,
                Some(Mark::Done(time)) => Restored::At(*time),
                Some(Mark::Begun) => Restored::Unknown,
                None => Restored::No,
            };
            // State folders may have been merged.
            if !seen.insert((key.0.to_owned(), key.1.to_owned(), key.2.to_owned())) {
                continue;
            }

            let position = *positions.entry(removed.run.to_string()).or_insert_with(|| {
                let time = Timestamp::parse(&removed.time);
                runs.push(RunRemovals { run: removed.run.to_string(), time, entries: Vec::new() });
                runs.len() - 1
            });
            if let Some(run) = runs.get_mut(position) {
                run.entries.push(Removal { removed, restored });
            }
        }
        runs.sort_by_key(|run| run.time);
        Ok(runs)
    }
}

/// What is known of a mapping after its removal; a later variant says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Begun,
    Done(Option<Timestamp>),
    Void,
}

/// Returns the mark of each mapping, by run, model and chat.
fn marks_by_mapping(marks: &[PutBack]) -> HashMap<(&str, &str, &str), Mark> {
    let mut found = HashMap::new();
    for mark in marks {
        let key = (mark.run.as_str(), mark.model.as_str(), mark.chat.as_str());
        let is = match (mark.void, mark.done) {
            (true, _) => Mark::Void,
            (false, true) => Mark::Done(mark.time()),
            (false, false) => Mark::Begun,
        };
        let known = found.entry(key).or_insert(is);
        *known = is.max(*known);
    }
    found
}
