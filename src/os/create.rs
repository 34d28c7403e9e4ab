//! Creating, appending to and removing files and folders in place: a new configuration, units, logs.

use rustix::fs::OFlags;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::publish::{folder_of, is_foreign, is_open_to_all, resolve};

/// Creates the file at `path`, and its folder. `AlreadyExists` if anything has that name; nothing is changed then.
#[expect(clippy::disallowed_methods, reason = "the folder of a new configuration is made with it")]
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        // A file in the place of a folder is not an older file of that name.
        fs::create_dir_all(folder).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => io::ErrorKind::NotADirectory.into(),
            _ => error,
        })?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Creates the folder and those above it, as far as they are missing.
#[expect(clippy::disallowed_methods, reason = "folders of units and logs are made with them")]
pub fn create_folders(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Creates the folder and those above it, as far as they are missing: for this user alone, and durably.
pub fn create_private_folders(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }

    // The folders that get a new entry, up to the first that exists.
    let missing = folder.ancestors().take_while(|above| !above.is_dir()).count();
    let made_in: Vec<&Path> = folder.ancestors().skip(1).take(missing).collect();

    let made = fs::DirBuilder::new().mode(0o700).recursive(true).create(folder);
    if let Err(error) = made
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(error);
    }
    made_in.into_iter().try_for_each(|folder| fs::File::open(folder)?.sync_all())
}

/// Removes a file of ours, and its folder if that was its own (`*.d`) and is empty.
#[expect(clippy::disallowed_methods, reason = "installed files are removed when uninstalled")]
pub fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    if let Some(folder) = path.parent().filter(|folder| folder.extension() == Some("d".as_ref())) {
        // It is kept for the files of others.
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

/// Appends to the regular file at `path`, which is created if there is none. Another user's link is not followed. In a
/// folder that every user may write to, a file of another user is not appended to, and in one that another user may
/// write to, none that has a second name.
pub fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = resolve(path)?;
    let folder = folder_of(&path).metadata()?;

    // NONBLOCK: a FIFO that no process reads must not hold up the run. NOFOLLOW: a link may come meanwhile.
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let mut file = OpenOptions::new().append(true).create(true).custom_flags(flags).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("not a regular file"));
    }

    let us = rustix::process::geteuid().as_raw();
    let is_theirs = is_foreign(about.uid(), us) && is_open_to_all(folder.mode());
    let has_second_name =
        about.nlink() > 1 && (is_open_to_all(folder.mode()) || is_foreign(folder.uid(), us));
    if is_theirs || has_second_name {
        let why = "a file that another user may have put there, in a folder that other users may write to";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    // One write, so that the reports of two runs do not mix.
    file.write_all(bytes)
}
