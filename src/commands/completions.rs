//! `completions`: what a shell needs to complete our command line, made from the grammar itself.

use clap::{Command, ValueHint};
use clap_complete::Shell;
use std::io::{self, Write};

use crate::disk::words;
use crate::domain::{Exit, Failure};

/// Writes the script for that shell; `root` is the whole grammar.
///
/// # Errors
/// Where it cannot be written. Nobody who reads on is no error.
pub fn run(root: Command, shell: Shell, out: &mut dyn Write) -> Result<Exit, Failure> {
    let name = root.get_name().to_owned();
    // The generators panic where a write fails, so they write to memory.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut with_hints(root), &name, &mut script);
    let script = String::from_utf8_lossy(&script);
    // For bash, clap_complete spells a hyphen in the program's name in two ways, so that no option of
    // a command is ever found (https://github.com/clap-rs/clap/issues/6421): one way is enough.
    let script = script.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"));
    match out.write_all(script.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write the completions: {}", words(&error)))
                .hint("check where standard output goes"))
        }
        _ => Ok(Exit::Done),
    }
}

/// The same grammar, in which options that take a folder are completed with folders only.
fn with_hints(command: Command) -> Command {
    let command = command.mut_args(|arg| match arg.get_value_names() {
        Some([name]) if name == "DIR" => arg.value_hint(ValueHint::DirPath),
        _ => arg,
    });
    command.mut_subcommands(with_hints)
}
