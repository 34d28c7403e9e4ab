//! The CLIs: what each calls its sessions, where it keeps them, and how they are found.
//!
//! A provider is one file and one entry in [`PROVIDERS`]; adding a CLI touches nothing else.

mod claude;
mod codex;
mod findings;
mod gemini;
mod header;
mod in_use;
mod observe;
mod vibe;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::disk::folder::Folder;
use crate::domain::IdKind;
use crate::process::Processes;

pub use findings::{Findings, Wanted};
pub use in_use::in_use;
pub use observe::{Owners, observe};

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
    /// Looks for the wanted sessions.
    find: fn(&mut Place, &Wanted<'_>, &mut Findings),
    /// Tells which of the wanted sessions, by place, which process uses, beyond those that name one
    /// in their arguments.
    in_use: fn(&Path, &Wanted<'_>, &Processes) -> HashMap<u32, u32>,
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

/// For a provider whose CLI leaves no trace of running but its arguments.
fn no_trace(_: &Path, _: &Wanted<'_>, _: &Processes) -> HashMap<u32, u32> {
    HashMap::new()
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
