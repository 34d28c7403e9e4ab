//! The files that systemd and launchd read: written, restored when the timer cannot be started, and removed.

use std::path::{Path, PathBuf};

use super::timer::Step;
use crate::model::{Failure, describe};
use crate::os::create::{self, create_folders};
use crate::os::folder::Links;
use crate::os::publish::publish;
use crate::os::reading;

const MODE: u32 = 0o644;

/// A larger file is none of ours.
const LARGEST: u64 = 1 << 20;

/// A file of a timer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitFile {
    pub path: PathBuf,
    pub text: String,
}

/// A file that is to be written, and the content of its path until then.
pub(super) struct Replacement<'f> {
    file: &'f UnitFile,
    pub(super) before: Option<Vec<u8>>,
}

impl<'f> Replacement<'f> {
    /// Fails if the path has a file that `is_ours` is false for, a link that leads nowhere, or no file.
    pub(super) fn of(file: &'f UnitFile, is_ours: fn(&[u8]) -> bool) -> Result<Self, Failure> {
        let before = bytes_of(&file.path);

        if file.path.symlink_metadata().is_ok() && !before.as_deref().is_some_and(is_ours) {
            let path = file.path.display();
            let message = format!("{path} was not installed by session-warden schedule");
            return Err(Failure::new(message).hint("move it away first; nothing was changed"));
        }
        Ok(Self { file, before })
    }

    /// Writes the file, unless it has that content already.
    pub(super) fn write(&self) -> Result<Step, Failure> {
        let UnitFile { path, text } = self.file;
        let shown = path.display().to_string();
        let step = match &self.before {
            Some(before) if before == text.as_bytes() => return Ok(Step::Unchanged(shown)),
            Some(_) => Step::Replaced(shown),
            None => Step::Added(shown),
        };

        let folder = path.parent().unwrap_or(Path::new("/"));
        let written = create_folders(folder).and_then(|()| publish(path, text.as_bytes(), MODE));
        written.map(|()| step).map_err(|error| failed("write", path, &error))
    }

    /// Makes the path as it was, as far as possible.
    pub(super) fn restore(&self) {
        let _ = match &self.before {
            Some(before) => publish(&self.file.path, before, MODE),
            None => create::remove(&self.file.path),
        };
    }
}

/// Removes an installed file.
pub(super) fn remove(path: &Path) -> Result<Step, Failure> {
    create::remove(path).map_err(|error| failed("remove", path, &error))?;
    Ok(Step::Removed(path.display().to_string()))
}

fn failed(verb: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot {verb} {}: {}", path.display(), describe(error)))
        .hint("check the permissions of its folder")
}

/// The hint of a failure after which [`Replacement::restore`] was called.
pub(super) const RESTORED_HINT: &str = "correct this and install again; the files were restored";

/// The text of a regular file. Anything else could keep a reader waiting.
pub(super) fn text_of(path: &Path) -> Option<String> {
    String::from_utf8(bytes_of(path)?).ok()
}

fn bytes_of(path: &Path) -> Option<Vec<u8>> {
    reading::whole(path, Links::Follow, LARGEST).ok()
}
