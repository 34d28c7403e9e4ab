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
use std::sync::OnceLock;

use crate::disk::folder::Folder;
use rustix::process::Pid;

/// What our own processes are called.
const OURS: &[u8] = b"session-warden";

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

    /// The words of all their arguments that `wanted` tells a number for, each with the process
    /// that has it. A word is what stands between characters that are in no id; where an id may
    /// hold dots, both with and without what follows a dot. A word that ends in something as long
    /// as a UUID names that too, as a file's name does.
    pub fn naming(&self, wanted: impl Fn(&[u8]) -> Option<u32>) -> HashMap<u32, u32> {
        let mut found = HashMap::new();
        // Another run of ours that names a session, to keep it or put it back, does not use it.
        for process in self.all.iter().filter(|process| process.name != OURS) {
            let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
            let is_dotted = |byte: &u8| is_word(byte) || *byte == b'.';
            let arguments = &process.arguments;
            let plain = arguments.split(|byte| !is_word(byte));
            let dotted = arguments.split(|byte| !is_dotted(byte));
            let ends = plain.clone().filter_map(end_like_uuid);
            for number in plain.chain(dotted).chain(ends).filter_map(&wanted) {
                found.entry(number).or_insert(process.id);
            }
        }
        found
    }

    /// The process of that name which has a file open whose name is one that `wanted` tells a
    /// number for.
    ///
    /// # Errors
    /// Where it cannot be told what a process of that name has open.
    pub fn holding(
        &self,
        name: &[u8],
        wanted: impl Fn(&[u8]) -> Option<u32>,
    ) -> Result<HashMap<u32, u32>, String> {
        let mut found = HashMap::new();
        for process in self.all.iter().filter(|process| process.name == name) {
            let files = open_files(process.id).map_err(|error| {
                let why = crate::disk::words(&error);
                format!("cannot tell what process {} has open: {why}", process.id)
            })?;
            for target in files {
                let number = target.file_name().and_then(|name| wanted(name.as_bytes()));
                if let Some(number) = number {
                    found.entry(number).or_insert(process.id);
                }
            }
        }
        Ok(found)
    }
}

impl Process {
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

/// The end of a word that is longer than a UUID and may be one, as in `rollout-<time>-<uuid>`.
fn end_like_uuid(word: &[u8]) -> Option<&[u8]> {
    let (before, end) = word.split_at_checked(word.len().checked_sub(36)?)?;
    before.last().is_some_and(|byte| !byte.is_ascii_alphanumeric()).then_some(end)
}

/// Whether that is what reading of a process says which has ended meanwhile.
fn has_ended(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// What to say of something in `/proc` that cannot be read, unless it is not there.
fn told(path: &str, error: &io::Error) -> Option<String> {
    (!has_ended(error)).then(|| format!("cannot read {path}: {}", crate::disk::words(error)))
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

/// The processes that hold a lock on the file with that inode, as `/proc/locks` tells.
///
/// # Errors
/// One line that says why that is not known.
pub fn lockers() -> Result<HashMap<u64, u32>, String> {
    let locks = fs::read_to_string("/proc/locks").map_err(|error| {
        format!("cannot read /proc/locks, where locks are told: {}", crate::disk::words(&error))
    })?;
    let entry = |line: &str| {
        let mut fields = line.split_whitespace();
        // `1: FLOCK ADVISORY WRITE 4242 fd:01:1234 0 EOF`; a waiting one has `->` after its number.
        // Of a process in another container no id is told, but it holds the lock all the same.
        let process = fields.nth(4)?.parse().unwrap_or(0);
        let inode = fields.next()?.rsplit(':').next()?.parse().ok()?;
        Some((inode, process))
    };
    Ok(locks.lines().filter(|line| !line.contains("->")).filter_map(entry).collect())
}

/// Whether this program has started this process.
pub(super) fn is_parent_one_of_ours() -> bool {
    let comm = format!("/proc/{}/comm", std::os::unix::process::parent_id());
    fs::read(comm).is_ok_and(|name| name.trim_ascii_end() == OURS)
}

/// Whether that process stands still; nothing where no system tells.
pub(super) fn is_stopped(id: u32) -> Option<bool> {
    let stat = fs::read(format!("/proc/{id}/stat")).ok()?;
    Some(stat_field(&stat, 3)? == b"T")
}

/// The name space of processes that this one is in, and the boot of the machine that numbers it:
/// elsewhere the same id is another process's. Each machine numbers its name spaces alike, so the
/// number alone would take another machine's for ours. Nothing where the system has none, or does
/// not tell.
pub fn namespace() -> Option<&'static str> {
    static OURS: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let space = fs::read_link("/proc/self/ns/pid").ok()?.into_os_string().into_string().ok()?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Some(format!("{space} {}", boot.trim()).trim_end().to_owned())
    };
    OURS.get_or_init(read).as_deref()
}

/// The signals that this process was started to ignore, as under `nohup`; none where the system does
/// not tell.
pub(super) fn ignored_signals() -> Vec<i32> {
    let status = fs::read("/proc/self/status").unwrap_or_default();
    let mask = field(&status, b"SigIgn:").and_then(|mask| std::str::from_utf8(mask).ok());
    let mask = mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0);
    (1..=64).filter(|signal| mask & 1 << (signal - 1) != 0).collect()
}

/// This process and those that it descends from, the nearest first.
pub(super) fn ancestors() -> Vec<u32> {
    let mut all = Vec::new();
    let mut next = Some(std::process::id());
    while let Some(id) = next.filter(|id| *id != 0 && !all.contains(id)) {
        all.push(id);
        let status = fs::read(format!("/proc/{id}/status")).unwrap_or_default();
        next = field(&status, b"PPid:")
            .and_then(|parent| std::str::from_utf8(parent).ok()?.parse().ok());
    }
    all
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
fn field<'s>(status: &'s [u8], name: &[u8]) -> Option<&'s [u8]> {
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

    /// The first name space of every machine has the same number.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_space_is_that_of_one_boot_of_one_machine() {
        let (number, boot) = namespace().unwrap().split_once(' ').unwrap();
        assert!(number.starts_with("pid:["), "{number}");
        assert_eq!(fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim(), boot);
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
