//! Gemini CLI: one or more files for each session, in a folder for each project.
//!
//! Seen in Gemini CLI 0.61.0 and 0.22.4. A file's name ends in the first 8 characters of the id
//! only, so the whole id is confirmed in the file's header. One id may stand in several files: a
//! resume leaves a stray one, and an upgrade copies the project's folder.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;

use super::findings::is_gone;
use super::header::{self, Header};
use super::{Findings, Place, Provider, Records, Wanted};
use crate::disk::folder::{Entry, Folder, Kind, Links};
use crate::disk::words;
use crate::domain::{IdKind, Timestamp};

pub(super) const PROVIDER: Provider = Provider {
    name: "gemini",
    model: "gemini-cli",
    variable: Some(("GEMINI_CLI_HOME", ".gemini")),
    folder: ".gemini",
    sessions: "tmp",
    ids: IdKind::Word,
    records: Records::Gemini,
    find,
    all,
    in_use: super::no_trace,
};

/// How many characters of the id stand in a file's name.
const SHOWN: usize = 8;

/// A file whose name fits wanted sessions, and whose header, which was torn when it was first read, is
/// to tell whether it is one's.
struct Candidate {
    /// The name of the project's folder, right in the root.
    project: OsString,
    name: OsString,
    written: Timestamp,
    /// The places of the wanted sessions that its name fits.
    fits: Vec<u32>,
}

fn find(place: &Place, wanted: &Wanted<'_>, found: &mut Findings) {
    let names = Names::new(wanted);
    let mut torn = Vec::new();
    found.list(&place.root, |found, entry| {
        let Some(project) = found.open_right_in_root(&place.root, entry) else { return false };
        let Some(chats) = found.open_deeper(&project, "chats".as_ref()) else { return true };
        found.list(&chats, |found, file| {
            let fits = names.fitting(file.name().as_bytes());
            let folder_of = names.folder(file.name().as_bytes());
            let matters = !fits.is_empty() || !folder_of.is_empty();
            if !fits.is_empty() {
                let project = entry.name().to_owned();
                torn.extend(judge(project, &chats, file, fits, wanted, found));
            }
            for session in folder_of {
                if let Some(subagents) = found.open_of(&chats, file.name(), session) {
                    found.sides(&subagents, session, |name| name.ends_with(b".jsonl"));
                }
            }
            matters
        });
        true
    });
    judge_torn(torn, &place.root, wanted, found);
}

fn all(place: &Place, found: &mut Findings) -> Vec<String> {
    let mut ids = Vec::new();
    found.list(&place.root, |found, entry| {
        let Some(project) = found.open_right_in_root(&place.root, entry) else { return false };
        let Some(chats) = found.open_deeper(&project, "chats".as_ref()) else { return true };
        found.list(&chats, |found, file| {
            let name = file.name().as_bytes();
            let is_one = name.starts_with(b"session-")
                && (name.ends_with(b".jsonl") || name.ends_with(b".json"));
            if !is_one {
                return false;
            }
            match header::read(&chats, file.name(), "sessionId") {
                Ok(Header::Text(id)) => ids.push(id),
                // What has no header yet is no session that anybody could name.
                Ok(Header::Without | Header::Torn) => {}
                Err(error) if is_gone(&error) => {}
                Err(error) => found.not_whole(&chats.path().join(file.name()), &words(&error)),
            }
            true
        });
        true
    });
    ids
}

/// Takes in a file whose name fits wanted sessions, if its header tells that it is one's. The file,
/// where the header is torn.
fn judge(
    project: OsString,
    chats: &Folder,
    file: &Entry<'_>,
    fits: Vec<u32>,
    wanted: &Wanted<'_>,
    found: &mut Findings,
) -> Option<Candidate> {
    let name = file.name();
    // What is listed as a file is asked for its status when it is open.
    let open = || chats.open_with_status(name).ok();
    let opened = if file.kind() == Kind::File { open() } else { None };
    let status = opened.as_ref().map_or_else(|| chats.status(name), |(_, status)| Ok(*status));
    let why = match status {
        Ok(status) if status.kind == Kind::File => {
            let file = Candidate { project, name: name.to_owned(), written: status.written, fits };
            let header = match opened {
                Some((open, _)) => header::read_from(open, "sessionId"),
                None => header::read(chats, name, "sessionId"),
            };
            return match header {
                Ok(Header::Torn) => Some(file),
                header => {
                    take(&file, chats, header, wanted, found);
                    None
                }
            };
        }
        Err(error) if is_gone(&error) => return None,
        Ok(_) => "not a regular file".to_owned(),
        Err(error) => words(&error),
    };
    found.missed(&fits, &chats.path().join(name), Timestamp::MAX, true, &why);
    None
}

/// The same for those whose header was torn: it is read again for a while.
fn judge_torn(torn: Vec<Candidate>, root: &Folder, wanted: &Wanted<'_>, found: &mut Findings) {
    let open = |file: &Candidate| {
        root.open_in(&file.project, Links::Follow)?.open_in("chats".as_ref(), Links::Refuse)
    };
    let read = |file: &Candidate| header::read(&open(file)?, &file.name, "sessionId");
    header::read_all(torn, read, |file, header| match open(&file) {
        Ok(chats) => take(&file, &chats, header, wanted, found),
        Err(error) if is_gone(&error) => {}
        Err(error) => {
            let path = root.path().join(&file.project).join("chats").join(&file.name);
            found.missed(&file.fits, &path, file.written, true, &words(&error));
        }
    });
}

