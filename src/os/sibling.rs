//! A file of another program's, replaced as that program does it: whole, by a temporary file beside it,
//! and by name, so that a lock file beside it is the same one for both.
//!
//! Unlike `replace`, which merges what a writer without a lock does meanwhile, this is for files whose
//! writers keep a lock, or are known to stand still.

use rustix::fs::AtFlags;
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::attributes::carry_over;
use super::folder::Folder;
use super::reading::check_size;
use super::temporary::{self, TemporaryFile};
use crate::model::Timestamp;

/// A name in an open folder.
#[derive(Debug)]
pub struct SiblingFile {
    folder: Folder,
    name: OsString,
}

/// The device and inode of a file, which no other file of its time has.
pub type Identity = (u64, u64);

/// A file as it was read.
#[derive(Debug)]
pub struct Content {
    pub bytes: Vec<u8>,
    /// When it was last written.
    pub written: Timestamp,
    pub identity: Identity,
    file: File,
}

/// How a replacement ended.
#[derive(Debug)]
pub enum Replaced {
    /// The new file is in place; if there is an error, a power cut may undo it (W3).
    Done(Option<io::Error>),
    /// It is no longer the file that was read. Nothing was done.
    Changed,
}

impl SiblingFile {
    /// The file at `path`, which need not exist; its folder must.
    pub fn of(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or_else(|| io::Error::other("not a regular file"))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize()?;
        Ok(Self { folder: Folder::open(&folder)?, name: name.to_owned() })
    }

    /// Its own name.
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// The path of a file of that name in the same folder.
    pub fn path_of(&self, name: &OsStr) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Reads the file of that name in the folder; nothing if there is none. A link, and a file of more than
    /// `limit` bytes, is an error.
    pub fn read(&self, name: &OsStr, limit: u64) -> io::Result<Option<Content>> {
        let (file, status) = match self.folder.open_with_status(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };

        let mut bytes = Vec::new();
        check_size(status.size, limit)?;
        check_size((&file).take(limit + 1).read_to_end(&mut bytes)? as u64, limit)?;

        let identity = (status.device, status.inode);
        Ok(Some(Content { bytes, written: status.written, identity, file }))
    }

    /// Returns true if the file of that name is that one, with these bytes in it. The inode alone does not
    /// show it: that of a removed file is soon another one's.
    pub fn is(&self, name: &OsStr, identity: Identity, bytes: &[u8]) -> bool {
        let found = self.read(name, bytes.len() as u64).ok().flatten();
        found.is_some_and(|found| found.identity == identity && found.bytes == bytes)
    }

    /// Creates a file of that name, whole, with these bytes; nothing if there is one already.
    pub fn put(&self, name: &OsStr, bytes: &[u8]) -> io::Result<Option<Identity>> {
        let mut temporary = TemporaryFile::create(self.folder.as_fd(), &self.name, 0o600)?;
        temporary.file.write_all(bytes)?;
        let status = temporary.file.metadata()?;

        let (from, flags) = (&temporary.name, AtFlags::empty());
        match rustix::fs::linkat(&self.folder, from, &self.folder, name, flags) {
            Ok(()) => Ok(Some((status.dev(), status.ino()))),
            Err(Errno::EXIST) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces the file that `old` was read from, keeping mode, owner and attributes. `may` is called last,
    /// just before the rename.
    pub fn replace(
        &self,
        old: &Content,
        bytes: &[u8],
        may: impl FnOnce() -> bool,
    ) -> io::Result<Replaced> {
        let mut temporary = TemporaryFile::create(self.folder.as_fd(), &self.name, 0o600)?;
        temporary.file.write_all(bytes)?;
        carry_over(&old.file, &temporary.file)?;
        temporary.file.sync_all()?;

        if !self.is(&self.name, old.identity, &old.bytes) || !may() {
            return Ok(Replaced::Changed);
        }
        temporary.rename_to(&self.name)?;
        Ok(Replaced::Done(rustix::fs::fsync(&self.folder).err().map(Into::into)))
    }

    /// Removes the file of that name, if it is still that one, with these bytes in it.
    pub fn remove(&self, name: &OsStr, identity: Identity, bytes: &[u8]) -> io::Result<()> {
        if self.is(name, identity, bytes) {
            temporary::remove(self.folder.as_fd(), name)
        } else {
            Ok(())
        }
    }

    /// Removes the temporary files of killed runs: those for whose process `is_over` returns true (W7).
    pub fn sweep(&self, is_over: impl Fn(u32) -> bool) -> io::Result<()> {
        temporary::sweep(&self.folder, &self.name, |process, _| is_over(process))
    }
}
