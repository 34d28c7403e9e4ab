//! The program of a process: one that runs as itself, or a script that an interpreter runs.
//!
//! Packagers rename a CLI's program: `codex-raw`, `.codex-wrapped`, `codex-unwrapped`,
//! `codex-x86_64-unknown-linux-musl`. So a program is known by its executable, and by what is left of
//! its name without such additions.

use memchr::memmem;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use super::own::ancestors;
use super::proc::{line, read_of};
use super::running::{Process, file_name};

/// Claude Code's name, its package, and the folder of its versions.
const CLAUDE: &str = "claude";
const CLAUDE_PACKAGE: &str = "/@anthropic-ai/claude-code";
const CLAUDE_VERSIONS: &[u8] = b"/claude/versions/";

/// Interpreters that take options before a script.
const WITH_OPTIONS: [&str; 4] = ["node", "nodejs", "bun", "deno"];

/// The other interpreters.
const INTERPRETERS: [&str; 9] =
    ["sh", "bash", "dash", "zsh", "ksh", "busybox", "python", "perl", "ruby"];

/// Returns one of `all` that is a program of one of these names, run as itself or by an interpreter,
/// or whose program is below a folder named like `package`, such as `/@openai/codex/`.
pub fn running(all: &[Process], names: &[&str], package: &str) -> Option<u32> {
    all.iter().find(|process| is_running(process, names, package)).map(|process| process.id)
}

fn is_running(process: &Process, names: &[&str], package: &str) -> bool {
    has_program(process, |program| {
        is_called(program, names) || memmem::find(program, package.as_bytes()).is_some()
    }) || is_run_as(process, names)
}

/// Returns true for a Claude Code.
pub fn is_claude(process: &Process) -> bool {
    is_running(process, &[CLAUDE, "claude-code"], CLAUDE_PACKAGE)
        || process.program().is_some_and(|program| {
            memmem::find(program.as_os_str().as_bytes(), CLAUDE_VERSIONS).is_some()
        })
}

impl Process {
    /// Returns true if it may be a program of that name, by what every user may read of it.
    pub fn may_be_cli(&self, name: &str) -> bool {
        has_program(self, |program| is_called(program, &[name]))
    }
}

/// Returns true if the file that the process runs has one of these names. An interpreter has none.
fn is_run_as(process: &Process, names: &[&str]) -> bool {
    process.program().is_some_and(|program| is_called(program.as_os_str().as_bytes(), names))
}

/// Returns the nearest process that this one descends from and that is a program of one of these
/// names, run as itself or by an interpreter.
pub fn named_ancestor(names: &[&str]) -> Option<u32> {
    ancestors().into_iter().skip(1).find(|id| {
        let status = read_of(*id, "status").unwrap_or_default();
        let name = line(&status, b"Name:\t").unwrap_or_default().to_vec();
        let arguments = read_of(*id, "cmdline").unwrap_or_default();
        let process = Process { id: *id, name, arguments };
        has_program(&process, |program| is_called(program, names)) || is_run_as(&process, names)
    })
}

/// Returns true if `is_it` knows the program of that process by a path: its name, its first argument,
/// or the script that an interpreter runs.
fn has_program(process: &Process, is_it: impl Fn(&[u8]) -> bool) -> bool {
    let mut words = process.arguments.split(|byte| *byte == 0);
    let first = words.next().unwrap_or_default();
    if is_it(&process.name) || is_it(first) {
        return true;
    }

    // `node /usr/bin/gemini …`, and `node --no-warnings=DEP0040 /usr/bin/gemini …`, as Gemini CLI
    // starts itself.
    let script = if is_called(first, &WITH_OPTIONS) {
        words.find(|word| !word.starts_with(b"-") && *word != b"run")
    } else if is_called(without_version(first), &INTERPRETERS) {
        // In `sh -c COMMAND` the command names the program as well, but it follows an option.
        words.next().filter(|word| !word.starts_with(b"-"))
    } else {
        // `tail claude` is about a file.
        None
    };
    script.is_some_and(is_it)
}

/// Returns `python` for `python3.11`.
fn without_version(program: &[u8]) -> &[u8] {
    let last = program.iter().rposition(|byte| !byte.is_ascii_digit() && *byte != b'.');
    &program[..last.map_or(0, |last| last + 1)]
}

