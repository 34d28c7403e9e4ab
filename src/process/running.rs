//! The processes that run, as `/proc` shows them: their users, their names, and the files and
//! arguments by which they use sessions.
//!
//! Without `/proc`, as on macOS, the system only knows whether a process of some id is alive. If
//! `/proc` is there and something in it cannot be read, that is reported: a process that was not seen
//! may use anything.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::Pid;

use super::own::ancestors;
use super::proc::{has_ended, ids, line, open_files, read, read_of, read_out_of, read_text, word};
use super::stat::Stat;
use crate::model::describe;

/// The name of the processes of this program.
const OURS: &[u8] = b"session-warden";

/// How much of a process's name the kernel keeps, in bytes.
const KEPT_OF_NAME: usize = 15;

/// How many bytes of arguments, and of environments, are read of all processes together.
const MOST_OF_ALL: u64 = 64 << 20;

/// One process.
#[derive(Debug, Clone)]
pub struct Process {
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
    /// Reads the processes of those users. A process that ends meanwhile is left out.
    pub fn of_users(users: &[u32]) -> Self {
        let mut this = Self::default();
        let ids = match ids() {
            Ok(ids) => ids,
            Err(error) => {
                this.unread = why_unread("/proc", &error);
                return this;
            }
        };

        let kernel = of_the_kernel(Path::new("/proc"));
        let left_out: HashSet<u32> = ancestors().into_iter().chain(kernel).collect();
        let mut left = MOST_OF_ALL;
        for id in ids.into_iter().filter(|id| !left_out.contains(id)) {
            match Process::read(id, users, &mut left) {
                Ok(process) => this.all.extend(process),
                Err(error) => {
                    let why = why_unread(&format!("/proc/{id}"), &error);
                    this.unread = this.unread.or(why);
                }
            }
        }
        this
    }

    pub fn all(&self) -> &[Process] {
        &self.all
    }

    /// Keeps only processes with one of these folders in their environment, such as their home, by
    /// whatever path; and those of which that is not known.
    #[must_use]
    pub fn in_folders(mut self, folders: &[PathBuf]) -> Self {
        let folders: Vec<PathBuf> = folders.iter().map(|folder| real(folder)).collect();
        let mut left = MOST_OF_ALL;
        self.all.retain(|process| {
            let environment = read_out_of(&mut left, process.id, "environ");
            may_name(environment, |value| folders.contains(&real(value)))
        });
        self
    }

    /// Returns why a process may not have been seen.
    pub fn unread(&self) -> Option<&str> {
        self.unread.as_deref()
    }

    /// Returns the names of the processes that have one of these ids.
    pub fn names(&self, ids: &HashSet<u32>) -> HashMap<u32, String> {
        let named = self.all.iter().filter(|process| ids.contains(&process.id));
        named
            .map(|process| (process.id, String::from_utf8_lossy(&process.name).into_owned()))
            .collect()
    }
}

impl Process {
    /// Returns true for another run of this program.
    pub fn is_ours(&self) -> bool {
        self.name == OURS
    }

    /// Returns true if the process or its program has that name.
    pub fn is_called(&self, name: &[u8]) -> bool {
        let first = self.arguments.split(|byte| *byte == 0).next().unwrap_or_default();

        self.name == name.get(..KEPT_OF_NAME).unwrap_or(name)
            || file_name(first) == name
            || self
                .program()
                .is_some_and(|program| file_name(program.as_os_str().as_bytes()) == name)
    }

    /// Returns the path of the file that it runs, if that can be read.
    pub fn program(&self) -> Option<PathBuf> {
        Some(without_deleted(fs::read_link(format!("/proc/{}/exe", self.id)).ok()?))
    }

    /// Returns the paths of its open files; none if it has ended.
    pub fn open_files(&self) -> io::Result<Vec<PathBuf>> {
        open_files(self.id)
    }

    /// Returns the folder that it works in; nothing if it has ended.
    pub fn working_folder(&self) -> io::Result<Option<PathBuf>> {
        match fs::read_link(format!("/proc/{}/cwd", self.id)) {
            Err(error) if has_ended(&error) => Ok(None),
            folder => Ok(Some(without_deleted(folder?))),
        }
    }

    /// Reads the process, if it is one of those users' and no zombie.
    fn read(id: u32, users: &[u32], left: &mut u64) -> io::Result<Option<Self>> {
        let status = match read_of(id, "status") {
            // Processes of others may be hidden (`hidepid`), and do not matter.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                let owner = fs::metadata(format!("/proc/{id}"))?.uid();
                return if users.contains(&owner) { Err(error) } else { Ok(None) };
            }
            status => status?,
        };

        let user = word(&status, b"Uid:").and_then(|user| user.parse().ok());
        if word(&status, b"State:") == Some("Z") || !user.is_some_and(|user| users.contains(&user))
        {
            return Ok(None);
        }
        let name = line(&status, b"Name:\t").unwrap_or_default().to_vec();
        Ok(Some(Self { id, name, arguments: read_out_of(left, id, "cmdline")? }))
    }
}

