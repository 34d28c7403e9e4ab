//! Where a path leads to by links, whether or not anything is there yet.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows in one path.
const MOST_LINKS: usize = 40;

/// Returns an absolute path as it is, then the path that each link in it leads to, one after the other. The last
/// one has no link in it, unless the links form a loop. A part that does not exist counts as no link.
pub fn hops(path: &Path) -> Vec<PathBuf> {
    let mut hops = Vec::new();
    let mut path = path.to_owned();

    while hops.len() < MOST_LINKS {
        let (hop, next) = follow(&path);
        hops.push(hop);
        match next {
            Some(next) => path = next,
            None => break,
        }
    }
    hops
}

/// Returns the path that `path` leads to in the end, by all links in it.
pub fn target(path: &Path) -> PathBuf {
    hops(path).pop().unwrap_or_default()
}

/// Returns the path without `.` and `..` before its first link, and the path that this link leads to.
fn follow(path: &Path) -> (PathBuf, Option<PathBuf>) {
    let mut whole = PathBuf::from("/");
    let mut parts = path.components();

    while let Some(part) = parts.next() {
        match part {
            // No link is before it, so it is the folder that the path shows.
            Component::ParentDir => {
                whole.pop();
            }
            Component::Normal(name) => {
                let target = fs::read_link(whole.join(name));
                let folder = whole.clone();
                whole.push(name);
                if let Ok(target) = target {
                    let rest = parts.as_path();
                    return (below(&whole, rest), Some(below(&folder.join(target), rest)));
                }
            }
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    (whole, None)
}

/// Returns `rest` in that folder; without the slash that joining nothing adds.
fn below(folder: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { folder.to_owned() } else { folder.join(rest) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::create::create_private_folders;
    use std::os::unix::fs::symlink;

    #[test]
    fn every_link_on_the_way_is_a_hop_and_nothing_need_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        let at = |name: &str| top.join(name);
        create_private_folders(&at("a")).unwrap();
        symlink("../b/./c", at("a/one")).unwrap();
        symlink(at("d"), at("b")).unwrap();
        symlink("two", at("two")).unwrap();

        assert_eq!(hops(&at("a/plain")), [at("a/plain")]);
        assert_eq!(hops(&at("a/../x/./y")), [at("x/y")]);
        assert_eq!(hops(&at("a/one/map")), [at("a/one/map"), at("b/c/map"), at("d/c/map")]);
        assert_eq!(target(&at("a/one")), at("d/c"));
        assert_eq!(hops(&at("two")).len(), MOST_LINKS, "a loop ends");
    }
}
