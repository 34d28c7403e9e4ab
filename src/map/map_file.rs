//! The map as a file: where it really lies, and reading it whole beside a writer that truncates
//! and rewrites it without a lock.

use rustix::fs::{FileType, Mode, OFlags};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::session_map::ParseError;
use crate::model::{Failure, SessionMap, describe};
use crate::os::interrupt::Interrupt;
use crate::os::retry::{Patience, until_whole};

/// A larger map is refused before it is parsed (R3).
pub(super) const LARGEST: u64 = 256 << 20;

/// How long a map that cannot be parsed is read again (R1): a writer in a loop leaves it whole only for
/// moments.
const PATIENCE: Patience =
    Patience { limit: Duration::from_secs(2), longest_wait: Duration::from_millis(8) };

/// Where the map really lies, links resolved, with its folder open.
#[derive(Debug)]
pub struct MapPlace {
    pub(super) folder: OwnedFd,
    folder_path: PathBuf,
    pub(super) name: OsString,
    path: PathBuf,
}

/// The map as it was read, and the very file it was read from.
#[derive(Debug)]
pub struct Snapshot {
    /// What was in it.
    pub map: SessionMap,
    /// The file, still open: a writer that had it open too can write to it even after it was
    /// replaced.
    pub(super) file: File,
    identity: (u64, u64),
    /// The user id of its owner.
    pub owner: u32,
}

/// What is at the map's path.
#[derive(Debug)]
pub enum Located {
    /// A map, or at least something of that name.
    Here(MapPlace),
    /// Nothing.
    Nothing,
    /// A link that leads to nothing.
    Dangling,
}

impl MapPlace {
    /// Finds where the map at `path` really lies.
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
        let open = |flags: OFlags| {
            let flags = flags | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::io::retry_on_intr(|| rustix::fs::open(folder_path, flags, Mode::empty()))
        };
        let folder = match open(OFlags::RDONLY) {
            // A folder that may not be listed can still be passed through, to read the map.
            #[cfg(target_os = "linux")]
            Err(rustix::io::Errno::ACCESS) => open(OFlags::PATH),
            opened => opened,
        };
        let folder = folder.map_err(|error| {
            Failure::new(format!(
                "cannot open folder {}: {}",
                folder_path.display(),
                describe(&error.into())
            ))
            .hint("check the path and its permissions; --map or --session-dir names another")
        })?;
        Ok(Located::Here(Self {
            folder,
            folder_path: folder_path.to_owned(),
            name: name.to_owned(),
            path: real,
        }))
    }

    /// The map's real path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of the map's folder.
    pub fn folder_path(&self) -> &Path {
        &self.folder_path
    }

    /// The user id of the map's owner; nothing where it has gone. Anything but a regular file is
    /// refused (W5).
    pub fn owner(&self) -> Result<Option<u32>, Failure> {
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        match rustix::fs::statat(self.folder.as_fd(), &self.name, flags) {
            Ok(about) if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile => {
                Err(self.not_a_file())
            }
            Ok(about) => Ok(Some(about.st_uid)),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(unreadable(&self.path, &describe(&error.into()))),
        }
    }

    /// Reads the map; nothing where it has gone. A map that cannot be parsed is read again for up
    /// to 2 s, since a write in progress looks just so.
    pub fn read(&self, interrupt: &Interrupt) -> Result<Option<Snapshot>, Failure> {
        self.until_whole(interrupt, || {
            let file = match self.open(&self.name) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(unreadable(&self.path, &describe(&error))),
            };
            let about =
                file.metadata().map_err(|error| unreadable(&self.path, &describe(&error)))?;
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

    /// Whether what is called `name` beside the map is, byte for byte, the file that `snapshot` was read from (W8).
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

    /// What a writer has put into the snapshot's file since it was read, if anything; such a write
    /// may still be going on, so it is read again for up to 2 s.
    pub fn late_write(
        &self,
        snapshot: &Snapshot,
        interrupt: &Interrupt,
    ) -> Result<Option<SessionMap>, Failure> {
        let failed = |error| unreadable(&self.path, &describe(&error));
        self.until_whole(interrupt, || {
            if is_content(&snapshot.file, snapshot.map.bytes()).map_err(failed)? {
                return Ok(None);
            }
            let size = snapshot.file.metadata().map_err(failed)?.len();
            Ok(Some(SessionMap::parse(self.content(&snapshot.file, size)?)))
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

    fn content(&self, file: &File, size: u64) -> Result<Vec<u8>, Failure> {
        let too_large = || {
            unreadable(&self.path, "larger than 256 MiB")
                .hint("no bridge writes such a map; is this the right file?")
        };
        if size > LARGEST {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        let room = usize::try_from(size + 1).unwrap_or(usize::MAX);
        bytes.try_reserve_exact(room).map_err(|_| unreadable(&self.path, "not enough memory"))?;
        FromStart { file, at: 0 }
            .take(LARGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| unreadable(&self.path, &describe(&error)))?;
        if bytes.len() as u64 > LARGEST { Err(too_large()) } else { Ok(bytes) }
    }
}

/// The run was asked to stop before it had changed anything (X5).
pub fn stopped() -> Failure {
    Failure::new("stopped by a signal; the map is unchanged").hint("run the same command again")
}

fn unreadable(path: &Path, why: &str) -> Failure {
    Failure::new(format!("cannot read session map {}: {why}", path.display()))
        .hint("check the path and its permissions; --map or --session-dir names another")
}

/// Reads a file from its start, whatever its position, so that one descriptor serves many reads.
struct FromStart<'a> {
    file: &'a File,
    at: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

fn is_content(file: &File, expected: &[u8]) -> io::Result<bool> {
    let mut from_start = FromStart { file, at: 0 };
    let mut rest = expected;
    let mut buffer = vec![0; 64 << 10];
    loop {
        match from_start.read(&mut buffer) {
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
