//! The established TCP connections of processes: the sockets that each has open, looked up in the tables of
//! the network namespace that it is in.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use crate::process::proc;

/// A table is read up to here; a line has 150 bytes.
const LARGEST_TABLE: u64 = 256 << 20;

/// The sockets of processes, by the network namespace that each process is in.
#[derive(Default)]
pub(super) struct SocketTable {
    by_namespace: HashMap<Option<PathBuf>, Vec<(u32, Vec<u64>)>>,
    /// Of those that need no table: none for a process that has ended, and nothing if they cannot be read.
    known: HashMap<u32, Option<Vec<u64>>>,
}

impl SocketTable {
    /// Adds the sockets of process `pid`.
    pub(super) fn add(&mut self, pid: u32) {
        let Ok(inodes) = proc::sockets(pid) else {
            self.known.insert(pid, None);
            return;
        };

        // Each process whose namespace is not readable is asked for its own tables.
        match proc::link(pid, "ns/net") {
            Ok(Some(namespace)) => {
                self.by_namespace.entry(Some(namespace)).or_default().push((pid, inodes));
            }
            Ok(None) => {
                self.known.insert(pid, Some(Vec::new()));
            }
            Err(_) => self.by_namespace.entry(None).or_default().push((pid, inodes)),
        }
    }

    /// Returns the established connections of each process, by inode; nothing for one whose sockets or tables
    /// cannot be read.
    pub(super) fn established(self) -> HashMap<u32, Option<Vec<u64>>> {
        let mut found = self.known;
        for (namespace, processes) in self.by_namespace {
            if namespace.is_some() {
                look_up(&processes, &mut found);
            } else {
                for process in processes {
                    look_up(&[process], &mut found);
                }
            }
        }
        found
    }
}

/// Looks the sockets of processes of one network namespace up in its tables.
fn look_up(processes: &[(u32, Vec<u64>)], found: &mut HashMap<u32, Option<Vec<u64>>>) {
    let asked: HashSet<u64> = processes.iter().flat_map(|(_, inodes)| inodes).copied().collect();
    // Any process of the namespace shows its tables. One that has ended shows none.
    let established = if asked.is_empty() {
        Some(HashSet::new())
    } else {
        processes.iter().find_map(|(pid, _)| read_tables(*pid, &asked).ok())
    };

    for (pid, inodes) in processes {
        let of_process = established.as_ref().map(|established| {
            inodes.iter().filter(|inode| established.contains(inode)).copied().collect()
        });
        found.insert(*pid, of_process);
    }
}

/// Returns which of these sockets are established connections, by the tables that process `pid` sees.
fn read_tables(pid: u32, asked: &HashSet<u64>) -> io::Result<HashSet<u64>> {
    let mut established = HashSet::new();
    for name in ["net/tcp", "net/tcp6"] {
        let table = match File::open(proc::path_of(pid, name)) {
            Ok(table) => table,
            // A system without IPv6 has no such table.
            Err(error) if name == "net/tcp6" && error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        read_table(BufReader::new(table.take(LARGEST_TABLE)), asked, &mut established)?;
    }
    Ok(established)
}

fn read_table(
    mut table: impl BufRead,
    asked: &HashSet<u64>,
    established: &mut HashSet<u64>,
) -> io::Result<()> {
    let (mut line, mut length) = (Vec::new(), 0);
    while table.read_until(b'\n', &mut line)? > 0 {
        length += line.len() as u64;
        established.extend(established_inode(&line).filter(|inode| asked.contains(inode)));
        line.clear();
    }
    if length >= LARGEST_TABLE {
        return Err(io::Error::other("too many connections"));
    }
    Ok(())
}

/// The inode in a line of `/proc/net/tcp` or `tcp6`, if it is of an established connection.
fn established_inode(line: &[u8]) -> Option<u64> {
    const ESTABLISHED: &str = "01";
    let mut fields = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    if fields.nth(3)? != ESTABLISHED {
        return None;
    }
    fields.nth(5)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(state: &str, inode: u64) -> String {
        format!(
            "   3: 0100007F:1F40 0100007F:9C40 {state} 00000000:00000000 00:00000000 00000000  1000        0 {inode} 1\n"
        )
    }

    #[test]
    fn only_established_connections_that_are_asked_for_count() {
        let header = "  sl  local_address rem_address   st tx_queue rx_queue\n";
        let table: String = [("01", 1), ("0A", 2), ("08", 3), ("01", 4)]
            .map(|(state, inode)| line(state, inode))
            .concat();
        let mut found = HashSet::new();
        let asked = HashSet::from([1, 2, 3, 9]);
        read_table(format!("{header}{table}01 \u{e9}\n").as_bytes(), &asked, &mut found).unwrap();
        assert_eq!(found, HashSet::from([1]));
    }

    #[test]
    fn a_line_that_is_cut_is_none() {
        let whole = line("01", 4242);
        assert_eq!(established_inode(whole.as_bytes()), Some(4242));
        for length in 0..whole.len() - 9 {
            assert_eq!(established_inode(&whole.as_bytes()[..length]), None, "{length}");
        }
    }
}
