//! Which process is the child of which, found in one pass over `/proc` for all that ask.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;

use super::proc::has_ended;
use super::stat::Stat;

/// All processes that `/proc` showed during one pass. Those of other users may be hidden.
#[derive(Debug, Default)]
pub struct Tree {
    stats: HashMap<u32, Stat>,
    children: HashMap<u32, Vec<u32>>,
    is_whole: bool,
}

impl Tree {
    /// Reads `stat` of every process. A process that ends meanwhile is left out.
    ///
    /// # Errors
    /// If `/proc` cannot be listed.
    pub fn read() -> io::Result<Self> {
        let mut tree = Self { is_whole: true, ..Self::default() };
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            match Stat::read(pid) {
                Ok(stat) => tree.extend(stat.map(|stat| (pid, stat))),
                // Those of other users are hidden where /proc has `hidepid`.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                Err(error) if has_ended(&error) => {}
                Err(_) => tree.is_whole = false,
            }
        }
        Ok(tree)
    }

    fn extend(&mut self, found: impl IntoIterator<Item = (u32, Stat)>) {
        for (pid, stat) in found {
            self.children.entry(stat.parent).or_default().push(pid);
            self.stats.insert(pid, stat);
        }
    }

    /// Returns false if some process could not be read, whose parent may be any.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The line of `stat` of that process, as it was during the pass.
    pub fn stat(&self, pid: u32) -> Option<&Stat> {
        self.stats.get(&pid)
    }

    /// The ids of all processes.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        self.stats.keys().copied()
    }

    /// The direct children of that process.
    pub fn children(&self, pid: u32) -> &[u32] {
        self.children.get(&pid).map_or(&[], Vec::as_slice)
    }

    /// That process and all its descendants; none if it is not there.
    pub fn with_descendants(&self, pid: u32) -> Vec<u32> {
        let mut found: Vec<u32> =
            self.stats.contains_key(&pid).then_some(pid).into_iter().collect();
        let mut known: HashSet<u32> = found.iter().copied().collect();

        // A pid that was used again during the pass might make a circle.
        let mut next = 0;
        while let Some(parent) = found.get(next).copied() {
            found.extend(self.children(parent).iter().filter(|child| known.insert(**child)));
            next += 1;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(parent: u32) -> Stat {
        Stat {
            state: b'S',
            parent,
            group: 1,
            session: 1,
            terminal: 0,
            flags: 0,
            cpu_ticks: 0,
            start: 1,
        }
    }

    fn sorted(mut pids: Vec<u32>) -> Vec<u32> {
        pids.sort_unstable();
        pids
    }

    #[test]
    fn descendants_are_found_at_any_depth_and_in_circles() {
        let mut tree = Tree::default();
        tree.extend([(1, stat(0)), (5, stat(1)), (6, stat(5)), (7, stat(6)), (8, stat(1))]);
        assert_eq!(sorted(tree.with_descendants(5)), [5, 6, 7]);
        assert_eq!(sorted(tree.with_descendants(1)), [1, 5, 6, 7, 8]);
        assert!(tree.with_descendants(9).is_empty());
        assert!(tree.with_descendants(0).is_empty(), "0 is no process");

        tree.extend([(20, stat(21)), (21, stat(20))]);
        assert_eq!(sorted(tree.with_descendants(20)), [20, 21]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_of_ours_is_found() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let tree = Tree::read().unwrap();
        let is_found = tree.children(std::process::id()).contains(&child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(is_found);
    }
}
