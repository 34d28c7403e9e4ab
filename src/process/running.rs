//! The processes that run, as `/proc` shows them: whose they are, and which sessions their
//! arguments name.
//!
//! Without `/proc`, as on macOS, nothing is known but whether a process of some id lives. Where
//! `/proc` is there and something in it cannot be read, that is told: a process that was not seen
//! may use anything.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::own::ancestors;
use crate::os::folder::Folder;
use rustix::process::Pid;

/// What our own processes are called.
pub(super) const OURS: &[u8] = b"session-warden";

/// One process.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its id.
    pub id: u32,
    /// The name of its program, at most 15 bytes of it.
    pub name: Vec<u8>,
    /// Its arguments, each ended by a NUL.
    pub arguments: Vec<u8>,
}

/// The processes of some users, but for this one and its ancestors.
#[derive(Debug, Default)]
pub struct Processes {
    all: Vec<Process>,
    unread: Option<String>,
}

impl Processes {
    /// Reads the processes of those users. What ends meanwhile is left out.
    pub fn of_users(users: &[u32]) -> Self {
        let mut this = Self::default();
        let listed = Folder::open(Path::new("/proc")).and_then(|proc| Ok((numbers(&proc)?, proc)));
        let (ids, proc) = match listed {
            Ok(listed) => listed,
            Err(error) => {
                this.unread = told("/proc", &error);
                return this;
            }
        };
        let left_out: HashSet<u32> = ancestors().into_iter().chain(of_the_kernel(&proc)).collect();
        for id in ids.into_iter().filter(|id| !left_out.contains(id)) {
            match Process::read(&proc, id, users) {
                Ok(process) => this.all.extend(process),
                Err(error) => {
                    let why = told(&format!("/proc/{id}"), &error);
                    this.unread = this.unread.or(why);
                }
            }
        }
        this
    }

    /// All of them.
    pub fn all(&self) -> &[Process] {
        &self.all
    }

    /// Only those that have one of these folders in their environment, by whatever name or path, such as
    /// their home; or may for all that can be told.
    #[must_use]
    pub fn in_folders(mut self, folders: &[PathBuf]) -> Self {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let folders: Vec<PathBuf> = folders.iter().map(|folder| real(folder)).collect();
        self.all.retain(|process| {
            may_name(fs::read(format!("/proc/{}/environ", process.id)), |value| {
                folders.contains(&real(value))
            })
        });
        self
    }

    /// Why not all of them may have been seen.
    pub fn unread(&self) -> Option<&str> {
        self.unread.as_deref()
    }

    /// Returns what those of them are called that have one of these ids.
    pub fn names(&self, ids: &HashSet<u32>) -> HashMap<u32, String> {
        let named = self.all.iter().filter(|process| ids.contains(&process.id));
        named.map(|one| (one.id, String::from_utf8_lossy(&one.name).into_owned())).collect()
    }
}

impl Process {
    /// Returns true for another run of this program.
    pub fn is_ours(&self) -> bool {
        self.name == OURS
    }

    /// Returns true if the process or its program is called so.
    pub fn is_called(&self, name: &[u8]) -> bool {
        /// How much of a name the kernel keeps.
        const KEPT: usize = 15;
        let first = self.arguments.split(|byte| *byte == 0).next().unwrap_or_default();
        self.name == name.get(..KEPT).unwrap_or(name)
            || file_name(first) == name
            || self
                .program()
                .is_some_and(|program| file_name(program.as_os_str().as_bytes()) == name)
    }

    /// The path of the file that it runs, if that can be read.
    pub fn program(&self) -> Option<PathBuf> {
        Some(without_deleted(fs::read_link(format!("/proc/{}/exe", self.id)).ok()?))
    }

    /// Returns the paths of what it has open; none if it has ended.
    ///
    /// # Errors
    /// If that cannot be read.
    pub fn open_files(&self) -> io::Result<Vec<PathBuf>> {
        open_files(self.id)
    }