/// Takes in what a header tells of its file.
fn take(
    file: &Candidate,
    chats: &Folder,
    header: io::Result<Header>,
    wanted: &Wanted<'_>,
    found: &mut Findings,
) {
    let why = match header {
        Ok(Header::Text(id)) => {
            if let Some(session) = wanted.find(id.as_bytes()) {
                found.saw_own(chats, &file.name, session, file.written);
            }
            return;
        }
        Ok(Header::Without | Header::Torn) => "its header names no session".into(),
        Err(error) if is_gone(&error) => return,
        Err(error) => words(&error),
    };
    found.missed(&file.fits, &chats.path().join(&file.name), file.written, true, &why);
}

/// The names that files and folders of wanted sessions can have.
///
/// Names are made from ids by turning what is neither letter, digit, `_` nor `-` into `_` (read in
/// the package). Of what ids hold, that is the dot; the plain id is looked for as well.
struct Names<'w> {
    wanted: &'w Wanted<'w>,
    /// The ends of files' names, each with a wanted session that it fits, in order.
    ends: Vec<([u8; SHOWN], u32)>,
    /// The names of the folders that hold the subagents of ids with dots, in order.
    dotted: Vec<(Vec<u8>, u32)>,
}

impl<'w> Names<'w> {
    fn new(wanted: &'w Wanted<'w>) -> Self {
        let mut this = Self { wanted, ends: Vec::new(), dotted: Vec::new() };
        for (place, id) in (0..).zip(wanted.ids()) {
            let id = id.0.as_bytes();
            this.ends.push((end(id), place));
            if id.contains(&b'.') {
                let safe: Vec<u8> = id.iter().map(|&b| if b == b'.' { b'_' } else { b }).collect();
                this.ends.push((end(&safe), place));
                this.dotted.push((safe, place));
            }
        }
        this.ends.sort_unstable();
        this.ends.dedup();
        this.dotted.sort_unstable();
        this
    }

    /// The wanted sessions that a file called `name` can belong to.
    fn fitting(&self, name: &[u8]) -> Vec<u32> {
        let stem = name.strip_suffix(b".jsonl").or_else(|| name.strip_suffix(b".json"));
        let Some(stem) = stem.and_then(|stem| stem.strip_prefix(b"session-")) else {
            return Vec::new();
        };
        // What stands before the id is a time of fixed length today. Going by the end alone holds
        // for other times too, and for ids shorter than 8 characters.
        let ends = (1..=SHOWN).filter_map(|length| {
            let (before, shown) = stem.split_at(stem.len().checked_sub(length)?);
            before.ends_with(b"-").then(|| equal(&self.ends, &end(shown)))
        });
        ends.flatten().map(|(_, place)| *place).collect()
    }

    /// The wanted sessions whose subagents a folder called `name` can hold.
    fn folder(&self, name: &[u8]) -> Vec<u32> {
        let plain = self.wanted.find(name);
        let by_name = self.dotted.partition_point(|(dotted, _)| dotted.as_slice() < name);
        let dotted = self.dotted[by_name..].iter().take_while(|(dotted, _)| dotted == name);
        plain.into_iter().chain(dotted.map(|(_, place)| *place)).collect()
    }
}

/// The part of an id that stands in a file's name, filled up with what stands in no name.
fn end(id: &[u8]) -> [u8; SHOWN] {
    let mut end = [0; SHOWN];
    for (to, from) in end.iter_mut().zip(id) {
        *to = *from;
    }
    end
}

/// The run of entries with that key, in a list that is in order.
fn equal<'l, K: Ord>(list: &'l [(K, u32)], key: &K) -> &'l [(K, u32)] {
    let start = list.partition_point(|(other, _)| other < key);
    let length = list[start..].partition_point(|(other, _)| other == key);
    &list[start..start + length]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SessionId;

    #[track_caller]
    fn check(names: &Names<'_>, name: &str, fits: &[u32]) {
        assert_eq!(names.fitting(name.as_bytes()), fits, "{name}");
    }

    #[test]
    fn files_are_matched_by_the_end_of_their_name() {
        let ids = [
            "11112222-0000-4000-8000-000000000000",
            "11112222-ffff-4000-8000-000000000000",
            "foo_bar",
            "a-b",
            "v1.2",
            "v1_2",
        ];
        let mut wanted = Wanted::new(IdKind::Word, Timestamp::MAX);
        for id in ids {
            wanted.add(SessionId(id));
        }
        let names = Names::new(&wanted);
        check(&names, "session-2026-01-02T03-04-11112222.jsonl", &[0, 1]);
        check(&names, "session-2026-01-02T03-04-11112222.json", &[0, 1]);
        check(&names, "session-2026-01-02T03-04-05-11112222.json", &[0, 1]);
        check(&names, "session-2026-01-02T03-04-foo_bar.jsonl", &[2]);
        check(&names, "session-2026-01-02T03-04-a-b.jsonl", &[3]);
        check(&names, "session-2026-01-02T03-04-v1_2.jsonl", &[4, 5]);
        check(&names, "session-2026-01-02T03-04-v1.2.jsonl", &[4]);
        check(&names, "session-2026-01-02T03-04-99998888.jsonl", &[]);
        check(&names, "session-2026-01-02T03-04-11112222.jsonl.bak", &[]);
        check(&names, "2026-01-02T03-04-11112222.jsonl", &[]);
        check(&names, "session-.json", &[]);
        check(&names, "session-11112222.json", &[]);
        assert_eq!(names.folder(ids[0].as_bytes()), [0]);
        assert_eq!(names.folder(b"11112222"), [0_u32; 0]);
        assert_eq!(names.folder(b"v1_2"), [5, 4], "both can have made it");
    }
}
