//! Gemini CLI: one or more files for each session, in a folder for each project.
//!
//! Seen in Gemini CLI 0.61.0 and 0.22.4. A file's name ends in the first 8 characters of the id only, so
//! the whole id is confirmed in the file's header. Several files may have the same id: a resume leaves a
//! stray one, and an upgrade copies the project's folder.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;

use super::carrier::{At, Carrier, FolderPath, Offered, Scope, Shows, Special};
use super::descriptor::{Folders, Provider, Signs};
use super::evidence::{EvidenceCollector, Part};
use super::header::{self, Header};
use super::header_files::{HeaderFiles, every_id};
use super::io_error::is_gone;
use super::records::Records;
use super::retention::{self, Retention};
use super::session_index::SessionIndex;
use super::short_ids::{SHOWN, ShortIds};
use crate::model::ids::is_uuid;
use crate::model::{IdKind, SessionIdx, Timestamp, describe};
use crate::os::folder::{Entry, Folder, Kind};

pub(super) const PROVIDER: Provider = Provider {
    name: "gemini",
    model: "gemini-cli",
    variable: Some(("GEMINI_CLI_HOME", ".gemini")),
    folder: ".gemini",
    roots: &["tmp"],
    archive: None,
    side_roots: &[],
    temporary: None,
    files_in_home: false,
    known_side_names: &[],
    resume: "gemini --resume",
    ids: IdKind::Word,
    retention: Some(Retention {
        cli: "Gemini CLI",
        machine: if cfg!(target_os = "macos") {
            "/Library/Application Support/GeminiCli/settings.json"
        } else {
            "/etc/gemini-cli/settings.json"
        },
        read: retention::of_gemini,
    }),
    records: Records::Gemini,
    own_id,
    shows,
    special: |index, others| Box::new(Chats::new(index, others)),
    all,
    signs: Signs { records: None, locks: None },
};

const KEY: &str = "sessionId";

/// Above this number of mapped sessions, the names of files are trusted without their headers.
const VERY_MANY: usize = 500;

/// The part of a session file's name that may be its whole id.
fn own_id(name: &[u8]) -> Option<&[u8]> {
    stem(name)?.strip_prefix(b"session-")
}

/// A file's name without its ending, if Gemini CLI writes such an ending.
fn stem(name: &[u8]) -> Option<&[u8]> {
    name.strip_suffix(b".jsonl").or_else(|| name.strip_suffix(b".json"))
}

fn shows(path: &Carrier<'_>) -> Shows {
    let is_file = path.status.kind == Kind::File;
    Shows::Session(match stem(path.name) {
        Some(_) if is_file && path.by_name && path.name.starts_with(b"session-") => Part::Own,
        // A subagent's, in a folder that is named by its parent.
        Some(_) if is_file => Part::Transcript,
        _ => Part::Unknown,
    })
}

/// A file whose name fits some sessions, and whose header shows which of them it belongs to.
struct Candidate {
    folder: FolderPath,
    name: OsString,
    written: Timestamp,
    fits: Vec<SessionIdx>,
}

impl Candidate {
    fn read(&self, scope: &Scope<'_>) -> io::Result<Header> {
        header::read(&scope.open(&self.folder)?, &self.name, KEY)
    }
}

/// Files whose names end in the start of an id, and files that may name one inside.
struct Chats {
    ids: ShortIds,
    of_others: ShortIds,
    /// Files whose header was torn when it was first read.
    torn: Vec<Candidate>,
    headers: HeaderFiles,
    trusts_names: bool,
}

impl Chats {
    fn new(index: &SessionIndex<'_>, others: &SessionIndex<'_>) -> Self {
        Self {
            ids: ShortIds::new(index),
            of_others: ShortIds::new(others),
            torn: Vec::new(),
            headers: HeaderFiles::default(),
            trusts_names: index.ids().len() > VERY_MANY,
        }
    }
}

impl Special for Chats {
    fn offer(
        &mut self,
        scope: &Scope<'_>,
        found: &mut EvidenceCollector,
        at: &At<'_>,
        entry: &Entry<'_>,
    ) -> Offered {
        let name = entry.name().as_bytes();
        let fits = fitting(&self.ids, name);
        if !fits.is_empty() {
            self.torn.extend(judge(scope, found, at, entry, fits));
            return Offered::Taken;
        }

        // Today's version ends the name with the start of the id in the header, so a name that fits no
        // mapped id is another session's. With few mapped sessions, the header is read all the same.
        if is_todays(name)
            && entry.kind() != Kind::Folder
            && (self.trusts_names || !fitting(&self.of_others, name).is_empty())
        {
            return Offered::Passed;
        }

        if found.kind(at.folder, entry) != Some(Kind::File) {
            return Offered::Declined;
        }
        self.headers.push(at, entry.name(), i64::MAX);
        Offered::Taken
    }

    fn read_headers(&mut self, scope: &Scope<'_>, found: &mut EvidenceCollector) {
        judge_torn(scope, found, std::mem::take(&mut self.torn));
        std::mem::take(&mut self.headers).read(scope, found, &[&[KEY]], every_id);
    }
}

/// Returns true for `session-<time>-<8 characters>.jsonl`.
fn is_todays(name: &[u8]) -> bool {
    const TIME: usize = "2026-01-02T03-04".len();
    let rest = own_id(name).and_then(|rest| rest.split_at_checked(TIME));
    rest.is_some_and(|(time, shown)| {
        time.starts_with(b"20") && shown.len() == 1 + SHOWN && shown.starts_with(b"-")
    })
}