    /// Returns the folder that it works in; nothing if it has ended.
    ///
    /// # Errors
    /// If that cannot be read.
    pub fn working_folder(&self) -> io::Result<Option<PathBuf>> {
        match fs::read_link(format!("/proc/{}/cwd", self.id)) {
            Ok(folder) => Ok(Some(without_deleted(folder))),
            Err(error) if has_ended(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads that process, if it is one of those users' and no zombie.
    fn read(proc: &Folder, id: u32, users: &[u32]) -> io::Result<Option<Self>> {
        let status = match proc.read_below(&format!("{id}/status")) {
            // Others' processes may be hidden (`hidepid`), and are none of ours.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                let owner = fs::metadata(format!("/proc/{id}"))?.uid();
                return if users.contains(&owner) { Err(error) } else { Ok(None) };
            }
            status => status?,
        };
        let text = |name| std::str::from_utf8(field(&status, name)?).ok();
        let is_zombie = text(b"State:").is_some_and(|state| state == "Z");
        let is_theirs = text(b"Uid:").and_then(|user| user.parse().ok());
        if is_zombie || !is_theirs.is_some_and(|user: u32| users.contains(&user)) {
            return Ok(None);
        }
        let name = line(&status, b"Name:\t").unwrap_or_default().to_vec();
        Ok(Some(Self { id, name, arguments: proc.read_below(&format!("{id}/cmdline"))? }))
    }
}

/// What that process has open, by path. One that has ended has nothing open.
pub(super) fn open_files(id: u32) -> io::Result<Vec<PathBuf>> {
    let listed = fs::read_dir(format!("/proc/{id}/fd")).and_then(Iterator::collect);
    let files: Vec<fs::DirEntry> = match listed {
        Err(error) if has_ended(&error) => return Ok(Vec::new()),
        listed => listed?,
    };
    let mut targets = Vec::new();
    for file in files {
        match fs::read_link(file.path()) {
            Ok(target) => targets.push(target),
            Err(error) if has_ended(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(targets)
}

/// Whether one of the paths in an environment, as it was read, is such a one. One without a home may be
/// about any, and so may one that cannot be read, unless its process has ended meanwhile.
fn may_name(environment: io::Result<Vec<u8>>, is_such: impl Fn(&Path) -> bool) -> bool {
    let environment = match environment {
        // One that is ending has none any more.
        Ok(environment) if environment.is_empty() => return false,
        Ok(environment) => environment,
        Err(error) => return !has_ended(&error),
    };
    let variables = || environment.split(|byte| *byte == 0);
    let mut values = variables().filter_map(|variable| {
        let at = variable.iter().position(|byte| *byte == b'=')?;
        Some(Path::new(OsStr::from_bytes(&variable[at + 1..]))).filter(|value| value.is_absolute())
    });
    !variables().any(|variable| variable.starts_with(b"HOME=")) || values.any(is_such)
}

/// A path in `/proc` without the mark that the file or folder was removed since.
fn without_deleted(path: PathBuf) -> PathBuf {
    let removed = path.as_os_str().as_bytes().strip_suffix(b" (deleted)");
    removed.map(|bytes| PathBuf::from(OsStr::from_bytes(bytes))).unwrap_or(path)
}

/// The last component of a path.
pub(super) fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// Whether that is what reading of a process says which has ended meanwhile.
fn has_ended(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// What to say of something in `/proc` that cannot be read, unless it is not there.
fn told(path: &str, error: &io::Error) -> Option<String> {
    (!has_ended(error)).then(|| format!("cannot read {path}: {}", crate::model::describe(error)))
}

/// Whether a process of that id lives; a zombie does not. In doubt, it does.
pub fn is_alive(id: u32) -> bool {
    match fs::read(format!("/proc/{id}/status")) {
        Ok(status) => field(&status, b"State:").is_none_or(|state| state != b"Z"),
        // Without /proc, or where that hides others' processes, the system still knows.
        Err(_) => i32::try_from(id).ok().and_then(Pid::from_raw).is_some_and(|id| {
            !matches!(rustix::process::test_kill_process(id), Err(rustix::io::Errno::SRCH))
        }),
    }
}

/// Whether the process of that id is a zombie, and when it started, as [`started`] tells; nothing where
/// that cannot be read.
pub fn life(id: u32) -> Option<(bool, u64)> {
    let stat = fs::read(format!("/proc/{id}/stat")).ok()?;
    let started = std::str::from_utf8(stat_field(&stat, 22)?).ok()?.parse().ok()?;
    Some((matches!(stat_field(&stat, 3)?, b"Z" | b"X"), started))
}

/// When the process started, in clock ticks since the machine did (field 22 of its `stat`).
pub fn started(id: u32) -> Option<u64> {
    life(id).map(|(_, started)| started)
}

/// How often `/proc/locks` is read at most.
const READS_OF_LOCKS: usize = 4;

/// Returns the process that holds a lock on the file with each inode, by `/proc/locks`.
///
/// The kernel lists locks a page at a time, and skips one if another is released in between. So the list is read
/// again until a reading adds nothing, and a lock that any reading has counts.
///
/// # Errors
/// One line that says why that is not known.
pub fn lockers() -> Result<HashMap<u64, u32>, String> {
    all_locks(|| fs::read_to_string("/proc/locks")).map_err(|error| {
        format!(
            "cannot read /proc/locks, which lists file locks: {}",
            crate::model::describe(&error)
        )
    })
}

fn all_locks(mut read: impl FnMut() -> io::Result<String>) -> io::Result<HashMap<u64, u32>> {
    let mut found = HashMap::new();
    for reading in 0..READS_OF_LOCKS {
        let known = found.len();
        found.extend(read()?.lines().filter_map(lock));
        if reading > 0 && found.len() == known {
            break;
        }
    }
    Ok(found)
}

/// Returns the inode and the process of a line of `/proc/locks`:
/// `1: FLOCK ADVISORY WRITE 4242 fd:01:1234 0 EOF`. One that waits has `->` after its number, and is none.
fn lock(line: &str) -> Option<(u64, u32)> {
    if line.contains("->") {
        return None;
    }
    let mut fields = line.split_whitespace();
    // The id of a process in another container is 0, but it holds the lock all the same.
    let process = fields.nth(4)?.parse().unwrap_or(0);
    let inode = fields.next()?.rsplit(':').next()?.parse().ok()?;
    Some((inode, process))
}

/// Whether that process stands still; nothing where no system tells.
pub(super) fn is_stopped(id: u32) -> Option<bool> {
    let stat = fs::read(format!("/proc/{id}/stat")).ok()?;
    Some(stat_field(&stat, 3)? == b"T")
}

/// The kernel's own threads, as far as they can be told at once: often most of what runs, and none
/// has arguments or files. They are the children of process 2, where that is one itself; whoever
/// sees only a container's processes has another there. The few programs that the kernel starts by
/// itself, as for a core dump, are among them; no CLI is.
fn of_the_kernel(proc: &Folder) -> Vec<u32> {
    /// Of the flags, field 9 of `stat`: `PF_KTHREAD` in the kernel's `sched.h`.
    const IS_OF_KERNEL: u32 = 0x0020_0000;
    let children = || {
        let stat = proc.read_below("2/stat").ok()?;
        let flags: u32 = std::str::from_utf8(stat_field(&stat, 9)?).ok()?.parse().ok()?;
        if flags & IS_OF_KERNEL == 0 {
            return None;
        }
        String::from_utf8(proc.read_below("2/task/2/children").ok()?).ok()
    };
    let children = children().unwrap_or_default();
    children.split_ascii_whitespace().filter_map(|id| id.parse().ok()).collect()
}

/// The rest of the line that begins with `name` in a `status` file.
pub(super) fn line<'s>(status: &'s [u8], name: &[u8]) -> Option<&'s [u8]> {
    status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name))
}

/// The first word behind `name` in a `status` file.
pub(super) fn field<'s>(status: &'s [u8], name: &[u8]) -> Option<&'s [u8]> {
    line(status, name)?.trim_ascii_start().split(u8::is_ascii_whitespace).next()
}

