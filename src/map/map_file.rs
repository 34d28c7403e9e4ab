//! The map as a file: found at its real path, and read whole beside a writer that truncates and rewrites
//! it without a lock. It is locked and replaced elsewhere.

use rustix::fs::{FileType, Mode, OFlags};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::session_map::ParseError;
use crate::model::{Failure, SessionMap, describe};
use crate::os::interrupt::Interrupt;
use crate::os::retry::{Patience, until_whole};

const ANOTHER: &str = "check the path and its permissions; --map or --session-dir names another";

/// A larger map is refused before it is parsed (R3).
pub(super) const LARGEST: u64 = 256 << 20;

/// How long a map that cannot be parsed is read again (R1): a writer in a loop leaves it whole only for
/// moments.
const PATIENCE: Patience =
    Patience { limit: Duration::from_secs(2), longest_wait: Duration::from_millis(8) };

/// The map's real path, links resolved, with its folder open.
#[derive(Debug)]
pub struct MapPlace {
    pub(super) folder: OwnedFd,
    folder_path: PathBuf,
    pub(super) name: OsString,
    path: PathBuf,
}

/// The map as it was read, and the file that it was read from.
#[derive(Debug)]
pub struct Snapshot {
    pub map: SessionMap,
    /// The file, still open: a writer that had it open too can write to it even after it was
    /// replaced.
    pub(super) file: File,
    identity: (u64, u64),
    /// The user id of the file's owner.
    pub owner: u32,
}

/// The map's path, looked up.
#[derive(Debug)]
pub enum Located {
    /// A map, or at least something of that name.
    Here(MapPlace),
    Nothing,
    /// A link that leads to nothing.
    Dangling,
}

impl MapPlace {
    /// Finds the map at `path`.
    pub fn locate(path: &Path) -> Result<Located, Failure> {
        let real = match path.canonicalize() {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let link = path.symlink_metadata().is_ok_and(|found| found.is_symlink());
                return Ok(if link { Located::Dangling } else { Located::Nothing });
            }
            Err(error) => {
                let hint = "--session-dir names the map's folder, --map the map itself";
                return Err(unreadable(path, &describe(&error)).hint(hint));
            }
        };
        let (Some(folder_path), Some(name)) = (real.parent(), real.file_name()) else {
            return Err(
                unreadable(path, "it is a folder").hint("name the file, or use --session-dir")
            );
        };
        let folder = open_folder(folder_path).map_err(|error| {
            let path = folder_path.display();
            Failure::new(format!("cannot open folder {path}: {}", describe(&error.into())))
                .hint(ANOTHER)
        })?;
        Ok(Located::Here(Self {
            folder,
            folder_path: folder_path.to_owned(),
            name: name.to_owned(),
            path: real,
        }))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn folder_path(&self) -> &Path {
        &self.folder_path
    }

    /// Returns the user id of the map's owner; none if the map is gone. Anything but a regular file is
    /// refused (W5).
    pub fn owner(&self) -> Result<Option<u32>, Failure> {
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        match rustix::fs::statat(self.folder.as_fd(), &self.name, flags) {
            Ok(about) if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile => {
                Err(self.not_a_file())
            }
            Ok(about) => Ok(Some(about.st_uid)),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(self.failed(&error.into())),
        }
    }

