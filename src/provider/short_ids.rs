//! Sessions by the first 8 characters of their ids, which some CLIs put into the names of files.

use super::session_index::SessionIndex;
use crate::model::SessionIdx;

/// How many characters of the id a name has.
pub(super) const SHOWN: usize = 8;

/// The start of an id in lower case, filled up with a byte that no name has.
type Start = [u8; SHOWN];

/// The starts of ids, each with a session that has it, in order.
pub(super) struct ShortIds(Vec<(Start, SessionIdx)>);

impl ShortIds {
    pub(super) fn new(index: &SessionIndex<'_>) -> Self {
        // A map can be large, so the list does not grow by doubling.
        let mut starts = Vec::with_capacity(index.ids().len());
        for (session, id) in (0..).map(SessionIdx).zip(index.ids()) {
            starts.push((start(id.0.as_bytes()), session));
            // Gemini CLI turns each character that is not a letter, digit, `_` or `-` into `_` (read in
            // the package). Of the characters of ids, that is the dot; the plain id counts as well.
            if id.0.contains('.') {
                starts.push((start(id.0.replace('.', "_").as_bytes()), session));
            }
        }

        starts.sort_unstable();
        starts.dedup();
        Self(starts)
    }

    /// Returns the sessions whose id starts like that, or is that, ignoring case.
    pub(super) fn get(&self, shown: &[u8]) -> impl Iterator<Item = SessionIdx> {
        let shown = start(shown);
        let first = self.0.partition_point(|(known, _)| *known < shown);
        let same = self.0[first..].iter().take_while(move |(known, _)| *known == shown);
        same.map(|(_, session)| *session)
    }
}

fn start(id: &[u8]) -> Start {
    let mut start = [0; SHOWN];
    for (to, from) in start.iter_mut().zip(id) {
        *to = from.to_ascii_lowercase();
    }
    start
}
