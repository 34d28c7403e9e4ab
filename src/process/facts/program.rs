//! Which program a process runs: its executable, and the script if that is an interpreter of JavaScript.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::process::proc;

/// The interpreters of JavaScript that Claude Code runs on.
const INTERPRETERS: [&str; 3] = ["node", "nodejs", "bun"];

/// A process's program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// Its executable, without the mark that the file was removed since, as an update does it; nothing if it
    /// cannot be read.
    pub executable: Option<PathBuf>,
    /// The script that an interpreter runs, with links resolved: its first argument that is no option.
    pub script: Option<PathBuf>,
}

impl Program {
    pub(super) fn read(pid: u32) -> Self {
        let executable = proc::link(pid, "exe").ok().flatten().map(without_deleted);
        let script = executable.as_deref().filter(|path| is_interpreter(path)).and_then(|_| {
            let arguments = proc::read_live(pid, "cmdline").ok().flatten()?;
            let script = script(&arguments)?;
            let folder = proc::link(pid, "cwd").ok().flatten()?;
            let script = folder.join(script);
            Some(script.canonicalize().unwrap_or(script))
        });
        Self { executable, script }
    }

    /// Returns true for Claude Code: a program called `claude`, one of its versions, or its `cli.js`.
    pub fn is_claude_code(&self) -> bool {
        let Some(executable) = &self.executable else { return false };
        if is_interpreter(executable) {
            return self.script.as_deref().is_some_and(is_cli_script);
        }
        executable.file_name() == Some(OsStr::new("claude")) || is_version(executable)
    }
}

fn is_interpreter(path: &Path) -> bool {
    INTERPRETERS.iter().any(|name| path.file_name() == Some(OsStr::new(name)))
}

/// `…/claude/versions/<version>`
fn is_version(path: &Path) -> bool {
    let names: Vec<&[u8]> = path.iter().map(OsStrExt::as_bytes).collect();
    matches!(names[..], [.., b"claude", b"versions", version] if is_version_name(version))
}

fn is_version_name(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_digit)
        && name.contains(&b'.')
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(byte))
}

/// `…/@anthropic-ai/<package>/cli.js`, of the CLI's package and of those that bring it along.
fn is_cli_script(path: &Path) -> bool {
    let names: Vec<&[u8]> = path.iter().map(OsStrExt::as_bytes).collect();
    matches!(names[..], [.., b"@anthropic-ai", package, b"cli.js"] if package.starts_with(b"claude-"))
}

/// The first argument that is no option. The value of an option may be taken for it, which is then not ours.
fn script(arguments: &[u8]) -> Option<&Path> {
    let mut words = arguments.split(|byte| *byte == 0).skip(1);
    let script = words.find(|word| !word.starts_with(b"-")).filter(|word| !word.is_empty())?;
    Some(Path::new(OsStr::from_bytes(script)))
}

fn without_deleted(path: PathBuf) -> PathBuf {
    match path.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(bytes) => PathBuf::from(OsStr::from_bytes(bytes)),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_one(executable: &str, script: Option<&str>) -> bool {
        let executable = Some(without_deleted(executable.into()));
        Program { executable, script: script.map(PathBuf::from) }.is_claude_code()
    }

    #[test]
    fn claude_code_is_known_by_its_executable() {
        for path in [
            "/usr/local/bin/claude",
            "/usr/local/bin/claude (deleted)",
            "/home/me/.local/share/claude/versions/2.1.332",
            "/home/me/.local/share/claude/versions/2.1.332 (deleted)",
            "/x/claude/versions/3.0.0-beta.1",
        ] {
            assert!(is_one(path, None), "{path}");
        }
        for path in [
            "/usr/bin/ssh-agent",
            "/usr/bin/python3.11",
            "/usr/local/bin/claude-bridge",
            "/usr/local/bin/Claude",
            "/x/claude/versions/latest",
            "/x/claude/versions/2.1.332/rg",
            "/x/other/versions/2.1.332",
            "/usr/bin/claude/",
            "/",
            "",
        ] {
            let is_claude = path == "/usr/bin/claude/";
            assert_eq!(is_one(path, None), is_claude, "{path}");
        }
    }

    #[test]
    fn claude_code_is_known_by_its_script() {
        let modules = "/usr/lib/node_modules/@anthropic-ai";
        for package in ["claude-code", "claude-agent-sdk"] {
            let script = format!("{modules}/{package}/cli.js");
            assert!(is_one("/usr/bin/node", Some(&script)), "{script}");
            assert!(!is_one("/usr/bin/vim", Some(&script)), "{script}");
        }
        for script in ["/srv/cli.js", "/usr/lib/node_modules/other/claude-code/cli.js"] {
            assert!(!is_one("/usr/bin/node", Some(script)), "{script}");
        }
        assert!(!is_one("/usr/bin/node", Some(&format!("{modules}/claude-code/other.js"))));
        assert!(!is_one("/usr/bin/node", None));
        assert!(!Program::default().is_claude_code());
    }

    #[test]
    fn the_script_is_the_first_argument_that_is_no_option() {
        assert_eq!(script(b"node\0--x=1\0/a/cli.js\0-p\0"), Some(Path::new("/a/cli.js")));
        assert_eq!(script(b"node\0--import\0/b.mjs\0/a/cli.js\0"), Some(Path::new("/b.mjs")));
        for none in [&b""[..], b"node\0", b"node\0-e\0", b"node"] {
            assert_eq!(script(none), None);
        }
    }
}