    /// Reads the map; returns none if it is gone. A map that cannot be parsed is read again for up to
    /// 2 s, since that is how a write in progress looks.
    pub fn read(&self, interrupt: &Interrupt) -> Result<Option<Snapshot>, Failure> {
        self.until_whole(interrupt, || {
            let file = match self.open(&self.name) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(self.failed(&error)),
            };
            let about = file.metadata().map_err(|error| self.failed(&error))?;
            if !about.is_file() {
                return Err(self.not_a_file());
            }

            let bytes = self.content(&file, about.len())?;
            Ok(Some(SessionMap::parse(bytes).map(|map| Snapshot {
                map,
                file,
                identity: (about.dev(), about.ino()),
                owner: about.uid(),
            })))
        })
    }

    /// Returns true if `name`, beside the map, is the file that `snapshot` was read from, unchanged (W8).
    pub(super) fn still_holds(&self, name: &OsStr, snapshot: &Snapshot) -> io::Result<bool> {
        let file = match self.open(name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let about = file.metadata()?;
        Ok((about.dev(), about.ino()) == snapshot.identity
            && is_content(&file, snapshot.map.bytes())?)
    }

    /// Returns the map in the snapshot's file if it was written to since it was read. The write may still
    /// be in progress, so the file is read again for up to 2 s.
    pub fn late_write(
        &self,
        snapshot: &Snapshot,
        interrupt: &Interrupt,
    ) -> Result<Option<SessionMap>, Failure> {
        let file = &snapshot.file;
        self.until_whole(interrupt, || {
            let is_unchanged = is_content(file, snapshot.map.bytes());
            if is_unchanged.map_err(|error| self.failed(&error))? {
                return Ok(None);
            }
            let size = file.metadata().map_err(|error| self.failed(&error))?.len();
            Ok(Some(SessionMap::parse(self.content(file, size)?)))
        })
    }

    fn until_whole<T>(
        &self,
        interrupt: &Interrupt,
        read: impl Fn() -> Result<Option<Result<T, ParseError>>, Failure>,
    ) -> Result<Option<T>, Failure> {
        let read = || match read() {
            Ok(None) => Ok(Ok(None)),
            Ok(Some(map)) => map.map(|whole| Ok(Some(whole))),
            Err(failure) => Ok(Err(failure)),
        };
        until_whole(PATIENCE, Some(interrupt), read).unwrap_or_else(|error| {
            if interrupt.asked() {
                return Err(stopped());
            }
            let hint =
                "nothing was changed; fix the file, or move it away: the bridge writes a new one";
            Err(unreadable(&self.path, &error.to_string()).hint(hint))
        })
    }

    fn failed(&self, error: &io::Error) -> Failure {
        unreadable(&self.path, &describe(error))
    }

    fn not_a_file(&self) -> Failure {
        unreadable(&self.path, "not a regular file")
            .hint("name the file itself with --map, or its folder with --session-dir")
    }

    fn open(&self, name: &OsStr) -> io::Result<File> {
        // NONBLOCK: a FIFO in the map's place must not make the run wait.
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = rustix::io::retry_on_intr(|| {
            rustix::fs::openat(self.folder.as_fd(), name, flags, Mode::empty())
        })?;
        Ok(opened.into())
    }

    fn content(&self, mut file: &File, size: u64) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        if size <= LARGEST {
            let room = usize::try_from(size + 1).unwrap_or(usize::MAX);
            let reserved = bytes.try_reserve_exact(room);
            reserved.map_err(|_| unreadable(&self.path, "not enough memory"))?;
            file.rewind().map_err(|error| self.failed(&error))?;
            let read = file.take(LARGEST + 1).read_to_end(&mut bytes);
            read.map_err(|error| self.failed(&error))?;
        }
        if size.max(bytes.len() as u64) > LARGEST {
            return Err(unreadable(&self.path, "larger than 256 MiB")
                .hint("no bridge writes such a map; is this the right file?"));
        }
        Ok(bytes)
    }
}

fn open_folder(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty())) {
        // A folder that may not be listed can still be passed through, to read the map.
        #[cfg(target_os = "linux")]
        Err(rustix::io::Errno::ACCESS) => {
            rustix::fs::open(path, flags | OFlags::PATH, Mode::empty())
        }
        opened => opened,
    }
}

/// Returns the error of a run that a signal stopped before it changed anything (X5).
pub fn stopped() -> Failure {
    Failure::new("stopped by a signal; the map is unchanged").hint("run the same command again")
}

fn unreadable(path: &Path, why: &str) -> Failure {
    Failure::new(format!("cannot read session map {}: {why}", path.display())).hint(ANOTHER)
}

/// Returns true if that is all that the file contains.
fn is_content(mut file: &File, expected: &[u8]) -> io::Result<bool> {
    file.rewind()?;
    let mut rest = expected;
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(rest.is_empty()),
            Ok(count) => match rest.strip_prefix(&buffer[..count]) {
                Some(left) => rest = left,
                None => return Ok(false),
            },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
