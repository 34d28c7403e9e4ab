//! Folders opened once and then listed, searched and stated relative to their descriptor, so that
//! no path is built from a name that somebody else chose.
//!
//! walkdir is not used: it stats what need not be stated, cannot follow links at one level only,
//! and works with whole paths.

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::domain::Timestamp;

/// What a directory entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A FIFO, a socket or a device.
    Other,
    /// The file system does not say; [`Folder::status`] does.
    Untold,
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Folder,
            FileType::Symlink => Self::Link,
            FileType::Unknown => Self::Untold,
            _ => Self::Other,
        }
    }
}

/// Whether a link to a folder is opened as that folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// It is.
    Follow,
    /// It is an error (`ENOTDIR` or `ELOOP`).
    Refuse,
}

/// A file's kind, size and last write.
#[derive(Debug, Clone, Copy)]
pub struct Status {
    /// What it is.
    pub kind: Kind,
    /// Its size in bytes.
    pub size: u64,
    /// Its mtime.
    pub written: Timestamp,
    /// Its number in its file system.
    pub inode: u64,
}

/// An open folder and the path that led to it, for messages and reports.
#[derive(Debug)]
pub struct Folder {
    dir: Dir,
    path: PathBuf,
}

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

impl Folder {
    /// Opens the folder at `path`, following links.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::open_at(CWD, path, path.to_owned(), Links::Follow)
    }

    /// Opens the folder called `name` in this one.
    pub fn open_in(&self, name: &OsStr, links: Links) -> io::Result<Self> {
        Self::open_at(self.descriptor()?, Path::new(name), self.path.join(name), links)
    }

    /// Opens an open folder once more, to list it.
    pub(super) fn reopen(folder: BorrowedFd<'_>, path: &Path) -> io::Result<Self> {
        Self::open_at(folder, Path::new("."), path.to_owned(), Links::Refuse)
    }

    fn open_at(at: BorrowedFd<'_>, name: &Path, path: PathBuf, links: Links) -> io::Result<Self> {
        let flags = match links {
            Links::Follow => FOLDER,
            Links::Refuse => FOLDER.union(OFlags::NOFOLLOW),
        };
        let opened =
            rustix::io::retry_on_intr(|| rustix::fs::openat(at, name, flags, Mode::empty()))?;
        Ok(Self { dir: Dir::new(opened)?, path })
    }

    /// The path that led here.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The user id of the folder's owner.
    pub fn owner(&self) -> io::Result<u32> {
        Ok(rustix::fs::fstat(self.descriptor()?)?.st_uid)
    }

    /// The next entry; `.` and `..` are left out. After an error there are no more.
    pub fn next_entry(&mut self) -> Option<io::Result<Entry>> {
        loop {
            match self.dir.read()? {
                Err(error) => return Some(Err(error.into())),
                Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
                Ok(entry) => return Some(Ok(Entry(entry))),
            }
        }
    }

    /// The status of `name` itself, never of what it links to.
    pub fn status(&self, name: &OsStr) -> io::Result<Status> {
        let stat = rustix::io::retry_on_intr(|| {
            rustix::fs::statat(self.descriptor_errno()?, name, AtFlags::SYMLINK_NOFOLLOW)
        })?;
        Ok(Status {
            kind: FileType::from_raw_mode(stat.st_mode).into(),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            written: written(&stat),
            inode: stat.st_ino,
        })
    }

    /// Opens the regular file called `name`, to read it.
    pub fn open_file(&self, name: &OsStr) -> io::Result<File> {
        // NONBLOCK: should it have become a FIFO since it was stated, opening must not wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::io::retry_on_intr(|| {
            rustix::fs::openat(self.descriptor_errno()?, name, flags, Mode::empty())
        })?;
        let file = File::from(opened);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        Ok(file)
    }

    /// Up to `limit` bytes from the start of the regular file called `name`.
    pub fn read_start(&self, name: &OsStr, limit: u64) -> io::Result<Vec<u8>> {
        let mut start = Vec::new();
        self.open_file(name)?.take(limit).read_to_end(&mut start)?;
        Ok(start)
    }

    fn descriptor(&self) -> io::Result<BorrowedFd<'_>> {
        Ok(self.descriptor_errno()?)
    }

    fn descriptor_errno(&self) -> Result<BorrowedFd<'_>, Errno> {
        self.dir.fd()
    }
}

/// One entry of a folder.
#[derive(Debug)]
pub struct Entry(rustix::fs::DirEntry);

impl Entry {
    /// Its name.
    pub fn name(&self) -> &OsStr {
        OsStr::from_bytes(self.0.file_name().to_bytes())
    }

    /// What it is, as far as the listing says.
    pub fn kind(&self) -> Kind {
        self.0.file_type().into()
    }
}

/// The mtime out of a `stat`.
pub(super) fn written(stat: &rustix::fs::Stat) -> Timestamp {
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    Timestamp::new(stat.st_mtime, nanoseconds)
}
