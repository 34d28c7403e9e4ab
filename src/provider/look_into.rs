//! A look into one session's file, for a list: how large it is, when its newest record was written,
//! where it was at work, and what its user said first. This reads a conversation; a clean does not.

use std::io;
use std::path::Path;

use super::Provider;
use super::conversation::about;
use super::records::{Newest, Records, newest};
use crate::disk::folder::Folder;
use crate::domain::Timestamp;

/// What a session's file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looked {
    /// Its size in bytes.
    pub size: u64,
    /// Its mtime.
    pub written: Option<Timestamp>,
    /// The time of its newest record, or one near its end.
    pub record: Option<Timestamp>,
    /// The folder it was at work in; for Gemini, what it calls the project.
    pub project: Option<String>,
    /// Its user's first message, in one line.
    pub message: Option<String>,
}

/// Looks into the session's file at `path`.
///
/// # Errors
/// Where it cannot be opened; what cannot be understood is left out.
pub fn look_into(provider: &Provider, path: &Path) -> io::Result<Looked> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other("not a path of a file"));
    };
    let folder = Folder::open(folder)?;
    let status = folder.status(name)?;
    let said = about(folder.open_file(name)?, name, provider.records).unwrap_or_default();
    // The first that is found from the end is near enough for a list.
    let any = Timestamp::new(i64::MIN, 0);
    let record = match newest(folder.open_file(name)?, name, provider.records, any) {
        Newest::At(newest) => Some(newest),
        Newest::NoRecord | Newest::Unread(_) => None,
    };
    let project = match provider.records {
        Records::Gemini => of_gemini(path),
        Records::Claude | Records::Codex | Records::Untold => said.project,
    };
    let written = Some(status.written);
    Ok(Looked { size: status.size, written, record, project, message: said.message })
}

/// The name of the project's folder, unless it is the hash of older versions.
fn of_gemini(path: &Path) -> Option<String> {
    let name = path.parent()?.parent()?.file_name()?.to_str()?;
    let is_hash = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    (!is_hash).then(|| name.to_owned())
}
