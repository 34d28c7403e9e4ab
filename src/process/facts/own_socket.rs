//! Whether a process listens at a Unix socket of a given path. The kernel shows it; no connection is made.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::process::proc;

/// The table is read up to here; a line has some 100 bytes.
const LARGEST_TABLE: u64 = 256 << 20;

/// Returns true if a socket of that path listens in process `pid` itself. The table is that of the network
/// namespace that the process is in.
pub(super) fn is_listening(pid: u32, socket: &Path) -> bool {
    let listening = File::open(proc::path_of(pid, "net/unix"))
        .and_then(|table| listeners(BufReader::new(table.take(LARGEST_TABLE)), socket));
    match listening {
        Ok(listening) if !listening.is_empty() => proc::sockets(pid)
            .is_ok_and(|sockets| sockets.iter().any(|inode| listening.contains(inode))),
        _ => false,
    }
}

/// The inodes of the sockets in a table that listen at that path.
fn listeners(mut table: impl BufRead, socket: &Path) -> io::Result<HashSet<u64>> {
    let mut found = HashSet::new();
    let mut line = Vec::new();
    while table.read_until(b'\n', &mut line)? > 0 {
        found.extend(listener(&line, socket.as_os_str().as_bytes()));
        line.clear();
    }
    Ok(found)
}

/// The inode in a line of `/proc/net/unix`, if that is of a stream socket which listens at that path:
/// `ffff8880: 00000002 00000000 00010000 0001 01 4242 /run/user/1000/x.sock`.
fn listener(line: &[u8], path: &[u8]) -> Option<u64> {
    /// `__SO_ACCEPTCON` in the kernel's `net.h`.
    const LISTENS: u32 = 0x0001_0000;
    let line = line.strip_suffix(b"\n").unwrap_or(line);

    // A path may hold blanks, and the columns before it may be padded with them.
    let before = line.strip_suffix(path)?.strip_suffix(b" ")?;
    let fields: Vec<&str> = std::str::from_utf8(before).ok()?.split_ascii_whitespace().collect();
    let [_, _, _, flags, _, _, inode] = fields[..] else { return None };
    let is_listening = u32::from_str_radix(flags, 16).ok()? & LISTENS != 0;
    inode.parse().ok().filter(|_| is_listening && path.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/tmp/cc 1/4121.sock";

    #[test]
    fn a_listener_is_known_by_its_whole_path() {
        let line = |flags: &str, path: &str| {
            format!("ffff88800abc: 00000002 00000000 {flags} 0001 01  4242 {path}\n")
        };
        let found = |line: &str| listener(line.as_bytes(), PATH.as_bytes());
        assert_eq!(found(&line("00010000", PATH)), Some(4242));
        assert_eq!(found(&line("00000000", PATH)), None, "a connection of it");
        for path in ["/tmp/cc 1/4121.sock2", "/x/tmp/cc 1/4121.sock", "x /tmp/cc 1/4121.sock", ""] {
            assert_eq!(found(&line("00010000", path)), None, "{path}");
        }
        assert_eq!(listener(line("00010000", "").as_bytes(), b""), None);
        assert_eq!(listener(line("00010000", "@name").as_bytes(), b"@name"), None);
        assert_eq!(found("Num RefCount Protocol Flags Type St Inode Path"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_listens_in_the_process_that_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let (ours, theirs) =
            (is_listening(std::process::id(), &path), is_listening(child.id(), &path));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(ours && !theirs);

        assert!(!is_listening(std::process::id(), &folder.path().join("b.sock")));
        drop(listener);
        assert!(!is_listening(std::process::id(), &path), "its file alone does not listen");
    }
}
