//! Folders that are opened once, and whose entries are listed and opened relative to their descriptor, so that
//! no path is built from a name that another user chose.
//!
//! walkdir is not used: it stats more than is needed, cannot follow links at one level only, and works with
//! whole paths.

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

/// The kind of a directory entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Folder,
    Link,
    /// A FIFO, a socket or a device.
    Other,
    /// The file system does not list it; [`Folder::status`] does.
    Unknown,
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Folder,
            FileType::Symlink => Self::Link,
            FileType::Unknown => Self::Unknown,
            _ => Self::Other,
        }
    }
}

/// How a link to a folder or file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// As what it leads to.
    Follow,
    /// Not at all: it is an error (`ENOTDIR` or `ELOOP`).
    Refuse,
}

/// A file's kind, size and last write.
#[derive(Debug, Clone, Copy)]
pub struct Status {
    pub kind: Kind,
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

/// The attributes of a folder that change when an entry is added or removed.
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

/// An open folder, and the path it was opened by, for messages and reports.
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

    /// A stamp that differs once the folder has changed.
    pub fn stamp(&self) -> io::Result<Stamp> {
        let stat = rustix::fs::fstat(&self.descriptor)?;
        let changed = Timestamp::new(stat.st_ctime, u32::try_from(stat.st_ctime_nsec).unwrap_or(0));
        Ok(Stamp { device: stat.st_dev, inode: stat.st_ino, written: written(&stat), changed })
    }

    /// Returns true if its file system is known to stamp a folder when an entry is added or removed. On others,
    /// such as network file systems, that depends on who else has the folder open.
    #[cfg(target_os = "linux")]
    pub fn stamps_changes(&self) -> bool {
        // ext2 to ext4, XFS, Btrfs, tmpfs, overlayfs, F2FS and ZFS, as statfs(2) lists them.
        const KNOWN: [u64; 7] =
            [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0xF2F5_2010, 0x2FC1_2FC1];
        let kind = rustix::fs::fstatfs(&self.descriptor).map(|system| system.f_type);
        kind.is_ok_and(|kind| u64::try_from(kind).is_ok_and(|kind| KNOWN.contains(&kind)))
    }

    /// Nothing is known of other systems.
    #[cfg(not(target_os = "linux"))]
    pub fn stamps_changes(&self) -> bool {
        false
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The user id of the folder's owner.
    pub fn owner(&self) -> io::Result<u32> {
        Ok(rustix::fs::fstat(&self.descriptor)?.st_uid)
    }

    /// Calls `each` with every entry but `.` and `..`, until it breaks. A folder can be listed once; see
    /// [`Self::reopened`].
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
                // It was removed since it was opened, so it is empty.
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

    /// The same by the C library.
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

    /// The status of `name` itself, never that of a link's target.
    pub fn status(&self, name: &OsStr) -> io::Result<Status> {
        self.status_at(name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// The status of `name`, or of the link's target.
    pub fn status_of_target(&self, name: &OsStr) -> io::Result<Status> {
        self.status_at(name, AtFlags::empty())
    }

    fn status_at(&self, name: &OsStr, flags: AtFlags) -> io::Result<Status> {
        let stat = rustix::io::retry_on_intr(|| rustix::fs::statat(&self.descriptor, name, flags));
        Ok(Status::of(&stat?))
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
        regular_file(self.descriptor.as_fd(), Path::new(name), Links::Refuse)
    }

    /// Up to `limit` bytes from the start of the regular file called `name`.
    pub fn read_start(&self, name: &OsStr, limit: u64) -> io::Result<Vec<u8>> {
        let mut start = Vec::with_capacity(FIRST_READ);
        self.open_file(name)?.take(limit).read_to_end(&mut start)?;
        Ok(start)
    }
}

/// Opens a file of unknown origin, to read it, and returns its status then. It is not waited for, and must be a
/// regular file.
pub(super) fn regular_file(
    at: BorrowedFd<'_>,
    path: &Path,
    links: Links,
) -> io::Result<(File, Status)> {
    // NONBLOCK: a FIFO in the file's place must not make the open wait. NOCTTY: nor must a terminal become ours.
    let mut flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    flags.set(OFlags::NOFOLLOW, links == Links::Refuse);
    let opened = rustix::io::retry_on_intr(|| rustix::fs::openat(at, path, flags, Mode::empty()));
    let file = match opened {
        Err(Errno::LOOP) if links == Links::Refuse => return Err(io::Error::other("it is a link")),
        // A socket.
        Err(Errno::NXIO) => return Err(io::Error::other("not a regular file")),
        opened => File::from(opened?),
    };
    let status = Status::of(&rustix::fs::fstat(&file)?);
    if status.kind != Kind::File {
        return Err(io::Error::other("not a regular file"));
    }
    Ok((file, status))
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// How many bytes of a listing, and of the start of a file, are read at once.
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

    pub fn name(&self) -> &'a OsStr {
        self.name
    }

    /// Its kind, as far as the listing has it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Calls `each` with an entry, unless it is the folder itself or the one above.
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