/// Returns true if the last component of that path is one of these names, with or without the
/// additions of packagers.
fn is_called(path: &[u8], names: &[&str]) -> bool {
    let name = file_name(path);
    // As packagers start it: `node …/bundle/gemini.js`.
    let name = name.strip_suffix(b".js").unwrap_or(name);

    let plain = without_additions(name);
    names.iter().any(|known| name == known.as_bytes() || plain == known.as_bytes())
}

/// Returns a program's name without the additions of packagers. The kernel keeps 15 bytes of a
/// process's name, so the end of a long one may be cut.
fn without_additions(name: &[u8]) -> &[u8] {
    const ENDS: [&[u8]; 6] = [b"-wrapped", b"-unwrapped", b"-raw", b"-bin", b"-real", b".exe"];
    const MACHINES: [&[u8]; 8] = [
        b"-x86_64-",
        b"-aarch64-",
        b"-arm64-",
        b"-armv7-",
        b"-i686-",
        b"-linux-",
        b"-darwin-",
        b"-musl-",
    ];

    let mut name = name;
    while let Some(rest) = name.strip_prefix(b".") {
        name = rest;
    }
    while let Some(rest) = ENDS.iter().find_map(|end| name.strip_suffix(*end)) {
        name = rest;
    }

    let machine = MACHINES.iter().filter_map(|machine| memmem::find(name, machine)).min();
    name = machine.map_or(name, |at| &name[..at]);

    // `claude-2.1.332`
    let version = name.windows(2).position(|two| two[0] == b'-' && two[1].is_ascii_digit());
    version.map_or(name, |at| &name[..at])
}

/// Returns true if a folder of that `PATH` has a program of that name.
pub fn is_on_path(path: &OsStr, name: &str) -> bool {
    std::env::split_paths(path).any(|folder| {
        fs::metadata(folder.join(name))
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_by_its_name_and_as_a_script() {
        let check = |name: &str, arguments: &[&str], expected: bool| {
            let text = arguments.join("\0").into_bytes();
            let one = Process { id: 7, name: name.into(), arguments: text };
            let found = running(&[one], &["gemini"], "/@google/gemini-cli/");
            assert_eq!(found, expected.then_some(7), "{arguments:?}");
        };
        check("gemini", &["x"], true);
        check("node", &["/opt/bin/gemini", "-p", "hi"], true);
        check("node", &["node", "/usr/bin/gemini"], true);
        check("node", &["/usr/bin/node", "--no-warnings=DEP0040", "/usr/bin/gemini", "-p"], true);
        check("bun", &["bun", "run", "/usr/bin/gemini"], true);
        check("node", &["node", "--a=b", "/usr/share/gemini/bundle/gemini.js"], true);
        check("MainThread", &["node", "/lib/node_modules/@google/gemini-cli/dist/index.js"], true);
        check("sh", &["/bin/sh", "/home/me/bin/gemini"], true);
        check("sh", &["sh", "-c", "gemini"], false);
        check("node", &["node", "server.js", "/usr/bin/gemini"], false);
        check("node", &["node", "--version"], false);
        check("python3", &["/usr/bin/python3.11", "/home/me/bin/gemini"], true);
        check("vim", &["vim", "gemini.md"], false);
        check("tail", &["tail", "gemini"], false);
        check("vim", &["vim", "/usr/bin/gemini"], false);
        check("less", &["less", "/notes/@google/gemini/x"], false);
        check("", &[], false);
    }

    #[test]
    fn a_program_is_known_without_what_packagers_add_to_its_name_e4() {
        for name in [
            "codex",
            "/opt/codex-raw",
            "/nix/store/x/bin/.codex-wrapped",
            "..codex-wrapped-wrapped",
            "codex-unwrapped",
            "codex-x86_64-unknown-linux-musl",
            "codex-aarch64-apple-darwin",
            "codex-linux-x64",
            "codex-0.171.0",
            "codex-bin",
            "codex.exe",
            // As the kernel cuts it.
            "codex-x86_64-un",
        ] {
            assert!(is_called(name.as_bytes(), &["codex"]), "{name}");
        }
        for name in ["codexes", "my-codex", "codex-app", "codex.md", "raw", "", "."] {
            assert!(!is_called(name.as_bytes(), &["codex"]), "{name}");
        }
    }
}
