//! Gemini CLI: one or more files for each session, in a folder for each project.
//!
//! Seen in Gemini CLI 0.61.0 and 0.22.4. A file's name ends in the first 8 characters of the id
//! only, so the whole id is confirmed in the file's header. One id may stand in several files: a
//! resume leaves a stray one, and an upgrade copies the project's folder.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use super::findings::is_gone;
use super::header::{self, Header};
use super::{Findings, Place, Provider, Wanted};
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
    find,
};

/// How many characters of the id stand in a file's name.
const SHOWN: usize = 8;

/// A file whose name fits wanted sessions, and whose header is to tell whether it is one's.
struct Candidate {
    /// The name of the project's folder, right in the root.
    project: OsString,
    name: OsString,
    written: Timestamp,
    /// The places of the wanted sessions that its name fits.
    fits: Vec<usize>,
}

fn find(place: &mut Place, wanted: &Wanted<'_>, found: &mut Findings) {
    let names = Names::new(wanted);
    let mut candidates = Vec::new();
    found.list(&mut place.root, |found, root, entry| {
        let Some(project) = found.open_right_in_root(root, entry) else { return };
        let Some(mut chats) = found.open_deeper(&project, "chats".as_ref()) else { return };
        found.list(&mut chats, |found, chats, file| {
            let fits = names.fitting(file.name().as_bytes());
            if !fits.is_empty() {
                candidates.extend(candidate(entry, chats, file, fits, found));
            } else if let Some(session) = names.folder(file.name().as_bytes())
                && let Some(mut subagents) = found.open_of(chats, file.name(), session)
            {
                found.sides(&mut subagents, session, |name| name.ends_with(b".jsonl"));
            }
        });
    });
    confirm(candidates, &place.root, wanted, found);
}

fn candidate(
    project: &Entry,
    chats: &Folder,
    file: &Entry,
    fits: Vec<usize>,
    found: &mut Findings,
) -> Option<Candidate> {
    let why = match chats.status(file.name()) {
        Ok(status) if status.kind == Kind::File => {
            return Some(Candidate {
                project: project.name().to_owned(),
                name: file.name().to_owned(),
                written: status.written,
                fits,
            });
        }
        Err(error) if is_gone(&error) => return None,
        Ok(_) => "not a regular file".to_owned(),
        Err(error) => words(&error),
    };
    found.missed(&fits, &chats.path().join(file.name()), Timestamp::MAX, true, &why);
    None
}

fn confirm(candidates: Vec<Candidate>, root: &Folder, wanted: &Wanted<'_>, found: &mut Findings) {
    let open = |file: &Candidate| {
        root.open_in(&file.project, Links::Follow)?.open_in("chats".as_ref(), Links::Refuse)
    };
    let read = |file: &Candidate| header::read(&open(file)?, &file.name, "sessionId");
    header::read_all(candidates, read, |file, header| {
        let path = root.path().join(&file.project).join("chats").join(&file.name);
        let why = match header {
            Ok(Header::Text(id)) => {
                if let Some(session) = wanted.find(id.as_bytes()) {
                    found.saw_own_at(path, session, file.written);
                }
                return;
            }
            Ok(Header::Without | Header::Torn) => "its header names no session".into(),
            Err(error) if is_gone(&error) => return,
            Err(error) => words(&error),
        };
        found.missed(&file.fits, &path, file.written, true, &why);
    });
}

/// The names that files and folders of wanted sessions can have.
struct Names {
    /// By the end of a file's name.
    files: HashMap<Vec<u8>, Vec<usize>>,
    /// By the whole name of the folder that holds a session's subagents.
    folders: HashMap<Vec<u8>, usize>,
}

impl Names {
    fn new(wanted: &Wanted<'_>) -> Self {
        let mut this = Self { files: HashMap::new(), folders: HashMap::new() };
        for (place, id) in wanted.ids().iter().enumerate() {
            let plain = id.0.as_bytes();
            // Names are made from ids by turning what is neither letter, digit, _ nor - into _
            // (read in the package); the plain id is looked for as well.
            let safe: Vec<u8> = plain.iter().map(|&b| if b == b'.' { b'_' } else { b }).collect();
            let forms = if safe == plain { vec![safe] } else { vec![plain.to_vec(), safe] };
            for form in forms {
                let shown = form[..form.len().min(SHOWN)].to_vec();
                this.files.entry(shown).or_default().push(place);
                this.folders.entry(form).or_insert(place);
            }
        }
        this
    }

    /// The wanted sessions that a file called `name` can belong to.
    fn fitting(&self, name: &[u8]) -> Vec<usize> {
        let stem = name.strip_suffix(b".jsonl").or_else(|| name.strip_suffix(b".json"));
        let Some(stem) = stem.and_then(|stem| stem.strip_prefix(b"session-")) else {
            return Vec::new();
        };
        // What stands before the id is a time of fixed length today. Going by the end alone holds
        // for other times too, and for ids shorter than 8 characters.
        let ends = (1..=SHOWN).filter_map(|length| {
            let (before, end) = stem.split_at(stem.len().checked_sub(length)?);
            if before.ends_with(b"-") { self.files.get(end) } else { None }
        });
        ends.flatten().copied().collect()
    }

    /// The wanted session that a folder called `name` belongs to.
    fn folder(&self, name: &[u8]) -> Option<usize> {
        self.folders.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SessionId;

    #[track_caller]
    fn check(names: &Names, name: &str, fits: &[usize]) {
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
        check(&names, "session-2026-01-02T03-04-v1_2.jsonl", &[4]);
        check(&names, "session-2026-01-02T03-04-v1.2.jsonl", &[4]);
        check(&names, "session-2026-01-02T03-04-99998888.jsonl", &[]);
        check(&names, "session-2026-01-02T03-04-11112222.jsonl.bak", &[]);
        check(&names, "2026-01-02T03-04-11112222.jsonl", &[]);
        check(&names, "session-.json", &[]);
        check(&names, "session-11112222.json", &[]);
        assert_eq!(names.folder(ids[0].as_bytes()), Some(0));
        assert_eq!(names.folder(b"11112222"), None);
    }
}