/// Returns true if a path in an environment, as it was read, is such a path. An environment without a
/// home may be about any, and so may one that cannot be read, unless its process has ended.
fn may_name(environment: io::Result<Vec<u8>>, is_such: impl Fn(&Path) -> bool) -> bool {
    let environment = match environment {
        // A process that is ending has no environment any more.
        Ok(environment) if environment.is_empty() => return false,
        Ok(environment) => environment,
        Err(error) => return !has_ended(&error),
    };

    let mut has_home = false;
    for variable in environment.split(|byte| *byte == 0) {
        has_home |= variable.starts_with(b"HOME=");
        let equals = variable.iter().position(|byte| *byte == b'=');
        let value = equals.map(|equals| Path::new(OsStr::from_bytes(&variable[equals + 1..])));
        if value.is_some_and(|value| value.is_absolute() && is_such(value)) {
            return true;
        }
    }
    !has_home
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Returns a path in `/proc` without the mark of a file or folder that was removed since.
fn without_deleted(path: PathBuf) -> PathBuf {
    let removed = path.as_os_str().as_bytes().strip_suffix(b" (deleted)");
    removed.map(|bytes| PathBuf::from(OsStr::from_bytes(bytes))).unwrap_or(path)
}

/// Returns the last component of a path.
pub(super) fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// Returns the line about something in `/proc` that is there and cannot be read.
fn why_unread(path: &str, error: &io::Error) -> Option<String> {
    (!has_ended(error)).then(|| format!("cannot read {path}: {}", describe(error)))
}

/// Returns true if a process of that id is alive; a zombie is not. When in doubt, it is.
pub fn is_alive(id: u32) -> bool {
    is_alive_since(id, None)
}

/// The same for the process that has started then (see [`started`]), as far as the system shows that.
pub fn is_alive_since(id: u32, started: Option<u64>) -> bool {
    if let Ok(Some(stat)) = Stat::read(id) {
        return !stat.is_zombie() && started.is_none_or(|started| started == stat.start);
    }
    // Without /proc, or if that hides the processes of others, the system still knows.
    i32::try_from(id).ok().and_then(Pid::from_raw).is_some_and(|id| {
        !matches!(rustix::process::test_kill_process(id), Err(rustix::io::Errno::SRCH))
    })
}

/// Returns when the process has started, in clock ticks since the machine did.
pub fn started(id: u32) -> Option<u64> {
    Some(Stat::read(id).ok()??.start)
}

/// Returns true if a process of that group is alive, even if its leader has ended.
pub(super) fn is_group_alive(group: i32) -> bool {
    ids().unwrap_or_default().into_iter().any(|id| {
        let stat = Stat::read(id).ok().flatten();
        stat.is_some_and(|stat| i32::try_from(stat.group) == Ok(group) && !stat.is_zombie())
    })
}

/// How often `/proc/locks` is read at most.
const READS_OF_LOCKS: usize = 4;

/// Returns the process that holds a lock on the file with each inode, by `/proc/locks`.
///
/// The kernel lists locks a page at a time, and skips one if another is released in between. So the list is read
/// again until a reading adds nothing, and a lock that any reading has counts.
///
/// # Errors
/// One line with the reason why they are unknown.
pub fn lockers() -> Result<HashMap<u64, u32>, String> {
    all_locks(|| read_text("/proc/locks")).map_err(|error| {
        format!("cannot read /proc/locks, which lists file locks: {}", describe(&error))
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

/// Returns the kernel's own threads, as far as they can be known at once: often most of the processes,
/// and none has arguments or files. They are the children of process 2, where that is one itself; in a
/// container it is another process. The few programs that the kernel starts by itself, as for a core
/// dump, are among them; no CLI is.
fn of_the_kernel(proc: &Path) -> Vec<u32> {
    /// `PF_KTHREAD` in the kernel's `sched.h`.
    const IS_OF_KERNEL: u32 = 0x0020_0000;

    let stat = read(proc.join("2/stat")).ok().and_then(|stat| Stat::parse(&stat));
    let flags = stat.map_or(0, |stat| stat.flags);
    if flags & IS_OF_KERNEL == 0 {
        return Vec::new();
    }

    let children = read(proc.join("2/task/2/children")).unwrap_or_default();
    String::from_utf8_lossy(&children).split_whitespace().flat_map(str::parse).collect()
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
        let proc = temporary.path();
        assert!(of_the_kernel(proc).is_empty(), "there is no process 2");
        fs::create_dir_all(of_two("task/2")).unwrap();
        fs::write(of_two("task/2/children"), "3 4 17 ").unwrap();
        // As the kernel's own parent has it, and as a shell that is process 2 in a container.
        for (flags, expected) in [(2_129_984, vec![3, 4, 17]), (4_194_560, Vec::new())] {
            fs::write(
                of_two("stat"),
                format!("2 (a) b) S 0 0 0 0 -1 {flags} {}\n", "0 ".repeat(20)),
            )
            .unwrap();
            assert_eq!(of_the_kernel(proc), expected, "{flags}");
        }
    }
}
