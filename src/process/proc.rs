//! Reads the files of `/proc`, each as a whole, and finds fields in them. Their meaning is for others.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::str::FromStr;

use crate::os::folder::Folder;

/// The most that is read of a file, in bytes. The arguments of a program have at most 6 MiB; the lists
/// of sockets and locks grow with the machine.
const LARGEST: u64 = 64 << 20;

/// How much room a file gets at first: most are smaller.
const FIRST_READ: usize = 4 << 10;

/// Reads a file that does not show its size, as the kernel's own do not.
///
/// # Errors
/// `FileTooLarge` instead of a part of the file: the rest could matter.
pub(super) fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(FIRST_READ);
    let length = File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;

    if u64::try_from(length).is_ok_and(|length| length > LARGEST) {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Reads the file of this name that the kernel shows of a process.
pub(super) fn read_of(process: u32, file: &str) -> io::Result<Vec<u8>> {
    read(format!("/proc/{process}/{file}"))
}

/// Reads a file of text.
pub(super) fn read_text(path: &str) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&read(path)?).into_owned())
}

/// Returns the ids of all processes.
pub(super) fn ids() -> io::Result<Vec<u32>> {
    let mut ids = Vec::new();
    Folder::open(Path::new("/proc"))?.list(|entry| {
        ids.extend(entry.name().to_str().and_then(|name| name.parse::<u32>().ok()));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(ids)
}

/// The fields of a `stat` file, which are known by number (`proc_pid_stat(5)`).
pub(super) struct Stat(String);

impl Stat {
    /// Reads the fields of a process; none if it has ended or is hidden.
    pub(super) fn of(process: u32) -> Option<Self> {
        Self::parse(&read_of(process, "stat").ok()?)
    }

    pub(super) fn parse(stat: &[u8]) -> Option<Self> {
        // The second field is a name in parentheses, and may have any bytes.
        let behind_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
        Some(Self(String::from_utf8_lossy(&stat[behind_name..]).into_owned()))
    }

    /// Returns a field from the third on.
    pub(super) fn field<T: FromStr>(&self, number: usize) -> Option<T> {
        self.0.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
    }

    /// Returns true for a zombie.
    pub(super) fn is_dead(&self) -> Option<bool> {
        self.field(3).map(|state: char| matches!(state, 'Z' | 'X'))
    }
}

/// Returns the rest of the line that begins with `name` in a `status` file.
pub(super) fn line<'s>(status: &'s [u8], name: &[u8]) -> Option<&'s [u8]> {
    status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name))
}

/// Returns the first word behind `name` in a `status` file.
pub(super) fn word<'s>(status: &'s [u8], name: &[u8]) -> Option<&'s str> {
    let mut words = line(status, name)?.trim_ascii_start().split(u8::is_ascii_whitespace);
    str::from_utf8(words.next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_has_no_end_is_an_error() {
        assert_eq!(read("/dev/zero").unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn fields_are_counted_behind_a_name_of_any_kind() {
        let stat = Stat::parse(b"7 (a) Z 1 b) S 5 6 \xff 8\n").unwrap();
        assert_eq!((stat.field(3), stat.field(4), stat.field(5)), (Some('S'), Some(5), Some(6)));
        assert_eq!((stat.field::<u32>(6), stat.field::<u32>(8)), (None, None));
        assert_eq!(stat.is_dead(), Some(false));
        assert!(Stat::parse(b"7 S 5").is_none());
        assert_eq!(Stat::of(std::process::id()).and_then(|stat| stat.is_dead()), Some(false));
    }
}
