//! A file of another program's, replaced as that program does it: whole, by a temporary file beside it,
//! and by name, so that a lock file beside it is the same one for both.
//!
//! Unlike `replace`, which merges what a writer without a lock does meanwhile, this is for files whose
//! writers keep a lock, or are known to stand still.

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::attributes::carry_over;
use super::folder::{Folder, Kind, written};
use crate::model::Timestamp;

/// A name in an open folder.
#[derive(Debug)]
pub struct SiblingFile {
    folder: OwnedFd,
    path: PathBuf,
    name: OsString,
}

/// What tells a file from every other one of its time: device and inode.
pub type Identity = (u64, u64);

/// A file as it was read.
#[derive(Debug)]
pub struct Content {
    /// What was in it.
    pub bytes: Vec<u8>,
    /// When it was last written.
    pub written: Timestamp,
    /// Which file it is.
    pub identity: Identity,
    file: File,
}

/// How a replacement went.
#[derive(Debug)]
pub enum Replaced {
    /// The new file stands; where there is an error, a power cut may undo it (W3).
    Done(Option<io::Error>),
    /// It is no longer the file that was read. Nothing was done.
    Changed,
}

impl SiblingFile {
    /// The file at `path`, which need not be there; its folder must be.
    pub fn of(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or_else(not_a_file)?.to_owned();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let path = folder.unwrap_or(Path::new(".")).canonicalize()?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::io::retry_on_intr(|| rustix::fs::open(&path, flags, Mode::empty()))?;
        Ok(Self { folder, path, name })
    }

    /// Its own name.
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// Where a file of that name is, in the same folder.
    pub fn path_of(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }

    /// Reads the file of that name in the folder; nothing where there is none.
    ///
    /// # Errors
    /// Where it is a link, no file, or larger than `limit` bytes.
    pub fn read(&self, name: &OsStr, limit: u64) -> io::Result<Option<Content>> {
        // NONBLOCK: a FIFO of that name must not hold us up.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::io::retry_on_intr(|| {
            rustix::fs::openat(&self.folder, name, flags, Mode::empty())
        });
        let file = match opened {
            Ok(opened) => File::from(opened),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(io::Error::other("it is a link")),
            Err(error) => return Err(error.into()),
        };
        let about = rustix::fs::fstat(&file)?;
        if !file.metadata()?.is_file() {
            return Err(not_a_file());
        }
        let mut bytes = Vec::new();
        (&file).take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::Error::other(format!("larger than {} MiB", limit >> 20)));
        }
        let identity = (about.st_dev, about.st_ino);
        Ok(Some(Content { bytes, written: written(&about), identity, file }))
    }

    /// Whether the file of that name is that one, with these bytes in it. The number of a file that went is
    /// soon another one's, so it tells too little by itself.
    pub fn is(&self, name: &OsStr, identity: Identity, bytes: &[u8]) -> bool {
        let there = self.read(name, bytes.len() as u64).ok().flatten();
        there.is_some_and(|there| there.identity == identity && there.bytes == bytes)
    }

    /// Puts a file with these bytes at that name, whole; nothing where there is one already.
    pub fn put(&self, name: &OsStr, bytes: &[u8]) -> io::Result<Option<Identity>> {
        let (temporary, mut file) = Temporary::create(self)?;
        file.write_all(bytes)?;
        let about = file.metadata()?;
        let from = &temporary.name;
        match rustix::fs::linkat(&self.folder, from, &self.folder, name, AtFlags::empty()) {
            Ok(()) => Ok(Some((about.dev(), about.ino()))),
            Err(Errno::EXIST) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces the file that `old` was read from, keeping mode, owner and attributes. `may` is asked
    /// last of all.
    pub fn replace(
        &self,
        old: &Content,
        bytes: &[u8],
        may: impl FnOnce() -> bool,
    ) -> io::Result<Replaced> {
        let (temporary, mut file) = Temporary::create(self)?;
        file.write_all(bytes)?;
        carry_over(&old.file, &file)?;
        file.sync_all()?;
        if !self.is(&self.name, old.identity, &old.bytes) || !may() {
            return Ok(Replaced::Changed);
        }
        temporary.rename_to(&self.name)?;
        Ok(Replaced::Done(rustix::fs::fsync(&self.folder).err().map(Into::into)))
    }

    /// Removes the file of that name, if it is still that one, with these bytes in it.
    #[expect(clippy::disallowed_methods, reason = "a lock of ours goes, or one that is stale")]
    pub fn remove(&self, name: &OsStr, identity: Identity, bytes: &[u8]) -> io::Result<()> {
        if !self.is(name, identity, bytes) {
            return Ok(());
        }
        match rustix::fs::unlinkat(&self.folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the temporary files of runs that were killed: of those `is_over` is true of the process
    /// that their name tells (W7).
    pub fn sweep(&self, is_over: impl Fn(u32) -> bool) -> io::Result<()> {
        let prefix = self.temporary_prefix();
        let folder = Folder::reopen(self.folder.as_fd(), &self.path)?;
        folder.list(|entry| {
            let name = entry.name();
            let rest = name.as_bytes().strip_prefix(prefix.as_bytes());
            let process = rest.and_then(|rest| rest.split(|byte| *byte == b'-').next());
            let process = process.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            let is_file = || folder.status(name).is_ok_and(|status| status.kind == Kind::File);
            if process.is_some_and(&is_over) && is_file() {
                remove(&self.folder, name)?;
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    fn temporary_prefix(&self) -> OsString {
        let mut prefix = OsString::from(".");
        prefix.push(&self.name);
        prefix.push(".session-warden.tmp.");
        prefix
    }
}

/// A temporary file. Dropped without a rename, its name goes.
struct Temporary<'a> {
    beside: &'a SiblingFile,
    name: OsString,
    is_gone: bool,
}

impl<'a> Temporary<'a> {
    fn create(beside: &'a SiblingFile) -> io::Result<(Self, File)> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for number in 0..100 {
            let mut name = beside.temporary_prefix();
            name.push(format!("{}-{number}", std::process::id()));
            let made = rustix::io::retry_on_intr(|| {
                rustix::fs::openat(&beside.folder, &name, flags, Mode::from_raw_mode(0o600))
            });
            match made {
                Ok(made) => return Ok((Self { beside, name, is_gone: false }, made.into())),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the rename that replaces the file")]
    fn rename_to(mut self, target: &OsStr) -> io::Result<()> {
        let folder = &self.beside.folder;
        rustix::fs::renameat(folder, &self.name, folder, target)?;
        self.is_gone = true;
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.is_gone {
            // The next run sweeps what cannot be removed now.
            let _ = remove(&self.beside.folder, &self.name);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "called for our own temporary files only")]
fn remove(folder: &OwnedFd, name: &OsStr) -> io::Result<()> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn not_a_file() -> io::Error {
    io::Error::other("not a regular file")
}
