//! Which paths are still there when a timer runs: not those below a runtime or temporary folder, and not links that a
//! shell makes for itself. And which ones an upgrade removes, since they have a version in them.

use std::path::{Component, Path, PathBuf};

use crate::config::Environment;
use crate::os::links::hops;

/// The variables that name a folder that a logout or a restart empties.
const VARIABLES: [&str; 2] = ["XDG_RUNTIME_DIR", "TMPDIR"];

/// The folders that a logout, a restart or a timer empties.
const FOLDERS: [&str; 5] = ["/run/user", "/var/run/user", "/tmp", "/var/tmp", "/dev/shm"];

/// Folders in a home or a project with such a purpose.
const NAMES: [&str; 4] = ["tmp", "temp", ".tmp", "fnm_multishells"];

/// The folders whose entries do not outlive a session of the user or a restart.
#[derive(Debug)]
pub struct Fleeting(Vec<PathBuf>);

impl Fleeting {
    /// Takes those that the environment names, and the usual ones.
    pub fn of(environment: &Environment) -> Self {
        let named = VARIABLES.into_iter().filter_map(|name| environment.get(name));
        let named =
            named.map(PathBuf::from).filter(|path| path.is_absolute() && path.parent().is_some());
        Self(named.chain(FOLDERS.map(PathBuf::from)).collect())
    }

    /// Returns true if the path is below one of them, or a link that one shell has made for itself.
    pub fn has(&self, path: &Path) -> bool {
        self.0.iter().any(|folder| path.starts_with(folder))
            || path.components().any(|part| {
                let Component::Normal(name) = part else { return false };
                name.to_str().is_some_and(|name| NAMES.contains(&name) || is_of_one_shell(name))
            })
    }

    /// Returns a path that outlives this session: the path itself, or else its target, if a link on the way to that
    /// is in one of these folders.
    pub fn lasting(&self, path: &Path) -> PathBuf {
        let hops = hops(path);
        match hops.last() {
            Some(target) if hops.iter().any(|hop| self.has(hop)) => target.clone(),
            _ => path.to_owned(),
        }
    }
}

/// Returns true for the number of a process and a time, `4711_1790000000000`, or a name with `multishell`.
fn is_of_one_shell(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.contains("multishell")
        || name.split_once('_').is_some_and(|(process, time)| is_number(process) && is_number(time))
}

/// Returns true if an upgrade of the program removes that path: a part of it is a version, or a package manager keeps
/// each version in a folder of its own there.
pub fn is_versioned(path: &Path) -> bool {
    let names: Vec<&str> = path.iter().filter_map(|name| name.to_str()).collect();

    names.iter().any(|name| has_version(name))
        || names.windows(3).any(|parts| match parts {
            ["nix" | "gnu", "store", _] | ["Cellar" | "Caskroom", _, _] => true,
            // The version is the part after the program's name.
            ["installs", _, version] => *version != "latest",
            _ => false,
        })
}

/// Returns true for `1.2.3`, `v20.1`, `tool-1.2.3` and `tool@1.2.3`.
fn has_version(name: &str) -> bool {
    name.split(['-', '@']).any(|part| {
        let part = part.strip_prefix('v').unwrap_or(part);
        let mut numbers = part.split(['.', '_', '+']);
        let mut next = || numbers.next().is_some_and(|number| number.parse::<u32>().is_ok());
        next() && next() && part.contains('.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::create::create_private_folders;
    use std::os::unix::fs::symlink;

    #[test]
    fn folders_with_a_version_are_known() {
        for versioned in [
            "/nix/store/abc-session-warden/bin/session-warden",
            "/gnu/store/abc-session-warden/bin/session-warden",
            "/home/linuxbrew/.linuxbrew/Cellar/session-warden/0.1.0_1/bin/session-warden",
            "/opt/homebrew/Cellar/session-warden/HEAD-1a2b3c/bin/session-warden",
            "/home/u/.local/share/mise/installs/session-warden/0.1.0/bin/session-warden",
            "/home/u/.local/share/mise/installs/session-warden/2/session-warden",
            "/home/u/.asdf/installs/session-warden/0.1.0/bin/session-warden",
            "/opt/session-warden-0.1.0/session-warden",
            "/home/u/.nvm/versions/node/v20.1.0/bin/session-warden",
            "/opt/0.1.0-rc.1/session-warden",
        ] {
            assert!(is_versioned(Path::new(versioned)), "{versioned}");
        }
        for lasting in [
            "/usr/local/bin/session-warden",
            "/home/u/.nix-profile/bin/session-warden",
            "/run/current-system/sw/bin/session-warden",
            "/opt/homebrew/bin/session-warden",
            "/home/u/.local/share/mise/shims/session-warden",
            "/home/u/.local/share/mise/installs/session-warden/latest/bin/session-warden",
            "/srv/x86_64/bin2/v2/session-warden",
            "/home/j.doe/10.something/session-warden",
        ] {
            assert!(!is_versioned(Path::new(lasting)), "{lasting}");
        }
    }

    #[test]
    fn a_link_of_one_shell_is_followed_and_a_lasting_one_is_not() {
        let fleeting = Fleeting::of(&Environment::from(|name| {
            (name == "XDG_RUNTIME_DIR").then(|| "/srv/runtime".into())
        }));
        for gone in [
            "/run/user/1000/fnm_multishells/11_22/bin",
            "/home/u/.local/state/fnm_multishells/11_22/bin",
            "/home/u/.cache/shells/4711_1790000000000/bin",
            "/srv/runtime/x",
            "/tmp/x",
            "/home/u/.codex/tmp/arg0/x",
        ] {
            assert!(fleeting.has(Path::new(gone)), "{gone}");
        }
        for lasting in ["/usr/bin", "/run/current-system/sw/bin", "/home/u/.fnm/aliases/20/bin"] {
            assert!(!fleeting.has(Path::new(lasting)), "{lasting}");
        }

        // The target does not change when the tests' own folder is a temporary one.
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        create_private_folders(&top.join("fnm_multishells")).unwrap();
        symlink(top.join("node"), top.join("fnm_multishells/11_22")).unwrap();
        let found = fleeting.lasting(&top.join("fnm_multishells/11_22/bin"));
        assert_eq!(found, top.join("node/bin"));
        assert_eq!(fleeting.lasting(Path::new("/usr/bin")), Path::new("/usr/bin"));
    }
}
