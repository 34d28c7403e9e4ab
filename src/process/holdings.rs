//! The memory and the established TCP connections that a process and its descendants hold.
//!
//! Only reads. A part that cannot be read is marked as missing and never estimated; a process that ends
//! meanwhile is left out. Which processes are asked about is the caller's choice.

mod connections;
mod memory;

use std::collections::{HashMap, HashSet};

use super::tree::Tree;
use crate::model::{Connections, Holdings, Memory};
use connections::SocketTable;

/// The most processes that are looked at; those beyond it are marked as missing.
const MOST_PROCESSES: usize = 1 << 14;

/// The holdings of each process that was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllHoldings {
    /// By process; one that has ended is not in it.
    pub by_process: HashMap<u32, Holdings>,
    /// All of them together. If one is a descendant of another, its own part counts once.
    pub total: Holdings,
}

/// One process of a tree, without its descendants.
struct Part {
    memory: Memory,
    /// Its established connections, by inode; nothing if they cannot be read.
    connections: Option<Vec<u64>>,
}

/// Reads the holdings of the processes `pids` and of their descendants in `tree`.
pub fn holdings(tree: &Tree, pids: &[u32]) -> AllHoldings {
    let members: Vec<(u32, Vec<u32>)> =
        pids.iter().map(|pid| (*pid, tree.with_descendants(*pid))).collect();
    let mut all: Vec<u32> = members.iter().flat_map(|(_, members)| members).copied().collect();
    all.sort_unstable();
    all.dedup();

    let is_cut = all.len() > MOST_PROCESSES;
    all.truncate(MOST_PROCESSES);
    let parts = read_parts(&all);

    let mut by_process = HashMap::new();
    for (pid, members) in members {
        if parts.contains_key(&pid) {
            by_process.insert(pid, sum(&members, &parts, is_cut));
        }
    }
    AllHoldings { by_process, total: sum(&all, &parts, is_cut) }
}

fn read_parts(pids: &[u32]) -> HashMap<u32, Part> {
    let mut parts = HashMap::new();
    let mut sockets = SocketTable::default();
    for pid in pids {
        if let Some(memory) = memory::read(*pid) {
            parts.insert(*pid, Part { memory, connections: None });
            sockets.add(*pid);
        }
    }

    for (pid, inodes) in sockets.established() {
        if let Some(part) = parts.get_mut(&pid) {
            part.connections = inodes;
        }
    }
    parts
}

/// Adds up the parts of `members`. Those without a part have ended, or were cut off.
fn sum(members: &[u32], parts: &HashMap<u32, Part>, is_cut: bool) -> Holdings {
    let mut memory = Memory { is_whole: !is_cut, ..Memory::NONE };
    let mut inodes: HashSet<u64> = HashSet::new();
    let (mut processes, mut is_whole) = (0, !is_cut);
    for part in members.iter().filter_map(|pid| parts.get(pid)) {
        processes += 1;
        memory = memory.plus(part.memory);
        is_whole &= part.connections.is_some();
        inodes.extend(part.connections.iter().flatten());
    }

    Holdings { processes, memory, connections: Connections { count: inodes.len(), is_whole } }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
