//! The CLIs: what each calls its sessions, where it keeps them, and how they are found.
//!
//! A provider is one file and one entry in [`PROVIDERS`]; adding a CLI touches nothing else.

mod answer;
mod by_two;
mod claude;
mod codex;
mod compressed;
pub mod conversation;
mod credentials;
mod expiry;
mod findings;
mod gemini;
pub mod header;
mod in_use;
mod lines;
mod look_into;
mod memory;
mod observe;
pub mod records;
mod resets;
mod scrub;
mod token;
mod turn;
mod vibe;
mod wanted;
pub mod web;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::disk::folder::Folder;
use crate::domain::IdKind;
use crate::process::Processes;

pub use answer::{Answer, judge};
pub use conversation::About;
pub use expiry::{Expiry, credential_hash, expiry, file_of};
pub use findings::Findings;
pub use in_use::{InUse, in_use};
use in_use::{Uses, no_trace};
pub use look_into::{Looked, look_into};
use memory::Memory;
pub use observe::{Memories, Owners, observe, unmapped};
use records::Records;
pub use turn::{is_at_work, turn};
pub use wanted::Wanted;

/// One CLI.
#[derive(Debug)]
pub struct Provider {
    /// The name that `--provider` takes.
    pub name: &'static str,
    /// The bridge's model key.
    pub model: &'static str,
    /// The environment variable that moves its folder, and what is appended to its value.
    pub variable: Option<(&'static str, &'static str)>,
    /// Its folder in the user's home.
    pub folder: &'static str,
    /// The folder of sessions in that.
    pub sessions: &'static str,
    /// The ids it writes.
    pub ids: IdKind,
    /// How its files hold records.
    records: Records,
    /// Looks for the wanted sessions.
    find: fn(&Place, &Wanted<'_>, &mut Findings),
    /// The ids of all sessions that have a file of their own there, in no order, some twice.
    all: fn(&Place, &mut Findings) -> Vec<String>,
    /// Tells which of the wanted sessions a process uses, beyond those that name one in their
    /// arguments.
    in_use: fn(&Path, &Wanted<'_>, &Processes) -> Uses,
}

/// Every provider, in the order of reports.
pub static PROVIDERS: [Provider; 4] =
    [claude::PROVIDER, codex::PROVIDER, gemini::PROVIDER, vibe::PROVIDER];

/// Where a provider's sessions are looked for.
#[derive(Debug)]
pub struct Place {
    /// The provider's folder, such as `~/.claude`.
    pub base: PathBuf,
    /// Its folder of sessions, open.
    pub root: Folder,
    /// Whose folders are trusted.
    pub owners: Owners,
}

impl Provider {
    /// The provider's folder by its own environment variable, or nothing where that is not set.
    pub fn moved_to(&self, value: impl FnOnce(&str) -> Option<OsString>) -> Option<PathBuf> {
        let (variable, suffix) = self.variable?;
        let moved = PathBuf::from(value(variable)?);
        Some(if suffix.is_empty() { moved } else { moved.join(suffix) })
    }

    /// The provider's folder in that home.
    pub fn in_home(&self, home: &Path) -> PathBuf {
        home.join(self.folder)
    }
}
