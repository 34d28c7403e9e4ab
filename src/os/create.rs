//! Files and folders that are made, appended to and removed as they are: a new configuration, units,
//! logs.

use rustix::fs::OFlags;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes the file at `path` with these bytes.
///
/// # Errors
/// `AlreadyExists` where there is anything of that name; nothing is changed then.
#[expect(clippy::disallowed_methods, reason = "the folder of a new configuration is made with it")]
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        // A file in a folder's place is no file of that name that was there before.
        fs::create_dir_all(folder).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => io::ErrorKind::NotADirectory.into(),
            _ => error,
        })?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes that folder and those above it, as far as they are missing.
#[expect(clippy::disallowed_methods, reason = "folders of units and logs are made with them")]
pub fn create_folders(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Makes that folder and those above it, as far as they are missing: for its user alone, and so that a
/// power cut does not take them away again.
pub fn create_private_folders(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    // Those that get a new entry, up to the first that is there already.
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

/// Removes a file of ours, and the folder that it was in where that is empty and was its own
/// (`*.d`).
#[expect(clippy::disallowed_methods, reason = "what was installed goes when it is uninstalled")]
pub fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    if let Some(folder) = path.parent().filter(|folder| folder.extension() == Some("d".as_ref())) {
        // Somebody else's files keep it.
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

/// Appends to the file at `path`, which is made where there is none.
///
/// # Errors
/// Where it cannot be written to, or is no regular file.
pub fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // NONBLOCK: a FIFO that nobody reads must not hold up the run.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let mut file = OpenOptions::new().append(true).create(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    // One write, so that the reports of two runs do not mix.
    file.write_all(bytes)
}
