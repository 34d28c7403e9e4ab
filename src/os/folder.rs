//! Folders opened once and then listed, searched and stated relative to their descriptor, so that
//! no path is built from a name that somebody else chose.
//!
//! walkdir is not used: it stats what need not be stated, cannot follow links at one level only,
//! and works with whole paths.

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::model::Timestamp;

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
    /// The number of its file system.
    pub device: u64,
}

impl Status {
    fn of(stat: &rustix::fs::Stat) -> Self {
        Self {
            kind: FileType::from_raw_mode(stat.st_mode).into(),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            written: written(stat),
            inode: stat.st_ino,
            device: stat.st_dev,
        }
    }
}

/// What of a folder changes when something comes into it or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    written: Timestamp,
    changed: Timestamp,
}

impl Stamp {
    /// When the folder last changed.
    pub fn changed(&self) -> Timestamp {
        self.changed
    }
}

/// An open folder and the path that led to it, for messages and reports.
#[derive(Debug)]
pub struct Folder {
    descriptor: OwnedFd,
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
        Self::open_at(self.descriptor.as_fd(), Path::new(name), self.path.join(name), links)
    }

    /// Opens an open folder once more, to list it.
    pub(crate) fn reopen(folder: BorrowedFd<'_>, path: &Path) -> io::Result<Self> {
        Self::open_at(folder, Path::new("."), path.to_owned(), Links::Refuse)
    }

    fn open_at(at: BorrowedFd<'_>, name: &Path, path: PathBuf, links: Links) -> io::Result<Self> {
        let flags = match links {
            Links::Follow => FOLDER,
            Links::Refuse => FOLDER.union(OFlags::NOFOLLOW),
        };
        let descriptor =
            rustix::io::retry_on_intr(|| rustix::fs::openat(at, name, flags, Mode::empty()))?;
        Ok(Self { descriptor, path })
    }

    /// What tells whether the folder has changed.
    pub fn stamp(&self) -> io::Result<Stamp> {
        let stat = rustix::fs::fstat(&self.descriptor)?;
        let changed = Timestamp::new(stat.st_ctime, u32::try_from(stat.st_ctime_nsec).unwrap_or(0));
        Ok(Stamp { device: stat.st_dev, inode: stat.st_ino, written: written(&stat), changed })
    }

    /// Whether it lies on a file system that is known to stamp a folder when something comes into it
    /// or goes: what others do, as those of networks, depends on who else has it open.
    #[cfg(target_os = "linux")]
    pub fn stamps_changes(&self) -> bool {
        // ext2 to ext4, XFS, Btrfs, tmpfs, overlayfs, F2FS and ZFS, as statfs(2) lists them.
        const KNOWN: [u64; 7] =
            [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0xF2F5_2010, 0x2FC1_2FC1];
        let kind = rustix::fs::fstatfs(&self.descriptor).map(|system| system.f_type);
        kind.is_ok_and(|kind| u64::try_from(kind).is_ok_and(|kind| KNOWN.contains(&kind)))
    }

    /// The same; of other systems nothing is known.
    #[cfg(not(target_os = "linux"))]
    pub fn stamps_changes(&self) -> bool {
        false
    }

    /// The path that led here.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The user id of the folder's owner.
    pub fn owner(&self) -> io::Result<u32> {
        Ok(rustix::fs::fstat(&self.descriptor)?.st_uid)
    }

    /// Calls `each` with every entry, until it breaks; `.` and `..` are left out. A folder is listed
    /// once: there is nothing more to list then.
    #[cfg(target_os = "linux")]
    pub fn list(
        &self,
        mut each: impl FnMut(&Entry<'_>) -> io::Result<ControlFlow<()>>,
    ) -> io::Result<()> {
        let mut buffer = Vec::with_capacity(BUFFER);
        let mut raw = rustix::fs::RawDir::new(&self.descriptor, buffer.spare_capacity_mut());
        let mut is_first = true;
        while let Some(entry) = raw.next() {
            let entry = match entry {
                Err(Errno::INTR) => continue,
                // It went since it was opened, so nothing is in it.
                Err(Errno::NOENT) if is_first => break,
                entry => entry?,
            };
            is_first = false;
            if Entry::show(entry.file_name(), entry.file_type(), &mut each)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The same, where the kernel's own listing is not to be had.
    #[cfg(not(target_os = "linux"))]
    pub fn list(
        &self,
        mut each: impl FnMut(&Entry<'_>) -> io::Result<ControlFlow<()>>,
    ) -> io::Result<()> {
        for entry in rustix::fs::Dir::read_from(&self.descriptor)? {
            let entry = entry?;
            if Entry::show(entry.file_name(), entry.file_type(), &mut each)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The status of `name` itself, never of what it links to.
    pub fn status(&self, name: &OsStr) -> io::Result<Status> {
        let stat = rustix::io::retry_on_intr(|| {
            rustix::fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW)
        })?;
        Ok(Status::of(&stat))
    }

    /// The status of what `name` is or leads to, links followed.
    pub fn status_of_target(&self, name: &OsStr) -> io::Result<Status> {
        let stat = rustix::io::retry_on_intr(|| {
            rustix::fs::statat(&self.descriptor, name, AtFlags::empty())
        })?;
        Ok(Status::of(&stat))
    }

    /// Opens this folder once more, to list it again.
    pub fn reopened(&self) -> io::Result<Self> {
        Self::reopen(self.descriptor.as_fd(), &self.path)
    }

    /// Opens the regular file called `name`, to read it.
    pub fn open_file(&self, name: &OsStr) -> io::Result<File> {
        self.open_with_status(name).map(|(file, _)| file)
    }

    /// The same, with its status when it was opened.
    pub fn open_with_status(&self, name: &OsStr) -> io::Result<(File, Status)> {
        // NONBLOCK: should it have become a FIFO since it was stated, opening must not wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::io::retry_on_intr(|| {
            rustix::fs::openat(&self.descriptor, name, flags, Mode::empty())
        })?;
        let status = Status::of(&rustix::fs::fstat(&opened)?);
        if status.kind != Kind::File {
            return Err(io::Error::other("not a regular file"));
        }
        Ok((File::from(opened), status))
    }

    /// What the file at that relative path holds, whatever leads there: for the kernel's own files,
    /// which do not tell their size.
    pub fn read_below(&self, path: &str) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::io::retry_on_intr(|| {
            rustix::fs::openat(&self.descriptor, path, flags, Mode::empty())
        })?;
        let mut read = Vec::with_capacity(FIRST_READ);
        File::from(opened).take(u64::MAX).read_to_end(&mut read)?;
        Ok(read)
    }

    /// Up to `limit` bytes from the start of the regular file called `name`.
    pub fn read_start(&self, name: &OsStr, limit: u64) -> io::Result<Vec<u8>> {
        let mut start = Vec::with_capacity(FIRST_READ);
        self.open_file(name)?.take(limit).read_to_end(&mut start)?;
        Ok(start)
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// How many bytes of a listing, and of a file at first, are asked for at once.
#[cfg(target_os = "linux")]
const BUFFER: usize = 32 << 10;
const FIRST_READ: usize = 4 << 10;

/// One entry of a folder.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    name: &'a OsStr,
    kind: Kind,
}

impl<'a> Entry<'a> {
    /// One that was listed before.
    pub fn new(name: &'a OsStr, kind: Kind) -> Self {
        Self { name, kind }
    }

    /// Its name.
    pub fn name(&self) -> &'a OsStr {
        self.name
    }

    /// What it is, as far as the listing says.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Hands an entry over, unless it is the folder itself or the one above.
    fn show(
        name: &CStr,
        kind: FileType,
        each: &mut impl FnMut(&Entry<'_>) -> io::Result<ControlFlow<()>>,
    ) -> io::Result<ControlFlow<()>> {
        match name.to_bytes() {
            b"." | b".." => Ok(ControlFlow::Continue(())),
            name => each(&Entry::new(OsStr::from_bytes(name), kind.into())),
        }
    }
}

/// The mtime out of a `stat`.
pub(crate) fn written(stat: &rustix::fs::Stat) -> Timestamp {
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    Timestamp::new(stat.st_mtime, nanoseconds)
}