/// Returns the sessions that a file called `name` can belong to. Today, a time of fixed length is before
/// the id. Only the end is compared, for other times and for ids shorter than 8 characters.
fn fitting(ids: &ShortIds, name: &[u8]) -> Vec<SessionIdx> {
    let Some(stem) = own_id(name) else { return Vec::new() };
    let ends = (1..=SHOWN).filter_map(|length| {
        let (before, shown) = stem.split_at(stem.len().checked_sub(length)?);
        before.ends_with(b"-").then_some(shown)
    });
    ends.flat_map(|shown| ids.get(shown)).collect()
}

fn all(folders: &Folders, found: &mut EvidenceCollector) -> Vec<String> {
    let mut ids = Vec::new();
    let Some(root) = folders.roots.first() else { return ids };
    found.list(&root.folder, &mut |found, entry| {
        let Some(project) = found.open_right_in_root(&root.folder, entry) else { return false };
        let Some(chats) = found.open_deeper(&project, "chats".as_ref()) else { return true };
        found.list(&chats, &mut |found, file| {
            let Some(named) = own_id(file.name().as_bytes()) else { return false };
            let header = header::read(&chats, file.name(), KEY);
            match found.whole(&chats.path().join(file.name()), header) {
                Some(Header::Text(id)) => ids.push(id),
                // The script that this program replaces knew a session by its file's name alone.
                Some(Header::Without | Header::Torn) => {
                    let id = std::str::from_utf8(named).ok();
                    ids.extend(id.filter(|id| is_uuid(id.as_bytes())).map(str::to_owned));
                }
                None => {}
            }
            true
        });
        true
    });

    ids
}

/// Adds a file whose name fits some sessions to the one that its header names. Returns the file if the
/// header is torn.
fn judge(
    scope: &Scope<'_>,
    found: &mut EvidenceCollector,
    at: &At<'_>,
    file: &Entry<'_>,
    fits: Vec<SessionIdx>,
) -> Option<Candidate> {
    let name = file.name();
    // A file that is listed as one is asked for its status when it is open.
    let opened = match file.kind() {
        Kind::File => at.folder.open_with_status(name).ok(),
        _ => None,
    };

    let status = opened.as_ref().map_or_else(|| at.folder.status(name), |(_, status)| Ok(*status));
    let why = match status {
        Ok(status) if status.kind == Kind::File => {
            let header = match opened {
                Some((open, _)) => header::read_from(open, KEY),
                None => header::read(at.folder, name, KEY),
            };
            let (folder, name, written) = (at.folder_path(), name.to_owned(), status.written);
            let file = Candidate { folder, name, written, fits };
            if matches!(header, Ok(Header::Torn)) {
                return Some(file);
            }
            take(scope, found, &file, at.folder, header);
            return None;
        }
        Err(error) if is_gone(&error) => return None,
        Ok(_) => "not a regular file".to_owned(),
        Err(error) => describe(&error),
    };

    found.add_unread(&fits, &at.folder.path().join(name), Timestamp::MAX, true, &why);
    None
}

/// The same for files whose header was torn: it is read again for a while.
fn judge_torn(scope: &Scope<'_>, found: &mut EvidenceCollector, torn: Vec<Candidate>) {
    let interrupt = found.interrupt().clone();
    header::read_all(
        torn,
        &interrupt,
        |file| file.read(scope),
        |file, header| match scope.open(&file.folder) {
            Ok(chats) => take(scope, found, &file, &chats, header),
            Err(error) if is_gone(&error) => {}
            Err(error) => {
                let path = file.folder.path().join(&file.name);
                found.add_unread(&file.fits, &path, file.written, true, &describe(&error));
            }
        },
    );
}

/// Adds a file to the session that its header names.
fn take(
    scope: &Scope<'_>,
    found: &mut EvidenceCollector,
    file: &Candidate,
    chats: &Folder,
    header: io::Result<Header>,
) {
    let why = match header {
        Ok(Header::Text(id)) => {
            if let Some(session) = scope.index.get(id.as_bytes()) {
                found.add_file(session, chats, &file.name, file.written, Part::Own);
            }
            return;
        }
        Ok(Header::Without | Header::Torn) => "its header names no session".into(),
        Err(error) if is_gone(&error) => return,
        Err(error) => describe(&error),
    };

    let path = chats.path().join(&file.name);
    found.add_unread(&file.fits, &path, file.written, true, &why);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SessionId;

    #[track_caller]
    fn check(names: &ShortIds, name: &str, fits: &[u32]) {
        let fits: Vec<SessionIdx> = fits.iter().copied().map(SessionIdx).collect();
        assert_eq!(fitting(names, name.as_bytes()), fits, "{name}");
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
        let mut index = SessionIndex::new(Timestamp::MAX);
        for id in ids {
            index.add(SessionId(id));
        }
        let names = ShortIds::new(&index);
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
    }

    #[test]
    fn a_name_of_todays_form_holds_the_start_of_its_id() {
        for (name, expected) in [
            ("session-2026-01-02T03-04-11112222.jsonl", true),
            ("session-2026-01-02T03-04-05-11112222.jsonl", false),
            ("session-11112222-0000-4000-8000-000000000000.jsonl", false),
            ("conversation-2026-01-02T03-04-11112222.jsonl", false),
            ("session-2026-01-02T03-04-foo.jsonl", false),
        ] {
            assert_eq!(is_todays(name.as_bytes()), expected, "{name}");
        }
    }
}
