//! The CLIs: what each calls its sessions, where it keeps them, and how they are found.
//!
//! A provider is one file and one entry in [`PROVIDERS`]; adding a CLI touches nothing else.

mod by_two;
mod carrier;
mod claude;
mod codex;
mod compressed;
pub mod conversation;
mod doubt;
mod evidence;
mod gemini;
pub mod header;
mod header_files;
mod header_texts;
mod json_text;
mod lines;
mod listing;
mod look_into;
mod memory;
mod observe;
mod own_folder;
mod process_records;
pub mod records;
mod retention;
mod session_index;
mod vibe;
mod walk;
mod work;
mod working_folder;
mod written_by_user;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::model::{IdKind, ProviderIdx};

use carrier::{Carrier, Root, Shows, Special};
pub use conversation::About;
pub use evidence::EvidenceCollector;
pub use look_into::{Looked, look_into};
use memory::Memory;
pub use observe::{LookOptions, Memories, Owners, observe, unmapped};
use records::Records;
pub use retention::{Kept, Retention};
pub use session_index::SessionIndex;
use work::Signs;
pub use work::{Ignored, Work, work};

/// One CLI: what is known of where it keeps its sessions. What all providers have in common is in
/// `walk`: a path below an evidence root that carries a session's id belongs to that session.
pub struct Provider {
    /// The name that `--provider` takes.
    pub name: &'static str,
    /// The bridge's model key.
    pub model: &'static str,
    /// The environment variable that moves its folder, and what is appended to its value.
    pub variable: Option<(&'static str, &'static str)>,
    /// Its folder in the user's home.
    pub folder: &'static str,
    /// Its evidence roots in that folder, the main one first.
    pub roots: &'static [&'static str],
    /// The evidence root that holds archived copies.
    archive: Option<&'static str>,
    /// Roots of files beside sessions, which count only while they are recent.
    side_roots: &'static [&'static str],
    /// One more such root, among the machine's temporary files.
    temporary: Option<Temporary>,
    /// True if files right in its folder whose name carries an id are evidence as well.
    files_in_home: bool,
    /// The names in a folder named by a session alone that are of known side files.
    known_side_names: &'static [&'static str],
    /// The command that resumes a session, without its id.
    resume: &'static str,
    /// The ids it writes.
    pub ids: IdKind,
    /// How long it keeps them, if it deletes any by itself.
    pub retention: Option<Retention>,
    /// How its files hold records.
    records: Records,
    /// The part of a session's own file's name that may be its whole id.
    own_id: fn(&[u8]) -> Option<&[u8]>,
    /// What a path below an evidence root shows of a session whose id it carries.
    shows: fn(&Carrier<'_>) -> Shows,
    /// Its files that name a session inside, for a search for the sessions of the first index; those of
    /// the second are mapped as well.
    special: fn(&SessionIndex<'_>, &SessionIndex<'_>) -> Box<dyn Special>,
    /// The ids of all sessions that have a file of their own there, in no order, some twice.
    all: fn(&Place, &mut EvidenceCollector) -> Vec<String>,
    /// How its processes show which session they use.
    signs: Signs,
}

/// A root among the machine's temporary files: `/tmp/<folder>-<uid>`, unless a variable names one.
struct Temporary {
    variable: &'static str,
    folder: &'static str,
}

/// Every provider, in the order of reports.
pub static PROVIDERS: [Provider; 4] =
    [claude::PROVIDER, codex::PROVIDER, gemini::PROVIDER, vibe::PROVIDER];

/// Where a provider's sessions are looked for.
#[derive(Debug)]
pub struct Place {
    /// The provider's folder, such as `~/.claude`.
    pub base: PathBuf,
    /// Its roots, open.
    roots: Vec<Root>,
    /// Whose folders are trusted.
    owners: Owners,
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
    /// Returns the provider whose sessions the bridge files under that model.
    pub fn of_model(model: &str) -> Option<(ProviderIdx, &'static Self)> {
        (0..).map(ProviderIdx).zip(&PROVIDERS).find(|(_, provider)| provider.model == model)
    }

    /// Returns the shell command that resumes a session by hand.
    pub fn resume_command(&self, session: &str) -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        if session.chars().all(is_plain) && !session.is_empty() {
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

    /// The environment variables that say where the provider keeps its files.
    pub fn variables(&self) -> impl Iterator<Item = &'static str> {
        let temporary = self.temporary.as_ref().map(|root| root.variable);
        self.variable.map(|(name, _)| name).into_iter().chain(temporary)
    }

    /// Returns the provider's folder in that home.
    pub fn in_home(&self, home: &Path) -> PathBuf {
        home.join(self.folder)
    }

    /// Returns the folder of `user` among the machine's temporary files, as the provider's own
    /// environment variable says if that is set.
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
        // Claude Code makes the user's folder in the one that is named.
        let within = moved.join(name);
        Some(if within.is_dir() { within } else { moved })
    }
}
