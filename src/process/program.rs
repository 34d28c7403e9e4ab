//! Which program a process is: one that runs as itself, or a script that an interpreter runs.

use memchr::memmem;
use std::fs;

use super::running::{Process, ancestors, line};

/// One of `all` that is a program of one of these names, run as itself or by an interpreter, or whose
/// program lies below a folder that is called like `package`, such as `/@openai/codex/`.
pub fn running(all: &[Process], names: &[&str], package: &str) -> Option<u32> {
    let is_it = |program: &[u8]| {
        file_name_is(program, names) || memmem::find(program, package.as_bytes()).is_some()
    };
    let found = all.iter().find(|one| is_program(&one.name, &one.arguments, is_it))?;
    Some(found.id)
}

/// The nearest process that this one descends from and that is a program of one of these names, run as
/// itself or by an interpreter.
pub fn named_ancestor(names: &[&str]) -> Option<u32> {
    ancestors().into_iter().skip(1).find(|id| {
        let status = fs::read(format!("/proc/{id}/status")).unwrap_or_default();
        let arguments = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let name = line(&status, b"Name:\t").unwrap_or_default();
        is_program(name, &arguments, |program| file_name_is(program, names))
    })
}

/// Whether a process of that name and with those arguments is a program that `is_it` knows by its
/// path: as the name, as the first argument, or as the script that an interpreter runs.
fn is_program(name: &[u8], arguments: &[u8], is_it: impl Fn(&[u8]) -> bool) -> bool {
    let mut words = arguments.split(|byte| *byte == 0);
    let first = words.next().unwrap_or_default();
    if is_it(name) || is_it(first) {
        return true;
    }
    // `node /usr/bin/gemini …`, and `node --no-warnings=DEP0040 /usr/bin/gemini …`, as Gemini CLI
    // starts itself.
    let is_option = |word: &&[u8]| word.starts_with(b"-");
    let script = if file_name_is(first, &["node", "nodejs", "bun", "deno"]) {
        words.find(|word| !is_option(word) && *word != b"run")
    } else if file_name_is(without_version(first), &INTERPRETERS) {
        // What a shell is told to run names it as well, but stands behind an option.
        words.next().filter(|word| !is_option(word))
    } else {
        // `tail claude` is about a file.
        None
    };
    script.is_some_and(is_it)
}

/// What runs scripts, but for those that take options before them.
const INTERPRETERS: [&str; 9] =
    ["sh", "bash", "dash", "zsh", "ksh", "busybox", "python", "perl", "ruby"];

/// `python3.11` without what tells one version from another.
fn without_version(program: &[u8]) -> &[u8] {
    let is_of_version = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let length = program.iter().rposition(|byte| !is_of_version(byte)).map_or(0, |last| last + 1);
    &program[..length]
}

/// Whether the last part of that path is one of these names.
fn file_name_is(path: &[u8], names: &[&str]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    // As packagers start it: `node …/bundle/gemini.js`.
    let name = name.strip_suffix(b".js").unwrap_or(name);
    names.iter().any(|wanted| name == wanted.as_bytes())
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
}
