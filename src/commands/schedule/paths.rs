//! The paths that a clean needs, each with all that links in it lead to, whether or not anything is there yet: in a
//! unit with a `/tmp` of its own, a link that leads below `/tmp` leads nowhere.

use std::path::{Path, PathBuf};

use crate::config::{Clean, Home};
use crate::os::links::hops;
use crate::provider::PROVIDERS;

/// Another service's private `/tmp`, which no link of a user may open.
const PRIVATE: &str = "systemd-private-";

#[derive(Debug, Default)]
pub(super) struct Paths {
    pub(super) reads: Vec<PathBuf>,
    pub(super) states: Vec<PathBuf>,
    pub(super) writes: Vec<PathBuf>,
}

impl Paths {
    /// Adds those of a clean with that state folder.
    pub(super) fn add(&mut self, clean: &Clean, state: PathBuf) {
        let files = [Some(&clean.map), clean.metrics.as_ref(), clean.log.as_ref()];
        for file in files.into_iter().flatten() {
            // A file that is a link is replaced where it leads to.
            let folders = all(file).into_iter().filter_map(|hop| Some(hop.parent()?.to_owned()));
            self.writes.extend(folders);
        }
        self.writes.extend(all(&state));
        self.states.push(state);

        if let Home::Given(home) | Home::Usual(home) = &clean.home {
            self.reads.extend(all(home));
        }
        for provider in &PROVIDERS {
            // Without a home, each run fails, and shows why.
            let Ok(base) = clean.base(provider, None) else { continue };
            self.reads.extend(all(&base.folder));
            let roots = provider.roots.iter().map(|root| base.folder.join(root));
            self.reads.extend(roots.flat_map(|root| all(&root)));
        }
    }

    /// Adds a path that is only read.
    pub(super) fn add_read(&mut self, path: &Path) {
        self.reads.extend(all(path));
    }

    /// Returns them in order, each once.
    pub(super) fn sorted(mut self) -> Self {
        for paths in [&mut self.reads, &mut self.states, &mut self.writes] {
            paths.sort();
            paths.dedup();
        }
        self
    }
}

fn all(path: &Path) -> Vec<PathBuf> {
    let is_private =
        |hop: &PathBuf| hop.iter().any(|name| name.to_string_lossy().starts_with(PRIVATE));
    let mut hops = hops(path);
    hops.retain(|hop| !is_private(hop));
    hops
}
