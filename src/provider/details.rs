//! Reads one session's file for a list: its size and times, its working folder and its first message. This
//! reads a conversation; a clean does not.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::conversation::about;
use super::descriptor::Provider;
use super::records::{Newest, Records, newest};
use crate::model::Timestamp;
use crate::os::folder::Folder;
use crate::os::interrupt::Interrupt;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    pub size: u64,
    /// Its mtime.
    pub written: Option<Timestamp>,
    /// The time of its newest record, or one near its end.
    pub record: Option<Timestamp>,
    /// The working folder; for Gemini without one, its name of the project.
    pub project: Option<String>,
    /// The user's first message, in one line.
    pub message: Option<String>,
    pub worked_in: Option<PathBuf>,
}

impl Details {
    /// Returns true if the session is known to have worked in that folder or below it.
    pub fn was_below(&self, folder: &Path) -> bool {
        // A CLI asks the system where it is, which resolves links.
        let resolved = folder.canonicalize();
        self.worked_in.as_ref().is_some_and(|worked_in| {
            worked_in.starts_with(folder)
                || resolved.is_ok_and(|resolved| worked_in.starts_with(resolved))
        })
    }
}

/// Reads the session's file at `path`. Fails only if it cannot be opened: a part that cannot be understood
/// is left out.
pub fn read_details(
    provider: &Provider,
    path: &Path,
    interrupt: &Interrupt,
) -> io::Result<Details> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other("not a path of a file"));
    };

    let folder = Folder::open(folder)?;
    let status = folder.status(name)?;
    let file = folder.open_file(name)?;
    let about = about(file, name, provider.records, interrupt).unwrap_or_default();
    // The first record from the end is near enough for a list.
    let any = Timestamp::new(i64::MIN, 0);
    let file = folder.open_file(name)?;
    let record = match newest(file, name, provider.records, any, interrupt) {
        Newest::At(newest) => Some(newest),
        Newest::NoRecord | Newest::Unread(_) => None,
    };

    let (project, worked_in) = match provider.records {
        Records::Gemini => {
            let worked_in = root_of_gemini(path);
            let shown = worked_in.as_ref().map(|folder| folder.to_string_lossy().into_owned());
            (shown.or_else(|| of_gemini(path)), worked_in)
        }
        Records::Claude | Records::Codex | Records::Unknown => {
            let worked_in = about.project.as_ref().map(PathBuf::from);
            (about.project, worked_in)
        }
    };

    let written = Some(status.written);
    Ok(Details { size: status.size, written, record, project, message: about.message, worked_in })
}

/// The name of the project's folder, unless it is the hash of older versions.
fn of_gemini(path: &Path) -> Option<String> {
    let name = path.parent()?.parent()?.file_name()?.to_str()?;
    let is_hash = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    (!is_hash).then(|| name.to_owned())
}

/// The working folder of a project, as Gemini CLI notes it in the project's folder. Versions that named the
/// folder by a hash do not.
fn root_of_gemini(path: &Path) -> Option<PathBuf> {
    const LONGEST: u64 = 4096;
    let project = Folder::open(path.parent()?.parent()?).ok()?;
    let noted = project.read_start(OsStr::new(".project_root"), LONGEST).ok()?;
    let noted = String::from_utf8(noted).ok()?;
    let noted = noted.trim();
    (!noted.is_empty()).then(|| PathBuf::from(noted))
}
