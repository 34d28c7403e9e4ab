//! Descriptors of the CLIs: where a CLI keeps its sessions, how it names them, and its special files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::carrier::{Carrier, Root, Shows, Special};
use super::evidence::EvidenceCollector;
use super::records::Records;
use super::retention::{Kept, Retention};
use super::session_index::SessionIndex;
use crate::model::{IdKind, Warning};

/// One CLI. The search for its sessions is the same for all (`walk.rs`).
pub struct Provider {
    /// The name that `--provider` takes.
    pub name: &'static str,
    /// The bridge's model key.
    pub model: &'static str,
    /// The environment variable that moves its folder, and the suffix appended to its value.
    pub variable: Option<(&'static str, &'static str)>,
    pub folder: &'static str,
    /// Its evidence roots in that folder, the main one first.
    pub roots: &'static [&'static str],
    pub(super) archive: Option<&'static str>,
    /// Roots of files beside sessions, which count only while they are recent.
    pub(super) side_roots: &'static [&'static str],
    /// One more side root, among the machine's temporary files.
    pub(super) temporary: Option<Temporary>,
    /// True if files right in its folder whose name carries an id are evidence as well.
    pub(super) files_in_home: bool,
    /// The names of known side files in a folder that is named by a session alone.
    pub(super) known_side_names: &'static [&'static str],
    /// The command that resumes a session, without its id.
    pub(super) resume: &'static str,
    pub ids: IdKind,
    /// How long it keeps sessions, if it deletes any by itself.
    pub retention: Option<Retention>,
    pub(super) records: Records,
    /// Returns the part of a session's own file name that may be its whole id.
    pub(super) own_id: fn(&[u8]) -> Option<&[u8]>,
    /// Returns the evidence of a path below an evidence root for a session whose id it carries.
    pub(super) shows: fn(&Carrier<'_>) -> Shows,
    /// Its files that name a session inside, for a search for the sessions of the first index. The
    /// second one has the other mapped sessions.
    pub(super) special: fn(&SessionIndex<'_>, &SessionIndex<'_>) -> Box<dyn Special>,
    /// Returns the ids of all sessions that have a file of their own, in no order, some twice.
    pub(super) all: fn(&Folders, &mut EvidenceCollector) -> Vec<String>,
    pub(super) signs: Signs,
}

/// `/tmp/<folder>-<uid>`, unless a variable names another folder.
pub(super) struct Temporary {
    pub(super) variable: &'static str,
    pub(super) folder: &'static str,
}

/// How a CLI's processes show which session they use, besides their files and arguments.
pub(super) struct Signs {
    pub(super) records: Option<&'static str>,
    /// The folder of lock files, each named by its session.
    pub(super) locks: Option<&'static str>,
}

/// Whose folders of sessions are trusted, besides root's (D2).
#[derive(Debug, Clone, Copy)]
pub struct Owners {
    pub us: u32,
    pub map: Option<u32>,
}

impl Owners {
    pub(super) fn include(self, user: u32) -> bool {
        user == 0 || user == self.us || Some(user) == self.map
    }
}

#[derive(Debug)]
pub struct Folders {
    /// The provider's folder, such as `~/.claude`.
    pub base: PathBuf,
    pub(super) roots: Vec<Root>,
    pub(super) owners: Owners,
}

/// Where one provider keeps its files, for one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The provider's folder, such as `~/.claude`.
    pub folder: PathBuf,
    /// Its folder among the machine's temporary files.
    pub temporary: Option<PathBuf>,
}

impl Provider {
    /// Returns true if its processes keep records, which name their sessions.
    pub fn has_records(&self) -> bool {
        self.signs.records.is_some()
    }

    /// Returns the same text for two ids that name the same session: UUIDs are compared without regard to case.
    pub fn session_key(&self, id: &str) -> String {
        match self.ids {
            IdKind::Uuid => id.to_ascii_lowercase(),
            IdKind::Word => id.to_owned(),
        }
    }

    /// Returns the shell command that resumes a session by hand.
    pub fn resume_command(&self, session: &str) -> String {
        let mut letters = session.chars();
        let is_plain = letters.all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c));
        if is_plain && !session.is_empty() {
            format!("{} {session}", self.resume)
        } else {
            format!("{} '{}'", self.resume, session.replace('\'', r"'\''"))
        }
    }

    /// Returns the provider's folder by its own environment variable, if that is set.
    pub fn moved_to(&self, value: impl FnOnce(&str) -> Option<OsString>) -> Option<PathBuf> {
        let (variable, suffix) = self.variable?;
        let moved = PathBuf::from(value(variable)?);
        Some(if suffix.is_empty() { moved } else { moved.join(suffix) })
    }

    /// The environment variables that move the provider's files.
    pub fn variables(&self) -> impl Iterator<Item = &'static str> {
        let temporary = self.temporary.as_ref().map(|root| root.variable);
        self.variable.map(|(name, _)| name).into_iter().chain(temporary)
    }

    pub fn in_home(&self, home: &Path) -> PathBuf {
        home.join(self.folder)
    }

    /// Returns the folder of `user` among the machine's temporary files, by the provider's own
    /// environment variable if that is set.
    pub fn temporary_of(
        &self,
        user: u32,
        value: impl FnOnce(&str) -> Option<OsString>,
    ) -> Option<PathBuf> {
        let Temporary { variable, folder } = self.temporary.as_ref()?;
        let name = format!("{folder}-{user}");
        let Some(moved) = value(variable).map(PathBuf::from) else {
            return Some(Path::new("/tmp").join(name));
        };
        // Claude Code makes the user's folder in the one that the variable names.
        let within = moved.join(name);
        Some(if within.is_dir() { within } else { moved })
    }

    /// Returns how long the CLI keeps its sessions in that folder, such as `~/.claude`.
    pub fn keeps(&self, folder: &Path) -> Kept {
        self.retention.as_ref().map_or(Kept::Always, |retention| retention.of(folder))
    }

    /// Adds the provider's name to a warning.
    pub(super) fn named(&self, warning: Warning) -> Warning {
        Warning { message: format!("{}: {}", self.name, warning.message), ..warning }
    }
}