/// A field of a `stat` file by its number, from the third on.
fn stat_field(stat: &[u8], number: usize) -> Option<&[u8]> {
    // The name, in parentheses, may hold anything; fields are counted behind it.
    let behind = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let fields = stat.get(behind..)?.split(u8::is_ascii_whitespace);
    fields.filter(|field| !field.is_empty()).nth(number.checked_sub(3)?)
}

/// The names in that folder that are numbers.
pub(super) fn numbers(folder: &Folder) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    folder.list(|entry| {
        numbers.extend(entry.name().to_str().and_then(|name| name.parse::<u32>().ok()));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(numbers)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a /proc of our own is written")]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_one_reading_skips_is_found_by_the_next() {
        let line = |inode: u64| format!("1: FLOCK ADVISORY WRITE 42 fd:01:{inode} 0 EOF\n");
        let waits = "1: -> FLOCK ADVISORY WRITE 43 fd:01:9 0 EOF\n";
        let mut readings = [line(1), line(1) + &line(2) + waits, line(2), line(3)].into_iter();
        let found = all_locks(|| Ok(readings.next().unwrap())).unwrap();
        assert_eq!(found, HashMap::from([(1, 42), (2, 42)]));
        assert_eq!(readings.len(), 1, "it ends once a reading adds nothing");
    }

    #[test]
    fn what_cannot_be_told_of_an_environment_may_be_and_what_has_ended_is_not() {
        let failed = |code| Err(io::Error::from_raw_os_error(code));
        let (missing, ended, closed) = (2, 3, 13);
        let home = b"A=b\0HOME=/home/u\0".to_vec();
        for (environment, expected) in [
            (Ok(home), true),
            (Ok(b"HOME=/other\0DIR=/home/u\0".to_vec()), true),
            (Ok(b"HOME=/other\0".to_vec()), false),
            (Ok(b"A=b\0".to_vec()), true),
            (Ok(Vec::new()), false),
            (failed(missing), false),
            (failed(ended), false),
            (failed(closed), true),
        ] {
            let told = format!("{environment:?}");
            let is_ours = |path: &Path| path == Path::new("/home/u");
            assert_eq!(may_name(environment, is_ours), expected, "{told}");
        }
    }

    #[test]
    fn only_the_kernels_own_parent_tells_of_its_threads() {
        let temporary = tempfile::tempdir().unwrap();
        let of_two = |file: &str| temporary.path().join("2").join(file);
        let proc = Folder::open(temporary.path()).unwrap();
        assert!(of_the_kernel(&proc).is_empty(), "there is no process 2");
        fs::create_dir_all(of_two("task/2")).unwrap();
        fs::write(of_two("task/2/children"), "3 4 17 ").unwrap();
        // As the kernel's own parent has it, and as a shell that is process 2 in a container.
        for (flags, expected) in [(2_129_984, vec![3, 4, 17]), (4_194_560, Vec::new())] {
            fs::write(of_two("stat"), format!("2 (a) b) S 0 0 0 0 -1 {flags} 0 0 0\n")).unwrap();
            assert_eq!(of_the_kernel(&proc), expected, "{flags}");
        }
    }
}
